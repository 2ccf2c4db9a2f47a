"""A network as a folder of C that goes into somebody's firmware project: `evbench export --c`."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from evbench.compile.export_files import cmake_lists, readme, reads_event_counts, weights_source
from evbench.compile.generate import generate
from evbench.compile.objects import included_headers
from evbench.compile.placement import plan_for
from evbench.errors import BuildError
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile
from evbench.resources import resource

CARD = "evbench.json"
"""The file by which an export is known again: the network's digest and a hash of every other file."""

RUNTIME = ("ev_voxel", "ev_stream", "ev_background_activity", "ev_memory")


def export_c(graph: IntegerGraph, board: BoardProfile, folder: Path) -> list[Path]:
    """Write `graph` as C sources that build alone, with arenas planned for the memory of `board`; returns their paths.

    `folder` appears complete or not at all. An earlier export is replaced when nothing in it was changed. Raises
    BuildError when `folder` holds anything else or cannot be written, ModelError and BuildError as planning and
    generating do.
    """
    _refuse_foreign(folder)
    contents = _contents(graph, board)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    card = {"digest": graph.digest, "board": board.id, "files": hashes}
    contents[CARD] = json.dumps(card, indent=1).encode() + b"\n"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as name:
            made = Path(name) / "new"
            for file, content in contents.items():
                (made / file).parent.mkdir(parents=True, exist_ok=True)
                (made / file).write_bytes(content)
            if folder.exists():
                folder.rename(Path(name) / "old")
            made.rename(folder)
    except OSError as error:
        raise BuildError(
            f"The C sources cannot be written: {error.strerror}",
            where=str(folder),
            remedy="Free some space or choose another folder",
        ) from error
    return [folder / name for name in contents]


def _contents(graph: IntegerGraph, board: BoardProfile) -> dict[str, bytes]:
    """Every file of the export by its path within the folder."""
    plan = plan_for(graph, board)
    generated = generate(graph, plan)
    firmware = resource("firmware")
    kernels = [firmware / "kernels" / f"{kernel}.c" for kernel in generated.kernels]
    runtime = [firmware / "runtime" / f"{name}.c" for name in RUNTIME]
    headers = included_headers([*kernels, *runtime], [firmware / "runtime", firmware / "kernels"])
    headers += [header for header in (firmware / "kernels" / "ev_kernels.h",) if header not in headers]
    sources = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in (*kernels, *runtime, *headers)}
    example = "example_events.c" if reads_event_counts(graph) else "example_bytes.c"
    compiled = [name for name in sources if name.endswith(".c") and not name.endswith("/ev_memory.c")]
    return {
        "CMakeLists.txt": cmake_lists(compiled).encode(),
        "README.md": readme(graph, plan, generated, board).encode(),
        "LICENSE": resource("LICENSE").read_bytes(),
        "cortex-m7.cmake": (firmware / "export" / "cortex-m7.cmake").read_bytes(),
        "example.c": (firmware / "export" / example).read_bytes(),
        "model.h": generated.files["model.h"],
        "model.c": generated.files["model.c"],
        "weights.c": weights_source(generated).encode(),
        **sources,
    }


def _refuse_foreign(folder: Path) -> None:
    """Raise BuildError unless `folder` is absent, empty, or an export that nobody has changed."""
    if not folder.exists():
        return
    found = sorted(path for path in folder.rglob("*") if not path.is_dir()) if folder.is_dir() else [folder]
    if folder.is_dir() and not found:
        return
    try:
        hashes = json.loads((folder / CARD).read_text())["files"]
        strange = [path for path in found if path != folder / CARD and not _is_unchanged(path, folder, hashes)]
    except (OSError, ValueError, KeyError, TypeError):
        strange = found
    if strange:
        raise BuildError(
            f"{folder} is not empty, and not what evbench exported",
            where=f"{len(strange)} files of others, the first is {strange[0]}",
            remedy="Name a new folder, or move your own files out of this one",
        )


def _is_unchanged(path: Path, folder: Path, hashes: dict[str, str]) -> bool:
    known = hashes.get(path.relative_to(folder).as_posix())
    return known == hashlib.sha256(path.read_bytes()).hexdigest()
