"""Accuracy figures: windows, groups of four, recordings and their intervals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from evbench.training.evaluate import accuracy, as_row, wilson


def logits_for(answers: list[int], confidence: float = 2.0) -> np.ndarray:
    return confidence * np.eye(2, dtype=np.float32)[answers]


def test_the_interval_of_eight_in_ten_is_wilsons() -> None:
    rate = wilson(8, 10)
    assert rate.value == 0.8
    assert (rate.low, rate.high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


def test_a_perfect_score_keeps_an_interval_below_one() -> None:
    rate = wilson(5, 5)
    assert rate.high == pytest.approx(1.0)
    assert rate.low == pytest.approx(0.5655, abs=1e-4)


def test_nothing_measured_says_nothing() -> None:
    assert wilson(0, 0).to_json() == {"value": 0.0, "correct": 0, "total": 0, "ci95": [0.0, 1.0]}


def test_windows_are_counted_one_by_one() -> None:
    found = accuracy(logits_for([0, 1, 1, 1]), np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]))
    assert (found.window.correct, found.window.total) == (3, 4)


def test_four_consecutive_windows_decide_together_and_the_rest_is_left_out() -> None:
    answers = [0, 0, 0, 1, 1, 1, 1, 0, 1]
    found = accuracy(logits_for(answers), np.zeros(9, np.int64), np.zeros(9, np.int32))
    assert (found.group.correct, found.group.total) == (1, 2)


def test_groups_do_not_reach_over_the_end_of_a_recording() -> None:
    found = accuracy(logits_for([0] * 6), np.zeros(6, np.int64), np.array([0, 0, 0, 1, 1, 1]))
    assert found.group.total == 0
    assert (found.recording.correct, found.recording.total) == (2, 2)


def test_one_confident_window_outweighs_three_unsure_ones() -> None:
    logits = np.array([[9.0, 0.0], [0.0, 0.1], [0.0, 0.1], [0.0, 0.1]])
    found = accuracy(logits, np.zeros(4, np.int64), np.zeros(4, np.int32))
    assert (found.window.correct, found.group.correct) == (1, 1)


def test_the_loss_is_the_mean_cross_entropy_and_survives_large_logits() -> None:
    found = accuracy(np.array([[1e4, 0.0], [0.0, 0.0]]), np.array([0, 1]), np.array([0, 0]))
    assert found.loss == pytest.approx(np.log(2) / 2)


def test_confusion_has_a_row_per_true_class_and_a_column_per_answer() -> None:
    answers = [0, 1, 1, 1, 0, 0]
    found = accuracy(logits_for(answers), np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2]))
    assert found.window_confusion == ((1, 3), (2, 0))
    assert found.recording_confusion == ((1, 1), (1, 0))
    assert found.to_json()["confusion"] == {"window": ((1, 3), (2, 0)), "recording": ((1, 1), (1, 0))}
    assert sum(found.window_confusion[c][c] for c in range(2)) == found.window.correct


def test_a_class_that_never_occurs_keeps_its_row_and_column() -> None:
    found = accuracy(np.eye(3)[[0, 2]], np.array([0, 0]), np.array([0, 0]))
    assert found.window_confusion == ((1, 0, 1), (0, 0, 0), (0, 0, 0))


def test_a_report_row_is_made_from_what_a_card_keeps() -> None:
    found = accuracy(logits_for([0, 0, 0, 1]), np.zeros(4, np.int64), np.zeros(4, np.int32))
    row = as_row(json.loads(json.dumps(found.to_json())))
    assert (row["accuracy_window"], row["accuracy_group"], row["accuracy_recording"]) == (0.75, 1.0, 1.0)
    assert (row["n_windows"], row["n_recordings"]) == (4, 1)
    assert row["accuracy_window_ci95"][0] < 0.75 < row["accuracy_window_ci95"][1]


def test_a_row_has_no_figure_for_groups_that_do_not_exist() -> None:
    row = as_row(accuracy(logits_for([0, 1]), np.array([0, 1]), np.array([0, 1])).to_json())
    assert row["accuracy_group"] is None
    assert row["accuracy_recording"] == 1.0
