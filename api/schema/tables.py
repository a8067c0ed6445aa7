"""Which data is the same data: tables, whatever file they are in, and the rows that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.scalars import JSON

from lin import records
from lin.tables import records as told
from lin.tables.records import Relation

from .arguments import InExperiment, Ref
from .context import Info
from .fields import resolved
from .nodes import Artifact, Evaluation
from .words import Digest

if TYPE_CHECKING:  # they take NumPy
    from lin.tables import comparing, descent

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
_LARGEST = 1_000


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
    reordered: bool = strawberry.field(description="Whether their rows are in another order as well.")
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
            reordered=record.reordered,
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


@strawberry.type(description="A cell that changed.")
class CellChange:
    """A cell that changed."""

    column: str = strawberry.field(description="Its column.")
    old: str | None = strawberry.field(description="What it held, as text; null for nothing.")
    new: str | None = strawberry.field(description="What it holds.")


@strawberry.type(description="A row that was added, removed or changed.")
class RowChange:
    """A row that was added, removed or changed."""

    change: str = strawberry.field(description="`added`, `removed` or `changed`.")
    old: int | None = strawberry.field(description="Its number in the first table, from 1.")
    new: int | None = strawberry.field(description="Its number in the second.")
    values: JSON = strawberry.field(description="Its cells by column, as text; of a changed row those of the key.")
    cells: list[CellChange] = strawberry.field(description="Of a changed row, the cells that changed.")


@strawberry.type(description="What a column held, and holds.")
class ColumnChange:
    """What a column held, and holds."""

    name: str = strawberry.field(description="Its name.")
    old: JSON = strawberry.field(description="Nulls, different values, bounds and quantiles in the first table.")
    new: JSON = strawberry.field(description="Those in the second.")


@strawberry.type(description="How two tables differ, row by row.")
class TableDiff:
    """How two tables differ, row by row."""

    same: bool = strawberry.field(description="Whether both are one table.")
    old: Table = strawberry.field(description="The first.")
    new: Table = strawberry.field(description="The second.")
    key: list[str] = strawberry.field(description="The columns that told which row is which; empty where none did.")
    added_columns: list[str] = strawberry.field(description="Columns that only the second has.")
    removed_columns: list[str] = strawberry.field(description="Columns that only the first has.")
    renamed: list[Renaming] = strawberry.field(description="Columns with equal cells under other names.")
    types: list[ColumnDifference] = strawberry.field(description="Columns whose types differ.")
    equal: int = strawberry.field(description="Rows that both have.")
    added: int = strawberry.field(description="Rows that only the second has.")
    removed: int = strawberry.field(description="Rows that only the first has.")
    changed: int = strawberry.field(description="Rows with one key and other cells.")
    rows: list[RowChange] = strawberry.field(description="The first of the rows that differ.")
    columns: list[ColumnChange] = strawberry.field(description="The columns whose content differs.")

    @classmethod
    def of(cls, record: comparing.TableDiff) -> TableDiff:
        """Present a difference."""
        return cls(
            same=record.same,
            old=Table.of(record.old),
            new=Table.of(record.new),
            key=list(record.key),
            added_columns=list(record.added_columns),
            removed_columns=list(record.removed_columns),
            renamed=[Renaming(old=old, new=new) for old, new in record.renamed],
            types=[ColumnDifference.of(each) for each in record.types],
            equal=record.equal,
            added=record.added,
            removed=record.removed,
            changed=record.changed,
            rows=[
                RowChange(
                    change=each.change,
                    old=each.old,
                    new=each.new,
                    values=JSON(dict(each.values)),
                    cells=[CellChange(column=c.column, old=c.old, new=c.new) for c in each.cells],
                )
                for each in record.rows
            ],
            columns=[
                ColumnChange(name=each.name, old=JSON(dict(each.old)), new=JSON(dict(each.new)))
                for each in record.columns
            ],
        )


@strawberry.type(description="How many rows of a dataset came from one artifact.")
class Origin:
    """How many rows of a dataset came from one artifact."""

    artifact: Artifact | None = strawberry.field(description="The oldest that holds them; null for none.")
    rows: int = strawberry.field(description="How many.")
    declared: bool = strawberry.field(description="Whether a run is known that made the dataset from it.")


@strawberry.type(description="Where one row came from.")
class RowOrigin:
    """Where one row came from."""

    row: int = strawberry.field(description="Its number, from 1.")
    artifact: Artifact | None = strawberry.field(description="The oldest that holds it.")
    source_row: int | None = strawberry.field(description="Its number there.")


@strawberry.type(description="Where the rows of a dataset came from.")
class Blame:
    """Where the rows of a dataset came from."""

    dataset: Table = strawberry.field(description="Which.")
    origins: list[Origin] = strawberry.field(description="Most rows first.")
    rows: list[RowOrigin] = strawberry.field(description="The rows that were asked for.")

    @classmethod
    def of(cls, record: descent.Blame) -> Blame:
        """Present an answer."""

        def artifact(found: records.Artifact | None) -> Artifact | None:
            return Artifact.of(found) if found else None

        return cls(
            dataset=Table.of(record.dataset),
            origins=[
                Origin(artifact=artifact(each.artifact), rows=each.rows, declared=each.declared)
                for each in record.origins
            ],
            rows=[
                RowOrigin(row=each.row, artifact=artifact(each.artifact), source_row=each.source_row)
                for each in record.rows
            ],
        )


@strawberry.type(description="An artifact that holds some rows.")
class RowHolder:
    """An artifact that holds some rows."""

    artifact: Artifact = strawberry.field(description="Which.")
    rows: int = strawberry.field(description="How many of them.")
    declared: bool = strawberry.field(description="Whether a run is known that made it of the dataset.")


@strawberry.type(description="What holds some rows, and what stands on it.")
class Contaminated:
    """What holds some rows, and what stands on it."""

    holders: list[RowHolder] = strawberry.field(description="Every artifact that holds any of them, most first.")
    models: list[Artifact] = strawberry.field(description="Models that learned from one, the oldest.")
    evaluations: list[Evaluation] = strawberry.field(description="Evaluations that stand on one, the oldest.")

    @classmethod
    def of(cls, record: descent.Contaminated) -> Contaminated:
        """Present an answer."""
        return cls(
            holders=[
                RowHolder(artifact=Artifact.of(each.artifact), rows=each.rows, declared=each.declared)
                for each in record.holders
            ],
            models=[Artifact.of(each) for each in record.models],
            evaluations=[Evaluation.of(each) for each in record.evaluations],
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

    @resolved("How two tables differ: columns, rows added, removed and changed, what columns hold.")
    def table_diff(
        self,
        info: Info,
        *,
        old: Ref,
        new: Ref,
        key: Annotated[
            list[str] | None,
            strawberry.argument(description="What tells which row is which; looked for when null, nothing when empty."),
        ] = None,
        examples: Annotated[int, strawberry.argument(description="At most so many rows of each sort.")] = _EXAMPLES,
    ) -> TableDiff | None:
        """Compare two tables."""
        shown = max(0, min(examples, _MOST_EXAMPLES))
        return TableDiff.of(info.context.repository.table_diff(old, new, key=key, examples=shown, files=False))

    @resolved("Which dataset each row of one came from: the oldest upstream, or earlier version, that holds it.")
    def blame(
        self,
        info: Info,
        ref: Ref,
        rows: Annotated[list[int] | None, strawberry.argument(description="These rows, from 1, one by one.")] = None,
    ) -> Blame | None:
        """Tell where rows came from."""
        return Blame.of(info.context.repository.blame(ref, rows=(rows or [])[:_MOST_EXAMPLES]))

    @resolved("Everything that holds any row of a dataset, and the models and evaluations that stand on it.")
    def contaminated(
        self,
        info: Info,
        ref: Ref,
        first: Annotated[int, strawberry.argument(description="At most so many models and evaluations.")] = 100,
    ) -> Contaminated | None:
        """Tell where rows went."""
        return Contaminated.of(
            info.context.repository.contaminated(ref, limit=max(1, min(first, _LARGEST)), files=False)
        )
