"""Questions that are answered in pages: a field with `first` and `after`, and with `asOf` at the top level.

What every such field has in common is said here once: its arguments, that the repository is asked as it was at the
moment asked for, and that a cursor is bound to the field with all its arguments but `first`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, TypedDict, TypeVar, cast

from lin.lineage.graph import Cursor
from lin.repository import Repository

from . import paging
from .arguments import After, AsOf, First
from .context import Info
from .fields import resolved

F = TypeVar("F", bound=Callable[..., Any])


class Part(TypedDict):
    """Which part of an answer a page is, as the repository's methods take it."""

    after: Cursor | None
    limit: int


@dataclass(frozen=True, slots=True)
class Asked(paging.Request):
    """A page that is asked for.

    Attributes:
        repository: As it is, or as it was at the moment asked for.
    """

    repository: Repository

    @property
    def part(self) -> Part:
        """Which part of the answer it is."""
        return {"after": self.after, "limit": self.limit}


def paged(
    description: str, *, first: int = paging.DEFAULT, within: Callable[[Any], Any] | None = None
) -> Callable[[F], F]:
    """Return a decorator that turns a question into a field which is answered in pages.

    The question is a method that takes what is asked for (`Asked`) and, by name, arguments of its own. The field's
    arguments are these, `first` and `after`; at the top level also `asOf`.

    Args:
        description: Of the field.
        first: How many items a page has by default.
        within: Where the field is not of the top level: returns what tells its object from others.
    """

    def decorate(question: F) -> F:
        signature = inspect.signature(question)
        own, _, *named = signature.parameters.values()
        common = {"info": (Info, Parameter.empty), "first": (First, first), "after": (After, None)}
        if within is None:
            common["as_of"] = (AsOf, None)

        @functools.wraps(question)
        def resolve(self: Any, info: Info, **given: Any) -> Any:
            size, after, moment = given.pop("first"), given.pop("after"), given.pop("as_of", None)
            view = info.context.enter(info, moment) if within is None else info.context.at(info)
            meant = {**given, "as_of": view.moment, "of": within(self) if within else None}
            asked = paging.request(info.field_name, size, after, **meant)
            return question(self, Asked(asked.bound, asked.limit, asked.after, view.repository), **given)

        shared = [
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, (annotation, default) in common.items()
        ]
        # The ones of its own come first in the schema, as people look for them first.
        resolve.__signature__ = signature.replace(parameters=[own, *named, *shared])  # type: ignore[attr-defined]
        return cast("F", resolved(description)(resolve))

    return decorate
