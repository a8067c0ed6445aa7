"""Ask what the graph knows: what made a thing, what stands on it, and how things differ."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lin.errors import (
    InvalidInputError,
    NotFoundError,
)
from lin.lineage import questions
from lin.lineage.graph import Cursor, Direction, Graph

from . import answers, moments, refs
from .contents import Contents
from .given import given_path
from .reading import Found
from .records import Artifact, Content, Evaluation, Impact, MetricsTable, Page, Trace, Way

if TYPE_CHECKING:
    from .differing import Diff


class Asking(Contents):
    """The questions. None reads bytes but `diff`."""

    def trace(
        self,
        ref: str,
        *,
        direction: Direction = Direction.UP,
        depth: int | None = None,
        max_nodes: int | None = 10_000,
    ) -> Trace:
        """Return everything that made it (up) or stands on it (down), with the edges between. Reads no bytes.

        A digest means every artifact with those bytes; an experiment means everything in it.
        """
        graph = self.graph
        start = answers.starts(graph, refs.resolve(graph, ref))
        return answers.trace(graph, start, direction, depth=depth, max_nodes=max_nodes)

    def impact(self, ref: str, *, limit: int | None = 100) -> Impact:
        """Return how many models, evaluations and aliases stand on an artifact, and the first of them.

        Args:
            ref: A ref; a digest means every artifact with those bytes.
            limit: At most so many models and evaluations; `closure` downstream has all of them, in pages.
        """
        graph = self.graph
        return answers.impact(graph, answers.starts(graph, refs.resolve(graph, ref)), limit)

    def closure(
        self,
        ref: str,
        *,
        direction: Direction = Direction.UP,
        kinds: Collection[str] = (),
        depth: int | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        after: Cursor | None = None,
        limit: int | None = 100,
    ) -> Page:
        """Return everything that made it (up) or stands on it (down), counted, as a page in the order of creation.

        Args:
            ref: A ref; a digest means every artifact with those bytes, an experiment everything in it.
            direction: Which way.
            kinds: Words: artifact kinds and `run`, all of these when empty; downstream also `evaluation`.
            depth: At most so many links away.
            since: Only what was made then or later: a day (from its beginning) or a time. Ways lead through the rest.
            until: Only what was made then or earlier: a day (to its end) or a time.
            after: Only what comes after this cursor.
            limit: At most so many.

        Raises:
            InvalidInputError: A kind does not exist, or a time or depth cannot be read.
        """
        graph = self.graph
        return answers.closure(
            graph,
            answers.starts(graph, refs.resolve(graph, ref)),
            direction,
            kinds=kinds,
            depth=depth,
            since=moments.micros(since, end_of_day=False),
            until=moments.micros(until, end_of_day=True),
            after=after,
            limit=limit,
        )

    def path(self, one: str, other: str) -> Way | None:
        """Return a shortest way from one thing to another along which data flowed; None where there is none.

        If nothing leads from the first to the second, a way back is looked for and told as `backwards`.

        Args:
            one: A ref of an artifact, a run, an evaluation, or bytes by their digest.
            other: Likewise.
        """
        graph = self.graph
        return answers.path(graph, refs.resolve(graph, one), refs.resolve(graph, other))

    def _way_into(self, contents: Collection[bytes], model: str) -> Way | None:
        graph = self.graph
        made = refs.resolve_artifact(graph, model).id.value
        found = questions.training_path(graph, contents, made)
        return None if found is None else answers.way(graph, found, next(iter(contents)))

    def training_path(self, ref: str | Path, model: str) -> Way | None:
        """Return a shortest way on which bytes came into a model by training; None if they did not.

        Args:
            ref: The bytes: a ref, or a file or folder on disk.
            model: A ref of a model.
        """
        return self._way_into(self._contents(ref), model)

    def leaks(
        self,
        model: str | None = None,
        *,
        experiment: str | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Page:
        """Return the evaluations of models on bytes that these models learned from, as a page of `Leak`.

        A model learned from everything that a run used as `train`, `input` or `base-model` on the way to it, directly
        or through derived data and other models. It is the bytes that count, whatever they were called.

        Args:
            model: A ref: only evaluations of this model.
            experiment: Only evaluations of the models of this experiment.
            after: Only what comes after this cursor.
            limit: At most so many.
        """
        graph = self.graph
        models: Collection[bytes] | None = None
        if model is not None:
            models = [refs.resolve_artifact(graph, model).id.value]
        if experiment is not None:
            members = questions.models_of(graph, self.experiment(experiment).id)
            models = members if models is None else [each for each in models if each in members]
        return answers.leaks(graph, models, after=after, limit=limit)

    def diff(self, old: str, new: str, *, patches: bool = False) -> Diff:
        """Compare two runs, or two models by the runs that made them.

        Args:
            old: A ref of a run or artifact.
            new: Likewise.
            patches: Also compare text files line by line.

        Raises:
            InvalidInputError: One of them is neither a run nor an artifact.
        """
        from .differing import diff  # noqa: PLC0415 - few questions compare files

        graph = self.graph
        found = [_one_artifact(graph, refs.resolve(graph, ref), ref) for ref in (old, new)]
        return diff(graph, self.store, *found, patches=patches)

    def models_trained_on(
        self, ref: str | Path, *, transitive: bool = False, after: Cursor | None = None, limit: int | None = None
    ) -> Page:
        """Return the models trained on exactly these bytes, as a page of `TrainedModel`.

        Args:
            ref: A ref, or a file or folder on disk, which need not have been put. A ref wins.
            transitive: Also through derived datasets and base models.
            after: Only what comes after this cursor.
            limit: At most so many.

        Raises:
            NotFoundError: It is neither.
        """
        graph = self.graph
        return answers.models_trained_on(graph, self._contents(ref), transitive=transitive, after=after, limit=limit)

    def _contents(self, ref: str | Path) -> Collection[bytes]:
        path = given_path(ref, "a dataset")
        if isinstance(ref, str):
            try:
                found = self.resolve(ref)
            except (NotFoundError, InvalidInputError):
                if not path.exists():
                    raise
            else:
                if isinstance(found, (Artifact, Content)):
                    return [found.digest.value]
                raise InvalidInputError(f"{ref!r} is not an artifact, so nothing was trained on it")
        return [self.digest_of(path).value]

    def evaluations(
        self,
        *,
        models: Collection[bytes] = (),
        datasets: Collection[bytes] = (),
        experiment: str | None = None,
    ) -> Sequence[Evaluation]:
        """Return the evaluations that meet every condition given (ids of 32 bytes), oldest first."""
        group = self.experiment(experiment).id if experiment is not None else None
        return answers.evaluations(self.graph, models=models, datasets=datasets, experiment=group)

    def metrics(
        self, *, experiment: str | None = None, models: Sequence[str] = (), datasets: Sequence[str] = ()
    ) -> MetricsTable:
        """Return models × datasets with the newest evaluation of each pair; refs narrow it down."""
        rows = [self.artifact(ref).id.value for ref in models]
        columns = [self.artifact(ref).id.value for ref in datasets]
        return answers.table(self.evaluations(models=rows, datasets=columns, experiment=experiment))


def _one_artifact(graph: Graph, found: Found, ref: str) -> Found:
    return refs.resolve_artifact(graph, ref) if isinstance(found, Content) else found
