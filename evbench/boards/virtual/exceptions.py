"""Exceptions of the virtual core: entering a handler, leaving it, and escalating faults to HardFault.

Unicorn has none of this: it says that something happened, and a branch to an EXC_RETURN value is a failed fetch to it.
The frame on the stack and the values of the link register are those of the Armv7-M manual, B1.5.6 to B1.5.8, without
floating-point state.
"""

from __future__ import annotations

import struct
from typing import Any

import unicorn as untyped_unicorn
from unicorn import arm_const as arm

from evbench.boards.virtual import peripherals as registers
from evbench.boards.virtual.peripherals import Peripherals

unicorn: Any = untyped_unicorn  # its own annotations are too incomplete to check against

UNDEFINED_INSTRUCTION = 1 << 16
PRECISE_DATA_ERROR = 1 << 9 | 1 << 15
INSTRUCTION_BUS_ERROR = 1 << 8
"""Bits of CFSR (Armv7-M manual B3.2.15)."""

THUMB_STATE = 1 << 24
_STACK_ALIGNED = 1 << 9
_FORCED = 1 << 30
_RETURN_VALUES = 0xFFFFFF00
_TO_THREAD_MODE = 0xFFFFFFF9
_HARD_FAULT, _SUPERVISOR_CALL = 3, 11
_STACKED = (
    arm.UC_ARM_REG_R0,
    arm.UC_ARM_REG_R1,
    arm.UC_ARM_REG_R2,
    arm.UC_ARM_REG_R3,
    arm.UC_ARM_REG_R12,
    arm.UC_ARM_REG_LR,
)
_FETCHES = (unicorn.UC_MEM_FETCH, unicorn.UC_MEM_FETCH_UNMAPPED, unicorn.UC_MEM_FETCH_PROT)


class Exceptions:
    """The exceptions of one core. `locked_up`: a fault could not enter its handler, and only a reset helps."""

    def __init__(self, uc: Any, peripherals: Peripherals) -> None:
        self._uc = uc
        self._peripherals = peripherals
        self._address: int | None = None
        self._status = 0
        self.locked_up = False
        uc.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_bad_access)

    def reset(self) -> None:
        """Forgets a fault under way."""
        self._address, self._status, self.locked_up = None, 0, False

    def enter_fault(self, undefined: bool = False) -> None:
        """HardFault, escalated from the bus fault that was noted, or from an undefined instruction."""
        if undefined and self._address is None:
            self._status = UNDEFINED_INSTRUCTION
        self._peripherals.raise_bits(registers.CFSR, self._status)
        self._peripherals.raise_bits(registers.HFSR, _FORCED)
        if self._address is not None:
            self._peripherals.force(registers.BFAR, self._address)
        self._address, self._status = None, 0
        self._enter(_HARD_FAULT, self._uc.reg_read(arm.UC_ARM_REG_PC))

    def _on_bad_access(self, _uc: Any, access: int, address: int, _size: int, _value: int, _user: Any) -> bool:
        self._address = address
        self._status = INSTRUCTION_BUS_ERROR if access in _FETCHES else PRECISE_DATA_ERROR
        return False

    def _on_interrupt(self, uc: Any, number: int, _user: Any) -> None:
        pc = uc.reg_read(arm.UC_ARM_REG_PC)
        if number == 8 or (number == 3 and pc >= _RETURN_VALUES):
            self._leave()
        elif number == 2:
            self._enter(_SUPERVISOR_CALL, pc)
        else:
            self._status = INSTRUCTION_BUS_ERROR
            self.enter_fault(undefined=number == 1)

    def _enter(self, number: int, return_to: int) -> None:
        uc = self._uc
        stack, status = uc.reg_read(arm.UC_ARM_REG_SP), uc.reg_read(arm.UC_ARM_REG_XPSR)
        padding = stack & 4
        stack -= padding + 32
        values = [uc.reg_read(register) for register in _STACKED]
        vector = self._peripherals.read(registers.VTOR) + 4 * number
        try:
            status |= _STACK_ALIGNED if padding else 0
            uc.mem_write(stack, struct.pack("<8I", *values, return_to & ~1, status | THUMB_STATE))
            (handler,) = struct.unpack("<I", uc.mem_read(vector, 4))
        except unicorn.UcError:
            self.locked_up = True
            return
        uc.reg_write(arm.UC_ARM_REG_SP, stack)
        uc.reg_write(arm.UC_ARM_REG_LR, _TO_THREAD_MODE)
        uc.reg_write(arm.UC_ARM_REG_IPSR, number)
        uc.reg_write(arm.UC_ARM_REG_PC, handler | 1)

    def _leave(self) -> None:
        uc = self._uc
        stack = uc.reg_read(arm.UC_ARM_REG_SP)
        *values, return_to, status = struct.unpack("<8I", uc.mem_read(stack, 32))
        for register, value in zip(_STACKED, values, strict=True):
            uc.reg_write(register, value)
        uc.reg_write(arm.UC_ARM_REG_SP, stack + 32 + (4 if status & _STACK_ALIGNED else 0))
        uc.reg_write(arm.UC_ARM_REG_XPSR, status & ~_STACK_ALIGNED)
        uc.reg_write(arm.UC_ARM_REG_PC, return_to | 1)
