"""What a basic block costs on a Cortex-M7: a dual-issue, in-order scoreboard over decoded instructions.

Rules and latencies follow "pipeline cycle test" of github.com/jnk0le/random (doc/cortex_m7.md, measured on an
STM32H743) and quinapalus.com/cm7cycles.html (STM32H730). Bank conflicts that only run-time addresses decide are charged
their expected value; store-buffer stalls and unaligned accesses are not modelled.
"""

from __future__ import annotations

from collections.abc import Sequence

from evbench.boards.virtual.instructions import FLAGS, Branch, Instruction, Stage, Unit

UNKNOWN_BANK_CONFLICT = 0.5
"""Expected cycles lost by two paired loads whose addresses may fall into one memory bank (one time in two)."""

# Cycles after issue at which a result can be consumed, by Stage:
#                LATE EARLY ADDRESS MULTIPLY ACCUMULATE STORE FLOAT FLOAT_ACCUMULATE
_Latency = tuple[int, int, int, int, int, int, int, int]
_WORD_LOADED: _Latency = (1, 2, 2, 2, 1, 0, 1, 3)
_NARROW_LOADED: _Latency = (2, 3, 3, 2, 1, 0, 2, 3)
_BASE_UPDATED: _Latency = (1, 2, 1, 1, 0, 0, 1, 1)
_MULTIPLIED: _Latency = (2, 3, 3, 2, 1, 1, 2, 2)
_FLOAT_RESULT: _Latency = (3, 3, 3, 3, 3, 1, 3, 3)
_FLOAT_MAC_RESULT: _Latency = (5, 5, 5, 5, 5, 3, 5, 3)
_LATE_RESULT: _Latency = (1, 2, 2, 1, 0, 0, 1, 1)
_EARLY_RESULT: _Latency = (0, 1, 1, 0, 0, 0, 1, 1)
_SHIFT_RESULT: _Latency = (1, 1, 2, 1, 0, 0, 1, 1)
_FLAGS_RESULT: _Latency = (1, 2, 2, 1, 1, 1, 1, 1)
_LINK_RESULT: _Latency = (1, 1, 1, 1, 0, 0, 1, 1)

_LOADS = (Unit.LOAD, Unit.LOAD_NARROW)
_MEMORY = (*_LOADS, Unit.STORE)
_FLOATS = (Unit.FLOAT, Unit.FLOAT_MAC)


def known_banks(older: Instruction, younger: Instruction) -> bool:
    """Whether the word banks of two loads can be compared from the code alone: same base, constant offsets."""
    same_base = older.base is not None and older.base == younger.base and not older.updated_base
    return same_base and older.offset is not None and younger.offset is not None


def can_pair(older: Instruction, younger: Instruction) -> bool:
    """Whether two neighbouring instructions without a data hazard issue in one cycle."""
    units = (older.unit, younger.unit)
    if Unit.MULTIPLE in units or older.cycles > 1 or younger.cycles > 1:
        return False
    if younger.unit is Unit.DSP:
        return False
    if units in ((Unit.MAC, Unit.MAC), (Unit.STORE, Unit.STORE), (Unit.BRANCH, Unit.BRANCH)):
        return False
    if Unit.MAC in units and Unit.STORE in units:
        return False
    if older.shifts_operand and younger.shifts_operand:
        return False
    if all(unit in _FLOATS for unit in units):
        return False
    if Unit.FLOAT_MAC in units and any(unit in _MEMORY for unit in units):
        return False
    if older.written & younger.written:
        return False
    if all(unit in _LOADS for unit in units) and known_banks(older, younger):
        assert older.offset is not None
        assert younger.offset is not None
        return bool(((older.offset ^ younger.offset) >> 2) & 1)
    return True


class Scoreboard:
    """Issues instructions in order, one or two per cycle, and knows when each register is ready for each stage."""

    def __init__(self) -> None:
        self.cycle = 0.0
        self._waiting: Instruction | None = None
        self._ready: dict[int, tuple[float, ...]] = {}

    @property
    def end(self) -> float:
        """The cycle at which the next instruction could issue at the earliest, were it not paired."""
        return self.cycle + (self._waiting is not None)

    def close(self) -> None:
        """Ends the pair under way: what follows a taken branch starts a new one."""
        self.cycle, self._waiting = self.end, None

    def issue(self, instruction: Instruction) -> float:
        """Issues one instruction; returns its cycle."""
        earliest = max((self._ready[r][stage] for r, stage in instruction.needs if r in self._ready), default=0.0)
        older = self._waiting
        paired = older is not None and earliest <= self.cycle and can_pair(older, instruction)
        if paired and older is not None:
            at = self.cycle
            if older.unit in _LOADS and instruction.unit in _LOADS and not known_banks(older, instruction):
                self.cycle += UNKNOWN_BANK_CONFLICT
            self.cycle, self._waiting = self.cycle + 1, None
        else:
            self.close()
            self.cycle = at = max(self.cycle, earliest)
            if instruction.cycles > 1:
                self.cycle += instruction.cycles
            else:
                self._waiting = instruction
        self._finish(instruction, at, younger=paired)
        return at

    def _finish(self, instruction: Instruction, at: float, younger: bool) -> None:
        for register in instruction.updated_base:
            self._set(register, at, _BASE_UPDATED)
        narrow = instruction.unit is Unit.LOAD_NARROW
        for position, register in enumerate(instruction.loaded):
            self._set(register, at + position // 2, _NARROW_LOADED if narrow else _WORD_LOADED)
        latency = self._result_latency(instruction, at, younger)
        for register in instruction.results:
            late = at + (instruction.cycles - 1 if register != FLAGS else 0)
            self._set(register, late, _FLAGS_RESULT if register == FLAGS else latency)

    def _result_latency(self, instruction: Instruction, at: float, younger: bool) -> _Latency:
        match instruction.unit:
            case Unit.MAC:
                return _MULTIPLIED
            case Unit.FLOAT:
                return _FLOAT_RESULT
            case Unit.FLOAT_MAC:
                return _FLOAT_MAC_RESULT
            case Unit.SHIFT:
                return _SHIFT_RESULT
            case Unit.BRANCH:
                return _LINK_RESULT
        if instruction.early_capable and not younger:
            sources = (self._ready[r][Stage.EARLY] for r, _ in instruction.needs if r in self._ready)
            if all(ready <= at for ready in sources):
                return _EARLY_RESULT
        return _LATE_RESULT

    def _set(self, register: int, at: float, latency: _Latency) -> None:
        self._ready[register] = tuple(at + cycles for cycles in latency)


def edge_cost(previous: Sequence[Instruction], block: Sequence[Instruction], taken: bool) -> float:
    """Cycles of `block` when it runs after `previous`; `taken`: a branch led here, which ends a pair under way."""
    board = Scoreboard()
    for instruction in previous:
        board.issue(instruction)
    if taken:
        board.close()
    start = board.end
    for instruction in block:
        board.issue(instruction)
    return board.end - start


def block_branch(block: Sequence[Instruction]) -> Branch:
    """How a block ends."""
    return block[-1].branch if block else Branch.NONE
