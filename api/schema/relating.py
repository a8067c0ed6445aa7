"""What joins two things, what must not be joined, and what tells them apart: ways, leaks, differences."""

from __future__ import annotations

import strawberry
from strawberry.scalars import JSON

from lin import differing, records
from lin.lineage.words import Role

from .fields import resolved
from .nodes import Artifact, Evaluation, Node, Run, present
from .tracing import TraceEdge
from .words import Digest, Match


@strawberry.type(description="A shortest way from one thing to another, in the direction data flows.")
class Way:
    """A shortest way from one thing to another."""

    nodes: list[Node | None] = strawberry.field(
        description="From the upstream end to the downstream end; null where it was recorded elsewhere."
    )
    edges: list[TraceEdge] = strawberry.field(description="From each node to the next.")
    backwards: bool = strawberry.field(
        description="Whether it leads from what was named second to what was named first."
    )

    @classmethod
    def of(cls, record: records.Way) -> Way:
        """Present a way."""
        return cls(
            nodes=[present(node) if node else None for node in record.nodes],
            edges=[TraceEdge.of(edge) for edge in record.edges],
            backwards=record.backwards,
        )

    @resolved("How many links it has.")
    def length(self) -> int:
        """Count the edges."""
        return len(self.edges)


@strawberry.type(description="How many test rows came from one artifact that a model learned from.")
class LeakedFrom:
    """How many test rows came from one artifact."""

    artifact: Artifact = strawberry.field(description="Which.")
    rows: int | None = strawberry.field(description="How many of the test rows it holds; null where nobody counted.")


@strawberry.type(description="A metric over all test rows, and without those that leaked.")
class CleanMetric:
    """A metric with and without the rows that leaked."""

    name: str = strawberry.field(description="Such as `accuracy`.")
    all: float = strawberry.field(description="Over all test rows.")
    clean: float | None = strawberry.field(description="Over those that did not leak; null where none is left.")


@strawberry.type(description="An evaluation of a model on data that it learned from.")
class Leak:
    """An evaluation of a model on data that it learned from."""

    evaluation: Evaluation = strawberry.field(description="What was measured, of which model, on which dataset.")
    learned: list[Artifact] = strawberry.field(
        description="The artifacts among the model's training ancestors that hold the dataset's bytes, or its rows."
    )
    by: Match = strawberry.field(description="BYTES or TABLE where one of them holds all of it, else ROWS.")
    tested: int | None = strawberry.field(description="Rows of the dataset; null where it is not known as a table.")
    leaked: int | None = strawberry.field(description="How many of them the model learned from.")
    sources: list[LeakedFrom] = strawberry.field(description="How many came from which artifact, most first.")
    metrics: list[CleanMetric] = strawberry.field(
        description="Metrics with and without the rows that leaked, where the run kept its predictions."
    )

    @classmethod
    def of(cls, record: records.Leak) -> Leak:
        """Present a leak."""
        return cls(
            evaluation=Evaluation.of(record.evaluation),
            learned=[Artifact.of(each) for each in record.learned],
            by=Match(record.by),
            tested=record.tested,
            leaked=record.leaked,
            sources=[LeakedFrom(artifact=Artifact.of(each.artifact), rows=each.rows) for each in record.sources],
            metrics=[CleanMetric(name=each.name, all=each.all, clean=each.clean) for each in record.metrics],
        )


@strawberry.type(description="A value that differs.")
class ValueChange:
    """A value that differs."""

    name: str = strawberry.field(description="Its name.")
    old: JSON | None = strawberry.field(description="On the first side; null where there is none.")
    new: JSON | None = strawberry.field(description="On the second side; null where there is none.")

    @classmethod
    def of(cls, record: differing.ValueChange) -> ValueChange:
        """Present a change."""
        return cls(
            name=record.name,
            old=None if record.old is None else JSON(record.old),
            new=None if record.new is None else JSON(record.new),
        )


@strawberry.type(description="An artifact that one side used, and the other not, or not with the same bytes.")
class UseChange:
    """An artifact that one side used, and the other not."""

    role: Role = strawberry.field(description="What for.")
    name: str = strawberry.field(description="The artifacts' name.")
    old: Artifact | None = strawberry.field(description="What the first side used.")
    new: Artifact | None = strawberry.field(description="What the second side used.")

    @classmethod
    def of(cls, record: differing.UseChange) -> UseChange:
        """Present a change."""
        return cls(
            role=record.role,
            name=record.name,
            old=Artifact.of(record.old) if record.old else None,
            new=Artifact.of(record.new) if record.new else None,
        )


@strawberry.type(description="A file that differs.")
class FileChange:
    """A file that differs."""

    path: str = strawberry.field(description="Relative to the code or folder.")
    change: str = strawberry.field(description="`added`, `removed` or `changed`.")
    old: Digest | None = strawberry.field(description="Its bytes on the first side.")
    new: Digest | None = strawberry.field(description="Its bytes on the second side.")
    patch: str | None = strawberry.field(
        description="A unified diff, where `patches` was asked for and both sides are text of moderate length."
    )

    @classmethod
    def of(cls, record: differing.FileChange) -> FileChange:
        """Present a change."""
        return cls(
            path=record.path,
            change=record.change,
            old=Digest(str(record.old)) if record.old else None,
            new=Digest(str(record.new)) if record.new else None,
            patch=record.patch,
        )


@strawberry.type(description="How two runs or artifacts differ; what is equal is left out.")
class Diff:
    """How two runs or artifacts differ."""

    same: bool = strawberry.field(description="Whether nothing differs, and nothing was missing.")
    old: Node = strawberry.field(description="What was named first.")
    new: Node = strawberry.field(description="What was named second.")
    old_run: Run | None = strawberry.field(description="The first, or the run that generated it.")
    new_run: Run | None = strawberry.field(description="The second, or the run that generated it.")
    code: list[FileChange] = strawberry.field(description="Files of the code that the runs used.")
    data: list[UseChange] = strawberry.field(description="What else the runs used, but for their environment.")
    parameters: list[ValueChange] = strawberry.field(description="Parameters of the runs.")
    environment: list[ValueChange] = strawberry.field(
        description="Packages by name, and `python.version`, `platform.system` and so on."
    )
    metrics: list[ValueChange] = strawberry.field(
        description="Metrics of the runs; of two models also of their evaluations, as `auc on test.csv@v1`."
    )
    content: list[FileChange] = strawberry.field(
        description="Files of the two artifacts themselves, where two artifacts were named."
    )
    missing: list[str] = strawberry.field(description="What could not be compared as its bytes are not here, in words.")

    @classmethod
    def of(cls, record: differing.Diff) -> Diff:
        """Present a difference."""
        return cls(
            same=record.same,
            old=present(record.old),
            new=present(record.new),
            old_run=Run.of(record.old_run) if record.old_run else None,
            new_run=Run.of(record.new_run) if record.new_run else None,
            code=[FileChange.of(each) for each in record.code],
            data=[UseChange.of(each) for each in record.data],
            parameters=[ValueChange.of(each) for each in record.parameters],
            environment=[ValueChange.of(each) for each in record.environment],
            metrics=[ValueChange.of(each) for each in record.metrics],
            content=[FileChange.of(each) for each in record.content],
            missing=list(record.missing),
        )
