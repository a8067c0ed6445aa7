"""lin's words as GraphQL enums and scalars."""

from __future__ import annotations

from enum import Enum
from typing import Any, NewType, cast

import strawberry
from strawberry.types.scalar import ScalarDefinition

from lin.errors import InvalidInputError
from lin.lineage import words
from lin.lineage.graph import Truncation
from lin.store import digest


def _value(word: str, description: str) -> str:
    # Strawberry unwraps it when it makes the enum, so to everyone else the value is the word.
    return cast(str, strawberry.enum_value(word, description=description))


strawberry.enum(
    words.ArtifactKind,
    description="What an artifact means to the people who made it: data, a model, a snapshot of code, the packages "
    "that were installed, a report, or any other file.",
)
strawberry.enum(
    words.Role,
    description="What a run used an artifact for. INPUT says no more than that it was read, so it may have been "
    "trained on.",
)
strawberry.enum(
    words.Evidence,
    description="How lin knows of a link: it OBSERVED the file being read or written, someone DECLARED it, or it was "
    "IMPORTED from another tool's records.",
)
strawberry.enum(
    Truncation,
    description="Why a trace does not show everything: there is more beyond the DEPTH asked for, or there are more "
    "NODES than were asked for.",
)
strawberry.enum(words.RunStatus, description="How far a run came.")
strawberry.enum(words.Shape, description="Whether a digest names one file (BLOB) or a directory (TREE).")


@strawberry.enum(description="Which way to follow the links.")
class Direction(Enum):
    """Which way to follow the links; `BOTH` is two questions asked as one."""

    UP = _value("up", "What made this?")
    DOWN = _value("down", "What stands on this?")
    BOTH = _value("both", "Both, around the same root.")


@strawberry.enum(description="When two datasets count as the same.")
class Match(Enum):
    """When two datasets count as the same."""

    BYTES = _value("bytes", "Their bytes are equal: they have one digest.")
    TABLE = _value("table", "They hold the same rows, in whatever file and order.")
    ROWS = _value("rows", "The other holds at least a part of the rows of the one: `min` of them.")


@strawberry.enum(
    description="What a link says. Provenance has two, USED and GENERATED; the others occur in paths only."
)
class Relation(Enum):
    """What a link says."""

    USED = _value("used", "The target, a run, used the source, an artifact.")
    GENERATED = _value("generated", "The source, a run, generated the target, an artifact.")
    HAS_CONTENT = _value("has content", "The source, bytes, is what the target, an artifact, holds.")
    EVALUATED = _value("evaluated", "The target, an evaluation, measured the source, a model.")
    EVALUATED_ON = _value("evaluated on", "The target, an evaluation, measured on the source, a dataset.")
    EVALUATED_BY = _value("evaluated by", "The source, a run, made the target, an evaluation.")


@strawberry.enum(description="What there is: the kinds of artifact, runs, evaluations and experiments.")
class ThingKind(Enum):
    """What there is."""

    DATASET = _value("dataset", "Data to learn from or to measure on.")
    MODEL = _value("model", "What a training run made.")
    CODE = _value("code", "A snapshot of a program's files.")
    ENVIRONMENT = _value("environment", "The interpreter and packages of a run.")
    REPORT = _value("report", "Something for people to read.")
    FILE = _value("file", "Any other content.")
    RUN = _value("run", "One execution.")
    EVALUATION = _value("evaluation", "One model measured on one dataset by one run; it has no name.")
    EXPERIMENT = _value("experiment", "A named group of runs.")


Facts = NewType("Facts", dict[str, Any])
ByteCount = NewType("ByteCount", int)
Time = NewType("Time", str)
Digest = NewType("Digest", str)


def _facts(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInputError(f"not an object: {value!r:.80}", hint='Give an object, such as {"rows": 3}.')
    for name, fact in value.items():
        if not isinstance(fact, (str, int, float, bool)):
            raise InvalidInputError(
                f"{name!r} is neither a string, a number nor a boolean: {fact!r:.80}", hint="Facts are flat."
            )
    return value


def _digest(value: Any) -> str:
    return str(digest.Digest.parse(value if isinstance(value, str) else repr(value)))


SCALARS: dict[object, ScalarDefinition] = {
    Facts: strawberry.scalar(
        name="Facts",
        description="A JSON object whose values are strings, numbers or booleans.",
        parse_value=_facts,
    ),
    ByteCount: strawberry.scalar(
        name="ByteCount", description="A number of bytes: a whole number of up to 53 bits, as a JSON number."
    ),
    Time: strawberry.scalar(
        name="Time",
        description="A moment as its actor's clock had it: RFC 3339, UTC, microseconds.",
    ),
    Digest: strawberry.scalar(
        name="Digest",
        description="The name of bytes: `b3:` and the 64 lower-case hexadecimal digits of their BLAKE3-256.",
        parse_value=_digest,
    ),
}
