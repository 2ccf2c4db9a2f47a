from __future__ import annotations

from pathlib import Path

import pytest

from evbench.boards.flash import flash, flash_command
from evbench.boards.image import flash_segments
from evbench.errors import BoardError
from evbench.profiles import BoardProfile, FlashTool, load_board


def profile_with(tool: str) -> BoardProfile:
    return load_board("nucleo-h743zi2").model_copy(update={"flash": FlashTool(tool=tool)})


@pytest.fixture
def image(exercise):
    return type("Image", (), {"elf": exercise})()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a program of a given name on PATH that prints a text and exits with a status."""

    def make(name: str, text: str, status: int) -> None:
        program = tmp_path / name
        program.write_text(
            f"#!/bin/sh\ncat <<'END'\n{text}\nEND\necho \"$@\" > {tmp_path / 'arguments'}\nexit {status}\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    return make


TOOLS = [
    ("openocd", "openocd", "Error: open failed"),
    ("pyocd", "pyocd", "No available debug probes are connected"),
    ("st-flash", "st-flash", "Couldn't find any ST-Link devices"),
    ("stm32cubeprogrammer", "STM32_Programmer_CLI", "Error: No debug probe detected."),
]


@pytest.mark.parametrize(("tool", "program", "_complaint"), TOOLS)
def test_a_flash_tool_that_is_not_installed_is_named(image, monkeypatch, tool, program, _complaint):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BoardError, match=f"{program} is not installed"):
        flash(image, profile_with(tool))


@pytest.mark.parametrize(("tool", "program", "complaint"), TOOLS)
def test_a_tool_without_a_probe_says_that_no_board_was_found(image, install, tool, program, complaint):
    install(program, complaint, 1)
    with pytest.raises(BoardError, match="found no board"):
        flash(image, profile_with(tool))


@pytest.mark.parametrize(("tool", "program", "_complaint"), TOOLS)
def test_a_tool_is_given_the_image_to_write_and_verify(image, install, tmp_path, tool, program, _complaint):
    install(program, "done", 0)
    steps: list[tuple[str, float]] = []
    flash(image, profile_with(tool), on_progress=lambda *step: steps.append(step))
    arguments = (tmp_path / "arguments").read_text()
    assert str(image.elf) in arguments or "firmware.bin" in arguments
    assert steps == [(tool, 0.0), (tool, 1.0)]


def test_a_tool_that_fails_for_another_reason_is_quoted(image, install):
    install("openocd", "Error: flash write failed at sector 3", 1)
    with pytest.raises(BoardError, match="write failed at sector 3"):
        flash(image, profile_with("openocd"))


def test_a_tool_for_binaries_gets_the_segments_at_their_offsets(install, tmp_path):
    install("st-flash", "done", 0)
    segments = [(0x08000000, b"ab"), (0x08000010, b"cd")]
    command = flash_command(profile_with("st-flash"), Path("x.elf"), segments, tmp_path)
    assert (tmp_path / "firmware.bin").read_bytes() == b"ab" + b"\xff" * 14 + b"cd"
    assert command[-1] == "0x8000000"


def test_an_image_that_reaches_outside_the_flash_is_refused(exercise):
    with pytest.raises(BoardError, match="not for this board"):
        flash_segments(exercise, {"flash": load_board("virtual-h743-qspi").memory["qspi"]})


def test_a_file_that_is_no_image_is_refused(tmp_path):
    (tmp_path / "noise.elf").write_bytes(b"not an ELF file")
    with pytest.raises(BoardError, match="cannot be read"):
        flash_segments(tmp_path / "noise.elf", load_board("virtual-h743").memory)


def test_the_virtual_tool_needs_a_virtual_board_that_runs(image):
    with pytest.raises(BoardError, match="Only a virtual board"):
        flash(image, load_board("virtual-h743"))
