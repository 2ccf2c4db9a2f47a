"""Holding out: whole sessions, every class, and the same choice whatever the order."""

from __future__ import annotations

import random

import pytest

from evbench.events.datasets.splits import held_out


def test_sessions_are_held_out_whole():
    people = [f"user{number:02d}" for number in range(1, 24)]
    sessions = [person for person in people for _ in range(11)]
    out = held_out(sessions, list(range(11)) * 23, 0.15)
    chosen = {sessions[number] for number in out}
    assert len(chosen) == 3
    assert len(out) == 33
    once = held_out(people, [0] * 23, 0.15)
    assert {people[number] for number in once} == chosen


def test_samples_without_sessions_are_held_out_class_by_class():
    labels = [0] * 50 + [1] * 5 + [2] * 2 + [3]
    out = held_out([f"sample {number}" for number in range(len(labels))], labels, 0.2)
    assert [sum(labels[number] == label for number in out) for label in range(4)] == [10, 1, 1, 0]


def test_the_choice_does_not_depend_on_the_order_of_samples():
    names = [f"sample {number}" for number in range(60)]
    labels = [number % 4 for number in range(60)]
    first = {names[number] for number in held_out(names, labels, 0.3)}
    order = list(range(60))
    random.Random(1).shuffle(order)
    moved = [names[number] for number in order]
    assert {moved[number] for number in held_out(moved, [labels[number] for number in order], 0.3)} == first


@pytest.mark.parametrize("sessions", [[], ["a"], ["a", "a"]])
def test_what_has_one_session_or_none_stays_whole(sessions):
    assert held_out(sessions, [0] * len(sessions), 0.5) == set()
