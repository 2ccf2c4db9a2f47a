"""How often a network is right: per window, on the mean of four consecutive windows, and per recording; and which
classes it takes for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUP = 4
"""Windows averaged for the grouped figure: 200 ms of windows of 50 ms."""

_Z_95 = 1.959963984540054

Confusion = tuple[tuple[int, ...], ...]
"""[classes][classes] counts: a row per true class, a column per class that was answered."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`correct` of `total`, as a fraction with its 95 % confidence interval."""

    correct: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The fraction; 0 where there was nothing to count."""
        return self.correct / self.total if self.total else 0.0

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "correct": self.correct, "total": self.total, "ci95": [self.low, self.high]}


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The three figures of one network on one split; `loss` is the mean cross-entropy per window in nats, the confusion
    matrices count windows and recordings."""

    window: Rate
    group: Rate
    recording: Rate
    loss: float
    window_confusion: Confusion
    recording_confusion: Confusion

    def to_json(self) -> dict[str, Any]:
        return {
            "window": self.window.to_json(),
            "group": {**self.group.to_json(), "windows": GROUP},
            "recording": self.recording.to_json(),
            "loss": self.loss,
            "confusion": {"window": self.window_confusion, "recording": self.recording_confusion},
        }


def wilson(correct: int, total: int) -> Rate:
    """A rate with its 95 % score interval (Wilson, "Probable inference", J. Am. Stat. Assoc. 22, 1927)."""
    if total == 0:
        return Rate(0, 0, 0.0, 1.0)
    fraction = correct / total
    spread = _Z_95**2 / total
    centre = (fraction + spread / 2) / (1 + spread)
    half = _Z_95 * sqrt(fraction * (1 - fraction) / total + spread / (4 * total)) / (1 + spread)
    return Rate(correct, total, max(0.0, centre - half), min(1.0, centre + half))


def accuracy(logits: NDArray[np.floating], labels: NDArray[np.integer], recordings: NDArray[np.integer]) -> Accuracy:
    """Accuracy of `logits` [N, classes] against `labels` [N]; `recordings` [N] numbers the recording of each window.

    The windows of one recording stand in the order of time. A group is four consecutive windows of one recording,
    groups do not overlap and an incomplete one is left out; groups and recordings are decided by the mean of the
    softmax.
    """
    values = np.asarray(logits, np.float64)
    shifted = values - values.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    probabilities = np.exp(logarithms)
    rows = np.arange(len(labels))
    answers = values.argmax(axis=1)
    grouped: list[bool] = []
    whole: list[tuple[int, int]] = []
    for recording in np.unique(recordings):
        (members,) = np.nonzero(recordings == recording)
        label = int(labels[members[0]])
        complete = members[: len(members) // GROUP * GROUP]
        means = probabilities[complete].reshape(-1, GROUP, values.shape[1]).mean(axis=1)
        grouped.extend(means.argmax(axis=1) == label)
        whole.append((label, int(probabilities[members].mean(axis=0).argmax())))
    return Accuracy(
        window=wilson(int((answers == labels).sum()), len(labels)),
        group=wilson(sum(map(int, grouped)), len(grouped)),
        recording=wilson(sum(label == answer for label, answer in whole), len(whole)),
        loss=abs(float(logarithms[rows, labels].mean())) if len(labels) else 0.0,
        window_confusion=_counted(zip(labels.tolist(), answers.tolist(), strict=True), values.shape[1]),
        recording_confusion=_counted(whole, values.shape[1]),
    )


def _counted(pairs: Iterable[tuple[int, int]], classes: int) -> Confusion:
    """How often each pair of true class and answer occurs."""
    count = Counter(pairs)
    return tuple(tuple(count[true, answer] for answer in range(classes)) for true in range(classes))


def as_row(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The accuracy of a report's row from `Accuracy.to_json()`, as a model's card keeps it.

    Figures of groups are None where no recording has four windows.
    """
    group = figures["group"]
    return {
        "accuracy_window": figures["window"]["value"],
        "accuracy_window_ci95": figures["window"]["ci95"],
        "accuracy_group": group["value"] if group["total"] else None,
        "accuracy_group_ci95": group["ci95"] if group["total"] else None,
        "accuracy_recording": figures["recording"]["value"],
        "accuracy_recording_ci95": figures["recording"]["ci95"],
        "n_windows": figures["window"]["total"],
        "n_recordings": figures["recording"]["total"],
    }
