"""Answers to questions: trained models, impact, the metrics table, the log, the repository itself."""

from __future__ import annotations

import strawberry
from strawberry.scalars import JSON

from lin import __version__, records
from lin.lineage.fallback import standing_in
from lin.lineage.graph import Direction
from lin.lineage.words import Role
from lin.repository import Repository
from lin.tables.match import Match

from . import paging
from .arguments import First
from .context import Info
from .fields import resolved
from .nodes import Alias, Artifact, Evaluation
from .paged import Asked, Part, paged
from .relating import Way
from .words import Time

IMPACT = 100
"""Things of a kind that stand on an artifact, at once by default."""
_NONE = records.Page((), None, 0)


@strawberry.type(description="A model that was trained on some content.")
class TrainedModel:
    """A model that was trained on some content."""

    model: Artifact = strawberry.field(description="Which model.")
    direct: bool = strawberry.field(description="Whether one run used that very content and generated the model.")
    roles: list[Role] = strawberry.field(description="What that run used it for; empty where it is not direct.")
    digest: strawberry.Private[str]
    how: strawberry.Private[Match]

    @classmethod
    def of(cls, record: records.TrainedModel, digest: str, how: Match) -> TrainedModel:
        """Present a trained model."""
        model = Artifact.of(record.model)
        return cls(model=model, direct=record.direct, roles=list(record.roles), digest=digest, how=how)

    @resolved(
        "A shortest way on which the bytes came into the model. One question for each model that is asked for it."
    )
    def path(self, info: Info) -> Way | None:
        """Find a way."""
        repository = info.context.at(info).repository
        found = repository.training_path(self.digest, str(self.model.id), match=self.how, files=False)
        return Way.of(found) if found else None


def _ref(impact: Impact) -> str:
    return impact.ref


@strawberry.type(description="What stands on an artifact: how much, and as much of it as is asked for.")
class Impact:
    """What stands on an artifact."""

    runs: int = strawberry.field(description="How many runs lie downstream.")
    artifacts: int = strawberry.field(description="How many artifacts lie downstream.")
    model_count: int = strawberry.field(description="How many models were made from it.")
    evaluation_count: int = strawberry.field(description="How many evaluations there are.")
    record: strawberry.Private[records.Impact]
    ref: strawberry.Private[str]

    @classmethod
    def of(cls, record: records.Impact, ref: str) -> Impact:
        """Present an impact."""
        return cls(
            runs=record.runs,
            artifacts=record.artifacts,
            model_count=record.model_count,
            evaluation_count=record.evaluation_count,
            record=record,
            ref=ref,
        )

    @resolved("Models made from it, directly or not: the oldest.")
    def models(self, info: Info, first: First = IMPACT) -> list[Artifact]:
        """Return the first models."""
        page = self._models(info.context.at(info).repository, {"after": None, "limit": paging.checked_first(first)})
        return [Artifact.of(model) for model in page.items]

    @paged("Models made from it, directly or not, in pages, oldest first.", first=IMPACT, within=_ref)
    def all_models(self, asked: Asked) -> paging.Connection[Artifact]:
        """Page through the models."""
        return paging.from_page(self._models(asked.repository, asked.part), asked, Artifact.of)

    @resolved("Evaluations of those models, or on it: the oldest.")
    def evaluations(self, info: Info, first: First = IMPACT) -> list[Evaluation]:
        """Return the first evaluations."""
        part: Part = {"after": None, "limit": paging.checked_first(first)}
        page = self._evaluations(info.context.at(info).repository, part)
        return [Evaluation.of(item) for item in page.items]

    @paged("Evaluations of those models, or on it, in pages, oldest first.", first=IMPACT, within=_ref)
    def all_evaluations(self, asked: Asked) -> paging.Connection[Evaluation]:
        """Page through the evaluations."""
        return paging.from_page(self._evaluations(asked.repository, asked.part), asked, Evaluation.of)

    @resolved("Aliases that stand for anything downstream of it.")
    def aliases(self) -> list[Alias]:
        """Return the aliases."""
        return [Alias.of(alias) for alias in self.record.aliases]

    def _models(self, repository: Repository, part: Part) -> records.Page:
        return _standing(repository, self.ref, "model", part) if self.model_count else _NONE

    def _evaluations(self, repository: Repository, part: Part) -> records.Page:
        return _standing(repository, self.ref, "evaluation", part) if self.evaluation_count else _NONE


def _standing(repository: Repository, ref: str, kind: str, part: Part) -> records.Page:
    return repository.closure(ref, direction=Direction.DOWN, kinds=[kind], **part)


@strawberry.type(description="Models by datasets, with the newest evaluation of each pair.")
class MetricsTable:
    """Models by datasets, with the newest evaluation of each pair."""

    models: list[Artifact] = strawberry.field(description="The rows.")
    datasets: list[Artifact] = strawberry.field(description="The columns.")
    metrics: list[str] = strawberry.field(description="The names of all metrics, sorted.")
    cells: list[Evaluation] = strawberry.field(description="At most one evaluation for each model and dataset.")

    @classmethod
    def of(cls, record: records.MetricsTable) -> MetricsTable:
        """Present a table."""
        return cls(
            models=[Artifact.of(model) for model in record.models],
            datasets=[Artifact.of(dataset) for dataset in record.datasets],
            metrics=list(record.metrics),
            cells=[Evaluation.of(cell) for cell in record.cells],
        )


@strawberry.type(description="One event with its place in the log.")
class LogEntry:
    """One event with its place in the log."""

    position: int = strawberry.field(description="From 0 up.")
    id: strawberry.ID = strawberry.field(description="The event's id, and that of what it made.")
    kind: str = strawberry.field(description="The event's word: `artifact`, `run.started`, `alias`, …")
    at: Time = strawberry.field(description="When it happened.")
    actor: str = strawberry.field(description="The id of the key that signed it.")
    record: strawberry.Private[records.LogEntry]

    @classmethod
    def of(cls, record: records.LogEntry) -> LogEntry:
        """Present a log entry."""
        return cls(
            position=record.position,
            id=strawberry.ID(str(record.id)),
            kind=record.kind,
            at=Time(record.at),
            actor=record.actor,
            record=record,
        )

    @resolved("What is said, as the log's format has it.")
    def statement(self) -> JSON:
        """Write the statement as JSON."""
        return JSON(records.to_json(self.record.statement))


@strawberry.type(description="How far an index has followed the log.")
class IndexStatus:
    """How far an index has followed the log."""

    engine: str = strawberry.field(description="The kind of database.")
    events: int | None = strawberry.field(description="How many events it holds; null where it cannot say.")
    behind: int | None = strawberry.field(description="How many events it lacks; null where it cannot say.")
    problem: str | None = strawberry.field(description="Why it cannot say.")


@strawberry.type(description="The repository that is being served.")
class RepositoryInfo:
    """The repository that is being served."""

    id: str = strawberry.field(description="32 hexadecimal digits, made with the repository.")
    url: str = strawberry.field(description="Where it lies; holds no credentials.")
    format: int = strawberry.field(description="The version of its format.")

    @resolved("The version of lin that serves it.")
    def version(self) -> str:
        """Return lin's version."""
        return __version__

    @resolved("How many events the log holds.")
    def events(self, info: Info) -> int:
        """Count the log's events."""
        return max((s.events or 0) + (s.behind or 0) for s in info.context.repository.index_status())

    @resolved("How far each index has followed the log.")
    def indexes(self, info: Info) -> list[IndexStatus]:
        """Ask the indexes."""
        return [
            IndexStatus(engine=status.engine, events=status.events, behind=status.behind, problem=status.problem)
            for status in info.context.repository.index_status()
        ]

    @resolved(
        "What is out of the ordinary right now, in sentences: that the embedded graph answers, as the server for the "
        "graph cannot be reached, and why. `extensions.notices` of any response says it of that response."
    )
    def notices(self, info: Info) -> list[str]:
        """Ask for nothing, and hear who answers."""
        with standing_in() as heard:
            info.context.repository.graph.get(())
        return heard

    @resolved("The log's signed checkpoint, a C2SP signed note: proof of what was there.")
    def checkpoint(self, info: Info) -> str:
        """Read the checkpoint."""
        return info.context.repository.checkpoint()

    @resolved("The log's verifier key in signed-note form.")
    def log_key(self, info: Info) -> str:
        """Read the log's key."""
        return info.context.repository.log_key()
