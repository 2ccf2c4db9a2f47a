"""What panes share that start, cancel and resume runs."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from textual import on, work

from evbench.tui.dialogs import RunDialog, RunWish
from evbench.tui.messages import RunOffered, Submitted
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.state.queue import board_choices, recipe_choices


class SteeringPane(Pane):
    """A pane with one job chosen; knows how jobs are started, cancelled and resumed."""

    @property
    @abstractmethod
    def chosen_job(self) -> int | None:
        """The job that keys act on."""

    @abstractmethod
    def choose_job(self, job_id: int) -> None:
        """Put this job in front: it has just been started, cancelled or resumed."""

    def action_new_run(self) -> None:
        self.offer_run()

    @work(thread=True, exclusive=True, group="offer")
    def offer_run(self) -> None:
        try:
            recipes = tuple(recipe_choices(Path.cwd(), self.workbench.workspace))
            self.post_message(RunOffered(recipes, tuple(board_choices())))
        except TROUBLE as error:
            self.refuse(error)

    @on(RunOffered)
    def _ask(self, message: RunOffered) -> None:
        def wished(wish: RunWish | None) -> None:
            if wish is not None:
                self.start(wish)

        data = self.workbench.data
        folder = data if data is not None and data.is_dir() else None
        self.app.push_screen(RunDialog(message.recipes, message.boards, folder), wished)

    @work(thread=True, group="steer")
    def start(self, wish: RunWish) -> None:
        from evbench.jobs import engine

        try:
            job_id = engine.submit_run(self.workbench.workspace, wish.recipe, wish.data, wish.board)
            engine.start(self.workbench.workspace, job_id)
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(Submitted(job_id))

    @on(Submitted)
    def _follow(self, message: Submitted) -> None:
        self.choose_job(message.job_id)
        self.workbench.read_jobs()

    def action_cancel(self) -> None:
        if self.chosen_job is not None:
            self.steer("cancel", self.chosen_job)

    def action_resume(self) -> None:
        if self.chosen_job is not None:
            self.steer("resume", self.chosen_job)

    @work(thread=True, group="steer")
    def steer(self, what: str, job_id: int) -> None:
        from evbench.jobs import engine

        try:
            if what == "cancel":
                engine.cancel(self.workbench.workspace, job_id)
            else:
                engine.resume(self.workbench.workspace, job_id)
                engine.start(self.workbench.workspace, job_id)
        except TROUBLE as error:
            self.refuse(error)
        self.post_message(Submitted(job_id))
