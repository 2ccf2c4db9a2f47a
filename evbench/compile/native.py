"""C sources to a shared library for this workstation, kept by content."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from evbench.compile.toolchain import CODE, WARNINGS, run_tool, zig_binary
from evbench.errors import WorkspaceError

# The plainest processor of the family, so that a cache that moves to another machine still runs there.
FLAGS = ("-mcpu=baseline", "-shared", "-fPIC", "-nostdlib", "-fvisibility=hidden", *WARNINGS, *CODE)


def build_shared(
    sources: Sequence[Path],
    name: str,
    cache_dir: Path,
    *,
    includes: Sequence[Path] = (),
    defines: Sequence[str] = (),
    data: Sequence[Path] = (),
) -> Path:
    """Compile freestanding C (and .S) sources into `cache_dir/name-<hash>.so`, unless it is there already.

    The hash covers the sources, every header in `includes`, the files in `data`, the flags and the compiler's version.
    The compiler runs in the first source's folder. Raises BuildError with the compiler's complaint, WorkspaceError
    when the cache cannot be written.
    """
    zig, version = zig_binary()
    sha = hashlib.sha256(repr((version, FLAGS, tuple(defines), sys.platform)).encode())
    headers = [header for folder in includes for header in sorted(folder.glob("*.h"))]
    for path in (*sources, *headers, *data):
        content = path.read_bytes()
        sha.update(f"{path.name}:{len(content)}:".encode())
        sha.update(content)
    library = cache_dir / f"{name}-{sha.hexdigest()[:24]}.so"
    if library.exists():
        return library
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".build-") as folder:
            made = Path(folder) / library.name
            cache = {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
            command = [str(zig), "cc", *FLAGS, *(f"-I{path.resolve()}" for path in includes)]
            command += [*(f"-D{define}" for define in defines), *(str(path.resolve()) for path in sources)]
            run_tool([*command, "-o", str(made)], sources[0].resolve().parent, {**os.environ, **cache})
            made.replace(library)
    except OSError as error:
        raise WorkspaceError(
            f"The compiled library could not be stored: {error.strerror}",
            where=str(cache_dir),
            remedy="Free some space or choose another workspace",
        ) from error
    return library
