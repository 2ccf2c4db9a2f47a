"""What a virtual board is made of besides its core: memory regions, what the chip's profile says, its serial line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

FLASH_REGIONS = ("flash", "qspi")
FLASH_INSTRUCTION_MISS = 20
FLASH_DATA_MISS = 24
"""Core cycles to fill a cache line from internal flash: 4 wait states at a 240 MHz bus, through the AXI matrix
(calibrated on the MLPerf Tiny firmware named in the design note)."""
SRAM_MISS = 16
"""Core cycles to fill a cache line from AXI SRAM or SRAM1-3."""


class Line(Protocol):
    """The far end of the serial port."""

    def send(self, data: bytes) -> None:
        """Takes bytes that firmware has sent."""

    def receive(self, wait_s: float) -> bytes:
        """Waits at most so long for bytes for the firmware; returns none when there are none or `wake` was called."""

    def wake(self) -> None:
        """Ends a wait in `receive`, from another thread."""


class Counted(StrEnum):
    """What the core's counter of cycles counts, in the order of `enum counted` in block_timing.c."""

    NOTHING = "nothing"
    INSTRUCTIONS = "instructions"
    CYCLES = "cycles"


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """A region of the board profile. `wait_states`: cycles per missed cache line, 0 for what the chip's own memory
    costs.
    """

    origin: int
    size: int
    wait_states: int = 0


@dataclass(frozen=True, slots=True)
class Chip:
    """What of a board profile the machine needs: the chip's name, cycles per second, the serial port that is connected,
    and its speed."""

    name: str = "stm32h743zi"
    core_hz: int = 480_000_000
    uart: str = "USART3"
    baud: int = 921_600
