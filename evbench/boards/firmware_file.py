"""Firmware files of other people's making: ELF, Intel HEX and plain binaries, as bytes with addresses and symbols."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evbench.errors import BoardError

_ELF_MAGIC = b"\x7fELF"
_REMEDY = "Give an ELF file, an Intel HEX file or a binary for the start of flash"


class Extent(Protocol):
    """A memory region: origin address and size in bytes."""

    @property
    def origin(self) -> int: ...
    @property
    def size(self) -> int: ...


@dataclass(frozen=True, slots=True)
class FirmwareFile:
    """segments: (address, bytes) in order; functions: (address, size, name) in order, empty where the file has none."""

    segments: tuple[tuple[int, bytes], ...]
    functions: tuple[tuple[int, int, str], ...] = ()

    def vectors(self, memory: Mapping[str, Extent]) -> int:
        """Where the vector table lies: at the start of what goes to flash, or of everything where nothing does.

        Raises BoardError when a segment lies outside the board's memory.
        """
        for address, data in self.segments:
            if not any(r.origin <= address and address + len(data) <= r.origin + r.size for r in memory.values()):
                raise BoardError(
                    "The firmware is not for this board",
                    where=f"{len(data):,} bytes at 0x{address:08x} lie outside its memory",
                    remedy="Name the right board with --board",
                )
        flash = memory["flash"]
        inside = [at for at, _ in self.segments if flash.origin <= at < flash.origin + flash.size]
        return min(inside or [at for at, _ in self.segments])

    def name(self, address: int) -> str:
        """The function at an address, as people write it: name+offset; empty where none is known."""
        index = bisect_right(self.functions, (address, 1 << 32, "")) - 1
        if index < 0:
            return ""
        start, size, name = self.functions[index]
        return f"{name}+0x{address - start:x}" if address < start + max(size, 1) else ""


def read_firmware(path: Path, origin: int) -> FirmwareFile:
    """Reads a firmware file, told by its content; a plain binary lies at `origin`.

    Raises BoardError when it cannot be read or is damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BoardError(
            "The firmware cannot be read", where=f"{path}: {error.strerror or error}", remedy="Check the path"
        ) from error
    if data.startswith(_ELF_MAGIC):
        return _read_elf(path)
    if data[:1] == b":" and path.suffix.lower() not in (".bin", ".elf"):
        return FirmwareFile(_read_hex(path, data))
    if not data:
        raise BoardError("The firmware is empty", where=str(path), remedy=_REMEDY)
    return FirmwareFile(((origin, data),))


def _read_elf(path: Path) -> FirmwareFile:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            loads = [s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
            segments = sorted((int(s["p_paddr"]), bytes(s.data())) for s in loads)
            table = elf.get_section_by_name(".symtab")
            symbols = table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
            functions = sorted(
                (int(s["st_value"]) & ~1, int(s["st_size"]), str(s.name))
                for s in symbols
                if s["st_info"]["type"] == "STT_FUNC" and s["st_shndx"] != "SHN_UNDEF"
            )
    except (ELFError, ValueError) as error:
        raise BoardError("The firmware cannot be read", where=f"{path}: {error}", remedy=_REMEDY) from error
    # Some linkers load the ELF file's own header as a segment, which belongs to no memory.
    wanted = tuple((address, data) for address, data in segments if not data.startswith(_ELF_MAGIC))
    if not wanted:
        raise BoardError("The firmware holds nothing to load", where=str(path), remedy="Link it first")
    return FirmwareFile(wanted, tuple(functions))


def _read_hex(path: Path, data: bytes) -> tuple[tuple[int, bytes], ...]:
    """Records of Intel HEX (Intel, Hexadecimal Object File Format Specification, 1988), joined where they touch."""
    base, pieces = 0, list[tuple[int, bytes]]()
    for number, line in enumerate(data.split(b"\n"), start=1):
        text = line.strip()
        if not text:
            continue
        try:
            record = bytes.fromhex(text[1:].decode("ascii"))
            count, kind, content = record[0], record[3], record[4:-1]
            if text[:1] != b":" or len(content) != count or sum(record) & 0xFF:
                raise ValueError("length or checksum is wrong")
        except (ValueError, IndexError) as error:
            raise BoardError(
                "The firmware is damaged", where=f"{path}, line {number}: {error}", remedy="Build it again"
            ) from None
        if kind == 0:
            pieces.append((base + int.from_bytes(record[1:3]), content))
        elif kind == 1:
            break
        elif kind in (2, 4):
            base = int.from_bytes(content) << (4 if kind == 2 else 16)
    if not pieces:
        raise BoardError("The firmware holds nothing to load", where=str(path), remedy=_REMEDY)
    return _joined(sorted(pieces))


def _joined(pieces: Sequence[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    runs: list[tuple[int, bytearray]] = []
    for address, content in pieces:
        if runs and runs[-1][0] + len(runs[-1][1]) == address:
            runs[-1][1].extend(content)
        else:
            runs.append((address, bytearray(content)))
    return tuple((address, bytes(content)) for address, content in runs)
