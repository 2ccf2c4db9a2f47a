"""The workbench in a browser on the same machine, by textual-serve."""

from __future__ import annotations

import shlex
import socket
import sys
from typing import TYPE_CHECKING, Any

from evbench.errors import EvbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from evbench.workspace import Workspace

HOST = "127.0.0.1"


def serve(workspace: Workspace, port: int, data: Path | None = None) -> None:
    """Serve the workbench of a workspace, with a recording or folder open, on a port of this machine until it is ended.

    Pages of other origins are refused: a browser would let any of them steer the workbench otherwise.
    Raises EvbenchError where textual-serve is missing or the port is taken.
    """
    try:
        from aiohttp import web
        from textual_serve.server import Server
    except ImportError:
        raise EvbenchError(
            "The workbench cannot be served: textual-serve is not installed",
            where="Python package textual-serve",
            remedy="pip install 'evbench[serve]'",
        ) from None
    _require_free(port)
    own = {f"{name}:{port}" for name in (HOST, "localhost")}

    @web.middleware
    async def only_own_pages(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if request.host not in own or (origin is not None and origin.removeprefix("http://") not in own):
            raise web.HTTPForbidden(text="The workbench answers to its own page only.")
        return await handler(request)

    class LocalServer(Server):  # type: ignore[misc, unused-ignore]
        async def _make_app(self) -> Any:
            app = await super()._make_app()
            app.middlewares.append(only_own_pages)
            return app

    command = [sys.executable, "-m", "evbench.cli", "--workspace", str(workspace.root)]
    if data is not None:
        command += ["--data", str(data.resolve())]
    LocalServer(shlex.join(command), host=HOST, port=port, title="evbench").serve()


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise EvbenchError(
                "The workbench cannot be served: the port cannot be used",
                where=f"{HOST}:{port}: {error.strerror}",
                remedy="Choose another with --port",
            ) from None
