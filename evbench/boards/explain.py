"""Where a layer's cycles go: its hottest blocks, instruction by instruction, what each waited for and by which rule.

For those who write kernels. Everything here is of the virtual board's timing model, and so are its cycles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.boards.firmware_file import FirmwareFile, read_firmware
from evbench.boards.image import LAYER_END, Firmware
from evbench.boards.session import BoardSession, network_bins
from evbench.boards.virtual.instructions import Instruction, decode, register_name
from evbench.boards.virtual.rules import STORE_BUFFER, occupation_rule
from evbench.boards.virtual.timing import Issue, issue_block
from evbench.errors import BoardError
from evbench.graph.model import IntegerGraph

_LAYERS_START = "ev_model_run_layers"
_CYCLE_FRACTION = 16
_NOWHERE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class IssuedInstruction:
    """An instruction of a block. cycle: within the block; younger: in the second slot; waits: cycles it held up what
    came; rule: the rule that kept it from the slot before it or made it wait; waits_for: the register it waited for;
    occupies, occupied_by: how many cycles it takes alone, and by which rule."""

    text: str
    cycle: float
    younger: bool
    waits: float
    rule: str
    waits_for: str
    occupies: int
    occupied_by: str


@dataclass(frozen=True, slots=True)
class HotBlock:
    """A block of code as it ran most often in a layer. cycles: of all its runs, with wrong predictions and lines that
    the instruction cache lacked and waits for the store buffer (misprediction_cycles, line_cycles, store_cycles);
    per_run: cycles of one run of this way in.
    """

    address: int
    place: str
    runs: int
    cycles: float
    misprediction_cycles: int
    line_cycles: int
    store_cycles: float
    per_run: float
    issued: tuple[IssuedInstruction, ...]

    @property
    def instructions_per_cycle(self) -> float:
        """Instructions per cycle of one run."""
        return len(self.issued) / self.per_run if self.per_run else 0.0

    def lost(self) -> dict[str, float]:
        """Issue slots that stay empty in one run, by the rule behind it."""
        lost: dict[str, float] = {}
        before: IssuedInstruction | None = None
        for one in self.issued:
            half_empty = before is None or not (before.younger or before.occupies > 1)
            slots = 2 * one.waits + (bool(one.rule) and not one.younger and half_empty)
            if slots:
                lost[one.rule] = lost.get(one.rule, 0.0) + slots
            if one.occupies > 1:
                lost[one.occupied_by] = lost.get(one.occupied_by, 0.0) + 2 * one.occupies - 1
            before = one
        return lost


@dataclass(frozen=True, slots=True)
class LayerExplanation:
    """A layer's hottest blocks. cycles, instructions: of the whole layer; macs: its multiply-accumulates; lost: empty
    issue slots of all its runs by rule."""

    layer: str
    kind: str
    macs: int
    cycles: float
    instructions: int
    lost: Mapping[str, float]
    misprediction_cycles: int
    line_cycles: int
    blocks: tuple[HotBlock, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The explanation as plain values."""
        blocks = [
            {
                "address": block.address,
                "place": block.place,
                "runs": block.runs,
                "cycles": block.cycles,
                "share": block.cycles / self.cycles,
                "misprediction_cycles": block.misprediction_cycles,
                "line_cycles": block.line_cycles,
                "store_cycles": block.store_cycles,
                "cycles_per_run": block.per_run,
                "instructions_per_cycle": block.instructions_per_cycle,
                "lost_slots_per_run": block.lost(),
                "instructions": [
                    {
                        "text": one.text,
                        "cycle": one.cycle,
                        "slot": "younger" if one.younger else "older",
                        "waits": one.waits,
                        "rule": one.rule,
                        "waits_for": one.waits_for,
                        "occupies": one.occupies,
                        "occupied_by": one.occupied_by,
                    }
                    for one in block.issued
                ],
            }
            for block in self.blocks
        ]
        return {
            "layer": self.layer,
            "kind": self.kind,
            "modelled": True,
            "macs": self.macs,
            "cycles": self.cycles,
            "instructions": self.instructions,
            "lost_slots": dict(self.lost),
            "misprediction_cycles": self.misprediction_cycles,
            "line_cycles": self.line_cycles,
            "blocks": blocks,
        }


def explain_layer(
    session: BoardSession, build: Firmware, graph: IntegerGraph, window: NDArray[np.uint8], layer: int, blocks: int = 4
) -> LayerExplanation:
    """Runs one window, uint8 [C, H, W], and explains a layer, by its index, with so many of its hottest blocks.

    The window runs twice: the second time prediction and instruction cache know the code. Cycles are without misses of
    the data cache. Raises BoardError on a real board, and what running raises.
    """
    board = session.virtual
    if board is None:
        raise BoardError(
            "Only a virtual board can explain its cycles", where=session.board.board.name, remedy="Name a virtual board"
        )
    session.require(build)
    bins = network_bins(graph)
    session.run_window(window, bins)
    board.watch_layer(build.symbols[_LAYERS_START][0], build.symbols[LAYER_END][0], layer)
    session.run_window(window, bins)
    pairs = board.watched()
    board.watch_layer(0, 0, 0)
    operator = graph.operators[layer]
    ways = _ways(pairs, board.read)
    names = read_firmware(build.elf, 0)
    found = sorted(_blocks(ways, names), key=lambda block: -block.cycles)
    lost: dict[str, float] = {}
    for block in found:
        for rule, slots in block.lost().items():
            lost[rule] = lost.get(rule, 0.0) + slots * block.runs
        if block.store_cycles:
            lost[STORE_BUFFER.name] = lost.get(STORE_BUFFER.name, 0.0) + 2 * block.store_cycles
    return LayerExplanation(
        layer=operator.name,
        kind=operator.kind,
        macs=graph.macs(operator),
        cycles=sum(block.cycles for block in found),
        instructions=sum(block.runs * len(block.issued) for block in found),
        lost=dict(sorted(lost.items(), key=lambda item: -item[1])),
        misprediction_cycles=sum(block.misprediction_cycles for block in found),
        line_cycles=sum(block.line_cycles for block in found),
        blocks=tuple(found[:blocks]),
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """A block as it ran after another one."""

    address: int
    runs: int
    cost: float
    misprediction_cycles: int
    line_cycles: int
    store_cycles: float
    previous: Sequence[Instruction]
    block: Sequence[Instruction]
    taken: bool


def _ways(pairs: Sequence[Sequence[int]], read: Any) -> list[_Way]:
    sizes = {pair[1]: pair[7] for pair in pairs}
    code = {address: decode(read(address, size), address) for address, size in sizes.items()}
    ways = []
    for previous, address, cost, runs, missed, lines, stores, _ in pairs:
        taken = previous == _NOWHERE or previous + sizes.get(previous, 0) != address
        before = code.get(previous, [])
        ways.append(
            _Way(
                address,
                runs,
                cost / _CYCLE_FRACTION,
                missed,
                lines,
                stores / _CYCLE_FRACTION,
                before,
                code[address],
                taken,
            )
        )
    return ways


def _blocks(ways: Sequence[_Way], names: FirmwareFile) -> list[HotBlock]:
    """The blocks of all ways, each shown as it ran most often."""
    by_address: dict[int, list[_Way]] = {}
    for way in ways:
        by_address.setdefault(way.address, []).append(way)
    found = []
    for address, same in by_address.items():
        usual = max(same, key=lambda way: way.runs)
        missed, lines = sum(way.misprediction_cycles for way in same), sum(way.line_cycles for way in same)
        stores = sum(way.store_cycles for way in same)
        _, issues = issue_block(usual.previous, usual.block, usual.taken)
        found.append(
            HotBlock(
                address=address,
                place=names.name(address),
                runs=sum(way.runs for way in same),
                cycles=sum(way.runs * way.cost for way in same) + missed + lines + stores,
                store_cycles=stores,
                misprediction_cycles=missed,
                line_cycles=lines,
                per_run=usual.cost,
                issued=tuple(_issued(issue) for issue in issues),
            )
        )
    return found


def _issued(issue: Issue) -> IssuedInstruction:
    instruction = issue.instruction
    return IssuedInstruction(
        text=instruction.text,
        cycle=issue.cycle,
        younger=issue.younger,
        waits=issue.waits,
        rule=issue.rule,
        waits_for=register_name(issue.register) if issue.register else "",
        occupies=instruction.cycles,
        occupied_by=occupation_rule(instruction),
    )
