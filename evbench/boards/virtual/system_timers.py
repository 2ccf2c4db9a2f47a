"""Counters that run with the core's clock: SysTick and the chip's timers. They are functions of the cycle count.

Nothing is stepped: a counter that is read computes its value, and says when it will next ask for an interrupt.
"""

from __future__ import annotations

from collections.abc import Callable

NEVER = 1 << 63


class SystemTick:
    """The 24-bit counter of the Armv7-M manual, B3.3: it counts down from LOAD and may ask for exception 15."""

    CONTROL, LOAD, VALUE, CALIBRATION = 0x10, 0x14, 0x18, 0x1C
    _ENABLE, _INTERRUPT, _CORE_CLOCK, _COUNTED = 1, 2, 4, 1 << 16
    _NO_REFERENCE = 0x4000_0000
    _EXTERNAL_DIVIDER = 8  # without CLKSOURCE the STM32H7 feeds an eighth of the core's clock (RM0433, 19.1)

    def __init__(self, cycles: Callable[[], int]) -> None:
        self._cycles = cycles
        self.reset()

    def reset(self) -> None:
        self._control = self._load = 0
        self._started = self._acknowledged = self._counted_wraps = 0

    @property
    def _divider(self) -> int:
        return 1 if self._control & self._CORE_CLOCK else self._EXTERNAL_DIVIDER

    @property
    def _period(self) -> int:
        return (self._load + 1) * self._divider

    @property
    def _running(self) -> bool:
        return bool(self._control & self._ENABLE and self._load)

    def _wraps(self, cycle: int) -> int:
        return (cycle - self._started) // self._period if self._running else 0

    def read(self, offset: int) -> int:
        if offset == self.CONTROL:
            counted = self._wraps(self._cycles()) > self._counted_wraps
            self._counted_wraps = self._wraps(self._cycles())
            return self._control | (self._COUNTED if counted else 0)
        if offset == self.VALUE:
            if not self._running:
                return 0
            return self._load - (self._cycles() - self._started) % self._period // self._divider
        return self._load if offset == self.LOAD else self._NO_REFERENCE

    def write(self, offset: int, value: int) -> None:
        if offset == self.CONTROL:
            started = value & ~self._control & self._ENABLE
            self._control = value & 7
            if started:
                self._restart()
        elif offset == self.LOAD:
            self._load = value & 0xFFFFFF
            self._restart()
        elif offset == self.VALUE:
            self._restart()

    def _restart(self) -> None:
        self._started = self._cycles()
        self._acknowledged = self._counted_wraps = 0

    def due(self) -> int:
        """The cycle at which the exception is next asked for."""
        if not (self._running and self._control & self._INTERRUPT):
            return NEVER
        return self._started + (self._acknowledged + 1) * self._period

    def take(self) -> bool:
        """Whether the counter has passed zero since the last call; several passes ask once, as in the core."""
        if self.due() > self._cycles():
            return False
        self._acknowledged = self._wraps(self._cycles())
        return True


class Timer:
    """A timer of the STM32 (RM0433 chapters 38 to 42), as far as it counts up and asks for its update interrupt.

    bits: 16 or 32; ratio: core cycles per tick of the timer's input, at the moment.
    """

    CR1, DIER, SR, EGR, CNT, PSC, ARR = 0x00, 0x0C, 0x10, 0x14, 0x24, 0x28, 0x2C
    _ENABLE, _ONE_PULSE, _UPDATE = 1, 8, 1

    def __init__(self, bits: int, cycles: Callable[[], int], ratio: Callable[[], float]) -> None:
        self._top = (1 << bits) - 1
        self._cycles = cycles
        self._ratio = ratio
        self.reset()

    def reset(self) -> None:
        self._values = {self.ARR: self._top}
        self._prescaler = 0  # a new PSC counts from the next update on
        self._count = 0
        self._since = self._cycles()
        self._updated = False

    @property
    def _running(self) -> bool:
        return bool(self._values.get(self.CR1, 0) & self._ENABLE and self._values[self.ARR])

    @property
    def _tick(self) -> float:
        return (self._prescaler + 1) * self._ratio()

    def _advance(self) -> None:
        """Brings count and update flag to the present cycle."""
        now = self._cycles()
        if self._running:
            ticks = int((now - self._since) / self._tick)
            total, period = self._count + ticks, self._values[self.ARR] + 1
            if total >= period:
                self._updated = True
                self._prescaler = self._values.get(self.PSC, 0)
                if self._values[self.CR1] & self._ONE_PULSE:
                    self._values[self.CR1] &= ~self._ENABLE
                    total = 0
            self._count = total % period
            self._since += round(ticks * self._tick)
        else:
            self._since = now

    def read(self, offset: int) -> int:
        self._advance()
        if offset == self.CNT:
            return self._count
        if offset == self.SR:
            return int(self._updated)
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self._advance()
        if offset == self.CNT:
            self._count = value & self._top
        elif offset == self.SR:
            self._updated &= bool(value & self._UPDATE)
        elif offset == self.EGR:
            if value & self._UPDATE:
                self._count, self._since, self._updated = 0, self._cycles(), True
                self._prescaler = self._values.get(self.PSC, 0)
        else:
            self._values[offset] = value & (self._top if offset == self.ARR else 0xFFFF)

    def due(self) -> int:
        """The cycle at which the interrupt is next asked for."""
        if not (self._running and self._values.get(self.DIER, 0) & self._UPDATE) or self._updated:
            return NEVER
        left = self._values[self.ARR] + 1 - self._count
        return self._since + int(left * self._tick) + 1

    def asks(self) -> bool:
        """Whether the interrupt line is held: the update flag is set and its interrupt enabled."""
        self._advance()
        return self._updated and bool(self._values.get(self.DIER, 0) & self._UPDATE)
