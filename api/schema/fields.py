"""A typed way to make a method the resolver of a field, as every field here has a description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry

F = TypeVar("F", bound=Callable[..., Any])


def resolved(description: str) -> Callable[[F], F]:
    """Return a decorator that turns a method into a field with this description."""
    return cast(Callable[[F], F], strawberry.field(description=description))
