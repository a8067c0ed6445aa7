"""What the resolvers of one request share: the repository, the time that is left, and the data loaders.

A field of many objects is answered by one call for all of them, never by one call each: its resolver hands
its id to a loader, and the loader asks once for all ids that have come together. Everything here
runs on the request's own thread (`lin.api.execution`), so loaders call the repository directly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.dataloader import DataLoader

from lin import records
from lin.repository import Found, Repository
from lin.store.digest import Digest

K = TypeVar("K")
R = TypeVar("R")
V = TypeVar("V")


MAX_ITEMS = 200_000
"""Items of all lists of one answer together."""


class ExhaustedError(BaseException):
    """Stop a request at once.

    Not an `Exception`, since GraphQL would make a null of that and go on with all that is left.
    """

    def __init__(self, error: GraphQLError) -> None:
        super().__init__(error.message)
        self.error = error


class Context:
    """Hold what one request needs, and what it has left.

    Args:
        repository: Answers everything.
        seconds: How long the request may take.
    """

    def __init__(self, repository: Repository, seconds: float) -> None:
        self._repository = repository
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._items = MAX_ITEMS
        self._presented: dict[tuple[Callable[[Any], Any], int], tuple[object, Any]] = {}

    @property
    def repository(self) -> Repository:
        """The repository, as long as there is time left."""
        if time.monotonic() > self._deadline:
            raise too_slow(self._seconds)
        return self._repository

    @contextmanager
    def as_of(self, moment: str | None) -> Iterator[Repository]:
        """Lend the repository as it was at a moment; None for the present."""
        if moment is None:
            yield self.repository
            return
        with self.repository.as_of(moment) as past:
            yield past

    def spend(self, items: int) -> None:
        """Count items of a list that is about to be completed.

        What is nested can multiply: a thousand artifacts with one content are a million artifacts two levels on.

        Raises:
            ExhaustedError: The answer has become too large, or has taken too long.
        """
        self._items -= items
        if self._items < 0:
            raise ExhaustedError(
                GraphQLError(
                    f"the answer is too large: more than {MAX_ITEMS:,} items",
                    extensions={"code": "INVALID_QUERY", "hint": "Ask for fewer nested lists, or a smaller 'first'."},
                )
            )
        if time.monotonic() > self._deadline:
            raise ExhaustedError(too_slow(self._seconds))

    def once(self, present: Callable[[R], V], record: R) -> V:
        """Present a record, or return how it was presented before: many objects may lead to the same one."""
        key = (present, id(record))
        if key not in self._presented:
            # With the record, which must live as long as its id stands for it.
            self._presented[key] = (record, present(record))
        presented: V = self._presented[key][1]
        return presented

    def all_once(self, present: Callable[[R], V], records: Sequence[R]) -> list[V]:
        """Present a loader's records as `once` does."""
        return [self.once(present, record) for record in records]

    # ------------------------------------------------------------------ loaders

    @cached_property
    def found(self) -> DataLoader[bytes, Found | None]:
        """Records by id (32 bytes)."""
        return self._loader(self._found, None)

    @cached_property
    def used(self) -> DataLoader[bytes, Sequence[records.Used]]:
        """What runs used, by the run's id."""
        return self._loader(self._used, ())

    @cached_property
    def generated(self) -> DataLoader[bytes, Sequence[records.Artifact]]:
        """What runs generated, by the run's id."""
        return self._loader(self._generated, ())

    @cached_property
    def evaluations_of(self) -> DataLoader[bytes, Sequence[records.Evaluation]]:
        """Evaluations by the id of their model."""
        return self._loader(
            lambda ids: _grouped(self.repository.evaluations(models=ids), lambda e: e.model.id.value), ()
        )

    @cached_property
    def evaluations_on(self) -> DataLoader[bytes, Sequence[records.Evaluation]]:
        """Evaluations by the id of their dataset."""
        return self._loader(
            lambda ids: _grouped(self.repository.evaluations(datasets=ids), lambda e: e.dataset.id.value), ()
        )

    @cached_property
    def aliases(self) -> DataLoader[bytes, Sequence[records.Alias]]:
        """Aliases by the id of the artifact they stand for."""

        def load(ids: Sequence[bytes]) -> Mapping[bytes, Sequence[records.Alias]]:
            wanted = set(ids)
            standing: dict[bytes, list[records.Alias]] = {}
            for alias in self.repository.aliases():
                for artifact in alias.artifacts:
                    if artifact.id.value in wanted:
                        standing.setdefault(artifact.id.value, []).append(alias)
            return standing

        return self._loader(load, ())

    @cached_property
    def experiments(self) -> DataLoader[str, records.Experiment | None]:
        """Experiments by name."""
        return self._loader(lambda _: {e.name: e for e in self.repository.experiments()}, None)

    @cached_property
    def details(self) -> DataLoader[Digest, Mapping[str, Any] | None]:
        """Erasable detail blobs by digest; each is a small file of its own."""
        return self._loader(lambda digests: {digest: self.repository.detail(digest) for digest in digests}, None)

    # Each looks at the clock when it is called, not when the loader is made.

    def _found(self, ids: Sequence[bytes]) -> Mapping[bytes, Found]:
        return self.repository.get_many(ids)

    def _used(self, runs: Sequence[bytes]) -> Mapping[bytes, Sequence[records.Used]]:
        return self.repository.used(runs)

    def _generated(self, runs: Sequence[bytes]) -> Mapping[bytes, Sequence[records.Artifact]]:
        return self.repository.generated(runs)

    def _loader(self, load: Callable[[Sequence[K]], Mapping[K, V]], missing: V) -> DataLoader[K, V]:
        async def batch(keys: list[K]) -> list[V]:
            answers = load(keys)
            return [answers.get(key, missing) for key in keys]

        return DataLoader(load_fn=batch)


Info: TypeAlias = strawberry.Info[Context, None]
"""What every resolver is handed."""


def too_slow(seconds: float) -> GraphQLError:
    """Return the error for a request that took longer than it may."""
    return GraphQLError(
        f"the request took longer than {seconds:g} s",
        extensions={
            "code": "TIMEOUT",
            "hint": "Ask for less at a time: fewer nested lists, a smaller 'first', depth or maxNodes. "
            "A mutation may have been carried out all the same; it is safe to send it again.",
        },
    )


def _grouped(items: Sequence[V], key: Callable[[V], K]) -> Mapping[K, Sequence[V]]:
    groups: dict[K, list[V]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
