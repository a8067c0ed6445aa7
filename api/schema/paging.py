"""Connections: pages of a list that stay right while the list grows.

A cursor names the last item seen, (`created`, `id`), not a count of items, so what is recorded
between two pages neither repeats nor hides anything.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import strawberry

from lin.errors import InvalidInputError
from lin.lineage.events import parse_time
from lin.lineage.graph import Cursor
from lin.records import Page

from .fields import resolved

T = TypeVar("T")

DEFAULT = 20
LARGEST = 1_000
SIZE = 8 + 32
"""Bytes of a cursor: `created` and `id`."""

FIRST = f"How many at most: 1 to {LARGEST:,}."
AFTER = "Only what comes after this `endCursor`, or any other cursor, of the same question."


@strawberry.type(description="Where a page begins and ends.")
class PageInfo:
    """Where a page begins and ends."""

    has_next_page: bool = strawberry.field(description="Whether there is more after this page.")
    has_previous_page: bool = strawberry.field(description="Whether this is not the first page.")
    start_cursor: str | None = strawberry.field(description="The first item's cursor; null on an empty page.")
    end_cursor: str | None = strawberry.field(
        description="The last item's cursor, to ask for the next page with; null on an empty page."
    )


@strawberry.type(description="One item of a page.")
class Edge(Generic[T]):
    """One item of a page."""

    node: T = strawberry.field(description="The item.")
    place: strawberry.Private[Cursor]

    @resolved("Where this item stands; pass it as `after` to go on from here.")
    def cursor(self) -> str:
        """Encode the place only where it is asked for."""
        return encode(self.place)


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


def encode(cursor: Cursor) -> str:
    """Write a cursor as clients see it."""
    return base64.urlsafe_b64encode(cursor.created.to_bytes(8, "big", signed=True) + cursor.id).decode().rstrip("=")


def decode(text: str | None) -> Cursor | None:
    """Read a cursor; raises `InvalidInputError` for what `encode` did not write."""
    if text is None:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    cursor = Cursor(int.from_bytes(raw[:8], "big", signed=True), raw[8:])
    if len(raw) != SIZE or encode(cursor) != text:
        raise InvalidInputError(
            f"not a cursor: {text!r:.80}", hint="Pass the endCursor of the page before, or leave 'after' out."
        )
    return cursor


def checked_first(first: int) -> int:
    """Return how many items a page may have; raises `InvalidInputError` beyond the limits."""
    if not 1 <= first <= LARGEST:
        raise InvalidInputError(
            f"first: {first} is not between 1 and {LARGEST:,}",
            hint="Ask for the next page with 'after' and the endCursor of this one.",
        )
    return first


def place_of(record: Any) -> Cursor:
    """Return where an artifact, run or evaluation stands in the order (`created`, `id`)."""
    created = record.started if hasattr(record, "started") else record.created
    moment = parse_time(created)
    return Cursor(int(moment.timestamp()) * 1_000_000 + moment.microsecond, record.id.value)


def from_page(
    page: Page, after: str | None, wrap: Callable[[Any], T], record_of: Callable[[Any], Any] = lambda item: item
) -> Connection[T]:
    """Turn a page of records into a connection; `record_of` finds the record that stands for an item."""
    return _connection(
        [wrap(item) for item in page.items],
        [place_of(record_of(item)) for item in page.items],
        more=page.next is not None,
        before=after is not None,
        total=len(page.items) if page.total is None and page.next is None and after is None else page.total,
    )


def from_sequence(
    items: Sequence[Any], first: int, after: str | None, wrap: Callable[[Any], T], place: Callable[[Any], Cursor]
) -> Connection[T]:
    """Cut one page out of a whole list.

    Raises:
        InvalidInputError: `after` is no cursor, or names nothing in this list.
    """
    cursor, start = decode(after), 0
    size = checked_first(first)
    if cursor is not None:
        places = [place(item) for item in items]
        if cursor not in places:
            raise InvalidInputError(
                f"the cursor {after!r} belongs to another question",
                hint="Keep the other arguments as they were, or leave 'after' out.",
            )
        start = places.index(cursor) + 1
    part = items[start : start + size]
    return _connection(
        [wrap(item) for item in part],
        [place(item) for item in part],
        more=start + size < len(items),
        before=cursor is not None,
        total=len(items),
    )


def _connection(
    nodes: Sequence[T], places: Sequence[Cursor], *, more: bool, before: bool, total: int | None
) -> Connection[T]:
    info = PageInfo(
        has_next_page=more,
        has_previous_page=before,
        start_cursor=encode(places[0]) if places else None,
        end_cursor=encode(places[-1]) if places else None,
    )
    edges = [Edge(node=node, place=place) for node, place in zip(nodes, places, strict=True)]
    return Connection(edges=edges, page_info=info, total_count=total)
