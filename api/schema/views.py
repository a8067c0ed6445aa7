"""The repository as of one moment, with data loaders.

A field of many objects is answered by one call for all of them, never by one call each: its resolver hands
its id to a loader, and the loader asks once for all ids that have come together. Everything here
runs on the request's own thread (`lin.api.execution`), so loaders call the repository directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from strawberry.dataloader import DataLoader

from lin import records
from lin.repository import Found, Repository
from lin.store.digest import Digest

K = TypeVar("K")
V = TypeVar("V")


class View:
    """What one request sees of the repository at one moment.

    Args:
        repository: As it is, or as it was then.
        moment: What the client called it; None for the present.
        look_at_the_clock: Called before each question; raises if no time is left.
    """

    def __init__(self, repository: Repository, moment: str | None, look_at_the_clock: Callable[[], None]) -> None:
        self._repository = repository
        self.moment = moment
        self._look_at_the_clock = look_at_the_clock

    @property
    def repository(self) -> Repository:
        """The repository, as long as there is time left."""
        self._look_at_the_clock()
        return self._repository

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


def _grouped(items: Sequence[V], key: Callable[[V], K]) -> Mapping[K, Sequence[V]]:
    groups: dict[K, list[V]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
