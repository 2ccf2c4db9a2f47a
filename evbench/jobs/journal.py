"""What a stage has measured so far, kept in its working folder so that a killed process does not measure it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Journal:
    """Results by key, one line of JSON each; a line that a killed process did not finish is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.known: dict[str, Any] = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                key, result = json.loads(line)
            except ValueError:
                continue
            self.known[key] = result

    def add(self, key: str, result: Any) -> None:
        """Keep one more result."""
        self.known[key] = result
        with self._path.open("a") as file:
            file.write(json.dumps([key, result]) + "\n")
