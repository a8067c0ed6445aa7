"""What is asked of a closure."""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Cursor, NodeKind


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the nodes that a closure holds are asked for, and in which part of their order.

    Attributes:
        nodes: Only these kinds; all when empty.
        since: Only those created then or later.
        until: Only those created then or earlier.
        after: Only those after this cursor.
        limit: At most so many.
    """

    nodes: frozenset[NodeKind] = frozenset()
    since: int | None = None
    until: int | None = None
    after: Cursor | None = None
    limit: int | None = None
