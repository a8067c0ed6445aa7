"""How columns of text files are read (rule 6): find the mode of each while its cells go by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag

from .identity import Reconsider, TextMode


class Seen(IntFlag):
    """What the cells of a column were seen to be; cells that hold nothing leave no mark."""

    INT = 1
    """A canonical integer of at most 2**53: the same cell, read by itself or as a float."""
    BIG = 2
    """Another numeral in digits only."""
    FRACTION = 4
    """A numeral with a point or an exponent, or an infinity."""
    LOWER = 8
    TITLE = 16
    UPPER = 32
    """`true`, `True`, `TRUE` and their opposites."""
    OTHER = 64


_NUMBERS = Seen.INT | Seen.BIG | Seen.FRACTION
_BOOLS = Seen.LOWER | Seen.TITLE | Seen.UPPER


def mode_of(seen: int) -> TextMode:
    """Decide how a column is read, of which these cells were seen; `GUESS` while both are still possible."""
    bools = seen & _BOOLS
    if seen & Seen.OTHER or (bools and seen & _NUMBERS) or bools & (bools - 1):
        return TextMode.CELLS
    if seen & Seen.FRACTION:
        return TextMode.FLOAT
    return TextMode.BOOL if bools else TextMode.GUESS


@dataclass(slots=True)
class _Column:
    mode: TextMode = TextMode.GUESS
    """In which its cells are encoded; while `GUESS`, so that they would be the same as `CELLS` and as `FLOAT`."""
    seen: int = 0
    watched: bool = True
    """Whether what it holds still has to be looked at, beyond what the engine checks by itself."""


class Guesses:
    """The columns whose mode nobody knew, and what they turned out to be.

    A column begins as `GUESS`, in which the engine stops at the first cell that is no small integer. From there it is
    `CELLS`, `FLOAT` or `BOOL`, whose first contrary cell stops the engine again: then all has to be read once more. A
    column of integers that are not the same as floats is read as `CELLS`, and looked at in each batch: should it prove
    to be of floats, that too is another reading.
    """

    def __init__(self, names: list[str], modes: dict[int, TextMode]) -> None:
        self._names = names
        self.modes = dict(modes)
        self._columns = {column: _Column() for column, mode in modes.items() if mode is TextMode.GUESS}

    def careful(self) -> list[int]:
        """Name the columns that have to be looked at before a batch is encoded."""
        return [i for i, column in self._columns.items() if column.watched and column.mode is TextMode.CELLS]

    def guessed(self) -> list[int]:
        """Name the columns that are still open."""
        return [i for i, column in self._columns.items() if column.mode is TextMode.GUESS]

    def look(self, batch: dict[int, int], *, integers: set[int]) -> dict[int, TextMode]:
        """Take note of what was seen in rows that are not encoded yet.

        Args:
            batch: What was seen, by column.
            integers: The columns that hold small integers in rows encoded before.

        Returns:
            The columns to be read in another mode from here on.

        Raises:
            Reconsider: Never here; `contradict` and `finish` raise it.
        """
        changes: dict[int, TextMode] = {}
        for index, flags in batch.items():
            column = self._columns[index]
            before = column.seen | (Seen.INT if index in integers else 0)
            column.seen = before | flags
            found = mode_of(column.seen)
            if found is TextMode.GUESS and not column.seen & Seen.BIG:
                continue
            if found in {TextMode.FLOAT, TextMode.BOOL} and column.mode is TextMode.GUESS:
                column.mode = found  # what is encoded already is the same in this mode
            else:
                column.mode = TextMode.CELLS
            column.watched = column.mode is TextMode.CELLS and found is not TextMode.CELLS
            self.modes[index] = changes[index] = column.mode
        return changes

    def contradict(self, index: int) -> Reconsider:
        """Make the exception for a column whose cells are not what its mode wants."""
        return Reconsider(self._names[index], TextMode.CELLS)

    def finish(self) -> None:
        """Settle what is still open.

        Raises:
            Reconsider: A column of large integers turned out to be one of floats.
        """
        for index, column in self._columns.items():
            if column.mode is TextMode.GUESS:
                self.modes[index] = TextMode.CELLS
            elif column.watched and mode_of(column.seen) is TextMode.FLOAT:
                raise Reconsider(self._names[index], TextMode.FLOAT)


def settle(seen: Iterable[int]) -> list[TextMode]:
    """Decide the modes of columns all of whose cells were seen."""
    return [TextMode.CELLS if (mode := mode_of(flags)) is TextMode.GUESS else mode for flags in seen]
