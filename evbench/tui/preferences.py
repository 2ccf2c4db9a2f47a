"""What the workbench remembers about its user from one day to the next, in a file of their own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from evbench.workspace import explained


@dataclass(frozen=True, slots=True)
class Preferences:
    """`theme` by its name; whether the tour has been offered."""

    theme: str = ""
    tour_offered: bool = False


def preferences_file() -> Path:
    """$XDG_CONFIG_HOME/evbench/workbench.json, ~/.config being the usual configuration folder."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "evbench" / "workbench.json"


def read_preferences(path: Path) -> Preferences:
    """What the file says; what it does not say, or says wrongly, is as on the first day."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return Preferences()
    if not isinstance(content, dict):
        return Preferences()
    return Preferences(str(content.get("theme", "")), content.get("tour_offered") is True)


def write_preferences(preferences: Preferences, path: Path) -> None:
    """Remember these from now on. Raises WorkspaceError where that is forbidden or the disk is full."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(asdict(preferences)) + "\n")
        new.replace(path)
