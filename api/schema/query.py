"""The questions: each resolver is one call of a use case.

Wherever an argument is a `ref` or an id, every form of the command line is taken: `name`, `name@v3`,
`name@alias`, `name@{2026-03-01}`, an id, a digest, or any unique prefix of one. What a ref decides may be null,
so that a wrong ref spoils its own answer and not the others of the same request.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Annotated

import strawberry

from lin import records
from lin.errors import InvalidInputError, NotFoundError
from lin.lineage import graph
from lin.lineage.graph import Cursor
from lin.lineage.words import ArtifactKind
from lin.repository import Repository
from lin.tables import match as matching

from . import paging, tracing
from .answers import Impact, LogEntry, MetricsTable, RepositoryInfo, TrainedModel
from .arguments import (
    After,
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
from .relating import Diff, Leak, Way
from .tables import TableQueries
from .words import Direction, Match, ThingKind

_ID = re.compile(r"[0-9a-f]{64}")


@strawberry.type(description="What can be asked.")
class Query(TableQueries):
    """What can be asked."""

    @resolved("Whatever an id or ref means; null where it means nothing.")
    def node(
        self,
        info: Info,
        *,
        id: Annotated[strawberry.ID, strawberry.argument(description="An id, or any other ref.")],  # noqa: A002 (Relay's name)
    ) -> Node | None:
        """Look up anything; a whole id is taken as one, even where something is named like it."""
        repository = info.context.repository
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
    def artifact(self, info: Info, ref: Ref) -> Artifact | None:
        """Look up an artifact."""
        return Artifact.of(info.context.repository.artifact(ref))

    @resolved("The run that a ref means.")
    def run(self, info: Info, ref: Ref) -> Run | None:
        """Look up a run."""
        return Run.of(info.context.repository.run(ref))

    @resolved("The experiment of this name.")
    def experiment(
        self, info: Info, name: Annotated[str, strawberry.argument(description="Its whole name.")]
    ) -> Experiment | None:
        """Look up an experiment."""
        return Experiment.of(info.context.repository.experiment(name))

    @resolved("Artifacts of any kind, in the order they were recorded.")
    def artifacts(
        self,
        info: Info,
        *,
        kinds: Kinds = None,
        name: Name = None,
        text: Text = None,
        newest_first: NewestFirst = True,
        first: First = paging.DEFAULT,
        after: After = None,
        as_of: AsOf = None,
    ) -> paging.Connection[Artifact]:
        """Page through artifacts."""
        return _artifacts(
            info,
            kinds=kinds or [],
            name=name,
            text=text,
            newest_first=newest_first,
            first=first,
            after=after,
            as_of=as_of,
        )

    @resolved("Artifacts that are models.")
    def models(
        self,
        info: Info,
        *,
        name: Name = None,
        text: Text = None,
        newest_first: NewestFirst = True,
        first: First = paging.DEFAULT,
        after: After = None,
        as_of: AsOf = None,
    ) -> paging.Connection[Artifact]:
        """Page through models."""
        return _artifacts(
            info,
            kinds=[ArtifactKind.MODEL],
            name=name,
            text=text,
            newest_first=newest_first,
            first=first,
            after=after,
            as_of=as_of,
        )

    @resolved("Artifacts that are datasets.")
    def datasets(
        self,
        info: Info,
        *,
        name: Name = None,
        text: Text = None,
        newest_first: NewestFirst = True,
        first: First = paging.DEFAULT,
        after: After = None,
        as_of: AsOf = None,
    ) -> paging.Connection[Artifact]:
        """Page through datasets."""
        return _artifacts(
            info,
            kinds=[ArtifactKind.DATASET],
            name=name,
            text=text,
            newest_first=newest_first,
            first=first,
            after=after,
            as_of=as_of,
        )

    @resolved("Runs, in the order they began.")
    def runs(
        self,
        info: Info,
        *,
        experiment: InExperiment = None,
        statuses: Statuses = None,
        newest_first: NewestFirst = True,
        first: First = paging.DEFAULT,
        after: After = None,
        as_of: AsOf = None,
    ) -> paging.Connection[Run] | None:
        """Page through runs."""
        asked = paging.request(
            "runs",
            first,
            after,
            experiment=experiment,
            statuses=statuses,
            newest_first=newest_first,
            as_of=as_of,
        )
        with info.context.as_of(as_of) as repository:
            page = repository.runs(
                experiment=experiment,
                statuses=statuses or (),
                newest_first=newest_first,
                after=asked.after,
                limit=asked.limit,
            )
        return paging.from_page(page, asked, Run.of)

    @resolved("Experiments, by name.")
    def experiments(
        self, info: Info, text: Text = None, first: First = paging.DEFAULT, after: After = None
    ) -> paging.Connection[Experiment]:
        """Page through experiments."""
        found = info.context.repository.experiments(text=text)
        return paging.from_sequence(
            found, paging.request("experiments", first, after, text=text), Experiment.of, experiment_place
        )

    @resolved("Evaluations that meet every condition given, oldest first.")
    def evaluations(
        self,
        info: Info,
        *,
        models: Refs = None,
        datasets: Refs = None,
        experiment: InExperiment = None,
        first: First = paging.DEFAULT,
        after: After = None,
    ) -> paging.Connection[Evaluation] | None:
        """Page through evaluations."""
        repository = info.context.repository
        found = repository.evaluations(
            models=[repository.artifact(ref).id.value for ref in models or ()],
            datasets=[repository.artifact(ref).id.value for ref in datasets or ()],
            experiment=experiment,
        )
        return paging.from_sequence(
            found,
            paging.request("evaluations", first, after, models=models, datasets=datasets, experiment=experiment),
            Evaluation.of,
            paging.place_of,
        )

    @resolved("Things by name, kind and value, newest first: the first of them. `found` has them all, in pages.")
    def search(
        self,
        info: Info,
        *,
        text: Text = None,
        kinds: ThingKinds = None,
        where: Where = None,
        first: First = 50,
    ) -> list[Node]:
        """Search."""
        page = _search(info, text, kinds, where, limit=paging.checked_first(first))
        return [present(item) for item in page.items]

    @resolved("Things by name, kind and value, newest first.")
    def found(
        self,
        info: Info,
        *,
        text: Text = None,
        kinds: ThingKinds = None,
        where: Where = None,
        first: First = 50,
        after: After = None,
        as_of: AsOf = None,
    ) -> paging.Connection[Node] | None:
        """Search in pages."""
        asked = paging.request("found", first, after, text=text, kinds=kinds, where=where, as_of=as_of)
        page = _search(info, text, kinds, where, limit=asked.limit, after=asked.after, as_of=as_of)
        return paging.from_page(page, asked, present)

    @resolved("The models trained on some data: on these bytes, or on what matches.")
    def models_trained_on(
        self,
        info: Info,
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
        first: First = paging.DEFAULT,
        after: After = None,
        as_of: AsOf = None,
    ) -> paging.Connection[TrainedModel] | None:
        """Page through the models trained on some data."""
        how = matching.Match(matching.By(match.value), min)
        asked = paging.request(
            "modelsTrainedOn", first, after, ref=ref, match=str(how), transitive=transitive, as_of=as_of
        )
        with info.context.as_of(as_of) as repository:
            digest = _digest(repository, ref)
            page = repository.models_trained_on(
                digest, transitive=transitive, after=asked.after, limit=asked.limit, match=how, files=False
            )
        return paging.from_page(
            page, asked, lambda item: TrainedModel.of(item, digest, as_of, how), lambda item: item.model
        )

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
        with info.context.as_of(as_of) as repository:
            return tracing.trace(repository, ref, direction, depth, max_nodes)

    @resolved("All that made something, or that stands on it, in the order of creation, counted.")
    def closure(
        self,
        info: Info,
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
        first: First = paging.DEFAULT,
        after: After = None,
        as_of: AsOf = None,
    ) -> paging.Connection[Node] | None:
        """Page through a closure."""
        if direction is Direction.BOTH:
            raise InvalidInputError("a closure goes one way: not BOTH", hint="Ask once UP and once DOWN.")
        asked = paging.request(
            "closure",
            first,
            after,
            ref=ref,
            direction=direction,
            kinds=kinds,
            depth=depth,
            since=since,
            until=until,
            as_of=as_of,
        )
        with info.context.as_of(as_of) as repository:
            page = repository.closure(
                ref,
                direction=graph.Direction(direction.value),
                kinds=[kind.value for kind in kinds or ()],
                depth=depth,
                since=since,
                until=until,
                after=asked.after,
                limit=asked.limit,
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
        with info.context.as_of(as_of) as repository:
            found = repository.path(source, target)
        return Way.of(found) if found else None

    @resolved("Evaluations of models on data that these models learned from, whole or in part, oldest first.")
    def leaks(
        self,
        info: Info,
        *,
        model: Annotated[str | None, strawberry.argument(description="Only of this model: a ref.")] = None,
        experiment: InExperiment = None,
        first: First = paging.DEFAULT,
        after: After = None,
        as_of: AsOf = None,
    ) -> paging.Connection[Leak] | None:
        """Page through leaks."""
        asked = paging.request("leaks", first, after, model=model, experiment=experiment, as_of=as_of)
        with info.context.as_of(as_of) as repository:
            page = repository.leaks(model, experiment=experiment, after=asked.after, limit=asked.limit)
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
        with info.context.as_of(as_of) as repository:
            return Diff.of(repository.diff(old, new, patches=patches))

    @resolved("The models, evaluations and aliases that stand on an artifact.")
    def impact(self, info: Info, ref: Ref, as_of: AsOf = None) -> Impact | None:
        """Ask what stands on an artifact: how much, and more only where that is asked for."""
        with info.context.as_of(as_of) as repository:
            return Impact.of(repository.impact(ref, limit=0), ref, as_of)

    @resolved("Models by datasets with the newest evaluation of each pair.")
    def metrics(
        self, info: Info, experiment: InExperiment = None, models: Refs = None, datasets: Refs = None
    ) -> MetricsTable | None:
        """Return the metrics table."""
        return MetricsTable.of(
            info.context.repository.metrics(experiment=experiment, models=models or (), datasets=datasets or ())
        )

    @resolved("Where aliases stand.")
    def aliases(self, info: Info, name: Name = None) -> list[Alias]:
        """List aliases."""
        return [Alias.of(alias) for alias in info.context.repository.aliases(name)]

    @resolved("The events of the log.")
    def log(
        self,
        info: Info,
        *,
        kinds: Annotated[
            list[str] | None,
            strawberry.argument(description="Only events of these words: `artifact`, `run.started`, `alias`, …"),
        ] = None,
        newest_first: NewestFirst = True,
        first: First = paging.DEFAULT,
    ) -> list[LogEntry]:
        """Read the log."""
        size = paging.checked_first(first)
        entries = info.context.repository.log(newest_first=newest_first, limit=size, kinds=kinds or ())
        return [LogEntry.of(entry) for entry in islice(entries, size)]

    @resolved("The repository that is being served.")
    def repository(self, info: Info) -> RepositoryInfo:
        """Describe the repository."""
        repository = info.context.repository
        return RepositoryInfo(id=repository.id, url=repository.url, format=repository.format)


def _artifacts(
    info: Info,
    *,
    kinds: list[ArtifactKind],
    name: str | None,
    text: str | None,
    newest_first: bool,
    first: int,
    after: str | None,
    as_of: str | None,
) -> paging.Connection[Artifact]:
    asked = paging.request(
        "artifacts", first, after, kinds=kinds, name=name, text=text, newest_first=newest_first, as_of=as_of
    )
    with info.context.as_of(as_of) as repository:
        page = repository.artifacts(
            kinds=kinds, name=name, text=text, newest_first=newest_first, after=asked.after, limit=asked.limit
        )
    return paging.from_page(page, asked, Artifact.of)


def _search(
    info: Info,
    text: str | None,
    kinds: list[ThingKind] | None,
    where: str | None,
    *,
    limit: int,
    after: Cursor | None = None,
    as_of: str | None = None,
) -> records.Page:
    if text is not None and not text.strip():
        raise InvalidInputError(f"nothing to search for: {text!r}", hint="Give at least one character.")
    if text is None and not kinds and where is None:
        raise InvalidInputError("nothing to search for", hint="Give a text, kinds, or conditions in 'where'.")
    with info.context.as_of(as_of) as repository:
        return repository.search(
            text, kinds=[kind.value for kind in kinds or ()], where=where, after=after, limit=limit
        )


def _digest(repository: Repository, ref: str) -> str:
    """Return the digest of what a ref means: one that means nothing would be looked for among the server's files."""
    found = repository.resolve(ref)
    if not isinstance(found, (records.Artifact, records.Content)):
        raise InvalidInputError(
            f"{ref!r} is not an artifact, so nothing was trained on it", hint="Give a dataset's name or digest."
        )
    return str(found.digest)
