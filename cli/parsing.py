"""Read what people type for settings: `lr=0.1`, `seed=7`, `augment=true`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import click

from lin.lineage.events import Scalar
from lin.lineage.words import ArtifactKind, RunStatus

KINDS = tuple(kind.value for kind in ArtifactKind)
STATUSES = tuple(status.value for status in RunStatus)

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WHOLE_LIKE = re.compile(r"[-+]?[0-9]+")
_TRUTH = {"true": True, "false": False}
_DIGITS = 4_000
"""Longer runs of digits are text: Python refuses to read them as a number."""


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
