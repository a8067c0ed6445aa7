"""Findings: what an audit says is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Problem(StrEnum):
    """What kind of thing is wrong; the words are stable, for scripts."""

    CHECKPOINT = "checkpoint"
    """It is missing, or not signed by the log's key."""
    MISSING = "missing"
    """A file that the checkpoint implies is not there."""
    DAMAGED = "damaged"
    """A file does not fit with the others."""
    ROOT = "root"
    """The tree does not lead to the checkpoint's root."""
    HISTORY = "history"
    """The log was rolled back or rewritten since it was last seen."""
    LEAF = "leaf"
    """An entry is not the envelope of an event."""
    UNKNOWN = "unknown"
    """An event is of a version or kind that this lin does not know."""
    SIGNATURE = "signature"
    """An event's signature is wrong, or its actor may not sign."""
    DUPLICATE = "duplicate"
    """An event is in the log twice."""
    REFERENCE = "reference"
    """An event names something that no event made."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Say one thing that is wrong.

    Attributes:
        kind: What kind of thing.
        name: The file, or the position and id of the event.
        message: One sentence for people.
    """

    kind: Problem
    name: str
    message: str
