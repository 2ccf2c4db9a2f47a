"""What all panes share."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from textual.containers import Container

from evbench.errors import EvbenchError
from evbench.tui.messages import Refused

if TYPE_CHECKING:
    from evbench.tui.app import Workbench
    from evbench.tui.state.queue import JobEntry, JobsState


TROUBLE = (EvbenchError, sqlite3.Error, OSError)
"""What a worker turns into a sentence for the user; anything else is a fault of evbench and ends the app."""


class Pane(Container):
    """One screen-filling part of the workbench."""

    @property
    def workbench(self) -> Workbench:
        """The app, by its own type."""
        from evbench.tui.app import Workbench

        assert isinstance(self.app, Workbench)
        return self.app

    def shown(self) -> None:
        """Called each time the pane comes to the front: takes the focus and reads what may have changed."""

    def visit(self, subject: Path | int | str) -> None:
        """Show something another pane pointed at (see `messages.Visit`); called after `shown`."""

    def jobs_changed(self, jobs: JobsState) -> None:
        """Called when the list of jobs differs from the last one."""

    def shows(self, job: JobEntry) -> bool:
        """Whether the user sees on this pane how that job ended, so that nothing else needs to say it."""
        return False

    def busy(self, group: str) -> bool:
        """Whether a worker of this group is at work for this pane."""
        return any(worker.group == group and worker.node is self and not worker.is_finished for worker in self.workers)

    def refuse(self, error: Exception) -> None:
        """Tell the user, from any thread, why something could not be done."""
        self.post_message(Refused(str(error)))
