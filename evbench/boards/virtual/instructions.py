"""Turns Thumb-2 machine code into what the timing model asks of an instruction: unit, operands by stage, results.

Facts about the Cortex-M7 pipeline come from two public measurements of real chips: "pipeline cycle test" of
github.com/jnk0le/random (doc/cortex_m7.md, STM32H743) and quinapalus.com/cm7cycles.html (STM32H730).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

import capstone
from capstone import arm

FLAGS: int = arm.ARM_REG_CPSR

DIVIDE_CYCLES = 8
"""Issue cycles of sdiv and udiv for typical operands; the divider stops early, so this is an average."""
_FLOAT_CYCLES = {"vdiv": 16, "vsqrt": 14}
_DOUBLE_CYCLES = {"vmul": 5, "vnmul": 5, "vdiv": 30, "vsqrt": 30}
_DOUBLE_MAC_CYCLES = 7
"""Issue cycles of floating-point instructions that lock the pipeline."""
BARRIER_CYCLES = 4
SYSTEM_REGISTER_CYCLES = 2


class Stage(IntEnum):
    """Where in the pipeline an operand is consumed; a result is ready for each stage at its own time."""

    LATE = 0
    EARLY = 1
    ADDRESS = 2
    MULTIPLY = 3
    ACCUMULATE = 4
    STORE = 5
    FLOAT = 6
    FLOAT_ACCUMULATE = 7


class Unit(Enum):
    """Which part of the core executes an instruction, as far as pairing and latency care."""

    ALU = "alu"
    SHIFT = "shift"
    DSP = "dsp"
    MAC = "mac"
    LOAD = "load"
    LOAD_NARROW = "load-narrow"
    STORE = "store"
    MULTIPLE = "multiple"
    FLOAT = "float"
    FLOAT_MAC = "float-mac"
    FLOAT_MOVE = "float-move"
    BRANCH = "branch"
    IT = "it"


class Branch(IntEnum):
    """How a block ends, as far as prediction cares. The values are those of `enum branch` in block_timing.c."""

    NONE = 0
    CONDITIONAL = 1
    RETURN = 2
    INDIRECT = 3


@dataclass(frozen=True, slots=True)
class Instruction:
    """One decoded instruction.

    `needs` are (register, stage) pairs, `results` computed registers, `loaded` registers filled from memory in order,
    `updated_base` address registers written back. `offset` is the byte offset from `base`, None when it is a register.
    `shadowed_by_float_mac` and `older_after_float_mac`: bound by the rules float-mac-shadow and float-mac-slot;
    `to_core`: moves a floating-point register to a core register; `alone`: never one of a pair.
    """

    name: str
    text: str
    unit: Unit
    needs: tuple[tuple[int, Stage], ...] = ()
    results: tuple[int, ...] = ()
    loaded: tuple[int, ...] = ()
    updated_base: tuple[int, ...] = ()
    base: int | None = None
    offset: int | None = None
    cycles: int = 1
    shifts_operand: bool = False
    early_capable: bool = False
    branch: Branch = Branch.NONE
    shadowed_by_float_mac: bool = False
    older_after_float_mac: bool = False
    to_core: bool = False
    alone: bool = False

    @property
    def reads_flags(self) -> bool:
        """Whether a branch depends on the flags."""
        return self.branch is Branch.CONDITIONAL and self.name not in ("cbz", "cbnz")

    @property
    def written(self) -> frozenset[int]:
        """Registers this instruction writes, without the flags."""
        return frozenset((*self.results, *self.loaded, *self.updated_base)) - {FLAGS}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ACCUMULATES = _names(
    "mla mls smlad smladx smlsd smlsdx smmla smmlar smmls smmlsr smlabb smlabt smlatb smlatt smlawb smlawt"
)
_ACCUMULATES_LONG = _names("smlal umlal smlald smlaldx smlsld smlsldx smlalbb smlalbt smlaltb smlaltt umaal")
_MULTIPLIES = _names("mul smull umull smuad smuadx smusd smusdx smmul smmulr smulbb smulbt smultb smultt smulwb smulwt")
_EARLY_EXTRACTS = _names("sbfx ubfx rbit rev rev16 revsh sxtb sxth uxtb uxth sxtb16 uxtb16 pkhtb")
_LAST_OPERAND_EARLY = _names("bfi bfc pkhbt sxtab sxtah uxtab uxtah sxtab16 uxtab16")
_EXTRACTS = _EARLY_EXTRACTS | _LAST_OPERAND_EARLY
_PARALLEL = _names(
    "ssat usat ssat16 usat16 qadd qsub qdadd qdsub qadd8 qadd16 qsub8 qsub16 sadd8 sadd16 ssub8 ssub16 uadd8 uadd16"
    " usub8 usub16 shadd8 shadd16 shsub8 shsub16 uhadd8 uhadd16 uhsub8 uhsub16 uqadd8 uqadd16 uqsub8 uqsub16 sel clz"
    " usad8 usada8 qasx qsax sasx ssax uasx usax"
)
_SHIFTS = _names("lsl lsr asr ror rrx")
_EARLY_ALU = _names("add sub mov addw subw movw movt adr cmp")
_WORD_LOADS = _names("ldr ldrex pld")
_NARROW_LOADS = _names("ldrb ldrsb ldrh ldrsh ldrexb ldrexh ldrt ldrbt")
_STORES = _names("str strb strh strex")
_LOAD_MULTIPLE = _names("pop ldm ldmdb ldmia")
_MULTIPLE = _LOAD_MULTIPLE | _names("push stm stmdb stmia")
_FLOAT_MULTIPLE = _names("vldmia vstmia vpush vpop vldmdb vstmdb")
_FLOAT_MACS = _names("vmla vmls vfma vfms vfnma vfnms vnmla vnmls")
_BRANCHES = _names("b bl bx blx cbz cbnz tbb tbh")


@functools.cache
def decoder() -> Any:
    """Capstone's disassembler for the Cortex-M7, with details."""
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    decoder.detail = True
    return decoder


def register_name(register: int) -> str:
    """A register as assemblers write it; the flags are called flags."""
    return "flags" if register == FLAGS else str(decoder().reg_name(register))


def decode(code: bytes, address: int) -> list[Instruction]:
    """The instructions of one basic block of Thumb-2 code that lies at `address`."""
    return [_instruction(raw) for raw in decoder().disasm(code, address)]


def _instruction(raw: Any) -> Instruction:
    name = decoder().insn_name(raw.id) if raw.id else raw.mnemonic.split(".")[0]
    if raw.mnemonic.startswith("movw"):
        name = "movw"  # Capstone calls it mov, whose constants go through the shifter
    read, written = (_single_registers(registers) for registers in raw.regs_access())
    read = [register for register in read if register != arm.ARM_REG_PC]
    if raw.update_flags and FLAGS not in written:  # Capstone leaves them out of some 16-bit encodings
        written = [*written, FLAGS]
    fields: dict[str, Any] = {"name": name, "text": f"{raw.mnemonic} {raw.op_str}".strip()}
    fields["branch"] = _branch(raw, name, written)
    if name in _BRANCHES:
        fields |= {"unit": Unit.BRANCH, "results": tuple(r for r in written if r != arm.ARM_REG_PC), "needs": ()}
    elif name.startswith("v"):
        fields |= _float_fields(raw, name, read, written)
    elif name in _MULTIPLE or name in ("ldrd", "strd"):
        fields |= _multiple_fields(raw, name)
    elif name in _WORD_LOADS or name in _NARROW_LOADS or name in _STORES:
        fields |= _single_access_fields(raw, name)
    elif name == "it":
        fields |= {"unit": Unit.IT}
    else:
        fields |= _arithmetic_fields(raw, name, read, written)
    if name != "b" and raw.cc not in (arm.ARM_CC_AL, arm.ARM_CC_INVALID) and name not in _BRANCHES:
        fields["needs"] = (*fields.get("needs", ()), (FLAGS, Stage.LATE))
    return Instruction(**fields)


def _single_registers(registers: Iterable[int]) -> list[int]:
    """Double-precision registers written as their two single-precision halves, so that dependences between both
    show.
    """
    singles: list[int] = []
    for register in registers:
        index = register - arm.ARM_REG_D0
        singles.extend((arm.ARM_REG_S0 + 2 * index, arm.ARM_REG_S0 + 2 * index + 1) if 0 <= index < 16 else (register,))
    return singles


def _registers(raw: Any) -> list[int]:
    return [operand.reg for operand in raw.operands if operand.type == arm.ARM_OP_REG]


def _address_fields(raw: Any) -> dict[str, Any]:
    memory = next((operand.mem for operand in raw.operands if operand.type == arm.ARM_OP_MEM), None)
    if memory is None:
        return {"needs": ()}
    offset = memory.disp if memory.index == 0 else None
    return {
        "base": memory.base,
        "offset": 0 if raw.writeback and raw.post_index else offset,
        "needs": tuple((r, Stage.ADDRESS) for r in (memory.base, memory.index) if r and r != arm.ARM_REG_PC),
        "updated_base": (memory.base,) if raw.writeback else (),
    }


def _single_access_fields(raw: Any, name: str) -> dict[str, Any]:
    fields = _address_fields(raw)
    data = _registers(raw)[:1]
    if name in _STORES:
        return fields | {"unit": Unit.STORE, "needs": (*fields["needs"], *((r, Stage.STORE) for r in data))}
    return fields | {"unit": Unit.LOAD if name in _WORD_LOADS else Unit.LOAD_NARROW, "loaded": tuple(data)}


def _multiple_fields(raw: Any, name: str) -> dict[str, Any]:
    """ldrd, strd, ldm, stm, push and pop: never paired, two registers per cycle."""
    registers = _registers(raw)
    if name in ("ldrd", "strd"):
        fields, data = _address_fields(raw), registers[:2]
    else:
        implicit = name in ("push", "pop")
        base, data = (arm.ARM_REG_SP, registers) if implicit else (registers[0], registers[1:])
        fields = {"needs": ((base, Stage.ADDRESS),), "updated_base": (base,) if implicit or raw.writeback else ()}
    fields |= {"unit": Unit.MULTIPLE, "cycles": max(1, (len(data) + 1) // 2), "alone": True}
    if name == "ldrd" or name in _LOAD_MULTIPLE:
        return fields | {"loaded": tuple(r for r in data if r != arm.ARM_REG_PC)}
    return fields | {"needs": (*fields["needs"], *((r, Stage.STORE) for r in data))}


def _float_fields(raw: Any, name: str, read: list[int], written: list[int]) -> dict[str, Any]:
    double_precision = raw.mnemonic.endswith(".f64")
    if name in ("vldr", "vstr"):
        fields = _address_fields(raw)
        data = tuple(_single_registers(_registers(raw)[:1]))
        double: dict[str, Any] = {"older_after_float_mac": True}
        if len(data) == 2:
            double = {"unit": Unit.MULTIPLE, "cycles": 1, "shadowed_by_float_mac": True, "alone": True}
        if name == "vldr":
            return fields | {"unit": Unit.LOAD, "loaded": data} | double
        return fields | {"unit": Unit.STORE, "needs": (*fields["needs"], *((r, Stage.STORE) for r in data))} | double
    if name in _FLOAT_MULTIPLE:
        pushes = name in ("vpush", "vpop")
        registers = _registers(raw)
        base, listed = (arm.ARM_REG_SP, registers) if pushes else (registers[0], registers[1:])
        singles = tuple(_single_registers(listed))
        fields = {"unit": Unit.MULTIPLE, "cycles": max(1, (len(singles) + 1) // 2)}
        fields |= {"shadowed_by_float_mac": True, "alone": True}
        address = ((base, Stage.ADDRESS),)
        if name in ("vpop", "vldmia", "vldmdb"):
            return fields | {"needs": address, "loaded": singles}
        return fields | {"needs": (*address, *((r, Stage.STORE) for r in singles))}
    if name in _FLOAT_MACS:
        registers = _registers(raw)
        accumulator = _single_registers(registers[:1])
        needs = [(r, Stage.FLOAT_ACCUMULATE) for r in accumulator]
        needs += [(r, Stage.FLOAT) for r in _single_registers(registers[1:])]
        cycles = _DOUBLE_MAC_CYCLES if double_precision else 1
        return {"unit": Unit.FLOAT_MAC, "needs": tuple(needs), "results": tuple(written), "cycles": cycles}
    needs = [(r, Stage.FLOAT) for r in read]
    fields = {"needs": tuple(needs), "results": tuple(written)}
    if name == "vmov":
        to_core = any(arm.ARM_REG_R0 <= r <= arm.ARM_REG_R12 for r in written)
        constant = any(operand.type in (arm.ARM_OP_FP, arm.ARM_OP_IMM) for operand in raw.operands)
        limits = {"shadowed_by_float_mac": constant, "older_after_float_mac": not constant}
        two_registers = len(raw.operands) > 2
        return fields | limits | {"unit": Unit.FLOAT_MOVE, "to_core": to_core, "alone": two_registers}
    cycles = (_DOUBLE_CYCLES if double_precision else _FLOAT_CYCLES).get(name, 1)
    return fields | {"unit": Unit.FLOAT, "cycles": cycles, "shadowed_by_float_mac": name == "vadd"}


def _arithmetic_fields(raw: Any, name: str, read: list[int], written: list[int]) -> dict[str, Any]:
    registers = _registers(raw)
    sources = [r for r in read if r != FLAGS or name in ("adc", "sbc", "sel", "mrs")]
    results = tuple(written)
    if name in _ACCUMULATES:
        needs = [(registers[3], Stage.ACCUMULATE), *((r, Stage.MULTIPLY) for r in registers[1:3])]
        return {"unit": Unit.MAC, "needs": tuple(needs), "results": results}
    if name in _ACCUMULATES_LONG:
        needs = [(r, Stage.ACCUMULATE) for r in registers[:2]] + [(r, Stage.MULTIPLY) for r in registers[2:4]]
        return {"unit": Unit.MAC, "needs": tuple(needs), "results": results}
    if name in _MULTIPLIES:
        needs = [(r, Stage.MULTIPLY) for r in sources if r != FLAGS]
        return {"unit": Unit.MAC, "needs": tuple(needs), "results": results}
    if name in _EXTRACTS or name in _PARALLEL:
        early = set(sources) if name in _EARLY_EXTRACTS else set(registers[-1:]) if name in _EXTRACTS else set()
        needs = [(r, Stage.EARLY if r in early else Stage.LATE) for r in sources]
        return {"unit": Unit.DSP, "needs": tuple(needs), "results": results, "shifts_operand": name in _EXTRACTS}
    if name in _SHIFTS:
        return {"unit": Unit.SHIFT, "needs": tuple((r, Stage.LATE) for r in sources), "results": results}
    if name in ("sdiv", "udiv"):
        needs = [(r, Stage.LATE) for r in sources]
        return {"unit": Unit.ALU, "needs": tuple(needs), "results": results, "cycles": DIVIDE_CYCLES}
    shifted = {
        o.reg for o in raw.operands if o.type == arm.ARM_OP_REG and o.shift.type and (o.shift.value or o.shift.type > 5)
    }
    uses_shifter = bool(shifted) or _is_shifted_constant(raw, name)
    cycles = (
        BARRIER_CYCLES if name in ("dsb", "isb", "dmb") else SYSTEM_REGISTER_CYCLES if name in ("mrs", "msr") else 1
    )
    return {
        "unit": Unit.ALU,
        "needs": tuple((r, Stage.EARLY if r in shifted else Stage.LATE) for r in sources),
        "results": results,
        "shifts_operand": uses_shifter,
        "early_capable": name in _EARLY_ALU and not uses_shifter,
        "cycles": cycles,
    }


def _is_shifted_constant(raw: Any, name: str) -> bool:
    """Whether the immediate is an 8-bit value moved by the shifter; repeated patterns and 12-bit add/sub are not."""
    immediates = [operand.imm & 0xFFFFFFFF for operand in raw.operands if operand.type == arm.ARM_OP_IMM]
    if not immediates or name in ("movw", "movt"):
        return False
    value = immediates[-1]
    if name in ("add", "sub", "addw", "subw") and value < 4096:
        return False
    low, second = value & 0xFF, value >> 8 & 0xFF
    return value > 0xFF and value not in (low | low << 16, second << 8 | second << 24, low * 0x01010101)


def _branch(raw: Any, name: str, written: list[int]) -> Branch:
    if name not in _BRANCHES and arm.ARM_REG_PC not in written:
        return Branch.NONE
    registers = _registers(raw)
    if name in _LOAD_MULTIPLE or (name == "bx" and registers[:1] == [arm.ARM_REG_LR]):
        return Branch.RETURN
    if name in ("cbz", "cbnz") or raw.cc not in (arm.ARM_CC_AL, arm.ARM_CC_INVALID):
        return Branch.CONDITIONAL
    to_immediate = bool(raw.operands) and raw.operands[0].type == arm.ARM_OP_IMM
    return Branch.NONE if name in ("b", "bl") or to_immediate else Branch.INDIRECT
