"""A fault of the firmware as text: what happened, the registers, and how the program came there."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from evbench.boards.faults import explain
from evbench.boards.firmware_file import FirmwareFile
from evbench.boards.virtual.exceptions import Fault

_NAMES = {3: "HardFault", 4: "MemManage fault", 5: "BusFault", 6: "UsageFault"}
_SEARCHED_BYTES = 1024
_DEEPEST = 16
_LINK_BITS, _LINK = 0xF800D000, 0xF000D000  # the first and last bits of both halves of BL
_LINK_REGISTER_BITS, _LINK_REGISTER = 0xFF87, 0x4780  # BLX to a register


def fault_report(fault: Fault, image: FirmwareFile, read: Callable[[int, int], bytes]) -> str:
    """Several lines on a fault. read(address, length) reads memory; it raises where there is none."""
    registers = fault.registers
    happened = _NAMES.get(fault.exception, "Lock-up: a fault where none can be handled")
    cause = explain(fault.cfsr, fault.hfsr, fault.mmfar, fault.bfar) or "no cause is named"
    lines = [
        f"{happened}: {cause}",
        f"  CFSR 0x{fault.cfsr:08x}  HFSR 0x{fault.hfsr:08x}  MMFAR 0x{fault.mmfar:08x}  BFAR 0x{fault.bfar:08x}",
    ]
    values = [f"{name:>4} 0x{value:08x}" for name, value in registers.items()]
    lines += [" " + " ".join(values[i : i + 6]) for i in range(0, len(values), 6)]
    lines += [f"  at {_place(registers['pc'], image)}"]
    lines += [f"  called from {_place(address, image)}" for address in backtrace(registers, read)]
    return "\n".join(lines)


def backtrace(registers: dict[str, int], read: Callable[[int, int], bytes]) -> list[int]:
    """Where the functions on the stack were called from, innermost first.

    Nothing is unwound: an address counts as one of a call when it lies behind a BL or BLX, in the link register or on
    the stack. A stale one may be among them.
    """
    found: list[int] = []
    for value in (registers["lr"], *_stack(registers["sp"], read)):
        if len(found) == _DEEPEST:
            break
        if value & 1 and _is_call(value & ~1, read) and (not found or found[-1] != value & ~1):
            found.append(value & ~1)
    return found


def _stack(pointer: int, read: Callable[[int, int], bytes]) -> Iterator[int]:
    for address in range(pointer & ~3, pointer + _SEARCHED_BYTES, 4):
        try:
            yield struct.unpack("<I", read(address, 4))[0]
        except Exception:  # the end of memory
            return


def _is_call(address: int, read: Callable[[int, int], bytes]) -> bool:
    try:
        first, second = struct.unpack("<2H", read(address - 4, 4))
    except Exception:  # no memory there
        return False
    is_link = (first << 16 | second) & _LINK_BITS == _LINK
    return bool(is_link or second & _LINK_REGISTER_BITS == _LINK_REGISTER)


def _place(address: int, image: FirmwareFile) -> str:
    name = image.name(address)
    return f"0x{address:08x}{f' {name}' if name else ''}"
