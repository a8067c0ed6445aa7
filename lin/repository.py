"""The use cases: everything that can be done with a repository, one method each.

The command line, the API and the Python front door all go through this class, so they give the same
answers. Bytes go to the store first, then an event to the log, then the index follows: what the graph names
exists, and what is acknowledged is in the log.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from lin.lineage.events import Scalar
from lin.lineage.graph import Cursor, Direction
from lin.lineage.words import ArtifactKind, RunStatus
from lin.store.digest import Digest

from .records import (
    Advice,
    Alias,
    Artifact,
    Content,
    Evaluation,
    Experiment,
    Impact,
    IndexStatus,
    LogEntry,
    MetricsTable,
    Page,
    PutResult,
    Run,
    Trace,
    TreeEntry,
    Used,
    VerifyReport,
)

Found = Artifact | Run | Experiment | Evaluation | Content
"""What a ref can mean."""


class Progress(Protocol):
    """Be told how far a long task has come; totals are None while they are not known."""

    def __call__(self, done: int, total: int | None, files_done: int, files_total: int | None, /) -> None:
        """Take bytes done and in all, files (or events) done and in all."""


class Repository:
    """A set of immutable files named by their content, one signed log, and an index over it."""

    # ------------------------------------------------------------------ opening

    @classmethod
    def init(cls, location: str | Path) -> Self:
        """Make a repository in a folder or bucket.

        Raises:
            ConflictError: There is one already.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, location: str | Path | None = None) -> Self:
        """Open a repository.

        Args:
            location: A folder or bucket URL. None: `LIN_REPO`, else the nearest repository in this folder or one
                above it, else the user's own, which is made on first use.

        Raises:
            RepositoryNotFoundError: There is none at the place named.
            UnsupportedFormatError: A newer lin made it.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release files and connections."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it lies; holds no credentials."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """32 hex digits, made with the repository."""
        raise NotImplementedError

    @property
    def format(self) -> int:
        """The format version in `lin.json`."""
        raise NotImplementedError

    # ------------------------------------------------------------------ content

    def put(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        kind: ArtifactKind = ArtifactKind.DATASET,
        experiment: str | None = None,
        attributes: Mapping[str, Scalar] | None = None,
        progress: Progress | None = None,
    ) -> PutResult:
        """Store a file or folder and record it as an artifact; `name` defaults to the file's name."""
        raise NotImplementedError

    def put_digest(
        self,
        digest: Digest,
        *,
        name: str,
        kind: ArtifactKind = ArtifactKind.DATASET,
        experiment: str | None = None,
        attributes: Mapping[str, Scalar] | None = None,
    ) -> PutResult:
        """Record content that is in the store already as an artifact.

        Raises:
            BlobNotFoundError: The store does not hold it.
        """
        raise NotImplementedError

    def get(
        self, ref: str, destination: str | Path | None = None, *, force: bool = False, progress: Progress | None = None
    ) -> Path:
        """Write an artifact's content, verified, to `destination` (its name in this folder by default).

        Returns:
            Where it was written.

        Raises:
            ConflictError: Something is there already and `force` is not set.
        """
        raise NotImplementedError

    def stream(self, ref: str, path: str | None = None) -> Iterator[bytes]:
        """Yield a file's verified bytes; `path` names a file inside a folder artifact."""
        raise NotImplementedError

    def entries(self, ref: str, *, recursive: bool = False) -> Sequence[TreeEntry]:
        """List a folder artifact; a file artifact is one entry."""
        raise NotImplementedError

    # ------------------------------------------------------------------ looking up

    def resolve(self, ref: str) -> Found:
        """Find what a ref means: `name`, `name@v3`, `name@alias`, `name@{2026-03-01}`, an id or digest, or a prefix.

        Raises:
            NotFoundError: Nothing.
            AmbiguousRefError: Several things; lists them.
            InvalidInputError: It is not of a ref's form.
        """
        raise NotImplementedError

    def artifact(self, ref: str) -> Artifact:
        """Find the one artifact that a ref means; a digest that several artifacts hold is ambiguous."""
        raise NotImplementedError

    def run(self, ref: str) -> Run:
        """Find the run that a ref means."""
        raise NotImplementedError

    def get_many(self, ids: Collection[bytes]) -> Mapping[bytes, Found]:
        """Return the records of these nodes (32-byte ids) that are known, in one look-up."""
        raise NotImplementedError

    def artifacts(
        self,
        *,
        kinds: Collection[ArtifactKind] = (),
        name: str | None = None,
        text: str | None = None,
        newest_first: bool = False,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Page:
        """Return artifacts in the order they were made, as a page of `Artifact`."""
        raise NotImplementedError

    def newest(self, *, kinds: Collection[ArtifactKind] = ()) -> Sequence[Artifact]:
        """Return the newest version of every name, by name."""
        raise NotImplementedError

    def runs(
        self,
        *,
        experiment: str | None = None,
        statuses: Collection[RunStatus] = (),
        newest_first: bool = True,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Page:
        """Return runs, as a page of `Run`."""
        raise NotImplementedError

    def used(self, runs: Collection[bytes]) -> Mapping[bytes, Sequence[Used]]:
        """Return what each of these runs (32-byte ids) used."""
        raise NotImplementedError

    def generated(self, runs: Collection[bytes]) -> Mapping[bytes, Sequence[Artifact]]:
        """Return what each of these runs (32-byte ids) generated."""
        raise NotImplementedError

    def experiments(self, *, text: str | None = None) -> Sequence[Experiment]:
        """Return all experiments, by name."""
        raise NotImplementedError

    def experiment(self, name: str) -> Experiment:
        """Return an experiment by its name; raises `NotFoundError`."""
        raise NotImplementedError

    def detail(self, digest: Digest | None) -> Mapping[str, Any] | None:
        """Read an erasable detail blob (JSON); None where it was erased, is missing or never was."""
        raise NotImplementedError

    def search(self, text: str, *, kinds: Collection[str] = (), limit: int = 50) -> Sequence[Found]:
        """Find artifacts, runs and experiments whose name holds `text` in any case; `kinds` are words: `model`, `run`…"""
        raise NotImplementedError

    # ------------------------------------------------------------------ aliases

    def tag(self, ref: str, alias: str) -> Alias:
        """Point the alias `alias` of the artifact's name at it; moving it to where it stands changes nothing."""
        raise NotImplementedError

    def untag(self, name: str, alias: str) -> Alias:
        """Take an alias away; its history stays."""
        raise NotImplementedError

    def aliases(self, name: str | None = None) -> Sequence[Alias]:
        """Return where the aliases of one name, or all, stand."""
        raise NotImplementedError

    # ------------------------------------------------------------------ questions

    def trace(
        self,
        ref: str,
        *,
        direction: Direction = Direction.UP,
        depth: int | None = None,
        max_nodes: int | None = 10_000,
    ) -> Trace:
        """Return everything that made it (up) or stands on it (down), with the edges between. Reads no bytes."""
        raise NotImplementedError

    def impact(self, ref: str) -> Impact:
        """Return the models, evaluations and aliases that stand on an artifact."""
        raise NotImplementedError

    def models_trained_on(
        self, ref: str | Path, *, transitive: bool = False, after: Cursor | None = None, limit: int | None = None
    ) -> Page:
        """Return the models trained on exactly these bytes, as a page of `TrainedModel`.

        Args:
            ref: A ref, or a file or folder on disk, which need not have been put.
            transitive: Also through derived datasets and base models.
            after: Only what comes after this cursor.
            limit: At most so many.
        """
        raise NotImplementedError

    def evaluations(
        self,
        *,
        models: Collection[bytes] = (),
        datasets: Collection[bytes] = (),
        experiment: str | None = None,
    ) -> Sequence[Evaluation]:
        """Return the evaluations that meet every condition given (ids of 32 bytes), oldest first."""
        raise NotImplementedError

    def metrics(
        self, *, experiment: str | None = None, models: Sequence[str] = (), datasets: Sequence[str] = ()
    ) -> MetricsTable:
        """Return models × datasets with the newest evaluation of each pair; refs narrow it down."""
        raise NotImplementedError

    # ------------------------------------------------------------------ log and index

    def log(
        self, *, newest_first: bool = True, limit: int | None = None, kinds: Collection[str] = ()
    ) -> Iterator[LogEntry]:
        """Yield the events of the log; `kinds` are the words events carry (`artifact`, `run.started`, …)."""
        raise NotImplementedError

    def checkpoint(self) -> str:
        """Return the log's signed checkpoint: a C2SP signed note."""
        raise NotImplementedError

    def log_key(self) -> str:
        """Return the log's verifier key in signed-note form."""
        raise NotImplementedError

    def verify(self, ref: str | None = None, *, progress: Progress | None = None) -> VerifyReport:
        """Check the log and every blob it names; with a ref, only that artifact's bytes and the log."""
        raise NotImplementedError

    def index_status(self) -> Sequence[IndexStatus]:
        """Say how far each index has followed the log."""
        raise NotImplementedError

    def rebuild_index(self, *, progress: Progress | None = None) -> IndexStatus:
        """Delete the index and make it again from the log."""
        raise NotImplementedError

    def doctor(self) -> Sequence[Advice]:
        """Look for common trouble and say what to do about it."""
        raise NotImplementedError
