"""A network and a board profile to a firmware image, kept by content."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evbench.compile.generate import Generated, generate, quoted
from evbench.compile.image import read_image
from evbench.compile.linker import linker_script
from evbench.compile.objects import Compilation, compile_objects
from evbench.compile.placement import plan_for, refuse_large_constants
from evbench.compile.toolchain import Toolchain, ToolFailure, find_toolchain
from evbench.errors import BuildError, DoesNotFitError, WorkspaceError
from evbench.graph.memory import MemoryPlan
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile
from evbench.resources import resource

RUNTIME = ("ev_main", "ev_server", "ev_link", "ev_counters", "ev_voxel", "ev_stream", "ev_memory")
CORE = "cortex_m7"  # the folder of what ports share


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor lies on the board: address, size in bytes, and its index in the firmware's table."""

    index: int
    address: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Build:
    """Compiled firmware. `regions`: bytes used per memory region; `flash_bytes`: code and constants in flash and qspi;
    `ram_bytes`: variables, stack and arenas; `symbols`: address and size by name."""

    elf: Path
    build_id: str
    graph_digest: str
    flash_bytes: int
    ram_bytes: int
    regions: Mapping[str, int]
    toolchain: str
    symbols: Mapping[str, tuple[int, int]]
    tensors: Mapping[str, TensorPlace]
    board: str


def build_firmware(graph: IntegerGraph, board: BoardProfile, directory: Path) -> Build:
    """Compile `graph` for `board` into `directory/<build id>`, or take the image that is already there.

    The build id is a hash of every source, flag and tool version, and part of the image. Raises ModelError when the
    activations do not fit the board's memory, DoesNotFitError (region and largest layer named) when the image does not,
    BuildError when the port is unknown or no compiler is there, WorkspaceError when `directory` cannot be written.
    """
    port = _port(board)
    plan = plan_for(graph, board)
    generated = generate(graph, plan)
    refuse_large_constants(graph, generated, board)
    toolchain = find_toolchain(board.toolchain)
    sources = _sources(generated, port)
    script = linker_script(board)
    identity = _identity(generated, sources, script, toolchain, board)
    final = directory / identity
    if not (final / "build.json").is_file():
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=directory, prefix=".build-") as name:
                folder = Path(name)
                _compile(graph, generated, sources, script, identity, toolchain, board, folder)
                (folder / "keep").mkdir()
                for kept in ("firmware.elf", *generated.files, "build.c", "firmware.ld", "build.json"):
                    (folder / kept).replace(folder / "keep" / kept)
                if not (final / "build.json").is_file():
                    shutil.rmtree(final, ignore_errors=True)
                    (folder / "keep").replace(final)
        except OSError as error:
            raise WorkspaceError(
                f"The firmware image could not be stored: {error.strerror}",
                where=str(directory),
                remedy="Free some space or choose another workspace",
            ) from error
    return _describe(graph, plan, board, final, identity, toolchain)


def _port(board: BoardProfile) -> Path:
    ports = resource("firmware") / "ports"
    known = sorted(path.parent.name for path in ports.glob("*/ev_machine.c"))
    if board.board.port is None or board.board.port not in known:
        raise BuildError(
            f"There is no firmware port '{board.board.port}'" if board.board.port else "evbench has no firmware for it",
            where=f"board profile '{board.id}', [board] port",
            remedy=f"Use one of: {', '.join(known)}",
        )
    return ports / board.board.port


def _sources(generated: Generated, port: Path) -> list[Path]:
    """The firmware's own sources for this network: its kernels, the runtime and the port."""
    firmware = resource("firmware")
    return [
        *(firmware / "kernels" / f"{kernel}.c" for kernel in generated.kernels),
        *(firmware / "runtime" / f"{name}.c" for name in RUNTIME),
        *sorted((firmware / "ports" / CORE).glob("*.c")),
        *sorted(port.glob("*.c")),
    ]


def _identity(generated: Generated, sources: list[Path], script: str, toolchain: Toolchain, board: BoardProfile) -> str:
    """32 hexadecimal digits that name everything that goes into the image."""
    headers = sorted({header for source in sources for header in source.parent.glob("*.h")})
    sha = hashlib.sha256()
    parts: list[tuple[str, bytes]] = [*generated.files.items(), ("firmware.ld", script.encode())]
    parts += [(path.name, path.read_bytes()) for path in (*sources, *headers)]
    parts += [("toolchain", toolchain.identity.encode()), ("build.c", _build_source(board, "0" * 32).encode())]
    parts += [("defines", repr(_defines(board)).encode())]
    for name, content in parts:
        sha.update(f"{name}:{len(content)}:".encode())
        sha.update(content)
    return sha.hexdigest()[:32]


def _defines(board: BoardProfile) -> list[str]:
    qspi = board.memory.get("qspi")
    weights = ['EV_WEIGHTS_SECTION=.qspi_rodata,"a"'] if qspi else []
    return ["EV_USE_REGIONS", f"EV_QSPI_LOG2_SIZE={(qspi.size - 1).bit_length() if qspi else 0}", *weights]


def _build_source(board: BoardProfile, identity: str) -> str:
    numbers = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(identity))
    return f"""/* What this image is. Generated by evbench. */
#include "ev_port.h"

const char ev_board_name[] = {quoted(board.board.name)};
const uint32_t ev_core_hz = {board.board.core_hz}u;
const uint32_t ev_baud = {board.link.baud}u;
const uint8_t ev_build_id[16] = {{{numbers}}};
"""


def _compile(
    graph: IntegerGraph,
    generated: Generated,
    sources: list[Path],
    script: str,
    identity: str,
    toolchain: Toolchain,
    board: BoardProfile,
    folder: Path,
) -> None:
    generated.write(folder)
    (folder / "build.c").write_text(_build_source(board, identity))
    (folder / "firmware.ld").write_text(script)
    made = [folder / "model.c", folder / "weights.S", folder / "build.c"]
    compilation = Compilation(
        compiler=toolchain.compiler,
        identity=toolchain.identity,
        sources=(*made, *sources),
        includes=(folder, *sorted({source.parent for source in sources})),
        defines=tuple(_defines(board)),
        data=(folder / "weights.bin",),
    )
    objects = compile_objects(compilation, folder.parent / "objects", folder)
    try:
        toolchain.link(objects, folder / "firmware.ld", folder / "firmware.elf", folder)
    except ToolFailure as failure:
        _explain_overflow(failure, graph, generated, board)
        raise
    card = {
        "build_id": identity,
        "graph_digest": graph.digest,
        "board": board.id,
        "toolchain": toolchain.identity,
        "layers": {choice.layer: choice.reason for choice in generated.choices},
    }
    (folder / "build.json").write_text(json.dumps(card, indent=1))


def _explain_overflow(failure: ToolFailure, graph: IntegerGraph, generated: Generated, board: BoardProfile) -> None:
    """Raise DoesNotFitError when the linker ran out of a memory region; return when it failed for another reason."""
    overflows = re.findall(r"region [`'](\w+)'.*?overflowed by (\d+) bytes", failure.output)
    if not overflows:
        return
    region, excess = max(overflows, key=lambda found: int(found[1]))
    largest = max(generated.constant_bytes, key=lambda name: generated.constant_bytes[name])
    size = board.memory[region].size
    raise DoesNotFitError(
        f"'{graph.name}' does not fit {board.board.name}: {region} is {int(excess):,} bytes too small",
        where=f"region {region} of {size:,} bytes; largest layer '{largest}' with "
        f"{generated.constant_bytes[largest]:,} bytes of constants",
        remedy="Quantise the network to int8, use fewer channels, or choose a board with more memory",
    ) from None


def _describe(
    graph: IntegerGraph, plan: MemoryPlan, board: BoardProfile, final: Path, identity: str, toolchain: Toolchain
) -> Build:
    image = read_image(final / "firmware.elf")
    regions = image.region_bytes({name: (region.origin, region.size) for name, region in board.memory.items()})
    flash = sum(regions.get(name, 0) for name in ("flash", "qspi"))
    tensors = {}
    for index, name in enumerate(graph.tensors):
        place = plan.placements[name]
        address = image.symbols[f"arena_{place.region}"][0] + place.offset
        tensors[name] = TensorPlace(index, address, graph.tensors[name].bytes)
    return Build(
        elf=final / "firmware.elf",
        build_id=identity,
        graph_digest=graph.digest,
        flash_bytes=flash,
        ram_bytes=sum(regions.values()) - flash,
        regions=regions,
        toolchain=f"{toolchain.name} {toolchain.version}",
        symbols=image.symbols,
        tensors=tensors,
        board=board.id,
    )
