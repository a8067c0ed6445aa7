"""Connections: pages of a list that stay right while the list grows.

A cursor names the last item seen, (`created`, `id`), not a count of items, so what is recorded
between two pages neither repeats nor hides anything. It is bound to its question: to the field, its arguments, and the
object that it is a field of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import strawberry

from lin import tokens
from lin.errors import InvalidInputError
from lin.lineage.events import parse_time
from lin.lineage.graph import Cursor
from lin.records import Experiment, LogEntry, Page

from .fields import resolved

T = TypeVar("T")

DEFAULT = 20
LARGEST = 1_000
FIRST = f"How many at most: 1 to {LARGEST:,}."
AFTER = "Only what comes after this `endCursor`, or any other cursor, of the same question."


@strawberry.type(description="Where a page begins and ends.")
class PageInfo:
    """Where a page begins and ends."""

    has_next_page: bool = strawberry.field(description="Whether there is more after this page.")
    has_previous_page: bool = strawberry.field(description="Whether this is not the first page.")
    start_cursor: str | None = strawberry.field(description="The first item's cursor; null on an empty page.")
    end_cursor: str | None = strawberry.field(
        description="Where this page ends, to ask for the next one with: the last item's cursor; null on an empty page."
    )
    stopped: bool = strawberry.field(
        description="Whether this page is shorter than asked for, or empty, because looking for more took too long; "
        "there may be more, and `endCursor` goes on from where the search stopped."
    )


@strawberry.type(description="One item of a page.")
class Edge(Generic[T]):
    """One item of a page."""

    node: T = strawberry.field(description="The item.")
    place: strawberry.Private[Cursor]
    bound: strawberry.Private[bytes]

    @resolved("Where this item stands; pass it as `after` to go on from here.")
    def cursor(self) -> str:
        """Encode the place only where it is asked for."""
        return encode(self.place, self.bound)


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """A page of a list."""

    edges: list[Edge[T]] = strawberry.field(description="The items of this page, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where this page begins and ends.")
    total_count: int | None = strawberry.field(
        description="How many items there are on all pages; null where counting would cost as much as reading."
    )

    @resolved("The items of this page, without cursors.")
    def nodes(self) -> list[T]:
        """Return the items."""
        return [edge.node for edge in self.edges]


@dataclass(frozen=True, slots=True)
class Request:
    """Which page of a question's answer is asked for.

    Attributes:
        bound: What binds cursors to the question.
        limit: How many items at most.
        after: What the page begins after.
    """

    bound: bytes
    limit: int
    after: Cursor | None


def request(field: str, first: int, after: str | None, **meant: Any) -> Request:
    """Read which page a field with `first` and `after` is asked for.

    Args:
        field: Its name.
        first: Its argument.
        after: Its argument.
        meant: All its other arguments, and the id of the object that it is a field of.

    Raises:
        InvalidInputError: `first` is out of range, or `after` is no cursor of this question.
    """
    bound = tokens.bind({"field": field, **meant})
    return Request(bound, checked_first(first), decode(after, bound))


def encode(cursor: Cursor, bound: bytes) -> str:
    """Write a cursor as clients see it."""
    return tokens.encode(cursor, bound)


def decode(text: str | None, bound: bytes) -> Cursor | None:
    """Read a cursor; raises `InvalidInputError` for what `encode` did not write for the same question."""
    hint = "Pass the endCursor of the page before, or leave 'after' out."
    return tokens.decode(text, bound, what="cursor", hint=hint)


def checked_first(first: int) -> int:
    """Return how many items a page may have; raises `InvalidInputError` beyond the limits."""
    if not 1 <= first <= LARGEST:
        raise InvalidInputError(
            f"first: {first} is not between 1 and {LARGEST:,}",
            hint="Ask for the next page with 'after' and the endCursor of this one.",
        )
    return first


def place_of(record: Any) -> Cursor:
    """Return where a record stands in the order (`created`, `id`); an entry of the log, where in the log."""
    if isinstance(record, Experiment):
        return Cursor(record.began, record.id)
    if isinstance(record, LogEntry):
        return Cursor(record.position, record.id.value)
    created = record.started if hasattr(record, "started") else record.created
    moment = parse_time(created)
    return Cursor(int(moment.timestamp()) * 1_000_000 + moment.microsecond, record.id.value)


def from_page(
    page: Page, asked: Request, wrap: Callable[[Any], T], record_of: Callable[[Any], Any] = lambda item: item
) -> Connection[T]:
    """Turn a page of records into a connection; `record_of` finds the record that stands for an item."""
    return _connection(
        [wrap(item) for item in page.items],
        [place_of(record_of(item)) for item in page.items],
        asked,
        more=page.next is not None,
        stopped=page.next if page.stopped else None,
        total=len(page.items) if page.total is None and page.next is None and asked.after is None else page.total,
    )


def from_sequence(
    items: Sequence[Any], asked: Request, wrap: Callable[[Any], T], place: Callable[[Any], Cursor]
) -> Connection[T]:
    """Cut one page out of a whole list.

    Raises:
        InvalidInputError: The cursor names nothing in this list.
    """
    start = 0
    if asked.after is not None:
        places = [place(item) for item in items]
        if asked.after not in places:
            raise InvalidInputError(
                "what the cursor names is no longer in this list", hint="Begin again, with 'after' left out."
            )
        start = places.index(asked.after) + 1
    part = items[start : start + asked.limit]
    return _connection(
        [wrap(item) for item in part],
        [place(item) for item in part],
        asked,
        more=start + asked.limit < len(items),
        total=len(items),
    )


def _connection(
    nodes: Sequence[T],
    places: Sequence[Cursor],
    asked: Request,
    *,
    more: bool,
    total: int | None,
    stopped: Cursor | None = None,
) -> Connection[T]:
    end = stopped or (places[-1] if places else None)
    info = PageInfo(
        has_next_page=more,
        has_previous_page=asked.after is not None,
        start_cursor=encode(places[0], asked.bound) if places else None,
        end_cursor=encode(end, asked.bound) if end else None,
        stopped=stopped is not None,
    )
    edges = [Edge(node=node, place=place, bound=asked.bound) for node, place in zip(nodes, places, strict=True)]
    return Connection(edges=edges, page_info=info, total_count=total)
