"""The words of lin: the kinds, roles and states that code, command line, GraphQL and docs share.

The spelling of every member's value is part of the log's format and never changes.
"""

from __future__ import annotations

from enum import StrEnum


class ArtifactKind(StrEnum):
    """What an artifact means to the people who made it."""

    DATASET = "dataset"
    MODEL = "model"
    CODE = "code"
    ENVIRONMENT = "environment"
    REPORT = "report"
    FILE = "file"


class Role(StrEnum):
    """What a run used an artifact for."""

    INPUT = "input"
    TRAIN = "train"
    TEST = "test"
    VALIDATION = "validation"
    CODE = "code"
    ENVIRONMENT = "environment"
    CONFIG = "config"
    BASE_MODEL = "base-model"


TRAINING_ROLES = frozenset({Role.TRAIN, Role.INPUT, Role.BASE_MODEL})
"""Roles through which what an artifact holds can reach a model that the run makes.

`input` is among them because a run that does not say what it used an artifact for may have learned from
it: to a question about training data, a possible yes must not read as a no.
"""


class Evidence(StrEnum):
    """How lin knows that a run used or generated an artifact."""

    OBSERVED = "observed"
    DECLARED = "declared"
    IMPORTED = "imported"


class RunStatus(StrEnum):
    """How far a run came."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Keeping(StrEnum):
    """What people decided about whether an artifact's content is kept."""

    TRASH = "trash"
    RESTORE = "restore"
    HOLD = "hold"
    RELEASE = "release"


class Shape(StrEnum):
    """Whether a digest names one file or a directory."""

    BLOB = "blob"
    TREE = "tree"
