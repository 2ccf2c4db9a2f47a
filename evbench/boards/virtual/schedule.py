"""When the core is interrupted next, and how it sleeps until then.

Time is the core's own count of cycles. While the core sleeps it runs with the host's clock, so that firmware that waits
a second takes a second; while it computes it runs as fast as the model does.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from evbench.boards.virtual.interrupts import SYSTEM_TICK, InterruptController
from evbench.boards.virtual.peripherals import Peripherals
from evbench.boards.virtual.runtime import Runtime
from evbench.boards.virtual.system_control import SystemControl
from evbench.boards.virtual.system_timers import NEVER

_LONGEST_WAIT_S = 0.25
_SERVICE_PER_SECOND = 1000
"""How often the serial line is served while firmware listens by interrupt or has bytes to send."""


class Schedule:
    """Brings time to the exceptions of one core.

    core_hz: cycles per second; port: the serial port's exception; exchange(wait) moves bytes over the line and waits at
    most so many seconds for some.
    """

    def __init__(
        self,
        runtime: Runtime,
        controller: InterruptController,
        control: SystemControl,
        peripherals: Peripherals,
        core_hz: int,
        port: int,
        exchange: Callable[[float], None],
    ) -> None:
        self._runtime = runtime
        self._controller = controller
        self._control = control
        self._peripherals = peripherals
        self._hz = core_hz
        self._port = port
        self._exchange = exchange
        self._service_at = NEVER
        self._origin = (time.monotonic(), 0)

    def reset(self) -> None:
        """The board starts: from now on its time and the host's are compared."""
        self._service_at = NEVER
        self._origin = (time.monotonic(), self._runtime.cycles)
        self.update()

    def update(self) -> None:
        """Looks who asks for an interrupt now, and tells the core when to look again."""
        controller = self._controller
        if self._control.tick.take():
            controller.pending.add(SYSTEM_TICK)
        for number, asks in self._peripherals.lines().items():
            controller.hold(number, asks)
        controller.hold(self._port, self._runtime.port_asks())
        self._runtime.watch(self._due(), controller.next_priority, controller.running, controller.group_mask)

    def _due(self) -> int:
        served = self._runtime.port_listens() or self._runtime.port_unsent()
        if not served:
            self._service_at = NEVER
        elif self._service_at == NEVER:
            self._service_at = self._runtime.cycles + self._hz // _SERVICE_PER_SECOND
        return min(self._service_at, self._next_event())

    def _next_event(self) -> int:
        return min(self._control.tick.due(), self._peripherals.due(), self._runtime.port_due())

    def serve(self) -> None:
        """Between two blocks: serves the serial line when it is time, then `update`."""
        if self._runtime.cycles >= self._service_at:
            self._service_at = NEVER
            self._exchange(0.0)
        self.update()

    def sleep(self) -> bool:
        """Sleeps for a while; returns whether something wakes the core (PRIMASK does not hold that back)."""
        self.update()
        if self._wakes():
            return True
        now = self._runtime.cycles
        event = min(self._next_event(), now + self._hz)
        if event > now:
            self._exchange(max(0.0, min(_LONGEST_WAIT_S, (event - now + self._lead(now)) / self._hz)))
            self._runtime.advance(min(event - now, max(0, -self._lead(now))))
        self.update()
        return self._wakes()

    def _wakes(self) -> bool:
        return self._controller.next_priority < self._controller.running

    def _lead(self, now: int) -> int:
        """How many cycles the board's time is ahead of the host's; negative when it is behind."""
        host, cycles = self._origin
        return now - cycles - round((time.monotonic() - host) * self._hz)
