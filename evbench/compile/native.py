"""C sources to a shared library for this workstation, kept by content."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evbench.compile.toolchain import CODE, WARNINGS, run_tool, zig_binary
from evbench.errors import WorkspaceError

# The plainest processor of the family, so that a cache that moves to another machine still runs there.
TARGET = ("-mcpu=baseline", "-nostdlib")
FLAGS = (*TARGET, "-fPIC", "-fvisibility=hidden", *WARNINGS, *CODE)


def build_shared(
    sources: Sequence[Path],
    name: str,
    cache_dir: Path,
    *,
    includes: Sequence[Path] = (),
    defines: Sequence[str] = (),
    data: Sequence[Path] = (),
    flags: Sequence[str] = (),
) -> Path:
    """Compile freestanding C (and .S) sources into `cache_dir/name-<hash>.so`, unless it is there already.

    The hash covers the sources, the headers they include, the files in `data` (which .S sources may include from their
    own folder), the flags and the compiler's version. Objects are kept as well, so that libraries that differ in one
    source share the rest. `flags` come after the fixed ones. Raises BuildError with the compiler's complaint,
    WorkspaceError when the cache cannot be written.
    """
    zig, version = zig_binary()
    common = repr((version, FLAGS, tuple(flags), tuple(defines), sys.platform))
    objects = {source: _digest(common, [source, *_included(source, includes, data)]) for source in sources}
    total = hashlib.sha256(" ".join(objects.values()).encode()).hexdigest()
    library = cache_dir / f"{name}-{total[:24]}.so"
    if library.exists():
        return library
    try:
        kept = cache_dir / "objects"
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".build-") as folder:
            cache = {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
            environment = {**os.environ, **cache}
            command = [str(zig), "cc", *FLAGS, *flags, *(f"-I{path.resolve()}" for path in includes)]
            command += [f"-D{define}" for define in defines]

            def compile_object(source: Path) -> str:
                made, final = Path(folder) / f"{objects[source]}.o", kept / f"{objects[source]}.o"
                if not final.exists():
                    job = [*command, "-c", str(source.resolve()), "-o", str(made)]
                    run_tool(job, source.resolve().parent, environment)
                    made.replace(final)
                return str(final.resolve())

            with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
                linked = list(pool.map(compile_object, sources))
            made = (Path(folder) / library.name).resolve()
            run_tool([str(zig), "cc", *TARGET, "-shared", *linked, "-o", str(made)], Path(folder), environment)
            made.replace(library)
    except OSError as error:
        raise WorkspaceError(
            f"The compiled library could not be stored: {error.strerror}",
            where=str(cache_dir),
            remedy="Free some space or choose another workspace",
        ) from error
    return library


def _included(source: Path, includes: Sequence[Path], data: Sequence[Path]) -> Iterable[Path]:
    """What else goes into the object of `source`: the headers it names in quotes, and those that they name."""
    if source.suffix == ".S":
        return data
    found: dict[Path, None] = {}
    waiting = [source]
    while waiting:
        path = waiting.pop()
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
            header = next((folder / name for folder in (path.parent, *includes) if (folder / name).is_file()), None)
            if header is not None and header not in found:
                found[header] = None
                waiting.append(header)
    return found


def _digest(common: str, paths: Iterable[Path]) -> str:
    sha = hashlib.sha256(common.encode())
    for path in paths:
        content = path.read_bytes()
        sha.update(f"{path.name}:{len(content)}:".encode())
        sha.update(content)
    return sha.hexdigest()[:32]
