"""The system control space of a Cortex-M7: SysTick, interrupt controller and system control block as registers.

Addresses and bits: Armv7-M architecture manual, B3.2 to B3.4. Registers that only switch what the virtual core does not
have (protection, caches) keep what is written to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evbench.boards.virtual.interrupts import (
    BUS_FAULT,
    FIRST_INTERRUPT,
    MEMORY_FAULT,
    NMI,
    PENDABLE_CALL,
    SUPERVISOR_CALL,
    SYSTEM_TICK,
    USAGE_FAULT,
    InterruptController,
)
from evbench.boards.virtual.system_timers import SystemTick

BASE, SIZE = 0xE000E000, 0x1000
ICSR = 0xE000ED04
VTOR = 0xE000ED08
AIRCR = 0xE000ED0C
SHCSR = 0xE000ED24
CFSR = 0xE000ED28
HFSR = 0xE000ED2C
MMFAR = 0xE000ED34
BFAR = 0xE000ED38
FPDSCR = 0xE000EF3C

_ICTR, _CPUID, _CCR = 0xE000E004, 0xE000ED00, 0xE000ED14
_SHPR1, _SHPR3 = 0xE000ED18, 0xE000ED20
_CCSIDR, _CSSELR, _MPU_TYPE = 0xE000ED80, 0xE000ED84, 0xE000ED90
_STIR, _FPCCR = 0xE000EF00, 0xE000EF34
_TICK = range(0x10, 0x20)
_SET_ENABLE, _CLEAR_ENABLE, _SET_PENDING, _CLEAR_PENDING, _ACTIVE = (
    range(start, start + 0x40) for start in (0x100, 0x180, 0x200, 0x280, 0x300)
)
_PRIORITIES = range(0x400, 0x600)

_AIRCR_KEY, _AIRCR_READ_KEY = 0x05FA, 0xFA05
_SYSTEM_RESET = 1 << 2
_PEND = ((1 << 31, 0, NMI), (1 << 28, 1 << 27, PENDABLE_CALL), (1 << 26, 1 << 25, SYSTEM_TICK))
"""Bits of ICSR that set and clear what is pending, and the exception."""
_HANDLER_ENABLES = ((1 << 16, MEMORY_FAULT), (1 << 17, BUS_FAULT), (1 << 18, USAGE_FAULT))
_ACTIVE_BITS = (
    (0, MEMORY_FAULT),
    (1, BUS_FAULT),
    (3, USAGE_FAULT),
    (7, SUPERVISOR_CALL),
    (10, PENDABLE_CALL),
    (11, SYSTEM_TICK),
)
_RESET_VALUES = {
    _ICTR: 4,  # up to 160 interrupts
    _CPUID: 0x411FC271,  # Cortex-M7 r1p1, as in the STM32H743
    _CCR: 0x00040200,
    _MPU_TYPE: 16 << 8,
    _FPCCR: 0xC0000000,
}
_DATA_CACHE_SHAPE = 0xF00FE019  # 128 sets, 4 ways, 32-byte lines
_INSTRUCTION_CACHE_SHAPE = 0xF01FE009  # 256 sets, 2 ways, 32-byte lines
_WRITE_ONE_TO_CLEAR = (CFSR, HFSR)


class SystemControl:
    """The registers. `on_reset` is called when firmware asks for a system reset, `on_change` when an interrupt may have
    become due.
    """

    def __init__(
        self,
        controller: InterruptController,
        cycles: Callable[[], int],
        on_reset: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._controller = controller
        self.tick = SystemTick(cycles)
        self._on_reset = on_reset
        self._on_change = on_change
        self._values: dict[int, int] = {}
        self.reset(0)

    def reset(self, vectors: int) -> None:
        """All registers take their values after reset; the vector table lies at `vectors`."""
        self._controller.reset()
        self.tick.reset()
        self._values = {**_RESET_VALUES, VTOR: vectors}

    # --- the core's side ---

    def value(self, address: int) -> int:
        """A register that keeps its value."""
        return self._values.get(address, 0)

    def raise_bits(self, address: int, bits: int) -> None:
        """The core sets bits of a status register."""
        self._values[address] = self.value(address) | bits

    def force(self, address: int, value: int) -> None:
        """The core sets a register."""
        self._values[address] = value

    # --- firmware's side ---

    def read(self, address: int) -> int:
        """The word at `address`."""
        offset, controller = address - BASE, self._controller
        if offset in _TICK:
            return self.tick.read(offset)
        if offset in _SET_ENABLE or offset in _CLEAR_ENABLE:
            return _bits(offset, controller.enabled)
        if offset in _SET_PENDING or offset in _CLEAR_PENDING:
            return _bits(offset, controller.pending)
        if offset in _ACTIVE:
            return _bits(offset, controller.active)
        if offset in _PRIORITIES:
            first = FIRST_INTERRUPT + offset - _PRIORITIES.start
            return _word(controller.priority(first + lane) for lane in range(4))
        if _SHPR1 <= address <= _SHPR3:
            first = 4 + address - _SHPR1
            return _word(controller.priority(first + lane) for lane in range(4))
        if address == ICSR:
            return self._control_and_state()
        if address == AIRCR:
            return _AIRCR_READ_KEY << 16 | (self.value(AIRCR) & 0x700)
        if address == SHCSR:
            active = sum(1 << bit for bit, number in _ACTIVE_BITS if number in controller.active)
            return active | sum(bit for bit, number in _HANDLER_ENABLES if number in controller.enabled)
        if address == _CCSIDR:
            return _INSTRUCTION_CACHE_SHAPE if self.value(_CSSELR) & 1 else _DATA_CACHE_SHAPE
        return self.value(address)

    def keeps(self, address: int) -> bool:
        """Whether a write of a byte or half-word leaves the rest of the word at `address` as it is."""
        offset = address - BASE
        acts = offset in range(_SET_ENABLE.start, _ACTIVE.stop) or address in (ICSR, AIRCR, _STIR, *_WRITE_ONE_TO_CLEAR)
        return not acts

    def write(self, address: int, value: int) -> None:
        """Firmware writes a word."""
        offset, controller = address - BASE, self._controller
        if offset in _TICK:
            self.tick.write(offset, value)
        elif offset in _SET_ENABLE:
            controller.enabled |= _numbers(offset, value)
        elif offset in _CLEAR_ENABLE:
            controller.enabled -= _numbers(offset, value)
        elif offset in _SET_PENDING:
            controller.pending |= _numbers(offset, value)
        elif offset in _CLEAR_PENDING:
            controller.pending -= _numbers(offset, value) - controller.held
        elif offset in _PRIORITIES:
            self._set_priorities(FIRST_INTERRUPT + offset - _PRIORITIES.start, value)
        elif _SHPR1 <= address <= _SHPR3:
            self._set_priorities(4 + address - _SHPR1, value)
        elif address == ICSR:
            for set_bit, clear_bit, number in _PEND:
                if value & set_bit:
                    controller.pending.add(number)
                elif value & clear_bit:
                    controller.pending.discard(number)
        elif address == AIRCR:
            self._write_reset_control(value)
        elif address == SHCSR:
            for bit, number in _HANDLER_ENABLES:
                (controller.enabled.add if value & bit else controller.enabled.discard)(number)
        elif address == _STIR:
            controller.pending.add(FIRST_INTERRUPT + (value & 0x1FF))
        elif address in _WRITE_ONE_TO_CLEAR:
            self._values[address] = self.value(address) & ~value
        elif address not in (_CPUID, _ICTR, _MPU_TYPE, _CCSIDR):
            self._values[address] = value
        self._on_change()

    def _set_priorities(self, first: int, value: int) -> None:
        for lane in range(4):
            self._controller.set_priority(first + lane, value >> 8 * lane & 0xFF)

    def _write_reset_control(self, value: int) -> None:
        if value >> 16 != _AIRCR_KEY:
            return
        self._values[AIRCR] = value
        self._controller.set_grouping(value >> 8 & 7)
        if value & _SYSTEM_RESET:
            self._on_reset()

    def _control_and_state(self) -> int:
        controller = self._controller
        value = sum(set_bit for set_bit, _, number in _PEND if number in controller.pending)
        value |= (1 << 22) * any(number >= FIRST_INTERRUPT for number in controller.pending)
        value |= (controller.next or 0) << 12
        value |= (1 << 11) * (len(controller.active) <= 1)
        return value | (controller.active[-1] if controller.active else 0)


def _numbers(offset: int, value: int) -> set[int]:
    """The interrupts whose bits are set in a word of one of the NVIC's bit arrays."""
    first = FIRST_INTERRUPT + 8 * (offset & 0x3C)
    return {first + bit for bit in range(32) if value >> bit & 1}


def _bits(offset: int, numbers: set[int] | list[int]) -> int:
    first = FIRST_INTERRUPT + 8 * (offset & 0x3C)
    return sum(1 << number - first for number in set(numbers) if first <= number < first + 32)


def _word(lanes: Iterable[int]) -> int:
    return sum((value & 0xFF) << 8 * lane for lane, value in enumerate(lanes))
