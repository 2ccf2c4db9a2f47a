"""Which exception the core takes next: pending, enabled and active exceptions and their priorities.

Numbers and rules are those of the Armv7-M architecture manual, B1.5: 1 is reset, 2 NMI, 3 HardFault, 4 to 15 the
system's own, from 16 on the chip's interrupts. A lower priority value is more urgent; a handler is interrupted only by
what is more urgent than its group of priorities.
"""

from __future__ import annotations

NMI, HARD_FAULT, MEMORY_FAULT, BUS_FAULT, USAGE_FAULT = 2, 3, 4, 5, 6
SUPERVISOR_CALL, DEBUG_MONITOR, PENDABLE_CALL, SYSTEM_TICK = 11, 12, 14, 15
FIRST_INTERRUPT = 16
"""Numbers of exceptions."""

LOWEST = 256
"""Less urgent than every exception: the priority of code outside handlers."""
PRIORITY_BITS = 0xF0
"""The STM32H7 keeps the upper four bits of a priority (PM0253, 4.2.7)."""

_FIXED = {NMI: -2, HARD_FAULT: -1}
_ALWAYS_ENABLED = frozenset((NMI, HARD_FAULT, SUPERVISOR_CALL, DEBUG_MONITOR, PENDABLE_CALL, SYSTEM_TICK))


class InterruptController:
    """State of all exceptions of one core.

    enabled, pending, active: numbers of exceptions; held: interrupts whose peripheral keeps asking, which become
    pending again when their handler ends and they are still held.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nothing is pending, active or enabled beyond what always is."""
        self.enabled: set[int] = set(_ALWAYS_ENABLED)
        self.pending: set[int] = set()
        self.active: list[int] = []
        self.held: set[int] = set()
        self.group_mask = PRIORITY_BITS
        self._priority: dict[int, int] = {}

    # --- priorities ---

    def set_priority(self, number: int, value: int) -> None:
        self._priority[number] = value & PRIORITY_BITS

    def priority(self, number: int) -> int:
        """The priority value of an exception; negative for NMI and HardFault."""
        return _FIXED.get(number, self._priority.get(number, 0))

    def group(self, number: int) -> int:
        """What decides whether an exception interrupts another: its priority without the bits below the group."""
        value = self.priority(number)
        return value if value < 0 else value & self.group_mask

    def set_grouping(self, grouping: int) -> None:
        """PRIGROUP of AIRCR: how many of the low bits of a priority only order what is pending (B3.2.6)."""
        self.group_mask = PRIORITY_BITS & ~((2 << grouping) - 1)

    @property
    def running(self) -> int:
        """The priority of the code that runs, without PRIMASK, BASEPRI and FAULTMASK."""
        return min((self.group(number) for number in self.active), default=LOWEST)

    def masked(self, primask: int, basepri: int, faultmask: int) -> int:
        """The priority of the code that runs, with the core's mask registers: B1.5.4, ExecutionPriority()."""
        priority = self.running
        if basepri:
            priority = min(priority, basepri & self.group_mask)
        if primask & 1:
            priority = min(priority, 0)
        return min(priority, -1) if faultmask & 1 else priority

    # --- what is next ---

    @property
    def next(self) -> int | None:
        """The enabled exception that is pending and most urgent; of equals, the one with the lowest number."""
        waiting = self.pending & self.enabled
        return min(waiting, key=lambda number: (self.priority(number), number)) if waiting else None

    @property
    def next_priority(self) -> int:
        """The group priority of `next`, LOWEST when there is none."""
        number = self.next
        return LOWEST if number is None else self.group(number)

    def hold(self, number: int, asks: bool) -> None:
        """A peripheral's interrupt line changes its level."""
        if not asks:
            self.held.discard(number)
        elif number not in self.held:
            self.held.add(number)
            self.pending.add(number)

    def enter(self, number: int) -> None:
        """An exception's handler begins."""
        self.pending.discard(number)
        self.active.append(number)

    def leave(self, number: int) -> None:
        """A handler ends; a line that is still held asks again."""
        if number in self.active:
            self.active.remove(number)
        if number in self.held:
            self.pending.add(number)
