"""C sources to a shared library for this workstation, kept by content."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evbench.compile.objects import Compilation, compile_objects
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
    compilation = Compilation(
        compiler=(str(zig), "cc", *FLAGS, *flags),
        identity=repr((version, FLAGS, tuple(flags), sys.platform, platform.machine())),
        sources=tuple(sources),
        includes=tuple(includes),
        defines=tuple(defines),
        data=tuple(data),
    )
    total = hashlib.sha256(" ".join(compilation.digests().values()).encode()).hexdigest()
    library = cache_dir / f"{name}-{total[:24]}.so"
    if library.exists():
        return library
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".build-") as folder:
            environment = {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
            objects = compile_objects(
                replace(compilation, environment=environment), cache_dir / "objects", Path(folder)
            )
            made = (Path(folder) / library.name).resolve()
            link = [str(zig), "cc", *TARGET, "-shared", *map(str, objects), "-o", str(made)]
            run_tool(link, Path(folder), {**os.environ, **environment})
            made.replace(library)
    except OSError as error:
        raise WorkspaceError(
            f"The compiled library could not be stored: {error.strerror}",
            where=str(cache_dir),
            remedy="Free some space or choose another workspace",
        ) from error
    return library
