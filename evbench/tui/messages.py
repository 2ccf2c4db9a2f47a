"""What workers tell panes: small frozen values; a newer one of a kind replaces one that still waits in the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from evbench.jobs.live import Live, LivePlayer
    from evbench.jobs.recipes import KnownRecipe
    from evbench.tui.actions import Home
    from evbench.tui.dialogs import Choice
    from evbench.tui.state.job import JobDetail
    from evbench.tui.state.profiles import DeviceState
    from evbench.tui.state.queue import JobsState
    from evbench.tui.state.ranking import Ranking
    from evbench.tui.state.recordings import FolderState, RecordingState
    from evbench.tui.state.report import ReportState
    from evbench.tui.state.tensors import ModelTensors, TensorState
    from evbench.tui.state.training import TrainState
    from evbench.tui.state.windows import WindowState


class Latest(Message):
    """A message of which only the newest matters."""

    def can_replace(self, message: Message) -> bool:
        return type(message) is type(self)


@dataclass
class FoldersListed(Message):
    """The folders that hold recordings have been looked through."""

    folders: tuple[FolderState, ...]


@dataclass
class RecordingRead(Message):
    """A recording has been read whole."""

    recording: RecordingState


@dataclass
class RecordingFiltered(Latest):
    """Filters have been applied to the recording that was read."""

    recording: RecordingState


@dataclass
class FiltersRefused(Latest):
    """Filters do not suit the recording; `why` is what the user is told."""

    why: str


@dataclass
class RecordingBroken(Message):
    """A file could not be read as a recording; `why` is what the user is told."""

    path: Path
    why: str


@dataclass
class WindowDrawn(Latest):
    """One window has been turned into its representation."""

    window: WindowState


@dataclass
class PictureSaved(Message):
    """A picture has been written, and the same one in other formats beside it."""

    path: Path
    others: tuple[Path, ...] = ()


@dataclass
class JobsRead(Latest):
    """The list of jobs has changed."""

    jobs: JobsState


@dataclass
class JobRead(Latest):
    """Something about the chosen job has changed: stages, metrics or log."""

    detail: JobDetail


@dataclass
class TrainingRead(Latest):
    """Something about the chosen run has changed, or about the one it is compared with."""

    shown: TrainState
    other: TrainState | None
    comparison: Mapping[str, Any] | None


@dataclass
class ReportRead(Latest):
    """A report has been read, or that there is none."""

    state: ReportState


@dataclass
class ReportWritten(Message):
    """A report has been written to a file."""

    path: Path


@dataclass
class DeviceRead(Latest):
    """Profile runs, or the job that makes one, have changed."""

    device: DeviceState


@dataclass
class LivePlayed(Message):
    """A player has gone on; a newer state replaces an older one of the same player."""

    player: LivePlayer
    live: Live

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, LivePlayed) and message.player is self.player


@dataclass
class OtherBoard(Latest):
    """A board of the other kind, real or virtual, has been found."""

    board: str


@dataclass
class RunOffered(Message):
    """What there is to choose from when a recipe is started."""

    recipes: tuple[Choice, ...]
    boards: tuple[Choice, ...]


@dataclass
class RecipesRead(Latest):
    """The recipes of the workspace, of the folder and of evbench have been read."""

    recipes: tuple[KnownRecipe, ...]


@dataclass
class ChoicesFound(Message):
    """What there is to choose from for `what`: models or boards."""

    what: str
    choices: tuple[Choice, ...]


@dataclass
class ModelRead(Latest):
    """The tensors of the chosen model have been read, or there is more of them."""

    model: ModelTensors


@dataclass
class ModelMissing(Latest):
    """The chosen model's tensors cannot be shown; `why` is what the user is told."""

    why: str


@dataclass
class TensorRead(Latest):
    """What is known of one tensor has been gathered."""

    tensor: TensorState


@dataclass
class RankingRead(Latest):
    """What is known of the chosen model's sensitivity has been read."""

    ranking: Ranking


@dataclass
class LayerFound(Message):
    """A layer to go to, or None, and a sentence on why."""

    layer: str | None
    why: str


@dataclass
class Submitted(Message):
    """A job has been put into the queue."""

    job_id: int


@dataclass
class Refused(Message):
    """Something a key asked for could not be done; `why` is what the user is told."""

    why: str


@dataclass
class Visit(Message):
    """Another pane is asked to come to the front and show something: a recording by its path, a job by its number,
    a tensor or a layer by its name. A pane that the workbench lacks is not visited."""

    pane: Home
    subject: Path | int | str
