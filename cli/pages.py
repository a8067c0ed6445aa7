"""Answers in pages: how many at most, and where to go on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from lin import tokens
from lin.lineage.graph import Cursor
from lin.records import Page

from . import output
from .text import number

Function = TypeVar("Function", bound=Callable[..., Any])
Question = Mapping[str, Any]
"""All that decides what the answer is, but for how long a page is."""


def page_options(default: int) -> Callable[[Function], Function]:
    """Return a decorator that gives a verb `-n` and `--after`."""

    def give(function: Function) -> Function:
        function = click.option("--after", "token", metavar="TOKEN", help="Go on where a page of this ended.")(function)
        return click.option("-n", "limit", type=click.IntRange(min=1), help=f"At most so many.  [default: {default}]")(
            function
        )

    return give


def place(token: str | None, question: Question) -> Cursor | None:
    """Read a page token; raises `InvalidInputError` for one of another question."""
    return tokens.decode(token, tokens.bind(question))


def document(page: Page, question: Question) -> dict[str, Any]:
    """Return a page as JSON: `items`, `total` where that was counted, and the token of the `next` one.

    `stopped` is true where it took too long to fill the page; the `next` one goes on.
    """
    return {
        "type": "page",
        "items": [item.to_json() for item in page.items],
        "total": page.total,
        "stopped": page.stopped,
        "next": tokens.encode(page.next, tokens.bind(question)) if page.next else None,
    }


def say_more(page: Page, question: Question, one: str, many: str = "") -> None:
    """Say that there is more, and how to get at it; nothing on the last page."""
    if page.next is not None:
        shown = number(len(page.items), one, many)
        total = f" of {page.total:,} in all" if page.total is not None else ""
        how = "that was all that could be found in time; to look further" if page.stopped else "for the next"
        output.say(f"… {shown}{total}; {how}: --after {tokens.encode(page.next, tokens.bind(question))}")
