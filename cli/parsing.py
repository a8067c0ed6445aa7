"""Read what people type for settings: `lr=0.1`, `seed=7`, `augment=true`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TypeVar

import click

from lin.lineage.events import Scalar
from lin.lineage.words import ArtifactKind, RunStatus

KINDS = tuple(kind.value for kind in ArtifactKind)
STATUSES = tuple(status.value for status in RunStatus)

ANY_PATH = click.Path(readable=False)
"""A path that shells complete; whether it can be read is for the use cases to say, as they do in Python."""

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WHOLE_LIKE = re.compile(r"[-+]?[0-9]+")
_TRUTH = {"true": True, "false": False}
_DIGITS = 4_000
"""Longer runs of digits are text: Python refuses to read them as a number."""


Paths = TypeVar("Paths", str, tuple[str, ...], None)


def not_empty(_: click.Context, parameter: click.Parameter, typed: Paths) -> Paths:
    """Refuse an empty path, such as an unset variable of a shell.

    Python takes one for the current folder, which is hardly ever what was meant.

    Raises:
        click.BadParameter: One of the paths is empty.
    """
    if typed is not None and "" in ((typed,) if isinstance(typed, str) else typed):
        raise click.BadParameter("the path is empty; write . for this folder", param=parameter)
    return typed


def scalar(text: str) -> Scalar:
    """Read a value: a number or `true` and `false` as such, anything else (`007`, `nan`, `1_000`) as text."""
    if text in _TRUTH:
        return _TRUTH[text]
    if len(text) < _DIGITS and _WHOLE.fullmatch(text):
        return int(text)
    if (
        len(text) < _DIGITS
        and _DECIMAL.fullmatch(text)
        and not _WHOLE_LIKE.fullmatch(text)
        and math.isfinite(float(text))
    ):
        return float(text)
    return text


def assignments(texts: Iterable[str], option: str) -> dict[str, Scalar]:
    """Read `NAME=VALUE` texts.

    Args:
        texts: What was typed.
        option: Where it was typed, for messages.

    Raises:
        click.BadParameter: There is no `=`, no name, or the same name twice.
    """
    found: dict[str, Scalar] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE", param_hint=option)
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice", param_hint=option)
        found[name] = scalar(value)
    return found
