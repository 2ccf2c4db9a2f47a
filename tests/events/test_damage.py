"""Whatever happens to a file, it ends in warnings or in one clear error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.events.whole_files import KINDS, survives, write_whole_files


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    """A small file of every kind, as bytes, and a folder."""
    folder = tmp_path_factory.mktemp("whole")
    return {"folder": folder, **write_whole_files(folder)}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_bits_that_flip_bytes_that_go_missing_and_garbage_are_survived(whole_files, kind, data):
    damaged = bytearray(whole_files[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        what = data.draw(st.sampled_from(["flip", "garbage", "cut"]))
        if what == "flip":
            damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "garbage":
            damaged[at:at] = data.draw(st.binary(max_size=40))
        else:
            del damaged[at : at + data.draw(st.integers(0, 40))]
        if not damaged:
            break
    assert isinstance(survives(whole_files["folder"] / f"damaged{kind}", bytes(damaged)), list)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_may_end_at_any_byte(whole_files, kind):
    data = whole_files[kind]
    step = 1 if len(data) < 2000 else 7 if len(data) < 10_000 else 97
    path = whole_files["folder"] / f"cut{kind}"
    told = [survives(path, data[:length]) for length in (0, 1, *range(2, len(data), step))]
    # A cut between two records cannot be seen, one within the beginning can.
    assert told[0]
    assert told[1]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(garbage=st.binary(max_size=400), keep=st.integers(0, 120))
def test_garbage_behind_a_good_beginning_is_survived(whole_files, kind, garbage, keep):
    told = survives(whole_files["folder"] / f"garbage{kind}", whole_files[kind][:keep] + garbage)
    assert isinstance(told, list)
