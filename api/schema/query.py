"""The questions: each resolver is one call of a use case.

Wherever an argument is a `ref` or an id, every form of the command line is taken: `name`, `name@v3`,
`name@alias`, `name@{2026-03-01}`, an id, a digest, or any unique prefix of one. What a ref decides may be null,
so that a wrong ref spoils its own answer and not the others of the same request.
"""

from __future__ import annotations

import re
from typing import Annotated

import strawberry

from lin import records
from lin.errors import InvalidInputError, NotFoundError
from lin.lineage import graph
from lin.lineage.words import ArtifactKind
from lin.repository import Repository
from lin.tables import match as matching

from . import paging, tracing
from .answers import Impact, LogEntry, MetricsTable, RepositoryInfo, TrainedModel
from .arguments import (
    AsOf,
    First,
    InExperiment,
    Kinds,
    Name,
    NewestFirst,
    Ref,
    Refs,
    Statuses,
    Text,
    ThingKinds,
    Where,
)
from .context import Info
from .fields import resolved
from .nodes import Alias, Artifact, Evaluation, Experiment, Node, Run, experiment_place, present
from .paged import Asked, Part, paged
from .relating import Diff, Leak, Way
from .tables import TableQueries
from .words import Direction, Match, ThingKind

_ID = re.compile(r"[0-9a-f]{64}")
_FOUND = 50
"""Things that a search finds at once by default."""


@strawberry.type(description="What can be asked.")
class Query(TableQueries):
    """What can be asked."""

    @resolved("Whatever an id or ref means; null where it means nothing.")
    def node(
        self,
        info: Info,
        *,
        id: Annotated[strawberry.ID, strawberry.argument(description="An id, or any other ref.")],  # noqa: A002 (Relay's name)
        as_of: AsOf = None,
    ) -> Node | None:
        """Look up anything; a whole id is taken as one, even where something is named like it."""
        repository = info.context.enter(info, as_of).repository
        if _ID.fullmatch(id):
            key = bytes.fromhex(id)
            found = repository.get_many([key]).get(key)
            if found is not None:
                return present(found)
        try:
            return present(repository.resolve(id))
        except NotFoundError:
            return None

    @resolved("The one artifact that a ref means; a digest that several hold is ambiguous.")
    def artifact(self, info: Info, ref: Ref, as_of: AsOf = None) -> Artifact | None:
        """Look up an artifact."""
        return Artifact.of(info.context.enter(info, as_of).repository.artifact(ref))

    @resolved("The run that a ref means.")
    def run(self, info: Info, ref: Ref, as_of: AsOf = None) -> Run | None:
        """Look up a run."""
        return Run.of(info.context.enter(info, as_of).repository.run(ref))

    @resolved("The experiment of this name.")
    def experiment(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="Its whole name.")],
        as_of: AsOf = None,
    ) -> Experiment | None:
        """Look up an experiment."""
        return Experiment.of(info.context.enter(info, as_of).repository.experiment(name))

    @paged("Artifacts of any kind, in the order they were recorded.")
    def artifacts(
        self,
        asked: Asked,
        *,
        kinds: Kinds = None,
        name: Name = None,
        text: Text = None,
        newest_first: NewestFirst = True,
    ) -> paging.Connection[Artifact]:
        """Page through artifacts."""
        page = asked.repository.artifacts(
            kinds=kinds or (), name=name, text=text, newest_first=newest_first, **asked.part
        )
        return paging.from_page(page, asked, Artifact.of)

    @paged("Artifacts that are models.")
    def models(
        self, asked: Asked, *, name: Name = None, text: Text = None, newest_first: NewestFirst = True
    ) -> paging.Connection[Artifact]:
        """Page through models."""
        page = asked.repository.artifacts(
            kinds=[ArtifactKind.MODEL], name=name, text=text, newest_first=newest_first, **asked.part
        )
        return paging.from_page(page, asked, Artifact.of)

    @paged("Artifacts that are datasets.")
    def datasets(
        self, asked: Asked, *, name: Name = None, text: Text = None, newest_first: NewestFirst = True
    ) -> paging.Connection[Artifact]:
        """Page through datasets."""
        page = asked.repository.artifacts(
            kinds=[ArtifactKind.DATASET], name=name, text=text, newest_first=newest_first, **asked.part
        )
        return paging.from_page(page, asked, Artifact.of)

    @paged("Runs, in the order they began.")
    def runs(
        self,
        asked: Asked,
        *,
        experiment: InExperiment = None,
        statuses: Statuses = None,
        newest_first: NewestFirst = True,
    ) -> paging.Connection[Run] | None:
        """Page through runs."""
        page = asked.repository.runs(
            experiment=experiment, statuses=statuses or (), newest_first=newest_first, **asked.part
        )
        return paging.from_page(page, asked, Run.of)

    @paged("Experiments, by name.")
    def experiments(self, asked: Asked, *, text: Text = None) -> paging.Connection[Experiment]:
        """Page through experiments."""
        found = asked.repository.experiments(text=text)
        return paging.from_sequence(found, asked, Experiment.of, experiment_place)

    @paged("Evaluations that meet every condition given, oldest first.")
    def evaluations(
        self, asked: Asked, *, models: Refs = None, datasets: Refs = None, experiment: InExperiment = None
    ) -> paging.Connection[Evaluation] | None:
        """Page through evaluations."""
        repository = asked.repository
        found = repository.evaluations(
            models=[repository.artifact(ref).id.value for ref in models or ()],
            datasets=[repository.artifact(ref).id.value for ref in datasets or ()],
            experiment=experiment,
        )
        return paging.from_sequence(found, asked, Evaluation.of, paging.place_of)

    @resolved("Things by name, kind and value, newest first: the first of them. `found` has them all, in pages.")
    def search(
        self,
        info: Info,
        *,
        text: Text = None,
        kinds: ThingKinds = None,
        where: Where = None,
        first: First = _FOUND,
        as_of: AsOf = None,
    ) -> list[Node]:
        """Search."""
        repository = info.context.enter(info, as_of).repository
        page = _search(repository, text, kinds, where, {"after": None, "limit": paging.checked_first(first)})
        if page.stopped:
            info.context.notices.append("search took too long and stopped: there may be more; `found` can go on")
        return [present(item) for item in page.items]

    @paged("Things by name, kind and value, newest first.", first=_FOUND)
    def found(
        self, asked: Asked, *, text: Text = None, kinds: ThingKinds = None, where: Where = None
    ) -> paging.Connection[Node] | None:
        """Search in pages."""
        return paging.from_page(_search(asked.repository, text, kinds, where, asked.part), asked, present)

    @paged("The models trained on some data: on these bytes, or on what matches.")
    def models_trained_on(
        self,
        asked: Asked,
        *,
        ref: Ref,
        match: Annotated[Match, strawberry.argument(description="When data counts as the same.")] = Match.BYTES,
        min: Annotated[  # noqa: A002 - it is its name
            float,
            strawberry.argument(description="With ROWS: which part of its rows, from 0 (not itself) to 1."),
        ] = 1.0,
        transitive: Annotated[
            bool, strawberry.argument(description="Also through datasets and models derived from it.")
        ] = False,
    ) -> paging.Connection[TrainedModel] | None:
        """Page through the models trained on some data."""
        how = matching.Match(matching.By(match.value), min)
        digest = _digest(asked.repository, ref)
        page = asked.repository.models_trained_on(digest, transitive=transitive, match=how, files=False, **asked.part)
        return paging.from_page(page, asked, lambda item: TrainedModel.of(item, digest, how), lambda item: item.model)

    @resolved("How something came to be, or what stands on it: nodes and links, flat.")
    def trace(
        self,
        info: Info,
        *,
        ref: Ref,
        direction: Annotated[Direction, strawberry.argument(description="Which way.")] = Direction.UP,
        depth: Annotated[
            int | None, strawberry.argument(description="How many links away at most; null for no limit.")
        ] = tracing.DEPTH,
        max_nodes: Annotated[
            int, strawberry.argument(description=f"How many nodes at most: 1 to {tracing.MOST_NODES:,}.")
        ] = tracing.NODES,
        as_of: AsOf = None,
    ) -> tracing.Trace | None:
        """Trace."""
        return tracing.trace(info.context.enter(info, as_of).repository, ref, direction, depth, max_nodes)

    @paged("All that made something, or that stands on it, in the order of creation, counted.")
    def closure(
        self,
        asked: Asked,
        *,
        ref: Ref,
        direction: Annotated[Direction, strawberry.argument(description="Which way: UP or DOWN.")] = Direction.UP,
        kinds: ThingKinds = None,
        depth: Annotated[int | None, strawberry.argument(description="How many links away at most.")] = None,
        since: Annotated[
            str | None, strawberry.argument(description="Only what was made then or later: a day or time.")
        ] = None,
        until: Annotated[
            str | None, strawberry.argument(description="Only what was made then or before: a day or time.")
        ] = None,
    ) -> paging.Connection[Node] | None:
        """Page through a closure."""
        if direction is Direction.BOTH:
            raise InvalidInputError("a closure goes one way: not BOTH", hint="Ask once UP and once DOWN.")
        page = asked.repository.closure(
            ref,
            direction=graph.Direction(direction.value),
            kinds=[kind.value for kind in kinds or ()],
            depth=depth,
            since=since,
            until=until,
            **asked.part,
        )
        return paging.from_page(page, asked, present)

    @resolved("A shortest way from one thing to another, or back; null where there is none.")
    def path(
        self,
        info: Info,
        *,
        source: Annotated[str, strawberry.argument(description="A ref of an artifact, run, evaluation or digest.")],
        target: Annotated[str, strawberry.argument(description="Likewise.")],
        as_of: AsOf = None,
    ) -> Way | None:
        """Find a way."""
        found = info.context.enter(info, as_of).repository.path(source, target)
        return Way.of(found) if found else None

    @paged("Evaluations of models on data that these models learned from, whole or in part, oldest first.")
    def leaks(
        self,
        asked: Asked,
        *,
        model: Annotated[str | None, strawberry.argument(description="Only of this model: a ref.")] = None,
        experiment: InExperiment = None,
    ) -> paging.Connection[Leak] | None:
        """Page through leaks."""
        page = asked.repository.leaks(model, experiment=experiment, **asked.part)
        return paging.from_page(page, asked, Leak.of, lambda leak: leak.evaluation)

    @resolved("How two runs, or two models by the runs that made them, differ.")
    def diff(
        self,
        info: Info,
        *,
        old: Annotated[str, strawberry.argument(description="A ref of a run or artifact.")],
        new: Annotated[str, strawberry.argument(description="Likewise.")],
        patches: Annotated[
            bool, strawberry.argument(description="Also compare text files line by line. Reads files.")
        ] = False,
        as_of: AsOf = None,
    ) -> Diff | None:
        """Compare."""
        return Diff.of(info.context.enter(info, as_of).repository.diff(old, new, patches=patches))

    @resolved("The models, evaluations and aliases that stand on an artifact.")
    def impact(self, info: Info, ref: Ref, as_of: AsOf = None) -> Impact | None:
        """Ask what stands on an artifact: how much, and more only where that is asked for."""
        return Impact.of(info.context.enter(info, as_of).repository.impact(ref, limit=0), ref)

    @resolved("Models by datasets with the newest evaluation of each pair.")
    def metrics(
        self,
        info: Info,
        *,
        experiment: InExperiment = None,
        models: Refs = None,
        datasets: Refs = None,
        as_of: AsOf = None,
    ) -> MetricsTable | None:
        """Return the metrics table."""
        repository = info.context.enter(info, as_of).repository
        return MetricsTable.of(repository.metrics(experiment=experiment, models=models or (), datasets=datasets or ()))

    @resolved("Where aliases stand.")
    def aliases(self, info: Info, name: Name = None, as_of: AsOf = None) -> list[Alias]:
        """List aliases."""
        return [Alias.of(alias) for alias in info.context.enter(info, as_of).repository.aliases(name)]

    @paged("The events of the log.")
    def log(
        self,
        asked: Asked,
        *,
        kinds: Annotated[
            list[str] | None,
            strawberry.argument(description="Only events of these words: `artifact`, `run.started`, `alias`, …"),
        ] = None,
        newest_first: NewestFirst = True,
    ) -> paging.Connection[LogEntry]:
        """Page through the log."""
        page = asked.repository.log_page(kinds=kinds or (), newest_first=newest_first, **asked.part)
        return paging.from_page(page, asked, LogEntry.of)

    @resolved("The repository that is being served.")
    def repository(self, info: Info) -> RepositoryInfo:
        """Describe the repository."""
        repository = info.context.repository
        return RepositoryInfo(id=repository.id, url=repository.url, format=repository.format)


def _search(
    repository: Repository, text: str | None, kinds: list[ThingKind] | None, where: str | None, part: Part
) -> records.Page:
    if text is not None and not text.strip():
        raise InvalidInputError(f"nothing to search for: {text!r}", hint="Give at least one character.")
    if text is None and not kinds and where is None:
        raise InvalidInputError("nothing to search for", hint="Give a text, kinds, or conditions in 'where'.")
    return repository.search(text, kinds=[kind.value for kind in kinds or ()], where=where, **part)


def _digest(repository: Repository, ref: str) -> str:
    """Return the digest of what a ref means: one that means nothing would be looked for among the server's files."""
    found = repository.resolve(ref)
    if not isinstance(found, (records.Artifact, records.Content)):
        raise InvalidInputError(
            f"{ref!r} is not an artifact, so nothing was trained on it", hint="Give a dataset's name or digest."
        )
    return str(found.digest)
