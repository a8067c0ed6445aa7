"""lin from Python: the use cases over one repository that opens by itself.

The functions here use the repository that the command line would use from the same folder. Another one is
`lin.Repository.open(…)`, whose methods do the same.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lin.lineage.events import Scalar
from lin.lineage.graph import Direction
from lin.lineage.words import ArtifactKind

from .given import word
from .progress import Progress
from .recording import DEFAULT_EXPERIMENT, Recording
from .records import Artifact, PutResult, Trace
from .repository import Repository

_lock = threading.Lock()
_opened: dict[tuple[int, str, Path], Repository] = {}


def open_repository(location: str | Path | None = None) -> Repository:
    """Return the repository that a location means, opened once in this process.

    Args:
        location: A folder or bucket URL. None: `LIN_REPO`, else the nearest repository in this folder or one above it,
            else the user's own, which is made on first use.
    """
    with _lock:
        repository = Repository.open(location)
        # Another process has its own connections; a repository made anew in the same place has another cache.
        key = (os.getpid(), repository.url, repository.cache)
        known = _opened.setdefault(key, repository)
        if known is not repository:
            repository.close()
        return known


@atexit.register
def _close() -> None:
    for (process, *_), repository in _opened.items():
        if process == os.getpid():
            repository.close()


def put(
    path: str | Path | Any,
    *,
    name: str | None = None,
    kind: ArtifactKind | str = ArtifactKind.DATASET,
    experiment: str | None = None,
    attributes: Mapping[str, Scalar] | None = None,
    progress: Progress | None = None,
) -> PutResult:
    """Store a file, a folder or a table in Python and record it as an artifact; see `Repository.put`.

    A table of pandas, polars, Arrow or what else speaks Arrow's protocols is kept as Parquet, under the name given.

    Examples:
        >>> lin.put("flights.csv").artifact.label  # doctest: +SKIP
        'flights.csv@v1'
        >>> lin.put(frame, name="flights").artifact.label  # doctest: +SKIP
        'flights@v1'
    """
    repository = open_repository()
    keep: Callable[..., PutResult] = repository.put if isinstance(path, (str, os.PathLike)) else repository.put_table
    return keep(
        path,
        name=name,
        kind=word(ArtifactKind, kind, "kind"),
        experiment=experiment,
        attributes=attributes,
        progress=progress,
    )


def get(
    ref: str, destination: str | Path | None = None, *, force: bool = False, progress: Progress | None = None
) -> Path:
    """Write an artifact's content, verified, and say where; see `Repository.get`."""
    return open_repository().get(ref, destination, force=force, progress=progress)


def artifact(ref: str) -> Artifact:
    """Find the one artifact that a ref means; see `Repository.artifact`."""
    return open_repository().artifact(ref)


def run(
    *,
    experiment: str = DEFAULT_EXPERIMENT,
    name: str | None = None,
    parameters: Mapping[str, Scalar] | None = None,
) -> Recording:
    """Record what the block below does as a run.

    The run keeps the project's code and the environment as `lin run` does.

    Args:
        experiment: The experiment that the run and its models belong to.
        name: A name for people; the script's by default.
        parameters: Settings, by name.

    Examples:
        >>> with lin.run(experiment="delays", parameters={"depth": 3}) as run:  # doctest: +SKIP
        ...     train = pd.read_csv(run.use("train.csv", role="train"))
        ...     model = fit(train)
        ...     run.log_metrics(accuracy=0.93)
        ...     joblib.dump(model, "model.joblib")
        ...     run.save("model.joblib", kind="model")
    """
    from .commands import start_here  # noqa: PLC0415 - git and environment only where a run starts

    script = Path(sys.argv[0]).name if sys.argv and sys.argv[0] not in {"", "-c"} else "python"
    return start_here(open_repository(), name=name or script, experiment=experiment, parameters=parameters or {})


def trace(ref: str, *, direction: Direction | str = Direction.UP, depth: int | None = None) -> Trace:
    """Return everything that made it (`up`) or stands on it (`down`); see `Repository.trace`."""
    return open_repository().trace(ref, direction=word(Direction, direction, "direction"), depth=depth)
