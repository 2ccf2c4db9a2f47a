"""Exceptions of the virtual core: entering a handler, leaving it, and what a fault becomes.

Unicorn has none of this: it says that something happened, and a branch to an EXC_RETURN value is a failed fetch to it.
Frames, link register values and escalation are those of the Armv7-M manual, B1.5.6 to B1.5.15; floating-point state is
stacked at once, as with FPCCR.LSPEN clear, which firmware cannot tell from lazy stacking.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import unicorn as untyped_unicorn
from unicorn import arm_const as arm

from evbench.boards import faults
from evbench.boards.virtual import system_control as registers
from evbench.boards.virtual.interrupts import (
    BUS_FAULT,
    HARD_FAULT,
    MEMORY_FAULT,
    SUPERVISOR_CALL,
    USAGE_FAULT,
    InterruptController,
)
from evbench.boards.virtual.rules import EXCEPTION_ENTRY, TAIL_CHAIN
from evbench.boards.virtual.system_control import SystemControl

unicorn: Any = untyped_unicorn  # its own annotations are too incomplete to check against

INSTRUCTION_ACCESS = 1 << 0
INSTRUCTION_BUS_ERROR = 1 << 8
PRECISE_DATA_ERROR = 1 << 9 | 1 << 15
UNSTACKING_ERROR = 1 << 11
STACKING_ERROR = 1 << 12
UNDEFINED_INSTRUCTION = 1 << 16
INVALID_STATE = 1 << 17
INVALID_RETURN = 1 << 18
"""Bits of CFSR (Armv7-M manual B3.2.15)."""

THUMB_STATE = 1 << 24
_STACK_ALIGNED = 1 << 9
_RETURN_VALUES = 0xFFFFFF00
_RETURNS = frozenset((0xFFFFFFE1, 0xFFFFFFE9, 0xFFFFFFED, 0xFFFFFFF1, 0xFFFFFFF9, 0xFFFFFFFD))
_RETURNS_BASE = 0xFFFFFFE1
_NO_FLOATS, _TO_THREAD, _PROCESS_STACK = 1 << 4, 1 << 3, 1 << 2
_STACK_SELECT, _FLOATS_ACTIVE = 1 << 1, 1 << 2
"""Bits of EXC_RETURN and of CONTROL."""
_FRAME, _FLOAT_FRAME = 32, 104
_STACKED = (
    arm.UC_ARM_REG_R0,
    arm.UC_ARM_REG_R1,
    arm.UC_ARM_REG_R2,
    arm.UC_ARM_REG_R3,
    arm.UC_ARM_REG_R12,
    arm.UC_ARM_REG_LR,
)
_FLOATS = tuple(range(arm.UC_ARM_REG_D0, arm.UC_ARM_REG_D0 + 8))
_FETCHES = (unicorn.UC_MEM_FETCH, unicorn.UC_MEM_FETCH_UNMAPPED, unicorn.UC_MEM_FETCH_PROT)
_EXECUTABLE_END = 0x40000000
"""Above are peripherals, external devices and the system, from which the default memory map lets nothing execute."""
_MASKS = (arm.UC_ARM_REG_PRIMASK, arm.UC_ARM_REG_BASEPRI, arm.UC_ARM_REG_FAULTMASK)

# What Unicorn's interrupt hook says.
_SVC, _PREFETCH_ABORT, _BREAKPOINT, _EXCEPTION_EXIT = 2, 3, 7, 8


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as it happened: the exception it became (0 for a lock-up), fault registers, core registers."""

    exception: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int
    registers: dict[str, int]


class Exceptions:
    """The exceptions of one core.

    `locked_up`: a fault happened where none can be handled, and only a reset helps. spend(cycles) lets time pass;
    on_fault is told of every fault.
    """

    def __init__(
        self,
        uc: Any,
        control: SystemControl,
        controller: InterruptController,
        spend: Callable[[int], None],
        on_fault: Callable[[Fault], None],
    ) -> None:
        self._uc = uc
        self._control = control
        self._controller = controller
        self._spend = spend
        self._on_fault = on_fault
        self._bad_access: tuple[int, int] | None = None
        self.locked_up = False
        uc.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_bad_access)

    def reset(self) -> None:
        """Forgets a fault under way."""
        self._bad_access, self.locked_up = None, False

    @property
    def deliverable(self) -> int | None:
        """The pending exception that may interrupt what runs now."""
        number = self._controller.next
        if number is None or self._controller.group(number) >= self._running():
            return None
        return number

    def deliver(self) -> bool:
        """Enters the handler of what may interrupt now, if anything may."""
        number = self.deliverable
        if number is None:
            return False
        self._enter(number, self._uc.reg_read(arm.UC_ARM_REG_PC))
        return True

    def enter_fault(self) -> None:
        """After Unicorn has stopped with an error: the fault that it stands for."""
        bad, self._bad_access = self._bad_access, None
        if bad is not None:
            self._access_fault(*bad)
        elif not self._uc.reg_read(arm.UC_ARM_REG_XPSR) & THUMB_STATE:
            self._fault(USAGE_FAULT, INVALID_STATE)
        else:
            self._fault(USAGE_FAULT, UNDEFINED_INSTRUCTION)

    # --- what Unicorn says ---

    def _on_bad_access(self, _uc: Any, access: int, address: int, _size: int, _value: int, _user: Any) -> bool:
        self._bad_access = (access, address)
        return False

    def _on_interrupt(self, uc: Any, number: int, _user: Any) -> None:
        pc = uc.reg_read(arm.UC_ARM_REG_PC)
        if number == _EXCEPTION_EXIT or (number == _PREFETCH_ABORT and pc >= _RETURN_VALUES):
            self._leave(pc | 1)
        elif number == _SVC:
            if self._controller.group(SUPERVISOR_CALL) < self._running():
                self._enter(SUPERVISOR_CALL, pc)
            else:
                self._hard_fault(faults.FORCED)
        elif number == _PREFETCH_ABORT:
            self._access_fault(unicorn.UC_MEM_FETCH, pc)
        elif number == _BREAKPOINT:
            self._hard_fault(faults.DEBUG_EVENT)
        else:
            self._fault(USAGE_FAULT, UNDEFINED_INSTRUCTION)

    # --- faults ---

    def _access_fault(self, access: int, address: int) -> None:
        if access not in _FETCHES:
            self._control.force(registers.BFAR, address)
            self._fault(BUS_FAULT, PRECISE_DATA_ERROR)
        elif address >= _EXECUTABLE_END:
            self._fault(MEMORY_FAULT, INSTRUCTION_ACCESS)
        else:
            self._fault(BUS_FAULT, INSTRUCTION_BUS_ERROR)

    def _fault(self, number: int, status: int) -> None:
        """A fault enters its handler, or HardFault where that is switched off or not urgent enough (B1.5.14)."""
        self._control.raise_bits(registers.CFSR, status)
        controller = self._controller
        if number in controller.enabled and controller.group(number) < self._running():
            self._report(number)
            self._enter(number, self._uc.reg_read(arm.UC_ARM_REG_PC))
        else:
            self._hard_fault(faults.FORCED)

    def _hard_fault(self, status: int) -> None:
        self._control.raise_bits(registers.HFSR, status)
        if self._running() <= self._controller.priority(HARD_FAULT):
            self._lock_up()
            return
        self._report(HARD_FAULT)
        self._enter(HARD_FAULT, self._uc.reg_read(arm.UC_ARM_REG_PC))

    def _lock_up(self) -> None:
        self.locked_up = True
        self._report(0)
        self._uc.emu_stop()

    def _report(self, number: int) -> None:
        names = {f"r{i}": arm.UC_ARM_REG_R0 + i for i in range(13)}
        names |= {"sp": arm.UC_ARM_REG_SP, "lr": arm.UC_ARM_REG_LR, "pc": arm.UC_ARM_REG_PC}
        names["xpsr"] = arm.UC_ARM_REG_XPSR
        values = {name: int(self._uc.reg_read(register)) for name, register in names.items()}
        value = self._control.value
        cfsr, hfsr = value(registers.CFSR), value(registers.HFSR)
        self._on_fault(Fault(number, cfsr, hfsr, value(registers.MMFAR), value(registers.BFAR), values))

    # --- entering and leaving ---

    def _running(self) -> int:
        return self._controller.masked(*(self._uc.reg_read(register) for register in _MASKS))

    def _enter(self, number: int, return_to: int) -> None:
        uc = self._uc
        status = uc.reg_read(arm.UC_ARM_REG_XPSR)
        control = uc.reg_read(arm.UC_ARM_REG_CONTROL)
        in_thread = not status & 0x1FF
        floats = bool(control & _FLOATS_ACTIVE)
        stack = self._push(return_to, status, floats)
        uc.reg_write(arm.UC_ARM_REG_SP, stack)
        back = _RETURNS_BASE | (0 if floats else _NO_FLOATS) | (_TO_THREAD if in_thread else 0)
        if in_thread and control & _STACK_SELECT:
            back |= _PROCESS_STACK
        self._jump_to_handler(number, back)
        uc.reg_write(arm.UC_ARM_REG_CONTROL, control & ~_FLOATS_ACTIVE)
        self._spend(int(EXCEPTION_ENTRY.cycles))

    def _push(self, return_to: int, status: int, floats: bool) -> int:
        """Writes an exception frame; returns where the stack is then, also when it lies outside memory."""
        uc = self._uc
        stack = uc.reg_read(arm.UC_ARM_REG_SP)
        padding = stack & 4
        stack -= padding + (_FLOAT_FRAME if floats else _FRAME)
        values = [uc.reg_read(register) for register in _STACKED]
        status |= _STACK_ALIGNED if padding else 0
        frame = struct.pack("<8I", *values, return_to & ~1, status | THUMB_STATE)
        if floats:
            doubles = [uc.reg_read(register) for register in _FLOATS]
            frame += struct.pack("<8Q2I", *doubles, uc.reg_read(arm.UC_ARM_REG_FPSCR), 0)
        try:
            uc.mem_write(stack, frame)
        except unicorn.UcError:
            self._control.raise_bits(registers.CFSR, STACKING_ERROR)
        return int(stack)

    def _jump_to_handler(self, number: int, back: int) -> None:
        uc = self._uc
        try:
            table = self._control.value(registers.VTOR)
            (handler,) = struct.unpack("<I", uc.mem_read(table + 4 * number, 4))
        except unicorn.UcError:
            self._control.raise_bits(registers.HFSR, faults.VECTOR_TABLE)
            self._lock_up()
            return
        self._controller.enter(number)
        uc.reg_write(arm.UC_ARM_REG_XPSR, THUMB_STATE | number)
        uc.reg_write(arm.UC_ARM_REG_LR, back)
        uc.reg_write(arm.UC_ARM_REG_PC, handler | 1)

    def _leave(self, back: int) -> None:
        uc = self._uc
        self._controller.leave(uc.reg_read(arm.UC_ARM_REG_IPSR))
        uc.reg_write(arm.UC_ARM_REG_FAULTMASK, 0)
        if back not in _RETURNS:
            self._fault(USAGE_FAULT, INVALID_RETURN)
            return
        following = self.deliverable
        if following is not None:
            self._jump_to_handler(following, back)
            self._spend(int(TAIL_CHAIN.cycles))
            return
        which = arm.UC_ARM_REG_PSP if back & _PROCESS_STACK else arm.UC_ARM_REG_MSP
        stack = uc.reg_read(which)
        floats = not back & _NO_FLOATS
        try:
            frame = uc.mem_read(stack, _FLOAT_FRAME if floats else _FRAME)
        except unicorn.UcError:
            self._fault(BUS_FAULT, UNSTACKING_ERROR)
            return
        *values, return_to, status = struct.unpack_from("<8I", frame)
        uc.reg_write(which, stack + len(frame) + (4 if status & _STACK_ALIGNED else 0))
        uc.reg_write(arm.UC_ARM_REG_XPSR, status & ~_STACK_ALIGNED)
        unprivileged = uc.reg_read(arm.UC_ARM_REG_CONTROL) & 1
        select = _STACK_SELECT if back & _PROCESS_STACK else 0
        uc.reg_write(arm.UC_ARM_REG_CONTROL, unprivileged | select | (_FLOATS_ACTIVE if floats else 0))
        for register, value in zip(_STACKED, values, strict=True):
            uc.reg_write(register, value)
        if floats:
            *doubles, fpscr, _ = struct.unpack_from("<8Q2I", frame, _FRAME)
            for register, value in zip(_FLOATS, doubles, strict=True):
                uc.reg_write(register, value)
            uc.reg_write(arm.UC_ARM_REG_FPSCR, fpscr)
        uc.reg_write(arm.UC_ARM_REG_PC, return_to | 1)
        self._spend(int(EXCEPTION_ENTRY.cycles))
