"""What a Cortex-M7's fault registers say, in words (Armv7-M architecture manual, B3.2.15 to B3.2.17)."""

from __future__ import annotations

FORCED = 1 << 30
DEBUG_EVENT = 1 << 31
VECTOR_TABLE = 1 << 1
"""Bits of HFSR."""

_CAUSES = {
    0: "instruction fetch from memory that may not execute",
    1: "access to protected memory",
    3: "protected memory while returning from an exception",
    4: "protected memory while entering an exception",
    8: "instruction fetch from an address without memory",
    9: "access to an address without memory",
    10: "access to an address without memory (imprecise)",
    11: "address without memory while returning from an exception",
    12: "stack outside memory while entering an exception",
    16: "undefined instruction",
    17: "jump to an even address",
    18: "bad return from an exception",
    19: "FPU used while it is off",
    24: "unaligned access",
    25: "division by zero",
}
_MEMORY_ADDRESS_VALID, _BUS_ADDRESS_VALID = 7, 15
_PRECISE = 9


def explain(cfsr: int, hfsr: int, mmfar: int, bfar: int) -> str:
    """The causes that the registers name, with the address where one is valid; empty when they name none."""
    causes = [text for bit, text in _CAUSES.items() if cfsr >> bit & 1]
    if cfsr >> _PRECISE & 1 and cfsr >> _BUS_ADDRESS_VALID & 1:
        causes.append(f"address 0x{bfar:08x}")
    if cfsr >> 1 & 1 and cfsr >> _MEMORY_ADDRESS_VALID & 1:
        causes.append(f"address 0x{mmfar:08x}")
    if hfsr & VECTOR_TABLE:
        causes.append("vector table outside memory")
    if hfsr & DEBUG_EVENT:
        causes.append("breakpoint without a debugger")
    return ", ".join(causes)
