"""Which samples are held out where a set does not say so itself: seeded, and never half a session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

VALIDATION_SHARE = 0.15
"""How much of the training part is kept for validation: of its sessions, samples, or of each recording's duration."""

TEST_SHARE = 0.2
"""How much of a set without an official split is kept for testing."""

_SEED = 2017


def held_out(sessions: Sequence[str], labels: Sequence[int], share: float) -> set[int]:
    """The numbers of the samples to hold out: whole sessions, about `share` of them and at least one.

    sessions, labels: one per sample. Where every sample is a session of its own, as many of each class are taken, and
    the last of a class never is. The choice depends on names, labels and share alone, not on the samples' order.
    """
    alone: dict[int, list[str]] = {}
    if len(set(sessions)) == len(sessions):
        for session, label in zip(sessions, labels, strict=True):
            alone.setdefault(label, []).append(session)
    groups = [sorted(alone[label]) for label in sorted(alone)] or [sorted(set(sessions))]
    rng = np.random.default_rng(_SEED)
    chosen: set[str] = set()
    for group in groups:
        count = min(max(1, round(share * len(group))), len(group) - 1)
        chosen.update(group[place] for place in rng.permutation(len(group))[:count])
    return {number for number, session in enumerate(sessions) if session in chosen}
