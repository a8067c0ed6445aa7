"""What a repository holds, as GraphQL types: artifacts, runs, experiments, evaluations, contents, aliases.

Ids are lin's own, not wrapped in anything: what `lin show` prints is what `node` takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry
from strawberry.scalars import JSON

from lin import records
from lin.lineage.graph import Cursor
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.repository import Found

from . import paging
from .arguments import Metric, Statuses
from .context import Info
from .fields import resolved
from .paged import Asked, paged
from .words import ByteCount, Digest, Facts, Time


@strawberry.interface(description="Anything that has an id of its own.")
class Node:
    """Anything that has an id of its own."""

    id: strawberry.ID = strawberry.field(
        description="Unique in the repository and the same in every copy of it: an event's id, or a digest."
    )


@strawberry.type(description="An immutable occurrence of content with a meaning: a dataset, a model, code, …")
class Artifact(Node):
    """An immutable occurrence of content with a meaning."""

    ref: str = strawberry.field(description="`name@v3`: a ref that means exactly this artifact.")
    kind: ArtifactKind = strawberry.field(description="What it is to people.")
    name: str = strawberry.field(description="The name its versions share.")
    version: int = strawberry.field(description="Counted from 1 among the artifacts of that name.")
    digest: Digest = strawberry.field(description="Of the bytes, or of the tree.")
    shape: Shape = strawberry.field(description="Whether the digest names a file or a directory.")
    size: ByteCount = strawberry.field(description="Bytes of content; for a directory, of all files below it.")
    files: int = strawberry.field(description="How many files a directory holds; 1 for a file.")
    created_at: Time = strawberry.field(description="When it was recorded.")
    actor: str = strawberry.field(description="The id of the key that signed it.")
    path: str | None = strawberry.field(description="Where the run wrote it, relative to the run's folder.")
    evidence: Evidence | None = strawberry.field(description="How lin knows that the run generated it.")
    attributes: Facts = strawberry.field(description="Small facts about it, such as a code artifact's git commit.")
    record: strawberry.Private[records.Artifact]

    @classmethod
    def of(cls, record: records.Artifact) -> Artifact:
        """Present an artifact."""
        return cls(
            id=strawberry.ID(str(record.id)),
            ref=record.label,
            kind=record.kind,
            name=record.name,
            version=record.version,
            digest=Digest(str(record.digest)),
            shape=record.shape,
            size=ByteCount(record.size),
            files=record.files,
            created_at=Time(record.created),
            actor=record.actor,
            path=record.path,
            evidence=record.evidence,
            attributes=Facts(dict(record.attributes)),
            record=record,
        )

    @resolved("The run that generated it, if lin knows of one.")
    async def run(self, info: Info) -> Run | None:
        """Load the run."""
        found = await info.context.at(info).found.load(self.record.run.value) if self.record.run else None
        return info.context.once(Run.of, found) if isinstance(found, records.Run) else None

    @resolved("The experiment it belongs to.")
    async def experiment(self, info: Info) -> Experiment | None:
        """Load the experiment."""
        return await _experiment(info, self.record.experiment)

    @resolved("Its bytes, which other artifacts may share.")
    async def content(self, info: Info) -> Content | None:
        """Load the content."""
        found = await info.context.at(info).found.load(self.record.digest.value)
        return info.context.once(Content.of, found) if isinstance(found, records.Content) else None

    @resolved("The aliases that stand for it now.")
    async def aliases(self, info: Info) -> list[Alias]:
        """Load the aliases."""
        return info.context.all_once(Alias.of, await info.context.at(info).aliases.load(self.record.id.value))

    @resolved("What was measured of this model, oldest first.")
    async def evaluations(self, info: Info) -> list[Evaluation]:
        """Load the evaluations of a model."""
        return info.context.all_once(
            Evaluation.of, await info.context.at(info).evaluations_of.load(self.record.id.value)
        )

    @resolved("What was measured on this dataset, oldest first.")
    async def evaluations_on(self, info: Info) -> list[Evaluation]:
        """Load the evaluations on a dataset."""
        return info.context.all_once(
            Evaluation.of, await info.context.at(info).evaluations_on.load(self.record.id.value)
        )


@strawberry.type(description="One execution: a command, or a block of Python.")
class Run(Node):
    """One execution."""

    ref: str = strawberry.field(description="The first 12 digits of the id: enough to name it.")
    name: str = strawberry.field(description="For people, such as the script's name.")
    status: RunStatus = strawberry.field(description="How far it came.")
    parameters: Facts = strawberry.field(description="Settings, by name.")
    metrics: Facts = strawberry.field(description="Measurements, by name.")
    started_at: Time = strawberry.field(description="When it began.")
    finished_at: Time | None = strawberry.field(description="When it ended; null while it runs.")
    exit_status: int | None = strawberry.field(description="The command's own; 128 + n for signal n.")
    commit: str | None = strawberry.field(description="The git commit that was checked out, in hex.")
    actor: str = strawberry.field(description="The id of the key that signed it.")
    record: strawberry.Private[records.Run]

    @classmethod
    def of(cls, record: records.Run) -> Run:
        """Present a run."""
        return cls(
            id=strawberry.ID(str(record.id)),
            ref=record.label,
            name=record.name,
            status=record.status,
            parameters=Facts(dict(record.parameters)),
            metrics=Facts(dict(record.metrics)),
            started_at=Time(record.started),
            finished_at=Time(record.finished) if record.finished else None,
            exit_status=record.exit_status,
            commit=record.commit,
            actor=record.actor,
            record=record,
        )

    @resolved("How long it took, by the actor's clock; null while it runs.")
    def seconds(self) -> float | None:
        """Compute the duration."""
        return self.record.seconds

    @resolved("One measurement; null where there is none of that name, or it is not a number.")
    def metric(self, name: Metric) -> float | None:
        """Pick one measurement."""
        return _number(self.record.metrics, name)

    @resolved("The experiment it belongs to.")
    async def experiment(self, info: Info) -> Experiment | None:
        """Load the experiment."""
        return await _experiment(info, self.record.experiment)

    @resolved("What it used.")
    async def used(self, info: Info) -> list[Use]:
        """Load the uses."""
        return info.context.all_once(Use.of, await info.context.at(info).used.load(self.record.id.value))

    @resolved("What it generated.")
    async def generated(self, info: Info) -> list[Artifact]:
        """Load the outputs."""
        return info.context.all_once(Artifact.of, await info.context.at(info).generated.load(self.record.id.value))

    @resolved("Command line, folder, host and user; null where that was erased. Costs reading a file each.")
    async def detail(self, info: Info) -> JSON | None:
        """Load the detail blob."""
        return await _detail(info, self.record.detail)

    @resolved(
        "The error's text and the last lines printed; null where that was erased, or all went well. "
        "Costs reading a file each."
    )
    async def outcome(self, info: Info) -> JSON | None:
        """Load the outcome blob."""
        return await _detail(info, self.record.outcome)


@strawberry.type(description="An artifact that a run used.")
class Use:
    """An artifact that a run used."""

    artifact: Artifact = strawberry.field(description="Which artifact.")
    role: Role = strawberry.field(description="What for.")
    evidence: Evidence = strawberry.field(description="How lin knows.")
    path: str | None = strawberry.field(description="Where the run read it, relative to the run's folder.")

    @classmethod
    def of(cls, record: records.Used) -> Use:
        """Present a use."""
        return cls(artifact=Artifact.of(record.artifact), role=record.role, evidence=record.evidence, path=record.path)


def _id(experiment: Experiment) -> str:
    return experiment.id


@strawberry.type(description="A named group of runs that owns the models they make.")
class Experiment(Node):
    """A named group of runs."""

    name: str = strawberry.field(description="Its name: a ref that means it.")
    record: strawberry.Private[records.Experiment]

    @classmethod
    def of(cls, record: records.Experiment) -> Experiment:
        """Present an experiment."""
        return cls(id=strawberry.ID(record.id.hex()), name=record.name, record=record)

    @paged("Its runs, newest first. One question for each experiment that is asked for it.", within=_id)
    def runs(self, asked: Asked, *, statuses: Statuses = None) -> paging.Connection[Run]:
        """Page through the runs."""
        page = asked.repository.runs(experiment=self.name, statuses=statuses or (), **asked.part)
        return paging.from_page(page, asked, Run.of)

    @paged(
        "The models that belong to it, newest first. One question for each experiment that is asked for it.", within=_id
    )
    def models(self, asked: Asked) -> paging.Connection[Artifact]:
        """Page through the models."""
        page = asked.repository.models_of(self.name, **asked.part)
        return paging.from_page(page, asked, Artifact.of)


@strawberry.type(description="One model measured on one dataset by one run.")
class Evaluation(Node):
    """One model measured on one dataset by one run."""

    ref: str = strawberry.field(description="The first 12 digits of the id: enough to name it.")
    model: Artifact = strawberry.field(description="What was measured.")
    dataset: Artifact = strawberry.field(description="What it was measured on.")
    metrics: Facts = strawberry.field(description="Measurements, by name.")
    created_at: Time = strawberry.field(description="When it was recorded.")
    actor: str = strawberry.field(description="The id of the key that signed it.")
    record: strawberry.Private[records.Evaluation]

    @classmethod
    def of(cls, record: records.Evaluation) -> Evaluation:
        """Present an evaluation."""
        return cls(
            id=strawberry.ID(str(record.id)),
            ref=record.label,
            model=Artifact.of(record.model),
            dataset=Artifact.of(record.dataset),
            metrics=Facts(dict(record.metrics)),
            created_at=Time(record.created),
            actor=record.actor,
            record=record,
        )

    @resolved("One measurement; null where there is none of that name, or it is not a number.")
    def metric(self, name: Metric) -> float | None:
        """Pick one measurement."""
        return _number(self.record.metrics, name)

    @resolved("The run that measured it.")
    async def run(self, info: Info) -> Run | None:
        """Load the run."""
        found = await info.context.at(info).found.load(self.record.run.value)
        return info.context.once(Run.of, found) if isinstance(found, records.Run) else None


@strawberry.type(description="Bytes that artifacts share.")
class Content(Node):
    """Bytes that artifacts share; their id is their digest."""

    digest: Digest = strawberry.field(description="The name of the bytes; the same as `id`.")
    artifacts: list[Artifact] = strawberry.field(description="Every artifact that holds them, oldest first.")
    erased: str | None = strawberry.field(description="Why the bytes were erased, if they were.")

    @classmethod
    def of(cls, record: records.Content) -> Content:
        """Present contents."""
        text = str(record.digest)
        artifacts = [Artifact.of(artifact) for artifact in record.artifacts]
        return cls(id=strawberry.ID(text), digest=Digest(text), artifacts=artifacts, erased=record.erased)


@strawberry.type(description="A movable name for an artifact: `churn@prod`.")
class Alias:
    """A movable name for an artifact."""

    ref: str = strawberry.field(description="`churn@prod`: usable as a ref.")
    name: str = strawberry.field(description="The artifacts' name: `churn` in `churn@prod`.")
    alias: str = strawberry.field(description="The movable part: `prod` in `churn@prod`.")
    artifacts: list[Artifact] = strawberry.field(
        description="Where it stands: one artifact; several where concurrent moves conflict; none when taken away."
    )
    moves: list[strawberry.ID] = strawberry.field(description="The events that put it there.")
    moved_at: Time = strawberry.field(description="When the newest of them happened.")

    @classmethod
    def of(cls, record: records.Alias) -> Alias:
        """Present an alias."""
        return cls(
            ref=record.label,
            name=record.name,
            alias=record.alias,
            artifacts=[Artifact.of(artifact) for artifact in record.artifacts],
            moves=[strawberry.ID(str(move)) for move in record.moves],
            moved_at=Time(record.moved),
        )

    @resolved("Where it stands; null when it was taken away or concurrent moves conflict.")
    def artifact(self) -> Artifact | None:
        """Return the one artifact."""
        return self.artifacts[0] if len(self.artifacts) == 1 else None

    @resolved("Whether concurrent moves put it in several places; `tag` settles it.")
    def conflict(self) -> bool:
        """Say whether there are several."""
        return len(self.artifacts) > 1


def present(found: Found) -> Artifact | Run | Experiment | Evaluation | Content:
    """Turn whatever a ref means into its type."""
    if isinstance(found, records.Artifact):
        return Artifact.of(found)
    if isinstance(found, records.Run):
        return Run.of(found)
    if isinstance(found, records.Experiment):
        return Experiment.of(found)
    if isinstance(found, records.Evaluation):
        return Evaluation.of(found)
    return Content.of(found)


def experiment_place(record: records.Experiment) -> Cursor:
    """Return where an experiment stands in its list, which is ordered by name."""
    return Cursor(0, record.id)


async def _experiment(info: Info, name: str | None) -> Experiment | None:
    record = await info.context.at(info).experiments.load(name) if name else None
    return info.context.once(Experiment.of, record) if record else None


async def _detail(info: Info, digest: Any) -> JSON | None:
    detail = await info.context.at(info).details.load(digest) if digest else None
    return JSON(dict(detail)) if detail is not None else None


def _number(metrics: Mapping[str, Any], name: str) -> float | None:
    value = metrics.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
