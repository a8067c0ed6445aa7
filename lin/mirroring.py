"""Keep an exact copy of a repository elsewhere: the same files, the same log, the same id.

A mirror can take the repository's place when that is lost, and mend it when it is damaged. What is in a file is
its name's content, so only files that are not there are copied; the checkpoint comes last, so a mirror that is
half-way is the older one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from lin.errors import ConflictError, CorruptLogError, InvalidInputError, NotFoundError
from lin.lineage.checkpoint import Checkpoint
from lin.lineage.log import CHECKPOINT, Log
from lin.lineage.log import FOLDER as LOG
from lin.lineage.tiles import tiles_of
from lin.store.packs import OBJECTS
from lin.store.place import Place
from lin.store.pump import pump

from . import config, trust
from .progress import Progress, silent
from .records import Mirrored

_ATTEMPTS = 20
"""How often a log that grows while it is copied is looked at again."""


def mirror(source: Place, log: Log, target: Place, progress: Progress = silent) -> Mirrored:
    """Make `target` hold what `source` holds.

    Args:
        source: The repository's files.
        log: Its log.
        target: Where the mirror is, or will be.
        progress: Told of bytes and files.

    Raises:
        ConflictError: Something else is at the target.
        CorruptLogError: The mirror holds a history that the repository does not have.
    """
    _check(source, log, target)
    files, size = _objects(source, target, progress)
    before, at = _log(source, log, target)
    # What was recorded while objects were copied names objects that were not there then.
    more = _objects(source, target, progress)
    if before is None or before.size < at.size:
        Log(target, log.verifier).frontier(at)
        target.replace(CHECKPOINT, at.note)
    if target.size(config.DESCRIPTION) is None:
        target.create(config.DESCRIPTION, source.read(config.DESCRIPTION))
    else:
        target.replace(config.DESCRIPTION, source.read(config.DESCRIPTION))
    return Mirrored(target.url, at.size, files + more[0], size + more[1])


def _log(source: Place, log: Log, target: Place, attempts: int = _ATTEMPTS) -> tuple[Checkpoint | None, Checkpoint]:
    """Copy the files of the log, but not the checkpoint that makes them count; return the old one and the new."""
    before, at = _checkpoint(target, log), log.checkpoint()
    names = [f"{LOG}/{tile.name}" for tile in tiles_of(at.size, since=before.size if before else 0)]
    try:
        _copy(source, target, [name for name in names if target.size(name) is None], lambda _: None)
    except NotFoundError:
        if attempts <= 1:
            raise  # not a writer that went on meanwhile: the file is missing
        return _log(source, log, target, attempts - 1)
    return before, at


def _check(source: Place, log: Log, target: Place) -> None:
    described = config.describe(target)
    if described is None:
        if target.size(CHECKPOINT) is not None and _checkpoint(target, log) is None:
            raise ConflictError(f"{target.url} holds another log", hint="Choose another place for the mirror.")
        return
    if described.id != trust.identity(log):
        raise ConflictError(
            f"{target.url} is a repository of its own, not a mirror of {source.url}",
            hint="`lin push` adds to another repository; a mirror needs a place of its own.",
        )
    if source.url == target.url:
        raise InvalidInputError(f"{target.url} is this repository itself", hint="Choose another place for the mirror.")
    before = _checkpoint(target, log)
    if before is None:
        return
    now = log.checkpoint()
    if before.size > now.size:
        raise CorruptLogError(
            f"the mirror at {target.url} has {before.size} events, the repository {now.size}: one was rolled back, or "
            "the mirror was written to",
            hint=f"Look at both with `lin log`. To go on from the mirror, use it: --repo {target.url}",
        )
    try:
        log.check_follows(before.size, before.root, at=now)
    except CorruptLogError as error:
        evidence = trust.keep_evidence(source, log, before, now)
        raise CorruptLogError(
            f"the mirror at {target.url} and the repository tell different histories: {error.message}",
            hint=f"Nothing was copied. Both signed checkpoints are kept in {evidence}.",
        ) from error


def _checkpoint(target: Place, log: Log) -> Checkpoint | None:
    try:
        return Checkpoint.parse(target.read(CHECKPOINT), log.verifier)
    except NotFoundError:
        return None


def _objects(source: Place, target: Place, progress: Progress) -> tuple[int, int]:
    there = {info.name: info.size for info in target.list(OBJECTS)}
    lacking = {info.name: info.size for info in source.list(OBJECTS) if there.get(info.name) != info.size}
    total, done, lock = sum(lacking.values()), [0, 0], threading.Lock()

    def copied(name: str) -> None:
        with lock:
            done[0] += lacking[name]
            done[1] += 1
            progress(done[0], total, done[1], len(lacking))

    _copy(source, target, lacking, copied)
    return len(lacking), total


def _copy(source: Place, target: Place, names: Iterable[str], copied: Callable[[str], None]) -> None:
    def one(name: str) -> None:
        with source.open(name) as reader, batch.upload() as upload:
            pump(reader, upload.write, None)
            upload.commit(name, replace=True)
        copied(name)

    with target.batch() as batch, ThreadPoolExecutor(max(source.workers, target.workers)) as workers:
        for done in [workers.submit(one, name) for name in names]:
            done.result()
