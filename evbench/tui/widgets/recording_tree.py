"""The tree of folders and recordings."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text
from textual.binding import Binding
from textual.containers import ScrollableContainer
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from evbench.tui import numbers
from evbench.tui.state.recordings import FolderState

_DIM = "#8a93a6"
_MOST_EXPANDED = 30


class RecordingTree(Tree[Path], inherit_bindings=False):
    """Folders and the recordings in them; the space and enter keys are left to the pane."""

    BINDINGS = [  # noqa: RUF012
        *ScrollableContainer.BINDINGS,
        *(
            binding
            for binding in Tree.BINDINGS
            if not (isinstance(binding, Binding) and binding.key in ("space", "enter"))
        ),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("recordings", id=id)
        self.show_root = False
        self.guide_depth = 2
        self.border_title = "recordings"
        self._leaves: dict[Path, TreeNode[Path]] = {}
        self._broken: set[Path] = set()

    @property
    def recordings(self) -> list[Path]:
        """The recordings listed, from the top down."""
        return list(self._leaves)

    def fill(self, folders: tuple[FolderState, ...], target: Path | None) -> None:
        """List these folders and go to the first recording at or below `target`, or to the first of all."""
        self.clear()
        self._leaves.clear()
        for folder in folders:
            self._add(self.root, folder, folder.recordings <= _MOST_EXPANDED or len(folder.folders) > 0)
        if not self._leaves:
            return
        files = [path for path in self._leaves if target and path.is_relative_to(target)] or self.recordings
        self.choose(files[0])

    def choose(self, path: Path) -> None:
        """Go to a recording that is listed."""
        node = self._leaves[path]
        above = node.parent
        while above is not None:
            above.expand()
            above = above.parent
        # A node can be moved to once the tree has numbered its lines, which it does when asked for the last of them.
        if self.last_line >= 0:
            self.move_cursor(node)

    def is_broken(self, path: Path) -> bool:
        """Whether a recording is known to be one that cannot be read."""
        return path in self._broken

    def mark(self, path: Path, broken: bool) -> None:
        """Say of a recording whether it can be read."""
        if broken != (path in self._broken):
            (self._broken.add if broken else self._broken.discard)(path)
            if path in self._leaves:
                self._leaves[path].set_label(self._label(path))

    def _add(self, parent: TreeNode[Path], folder: FolderState, expand: bool) -> None:
        label = Text(folder.name, "bold")
        label.append(f"  {folder.note or numbers.count(folder.recordings)}", _DIM)
        node = parent.add(label, folder.path, expand=expand)
        for below in folder.folders:
            self._add(node, below, below.recordings <= _MOST_EXPANDED)
        for path in folder.files:
            self._leaves[path] = node.add_leaf(self._label(path), path)

    def _label(self, path: Path) -> Text:
        return Text(f"✗ {path.name}", "#ff5c8a") if path in self._broken else Text(path.name)
