"""What questions about tables are answered with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lin.lineage.table_id import TableId
from lin.records import Artifact, Record
from lin.store.digest import Digest


class Relation(StrEnum):
    """How two tables relate, from the closest."""

    BYTES = "bytes"
    """The very same bytes."""
    ORDERED = "ordered"
    """The same table, row for row."""
    ROWS = "rows"
    """The same rows in another order."""
    RENAMED = "renamed"
    """The same columns, cell for cell, under other names."""
    OVERLAPPING = "overlapping"
    """Some rows are in both."""
    DIFFERENT = "different"
    """No row is in both."""


@dataclass(frozen=True, slots=True)
class Shape(Record):
    """One of the tables of an answer.

    Attributes:
        label: What was asked for: a ref, or a path.
        digest: Of the content that holds it.
        set: Its id whatever the order of its rows.
        seq: Its id in this order.
        rows: How many.
        columns: Names, in the order of the file.
        artifact: What it is in the repository; None for a file that was never put.
        part: Which of several tables of the content.
        reason: Why it is no table; then there are no ids, rows and columns.
    """

    label: str
    digest: Digest
    set: TableId | None = None
    seq: TableId | None = None
    rows: int | None = None
    columns: tuple[str, ...] = ()
    artifact: Artifact | None = None
    part: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnDifference(Record):
    """How a column that both tables have differs.

    Attributes:
        name: Its name.
        old: Its type in the first table, as it was read.
        new: Its type in the second.
        values: Whether its cells differ, row for row; always so where rows are in another order.
        kinds: What its cells are in each, where that is not the same: `(("int",), ("text",))`.
    """

    name: str
    old: str
    new: str
    values: bool
    kinds: tuple[tuple[str, ...], tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Sameness(Record):
    """What two tables have in common.

    Attributes:
        relation: How close they are.
        old: The first.
        new: The second.
        types: Columns with the same values whose types differ, or whose kinds of cells do.
        changed: Columns that both have with other cells, row for row; empty where rows are in another order.
        removed: Columns that only the first has.
        added: Columns that only the second has.
        renamed: (name in the first, name in the second) of columns with equal cells.
        shared: Rows of the first that the second has as well; None where that was not asked or cannot be.
        reordered: Whether the rows of columns with other names are in another order as well.
    """

    relation: Relation
    old: Shape
    new: Shape
    types: tuple[ColumnDifference, ...] = ()
    changed: tuple[ColumnDifference, ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    shared: int | None = None
    reordered: bool = False

    @property
    def same(self) -> bool:
        """Whether both hold the same rows."""
        return self.relation in {Relation.BYTES, Relation.ORDERED, Relation.ROWS}


@dataclass(frozen=True, slots=True)
class Example(Record):
    """A row that is in both tables.

    Attributes:
        old: Its number in the first table, from 1; the first of several.
        new: Its number in the second.
        values: Its cells by column, as text; None where it is absent.
    """

    old: int
    new: int
    values: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Overlap(Record):
    """The rows that are in both of two tables, confirmed on their full digests.

    Attributes:
        old: The first table.
        new: The second table.
        columns: The columns that rows were compared by; None for all.
        is_key: Whether these were taken for a key, so that rows with one key may differ elsewhere.
        rows_old: Rows of the first that the second has.
        rows_new: Rows of the second that the first has.
        distinct: Different rows that both have.
        equal: Of `rows_old`, those that are equal in all other columns both have; None unless `is_key`.
        examples: The first of them.
    """

    old: Shape
    new: Shape
    columns: tuple[str, ...] | None
    is_key: bool
    rows_old: int
    rows_new: int
    distinct: int
    equal: int | None = None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Group(Record):
    """Artifacts that hold the same thing.

    Attributes:
        relation: `bytes`, `ordered` or `rows`: what holds for all of them.
        artifacts: Oldest first.
        rows: How many rows; None where the bytes are no table.
        table: The table's id; None likewise.
    """

    relation: Relation
    artifacts: tuple[Artifact, ...]
    rows: int | None = None
    table: TableId | None = None


@dataclass(frozen=True, slots=True)
class Near(Record):
    """Two tables that share many rows.

    Attributes:
        old: The artifacts that hold the first, oldest first.
        new: The artifacts that hold the second.
        share_old: Which part of the first's different rows the second has, from 0 to 1.
        share_new: Which part of the second's different rows the first has.
        exact: Whether these were counted, and not estimated from sketches.
        rows_old: Rows of the first.
        rows_new: Rows of the second.
    """

    old: tuple[Artifact, ...]
    new: tuple[Artifact, ...]
    share_old: float
    share_new: float
    exact: bool
    rows_old: int
    rows_new: int


@dataclass(frozen=True, slots=True)
class Duplicates(Record):
    """What is held more than once.

    Attributes:
        groups: Equal bytes and equal tables.
        near: Tables that share at least so many rows, most first.
        tables: How many tables were compared.
        unidentified: Datasets of which nobody has said yet what table they hold.
    """

    groups: tuple[Group, ...]
    near: tuple[Near, ...]
    tables: int
    unidentified: int = 0

    @property
    def found(self) -> bool:
        """Whether there are any."""
        return bool(self.groups or self.near)
