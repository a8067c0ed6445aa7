"""Run a command as a run of lin: what it used, what it made, how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lin.lineage.events import Scalar
from lin.lineage.words import ArtifactKind, Role

from .records import Artifact, Evaluation, Record, Run, Used
from .repository import Progress, Repository

DEFAULT_EXPERIMENT = "default"


@dataclass(frozen=True, slots=True)
class Input:
    """A declared input: `source` is a path on disk or a ref; a path wins."""

    source: str
    role: Role = Role.INPUT

    @classmethod
    def parse(cls, text: str) -> Input:
        """Read `[ROLE=]PATH|REF`; raises `InvalidInputError` for a role that does not exist."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Output:
    """A declared output: the file or folder `path` becomes an artifact; `name` defaults to its file name."""

    path: str
    kind: ArtifactKind = ArtifactKind.FILE
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Output:
        """Read `[KIND[:NAME]=]PATH`; raises `InvalidInputError` for a kind that does not exist."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class CommandResult(Record):
    """What came of a command.

    Attributes:
        run: The run, finished.
        used: What it used.
        generated: What it made.
        warnings: What lin could not record, as sentences.
    """

    run: Run
    used: tuple[Used, ...]
    generated: tuple[Artifact, ...]
    warnings: tuple[str, ...] = ()


def run_command(
    repository: Repository,
    command: Sequence[str],
    *,
    experiment: str = DEFAULT_EXPERIMENT,
    name: str | None = None,
    inputs: Sequence[Input] = (),
    outputs: Sequence[Output] = (),
    parameters: Mapping[str, Scalar] | None = None,
    metrics_file: str | Path | None = None,
    code: bool = True,
    progress: Progress | None = None,
) -> CommandResult:
    """Run a command in this folder and record it; the command keeps standard input, output and error.

    A command that fails or is interrupted is recorded as such and returned, not raised: look at
    `run.status` and `run.exit_status` (127 where the command was not found).

    Raises:
        InvalidInputError: A declared input is missing (the command is not started).
    """
    raise NotImplementedError


def evaluate_command(
    repository: Repository,
    model: str,
    datasets: Sequence[str],
    command: Sequence[str],
    *,
    experiment: str | None = None,
    parameters: Mapping[str, Scalar] | None = None,
    metrics_file: str | Path | None = None,
    code: bool = True,
    progress: Progress | None = None,
) -> tuple[tuple[Evaluation, ...], tuple[CommandResult, ...]]:
    """Run a command once for each dataset and record one evaluation of the model on each.

    `{model}` and `{dataset}` in the command, and `LIN_MODEL` and `LIN_DATASET` in its environment, stand for
    verified local copies. A dataset whose run fails gets no evaluation; the others still do.
    """
    raise NotImplementedError
