"""Compilers for the Cortex-M7: arm-none-eabi-gcc from PATH, or zig's clang and lld from the ziglang package."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from evbench.errors import BuildError, WorkspaceError

WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror")
# No fused multiply-add: every execution rounds after the multiplication and after the addition. Sums may wrap on the
# way when a zero point is folded into the bias, and come back.
CODE = (
    "-O3",
    "-ffreestanding",
    "-ffp-contract=off",
    "-fwrapv",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
)
CORTEX_M7 = ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard", "-mthumb")
REMEDY = 'Run "pip install ziglang", or put arm-none-eabi-gcc on PATH'


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler and a linker for the board. `compiler` and `linker` are command prefixes with all fixed flags."""

    name: Literal["zig", "gcc"]
    version: str
    compiler: tuple[str, ...]
    linker: tuple[str, ...]
    libraries: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """What of the toolchain changes an image: version and flags, without where it is installed."""
        flags = [part for part in (*self.compiler[1:], *self.linker[1:]) if not Path(part).is_absolute()]
        return " ".join((self.name, self.version, *flags))

    def link(self, objects: Sequence[Path], script: Path, elf: Path, directory: Path) -> None:
        """Link objects by `script` into `elf`, working in `directory`. Raises BuildError with its complaint."""
        run_tool([*self.linker, "-T", str(script), *map(str, objects), *self.libraries, "-o", str(elf)], directory)


def run_tool(command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a compiler or linker in `directory` and return what it printed.

    Raises BuildError with its first complaint, WorkspaceError when the disk is full.
    """
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise BuildError(
            f"The compiler could not be started: {error.strerror}", where=command[0], remedy=REMEDY
        ) from error
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        if re.search("No space left|NoSpaceLeft|DiskQuota", done.stderr + done.stdout):
            raise WorkspaceError(
                "The disk is full", where=f"compiling in {directory}", remedy="Free some space or use another workspace"
            )
        complaint = next((line for line in lines if "error" in line or "overflowed" in line), "no message")
        raise ToolFailure(f"{Path(command[0]).name} failed: {complaint}", output="\n".join(lines), where=str(directory))
    return done.stdout


class ToolFailure(BuildError):  # noqa: N818 - one of the errors above, with the tool's whole output at hand
    """A compiler or linker that refused its input; `output` is all it printed."""

    def __init__(self, what: str, *, output: str, where: str) -> None:
        super().__init__(what, where=where, remedy="Report this with the model that caused it")
        self.output = output


def zig_binary() -> tuple[Path, str]:
    """The zig executable inside the ziglang package and the package's version; BuildError when it is not installed."""
    spec = importlib.util.find_spec("ziglang")
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).with_name("zig")
        if binary.is_file():
            try:
                return binary, version("ziglang")
            except PackageNotFoundError:
                return binary, run_tool([str(binary), "version"], binary.parent).strip()
    raise BuildError("No compiler was found", where="The package ziglang is not installed", remedy=REMEDY)


def find_toolchain(choice: Literal["auto", "zig", "gcc"] = "auto") -> Toolchain:
    """The toolchain a board profile asks for; "auto" prefers arm-none-eabi-gcc when it is on PATH and works.

    Raises BuildError when the compiler asked for, or any compiler, is missing.
    """
    if choice in ("auto", "gcc"):
        try:
            return _gcc()
        except BuildError:
            if choice == "gcc":
                raise
    return _zig()


def _zig() -> Toolchain:
    binary, number = zig_binary()
    # zig's clang without zig's driver in front of it: the driver lowers -O3 to -O2 and keeps a cache of its own.
    headers = ("-nostdlibinc", "-isystem", str(binary.parent / "lib" / "include"))
    target = ("--target=thumbv7em-none-eabihf", *CORTEX_M7)
    return Toolchain(
        "zig",
        number,
        (str(binary), "clang", *target, *WARNINGS, *CODE, "-fno-unwind-tables", "-fno-exceptions", *headers),
        (str(binary), "ld.lld", "--gc-sections", "--fatal-warnings", "-z", "noexecstack", "-z", "max-page-size=64"),
    )


def _gcc() -> Toolchain:
    found = shutil.which("arm-none-eabi-gcc")
    if found is None:
        raise BuildError("arm-none-eabi-gcc was not found", where="PATH", remedy=REMEDY)
    # gcc would otherwise turn the loops of memcpy and memset into calls to themselves.
    code = (*CORTEX_M7, *WARNINGS, *CODE, "-fno-tree-loop-distribute-patterns", "-fno-unwind-tables")
    linker = (*CORTEX_M7, "-nostdlib", "-nostartfiles", "-Wl,--gc-sections", "-Wl,-z,noexecstack")
    return Toolchain("gcc", _tried_gcc(found), (found, *code), (found, *linker), ("-lgcc",))


@lru_cache(maxsize=4)
def _tried_gcc(compiler: str) -> str:
    """The version of a gcc, after it has compiled a line: some installations lack an assembler or headers."""
    with tempfile.TemporaryDirectory() as folder:
        number = run_tool([compiler, "-dumpfullversion"], Path(folder)).strip()
        source = Path(folder) / "probe.c"
        source.write_text("#include <stdint.h>\nuint8_t probe;\n")
        run_tool([compiler, *CORTEX_M7, "-ffreestanding", "-c", source.name, "-o", "probe.o"], Path(folder))
    return number
