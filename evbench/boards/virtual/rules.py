"""The rules of the Cortex-M7's pipeline that the timing model follows: each has a name and a source.

Two public measurements of real chips are behind most of them: "pipeline cycle test" of github.com/jnk0le/random,
doc/cortex_m7.md (STM32H743 rev Y), and quinapalus.com/cm7cycles.html (STM32H730). `known_cycles` holds what was
measured, pattern by pattern, and how far the model is from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evbench.boards.virtual.instructions import Instruction, Unit
from evbench.boards.virtual.parts import FLASH_DATA_MISS, FLASH_INSTRUCTION_MISS, SRAM_MISS

H743 = "jnk0le/random, pipeline cycle test/doc/cortex_m7.md, measured on an STM32H743 rev Y"
H730 = "quinapalus.com/cm7cycles.html, measured on an STM32H730"
DESIGN = "calibrated on MLPerf Tiny firmware of a NUCLEO-H7A3ZI-Q"


@dataclass(frozen=True, slots=True)
class Rule:
    """What the model assumes: in a sentence, and where it is from."""

    name: str
    says: str
    source: str


@dataclass(frozen=True, slots=True)
class Pairing(Rule):
    """A rule that keeps two neighbouring instructions from issuing in one cycle. forbids: whether it applies."""

    forbids: Callable[[Instruction, Instruction], bool]


# Cycles after issue at which a result can be consumed, by Stage:
#                LATE EARLY ADDRESS MULTIPLY ACCUMULATE STORE FLOAT FLOAT_ACCUMULATE
Delays = tuple[int, int, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Latency(Rule):
    """A rule that says when a result can be consumed. delays: cycles after issue, by consumer's Stage."""

    delays: Delays


@dataclass(frozen=True, slots=True)
class Cost(Rule):
    """A rule that adds cycles."""

    cycles: float


LOADS = (Unit.LOAD, Unit.LOAD_NARROW)
MEMORY = (*LOADS, Unit.STORE)
FLOATS = (Unit.FLOAT, Unit.FLOAT_MAC, Unit.FLOAT_MOVE)


def known_banks(older: Instruction, younger: Instruction) -> bool:
    """Whether the word banks of two loads can be compared from the code alone: same base, constant offsets."""
    same_base = older.base is not None and older.base == younger.base and not older.updated_base
    return same_base and older.offset is not None and younger.offset is not None


def both_load(older: Instruction, younger: Instruction) -> bool:
    """Whether two instructions are loads of one register each."""
    return older.unit in LOADS and younger.unit in LOADS


def _units(older: Instruction, younger: Instruction) -> set[Unit]:
    return {older.unit, younger.unit}


def _both(unit: Unit) -> Callable[[Instruction, Instruction], bool]:
    return lambda older, younger: older.unit is unit and younger.unit is unit


def _same_bank(older: Instruction, younger: Instruction) -> bool:
    if not (both_load(older, younger) and known_banks(older, younger)):
        return False
    assert older.offset is not None
    assert younger.offset is not None
    return not ((older.offset ^ younger.offset) >> 2) & 1


def _same_destination(older: Instruction, younger: Instruction) -> bool:
    return bool(older.written & younger.written) and not (older.name == "movw" and younger.name == "movt")


def _float_mac_beside_memory(older: Instruction, younger: Instruction) -> bool:
    return Unit.FLOAT_MAC in _units(older, younger) and bool(_units(older, younger) & set(MEMORY))


PAIRINGS = (
    Pairing(
        "alone",
        "loads, stores and vmov of several registers and instructions of several cycles issue alone",
        H743,
        lambda older, younger: older.alone or younger.alone or older.cycles > 1 or younger.cycles > 1,
    ),
    Pairing(
        "dsp-in-older-slot",
        "bitfield and DSP instructions but multiplications issue in the older slot only",
        H743,
        lambda older, younger: younger.unit is Unit.DSP,
    ),
    Pairing("one-multiplier", "two multiplications do not issue together", H743, _both(Unit.MAC)),
    Pairing("one-store", "two stores do not issue together", H743, _both(Unit.STORE)),
    Pairing("one-branch", "two branches do not issue together", H743, _both(Unit.BRANCH)),
    Pairing(
        "multiplication-or-store",
        "a multiplication and a store do not issue together",
        H743,
        lambda older, younger: _units(older, younger) == {Unit.MAC, Unit.STORE},
    ),
    Pairing(
        "one-shifter",
        "of shifted operands, shifted constants and bitfields one issues at a time",
        H743,
        lambda older, younger: older.shifts_operand and younger.shifts_operand,
    ),
    Pairing(
        "one-float",
        "two floating-point instructions do not issue together",
        H743,
        lambda older, younger: older.unit in FLOATS and younger.unit in FLOATS,
    ),
    Pairing(
        "float-mac-beside-memory",
        "a floating-point multiply-accumulate does not issue with a load or a store",
        H743,
        _float_mac_beside_memory,
    ),
    Pairing(
        "same-destination",
        "two instructions that write one register do not issue together, but for movw and movt",
        H743,
        _same_destination,
    ),
    Pairing(
        "same-bank",
        "two loads issue together only from an odd and an even word; the code shows that these are of one kind",
        H743,
        _same_bank,
    ),
)
"""In the order in which they are looked at; the first that applies is named."""

WORD_LOADED = Latency(
    "word-load-use",
    "a loaded word is there a cycle later, two for shifted operands, addresses and multiplicands",
    H743,
    (1, 2, 2, 2, 1, 0, 1, 3),
)
NARROW_LOADED = Latency(
    "narrow-load-use",
    "a loaded byte or half-word is there a cycle later than a word",
    H743,
    (2, 3, 3, 2, 1, 0, 2, 3),
)
BASE_UPDATED = Latency(
    "base-update",
    "an address that a load or store has updated serves the next cycle",
    H743,
    (1, 2, 1, 1, 0, 0, 1, 1),
)
MULTIPLIED = Latency(
    "multiply-result",
    "a product is there after two cycles; accumulators are taken over every cycle",
    H743,
    (2, 3, 3, 2, 1, 1, 2, 2),
)
LATE = Latency(
    "late-result",
    "a result of the late ALU is there the next cycle, a cycle later for shifted operands and addresses",
    H743,
    (1, 2, 2, 1, 0, 0, 1, 1),
)
EARLY = Latency(
    "early-result",
    "add, sub and mov in the older slot, with operands that were ready early, feed the late ALU in the same cycle",
    H743,
    (0, 1, 1, 0, 0, 0, 1, 1),
)
SHIFTED = Latency(
    "shift-result",
    "a shift's result serves shifted operands the next cycle, addresses a cycle later",
    H743,
    (1, 1, 2, 1, 0, 0, 1, 1),
)
FLAGGED = Latency("flags-result", "flags are set late: the next cycle at the earliest", H743, (1, 2, 2, 1, 1, 1, 1, 1))
LINKED = Latency("link-result", "a call's return address is there the next cycle", H743, (1, 1, 1, 1, 0, 0, 1, 1))
FLOATED = Latency(
    "float-result",
    "sums, products and conversions in floating point are there after three cycles, for a store after one",
    H743,
    (3, 3, 3, 3, 3, 1, 3, 3),
)
FLOAT_ACCUMULATED = Latency(
    "float-mac-result",
    "a fused multiply-accumulate serves the next accumulation after three cycles, as an operand after five",
    H743,
    (5, 5, 5, 5, 5, 3, 5, 3),
)
FLOAT_ACCUMULATED_ROUNDED = Latency(
    "float-vmla-result",
    "vmla rounds in between: as an operand it is there after six cycles, for a store after four",
    H743,
    (6, 6, 6, 6, 6, 4, 6, 3),
)
FLOAT_TO_CORE = Latency(
    "float-to-core",
    "vmov to a core register serves the late ALU the next cycle, an accumulation in the same",
    H743,
    (1, 2, 2, 1, 0, 0, 1, 1),
)
LATENCIES = (
    WORD_LOADED,
    NARROW_LOADED,
    BASE_UPDATED,
    MULTIPLIED,
    LATE,
    EARLY,
    SHIFTED,
    FLAGGED,
    LINKED,
    FLOATED,
    FLOAT_ACCUMULATED,
    FLOAT_ACCUMULATED_ROUNDED,
    FLOAT_TO_CORE,
)

UNKNOWN_BANK = Cost(
    "unknown-bank",
    "two paired loads whose addresses the code does not show meet in one bank every other time",
    f"expectation over even and odd words, after {H743}",
    0.5,
)
FLOAT_MAC_SHADOW = Cost(
    "float-mac-shadow",
    "for three cycles after a floating-point multiply-accumulate no vadd, vldm, vstm or double load or store issues",
    H743,
    4,
)
FLOAT_MAC_SLOT = Cost(
    "float-mac-slot",
    "for three cycles after a floating-point multiply-accumulate vldr, vstr and vmov issue in the older slot only",
    H743,
    4,
)
OCCUPATIONS = (
    Cost("two-registers-per-cycle", "loads and stores of several registers move two in a cycle", H743, 0),
    Cost("divide", "sdiv and udiv stop early: an average over operands", H730, 8),
    Cost("float-divide", "vdiv.f32 locks the pipeline", H743, 16),
    Cost("float-root", "vsqrt.f32 locks the pipeline", H743, 14),
    Cost("double-precision", "vmul.f64 takes five cycles, a multiply-accumulate seven, vdiv.f64 thirty", H743, 5),
    Cost("barrier", "dsb, dmb and isb wait for what is under way", DESIGN, 4),
    Cost("system-register", "mrs and msr", DESIGN, 2),
)
"""Instructions that issue for several cycles; `instructions` says how many each."""

MISPREDICTION_LATE = Cost("misprediction", "a branch that was predicted wrong refills the pipeline", H743, 8)
MISPREDICTION_EARLY = Cost(
    "misprediction-known-early", "where its flags were set three cycles before the branch, two cycles less", H743, 6
)
STORE_BUFFER = Cost(
    "store-buffer",
    "five narrow stores fill the store buffer, which works off one in 2.4 cycles where they follow each other",
    H743,
    2.4,
)
EXCEPTION_ENTRY = Cost(
    "exception-entry",
    "from an interrupt to its handler's first instruction typically 12 cycles, at worst 14; back again as many",
    "Arm, Cortex-M for Beginners (2017), which says nothing of the way back",
    12,
)
TAIL_CHAIN = Cost(
    "tail-chain",
    "from one handler to the next without unstacking, as in the Cortex-M3 and M4",
    "Arm DDI 0337 and 0439, 3.9.1",
    6,
)
DYNAMIC = (
    STORE_BUFFER,
    UNKNOWN_BANK,
    FLOAT_MAC_SHADOW,
    FLOAT_MAC_SLOT,
    MISPREDICTION_LATE,
    MISPREDICTION_EARLY,
    Cost("taken-branch", "what follows a taken branch starts a new pair", f"the slower of two cases of {H743}", 0),
    Cost("indirect-branch", "a target out of a register or table, even if it is the usual one", DESIGN, 3),
    Cost(
        "instruction-line",
        "a line of 32 bytes that the instruction cache (16 KiB, 2 ways) lacks, from flash",
        f"RM0433 chapter 4: 4 wait states at 240 MHz; {DESIGN}",
        FLASH_INSTRUCTION_MISS,
    ),
    Cost(
        "data-line-flash",
        "a line that the data cache (16 KiB, 4 ways) lacks, from flash",
        f"RM0433; {DESIGN}",
        FLASH_DATA_MISS,
    ),
    Cost("data-line-sram", "the same from AXI SRAM and SRAM1 to 3", f"RM0433 section 2; {DESIGN}", SRAM_MISS),
    Cost("write-miss", "the store buffer hides three quarters of a line that a store lacks", DESIGN, 0.25),
    Cost("tightly-coupled", "ITCM and DTCM answer without a wait", "RM0433, 2.4", 0),
    EXCEPTION_ENTRY,
    TAIL_CHAIN,
)
"""Rules that depend on what happens at run time, besides what the code shows."""

RULES: dict[str, Rule] = {rule.name: rule for rule in (*PAIRINGS, *LATENCIES, *OCCUPATIONS, *DYNAMIC)}


_OCCUPATION_OF = {
    "sdiv": "divide",
    "udiv": "divide",
    "vdiv": "float-divide",
    "vsqrt": "float-root",
    "dsb": "barrier",
    "dmb": "barrier",
    "isb": "barrier",
    "mrs": "system-register",
    "msr": "system-register",
}


def occupation_rule(instruction: Instruction) -> str:
    """The name of the rule that makes an instruction issue for several cycles; empty when it does not."""
    if instruction.cycles == 1:
        return ""
    if instruction.unit is Unit.MULTIPLE:
        return "two-registers-per-cycle"
    if ".f64" in instruction.text:
        return "double-precision"
    return _OCCUPATION_OF[instruction.name]


def pairing_rule(older: Instruction, younger: Instruction) -> Pairing | None:
    """The rule that keeps two neighbouring instructions without a data hazard from issuing in one cycle, if any."""
    return next((rule for rule in PAIRINGS if rule.forbids(older, younger)), None)


def latency_rule(instruction: Instruction) -> Latency:
    """When the computed results of an instruction can be consumed, unless the early ALU makes them."""
    match instruction.unit:
        case Unit.MAC:
            return MULTIPLIED
        case Unit.FLOAT:
            return FLOATED
        case Unit.FLOAT_MOVE:
            return FLOAT_TO_CORE if instruction.to_core else FLOATED
        case Unit.FLOAT_MAC:
            return FLOAT_ACCUMULATED_ROUNDED if instruction.name in ("vmla", "vmls") else FLOAT_ACCUMULATED
        case Unit.SHIFT:
            return SHIFTED
        case Unit.BRANCH:
            return LINKED
    return LATE
