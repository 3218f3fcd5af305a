"""A build that is not shown: only remembered, for the report of a failure."""

from __future__ import annotations

from corral.cli.progress.work import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.progress.work import Event


class Quiet:
    def __init__(self) -> None:
        self.watch = Watch()

    def take(self, event: Event, now: float) -> None:
        self.watch.take(event, now)

    def tick(self, now: float) -> None:
        """There is no picture."""

    def end(self, now: float) -> None:
        """There is no picture."""
