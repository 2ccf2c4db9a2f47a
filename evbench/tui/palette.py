"""Every action of the registry in the command palette."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

from evbench.tui.actions import PANES, Action, all_actions


class ActionCommands(Provider):
    """Finds actions by pane, label and sentence; choosing one does it."""

    async def discover(self) -> Hits:
        for title, action in _titles():
            yield DiscoveryHit(title, self._command(action), help=action.sentence)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, action in _titles():
            score = matcher.match(f"{title} {action.sentence}")
            if score > 0:
                yield Hit(score, matcher.highlight(title), self._command(action), help=action.sentence)

    def _command(self, action: Action) -> partial[Coroutine[Any, Any, None]]:
        from evbench.tui.app import Workbench

        app = self.app
        assert isinstance(app, Workbench)
        return partial(app.perform, action)


def _titles() -> Iterator[tuple[str, Action]]:
    names = {pane.id: pane.title for pane in PANES}
    for action in all_actions():
        place = f"{names[action.home]}: " if action.home in names else ""
        yield f"{place}{action.label}  ({action.help_key})", action
