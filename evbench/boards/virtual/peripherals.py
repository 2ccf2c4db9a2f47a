"""The registers of an STM32H7 that start-up code and drivers touch, as far as firmware can tell them from real ones.

Timers count, serial ports that lead nowhere are always ready to send, oscillators and regulators are ready as soon as
they are switched on, pins that are outputs read as they are driven and all others read low. Any other register keeps
what was written to it and is named once in the log. Addresses and bits: RM0433 (STM32H743 reference manual). The serial
port that is connected and the DWT are answered by serial_port.c.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from evbench.boards.virtual.stm32h7 import BLOCK_BYTES, SERIAL_PORTS, TIMERS, kept, register_name
from evbench.boards.virtual.system_control import BASE, SIZE, SystemControl
from evbench.boards.virtual.system_timers import NEVER, Timer

RCC_CR = 0x58024400
RCC_CFGR = 0x58024410
RCC_D1CFGR = 0x58024418
RCC_D2CFGR = 0x5802441C
RCC_BDCR = 0x58024470
RCC_CSR = 0x58024474
PWR_CSR1 = 0x58024804
PWR_D3CR = 0x58024818
FLASH_ACR = 0x52002000
QUADSPI_SR = 0x52005008
SYSCFG_CCCSR = 0x58000420
RNG_CR, RNG_SR, RNG_DR = 0x48021800, 0x48021804, 0x48021808
RTC_ISR = 0x5800400C
DBGMCU_IDC = 0x5C001000
HSEM = range(0x58026400, 0x58026500)
GPIO = range(0x58020000, 0x58022C00)
GPIO_MODER, GPIO_IDR, GPIO_ODR, GPIO_BSRR = 0x00, 0x10, 0x14, 0x18
"""Offsets of a port's registers in its block: modes of the pins, input, output, and set-or-reset of outputs."""

_RESET_VALUES = {
    RCC_CR: 0x00000083,
    FLASH_ACR: 0x00000037,
    PWR_D3CR: 0x00004000,
}
_READY_BITS = ((0, 2), (7, 8), (12, 13), (16, 17), (24, 25), (26, 27), (28, 29))
"""Bits of RCC_CR: each oscillator's or PLL's ON bit and the READY bit that follows it."""
_FIRST_CORE_RUNS, _SECOND_CORE_RUNS = 1 << 14, 1 << 15
"""D1CKRDY and D2CKRDY of RCC_CR. The second core of an STM32H747 is taken to sleep until a semaphore is released."""
_VOLTAGE_READY = 1 << 13
_QUADSPI_TRANSFER_COMPLETE = 1 << 1
_COMPENSATION_READY = 1 << 8
_RANDOM_READY = 1
_CALENDAR_READY = 0x67  # shift, write, init and synchronisation flags
_SEMAPHORE_TAKEN = 1 << 31
_SEND_READY = 1 << 6 | 1 << 7 | 1 << 21 | 1 << 22  # TC, TXE, TEACK, REACK
_ISR_OFFSET = 0x1C
_ANSWERED = (RNG_CR, RNG_SR, RNG_DR, RTC_ISR)
_TIMERS = {block.base: block for block in TIMERS.values()}


class Peripherals:
    """All registers but those of the connected serial port and the DWT.

    cycles: the core's cycle count; on_change: called when a timer's interrupt may have changed; log: told once of each
    register that is not modelled; device: the chip's revision and device code.
    """

    def __init__(
        self,
        control: SystemControl,
        cycles: Callable[[], int],
        on_change: Callable[[], None],
        log: Callable[[str], None],
        device: int,
    ) -> None:
        self._control = control
        self._on_change = on_change
        self._log = log
        self._logged: set[int] = set()
        self._reset_values = {**_RESET_VALUES, DBGMCU_IDC: device}
        self._values = dict(self._reset_values)
        self._timers = {
            base: Timer(block.bits, cycles, functools.partial(self._timer_ratio, block.bus))
            for base, block in _TIMERS.items()
        }
        self._used: set[int] = set()
        """Timers that firmware has written to, by address."""
        self._serial = frozenset(port.base for port in SERIAL_PORTS.values())
        self._random = 0x2545F491
        self._second_core_woken = False

    def reset(self) -> None:
        """All registers take their values after reset."""
        self._values = dict(self._reset_values)
        self._second_core_woken = False
        self._used.clear()
        for timer in self._timers.values():
            timer.reset()

    def due(self) -> int:
        """The cycle at which a timer next asks for its interrupt."""
        return min((self._timers[base].due() for base in self._used), default=NEVER)

    def lines(self) -> dict[int, bool]:
        """Whether the timers in use ask for their interrupts, by exception; two timers may share one."""
        asking: dict[int, bool] = {}
        for base in self._used:
            number = _TIMERS[base].exception
            asking[number] = asking.get(number, False) or self._timers[base].asks()
        return asking

    # --- firmware's side ---

    def read(self, address: int) -> int:
        """The word at `address`, as firmware sees it."""
        if BASE <= address < BASE + SIZE:
            return self._control.read(address)
        block = address & ~(BLOCK_BYTES - 1)
        if block in self._timers:
            return self._timers[block].read(address - block)
        if block in self._serial and address - block == _ISR_OFFSET:
            return _SEND_READY
        return self._special(address, self._values.get(address, 0))

    def write(self, address: int, value: int, size: int = 4) -> None:
        """Firmware writes `size` bytes of a word; a part of a word leaves the rest as it is."""
        word, lane = address & ~3, 8 * (address & 3)
        in_control = BASE <= word < BASE + SIZE
        if size < 4:
            value = (value & (1 << 8 * size) - 1) << lane
            if not in_control or self._control.keeps(word):
                value |= self.read(word) & ~(((1 << 8 * size) - 1) << lane)
        block = word & ~(BLOCK_BYTES - 1)
        if in_control:
            self._control.write(word, value)
        elif block in self._timers:
            self._used.add(block)
            self._timers[block].write(word - block, value)
            self._on_change()
        else:
            if block not in self._serial:
                self._mention(word)
            self._second_core_woken |= word in HSEM and not value & _SEMAPHORE_TAKEN
            if word in GPIO and word - block == GPIO_BSRR:
                word, value = self._set_outputs(block, value)
            self._values[word] = value

    def _special(self, address: int, value: int) -> int:
        if address in GPIO:
            return self._pins(address, value)
        if address == RCC_CR:
            ready = sum((value >> on & 1) << ready for on, ready in _READY_BITS)
            return value | ready | _FIRST_CORE_RUNS | (_SECOND_CORE_RUNS if self._second_core_woken else 0)
        if address == RCC_CFGR:
            return (value & ~0x38) | (value & 7) << 3
        if address in (RCC_BDCR, RCC_CSR):
            return value | (value & 1) << 1
        if address in (PWR_CSR1, PWR_D3CR):
            return value | _VOLTAGE_READY
        if address == QUADSPI_SR:
            return _QUADSPI_TRANSFER_COMPLETE
        if address == SYSCFG_CCCSR:
            return value | (value & 1) * _COMPENSATION_READY
        if address == RNG_SR:
            return _RANDOM_READY
        if address == RNG_DR:
            self._random = (self._random * 1664525 + 1013904223) & 0xFFFFFFFF  # the same numbers every time
            return self._random
        if address == RTC_ISR:
            return value | _CALENDAR_READY
        if address in HSEM:  # a semaphore that is read to take it is free; the other core is not modelled
            return value | _SEMAPHORE_TAKEN | 0x300
        self._mention(address)
        return value

    def _set_outputs(self, port: int, value: int) -> tuple[int, int]:
        """The output register and its value after a write to BSRR; a bit that is set and reset at once is set."""
        output = port + GPIO_ODR
        return output, self._values.get(output, 0) & ~(value >> 16) | value & 0xFFFF

    def _pins(self, address: int, value: int) -> int:
        port = address & ~(BLOCK_BYTES - 1)
        if address - port != GPIO_IDR:
            return value
        modes = self._values.get(port + GPIO_MODER, 0)
        outputs = sum(1 << pin for pin in range(16) if modes >> 2 * pin & 3 == 1)
        return self._values.get(port + GPIO_ODR, 0) & outputs

    def _mention(self, address: int) -> None:
        if not kept(address) and address not in (*_ANSWERED, *HSEM) and address not in self._logged:
            self._logged.add(address)
            self._log(f"{register_name(address)} is not modelled: it keeps what is written to it")

    def _timer_ratio(self, bus: int) -> float:
        """Core cycles per tick of a timer's input (RM0433, 8.5.18): the bus clock, doubled where the bus is divided."""
        domain = self._values.get(RCC_D2CFGR, 0)
        core = _divider(self._values.get(RCC_D1CFGR, 0) & 15, 8)
        divided = _divider(domain >> (4 if bus == 1 else 8) & 7, 4)
        return core * max(1.0, divided / 2)


def _divider(field: int, first: int) -> float:
    """A prescaler field: values below `first` divide by 1, the others by 2, 4, 8, 16, then 64 and up."""
    steps = (2, 4, 8, 16, 64, 128, 256, 512)
    return float(steps[field - first]) if field >= first else 1.0
