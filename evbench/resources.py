"""Finds the folders that travel with evbench, firmware/, profiles/ and assets/, in a checkout and in a wheel."""

from __future__ import annotations

from pathlib import Path

from evbench.errors import EvbenchError

_PACKAGE = Path(__file__).resolve().parent


def resource(*parts: str) -> Path:
    """The path of a bundled file or folder, such as `resource("profiles", "boards")`.

    Raises EvbenchError when the installation lacks it.
    """
    for root in (_PACKAGE / "_bundled", _PACKAGE.parent):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise EvbenchError(
        f"The bundled {'/'.join(parts)} is missing",
        where=f"Looked in {_PACKAGE / '_bundled'} and {_PACKAGE.parent}",
        remedy="Reinstall evbench",
    )
