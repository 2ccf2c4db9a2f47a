"""What lies where in an STM32H7: serial ports, timers and the names of register blocks.

From the memory maps and vector tables of RM0433 (H742, H743, H753), RM0399 (H745, H747; the M7 core) and RM0455 (H7A3,
H7B3), which agree on everything listed here; what only some chips have is answered on all.
"""

from __future__ import annotations

from dataclasses import dataclass

from evbench.errors import BoardError

BLOCK_BYTES = 0x400
REGISTERS = ((0x40000000, 0x20000000), (0xE0000000, 0x100000))
"""Address and size of the ranges of registers: the peripherals, and the private bus of the core."""


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A USART, UART or LPUART: address of its registers, and its interrupt's exception number."""

    base: int
    exception: int


@dataclass(frozen=True, slots=True)
class TimerBlock:
    """A timer: address of its registers, its update interrupt's exception number, bits of its counter, and whether it
    hangs on the first or second peripheral bus."""

    base: int
    exception: int
    bits: int
    bus: int


SERIAL_PORTS = {
    "USART1": SerialPort(0x40011000, 16 + 37),
    "USART2": SerialPort(0x40004400, 16 + 38),
    "USART3": SerialPort(0x40004800, 16 + 39),
    "UART4": SerialPort(0x40004C00, 16 + 52),
    "UART5": SerialPort(0x40005000, 16 + 53),
    "USART6": SerialPort(0x40011400, 16 + 71),
    "UART7": SerialPort(0x40007800, 16 + 82),
    "UART8": SerialPort(0x40007C00, 16 + 83),
    "UART9": SerialPort(0x40011800, 16 + 140),
    "USART10": SerialPort(0x40011C00, 16 + 141),
    "LPUART1": SerialPort(0x58000C00, 16 + 142),
}

TIMERS = {
    "TIM2": TimerBlock(0x40000000, 16 + 28, 32, 1),
    "TIM3": TimerBlock(0x40000400, 16 + 29, 16, 1),
    "TIM4": TimerBlock(0x40000800, 16 + 30, 16, 1),
    "TIM5": TimerBlock(0x40000C00, 16 + 50, 32, 1),
    "TIM6": TimerBlock(0x40001000, 16 + 54, 16, 1),
    "TIM7": TimerBlock(0x40001400, 16 + 55, 16, 1),
    "TIM12": TimerBlock(0x40001800, 16 + 43, 16, 1),
    "TIM13": TimerBlock(0x40001C00, 16 + 44, 16, 1),
    "TIM14": TimerBlock(0x40002000, 16 + 45, 16, 1),
    "TIM1": TimerBlock(0x40010000, 16 + 25, 16, 2),
    "TIM8": TimerBlock(0x40010400, 16 + 44, 16, 2),
    "TIM15": TimerBlock(0x40014000, 16 + 116, 16, 2),
    "TIM16": TimerBlock(0x40014400, 16 + 117, 16, 2),
    "TIM17": TimerBlock(0x40014800, 16 + 118, 16, 2),
}

IDENTITY_PAGES = (0x1FF1E000, 0x08FFF000)
"""Pages of read-only memory that hold the chip's number and the size of its flash, on the H74x and on the H7A3."""
UNIQUE_ID, FLASH_SIZE = 0x800, {0x1FF1E000: 0x880, 0x08FFF000: 0x80C}
"""Where in these pages: twelve bytes of chip number, the flash's size in KiB as 16 bits."""
DEVICE_CODES = {"stm32h7a3": 0x10010480, "stm32h7b": 0x10010480}
_USUAL_DEVICE_CODE = 0x20030450
"""DBGMCU_IDC: revision and device, revision V for an H74x or H75x."""

KEPT = {
    0x51000000: ("AXI", 0x100000),
    0x52002000: ("FLASH", 0x1000),
    0x52005000: ("QUADSPI", 0x1000),
    0x58000000: ("EXTI", 0x400),
    0x58000400: ("SYSCFG", 0x400),
    0x58020000: ("GPIO", 0x2C00),
    0x58024400: ("RCC", 0x400),
    0x58024800: ("PWR", 0x400),
    0x5C001000: ("DBGMCU", 0x400),
    0xE0000000: ("ITM", 0x1000),
    0xE0002000: ("FPB", 0x1000),
    0xE0040000: ("TPIU", 0x3000),
}
"""Blocks whose registers only keep what start-up code writes, which is all that firmware can tell: name and size."""

_NAMES = {
    0x40002400: "LPTIM1",
    0x40003800: "SPI2",
    0x40003C00: "SPI3",
    0x40004000: "SPDIFRX",
    0x40005400: "I2C1",
    0x40005800: "I2C2",
    0x40005C00: "I2C3",
    0x40007400: "DAC1",
    0x40008400: "CRS",
    0x4000A000: "FDCAN1",
    0x4000A400: "FDCAN2",
    0x40013000: "SPI1",
    0x40013400: "SPI4",
    0x40015000: "SPI5",
    0x40015800: "SAI1",
    0x40015C00: "SAI2",
    0x40017000: "DFSDM1",
    0x40020000: "DMA1",
    0x40020400: "DMA2",
    0x40020800: "DMAMUX1",
    0x40022000: "ADC1/2",
    0x40028000: "ETH",
    0x40040000: "USB1",
    0x40080000: "USB2",
    0x48020000: "DCMI",
    0x48021000: "CRYP",
    0x48021400: "HASH",
    0x48021800: "RNG",
    0x50001000: "LTDC",
    0x50003000: "WWDG1",
    0x52000000: "MDMA",
    0x52001000: "DMA2D",
    0x52004000: "FMC",
    0x52007000: "SDMMC1",
    0x58001400: "SPI6",
    0x58001C00: "I2C4",
    0x58004000: "RTC",
    0x58004800: "IWDG1",
    0x58024C00: "CRC",
    0x58025400: "BDMA",
    0x58026000: "ADC3",
    0x58026400: "HSEM",
}


def serial_port(name: str) -> SerialPort:
    """A serial port by its name. Raises BoardError when the chip has none of that name."""
    if name not in SERIAL_PORTS:
        raise BoardError(
            f'There is no serial port "{name}"',
            where="board profile, [link] uart",
            remedy=f"Use one of {', '.join(SERIAL_PORTS)}",
        )
    return SERIAL_PORTS[name]


def device_code(chip: str) -> int:
    """What DBGMCU_IDC says on a chip of this name."""
    return next((code for start, code in DEVICE_CODES.items() if chip.startswith(start)), _USUAL_DEVICE_CODE)


def kept(address: int) -> bool:
    """Whether a register only keeps what is written to it, in hardware as far as firmware sees."""
    return any(base <= address < base + size for base, (_, size) in KEPT.items())


def register_name(address: int) -> str:
    """What people call a register: its block and the offset in it, where the block is known."""
    for base, (name, size) in KEPT.items():
        if base <= address < base + size:
            return f"{name}+0x{address - base:x}"
    base = address & ~(BLOCK_BYTES - 1)
    return f"{_NAMES[base]}+0x{address - base:x}" if base in _NAMES else f"0x{address:08x}"
