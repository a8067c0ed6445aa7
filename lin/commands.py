"""Run a command as a run of lin: what it used, what it made, how it ended."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lin.errors import InvalidInputError, LinError
from lin.lineage import canonical
from lin.lineage.events import EventId, Scalar, Use
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.store.folder import Stored

from . import environment, reading, refs, snapshot
from .given import file_name, given_path, readable, relative_to, scalars, word
from .processes import Outcome, execute
from .progress import Progress
from .recording import DEFAULT_EXPERIMENT, Recording, find_input, look_up
from .records import Artifact, Evaluation, Record, Run, Used
from .repository import Repository


@dataclass(frozen=True, slots=True)
class Input:
    """A declared input: `source` is a path on disk or a ref; a path wins."""

    source: str
    role: Role = Role.INPUT

    @classmethod
    def parse(cls, text: str) -> Input:
        """Read `[ROLE=]PATH|REF`.

        Raises:
            InvalidInputError: There is no such role.
        """
        role, equals, source = text.partition("=")
        if not equals or os.path.lexists(text):
            return cls(text)
        if not source:
            raise InvalidInputError(f"no path or ref after {text!r}", hint="Write --input train=data.csv")
        return cls(source, word(Role, role, "role"))


@dataclass(frozen=True, slots=True)
class Output:
    """A declared output: the file or folder `path` becomes an artifact; `name` defaults to its file name."""

    path: str
    kind: ArtifactKind = ArtifactKind.FILE
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Output:
        """Read `[KIND[:NAME]=]PATH`.

        Raises:
            InvalidInputError: There is no such kind.
        """
        meaning, equals, path = text.partition("=")
        if not equals:
            return cls(text)
        kind, _, name = meaning.partition(":")
        if not path:
            raise InvalidInputError(f"no path after {text!r}", hint="Write --output model=model.joblib")
        return cls(path, word(ArtifactKind, kind, "kind"), refs.check_name(name) if name else None)


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
    `run.status` and `run.exit_status` (127 where the command was not found). Its outputs are recorded only if
    it succeeded and wrote them.

    Args:
        repository: Where to record it.
        command: The program and its arguments.
        experiment: The experiment that the run and its models belong to.
        name: A name for people; the script's or program's by default.
        inputs: What it uses.
        outputs: What it is to write.
        parameters: Its settings.
        metrics_file: A JSON file that it writes its metrics to. Those it prints, as a line with a JSON object of
            numbers or with one under `metrics`, are found by themselves.
        code: Whether to keep the project's code.
        progress: Told of bytes and files while inputs and outputs are stored.

    Raises:
        NotFoundError: A declared input is neither a path nor a ref; nothing was started or recorded.
        InvalidInputError: No command was given, or a name, role or setting cannot be used; likewise.
    """
    _require(command)
    refs.check_name(experiment)
    settings = scalars("parameter", parameters or {})
    for output in outputs:  # not after hours of work
        refs.check_name(output.name or file_name(given_path(output.path, "an output")))
    for item in inputs:
        look_up(repository, item.source)
    given = [(*find_input(repository, item.source, item.role, progress=progress), item.role) for item in inputs]
    return _Command(
        repository=repository,
        command=tuple(command),
        experiment=experiment,
        name=name or title(command),
        given=given,
        outputs=outputs,
        parameters=settings,
        metrics_file=_optional(metrics_file),
        code=code,
        progress=progress,
    ).run()


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
    verified local copies. A dataset whose run fails, or prints no metrics, gets no evaluation; the others still do.

    Args:
        repository: Where to record it.
        model: A path or ref.
        datasets: Paths or refs.
        command: The program and its arguments.
        experiment: The model's own by default.
        parameters: Its settings.
        metrics_file: As for `run_command`.
        code: Whether to keep the project's code.
        progress: Told of bytes and files while inputs are stored.

    Raises:
        NotFoundError: The model or a dataset is neither a path nor a ref; nothing was started or recorded.
        InvalidInputError: The model is an artifact of another kind, or a setting cannot be used; likewise.
    """
    _require(command)
    if experiment is not None:
        refs.check_name(experiment)
    settings = scalars("parameter", parameters or {})
    if not datasets:
        raise InvalidInputError("no dataset to evaluate on", hint="Name at least one: --on test.csv")
    for source in (model, *datasets):
        look_up(repository, source)
    subject, model_path = find_input(repository, model, Role.BASE_MODEL, progress=progress)
    if subject.kind is not ArtifactKind.MODEL:
        raise InvalidInputError(
            f"{subject.label} is a {subject.kind}, not a model to evaluate",
            hint="Record it as one: `lin put --kind model …`, or `lin run --output model=…` where it is made.",
        )
    found = [find_input(repository, dataset, Role.TEST, progress=progress) for dataset in datasets]
    group = experiment or subject.experiment or DEFAULT_EXPERIMENT
    evaluations: list[Evaluation] = []
    results: list[CommandResult] = []
    for artifact, path in found:
        places = {"model": model_path or repository.checkout(subject), "dataset": path or repository.checkout(artifact)}
        task = _Command(
            repository=repository,
            command=tuple(_filled(part, places) for part in command),
            experiment=group,
            name=title(command),
            given=[(subject, model_path, Role.INPUT), (artifact, path, Role.TEST)],
            outputs=(),
            parameters=settings,
            metrics_file=_optional(metrics_file),
            code=code,
            progress=progress,
            variables={f"LIN_{what.upper()}": str(place) for what, place in places.items()},
            evaluates=(subject, artifact),
        )
        result = task.run()
        results.append(result)
        if task.evaluation is not None:
            node = repository.get_many([task.evaluation.value])
            evaluations.extend(item for item in node.values() if isinstance(item, Evaluation))
        if result.run.status == RunStatus.INTERRUPTED:
            break  # whoever pressed Ctrl-C meant all of them
    return tuple(evaluations), tuple(results)


def title(command: Sequence[str]) -> str:
    """Name a run after its script: `train.py` for `python -u train.py --fast`, else after its program."""
    program = Path(command[0]).name or "command"
    if program.startswith("python"):
        arguments = iter(command[1:])
        for part in arguments:
            if part in {"-X", "-W", "--check-hash-based-pycs"}:
                next(arguments, None)  # what they are set to
            elif part == "-m":
                return next(arguments, program)
            elif part.startswith("-c") or part == "-":
                break
            elif not part.startswith("-"):
                return Path(part).name or program
    return program


@dataclass(slots=True)
class _Command:
    """One command from start to end."""

    repository: Repository
    command: tuple[str, ...]
    experiment: str
    name: str
    given: Sequence[tuple[Artifact, Path | None, Role]]
    outputs: Sequence[Output]
    parameters: Mapping[str, Scalar]
    metrics_file: Path | None
    code: bool
    progress: Progress | None
    variables: Mapping[str, str] | None = None
    evaluates: tuple[Artifact, Artifact] | None = None
    evaluation: EventId | None = None

    def run(self) -> CommandResult:
        folder = Path.cwd()
        warnings: list[str] = []
        uses = [
            Use(artifact.id, role, Evidence.DECLARED, relative_to(path, folder) if path else None)
            for artifact, path, role in self.given
        ]
        commit, surroundings = _surroundings(
            self.repository, folder, self.command, without=self._data() if self.code else None, warnings=warnings
        )
        before = {output.path: footprint(Path(output.path)) for output in self.outputs}
        old_metrics = footprint(self.metrics_file) if self.metrics_file else None
        recording = Recording.start(
            self.repository,
            name=self.name,
            experiment=self.experiment,
            parameters=self.parameters,
            commit=commit,
            command=self.command,
            uses=[*uses, *surroundings],
            folder=folder,
        )
        printed: dict[str, Scalar] = {}
        variables = {"LIN_RUN": str(recording.id), **(self.variables or {})}
        try:
            outcome = execute(self.command, variables, lambda line: printed.update(metrics_in(line)))
        except BaseException as error:
            recording.finish(RunStatus.INTERRUPTED, detail={"error": readable(repr(error))})
            raise
        with _never_lost(recording, outcome, warnings):
            metrics = dict(printed)
            if self.metrics_file is not None:
                metrics.update(_metrics_from(self.metrics_file, old_metrics, warnings))
            _note(recording, metrics, warnings)
            if outcome.status == RunStatus.SUCCEEDED:
                self._save(recording, before, warnings)
                if self.evaluates and metrics:
                    self.evaluation = recording.evaluated(*self.evaluates, metrics)
                elif self.evaluates:
                    warnings.append("the command printed no metrics, so there is no evaluation")
        _finish(recording, outcome)
        key = recording.id.value
        return CommandResult(
            run=recording.record,
            used=tuple(self.repository.used([key])[key]) if uses or surroundings else (),
            generated=tuple(self.repository.generated([key])[key]),
            warnings=tuple(warnings),
        )

    def _data(self) -> Sequence[Path]:
        """Return the files that are the run's data, so that they are not taken for its code."""
        read = [path for _, path, role in self.given if path and role not in {Role.CODE, Role.CONFIG}]
        written = [Path(output.path) for output in self.outputs]
        return [*read, *written, *([self.metrics_file] if self.metrics_file else [])]

    def _save(self, recording: Recording, before: Mapping[str, Any], warnings: list[str]) -> None:
        for output in self.outputs:
            now = footprint(Path(output.path))
            if now is None:
                warnings.append(f"output {output.path}: the command did not write it")
            elif now == before[output.path]:
                warnings.append(f"output {output.path}: was there before and was not changed, so it is not recorded")
            else:
                try:
                    recording.save(output.path, kind=output.kind, name=output.name, progress=self.progress)
                except LinError as error:
                    warnings.append(f"output {output.path}: {error.message}")


def _surroundings(
    repository: Repository,
    folder: Path,
    command: Sequence[str],
    *,
    without: Collection[Path] | None,
    warnings: list[str],
) -> tuple[str | None, Sequence[Use]]:
    """Keep environment and code as artifacts; what cannot be kept is a warning and stops no run.

    Args:
        repository: Where to.
        folder: Where the run runs.
        command: What it runs; empty for this very process.
        without: Files that are not code; None keeps no code at all.
        warnings: Added to.

    Returns:
        The git commit, and the uses to record.
    """
    described = canonical.dumps(dict(environment.describe(command)))
    stored = Stored(repository.store.put_bytes(described), Shape.BLOB, len(described), 1)
    kept = repository.put_stored(stored, name="environment", kind=ArtifactKind.ENVIRONMENT, reuse=True)
    uses = [Use(kept.artifact.id, Role.ENVIRONMENT, Evidence.OBSERVED)]
    if without is None:
        return None, uses

    graph = repository.graph

    def is_data(path: Path) -> bool:
        # An earlier run's output that git does not ignore is an artifact already, and no code.
        digest = repository.digest_of(path).value
        known = reading.artifacts_with(graph, [digest])[digest]
        return any(artifact.kind != ArtifactKind.CODE for artifact in known)

    try:
        taken = snapshot.take(repository, folder, without=without, is_data=is_data)
        facts: dict[str, Scalar] = {"commit": taken.commit, "dirty": taken.dirty} if taken.commit else {}
        code = repository.put_stored(
            taken.stored, name=f"{taken.project}/code", kind=ArtifactKind.CODE, attributes=facts, reuse=True
        )
    except (LinError, OSError) as error:
        warnings.append(f"the code was not kept: {error.message if isinstance(error, LinError) else error}")
        return None, uses
    warnings.extend(taken.warnings)
    return taken.commit, [*uses, Use(code.artifact.id, Role.CODE, Evidence.OBSERVED)]


def start_here(repository: Repository, *, name: str, experiment: str, parameters: Mapping[str, Scalar]) -> Recording:
    """Start recording what this very process does, with its code and environment."""
    folder = Path.cwd()
    warnings: list[str] = []
    commit, uses = _surroundings(repository, folder, (), without=(), warnings=warnings)
    return Recording.start(
        repository,
        name=name,
        experiment=experiment,
        parameters=parameters,
        commit=commit,
        command=sys.argv,
        uses=uses,
        folder=folder,
    )


def _note(recording: Recording, metrics: Mapping[str, Scalar], warnings: list[str]) -> None:
    try:
        recording.log_metrics(metrics)
    except InvalidInputError as error:
        warnings.append(f"the metrics were not recorded: {error.message}")


def _finish(recording: Recording, outcome: Outcome) -> None:
    recording.finish(outcome.status, exit_status=outcome.exit_status, detail=outcome.detail(), at=outcome.ended)


@contextmanager
def _never_lost(recording: Recording, outcome: Outcome, warnings: list[str]) -> Iterator[None]:
    """Record the run's end even where its results could not be kept."""
    try:
        yield
    except LinError as error:
        warnings.append(error.message)
    except BaseException:
        _finish(recording, outcome)
        raise


def metrics_in(line: str) -> Mapping[str, Scalar]:
    """Return the metrics that a printed line holds; none where it is no such line.

    A line holds metrics if it is a JSON object whose values are all numbers or booleans, or one with such an object
    under `metrics`.
    """
    text = line.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return _metrics_of(document)


def _metrics_of(document: Any) -> Mapping[str, Scalar]:
    found = document.get("metrics", document) if isinstance(document, dict) else None
    if not isinstance(found, dict) or not all(isinstance(value, (int, float)) for value in found.values()):
        return {}
    return found


def _metrics_from(path: Path, before: Any, warnings: list[str]) -> Mapping[str, Scalar]:
    now = footprint(path)
    if now is None or now == before:
        warnings.append(f"metrics file {path}: the command did not write it")
        return {}
    try:
        found = _metrics_of(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        warnings.append(f"metrics file {path}: {error}")
        return {}
    if not found:
        warnings.append(f"metrics file {path}: holds no JSON object of numbers")
    return found


def footprint(path: Path) -> Any:
    """Return what changes when a file, or anything in a folder, is written; None where nothing is there."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not path.is_dir():
        return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    inside = sorted(Path(where) / name for where, _, names in os.walk(path) for name in names)
    return tuple((str(item), footprint(item)) for item in inside)


def _filled(part: str, places: Mapping[str, Path]) -> str:
    for what, place in places.items():
        part = part.replace("{" + what + "}", str(place))
    return part


def _optional(path: str | Path | None) -> Path | None:
    return given_path(path, "a metrics file") if path is not None else None


def _require(command: Sequence[str]) -> None:
    if not command or not command[0]:
        raise InvalidInputError("no command to run", hint="Write it after two dashes: lin run -- python train.py")
