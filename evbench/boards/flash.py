"""Writes firmware to a board: through the virtual board's probe, or with the flash tool that its profile names."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from evbench.boards.image import Firmware, flash_segments
from evbench.boards.virtual.probe import VirtualBoard
from evbench.errors import BoardError
from evbench.profiles import BoardProfile

_TOOL_TIMEOUT_S = 180
Progress = Callable[[str, float], None]
"""on_progress(step, fraction): step is erase, write, verify, or the flash tool's name."""

_PROGRAMS = {
    "openocd": ("openocd", "Install OpenOCD 0.12 or later, or name another tool in the board profile"),
    "pyocd": ("pyocd", 'Run "pip install pyocd", or name another tool in the board profile'),
    "st-flash": ("st-flash", "Install stlink-tools, or name another tool in the board profile"),
    "stm32cubeprogrammer": (
        "STM32_Programmer_CLI",
        "Install STM32CubeProgrammer and put its bin folder on PATH, or name another tool in the board profile",
    ),
}
_NO_PROBE = (
    "open failed",
    "no device found",
    "unable to open",
    "unable to find",
    "no available debug probes",
    "no connected debug probes",
    "couldn't find any st-link",
    "no debug probe detected",
    "no st-link detected",
    "no stm32 target found",
)


def flash(
    build: Firmware,
    profile: BoardProfile,
    *,
    virtual: VirtualBoard | None = None,
    on_progress: Progress = lambda step, fraction: None,
) -> None:
    """Erases, writes and verifies; the board then starts the new firmware.

    virtual: the running board of a virtual profile. Raises BoardError when the tool is missing, no probe is plugged
    in, or what is read back differs.
    """
    segments = flash_segments(build.elf, profile.memory)
    if profile.flash.tool == "virtual":
        if virtual is None:
            raise BoardError("Only a virtual board that evbench started can be flashed", where=profile.board.name)
        virtual.program(segments, on_progress)
        return
    on_progress(profile.flash.tool, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        _run_tool(flash_command(profile, build.elf, segments, Path(folder)), profile.flash.tool)
    on_progress(profile.flash.tool, 1.0)


def flash_command(profile: BoardProfile, elf: Path, segments: list[tuple[int, bytes]], folder: Path) -> list[str]:
    """The command line that writes and verifies an image. A tool that takes no ELF file gets a binary in `folder`.

    Raises BoardError when the tool cannot write this image or is not installed.
    """
    program, remedy = _PROGRAMS[profile.flash.tool]
    if shutil.which(program) is None:
        raise BoardError(f"{program} is not installed", where="Looked in PATH", remedy=remedy)
    match profile.flash.tool:
        case "openocd":
            steps = f"program {{{elf}}} verify reset exit"
            return [program, "-f", "board/st_nucleo_h743zi.cfg", "-c", steps]
        case "pyocd":
            return [program, "flash", "--target", "stm32h743xx", str(elf)]
        case "stm32cubeprogrammer":
            return [program, "-c", "port=SWD", "-w", str(elf), "-v", "-rst"]
    start = segments[0][0]
    end = max(address + len(data) for address, data in segments)
    image = bytearray(b"\xff" * (end - start))
    if len(image) > profile.memory["flash"].size:
        raise BoardError("st-flash writes internal flash only", where=str(elf), remedy="Use stm32cubeprogrammer")
    for address, data in segments:
        image[address - start : address - start + len(data)] = data
    binary = folder / "firmware.bin"
    binary.write_bytes(image)
    return [program, "--reset", "write", str(binary), hex(start)]


def _run_tool(command: list[str], tool: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TOOL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise BoardError(
            f"{tool} did not finish within {_TOOL_TIMEOUT_S} s", remedy="Check the probe's cable"
        ) from None
    output = done.stdout + done.stderr
    if done.returncode == 0:
        return
    if any(text in output.lower() for text in _NO_PROBE):
        raise BoardError(
            f"{tool} found no board",
            where="No debug probe answered",
            remedy="Plug the board in by its ST-LINK connector, or use a virtual board such as virtual-h743",
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()] or lines
    raise BoardError(f"{tool} could not flash the board", where=telling[-1] if telling else f"exit {done.returncode}")
