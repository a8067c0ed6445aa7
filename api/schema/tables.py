"""Which data is the same data: tables, whatever file they are in, and the rows that they share."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from lin import records
from lin.tables import records as told
from lin.tables.records import Relation

from .arguments import InExperiment, Ref
from .context import Info
from .fields import resolved
from .nodes import Artifact
from .words import Digest

strawberry.enum(
    Relation,
    name="TableRelation",
    description="How two tables relate, from the closest: the same BYTES; the same rows in this order (ORDERED), or in "
    "another (ROWS); the same columns cell for cell under other names (RENAMED); some rows in both (OVERLAPPING), or "
    "none (DIFFERENT).",
)

_AT_LEAST = "Share of either table's different rows from which two are near, from 0 to 1."
_EXAMPLES = 5
_MOST_EXAMPLES = 100


@strawberry.type(description="A table, and where it was found.")
class Table:
    """A table, and where it was found."""

    label: str = strawberry.field(description="What was asked for.")
    digest: Digest = strawberry.field(description="Of the content that holds it.")
    set: str | None = strawberry.field(description="Its id whatever the order of its rows; null where it is no table.")
    seq: str | None = strawberry.field(description="Its id with the rows in this order.")
    rows: int | None = strawberry.field(description="How many.")
    columns: list[str] = strawberry.field(description="Their names, in the order of the file.")
    artifact: Artifact | None = strawberry.field(description="What it is in the repository.")
    part: str | None = strawberry.field(description="Which of several tables of the content.")
    reason: str | None = strawberry.field(description="Why it is no table.")

    @classmethod
    def of(cls, record: told.Shape) -> Table:
        """Present a table."""
        return cls(
            label=record.label,
            digest=Digest(str(record.digest)),
            set=str(record.set) if record.set else None,
            seq=str(record.seq) if record.seq else None,
            rows=record.rows,
            columns=list(record.columns),
            artifact=Artifact.of(record.artifact) if record.artifact else None,
            part=record.part,
            reason=record.reason,
        )


@strawberry.type(description="How a column that two tables have differs.")
class ColumnDifference:
    """How a column that two tables have differs."""

    name: str = strawberry.field(description="Its name.")
    old: str = strawberry.field(description="Its type in the first, as it was read.")
    new: str = strawberry.field(description="Its type in the second.")
    values: bool = strawberry.field(description="Whether its cells differ, row for row.")

    @classmethod
    def of(cls, record: told.ColumnDifference) -> ColumnDifference:
        """Present a difference."""
        return cls(name=record.name, old=record.old, new=record.new, values=record.values)


@strawberry.type(description="Two columns with the same cells under different names.")
class Renaming:
    """Two columns with the same cells under different names."""

    old: str = strawberry.field(description="In the first.")
    new: str = strawberry.field(description="In the second.")


@strawberry.type(description="What two tables have in common.")
class Sameness:
    """What two tables have in common."""

    relation: Relation = strawberry.field(description="How close they are.")
    same: bool = strawberry.field(description="Whether both hold the same rows.")
    old: Table = strawberry.field(description="The first.")
    new: Table = strawberry.field(description="The second.")
    types: list[ColumnDifference] = strawberry.field(description="Columns with equal values of unequal types.")
    changed: list[ColumnDifference] = strawberry.field(description="Columns with other cells, where rows are as many.")
    removed: list[str] = strawberry.field(description="Columns that only the first has.")
    added: list[str] = strawberry.field(description="Columns that only the second has.")
    renamed: list[Renaming] = strawberry.field(description="Columns with equal cells under other names.")
    shared: int | None = strawberry.field(
        description="Rows of the first that the second has; null where they are the same, or their columns are not."
    )

    @classmethod
    def of(cls, record: told.Sameness) -> Sameness:
        """Present an answer."""
        return cls(
            relation=record.relation,
            same=record.same,
            old=Table.of(record.old),
            new=Table.of(record.new),
            types=[ColumnDifference.of(each) for each in record.types],
            changed=[ColumnDifference.of(each) for each in record.changed],
            removed=list(record.removed),
            added=list(record.added),
            renamed=[Renaming(old=old, new=new) for old, new in record.renamed],
            shared=record.shared,
        )


@strawberry.type(description="A row that is in both tables.")
class SharedRow:
    """A row that is in both tables."""

    old: int = strawberry.field(description="Its number in the first, from 1.")
    new: int = strawberry.field(description="Its number in the second.")
    values: JSON = strawberry.field(description="Its cells by column, as text, shortened.")


@strawberry.type(description="The rows that are in both of two tables, confirmed on their full digests.")
class Overlap:
    """The rows that are in both of two tables."""

    old: Table = strawberry.field(description="The first.")
    new: Table = strawberry.field(description="The second.")
    columns: list[str] | None = strawberry.field(description="What rows were compared by; null for all columns.")
    rows_old: int = strawberry.field(description="Rows of the first that the second has.")
    rows_new: int = strawberry.field(description="Rows of the second that the first has.")
    distinct: int = strawberry.field(description="Different rows that both have.")
    equal: int | None = strawberry.field(
        description="With a key: rows of the first that are equal in all columns that both tables have."
    )
    examples: list[SharedRow] = strawberry.field(description="The first of them.")

    @classmethod
    def of(cls, record: told.Overlap) -> Overlap:
        """Present an answer."""
        return cls(
            old=Table.of(record.old),
            new=Table.of(record.new),
            columns=None if record.columns is None else list(record.columns),
            rows_old=record.rows_old,
            rows_new=record.rows_new,
            distinct=record.distinct,
            equal=record.equal,
            examples=[SharedRow(old=e.old, new=e.new, values=JSON(e.values)) for e in record.examples],
        )


@strawberry.type(description="Artifacts that hold the same thing.")
class SameGroup:
    """Artifacts that hold the same thing."""

    relation: Relation = strawberry.field(description="BYTES, ORDERED or ROWS: what holds for all of them.")
    artifacts: list[Artifact] = strawberry.field(description="Oldest first.")
    rows: int | None = strawberry.field(description="How many rows; null where the bytes are no table.")
    table: str | None = strawberry.field(description="The table's id.")


@strawberry.type(description="Two tables that share many rows.")
class NearTables:
    """Two tables that share many rows."""

    old: list[Artifact] = strawberry.field(description="The artifacts that hold the first, oldest first.")
    new: list[Artifact] = strawberry.field(description="The artifacts that hold the second.")
    share_old: float = strawberry.field(description="Part of the first's different rows that the second has.")
    share_new: float = strawberry.field(description="Part of the second's different rows that the first has.")
    exact: bool = strawberry.field(description="Whether these were counted, and not estimated.")


@strawberry.type(description="What is held more than once.")
class Duplicates:
    """What is held more than once."""

    groups: list[SameGroup] = strawberry.field(description="Equal bytes and equal tables.")
    near: list[NearTables] = strawberry.field(description="Tables that share many rows, most first.")
    tables: int = strawberry.field(description="How many tables were compared.")
    unidentified: int = strawberry.field(description="Datasets that are not known as tables.")

    @classmethod
    def of(cls, record: told.Duplicates) -> Duplicates:
        """Present an answer."""
        return cls(
            groups=[
                SameGroup(
                    relation=each.relation,
                    artifacts=[Artifact.of(artifact) for artifact in each.artifacts],
                    rows=each.rows,
                    table=str(each.table) if each.table else None,
                )
                for each in record.groups
            ],
            near=[
                NearTables(
                    old=[Artifact.of(artifact) for artifact in each.old],
                    new=[Artifact.of(artifact) for artifact in each.new],
                    share_old=each.share_old,
                    share_new=each.share_new,
                    exact=each.exact,
                )
                for each in record.near
            ],
            tables=record.tables,
            unidentified=record.unidentified,
        )


@strawberry.type(description="Two datasets that should have been compared row by row, and could not be.")
class Uncompared:
    """Two datasets that could not be compared row by row."""

    tested: Artifact = strawberry.field(description="What a model was tested on.")
    learned: Artifact = strawberry.field(description="What it learned from.")
    reason: str = strawberry.field(description="Why.")


Columns = Annotated[list[str] | None, strawberry.argument(description="Compare rows by these columns only.")]
Key = Annotated[
    list[str] | None,
    strawberry.argument(description="Take these columns for a key: rows are compared by them, and equal ones counted."),
]


@strawberry.type
class TableQueries:
    """The questions about tables."""

    @resolved("What two datasets have in common. `#` and a name after a ref choose one of several tables in it.")
    def same(self, info: Info, old: Ref, new: Ref) -> Sameness | None:
        """Compare two datasets."""
        return Sameness.of(info.context.repository.same(old, new, files=False))

    @resolved("What is held more than once: equal bytes, equal tables, tables that share many rows.")
    def duplicates(
        self,
        info: Info,
        *,
        ref: Annotated[str | None, strawberry.argument(description="Only what is like this dataset: a ref.")] = None,
        at_least: Annotated[float, strawberry.argument(description=_AT_LEAST)] = 0.5,
        versions: Annotated[bool, strawberry.argument(description="Also among the versions of one name.")] = False,
    ) -> Duplicates | None:
        """Find duplicates."""
        found = info.context.repository.duplicates(ref, at_least=at_least, versions=versions, files=False)
        return Duplicates.of(found)

    @resolved("The rows that are in both of two tables, exact.")
    def overlap(
        self,
        info: Info,
        *,
        old: Ref,
        new: Ref,
        columns: Columns = None,
        key: Key = None,
        examples: Annotated[int, strawberry.argument(description="At most so many rows, up to 100.")] = _EXAMPLES,
    ) -> Overlap | None:
        """Count shared rows."""
        shown = max(0, min(examples, _MOST_EXAMPLES))
        found = info.context.repository.overlap(old, new, columns=columns, key=key, examples=shown, files=False)
        return Overlap.of(found)

    @resolved("What `leaks` could not compare row by row, and why: where it is empty, no leak means none.")
    def uncompared(
        self,
        info: Info,
        *,
        model: Annotated[str | None, strawberry.argument(description="Only of this model: a ref.")] = None,
        experiment: InExperiment = None,
    ) -> list[Uncompared] | None:
        """List what could not be compared."""
        missed: list[records.Uncompared] = []
        info.context.repository.leaks(model, experiment=experiment, uncompared=missed)
        return [
            Uncompared(tested=Artifact.of(each.tested), learned=Artifact.of(each.learned), reason=each.reason)
            for each in missed
        ]
