"""Audit: check all of a log, and say everything that is wrong with it.

Problems are findings, not exceptions, so that one damaged file does not hide another. Memory grows only with
the ids and digests that have to be compared: some 300 bytes for each event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lin.errors import LinError
from lin.store.digest import Digest
from lin.store.local import LocalPlace

from .audit_events import EventChecks
from .audit_files import FileChecks
from .checkpoint import Checkpoint
from .findings import Finding, Problem
from .journal import NAME as JOURNAL
from .journal import Journal
from .log import CHECKPOINT, Log
from .tiles import decode_bundle
from .words import Shape

__all__ = ["Finding", "Problem", "Report", "audit"]


@dataclass(frozen=True, slots=True)
class Report:
    """Say what an audit found.

    Attributes:
        checkpoint: What the log was checked against; None where that could not be read.
        findings: Everything that is wrong, in the order of the log; empty for a sound log.
        content: Every digest that the events name, and what it stands for: what the store has to hold.
        erased: Those of them that were erased on purpose.
    """

    checkpoint: Checkpoint | None
    findings: tuple[Finding, ...]
    content: Mapping[Digest, Shape]
    erased: frozenset[Digest]


def audit(
    log: Log,
    *,
    progress: Callable[[int, int], None] | None = None,
    seen: tuple[int, bytes] | None = None,
) -> Report:
    """Check every file that the checkpoint implies, every leaf, signature and reference.

    The log may grow meanwhile: it is checked as of the checkpoint read at the beginning.

    Args:
        log: The log.
        progress: Called with the number of leaves checked, and of all.
        seen: A size and root of this log from earlier, such as an index's: the log must still begin so.

    Raises:
        BackendError: The place failed; that is no statement on the log.
    """
    findings: list[Finding] = []
    try:
        files = FileChecks(log, findings)
    except LinError as error:
        if not is_damage(error):
            raise
        findings.append(Finding(Problem.CHECKPOINT, CHECKPOINT, error.message))
        return Report(None, tuple(findings), {}, frozenset())
    events = EventChecks(findings)
    at = files.checkpoint
    progress = progress or _silent
    progress(0, at.size)
    for bundle in files.bundles():
        for number, leaf in enumerate(bundle.leaves):
            events.check(bundle.start + number, leaf)
        events.skip(bundle.width - len(bundle.leaves))
        progress(bundle.start + bundle.width, at.size)
    events.finish()
    _check_journal(log, findings)
    if seen is not None:
        try:
            log.check_follows(*seen, at=at)
        except LinError as error:
            if not is_damage(error):
                raise
            findings.append(Finding(Problem.HISTORY, CHECKPOINT, error.message))
    return Report(at, tuple(findings), events.content, frozenset(events.erased))


def _check_journal(log: Log, findings: list[Finding]) -> None:
    """Look at what a local log would be brought in order from after a power cut."""
    if not isinstance(log.place, LocalPlace):
        return
    try:
        torn = Journal(log.place).is_torn()
    except LinError as error:
        if not is_damage(error):
            raise
        findings.append(Finding(Problem.DAMAGED, JOURNAL, error.message))
        return
    # Where the whole commits lead to the checkpoint, what follows them is one that never came to be: nothing of it was
    # acknowledged, and the next one takes its place.
    if torn and _is_behind(log):
        findings.append(Finding(Problem.DAMAGED, JOURNAL, "a commit in it is damaged that the checkpoint counts on"))


def _is_behind(log: Log) -> bool:
    """Tell whether the checkpoint signs more than the whole commits of the journal lead to."""
    at = log.checkpoint()  # first: the journal is never behind a checkpoint that was there before
    seen = Journal(log.place).read() if isinstance(log.place, LocalPlace) else None
    if seen is None:
        return False
    return log.verified(decode_bundle(seen.commits[-1])[0] if seen.commits else seen.base).size < at.size


def _silent(done: int, total: int, /) -> None:
    pass


def is_damage(error: LinError) -> bool:
    """Return whether an error is about the log, and not about reaching it."""
    return error.kind not in {"backend", "permission", "storage_full"}
