"""Remember what other repositories' logs said, and refuse one that says something else now.

A log only ever grows. Beside this repository's own files lie the signed checkpoints that it last saw of others,
`proofs/seen/<repository id>`: with one of them and the log of today, a proof shows that nothing in between was
rewritten. Where there is no such proof, both checkpoints are kept as the evidence: signed by the same key, they
convict each other.
"""

from __future__ import annotations

from lin.errors import CorruptLogError, InvalidInputError, NotFoundError
from lin.lineage.checkpoint import Checkpoint
from lin.lineage.log import Log
from lin.store.place import Place

FOLDER = "proofs"


def identity(log: Log) -> str:
    """Return the id of the repository whose log it is."""
    return log.origin.rpartition("/")[2]


def last_seen(place: Place, log: Log, what: str = "seen") -> Checkpoint | None:
    """Return the checkpoint of another log that was kept beside a repository; None if there is none.

    Args:
        place: The repository's.
        log: The other log.
        what: `seen`, or `pulled`: up to where all its events were taken over.

    Raises:
        CorruptLogError: It is not signed by the key that this log has today.
    """
    name = f"{FOLDER}/{what}/{identity(log)}"
    try:
        note = place.read(name)
    except NotFoundError:
        return None
    try:
        return Checkpoint.parse(note, log.verifier)
    except (CorruptLogError, InvalidInputError) as error:
        raise CorruptLogError(
            f"the log of {log.place.url} is not signed by the key that signed it before: {error.message}",
            hint=f"The checkpoint seen before is {place.url}/{name}. Ask whoever keeps that repository.",
        ) from error


def check(place: Place, log: Log) -> Checkpoint:
    """Check that another log continues what was last seen of it; return its checkpoint of now.

    Args:
        place: Of the repository that saw it.
        log: The other log.

    Raises:
        CorruptLogError: It was rewritten or rolled back; both checkpoints are kept in `proofs/conflicts/`.
    """
    now = log.checkpoint()
    before = last_seen(place, log)
    if before is None:
        return now
    try:
        log.check_follows(before.size, before.root, at=now)
    except CorruptLogError as error:
        evidence = keep_evidence(place, log, before, now)
        raise CorruptLogError(
            f"the history of {log.place.url} was rewritten: {error.message}",
            hint=f"Nothing was taken over. Both signed checkpoints are kept in {evidence}: "
            "show them to whoever keeps that repository.",
        ) from error
    return now


def keep_evidence(place: Place, log: Log, before: Checkpoint, now: Checkpoint) -> str:
    """Keep two signed checkpoints of a log that contradict each other beside a repository; return where."""
    name = f"{FOLDER}/conflicts/{identity(log)}-{before.size}-{now.size}"
    place.replace(name, before.note + b"\n" + now.note)
    return f"{place.url}/{name}"


def remember(place: Place, log: Log, checkpoint: Checkpoint, what: str = "seen") -> None:
    """Keep a checkpoint that was checked, unless a later one is there."""
    before = last_seen(place, log, what)
    if before is None or before.size < checkpoint.size:
        place.replace(f"{FOLDER}/{what}/{identity(log)}", checkpoint.note)
