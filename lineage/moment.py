"""Points in a log's history."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in a log's history: exactly one of both is given.

    Attributes:
        size: After the first so many events.
        at: The events that claim to have happened then or earlier, as an event writes the time. Clocks are claims, so
            these need not be a beginning of the log.
    """

    size: int | None = None
    at: str | None = None

    def includes(self, position: int, at: str) -> bool:
        """Tell whether the event at this place of the log, with this time, counts."""
        return position < self.size if self.size is not None else self.at is None or at <= self.at
