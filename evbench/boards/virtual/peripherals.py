"""The registers of an STM32H743 that start-up code and drivers touch, as far as firmware can tell them from real ones.

A register that is not listed keeps what was written to it. Addresses and bits: RM0433 (STM32H743 reference manual) and
the Armv7-M architecture manual. USART3 and the DWT are answered by serial_port.c.
"""

from __future__ import annotations

from collections.abc import Callable

BLOCKS = (
    (0x40000000, 0x4000),  # APB1 below the page of USART3
    (0x40005000, 0x1B000),  # APB1 above it, APB2
    (0x51000000, 0x100000),  # AXI interconnect
    (0x52000000, 0x10000),  # AHB3: flash interface, QUADSPI
    (0x58000000, 0x30000),  # APB4 and AHB4: SYSCFG, RCC, PWR, GPIO
    (0x5C001000, 0x1000),  # DBGMCU
    (0xE0000000, 0x1000),  # ITM
    (0xE0002000, 0xFE000),  # system control space
)
"""Address and size of each stretch of registers answered here."""

VECTOR_TABLE = 0x08000000
RCC_CR = 0x58024400
RCC_CFGR = 0x58024410
RCC_BDCR = 0x58024470
RCC_CSR = 0x58024474
PWR_CSR1 = 0x58024804
PWR_D3CR = 0x58024818
FLASH_ACR = 0x52002000
QUADSPI_SR = 0x52005008
CPUID = 0xE000ED00
VTOR = 0xE000ED08
AIRCR = 0xE000ED0C
CFSR = 0xE000ED28
HFSR = 0xE000ED2C
MMFAR = 0xE000ED34
BFAR = 0xE000ED38
CCSIDR = 0xE000ED80
CSSELR = 0xE000ED84
CPACR = 0xE000ED88
MPU_TYPE = 0xE000ED90

_RESET_VALUES = {
    RCC_CR: 0x00000083,
    FLASH_ACR: 0x00000037,
    PWR_D3CR: 0x00004000,
    CPUID: 0x411FC271,  # Cortex-M7 r1p1, as in the STM32H743
    VTOR: VECTOR_TABLE,
    MPU_TYPE: 16 << 8,
}
_READY_BITS = ((0, 2), (7, 8), (12, 13), (16, 17), (24, 25), (26, 27), (28, 29))
"""Bits of RCC_CR: each oscillator's or PLL's ON bit and the READY bit that follows it."""
_VOLTAGE_READY = 1 << 13
_DATA_CACHE_SHAPE = 0xF00FE019  # 128 sets, 4 ways, 32-byte lines
_INSTRUCTION_CACHE_SHAPE = 0xF01FE009  # 256 sets, 2 ways, 32-byte lines
_AIRCR_KEY = 0x05FA0000
_SYSTEM_RESET = 1 << 2
_QUADSPI_TRANSFER_COMPLETE = 1 << 1
_WRITE_ONE_TO_CLEAR = (CFSR, HFSR)


class Peripherals:
    """The register file. `on_reset` is called when firmware asks for a system reset."""

    def __init__(self, on_reset: Callable[[], None]) -> None:
        self._on_reset = on_reset
        self._values: dict[int, int] = dict(_RESET_VALUES)

    def reset(self) -> None:
        """All registers take their values after reset."""
        self._values = dict(_RESET_VALUES)

    def read(self, address: int) -> int:
        """The word at `address`, as firmware sees it."""
        value = self._values.get(address, 0)
        if address == RCC_CR:
            for on, ready in _READY_BITS:
                value |= (value >> on & 1) << ready
        elif address == RCC_CFGR:
            value = (value & ~0x38) | (value & 7) << 3
        elif address in (RCC_BDCR, RCC_CSR):
            value |= (value & 1) << 1
        elif address in (PWR_CSR1, PWR_D3CR):
            value |= _VOLTAGE_READY
        elif address == QUADSPI_SR:
            value = _QUADSPI_TRANSFER_COMPLETE
        elif address == CCSIDR:
            value = _INSTRUCTION_CACHE_SHAPE if self._values.get(CSSELR, 0) & 1 else _DATA_CACHE_SHAPE
        return value

    def write(self, address: int, value: int) -> None:
        """Firmware writes a word."""
        if address == AIRCR and value & 0xFFFF0000 == _AIRCR_KEY and value & _SYSTEM_RESET:
            self._on_reset()
        elif address in _WRITE_ONE_TO_CLEAR:
            self._values[address] = self._values.get(address, 0) & ~value
        else:
            self._values[address] = value

    def raise_bits(self, address: int, bits: int) -> None:
        """The core sets bits of a status register."""
        self._values[address] = self._values.get(address, 0) | bits

    def force(self, address: int, value: int) -> None:
        """The core sets a register."""
        self._values[address] = value
