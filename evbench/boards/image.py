"""What boards need to know of a firmware image: the bytes to write to flash."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from evbench.errors import BoardError
from evbench.profiles import Region

FLASH_REGIONS = ("flash", "qspi")
LAYER_END = "ev_layer_done"
"""The function of the firmware that is called, with the layer's index, when a layer has ended."""


class Firmware(Protocol):
    """A build, as boards see it.

    build_id: 32 hexadecimal digits, graph_digest: 64; sizes in bytes; symbols: (address, size) by name.
    """

    @property
    def elf(self) -> Path: ...
    @property
    def build_id(self) -> str: ...
    @property
    def graph_digest(self) -> str: ...
    @property
    def flash_bytes(self) -> int: ...
    @property
    def ram_bytes(self) -> int: ...
    @property
    def symbols(self) -> Mapping[str, tuple[int, int]]: ...


def flash_segments(elf: Path, memory: Mapping[str, Region]) -> list[tuple[int, bytes]]:
    """The (address, bytes) that an ELF file puts into the flash of a board, the vector table's segment first.

    Raises BoardError when the file is no ELF file, or asks for an address that is no flash of the board.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with elf.open("rb") as file:
            loads = [s for s in ELFFile(file).iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
            segments = sorted((int(s["p_paddr"]), bytes(s.data())) for s in loads)
    except (OSError, ELFError) as error:
        raise BoardError(
            "The firmware image cannot be read", where=f"{elf}: {error}", remedy="Build it again"
        ) from error
    flash = [memory[name] for name in FLASH_REGIONS if name in memory]
    wanted = [(address, data) for address, data in segments if not _is_header(data)]
    if not wanted or not all(any(_holds(region, at, len(data)) for region in flash) for at, data in wanted):
        raise BoardError("The firmware image is not for this board", where=str(elf), remedy="Build it for this board")
    return wanted


def _holds(region: Region, address: int, length: int) -> bool:
    return region.origin <= address and address + length <= region.origin + region.size


def _is_header(data: bytes) -> bool:
    """Some linkers load the ELF file's own header as a segment, which belongs to no memory."""
    return data[:4] == b"\x7fELF"
