"""A clock of controllers that moves only when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class TurnedClock:
    """Called, it says what time it is: that of its making, plus what it was turned."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.moment

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
