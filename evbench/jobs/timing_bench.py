"""The timing model against what was measured on silicon, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from evbench.boards.virtual.known_cycles import Compared


def measure_timing() -> list[Compared]:
    """Every pattern whose cycles are known, as the model has it. Raises BuildError without a compiler."""
    from evbench.boards.virtual.known_cycles import compare

    return compare()


def timing_json(found: Sequence[Compared]) -> dict[str, Any]:
    """The comparison as plain values."""
    from evbench.boards.virtual.rules import RULES

    patterns = [
        {
            "name": one.known.name,
            "code": one.known.code,
            "measured": one.known.cycles,
            "modelled": one.modelled,
            "error": one.error,
            "rule": one.known.rule,
            "source": one.known.source,
        }
        for one in found
    ]
    rules = [{"name": rule.name, "says": rule.says, "source": rule.source} for rule in RULES.values()]
    return {"patterns": patterns, "rules": rules}


def timing_table(found: Sequence[Compared]) -> Table:
    """The comparison for people."""
    from rich.table import Table

    table = Table(title="Cycles per repetition: measured on silicon, modelled")
    table.add_column("pattern")
    table.add_column("measured", justify="right")
    table.add_column("modelled", justify="right")
    table.add_column("error", justify="right")
    table.add_column("rule")
    for one in found:
        error = f"{one.error:+.0%}" if abs(one.error) > 0.005 else "0 %"
        row = (one.known.name, f"{one.known.cycles:g}", f"{one.modelled:.4g}", error, one.known.rule)
        table.add_row(*row)
    return table
