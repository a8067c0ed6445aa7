"""The words of a table's identity: what a digester hands back, and how it reads columns of text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

VERSION = "lin-fp1"
"""What stands before the digests of this version, when they are written."""


class TextMode(StrEnum):
    """How a column of a text file (CSV and its like) is read, by rule 6 of the specification."""

    GUESS = "guess"
    """Nobody knows yet: find out on the way, and raise `Reconsider` where that proves impossible."""
    CELLS = "cells"
    """Each cell by itself."""
    FLOAT = "float"
    """Every cell is a numeral or nothing: float64."""
    BOOL = "bool"
    """Every cell is true or false, or nothing."""


class Reconsider(Exception):  # noqa: N818 - no error: a request to start again
    """Say that a column was read in the wrong mode, so that everything has to be read once more.

    Attributes:
        column: Its name.
        mode: What is certain now: `Digester(..., texts={..., column: mode})` never asks for this column again.
    """

    def __init__(self, column: str, mode: TextMode) -> None:
        super().__init__(f"the column {column!r} has to be read as {mode}")
        self.column = column
        self.mode = mode


@dataclass(frozen=True, slots=True)
class ColumnIdentity:
    """One column's part of a table's identity.

    Attributes:
        name: Its name.
        type: Its Arrow type, as text; for a column of a text file `text (cells)`, `text (float)` or `text (bool)`.
        digest: 32 bytes that don't depend on the name, but on the order of the rows.
        nulls: How many cells hold nothing.
        kinds: What its other cells are, of `int float decimal text bytes timestamp instant time duration list struct
            map`, sorted: what two columns of different types have in common.
    """

    name: str
    type: str
    digest: bytes
    nulls: int
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableIdentity:
    """What a table is, whatever the file that held it.

    Attributes:
        rows: How many rows it has.
        columns: Its columns, as the schema orders them.
        set: 32 bytes that don't depend on the order of rows or columns; copies of a row count.
        seq: 32 bytes that depend on the order of rows, not of columns.
    """

    rows: int
    columns: tuple[ColumnIdentity, ...]
    set: bytes
    seq: bytes

    @property
    def set_id(self) -> str:
        """Write the order-free digest: `lin-fp1:set:<hex>`."""
        return f"{VERSION}:set:{self.set.hex()}"

    @property
    def seq_id(self) -> str:
        """Write the ordered digest: `lin-fp1:seq:<hex>`."""
        return f"{VERSION}:seq:{self.seq.hex()}"
