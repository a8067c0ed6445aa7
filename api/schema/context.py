"""What the resolvers of one request share: what they see of the repository, and the time and items that are left.

A field of the top level with `asOf` looks at the past, and so does all that is nested in it: which moment a field
is asked of is told by the field of the top level that it stands in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Self, TypeAlias, TypeVar

import strawberry
from graphql import GraphQLError

from lin.repository import Repository

from .views import View

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
        notices: What the client should know of how the answer came about; grows.
    """

    def __init__(self, repository: Repository, seconds: float, notices: list[str]) -> None:
        self.notices = notices
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._items = MAX_ITEMS
        self._presented: dict[tuple[Callable[[Any], Any], int], tuple[object, Any]] = {}
        self._present = View(repository, None, self._look_at_the_clock)
        self._past: dict[str, View] = {}
        self._moments: dict[str | int, str] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def repository(self) -> Repository:
        """The repository as it is, as long as there is time left: for changes, and what has no past."""
        return self._present.repository

    def enter(self, info: Info, moment: str | None) -> View:
        """Return the view of a moment, and let all that is nested in this field of the top level share it.

        Raises:
            InvalidInputError: There is no such moment.
        """
        if moment is None:
            return self._present
        if moment not in self._past:
            # Made from the log the first time. Where that takes too long, the next request goes on from there.
            past = self._open.enter_context(self.repository.as_of(moment, progress=self._note_progress))
            self._past[moment] = View(past, moment, self._look_at_the_clock)
        self._moments[_root(info)] = moment
        return self._past[moment]

    def at(self, info: Info) -> View:
        """Return the view that the field of the top level has in which this one is nested."""
        if not self._moments:
            return self._present
        moment = self._moments.get(_root(info))
        return self._present if moment is None else self._past[moment]

    def _note_progress(self, *_: object) -> None:
        if time.monotonic() > self._deadline:
            raise too_slow(self._seconds, "The past is read from the log the first time; ask again, and it goes on.")

    def _look_at_the_clock(self) -> None:
        if time.monotonic() > self._deadline:
            raise too_slow(self._seconds)

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


Info: TypeAlias = strawberry.Info[Context, None]
"""What every resolver is handed."""


def too_slow(seconds: float, hint: str = "") -> GraphQLError:
    """Return the error for a request that took longer than it may."""
    less = (
        "Ask for less at a time: fewer nested lists, a smaller 'first', depth or maxNodes. "
        "A mutation may have been carried out all the same; it is safe to send it again."
    )
    return GraphQLError(
        f"the request took longer than {seconds:g} s", extensions={"code": "TIMEOUT", "hint": hint or less}
    )


def _root(info: Info) -> str | int:
    """Return the name that a field of the top level has in the answer, for it and for all that is nested in it."""
    path = info.path
    while path.prev is not None:
        path = path.prev
    return path.key
