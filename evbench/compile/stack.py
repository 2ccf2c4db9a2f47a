"""How deep the stack can become: a bound from the machine code, for every path through its calls."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import capstone
from capstone import arm
from elftools.elf.elffile import ELFFile

from evbench.errors import BuildError

EXCEPTION_FRAME = 26 * 4 + 4
"""Bytes that the core pushes on an exception with floating-point state, and one word of alignment (Armv7-M, B1.5.6)."""


CONSTANTS = ("ev_weights", "ev_fast_weights")
"""Symbols whose bytes are numbers: some four of them look like the address of a function by chance."""


@dataclass(frozen=True, slots=True)
class StackBound:
    """Most bytes of stack below the entry of the program: the deepest path of calls, and one exception on top of it.

    `path`: the functions of the deepest path, outermost first; `exception` the handler that needs most.
    """

    bytes: int
    path: tuple[str, ...]
    exception: str


@dataclass(slots=True)
class _Function:
    """What one function's code says: bytes it pushes, functions it calls, whether it calls through a pointer."""

    name: str
    frame: int = 0
    calls: set[int] = field(default_factory=set)
    indirect: bool = False
    mentions: set[int] = field(default_factory=set)


def stack_bound(elf: Path) -> StackBound:
    """The bound for the image `elf` from its entry on; its vector table is the section .vectors.

    Every decrement of the stack pointer in a function counts, whichever way is taken; a call through a pointer may
    reach every function whose address the program holds. Raises BuildError where there is no bound: recursion, or a
    frame of variable size.
    """
    with elf.open("rb") as stream:
        program = _Program(ELFFile(stream))
    depth, path = program.depth(program.entry, ())
    handlers = [program.depth(address, ()) for address in sorted(program.handlers)]
    deepest, handler = max(handlers, default=(-EXCEPTION_FRAME, ("",)))
    return StackBound(depth + EXCEPTION_FRAME + deepest, path, handler[0])


class _Program:
    """The functions of an image by address."""

    def __init__(self, elf: ELFFile) -> None:
        self._decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self._decoder.detail = True
        section: Callable[[str], Any] = elf.get_section_by_name
        symbols = list(section(".symtab").iter_symbols())
        code = [symbol for symbol in symbols if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]]
        self.spans = {symbol["st_value"] & ~1: symbol["st_size"] for symbol in code}
        self.names = {symbol["st_value"] & ~1: symbol.name for symbol in code}
        marks = sorted((s["st_value"], s.name[1] == "t") for s in symbols if s.name[:2] in ("$t", "$d"))
        self._marks: list[tuple[int, bool]] = marks
        text = section(".text")
        self._start, self._code = text["sh_addr"], text.data()
        self.functions = {address: self._read(address) for address in sorted(self.spans)}
        self.entry = elf["e_entry"] & ~1
        self.handlers = self._addresses(section(".vectors").data()[4:]) - {self.entry}
        held = [part for name in (".rodata", ".data") if (part := section(name)) is not None]
        numbers = [(s["st_value"], s["st_value"] + s["st_size"]) for s in symbols if s.name in CONSTANTS]
        self.taken = set().union(*(self._addresses(_without(part, numbers)) for part in held))
        for function in self.functions.values():
            self.taken |= function.mentions
        self._known: dict[int, tuple[int, tuple[str, ...]]] = {}

    def depth(self, address: int, above: tuple[int, ...]) -> tuple[int, tuple[str, ...]]:
        """Bytes of stack from the entry of a function down, and the path on which they are needed."""
        if address in above:
            names = " → ".join(self.names[step] for step in (*above[above.index(address) :], address))
            raise BuildError("The stack has no bound: functions call each other in a circle", where=names)
        if address not in self._known:
            function = self.functions[address]
            targets = function.calls | (self.taken if function.indirect else set())
            below = [self.depth(target, (*above, address)) for target in sorted(targets)]
            deepest, path = max(below, default=(0, ()))
            self._known[address] = function.frame + deepest, (function.name, *path)
        return self._known[address]

    def _addresses(self, data: bytes) -> set[int]:
        """Functions whose Thumb addresses stand in `data` as words."""
        words = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
        return {word & ~1 for word in words if word & 1 and word & ~1 in self.spans}

    def _read(self, address: int) -> _Function:
        found = _Function(self.names[address])
        registers: dict[int, int] = {}  # those that hold an address the linker chose
        for instruction in self._instructions(address, found):
            name, operands = self._decoder.insn_name(instruction.id), instruction.operands
            if name == "mov" and operands[0].reg == arm.ARM_REG_SP and operands[1].reg not in registers:
                raise _variable(found.name)
            _follow(registers, name, operands)
            found.mentions |= {value & ~1 for value in registers.values() if value & 1 and value & ~1 in self.spans}
            found.frame += _pushed(name, operands, found.name)
            self._follow_jump(name, operands, address, found)
        return found

    def _follow_jump(self, name: str, operands: list[Any], address: int, found: _Function) -> None:
        """Note a jump that leaves the function at `address`, and a call of itself."""
        if name in ("bl", "blx", "b", "cbz", "cbnz") and operands[-1].type == arm.ARM_OP_IMM:
            target = operands[-1].imm
            if name == "bl" or not address <= target < address + self.spans[address]:
                found.calls.add(self._function_at(target))
        elif name == "blx" or (name == "bx" and operands[0].reg != arm.ARM_REG_LR):
            found.indirect = True
        elif name in ("ldr", "mov") and operands[0].reg == arm.ARM_REG_PC:
            found.indirect |= name == "mov" or operands[1].mem.base != arm.ARM_REG_SP

    def _function_at(self, address: int) -> int:
        """The function that a jump into its middle belongs to; compilers split cold parts off."""
        found: int = next(start for start, size in self.spans.items() if start <= address < start + size)
        return found

    def _instructions(self, address: int, found: _Function) -> Iterator[Any]:
        """A function's instructions; the constants between them are looked through for addresses of functions."""
        end = address + self.spans[address]
        inside = [(place, code) for place, code in self._marks if address < place < end]
        for (place, code), (stop, _) in zip([(address, True), *inside], [*inside, (end, True)], strict=True):
            content = self._code[place - self._start : stop - self._start]
            if not code:
                found.mentions |= self._addresses(content[-place % 4 :])
                continue
            for instruction in self._decoder.disasm(content, place):
                yield instruction
                place = instruction.address + instruction.size
            if place != stop:
                raise BuildError(
                    "The stack has no bound: an instruction is not known", where=f"function {found.name}, 0x{place:08x}"
                )


def _without(section: Any, spans: list[tuple[int, int]]) -> bytes:
    """A section's bytes with these spans of addresses, start and end, set to zero."""
    first, data = section["sh_addr"], bytearray(section.data())
    for start, end in spans:
        low, high = (min(max(address - first, 0), len(data)) for address in (start, end))
        data[low:high] = bytes(high - low)
    return bytes(data)


def _follow(registers: dict[int, int], name: str, operands: list[Any]) -> None:
    """Keep the addresses that registers hold: literals, whose value is not looked up, and pairs of movw and movt."""
    if not operands or operands[0].type != arm.ARM_OP_REG:
        return
    register = operands[0].reg
    if name == "movt":
        registers[register] = operands[1].imm << 16 | registers.get(register, 0) & 0xFFFF
    elif name == "movw":
        registers[register] = operands[1].imm
    elif name == "ldr" and operands[1].mem.base == arm.ARM_REG_PC:
        registers[register] = 0
    else:
        registers.pop(register, None)


def _pushed(name: str, operands: list[Any], function: str) -> int:
    """Bytes by which an instruction lowers the stack pointer."""
    if name in ("push", "vpush"):
        return sum(map(_register_bytes, operands))
    writes = bool(operands) and operands[0].type == arm.ARM_OP_REG and operands[0].reg == arm.ARM_REG_SP
    if name in ("sub", "subw") and writes:
        if operands[-1].type == arm.ARM_OP_IMM:
            return int(operands[-1].imm)
        raise _variable(function)
    if name in ("stmdb", "vstmdb") and writes:
        return sum(map(_register_bytes, operands[1:]))
    memory = next((operand for operand in operands if operand.type == arm.ARM_OP_MEM), None)
    if name in ("str", "strd") and memory is not None and memory.mem.base == arm.ARM_REG_SP and memory.mem.disp < 0:
        return int(-memory.mem.disp)
    return 0


def _variable(function: str) -> BuildError:
    return BuildError("The stack has no bound: a frame has a variable size", where=f"function {function}")


def _register_bytes(operand: Any) -> int:
    return 8 if arm.ARM_REG_D0 <= operand.reg <= arm.ARM_REG_D31 else 4
