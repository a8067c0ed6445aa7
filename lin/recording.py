"""A run that is being recorded: what it uses, measures and makes, as it happens.

Every call is in the log when it returns, so that a run which dies has told all it could.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lin.errors import InvalidInputError, LinError, NotFoundError
from lin.lineage.events import (
    MAX_USES,
    ArtifactRecorded,
    EvaluationRecorded,
    Event,
    EventId,
    RunFinished,
    RunStarted,
    RunUsed,
    Scalar,
    Use,
    now,
)
from lin.lineage.graph import Graph
from lin.lineage.ledger import Draft
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.store.digest import Digest

from . import reading, refs
from .contents import drafted
from .given import file_name, given_path, readable, relative_to, scalars, word
from .progress import Progress
from .records import Artifact, Run
from .repository import Repository

DEFAULT_EXPERIMENT = "default"

MAX_PAYLOAD = 48_000
"""Bytes of an event's payload, so that as a leaf, in base64 and with its signature, it is below `MAX_LEAF`."""

KIND_OF_ROLE = {
    Role.CODE: ArtifactKind.CODE,
    Role.ENVIRONMENT: ArtifactKind.ENVIRONMENT,
    Role.CONFIG: ArtifactKind.FILE,
    Role.BASE_MODEL: ArtifactKind.MODEL,
}
"""What a file that is put because a run uses it is taken for; a dataset in any other role."""


class Recording:
    """A run in progress; a context manager that records how it ended.

    Safe to use from one thread at a time. Leaving the block with an exception records the run as failed,
    or as interrupted for `KeyboardInterrupt`, and lets the exception pass.
    """

    def __init__(self, repository: Repository, run: EventId, experiment: str, folder: Path) -> None:
        self._repository = repository
        self._folder = folder
        self._experiment = experiment
        self._metrics: dict[str, Scalar] = {}
        self._finished = False
        self.id = run

    @classmethod
    def start(
        cls,
        repository: Repository,
        *,
        name: str,
        experiment: str = DEFAULT_EXPERIMENT,
        parameters: Mapping[str, Scalar] | None = None,
        commit: str | None = None,
        command: Sequence[str] = (),
        uses: Sequence[Use] = (),
        folder: Path | None = None,
    ) -> Self:
        """Record that a run begins.

        Args:
            repository: Where.
            name: A name for people, such as the script's.
            experiment: The experiment it belongs to.
            parameters: Settings, by name.
            commit: The git commit that is checked out.
            command: The command line, which may be personal and so goes into an erasable blob.
            uses: What is known to be used from the start.
            folder: Where it runs; paths are recorded relative to it. This folder by default.
        """
        refs.check_name(experiment)
        where = (folder or Path.cwd()).resolve()
        detail = repository.put_detail(
            {
                "command": [readable(part) for part in command],
                "folder": readable(str(where)),
                "host": readable(socket.gethostname()),
                "user": readable(_user()),
                "pid": os.getpid(),
            }
        )
        started = RunStarted(
            experiment=experiment,
            name=readable(name),
            nonce=secrets.token_hex(8),
            parameters=scalars("parameter", parameters or {}),
            commit=commit,
            detail=detail,
        )

        def build(draft: Draft, _: Graph) -> EventId:
            run = draft.add(started)
            _draft_uses(draft, run, uses)
            return run

        return cls(repository, repository.record(build), experiment, where)

    @property
    def record(self) -> Run:
        """The run as it is recorded by now."""
        return self._repository.run(str(self.id))

    # ------------------------------------------------------------------ what it uses

    def use(
        self, source: str | Path | Artifact, *, role: Role | str = Role.INPUT, progress: Progress | None = None
    ) -> Path:
        """Record that the run uses a file, a folder or an artifact, and say where to read it.

        Args:
            source: A path on disk, which is put if its bytes are new; or an artifact or a ref, which is
                written, verified, to a file of this machine's cache.
            role: What for.
            progress: Told of bytes and files.

        Returns:
            The path itself, or that of the local copy, which must not be changed.
        """
        meaning: Role = word(Role, role, "role")
        if isinstance(source, Artifact):
            artifact, path = source, None
        else:
            artifact, path = find_input(self._repository, source, meaning, progress=progress)
        use = Use(artifact.id, meaning, Evidence.DECLARED, self._relative(path) if path else None)
        self._repository.record(lambda draft, _: _draft_uses(draft, self.id, [use]))
        return path or self._repository.checkout(artifact)

    # ------------------------------------------------------------------ what it measures and makes

    def log_metrics(self, metrics: Mapping[str, Scalar] | None = None, /, **more: Scalar) -> None:
        """Note measurements, which are recorded when the run ends; later values replace earlier ones.

        Raises:
            InvalidInputError: One is neither a number, a string nor a boolean, or all of them together are more than
                one event can hold; none of these is noted.
        """
        together = {**self._metrics, **scalars("metric", {**(metrics or {}), **more})}
        _check_metrics(together)
        self._metrics = together

    def save(
        self,
        path: str | Path,
        *,
        kind: ArtifactKind | str = ArtifactKind.FILE,
        name: str | None = None,
        attributes: Mapping[str, Scalar] | None = None,
        evidence: Evidence = Evidence.DECLARED,
        progress: Progress | None = None,
    ) -> Artifact:
        """Store a file or folder that the run wrote and record it as generated by the run.

        Equal bytes from two runs are two artifacts and one blob. `name` defaults to the file's name.
        """
        where = given_path(path, "an output")
        label = refs.check_name(name if name is not None else file_name(where))
        meaning = word(ArtifactKind, kind, "kind")
        stored = self._repository.store_path(where, like=label, progress=progress)
        facts = scalars("attribute", attributes or {})

        def build(draft: Draft, graph: Graph) -> Artifact:
            statement = ArtifactRecorded(
                kind=meaning,
                name=label,
                version=graph.max_version(label) + 1,
                digest=stored.digest,
                shape=Shape(stored.shape),
                size=stored.size,
                files=stored.files,
                run=self.id,
                path=self._relative(where),
                evidence=evidence,
                experiment=self._experiment,
                attributes=facts,
            )
            return drafted(draft, statement)

        return self._repository.record(build)

    def evaluated(self, model: Artifact, dataset: Artifact, metrics: Mapping[str, Scalar]) -> EventId:
        """Record how a model did on a dataset, as measured by this run."""
        statement = EvaluationRecorded(model.id, dataset.id, self.id, scalars("metric", metrics))
        return self._repository.record(lambda draft, _: draft.add(statement))

    # ------------------------------------------------------------------ how it ends

    def finish(
        self,
        status: RunStatus = RunStatus.SUCCEEDED,
        *,
        exit_status: int | None = None,
        detail: Mapping[str, Any] | None = None,
        at: str | None = None,
    ) -> None:
        """Record how the run ended; only the first call counts.

        Args:
            status: Anything but `running`.
            exit_status: The command's own.
            detail: What may be personal: the error's text, the last lines printed.
            at: When it ended, as `format_time` writes it; now by default.
        """
        if self._finished:
            return
        outcome = self._repository.put_detail(detail) if detail else None
        finished = RunFinished(self.id, status, exit_status, dict(self._metrics), outcome)
        self._repository.record(lambda draft, _: draft.add(finished, at=at))
        self._finished = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
            return
        if isinstance(error, SystemExit) and error.code in {None, 0}:
            self.finish(exit_status=0)
            return
        status = RunStatus.INTERRUPTED if isinstance(error, KeyboardInterrupt) else RunStatus.FAILED
        code = error.code if isinstance(error, SystemExit) and type(error.code) is int else None
        # The training's own error is what its user has to see, whatever becomes of the record.
        with contextlib.suppress(LinError):
            text = f"{type(error).__name__}: {readable(str(error))}"[:10_000]
            self.finish(status, exit_status=code, detail={"error": text})

    def _relative(self, path: Path) -> str:
        return relative_to(path, self._folder)


# ---------------------------------------------------------------------- pieces that commands use too


def find_input(
    repository: Repository, source: str | Path, role: Role, *, progress: Progress | None = None
) -> tuple[Artifact, Path | None]:
    """Find the artifact that a declared input means: a path on disk if there is one, else a ref.

    A file whose bytes are known stands for the artifact that has them: the newest of its own name, else the newest
    of any; of the kind that the role asks for, if there is one. So a run that reads what another run wrote is linked
    to that run. Unknown bytes are put.

    Returns:
        The artifact, and the path where the source was one.

    Raises:
        NotFoundError: It is neither a path nor a ref.
    """
    found = look_up(repository, source)
    if isinstance(found, Artifact):
        return found, None
    stored = repository.store_path(found, like=file_name(found), progress=progress)
    known = reading.artifacts_with(repository.graph, [stored.digest.value])[stored.digest.value]
    kind, name = KIND_OF_ROLE.get(role, ArtifactKind.DATASET), file_name(found)
    if known:  # the newest of the best
        return max(reversed(known), key=lambda a: (role in KIND_OF_ROLE and a.kind == kind, a.name == name)), found
    return repository.put_stored(stored, name=name, kind=kind).artifact, found


def look_up(repository: Repository, source: str | Path) -> Artifact | Path:
    """Tell whether an input is a path on disk or a ref, and change nothing; arguments and errors as `find_input`."""
    path = given_path(source, "an input")
    if os.path.lexists(path):
        return path
    if isinstance(source, Path):
        raise NotFoundError(f"no such file or folder: {readable(str(source))}", hint="Check the path of the input.")
    try:
        return repository.artifact(source)
    except LinError as error:
        error.hint = f"There is no file {source!r} either. {error.hint}".strip()
        raise


def _check_metrics(metrics: Mapping[str, Scalar]) -> None:
    nothing = EventId(bytes(32))
    finished = RunFinished(nothing, RunStatus.INTERRUPTED, -1, metrics, Digest(nothing.value))
    size = len(Event(now(), str(nothing), finished).payload())
    if size > MAX_PAYLOAD:
        raise InvalidInputError(
            f"{len(metrics)} metrics take {size} bytes; an event holds at most {MAX_PAYLOAD}",
            hint="Record long series as a file: run.save(…).",
        )


def _draft_uses(draft: Draft, run: EventId, uses: Sequence[Use]) -> None:
    for first in range(0, len(uses), MAX_USES):
        draft.add(RunUsed(run, tuple(uses[first : first + MAX_USES])))


def _user() -> str:
    import getpass  # noqa: PLC0415 - only needed here

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
