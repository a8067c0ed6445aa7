"""Lay out aligned tables that fit the terminal, and whole ones for files and pipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .output import say, styled, width
from .text import columns, plain, shorten

GAP = 2
LEAST = 6
"""Columns that a cell keeps however narrow the terminal is."""


@dataclass(frozen=True, slots=True)
class Column:
    """Describe a column.

    Attributes:
        title: Its heading.
        right: Whether cells stand at the right, as numbers do.
        shrinks: Whether cells may be cut to fit the terminal.
        style: The style of its cells, on a terminal with colours.
    """

    title: str
    right: bool = False
    shrinks: bool = False
    style: str = ""


def show(layout: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
    """Print a table with its headings; nothing at all where there are no rows."""
    for line in lines(layout, rows, width()):
        if not say(line):
            return


def lines(layout: Sequence[Column], rows: Sequence[Sequence[object]], limit: int | None = None) -> list[str]:
    """Return a table's lines.

    Args:
        layout: The columns.
        rows: As many cells each as there are columns.
        limit: Columns of the terminal; None to cut nothing.
    """
    if not rows:
        return []
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [
        max(columns(column.title), *(columns(row[index]) for row in cells)) for index, column in enumerate(layout)
    ]
    if limit is not None:
        _shrink(layout, widths, limit)
    heading = [_fit(column, column.title, room, "bold") for column, room in zip(layout, widths, strict=True)]
    body = [[_fit(c, cell, room, c.style) for c, cell, room in zip(layout, row, widths, strict=True)] for row in cells]
    return [(" " * GAP).join(row).rstrip() for row in (heading, *body)]


def fields(values: Sequence[tuple[str, object]]) -> None:
    """Print names and values, one pair a line, aligned; empty values are left out."""
    shown = [(name, plain(value)) for name, value in values if value not in (None, "")]
    longest = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{styled(name.ljust(longest), 'dim')}  {value}")


def _shrink(layout: Sequence[Column], widths: list[int], limit: int) -> None:
    excess = sum(widths) + GAP * (len(widths) - 1) - limit
    while excess > 0:
        candidates = [i for i, column in enumerate(layout) if column.shrinks and widths[i] > LEAST]
        if not candidates:
            return
        order = sorted((widths[i] for i in candidates), reverse=True)
        widest = max(candidates, key=lambda i: widths[i])
        # Down to the next widest, but at least one column and no further than needed.
        step = min(excess, max(1, order[0] - (order[1] if len(order) > 1 else LEAST)), widths[widest] - LEAST)
        widths[widest] -= step
        excess -= step


def _fit(column: Column, text: str, room: int, style: str) -> str:
    text = shorten(text, room)
    padding = " " * (room - columns(text))
    text = styled(text, style) if style else text
    return padding + text if column.right else text + padding
