"""What a basic block costs on a Cortex-M7: a dual-issue, in-order scoreboard over decoded instructions.

The rules are in `rules`. Unaligned accesses are not modelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evbench.boards.virtual import rules
from evbench.boards.virtual.instructions import FLAGS, Branch, Instruction, Stage, Unit

_EARLY_FLAGS_CYCLES = 3
"""How long before a branch its flags must be set for the cheaper misprediction."""


@dataclass(frozen=True, slots=True)
class Issue:
    """How an instruction was issued.

    cycle: when; younger: in the second slot of its pair; waits: cycles that passed without issuing anything before it,
    or that the pair took longer; rule: the name of the rule that kept it from the slot before, or made it wait; empty
    when it went with the older instruction or began a cycle of its own as a matter of course. register: what it waited
    for, 0 for nothing.
    """

    instruction: Instruction
    cycle: float
    younger: bool
    waits: float = 0.0
    rule: str = ""
    register: int = 0


@dataclass(frozen=True, slots=True)
class _Ready:
    """When a register can be consumed, by Stage, and the name of the rule that says so."""

    cycles: tuple[float, ...]
    rule: str


class Scoreboard:
    """Issues instructions in order, one or two per cycle, and knows when each register is ready for each stage."""

    def __init__(self) -> None:
        self.cycle = 0.0
        self._waiting: Instruction | None = None
        self._ready: dict[int, _Ready] = {}
        self._float_mac = -float("inf")
        self._taken = False

    @property
    def end(self) -> float:
        """The cycle at which the next instruction could issue at the earliest, were it not paired."""
        return self.cycle + (self._waiting is not None)

    def close(self, *, taken: bool = False) -> None:
        """Ends the pair under way; taken: because a branch leads elsewhere."""
        self._taken = taken and self._waiting is not None
        self.cycle, self._waiting = self.end, None

    def issue(self, instruction: Instruction) -> Issue:
        """Issues one instruction."""
        earliest, blame, register = self._earliest(instruction)
        older = self._waiting
        lost = ""
        if older is not None:
            lost = blame if earliest > self.cycle else self._unpaired(older, instruction)
        elif self._taken:
            lost = "taken-branch"
        self._taken = False
        if older is not None and not lost:
            issued = self._pair(older, instruction)
        else:
            self.close()
            natural = self.cycle
            self.cycle = at = max(natural, earliest)
            waits = at - natural
            rule = blame if waits else lost
            issued = Issue(instruction, at, False, waits, rule, register if rule == blame else 0)
            if instruction.cycles > 1:
                self.cycle += instruction.cycles
            else:
                self._waiting = instruction
        self._finish(instruction, issued.cycle, younger=issued.younger)
        return issued

    def _pair(self, older: Instruction, instruction: Instruction) -> Issue:
        at, extra, rule = self.cycle, 0.0, ""
        if rules.both_load(older, instruction) and not rules.known_banks(older, instruction):
            extra, rule = rules.UNKNOWN_BANK.cycles, rules.UNKNOWN_BANK.name
        self.cycle, self._waiting = at + 1 + extra, None
        return Issue(instruction, at, True, extra, rule)

    def _earliest(self, instruction: Instruction) -> tuple[float, str, int]:
        """The cycle from which all operands are there, the rule behind the last of them, and its register."""
        last: tuple[float, str, int] = (0.0, "", 0)
        for register, stage in instruction.needs:
            ready = self._ready.get(register)
            if ready is not None and ready.cycles[stage] > last[0]:
                last = (ready.cycles[stage], ready.rule, register)
        shadow = self._float_mac + rules.FLOAT_MAC_SHADOW.cycles
        if instruction.shadowed_by_float_mac and shadow > last[0]:
            return shadow, rules.FLOAT_MAC_SHADOW.name, 0
        return last

    def _unpaired(self, older: Instruction, instruction: Instruction) -> str:
        """The name of the rule that keeps an instruction from going with the older one; empty when it may."""
        rule = rules.pairing_rule(older, instruction)
        if rule is not None:
            return rule.name
        in_slot = self.cycle < self._float_mac + rules.FLOAT_MAC_SLOT.cycles
        return rules.FLOAT_MAC_SLOT.name if in_slot and instruction.older_after_float_mac else ""

    def _finish(self, instruction: Instruction, at: float, younger: bool) -> None:
        if instruction.unit is Unit.FLOAT_MAC:
            self._float_mac = at
        for register in instruction.updated_base:
            self._set(register, at, rules.BASE_UPDATED)
        loaded = rules.NARROW_LOADED if instruction.unit is Unit.LOAD_NARROW else rules.WORD_LOADED
        for position, register in enumerate(instruction.loaded):
            self._set(register, at + position // 2, loaded)
        latency = self._result_latency(instruction, at, younger)
        for register in instruction.results:
            late = at + (instruction.cycles - 1 if register != FLAGS else 0)
            self._set(register, late, rules.FLAGGED if register == FLAGS else latency)

    def _result_latency(self, instruction: Instruction, at: float, younger: bool) -> rules.Latency:
        if instruction.early_capable and not younger:
            sources = (self._ready[r].cycles[Stage.EARLY] for r, _ in instruction.needs if r in self._ready)
            if all(ready <= at for ready in sources):
                return rules.EARLY
        return rules.latency_rule(instruction)

    def _set(self, register: int, at: float, latency: rules.Latency) -> None:
        self._ready[register] = _Ready(tuple(at + cycles for cycles in latency.delays), latency.name)


def issue_block(
    previous: Sequence[Instruction], block: Sequence[Instruction], taken: bool
) -> tuple[float, list[Issue]]:
    """Cycles of `block` when it runs after `previous`, and how each of its instructions was issued, from cycle 0 on.

    taken: a branch led here, which ends a pair under way.
    """
    board = Scoreboard()
    for instruction in previous:
        board.issue(instruction)
    if taken:
        board.close(taken=True)
    start = board.end
    issues = [board.issue(instruction) for instruction in block]
    moved = [Issue(i.instruction, i.cycle - start, i.younger, i.waits, i.rule, i.register) for i in issues]
    return board.end - start, moved


def store_drain(block: Sequence[Instruction]) -> float:
    """Cycles that the store buffer needs to work off a block's stores: bytes and half-words are read, changed and
    written back."""
    narrow = sum(i.name in ("strb", "strh") for i in block)
    words = sum(i.unit is Unit.STORE for i in block) - narrow
    return narrow * rules.STORE_BUFFER.cycles + words


def edge_cost(previous: Sequence[Instruction], block: Sequence[Instruction], taken: bool) -> float:
    """Cycles of `block` when it runs after `previous`; `taken`: a branch led here."""
    return issue_block(previous, block, taken)[0]


def block_branch(block: Sequence[Instruction]) -> Branch:
    """How a block ends."""
    return block[-1].branch if block else Branch.NONE


def misprediction_cycles(block: Sequence[Instruction], issues: Sequence[Issue]) -> int:
    """What it costs when the branch at the end of a block is predicted wrong: by how early its flags are set."""
    flags = [issue.cycle for issue in issues if FLAGS in issue.instruction.results]
    early = bool(block) and block[-1].reads_flags and (not flags or issues[-1].cycle - flags[-1] >= _EARLY_FLAGS_CYCLES)
    return int((rules.MISPREDICTION_EARLY if early else rules.MISPREDICTION_LATE).cycles)
