"""What commands share: the options said before them, common arguments, the workspace and its store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evbench.jobs.store import Store
    from evbench.workspace import Workspace

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
BoardOption = Annotated[str | None, typer.Option("--board", help="A board profile's name or file.")]
PortOption = Annotated[str | None, typer.Option("--port", help="A real board's serial port.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Return at once; the job goes on.")]
ModelArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[MODEL]", help="A model folder, graph file or quantised ONNX file; the bundled model by default."
    ),
]
RecordingArgument = Annotated[Path, typer.Argument(help="A recording in any format.")]
JobArgument = Annotated[int, typer.Argument(metavar="JOB", help="The job's number.")]
RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A bundled recipe's name or a .toml file.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as train.epochs=2.")
]


def settings_of(pairs: list[str] | None) -> dict[str, str]:
    """Settings by key from what stands behind every `--set`."""
    for pair in pairs or []:
        if "=" not in pair:
            raise typer.BadParameter(f"{pair!r} has no '='; write --set train.epochs=2")
    return dict(pair.split("=", 1) for pair in pairs or [])


@dataclass(slots=True)
class Options:
    """What was said before the command."""

    workspace: Path | None = None
    debug: bool = False
    data: Path | None = None


options = Options()


def open_workspace() -> Workspace:
    """The workspace that was named, .evbench here by default. Raises WorkspaceError when it cannot be used."""
    from evbench import workspace

    return workspace.open_workspace(options.workspace)


def index_cache() -> Path | None:
    """Where indexes of recordings are kept; None where no workspace can be, because looking needs none."""
    from evbench.errors import WorkspaceError

    try:
        return open_workspace().cache
    except WorkspaceError:
        return None


def open_store(workspace: Workspace) -> Store:
    """The database of a workspace."""
    from evbench.jobs.store import Store

    return Store(workspace)
