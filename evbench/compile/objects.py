"""Sources to objects, compiled side by side and kept by content, so that nothing is compiled twice."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from evbench.compile.toolchain import run_tool


@dataclass(frozen=True, slots=True)
class Compilation:
    """What is compiled, and how.

    compiler: command prefix; identity: what of the compiler and its flags changes an object; includes: header folders;
    defines: NAME or NAME=VALUE; data: files that .S sources include from their own folder.
    """

    compiler: tuple[str, ...]
    identity: str
    sources: tuple[Path, ...]
    includes: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    data: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def digests(self) -> dict[Path, str]:
        """A hash per source of everything that goes into its object."""
        common = repr((self.identity, self.defines))
        return {source: _digest(common, [source, *self._included(source)]) for source in self.sources}

    def _included(self, source: Path) -> Iterable[Path]:
        """What else goes into the object of `source`."""
        return self.data if source.suffix == ".S" else included_headers([source], self.includes)


def included_headers(sources: Iterable[Path], includes: Sequence[Path]) -> list[Path]:
    """The headers that C sources name in quotes, and those that they name; folders are searched as a compiler does."""
    found: dict[Path, None] = {}
    waiting = list(sources)
    while waiting:
        path = waiting.pop()
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
            folders = (path.parent, *includes)
            header = next((folder / name for folder in folders if (folder / name).is_file()), None)
            if header is not None and header not in found:
                found[header] = None
                waiting.append(header)
    return list(found)


def compile_objects(compilation: Compilation, cache: Path, scratch: Path) -> list[Path]:
    """The objects of all sources in their order, from `cache` where they are there, else compiled in `scratch`.

    Each source is compiled in its own folder. Raises BuildError with the compiler's first complaint; OSError when
    `cache` or `scratch` cannot be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    digests = compilation.digests()
    command = [*compilation.compiler, *(f"-I{path.resolve()}" for path in compilation.includes)]
    command += [*(f"-D{define}" for define in compilation.defines), "-c"]
    environment = {**os.environ, **compilation.environment}

    def compiled(source: Path) -> Path:
        name = f"{source.stem}-{digests[source]}.o"
        kept, made = (cache / name).resolve(), (scratch / name).resolve()
        if not kept.exists():
            job = [*command, str(source.resolve()), "-o", str(made)]
            run_tool(job, source.resolve().parent, environment)
            made.replace(kept)
        return kept

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(compiled, compilation.sources))


def _digest(common: str, paths: Iterable[Path]) -> str:
    sha = hashlib.sha256(common.encode())
    for path in paths:
        content = path.read_bytes()
        sha.update(f"{path.name}:{len(content)}:".encode())
        sha.update(content)
    return sha.hexdigest()[:32]
