"""The simulated people and their gestures: what sets classes apart, and that nothing but the numbers decides."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events import gestures
from evbench.events.gesture_body import bend, draw_capsule, pictures
from evbench.events.gesture_motion import GESTURES, LEFT, OTHERS, RIGHT, poses
from evbench.events.gestures import draw_subject, make_simulated_gestures, simulate
from evbench.events.recording import open_recording

STEP_US = 20_000


def performance(gesture: str, subject: int = 0, seconds: float = 3.0):
    person = draw_subject(subject)
    return person, poses(gesture, person.body, person.manner, seconds, STEP_US, np.random.default_rng(subject))


def wrists(found, side: float) -> np.ndarray:
    """[n, 3] metres, without the trunk's sway; of a moving or a resting arm."""
    return np.array(
        [
            np.subtract(arm.wrist, (*pose.sway, 0.0))
            for pose in found
            for arm in (*pose.moving, *pose.resting)
            if arm.shoulder[0] * side > 0
        ]
    )


def travelled(places: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


def test_the_classes_and_the_split_are_those_of_dvs128_gesture():
    assert GESTURES == (
        "hand_clapping",
        "right_hand_wave",
        "left_hand_wave",
        "right_arm_clockwise",
        "right_arm_counter_clockwise",
        "left_arm_clockwise",
        "left_arm_counter_clockwise",
        "arm_roll",
        "air_drums",
        "air_guitar",
        "other_gestures",
    )
    assert gestures.SUBJECTS == 29
    assert len(gestures.TEST_SUBJECTS) == 6
    assert set(gestures.TRAIN_SUBJECTS) | set(gestures.VALIDATION_SUBJECTS) == set(range(23))
    assert not set(gestures.TRAIN_SUBJECTS) & set(gestures.VALIDATION_SUBJECTS)


@pytest.mark.parametrize("subject", range(0, 29, 7))
@pytest.mark.parametrize("gesture", GESTURES[1:7])
def test_a_gesture_of_one_arm_moves_that_arm_and_leaves_the_other(gesture, subject):
    _, found = performance(gesture, subject)
    own, other = (RIGHT, LEFT) if gesture.startswith("right") else (LEFT, RIGHT)
    assert travelled(wrists(found, own)) > 10 * travelled(wrists(found, other))


@pytest.mark.parametrize("subject", range(29))
@pytest.mark.parametrize("side", ["right", "left"])
def test_clockwise_turns_clockwise_in_the_picture_and_the_other_the_other_way(side, subject):
    for name, sign in ((f"{side}_arm_clockwise", 1), (f"{side}_arm_counter_clockwise", -1)):
        _, found = performance(name, subject)
        path = wrists(found, RIGHT if side == "right" else LEFT)[:, :2]
        arc = path - path.mean(axis=0)
        # With y pointing down, a positive cross product turns clockwise.
        turned = np.sum(arc[:-1, 0] * np.diff(arc[:, 1]) - arc[:-1, 1] * np.diff(arc[:, 0]))
        assert turned * sign > 0.05


def test_clapping_hands_meet_and_part():
    for subject in range(29):
        _, found = performance("hand_clapping", subject)
        apart = wrists(found, LEFT)[:, 0] - wrists(found, RIGHT)[:, 0]
        assert apart.min() < 0.12
        assert apart.max() > apart.min() + 0.10


@pytest.mark.parametrize("subject", range(0, 29, 4))
@pytest.mark.parametrize("gesture", GESTURES)
def test_arms_keep_their_length_and_hands_stay_slower_than_a_pixel_per_picture(gesture, subject):
    person, found = performance(gesture, subject)
    for pose in found[::10]:
        for arm in (*pose.moving, *pose.resting):
            assert math.dist(arm.shoulder, arm.elbow) == pytest.approx(person.body.upper_arm, abs=1e-6)
            assert math.dist(arm.elbow, arm.wrist) == pytest.approx(person.body.forearm, abs=1e-6)
    fastest = max(np.linalg.norm(np.diff(wrists(found, side)[:, :2], axis=0), axis=1).max() for side in (RIGHT, LEFT))
    assert fastest / STEP_US * gestures.STEP_US * person.body.scale < 1.3


def test_an_arm_that_cannot_reach_stretches_towards_the_place():
    arm = bend((0.0, 0.0, 0.0), (0.0, 2.0, 0.0), (1.0, 0.0, 0.0), 0.3, 0.25)
    assert arm.wrist == pytest.approx((0.0, 0.545, 0.0))
    assert arm.elbow[0] > 0


def test_a_capsule_covers_its_area_whether_upright_or_slanted():
    areas = []
    for b in ((50.0, 20.0), (20.0, 50.0), (20.0 + 30 / math.sqrt(2), 20.0 + 30 / math.sqrt(2))):
        frame = np.ones((80, 80), np.float32)
        draw_capsule(frame, (20.0, 20.0), b, (5.0, 5.0), 0.0, 1.5)
        areas.append(np.sum(1.0 - frame))
    np.testing.assert_allclose(areas, 30 * 10 + math.pi * 25, rtol=0.02)


def test_a_capsule_outside_the_picture_changes_nothing():
    frame = np.zeros((20, 20), np.float32)
    draw_capsule(frame, (-30.0, 5.0), (-20.0, 5.0), (3.0, 3.0), 1.0, 1.5)
    assert not frame.any()


def test_people_differ_and_every_one_is_always_the_same():
    people = [draw_subject(number) for number in range(29)]
    assert len({person.body for person in people}) == 29
    assert {person.manner.own for person in people} == set(OTHERS)
    assert {person.look.long_sleeves for person in people} == {True, False}
    assert draw_subject(3).body == people[3].body
    np.testing.assert_array_equal(draw_subject(3).look.wall, people[3].look.wall)


def test_pictures_are_luminances_that_the_camera_can_take():
    person, found = performance("arm_roll", 5, 0.2)
    for picture in pictures(person.body, person.look, found):
        assert picture.shape == (128, 128)
        assert picture.dtype == np.float32
        assert picture.min() >= 0.0
        assert picture.max() < 4.0


def test_a_recording_is_the_same_byte_for_byte():
    streams = [simulate(4, "air_guitar", seconds=0.3) for _ in range(2)]
    digests = [
        hashlib.sha256(b"".join(getattr(stream, name).tobytes() for name in ("t", "x", "y", "on"))).hexdigest()
        for stream in streams
    ]
    assert digests[0] == digests[1]
    assert len(streams[0]) > 200
    assert (np.diff(streams[0].t) >= 0).all()
    assert int(streams[0].t[-1]) < 301_000


def test_a_set_is_made_once_and_made_anew_when_its_measures_change(tmp_path):
    folder, told = tmp_path / "set", []
    paths = make_simulated_gestures(folder, 3, 0.1, lambda share, name: told.append((share, name)), processes=1)
    assert len(paths) == len(told) == 33
    assert told[-1] == (1.0, "subject-24/other_gestures.dat")
    assert len(open_recording(paths[7]).read()) > 20
    paths[7].unlink()
    before = {path: path.stat().st_mtime_ns for path in paths if path.exists()}
    make_simulated_gestures(folder, 3, 0.1, lambda share, name: told.append((share, name)), processes=1)
    assert len(told) == 34
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    make_simulated_gestures(folder, 3, 0.12, processes=1)
    assert all(path.stat().st_mtime_ns != time for path, time in before.items())


def test_two_processes_make_what_one_makes(tmp_path, monkeypatch):
    monkeypatch.setattr(gestures, "GESTURES", GESTURES[:2])
    alone = make_simulated_gestures(tmp_path / "one", 3, 0.1, processes=1)
    together = make_simulated_gestures(tmp_path / "two", 3, 0.1, processes=2)
    assert [path.read_bytes() for path in alone] == [path.read_bytes() for path in together]


def test_a_small_set_has_people_of_every_split():
    assert gestures.chosen_subjects(29) == tuple(range(29))
    assert gestures.chosen_subjects(3) == (0, 20, 23)
    ten = gestures.chosen_subjects(10)
    assert [len(set(ten) & set(split)) for split in (range(20), range(20, 23), range(23, 29))] == [7, 1, 2]


@pytest.mark.parametrize(("subjects", "seconds", "what"), [(2, 1.0, "3 to 29"), (30, 1.0, "3 to 29"), (5, 0.0, "0 s")])
def test_impossible_sets_are_refused(tmp_path, subjects, seconds, what):
    with pytest.raises(RecordingError, match=what) as caught:
        make_simulated_gestures(tmp_path, subjects, seconds)
    assert caught.value.remedy
    assert not any(tmp_path.iterdir())


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RecordingError, match="something else"):
        make_simulated_gestures(tmp_path, 3, 0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_recording_that_cannot_be_written_is_named_whichever_process_writes_it(tmp_path, monkeypatch, processes):
    monkeypatch.setattr(gestures, "GESTURES", GESTURES[:1])
    make_simulated_gestures(tmp_path / "set", 3, 0.1, processes=1)
    for path in (tmp_path / "set").rglob("*.dat"):
        path.unlink()
    in_the_way = tmp_path / "set" / "subject-21" / "hand_clapping.dat"
    in_the_way.mkdir()
    with pytest.raises(RecordingError, match="cannot be written") as caught:
        make_simulated_gestures(tmp_path / "set", 3, 0.1, processes=processes)
    assert caught.value.where == str(in_the_way)
