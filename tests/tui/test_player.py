"""Playing in a bare terminal: which frame is shown when, what keys do, and that the terminal is given back."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.color import ColorSystem

from evbench.events.pictures import LEVELS, PALETTE
from evbench.events.playback import reel_of_stream
from evbench.events.stream import EventStream, SensorGeometry
from evbench.jobs.looking import Look
from evbench.tui.player import FRAMES_PER_SECOND, Player, half_block_lines
from evbench.tui.terminal import Terminal

PATIENCE_S = 30.0
LEAVE = b"\x1b[?1049l"
BLANK = (LEVELS + 1) ** 2


class Screen:
    """A terminal without one: a size, keys to press frame by frame, and a clock that each frame takes time from."""

    def __init__(self, keys: list[str], size: tuple[int, int] = (80, 24), frame_s: float = 0.0) -> None:
        self.size, self.now, self.frames = size, 0.0, []
        self._keys, self._frame_s = [*keys, "q"], frame_s

    def show(self, lines: list[bytes]) -> None:
        self.now += self._frame_s
        self.frames.append([re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", line).decode() for line in lines])

    def keys(self, wait_s: float) -> list[str]:
        self.now += max(wait_s, 0.0) + 1e-9
        key = self._keys.pop(0)
        return [key] if key else []

    @property
    def status(self) -> list[str]:
        return [frame[-2] for frame in self.frames]


def player(screen: Screen, *, kind: str = "frame", speed: float = 1.0, seconds: float = 2.0) -> Player:
    t = np.arange(0, int(seconds * 1e6), 250)
    place = t // 40_000 % 32
    stream = EventStream.from_arrays(t, place, place, t % 500 == 0, SensorGeometry(32, 32))
    return Player(
        reel_of_stream(stream, int(t[0]), int(t[-1])),
        Look(kind, 50_000, 5, None, ()),
        "dot.dat",
        speed=speed,
        start=0,
        system=ColorSystem.TRUECOLOR,
        clock=lambda: screen.now,
    )


def positions(screen: Screen) -> list[float]:
    return [float(re.search(r"([\d.]+) of", line)[1]) for line in screen.status]


def test_a_second_of_playing_shows_a_second_of_the_recording() -> None:
    screen = Screen([""] * FRAMES_PER_SECOND)
    played = player(screen).run(screen)
    assert (played.frames, played.dropped) == (25, 0)
    assert positions(screen)[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("speed", [0.25, 4.0])
def test_speed_stretches_the_recording_not_the_frames(speed: float) -> None:
    screen = Screen([""] * 10)
    assert player(screen, speed=speed).run(screen).frames == 10
    assert positions(screen)[-1] == pytest.approx(0.4 * speed)


def test_a_terminal_too_slow_for_every_frame_gets_the_newest_and_is_told_how_many_it_missed() -> None:
    screen = Screen([""] * 10, frame_s=0.1)
    played = player(screen).run(screen)
    assert played.dropped > played.frames
    assert positions(screen)[-1] == pytest.approx(screen.now - 0.1, abs=0.09)
    assert f"{played.dropped} dropped" in screen.status[-1]


def test_space_stops_the_clock_and_starts_it_again() -> None:
    screen = Screen(["", "", " ", "", "", "", " ", "", ""])
    player(screen).run(screen)
    stopped = [line for line in screen.status if "‖" in line]
    assert len({re.search(r"([\d.]+) of", line)[1] for line in stopped}) == 1
    assert positions(screen)[-1] == pytest.approx(0.16, abs=0.05)


def test_arrows_go_through_the_recording_and_change_the_speed() -> None:
    screen = Screen([" ", "right", "right", "left", "up", "up", "down"])
    player(screen).run(screen)
    assert positions(screen)[2:5] == pytest.approx([0.08, 0.16, 0.04])
    assert [re.search(r"×([\d.]+)", line)[1] for line in screen.status[5:]] == ["2", "4", "2"]


def test_single_frames_can_be_stepped_through_both_ways() -> None:
    screen = Screen([" ", ".", ".", ","])
    player(screen).run(screen)
    assert positions(screen)[-3:] == pytest.approx([0.04, 0.08, 0.04])


def test_m_shows_every_representation_and_brackets_change_the_window() -> None:
    screen = Screen([" ", "m", "m", "m", "m", "]", "[", "["])
    player(screen).run(screen)
    looks = [" ".join(line.split()[7:10]) for line in screen.status[2:]]
    assert looks == [
        "time-surface 50 ms",
        "voxel 50 ms",
        "bilinear 50 ms",
        "frame 50 ms",
        "frame 100 ms",
        "frame 50 ms",
        "frame 25 ms",
    ]
    assert "10–20 ms" in screen.frames[3][0]


def test_the_end_stays_on_the_screen_and_space_begins_again() -> None:
    screen = Screen([*[""] * 8, " ", "", ""])
    player(screen, seconds=0.2).run(screen)
    ended = [number for number, line in enumerate(screen.status) if line.startswith(" end")]
    assert ended
    assert "▶" in screen.status[-1]
    assert positions(screen)[-1] < 0.2


@pytest.mark.parametrize("size", [(20, 3), (3, 2), (80, 24), (200, 60)])
@pytest.mark.parametrize("kind", ["voxel", "time-surface"])
def test_the_picture_fills_a_terminal_of_any_size_and_never_more(kind: str, size: tuple[int, int]) -> None:
    screen = Screen([], size)
    lines = player(screen, kind=kind).picture(3, size)
    assert len(lines) == size[1]
    shown = [re.sub(rb"\x1b\[[0-9;]*m", b"", line).decode() for line in lines]
    assert max(len(line) for line in shown) <= max(size[0], len("too small to draw"))
    assert size[0] < 80 or sum(line.count("▀") for line in shown) > 300


@pytest.mark.parametrize(
    ("system", "codes"),
    [
        (ColorSystem.TRUECOLOR, rb"\x1b\[38;2;\d+;\d+;\d+;48;2;3;4;6m"),
        (ColorSystem.EIGHT_BIT, rb"\x1b\[38;5;\d+;48;5;\d+m"),
        (ColorSystem.STANDARD, rb"\x1b\[\d\d;40m"),
    ],
)
def test_colours_are_those_that_the_terminal_has(system: ColorSystem, codes: bytes) -> None:
    canvas = np.array([[LEVELS, BLANK], [0, BLANK]])
    (line,) = half_block_lines(canvas, system)
    assert re.fullmatch(codes + "▀".encode() + rb"\x1b\[0m ", line)


def test_neighbours_of_one_colour_share_a_code() -> None:
    canvas = np.zeros((4, 6), np.int64)
    canvas[:2, 4:] = LEVELS
    upper, lower = half_block_lines(canvas, ColorSystem.TRUECOLOR)
    assert (upper.count(b"\x1b["), lower.count(b"\x1b[")) == (2, 1)
    r, g, b = PALETTE.reshape(-1, 3)[LEVELS]
    assert f"38;2;{r};{g};{b};48;2;{r};{g};{b}m▀▀".encode() in upper


# --- real terminals ---------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a terminal of 80 by 24: the user's, the program's."""
    user, program = pty.openpty()
    resize(program, 80, 24)
    yield user, program
    os.close(user)
    os.close(program)


def resize(descriptor: int, columns: int, lines: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def read_until(user: int, wanted: bytes) -> bytes:
    """What the program writes until `wanted` is among it."""
    seen, deadline = b"", time.monotonic() + PATIENCE_S
    while wanted not in seen:
        if not select.select([user], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise AssertionError(f"{wanted!r} never came; there was {seen[-2000:]!r}")
        seen += os.read(user, 1 << 16)
    return seen


@pytest.fixture
def playing(
    request: pytest.FixtureRequest, terminal: tuple[int, int], data: Path, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """`evbench events play` in a terminal, slowly and with what options a test asks for: the process and both ends."""
    user, program = terminal
    options: list[str] = getattr(request, "param", [])
    command = [sys.executable, "-m", "evbench.cli", "--workspace", tmp_path / "ws", "events", "play"]
    process = subprocess.Popen(
        [*command, data / "train" / "circle.dat", "--speed", "0.05", *options],
        stdin=program,
        stdout=program,
        stderr=program,
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        # Tests that a shell runs in the background inherit an ignored Ctrl-C; what runs in a terminal does not.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        if not options:
            read_until(user, b"0 dropped")
        yield process, user, program
    finally:
        process.kill()
        process.wait()


def test_q_leaves_and_says_how_it_went(playing: tuple[subprocess.Popen[bytes], int, int]) -> None:
    process, user, program = playing
    assert not termios.tcgetattr(program)[3] & termios.ICANON
    os.write(user, b"q")
    seen = read_until(user, b"frames shown, ")
    assert process.wait(PATIENCE_S) == 0
    assert seen.index(LEAVE) < seen.index(b"frames shown, ")
    assert termios.tcgetattr(program)[3] & termios.ICANON


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_gives_the_terminal_back(
    playing: tuple[subprocess.Popen[bytes], int, int], number: signal.Signals, code: int
) -> None:
    process, user, program = playing
    process.send_signal(number)
    read_until(user, LEAVE)
    assert process.wait(PATIENCE_S) == code
    assert termios.tcgetattr(program)[3] & termios.ICANON


@pytest.mark.parametrize(
    "playing", [["--from", "200ms", "--as", "bilinear", "--bins", "3", "--filter", "mirror"]], indirect=True
)
def test_playing_begins_where_and_as_it_is_asked_to(playing: tuple[subprocess.Popen[bytes], int, int]) -> None:
    process, user, _ = playing
    seen = read_until(user, "0.20 of 0.40 s  ×0.05  bilinear 50 ms".encode())
    assert b"around 25 ms" in seen
    before, _, _ = seen.partition(b"\x1b[?1049h")
    assert b"mirror swap=left-right" in before
    assert b"4,000 of 4,000 events kept" in before
    os.write(user, b"q")
    assert process.wait(PATIENCE_S) == 0


def test_a_terminal_that_changes_its_size_is_filled_anew(playing: tuple[subprocess.Popen[bytes], int, int]) -> None:
    _, user, program = playing
    resize(program, 100, 31)
    seen = read_until(user, b"\x1b[31;1H")
    assert b"\x1b[2J" in seen


def test_a_fault_gives_the_terminal_back(terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    user, program = terminal
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(os.dup(program), "r") as stdin, os.fdopen(os.dup(program), "w") as stdout:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", stdout)
        before, handler = termios.tcgetattr(program), signal.getsignal(signal.SIGTERM)

        def fail() -> None:
            with Terminal() as screen:
                assert screen.size == (80, 24)
                os.write(user, b"\x1b[Ax\x1b[D")
                assert screen.keys(PATIENCE_S) == ["up", "x", "left"]
                screen.show([b"one", b"two"])
                screen.show([b"one", b"three"])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        seen = read_until(user, LEAVE)
        assert seen.count(b"one") == 1
        assert b"\x1b[2;1Hthree" in seen
        assert termios.tcgetattr(program) == before
        assert signal.getsignal(signal.SIGTERM) == handler
