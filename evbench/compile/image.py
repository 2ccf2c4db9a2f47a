"""What is in a firmware image: loadable bytes, sizes per memory region, symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from evbench.errors import BuildError

ALLOCATED = 2  # SHF_ALLOC


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes to be written to the board at `address`."""

    address: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Section:
    """A section in memory: where it runs, where its content is stored (the same but for .data), its size in bytes."""

    name: str
    address: int
    load_address: int
    size: int
    stored: bool


@dataclass(frozen=True, slots=True)
class Image:
    """An ELF file read. `symbols`: address (without the Thumb bit) and size by name."""

    entry: int
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    symbols: Mapping[str, tuple[int, int]]

    def region_bytes(self, regions: Mapping[str, tuple[int, int]]) -> dict[str, int]:
        """Bytes used in each region, name -> (origin, size); stored variables count where they run and in flash."""
        used = dict.fromkeys(regions, 0)
        for section in self.sections:
            places = {section.address, section.load_address} if section.stored else {section.address}
            for name, (origin, size) in regions.items():
                used[name] += section.size * sum(origin <= place < origin + size for place in places)
        return used


def read_image(path: Path) -> Image:
    """Read an ELF file; raises BuildError when it is none or cannot be read."""
    try:
        with path.open("rb") as stream:
            return _read(ELFFile(stream))
    except (OSError, ELFError) as error:
        raise BuildError(f"This is no firmware image: {error}", where=str(path), remedy="Build it again") from error


def _read(elf: ELFFile) -> Image:
    loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
    segments = tuple(Segment(s["p_paddr"], s.data()) for s in loads if s["p_filesz"])
    sections = []
    for section in elf.iter_sections():
        if not section["sh_flags"] & ALLOCATED or not section["sh_size"]:
            continue
        address, stored = section["sh_addr"], section["sh_type"] != "SHT_NOBITS"
        shift = next((s["p_paddr"] - s["p_vaddr"] for s in loads if s.section_in_segment(section)), 0)
        sections.append(Section(section.name, address, address + shift, section["sh_size"], stored))
    table = elf.get_section_by_name(".symtab")
    symbols = {}
    for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
        if symbol.name and symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["type"] != "STT_FILE":
            code = symbol["st_info"]["type"] == "STT_FUNC"
            symbols[symbol.name] = (symbol["st_value"] & ~1 if code else symbol["st_value"], symbol["st_size"])
    return Image(elf["e_entry"], segments, tuple(sections), symbols)
