"""Lists the tensors of a model, or its layers ranked by what rounding them costs; a row stays where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text
from textual.binding import Binding
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from evbench.tui import numbers
from evbench.tui.drawing import bar
from evbench.tui.inks import ACTIVE, BAD, CAUTION, TEXT
from evbench.tui.state.ranking import Part
from evbench.tui.state.tensors import WEIGHT, Listing

Columns = tuple[tuple[str, int], ...]

_ACTIVATIONS: Columns = (("zero", 8), ("bimod", 7), ("SQNR", 9), ("clip", 8), ("", 2))
_WEIGHTS: Columns = (("ch", 5), ("zero", 8), ("apart", 8), ("SQNR", 9), ("", 2))
_RANKED: Columns = (("logits off", 11), ("points", 7), ("", 8))
_LEAST_NAME, _MOST_NAME = 14, 34
_FRAME = 3


class TensorTable(DataTable[Text], inherit_bindings=False):
    """Tensors by name; the key of a row is the name. The enter key is left to the pane."""

    BINDINGS = [  # noqa: RUF012
        binding for binding in DataTable.BINDINGS if not (isinstance(binding, Binding) and binding.key == "enter")
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id, classes="box", cursor_type="row", cell_padding=0, cursor_foreground_priority="renderable"
        )
        self._rows: list[tuple[str, list[Text]]] = []
        self._columns: Columns = ()
        self._first = ""

    @property
    def chosen(self) -> str | None:
        """The name of the tensor under the cursor."""
        if not self.row_count:
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    def list_tensors(self, tensors: Sequence[dict[str, Any]], listing: Listing, chosen: str | None) -> None:
        """List entries of an `overview`."""
        cells = _activation if listing == "activations" else _weight
        columns = _ACTIVATIONS if listing == "activations" else _WEIGHTS
        self._fill("tensor", columns, [(row["name"], cells(row)) for row in tensors], chosen)

    def rank(self, parts: Sequence[Part], chosen: str | None) -> None:
        """List parts of the network in their order."""
        self._fill("rounding only", _RANKED, [(part.tensor, _ranked(part)) for part in parts], chosen)

    def on_resize(self) -> None:
        self._fill(self._first, self._columns, self._rows, self.chosen)

    def _fill(self, first: str, columns: Columns, rows: list[tuple[str, list[Text]]], chosen: str | None) -> None:
        same = (first, columns) == (self._first, self._columns)
        self._first, self._columns, self._rows = first, columns, rows
        others = sum(width for _, width in columns)
        name = min(max(self.size.width - _FRAME - others, _LEAST_NAME), _MOST_NAME)
        widths = [name, *(width for _, width in columns)]
        if not same or [column.width for column in self.ordered_columns] != widths:
            self.clear(columns=True)
            self.add_column(Text(first), width=name)
            for heading, width in columns:
                self.add_column(Text(heading, justify="right"), width=width)
        keys = [key for key, _ in rows]
        if keys != [key.value for key in self.rows]:
            self.clear()
            for key, cells in rows:
                self.add_row(_name(key, name, whole=columns is _RANKED), *cells, key=key)
            if chosen in keys:
                self.move_cursor(row=keys.index(str(chosen)))
            return
        for place, (_, cells) in enumerate(rows):
            for column, cell in enumerate(cells, 1):
                where = Coordinate(place, column)
                if self.get_cell_at(where) != cell:
                    self.update_cell_at(where, cell)

    def choose(self, tensor: str) -> None:
        """Go to a tensor that is listed."""
        keys = [key.value for key in self.rows]
        if tensor in keys:
            self.move_cursor(row=keys.index(tensor))


def _name(tensor: str, width: int, *, whole: bool) -> Text:
    """A tensor's name, without what all of a list of weights have; of a long one the end, which tells layers apart."""
    name = tensor if whole else tensor.removesuffix(WEIGHT)
    return Text(name if len(name) < width else "…" + name[2 - width :], TEXT)


def _right(text: str, style: str = TEXT) -> Text:
    return Text(text, style, justify="right", no_wrap=True)


def _flag(row: dict[str, Any]) -> Text:
    flags = row["flags"]
    return _right("▲" if flags else "", f"bold {BAD}" if "collapse" in flags else f"bold {CAUTION}")


def _sqnr(row: dict[str, Any]) -> Text:
    return _right(numbers.decibels(row["sqnr_db"]) if row["observer"] else "–")


def _activation(row: dict[str, Any]) -> list[Text]:
    bimodality = "–" if row["bimodality"] is None else f"{row['bimodality']:.2f}"
    clip = row["clip_share"]
    return [
        _right(numbers.share(row["zero_share"])),
        _right(bimodality),
        _sqnr(row),
        _right(numbers.share(clip), CAUTION if clip > 0.01 else TEXT),
        _flag(row),
    ]


def _weight(row: dict[str, Any]) -> list[Text]:
    return [
        _right(numbers.count(row["channels"])),
        _right(numbers.share(row["zero_share"])),
        _right(f"{numbers.significant(row['channel_spread'])}×"),
        _sqnr(row),
        _flag(row),
    ]


def _ranked(part: Part) -> list[Text]:
    return [
        _right(numbers.significant(part.off)),
        _right(f"{part.points:+.2f}" if part.points else "0", BAD if part.points <= -1 else TEXT),
        Text(" " + bar(part.share, 7), ACTIVE),
    ]
