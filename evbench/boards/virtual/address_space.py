"""What the core finds at which address: memory with its waits, and registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import unicorn as untyped_unicorn
from unicorn.unicorn_py3.unicorn import uclib

from evbench.boards.virtual.flash_memory import FlashMemory
from evbench.boards.virtual.parts import (
    FLASH_DATA_MISS,
    FLASH_INSTRUCTION_MISS,
    FLASH_REGIONS,
    SRAM_MISS,
    MemoryRegion,
)
from evbench.boards.virtual.runtime import Runtime
from evbench.boards.virtual.stm32h7 import FLASH_SIZE, IDENTITY_PAGES, REGISTERS, UNIQUE_ID

unicorn: Any = untyped_unicorn  # its own annotations are too incomplete to check against

_DWT_PAGE = 0xE0001000
_PAGE_BYTES = 0x1000


def map_memory(uc: Any, runtime: Runtime, memory: Mapping[str, MemoryRegion], flash: Mapping[str, FlashMemory]) -> None:
    """Maps a board profile's regions, and tells the runtime what a missed cache line costs in each."""
    for index, (name, region) in enumerate(memory.items()):
        if name in FLASH_REGIONS:
            permissions = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
            uc.mem_map_ptr(region.origin, region.size, permissions, flash[name].pointer)
            misses = (region.wait_states or FLASH_INSTRUCTION_MISS, region.wait_states or FLASH_DATA_MISS)
        else:
            uc.mem_map(region.origin, region.size)
            misses = (0, 0) if name in ("itcm", "dtcm") else (region.wait_states or SRAM_MISS,) * 2
        if any(misses):
            runtime.add_region(index, region.origin, region.size, *misses)


def map_identity(uc: Any, flash_bytes: int) -> None:
    """Maps the read-only pages that tell a chip's number and the size of its flash."""
    for page in IDENTITY_PAGES:
        uc.mem_map(page, _PAGE_BYTES, unicorn.UC_PROT_READ)
        uc.mem_write(page + UNIQUE_ID, b"evbenchboard")
        uc.mem_write(page + FLASH_SIZE[page], (flash_bytes // 1024).to_bytes(2, "little"))


def map_registers(uc: Any, runtime: Runtime, read: Callable[..., int], write: Callable[..., None]) -> None:
    """Maps all registers: those of the serial port and the DWT to C, the others to read(uc, offset, size, base) and
    write(uc, offset, size, value, base)."""
    pages = (
        (runtime.port_page, "port_page_read", "port_page_write", runtime.page_pointer),
        (_DWT_PAGE, "serial_port_read_dwt", "serial_port_write_dwt", runtime.port_pointer),
    )
    for start, size in REGISTERS:
        inside = sorted(page for page, *_ in pages if start <= page < start + size)
        for page in (*inside, start + size):
            if page > start:
                uc.mmio_map(start, page - start, read, start, write, start)
            start = page + _PAGE_BYTES
    for page, reads, writes, user in pages:
        functions = (runtime.function(reads), user, runtime.function(writes), user)
        check(uclib.uc_mmio_map(uc._uch, page, _PAGE_BYTES, *functions))


def is_mapped(uc: Any, address: int) -> bool:
    """Whether there is memory or a register at an address."""
    return any(start <= address <= end for start, end, _ in uc.mem_regions())


def check(status: int) -> None:
    """Raises UcError when a call of Unicorn's C interface failed."""
    if status != unicorn.UC_ERR_OK:
        raise unicorn.UcError(status)
