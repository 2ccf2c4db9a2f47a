"""The Quantise pane: what quantisation does to every tensor of a model, what is wrong with it, and what would help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from evbench.tui import numbers
from evbench.tui.actions import bindings
from evbench.tui.dialogs import ChoiceDialog
from evbench.tui.inks import BAD, CAUTION, GOOD, KEY, QUIET, TEXT
from evbench.tui.messages import ChoicesFound, LayerFound, ModelMissing, ModelRead, RankingRead, Submitted, TensorRead
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.state.profiles import BUNDLED
from evbench.tui.state.queue import JobsState
from evbench.tui.state.ranking import Ranking, measure, read_ranking
from evbench.tui.state.tensors import (
    TRAINING,
    WEIGHT,
    Listing,
    ModelTensors,
    TensorState,
    read_model,
    read_tensor,
    tensor_choices,
)
from evbench.tui.widgets.tensor_picture import TensorPicture
from evbench.tui.widgets.tensor_table import TensorTable

_EVERY = 1.0
_OTHERS = 3
_TEACH = """
m   chooses another model, or a training to watch
6   shows jobs; n there starts a recipe, whose models
    can be looked at here while they are trained"""
_UNMEASURED = """Nobody has measured yet what rounding each layer
of this model costs.
r   measures it, as a job, each layer alone
l   goes back to the tensors"""
_WATCHING = """What rounding costs is measured once a training ended.
m   chooses a finished model
l   goes back to the tensors"""


class QuantisePane(Pane):
    """Looks at the tensors of a model; owns which model and tensor are chosen and what is seen of them."""

    BINDINGS = bindings("quantise")
    can_focus = True

    def __init__(self) -> None:
        super().__init__(id="quantise")
        self._choice: str | None = None
        self._model: ModelTensors | None = None
        self._known: dict[str, TensorState] = {}
        self._tensor: str | None = None
        self._listing: Listing = "activations"
        self._over_training = False
        self._ranking_shown = False
        self._ranking: Ranking | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="no-tensors", classes="box")
        with Horizontal(id="quantise-columns"):
            with Vertical(id="quantise-left"):
                yield TensorTable(id="tensors")
                yield Static(id="no-ranking", classes="box")
            with Vertical(id="quantise-right"):
                yield TensorPicture(id="tensor-picture")
                yield Static(id="alarms", classes="box")

    def on_mount(self) -> None:
        self.query_one("#alarms").border_title = "alarms"
        self.query_one("#no-tensors").display = False
        self.query_one("#no-ranking").display = False
        self.set_interval(_EVERY, self._poll)

    def shown(self) -> None:
        self._take_focus()
        if self._choice is None:
            self.find()
        self._poll()

    def visit(self, subject: Path | int | str) -> None:
        """Go to a tensor, or a layer's tensor, by its name."""
        if isinstance(subject, str):
            self._go_to(subject)

    # --- the model ----------------------------------------------------------------------------------------------------

    def action_model(self) -> None:
        self.find(ask=True)

    @work(thread=True, exclusive=True, group="choices")
    def find(self, ask: bool = False) -> None:
        """Find what there is to choose from, and ask; or else choose the first."""
        try:
            choices = tuple(tensor_choices(self.workbench.store))
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(ChoicesFound("ask" if ask else "first", choices))

    @on(ChoicesFound)
    def _choose(self, message: ChoicesFound) -> None:
        def chosen(value: str | None) -> None:
            if value is not None and value != self._choice:
                self._choice, self._model, self._tensor, self._ranking = value, None, None, None
                self._known.clear()
                self._ranking_shown = False
                self.read(value, None)

        if message.what == "ask":
            title = "Choose whose tensors to see"
            self.app.push_screen(ChoiceDialog(title, message.choices, self._choice or ""), chosen)
        else:
            chosen(message.choices[0].value)

    @work(thread=True, exclusive=True, group="model", description="read a model")
    def read(self, choice: str, before: ModelTensors | None) -> None:
        try:
            model = read_model(self.workbench.store, choice)
        except TROUBLE as error:
            self.post_message(ModelMissing(str(error)))
            return
        if model.differs(before) and not get_current_worker().is_cancelled:
            self.post_message(ModelRead(model))

    @on(ModelMissing)
    def _say_missing(self, message: ModelMissing) -> None:
        self._show_instead(Text(message.why + "\n", CAUTION).append(_TEACH, TEXT))

    def _show_instead(self, text: Text | None) -> None:
        """Show a text instead of tensors, or tensors again for None."""
        self.query_one("#no-tensors").display = text is not None
        self.query_one("#quantise-columns").display = text is None
        if text is not None:
            self.query_one("#no-tensors", Static).update(text)
        self._take_focus()

    def _take_focus(self) -> None:
        """The keys are the table's where there is one to see, else the pane's."""
        if self.workbench.pane is self:
            table = self.query_one(TensorTable)
            (table if table.display and self.query_one("#quantise-columns").display else self).focus()

    @on(ModelRead)
    def _take_model(self, message: ModelRead) -> None:
        if message.model.choice != self._choice:
            return
        self._model = message.model
        self._known.clear()
        if not message.model.content["tensors"]:
            self._show_instead(Text("The training has not looked at its tensors yet.\n", QUIET).append(_TEACH, TEXT))
            return
        self._show_instead(None)
        self.set_class(bool(message.model.alarms), "-alarmed")
        self._list()
        if self._tensor is not None:
            self.gather(message.model, self._tensor)

    def _poll(self) -> None:
        if not self.display or self._choice is None:
            return
        if (self._choice.startswith(TRAINING) or self._model is None) and not self.busy("model"):
            self.read(self._choice, self._model)
        if self._ranking_shown and (self._ranking is None or self._ranking.parts is None) and not self.busy("ranking"):
            self._look_up_ranking()

    def _look_up_ranking(self) -> None:
        if self._model is not None:
            self.read_ranking(self._model.choice, self._model.name)

    # --- the list -----------------------------------------------------------------------------------------------------

    def _list(self) -> None:
        """Show the list that is asked for: tensors or the ranking, and what is said where there is none."""
        model, table = self._model, self.query_one(TensorTable)
        if model is None:
            return
        parts = self._ranking.parts if self._ranking_shown and self._ranking is not None else None
        table.display = not self._ranking_shown or parts is not None
        self.query_one("#no-ranking").display = not table.display
        if parts is not None and self._ranking is not None:
            table.border_title = f"what rounding costs · {self._ranking.about}"
            table.border_subtitle = "enter goes there · l tensors"
            table.rank(parts, self._tensor)
        elif self._ranking_shown:
            self._say_unmeasured(model)
        else:
            table.border_title = f"{self._listing} · {model.name}"
            count = len(model.alarms)
            table.border_subtitle = f"{count} alarm{'s' * (count != 1)}" if count else ""
            table.list_tensors(model.rows(self._listing), self._listing, self._tensor)
        self._take_focus()
        self._show_tensor()

    def _say_unmeasured(self, model: ModelTensors) -> None:
        text, ranking = Text(_WATCHING if model.in_training else _UNMEASURED), self._ranking
        if ranking is not None and ranking.progress is not None:
            text = Text("Being measured: ", QUIET).append(numbers.percent(ranking.progress), f"bold {KEY}")
            text.append("\n6   shows the job\nl   goes back to the tensors", TEXT)
        elif ranking is not None and ranking.problem:
            text = Text(f"{ranking.problem}\n", BAD)
            text.append("r   measures it again\nl   goes back to the tensors", TEXT)
        box = self.query_one("#no-ranking", Static)
        box.border_title = "what rounding costs"
        box.update(text)

    @on(DataTable.RowHighlighted)
    def _highlight(self, event: DataTable.RowHighlighted) -> None:
        tensor = event.row_key.value
        if tensor is not None and self._model is not None and tensor != self._tensor:
            self._tensor = tensor
            self._show_tensor()

    def action_weights(self) -> None:
        """List the other kind of tensors, with the cursor on the same layer."""
        if self._model is None:
            return
        if not self._ranking_shown:
            self._listing = "weights" if self._listing == "activations" else "activations"
        self._ranking_shown = False
        layer = (self._tensor or "").removesuffix(WEIGHT)
        names = [row["name"] for row in self._model.rows(self._listing)]
        if not names:
            self._listing = "activations"
            self.app.notify("Weights are looked at once a training has ended.")
        wanted = layer + WEIGHT if self._listing == "weights" else layer
        self._tensor = wanted if wanted in names else names[0] if names else self._tensor
        self._list()

    def action_training(self) -> None:
        self._over_training = not self._over_training
        self._show_tensor()

    def _go_to(self, layer: str) -> None:
        """Show the tensor that a name means, in the list that has it."""
        tensor = self._model.tensor_at(layer) if self._model is not None else None
        if tensor is None:
            self.app.notify(f"The model has no tensor {layer}", severity="warning")
            return
        self._ranking_shown = False
        self._listing = "weights" if tensor.endswith(WEIGHT) else "activations"
        self._tensor = tensor
        self._list()
        self.query_one(TensorTable).choose(tensor)

    # --- one tensor ---------------------------------------------------------------------------------------------------

    def _show_tensor(self) -> None:
        model = self._model
        if model is None:
            return
        if self._tensor is None:
            self._tensor = self.query_one(TensorTable).chosen
        name = self._tensor
        if name is None:
            return
        known = self._known.get(name)
        picture = self.query_one(TensorPicture)
        if known is None:
            self.gather(model, name)
        else:
            picture.show(known, over_training=self._over_training)
        row = next(row for row in model.content["tensors"] if row["name"] == name)
        title = f"{name}  {row['dtype']}  zero {numbers.share(row['zero_share'])}"
        if row["bimodality"] is not None:
            title += f"  bimodality {row['bimodality']:.2f}"
        picture.border_title = title
        picture.border_subtitle = (
            "as it trains"
            if model.in_training
            else "over training · t as it is"
            if self._over_training
            else "log scale · t over training"
        )
        self._show_alarms(model, name)

    @work(thread=True, exclusive=True, group="tensor", description="gather a tensor")
    def gather(self, model: ModelTensors, tensor: str) -> None:
        state = read_tensor(model, tensor)
        if not get_current_worker().is_cancelled:
            self.post_message(TensorRead(state))

    @on(TensorRead)
    def _take_tensor(self, message: TensorRead) -> None:
        if message.tensor.choice == self._choice:
            self._known[message.tensor.name] = message.tensor
            if message.tensor.name == self._tensor:
                self.query_one(TensorPicture).show(message.tensor, over_training=self._over_training)

    def _show_alarms(self, model: ModelTensors, tensor: str) -> None:
        """The chosen tensor's alarms in full, and which others have some."""
        text = Text("told once the model is exported\n" if model.in_training else "", QUIET)
        for alarm in model.alarms:
            if alarm["tensor"] == tensor:
                text.append("▲ ", f"bold {CAUTION}").append(f"{alarm['sentence']}. ", TEXT)
                text.append(f"{alarm['remedy']}.\n", QUIET)
        others = dict.fromkeys(alarm["tensor"] for alarm in model.alarms if alarm["tensor"] != tensor)
        if not text:
            text.append("✓ nothing is wrong with this tensor\n", GOOD)
        if others:
            more = f" and {len(others) - _OTHERS} more" if len(others) > _OTHERS else ""
            text.append(f"alarms on {', '.join(list(others)[:_OTHERS])}{more}", QUIET)
        text.rstrip()
        self.query_one("#alarms", Static).update(text)

    # --- sensitivity and parity ---------------------------------------------------------------------------------------

    def action_ranking(self) -> None:
        if self._model is None or self._choice is None:
            return
        self._ranking_shown = not self._ranking_shown
        self._list()
        if self._ranking_shown:
            self._look_up_ranking()

    @work(thread=True, exclusive=True, group="ranking", description="read a ranking")
    def read_ranking(self, choice: str, name: str) -> None:
        try:
            ranking = read_ranking(self.workbench.store, choice, name)
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(RankingRead(ranking))

    @on(RankingRead)
    def _take_ranking(self, message: RankingRead) -> None:
        if message.ranking.choice == self._choice:
            self._ranking = message.ranking
            if self._ranking_shown:
                self._list()

    def action_jump(self) -> None:
        if self._ranking_shown and self._tensor is not None:
            self._go_to(self._tensor)

    def action_measure(self) -> None:
        if self._choice is not None:
            data = self.workbench.data
            self.measure(self._choice, data if data is not None and data.is_dir() else None)

    @work(thread=True, group="measure", description="measure")
    def measure(self, choice: str, data: Path | None) -> None:
        from evbench.jobs import engine

        try:
            job_id = measure(self.workbench.store, choice, data)
            engine.start(self.workbench.workspace, job_id)
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(Submitted(job_id))

    @on(Submitted)
    def _follow(self, message: Submitted) -> None:
        self.app.notify(f"Job {message.job_id} measures what rounding each layer costs.")
        self.workbench.read_jobs()
        self._ranking_shown = True
        self._list()
        self._look_up_ranking()

    def action_parity(self) -> None:
        if self._choice is not None:
            self.find_parity(self._choice)

    @work(thread=True, exclusive=True, group="parity", description="find parity")
    def find_parity(self, choice: str) -> None:
        from evbench.jobs.parity_layers import parity_of, worst_layer

        found: dict[str, Any] | None = None
        try:
            if choice != BUNDLED and not choice.startswith(TRAINING):
                found = parity_of(self.workbench.store, Path(choice))
        except TROUBLE as error:
            self.refuse(error)
            return
        missing = "No parity check of this model is stored; runs of recipes make one, and `evbench parity` another"
        self.post_message(LayerFound(*(worst_layer(found) if found else (None, missing))))

    @on(LayerFound)
    def _go_to_found(self, message: LayerFound) -> None:
        self.app.notify(message.why, title="parity")
        if message.layer is not None:
            self._go_to(message.layer)

    def jobs_changed(self, jobs: JobsState) -> None:
        if self._choice is None and self.display and self.is_mounted:
            self.find()
