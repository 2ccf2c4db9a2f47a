"""Small pieces of code whose cycles were measured on silicon, and what the timing model says of them.

Each is repeated without branches; `cycles` is what one repetition takes once the pipeline is in its stride, as the
source states it or as follows from the latencies it states.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from evbench.boards.virtual.instructions import Instruction, decode
from evbench.boards.virtual.rules import H730, H743
from evbench.boards.virtual.timing import Issue, Scoreboard, store_drain
from evbench.compile.toolchain import find_toolchain, run_tool

_WARM_UP, _REPEATS = 4, 32
_ADDRESS = 0x1000


@dataclass(frozen=True, slots=True)
class Known:
    """A pattern of instructions, its measured cycles, the rule that makes them, where they were measured.

    rule: empty where nothing holds the pattern up, or the model has no rule for it.
    """

    name: str
    code: str
    cycles: float
    rule: str = ""
    source: str = H743


KNOWN = (
    Known("independent adds", "add r0, r1, r2; add r3, r4, r5", 1),
    Known("movw and movt of one register", "movw r0, #1; movt r0, #2", 1),
    Known("early sum into late logic", "add r0, r6, r2; eor r3, r0, r4", 1, "early-result"),
    Known("logic chain", "eor r0, r0, r2; eor r0, r0, r3", 2, "late-result"),
    Known("shifted operand in a chain", "eor r0, r0, r2; add r0, r3, r0, lsl #2", 3, "late-result"),
    Known("shift into a shifted operand", "lsl r0, r0, r1; add r0, r3, r0, lsl #2", 2, "shift-result"),
    Known("compare and conditional move", "cmp r0, r1; it eq; moveq r2, r3", 2, "flags-result"),
    Known("two shifted operands", "add r0, r1, r2, lsl #4; add r3, r4, r5, lsl #4", 2, "one-shifter"),
    Known("shift and shifted operand", "lsl r0, r1, #4; add r3, r4, r5, lsl #4", 1),
    Known("one register written twice", "mov r0, r1; mov r0, r2", 2, "same-destination"),
    Known("bitfield in the older slot", "uxtb16 r0, r1; add r2, r3, r4", 1),
    Known("two bitfields", "uxtb16 r0, r1; uxtb16 r2, r3", 2, "dsp-in-older-slot"),
    Known("bitfield into an address", "uxtb r0, r1; ldr r1, [r0]", 4, "late-result"),
    Known("two multiplications", "smlad r0, r1, r2, r0; smlad r3, r4, r5, r3", 2, "one-multiplier"),
    Known("accumulation chain", "smlad r0, r1, r2, r0", 1, "multiply-result"),
    Known("multiplication chain", "mul r0, r0, r1", 2, "multiply-result"),
    Known("load beside a multiplication", "ldr r6, [r7]; smlad r0, r1, r2, r0", 1),
    Known("multiplication beside a store", "smlad r0, r1, r2, r0; str r6, [r7]", 2, "multiplication-or-store"),
    Known("divisions", "udiv r0, r1, r2", 8, "divide", H730),
    Known("loaded word in a chain", "ldr r0, [r1]; eor r0, r0, r2; eor r1, r1, r0", 4, "word-load-use"),
    Known("loaded byte in a chain", "ldrb r0, [r1]; eor r0, r0, r2; eor r1, r1, r0", 5, "narrow-load-use"),
    Known("loaded word as a multiplicand", "ldr r0, [r1]; mul r1, r0, r2", 5, "word-load-use"),
    Known("loads of an odd and an even word", "ldr r0, [r1]; ldr r2, [r1, #4]", 1),
    Known("loads of two even words", "ldr r0, [r1]; ldr r2, [r1, #8]", 2, "same-bank"),
    Known("loads of words anywhere, on average", "ldr r0, [r1]; ldr r2, [r3]", 1.5, "unknown-bank"),
    Known("post-increments back to back", "ldr r0, [r1], #4", 1, "base-update"),
    Known("load beside a store", "ldr r0, [r1]; str r2, [r3]", 1),
    Known("two stores", "str r0, [r1]; str r2, [r1, #4]", 2, "one-store"),
    Known("bytes stored one after the other", "strb r0, [r1], #1", 2.4, "store-buffer"),
    Known("bytes stored with time between", "strb r0, [r1], #1; mul r2, r2, r3; mul r2, r2, r3", 4, "multiply-result"),
    Known("store of what was just loaded", "ldr r0, [r1]; str r0, [r3]", 1),
    Known("ldrd", "ldrd r0, r1, [r2]", 1, "alone"),
    Known("two registers to the core", "vmov r0, r1, s0, s1; add r2, r3, r4", 2, "alone"),
    Known("ldm of four", "ldm r0, {r1, r2, r3, r4}", 2, "two-registers-per-cycle"),
    Known("stm of six, aligned to eight bytes", "stm r0, {r1, r2, r3, r4, r5, r6}", 3, "two-registers-per-cycle"),
    Known("float sums in a chain", "vadd.f32 s0, s0, s1", 3, "float-result"),
    Known("float sums, independent", "vadd.f32 s0, s1, s2; vmul.f32 s3, s1, s2", 2, "one-float"),
    Known("float accumulation chain", "vfma.f32 s0, s1, s2", 3, "float-mac-result"),
    Known(
        "float accumulations, three in turn",
        "vfma.f32 s0, s1, s2; vfma.f32 s3, s1, s2; vfma.f32 s4, s1, s2",
        3,
        "float-mac-result",
    ),
    Known("accumulation as a factor", "vfma.f32 s0, s1, s2; vmul.f32 s1, s0, s2", 8, "float-mac-result"),
    Known("vmla as a factor", "vmla.f32 s0, s1, s2; vmul.f32 s1, s0, s2", 9, "float-vmla-result"),
    Known("float load beside an accumulation", "vldr s5, [r0]; vfma.f32 s0, s1, s2", 3, "float-mac-result"),
    Known(
        "float load and accumulations in turn",
        "vldr s5, [r0]; vfma.f32 s0, s1, s2; vldr s6, [r0]; vfma.f32 s3, s1, s2; vldr s7, [r0]; vfma.f32 s4, s1, s2",
        6,
        "float-mac-beside-memory",
    ),
    Known("vadd after an accumulation", "vfma.f32 s0, s1, s2; vadd.f32 s3, s1, s2", 5, "float-mac-shadow"),
    Known(
        "float load in the younger slot after an accumulation",
        "vfma.f32 s0, s1, s2; nop; nop; vldr s5, [r0]",
        3,
        "float-mac-slot",
    ),
    Known("vdiv", "vdiv.f32 s0, s1, s2", 16, "float-divide"),
    Known("vsqrt", "vsqrt.f32 s0, s1", 14, "float-root"),
    Known("product in double precision", "vmul.f64 d0, d1, d2", 5, "double-precision"),
    Known("to the core and on", "vmov r0, s0; eor r0, r0, r1; vmov s0, r0", 5, "float-to-core"),
)

NOT_MODELLED = (
    Known(
        "two loads, of different banks as nobody sees from the code",
        "add r0, r3, r2; eor r6, r0, r6, ror #22; ldr r4, [r12, r0]; ldr r5, [r12, r1]",
        2,
    ),
    Known("bytes stored into one bank", "strb r0, [r1]", 4),
    Known("words stored unaligned", "str r0, [r1, #1]", 4),
    Known("words loaded unaligned", "ldr r0, [r1, #1]; add r2, r3, r4", 4),
)
"""What the model knows not to have: addresses."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A pattern's measured and modelled cycles."""

    known: Known
    modelled: float

    @property
    def error(self) -> float:
        """Relative error of the model."""
        return self.modelled / self.known.cycles - 1


def assemble(patterns: tuple[Known, ...] = KNOWN) -> dict[str, list[Instruction]]:
    """The instructions of each pattern by its name. Raises BuildError without a compiler."""
    from elftools.elf.elffile import ELFFile

    toolchain = find_toolchain("auto")
    texts = (f'.section .p{i}, "ax"\n{pattern.code.replace("; ", chr(10))}' for i, pattern in enumerate(patterns))
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "patterns.S", Path(folder) / "patterns.o"
        source.write_text(".syntax unified\n.thumb\n" + "\n".join(texts) + "\n")
        run_tool([*toolchain.compiler, "-c", str(source), "-o", str(made)], Path(folder))
        with made.open("rb") as file:
            elf = ELFFile(file)
            sections = {section.name: section.data() for section in elf.iter_sections()}
    return {pattern.name: decode(sections[f".p{i}"], _ADDRESS) for i, pattern in enumerate(patterns)}


def repeat(block: list[Instruction]) -> tuple[float, list[Issue]]:
    """Cycles per repetition of a block in its stride, and how the instructions of many repetitions were issued."""
    board = Scoreboard()
    for _ in range(_WARM_UP):
        for instruction in block:
            board.issue(instruction)
    start = board.end
    issues = [board.issue(instruction) for _ in range(_REPEATS) for instruction in block]
    return max((board.end - start) / _REPEATS, store_drain(block)), issues


def compare() -> list[Compared]:
    """Every pattern as measured and as modelled. Raises BuildError without a compiler."""
    patterns = (*KNOWN, *NOT_MODELLED)
    blocks = assemble(patterns)
    return [Compared(pattern, repeat(blocks[pattern.name])[0]) for pattern in patterns]
