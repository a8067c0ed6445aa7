"""How long work says how far it has come."""

from __future__ import annotations

from collections.abc import Callable

from lin.store.progress import Progress

__all__ = ["Progress", "counting", "silent"]


def silent(bytes_done: int, bytes_total: int | None, files_done: int, files_total: int | None, /) -> None:
    """Tell nobody."""


def counting(progress: Progress | None) -> Callable[[int, int], None]:
    """Return what tells of events where bytes are not counted."""
    told = progress or silent
    return lambda done, total: told(0, None, done, total)
