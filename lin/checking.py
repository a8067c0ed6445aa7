"""Check a repository: its log, its blobs, and what commonly goes wrong around it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from time import monotonic

from lin.errors import CorruptContentError, InvalidInputError, LinError, NotFoundError
from lin.lineage import searching
from lin.lineage.audit import audit
from lin.lineage.checkpoint import Checkpoint
from lin.lineage.envelope import parse
from lin.lineage.events import STATEMENTS
from lin.lineage.graph import Cursor, Graph
from lin.lineage.keys import ACTOR_FILE, LogKey
from lin.lineage.ledger import Ledger
from lin.lineage.log import Leaf, Log
from lin.lineage.merkle import Frontier
from lin.lineage.words import Shape
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.folder import read_tree
from lin.store.local import LocalPlace
from lin.store.place import Place
from lin.store.tree import Mode

from . import config
from .living import living
from .progress import Progress
from .records import Advice, Finding, LogEntry, Page, VerifyReport

_BLOCK = 256
"""Events read at once when the log is read backwards: one entry bundle."""
_NEVER = 2**62
"""Microseconds since 1970: the trash of every day."""
_STALE = 86_400.0
"""Seconds after which a temporary file has no living writer any more."""


# ------------------------------------------------------------------------ the log


def log_entries(
    log: Log, *, newest_first: bool, limit: int | None, kinds: Collection[str], after: int | None = None
) -> Iterator[LogEntry]:
    """Yield events, in the log's order or backwards; see `Repository.log`."""
    check_kinds(kinds)
    if limit is not None and limit < 0:
        raise InvalidInputError(f"cannot show {limit} events", hint="Ask for 0 or more.")
    at = log.checkpoint()
    if after is not None and not 0 <= after < at.size:
        raise InvalidInputError(f"the log of {at.size} events has no position {after}", hint="Positions begin with 0.")
    if newest_first:
        leaves = _backwards(log, at.size if after is None else after, at)
    else:
        leaves = log.read(0 if after is None else after + 1, at=at)
    return _entries(leaves, limit=limit, kinds=kinds)


def check_kinds(kinds: Collection[str]) -> None:
    """Raise `InvalidInputError` for a kind of event that there is not."""
    for kind in kinds:
        if kind not in STATEMENTS:
            raise InvalidInputError(f"there is no kind of event {kind!r}", hint=f"One of: {', '.join(STATEMENTS)}.")


def log_page(entries: Iterator[LogEntry], kinds: Collection[str], limit: int) -> Page:
    """Return a page of these kinds; see `Repository.log_page`."""
    ends = monotonic() + searching.SECONDS
    found: list[LogEntry] = []
    for entry in entries:
        if not kinds or entry.kind in kinds:
            if len(found) == limit:
                return Page(tuple(found), _place(found[-1]))
            found.append(entry)
        if monotonic() > ends:
            return Page(tuple(found), _place(entry), stopped=True)
    return Page(tuple(found))


def _place(entry: LogEntry) -> Cursor:
    return Cursor(entry.position, entry.id.value)


def _entries(leaves: Iterable[Leaf], *, limit: int | None, kinds: Collection[str]) -> Iterator[LogEntry]:
    shown = 0
    for leaf in leaves:
        if limit is not None and shown >= limit:
            return
        signed = parse(leaf.data)
        statement = signed.event.statement
        if not kinds or statement.TYPE in kinds:
            shown += 1
            yield LogEntry(leaf.position, signed.id, statement.TYPE, signed.event.at, signed.event.actor, statement)


def _backwards(log: Log, stop: int, at: Checkpoint) -> Iterator[Leaf]:
    while stop:
        start = (stop - 1) // _BLOCK * _BLOCK
        yield from reversed(list(log.read(start, stop, at=at)))
        stop = start


# ------------------------------------------------------------------------ verify


def verify_all(
    place: Place, ledger: Ledger, store: BlobStore, progress: Progress, *, deep: bool = False
) -> VerifyReport:
    """Check the description and the log, every file of the store, and every blob that events name, down all trees."""
    seen = _seen(ledger)
    report = audit(ledger.log, progress=lambda done, total: progress(0, None, done, total), seen=seen)
    found = [Finding(problem.kind, problem.name, problem.message) for problem in report.findings]
    found[:0] = _description(place)
    damaged = [Finding("damaged", problem.name, problem.message) for problem in store.check()]
    found += damaged
    # Where every record is what its digest says, a blob is whole if all of its records are there.
    deep = deep or bool(damaged)
    gone = _let_go(ledger)
    blobs = _Blobs(store, report.erased.__contains__, progress, deep=deep)
    blobs.check({digest: shape for digest, shape in report.content.items() if digest not in gone})
    # What was thrown away may still be there, and then it is right, or it was collected.
    trash = _Blobs(store, lambda _: True, progress, blobs, deep=deep)
    trash.check({digest: shape for digest, shape in report.content.items() if digest in gone})
    return VerifyReport(
        events=report.checkpoint.size if report.checkpoint else 0,
        blobs=blobs.count,
        bytes=blobs.bytes,
        erased=tuple(sorted(blobs.erased | (trash.erased & report.erased))),
        findings=(*found, *blobs.findings),
        removed=tuple(sorted(trash.erased - report.erased)),
    )


def _let_go(ledger: Ledger) -> Collection[Digest]:
    """Return the content that only artifacts in the trash name."""
    try:
        return living(ledger.log, ledger.graph(), before=_NEVER).dead
    except LinError:  # the log is damaged, which is a finding by itself
        return ()


def verify_one(graph: Graph, store: BlobStore, digest: Digest, shape: Shape, progress: Progress) -> VerifyReport:
    """Check the bytes of one artifact, down through its tree."""

    def is_erased(blob: Digest) -> bool:
        return any("erased" in node.facets for node in graph.get([blob.value]).values())

    blobs = _Blobs(store, is_erased, progress)
    blobs.check({digest: shape})
    return VerifyReport(0, blobs.count, blobs.bytes, tuple(sorted(blobs.erased)), tuple(blobs.findings))


def _seen(ledger: Ledger) -> tuple[int, bytes] | None:
    """Return the log's size and root as this machine's index last saw them."""
    position = ledger.position()
    try:
        return (position.size, Frontier(position.size, position.frontier).root) if position.size else None
    except InvalidInputError:  # the index is damaged, which says nothing about the log
        return None


def _description(place: Place) -> Iterator[Finding]:
    try:
        data = place.read(config.DESCRIPTION)
        if config.Description.loads(data, place.url).dumps() != data:
            yield Finding("damaged", config.DESCRIPTION, "it is not byte for byte what lin wrote")
    except LinError as error:
        yield Finding("damaged", config.DESCRIPTION, error.message)


class _Blobs:
    """Look at blobs, each once: whether all of each is there, and if `deep`, whether it has its digest."""

    def __init__(
        self,
        store: BlobStore,
        is_erased: Callable[[Digest], bool],
        progress: Progress,
        after: _Blobs | None = None,
        *,
        deep: bool = True,
    ) -> None:
        """Start counting, or go on after others: what they have looked at is not looked at again."""
        self._store = store
        self._is_erased = is_erased
        self._progress = progress
        self._deep = deep
        self._done: set[Digest] = set() if after is None else after._done  # noqa: SLF001 - its own half
        self.erased: set[Digest] = set()
        self.findings: list[Finding] = [] if after is None else after.findings
        self.count = 0
        self.bytes = 0

    def check(self, content: Mapping[Digest, Shape]) -> None:
        waiting = list(content.items())
        while waiting:
            digest, shape = waiting.pop()
            if digest in self._done:
                continue
            self._done.add(digest)
            waiting.extend(self._one(digest, shape))
            self._progress(self.bytes, None, self.count, None)

    def _one(self, digest: Digest, shape: Shape) -> Iterable[tuple[Digest, Shape]]:
        """Check one blob, and return what it names if it is a tree."""
        try:
            size = self._store.account(digest)
            if self._deep:
                self._store.verify(digest)
            entries = read_tree(self._store, digest) if shape == Shape.TREE else ()
        except NotFoundError as error:
            if self._is_erased(digest):
                self.erased.add(digest)
            else:
                self.findings.append(Finding("missing_blob", str(digest), error.message))
            return ()
        except (CorruptContentError, InvalidInputError) as error:
            self.findings.append(Finding("corrupt_blob", str(digest), error.message))
            return ()
        self.count += 1
        self.bytes += size
        return [(entry.digest, Shape.TREE if entry.mode == Mode.FOLDER else Shape.BLOB) for entry in entries]


# ------------------------------------------------------------------------ doctor


def doctor(place: Place, ledger: Ledger, description: config.Description) -> list[Advice]:
    """Look at what commonly goes wrong around a repository, and say what to do."""
    return [
        Advice("ok", "repository", f"format {description.format} at {place.url}"),
        *_keys(description),
        *_log(ledger),
        *_folder(place),
    ]


def _keys(description: config.Description) -> Iterator[Advice]:
    folder = config.config_folder()
    try:
        LogKey.load(folder, description.origin)
    except LinError as error:
        yield Advice("warning", "log key", error.message, error.hint)
    else:
        yield Advice("ok", "log key", f"in {folder}")
    actor = folder / ACTOR_FILE
    try:
        mode = stat.S_IMODE(actor.stat().st_mode)
    except FileNotFoundError:
        yield Advice("ok", "actor key", "none yet; the first write makes one")
        return
    except OSError as error:
        yield Advice("error", "actor key", f"{actor}: {error.strerror}")
        return
    if mode & 0o077:
        yield Advice("error", "actor key", f"others can read {actor} (mode {mode:04o})", f"chmod 600 {actor}")
    else:
        yield Advice("ok", "actor key", f"{actor}")


def _log(ledger: Ledger) -> Iterator[Advice]:
    try:
        size = ledger.log.checkpoint().size
        behind = size - ledger.position().size
        graph = ledger.graph()
    except LinError as error:
        yield Advice("error", "log", error.message, error.hint or "Run: lin verify")
        return
    yield Advice("ok", "log", f"{size} events, signed checkpoint")
    caught_up = f", {behind} events behind until just now" if behind else ""
    yield Advice("ok", "index", f"{graph.position().size} events{caught_up}")


def _folder(place: Place) -> Iterator[Advice]:
    if not isinstance(place, LocalPlace):
        return
    left = place.leftovers(_STALE)
    if left:
        size = sum(file.size for file in left)
        subject = "temporary files"
        try:
            place.sweep(_STALE)
        except LinError as error:
            yield Advice("warning", subject, error.message, error.hint)
        else:
            yield Advice("ok", subject, f"removed {len(left)} left over from interrupted writes, {size} bytes")
    root = Path(place.url)
    space = os.statvfs(root)
    free = space.f_bavail * space.f_frsize
    low = free < 1 << 30
    yield Advice(
        "warning" if low else "ok",
        "space",
        f"{free / (1 << 30):.1f} GiB free",
        "Make room, or choose another place with --repo." if low else "",
    )
