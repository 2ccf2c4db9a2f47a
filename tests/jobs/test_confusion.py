"""Confusion matrices as people read them: names that fit, percentages that do not round to a lie, the worst pair."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from evbench.errors import JobError
from evbench.events.gesture_motion import GESTURES
from evbench.jobs.confusion import abbreviations, confusion_of, confusion_tables, mistakes, most_confused

BOTH = ["right_arm_clockwise", "right_arm_counter_clockwise", "arm_roll"]
MATRIX = [[150, 45, 5], [30, 170, 0], [0, 1, 399]]


def report(matrix: list[list[int]], classes: list[str]) -> dict[str, Any]:
    recordings = [[int(true == answer) for answer in range(len(classes))] for true in range(len(classes))]
    matrices = {"window": matrix, "recording": recordings}
    return {
        "job": 7,
        "recipe": "gesture",
        "window_us": 50_000,
        "classes": classes,
        "confusion": {"fp32-voxel": {"window": recordings, "recording": recordings}, "qat-int8": matrices},
    }


def shown(content: dict[str, Any]) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(confusion_tables(content))
    return capture.get()


def test_the_most_confused_pair_is_named_with_both_directions() -> None:
    assert most_confused(MATRIX, BOTH, "windows") == (
        "Most confused: right_arm_clockwise taken for right_arm_counter_clockwise in 45 of 200 windows (22.5 %), "
        "the other way round in 30 of 200."
    )
    assert most_confused([[3, 0], [0, 2]], ["a", "b"], "recordings") == "No recordings were confused."


def test_mistakes_are_sorted_by_their_share_of_the_class_not_by_count() -> None:
    found = mistakes([[90, 10], [8, 8]])
    assert [(m.true, m.answer, m.count, m.total) for m in found] == [(1, 0, 8, 16), (0, 1, 10, 100)]


def test_the_gestures_have_short_names_that_differ() -> None:
    short = abbreviations(GESTURES)
    assert short == ["HC", "RHW", "LHW", "RAC", "RACC", "LAC", "LACC", "AR", "AD", "AG", "OG"]
    assert abbreviations(["box", "box-cutter", "scissors", "0 - zero"]) == ["box", "BC", "scis", "0Z"]
    assert len(set(abbreviations(["benefit", "benefits", "between"]))) == 3


def test_eleven_classes_fit_into_eighty_columns_with_every_number() -> None:
    matrix = [[100 * (true == answer) + answer for answer in range(11)] for true in range(11)]
    text = shown(confusion_of(report(matrix, list(GESTURES))))
    assert max(map(len, text.splitlines())) <= 80
    row = next(line for line in text.splitlines() if line.startswith("RACC"))
    assert row.split()[1:13] == ["·", "1", "1", "2", "67", "3", "4", "5", "5", "6", "6", "155"]


def test_a_percentage_never_rounds_to_all_or_nothing() -> None:
    text = shown(confusion_of(report(MATRIX, BOTH)))
    row = next(line for line in text.splitlines() if line.startswith("AR"))
    assert row.split()[1:5] == ["·", "<1", "99", "400"]


def test_of_many_classes_the_worst_pairs_are_listed() -> None:
    names = [f"word{number}" for number in range(40)]
    matrix = [[5 * (true == answer) + (answer == true + 1) for answer in range(40)] for true in range(40)]
    text = shown(confusion_of(report(matrix, names)))
    assert "1 of 6 (16.7 %) word0 taken for word1" in text
    assert text.count("taken for") == 11
    assert max(map(len, text.splitlines())) <= 80


def test_another_approach_can_be_asked_for_and_a_wrong_one_is_answered_with_the_right_ones() -> None:
    content = report(MATRIX, BOTH)
    assert confusion_of(content)["approach"] == "qat-int8"
    found = confusion_of(content, "fp32-voxel")
    assert found["most_confused"]["window"] == "No windows were confused."
    assert "Other approaches: --approach qat-int8" in shown(found)
    with pytest.raises(JobError, match="no approach 'fp32'") as caught:
        confusion_of(content, "fp32")
    assert "fp32-voxel, qat-int8" in caught.value.remedy


def test_a_report_from_before_says_how_to_get_one() -> None:
    with pytest.raises(JobError, match="no confusion matrices") as caught:
        confusion_of({"job": 3, "recipe": "bars", "rows": []})
    assert caught.value.remedy
