"""C for this workstation under AddressSanitizer and UndefinedBehaviorSanitizer, and processes that can load it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

VARIABLE = "EVBENCH_SANITIZERS"
"""Set in processes whose tests compile C with sanitizers."""

FLAGS = (
    *("-std=c11", "-O1", "-g", "-fPIC", "-shared", "-fvisibility=default"),
    *("-ffp-contract=off", "-fwrapv", "-fno-omit-frame-pointer", "-Wall", "-Wextra", "-Wconversion", "-Werror"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)


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
    """In place of evbench.compile.native.build_shared; ev_memory.c is left out, so that the sanitizer sees copies."""
    kept = [str(path) for path in sources if path.name != "ev_memory.c"]
    command = ["gcc", *FLAGS, *(f"-I{path}" for path in includes), *(f"-D{define}" for define in defines), *kept]
    folders = {path.parent for path in data}
    digest = hashlib.sha256(repr(command).encode()).hexdigest()[:16]
    library = cache_dir / f"{name}-sanitized-{digest}.so"
    cache_dir.mkdir(parents=True, exist_ok=True)
    command += [f"-Wa,-I{folder}" for folder in folders]
    subprocess.run([*command, "-o", str(library)], check=True)
    return library


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Python with `arguments`, able to load sanitized libraries. Skips the test where gcc or its runtime is missing."""
    if sys.platform != "linux" or shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip("gcc has no AddressSanitizer here")
    environment = {
        **os.environ,
        "LD_PRELOAD": found,
        "ASAN_OPTIONS": "detect_leaks=0",
        VARIABLE: "1",
    }
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=280
    )
