"""Flatbuffers without generated code: tables as numbered fields, written bottom up by `flatbuffers.Builder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import flatbuffers
import numpy as np
from numpy.typing import NDArray

Kind = Literal["Bool", "Int8", "Uint8", "Int32", "Uint32"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number inside a table, by the name its type has in flatbuffers."""

    kind: Kind
    value: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its fields by their number in the schema."""

    fields: Mapping[int, Field]


@dataclass(frozen=True, slots=True)
class Bytes:
    """Raw bytes whose first lies at a multiple of `alignment` in the file."""

    data: bytes
    alignment: int = 1


Field = Scalar | Table | Bytes | str | NDArray[Any] | Sequence[Table]
"""What a field may hold: a number, a table, bytes, text, an array [n] of numbers, or tables."""


def serialise(root: Table, identifier: bytes) -> bytes:
    """A whole file with the four letters that name its format."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, root), file_identifier=identifier)
    return bytes(builder.Output())


def _write(builder: Any, value: Field) -> int:
    """Write anything but a number; returns its offset."""
    match value:
        case str():
            return int(builder.CreateString(value))
        case Bytes():
            builder.Prep(value.alignment, len(value.data))
            return int(builder.CreateByteVector(value.data))
        case np.ndarray():
            return int(builder.CreateNumpyVector(value))
        case Table():
            return _write_table(builder, value)
        case Scalar():
            raise TypeError("a number has no offset")
        case _:
            offsets = [_write(builder, item) for item in value]
            builder.StartVector(4, len(offsets), 4)
            for offset in reversed(offsets):
                builder.PrependUOffsetTRelative(offset)
            return int(builder.EndVector())


def _write_table(builder: Any, table: Table) -> int:
    # What a table refers to must lie before it, so everything with an offset is written first.
    offsets = {slot: _write(builder, value) for slot, value in table.fields.items() if not isinstance(value, Scalar)}
    builder.StartObject(max(table.fields, default=-1) + 1)
    for slot, value in table.fields.items():
        if isinstance(value, Scalar):
            # A default that no value equals: what is given is written, and no reader has to know the schema's defaults.
            getattr(builder, f"Prepend{value.kind}Slot")(slot, value.value, None)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
    return int(builder.EndObject())
