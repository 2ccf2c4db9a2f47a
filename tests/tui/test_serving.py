from __future__ import annotations

import asyncio
import base64
import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from evbench.errors import EvbenchError
from evbench.resources import resource
from evbench.tui import inks
from evbench.tui.serving import HOST, serve
from evbench.workspace import Workspace

aiohttp = pytest.importorskip("aiohttp", reason="the extra `serve` is not installed")
pytest.importorskip("textual_serve", reason="the extra `serve` is not installed")
PATIENCE_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a workbench served by the command."""
    folder, number = tmp_path_factory.mktemp("served"), free_port()
    workbench = ["--workspace", str(folder / "ws"), "--data", str(resource("assets/recordings"))]
    process = subprocess.Popen(
        [sys.executable, "-m", "evbench.cli", *workbench, "serve", "--port", str(number)],
        cwd=folder,
        env=os.environ | {"XDG_CONFIG_HOME": str(folder)},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, number)) == 0:
                break
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield number
    process.terminate()
    process.wait(PATIENCE_S)


async def seen(websocket: aiohttp.ClientWebSocketResponse, words: str) -> None:
    """Wait until what the workbench draws holds these words."""
    drawn = ""
    async with asyncio.timeout(PATIENCE_S):
        while words not in drawn:
            message = await websocket.receive()
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
            if message.type == aiohttp.WSMsgType.BINARY:
                drawn += message.data.decode(errors="replace")


async def test_a_browser_gets_the_page_and_steers_the_workbench_through_its_socket(port: int) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{HOST}:{port}/") as page:
            assert page.status == 200
            text = await page.text()
            assert "evbench" in text
            assert f"ws://{HOST}:{port}/ws" in text
        async with session.ws_connect(f"http://{HOST}:{port}/ws?width=100&height=30") as websocket:
            await seen(websocket, "First time here?")
            await websocket.send_json(["stdin", "q"])
            await websocket.send_json(["stdin", "1"])
            await seen(websocket, "bar-clockwise")
            await websocket.send_json(["stdin", "6"])
            await seen(websocket, "No job has run in this workspace yet.")
            await websocket.send_json(["resize", {"width": 80, "height": 24}])
            await websocket.send_json(["stdin", "?"])
            await seen(websocket, "everywhere")


async def test_pages_of_other_origins_cannot_steer_the_workbench(port: int) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://{HOST}:{port}/ws?width=80&height=24"
        for headers in ({"Origin": "http://elsewhere.example"}, {"Host": f"elsewhere.example:{port}"}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url, headers=headers)
            assert refused.value.status == 403


def test_it_is_served_on_this_machine_only(port: int) -> None:
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {HOST}
    for address in addresses - {"127.0.1.1"}:
        with socket.socket() as probe:
            probe.settimeout(5)
            assert probe.connect_ex((address, port)) != 0


def test_a_port_that_is_taken_is_said(workspace: Workspace) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        with pytest.raises(EvbenchError, match="Choose another with --port"):
            serve(workspace, other.getsockname()[1])


def test_nothing_that_changes_textuals_version_is_installed() -> None:
    assert importlib.metadata.version("textual").startswith("8.")
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("textual-web")


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[str]:
    """The address at which a headless Chromium takes orders."""
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,800", "--remote-debugging-port=0")
    process = subprocess.Popen(
        [BROWSER, *options, f"--user-data-dir={tmp_path / 'profile'}", "about:blank"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    yield next(line.rpartition(" ")[2].strip() for line in process.stderr if "DevTools listening on ws://" in line)
    process.terminate()
    process.communicate(timeout=PATIENCE_S)


async def test_headless_chromium_shows_the_workbench_in_its_colours(port: int, browser: str, tmp_path: Path) -> None:
    http = browser.partition("/devtools")[0].replace("ws:", "http:")
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
        async with session.put(f"{http}/json/new?http://{HOST}:{port}/") as opened:
            page = await opened.json(content_type=None)
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as orders:
            number, seen = 0, {}
            while not {inks.ON, inks.OFF} <= seen.keys():
                number += 1
                await orders.send_json({"id": number, "method": "Page.captureScreenshot"})
                while (answer := await orders.receive_json()).get("id") != number:
                    pass
                (tmp_path / "served.png").write_bytes(base64.b64decode(answer["result"]["data"]))
                seen = colours(tmp_path / "served.png")
    assert seen[inks.ON] > 100
    assert seen[inks.GROUND] > 100_000


def colours(picture: Path) -> dict[str, int]:
    """How many pixels have each colour."""
    with Image.open(picture) as image:
        found = image.convert("RGB").getcolors(1 << 24)
    return {f"#{bytes(colour).hex()}": count for count, colour in found or ()}
