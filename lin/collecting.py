"""Free the space of content that nothing needs any more, beside whoever reads and writes.

A pack is never changed. What is still needed of it is written into another one, the pack is *doomed*, from when on no
writer counts on it, and after the grace period it is looked at once more and deleted; `docs/formats/store.md` says
why this loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from lin.errors import CorruptContentError, NotFoundError
from lin.store.blobs import BlobStore
from lin.store.pack import Entry, Kind, Table
from lin.store.upkeep import PackFile, Reached, needed

from .living import blobs_of, living
from .progress import Progress, silent
from .records import Collected
from .session import Session

GRACE = 24 * 3600
"""Seconds. Longer than any put takes: what one wrote or counted on is in the log by then."""
TRASH = 30 * 24 * 3600
"""Seconds for which what was thrown away can be taken back with its bytes."""
_WASTE = 0.25
"""The part of a pack that has to be dead before the rest is written anew."""


@dataclass(frozen=True, slots=True)
class _Judged:
    pack: PackFile
    live: int
    dead: int


def collect(
    session: Session,
    *,
    dry: bool,
    grace: float = GRACE,
    trash: float = TRASH,
    now: float | None = None,
    progress: Progress = silent,
) -> Collected:
    """Doom packs of which little or nothing is needed, and delete those that were doomed long enough ago.

    Args:
        session: An open repository.
        dry: Change nothing, only say what would be freed.
        grace: Seconds for which nothing is touched that was written, and after which what is doomed is deleted.
        trash: Seconds for which an artifact in the trash keeps its content.
        now: Seconds since 1970; the present by default.
        progress: Told of packs.

    Raises:
        CorruptContentError: A tree or list is damaged, so that it is not known what is needed; nothing is deleted.
    """
    now = time.time() if now is None else now
    store = session.store
    store.packs.refresh()
    alive = living(session.journal, session.embedded, before=int((now - trash) * 1_000_000))
    reached = store.upkeep.reach(blobs_of(store, alive.content.items(), alive.erased))
    doomed = store.upkeep.doomed()
    packs = list(store.upkeep.packs())
    # Deleted is first what was doomed before: nothing that is doomed from now on can have been counted on for that.
    freed = _delete(store, [pack for pack in packs if pack.name in doomed], reached, doomed, now - grace, dry=dry)
    waste: list[_Judged] = []
    dead = young = 0
    for number, pack in enumerate(packs, 1):
        judged = None if pack.name in doomed else _judge(store, pack, reached)
        progress(0, None, number, len(packs))
        if judged is None or judged.dead == 0:
            continue
        dead += judged.dead
        if pack.modified is not None and now - pack.modified < grace:
            young += judged.dead
        elif judged.dead >= _WASTE * (judged.live + judged.dead):
            waste.append(judged)
    if waste and not dry:
        store.rewrite([each.pack.name for each in waste if each.live], lambda entry: needed(entry, reached))
        for each in waste:
            store.upkeep.doom(each.pack.name)
    if not dry:
        store.packs.refresh()
    going = sum(each.dead for each in waste)
    return Collected(
        freed=freed.freed,
        deleted=freed.deleted,
        doomed=going,
        waiting=freed.waiting,
        young=young,
        scattered=dead - young - going,
        spared=freed.spared,
        kept=dict(sorted(alive.kept.items())),
    )


@dataclass(slots=True)
class _Freed:
    freed: int = 0
    deleted: int = 0
    waiting: int = 0
    spared: int = 0


def _delete(
    store: BlobStore,
    packs: Iterable[PackFile],
    reached: Reached,
    doomed: Mapping[str, float | None],
    since: float,
    *,
    dry: bool,
) -> _Freed:
    """Delete doomed packs, if nothing in them is needed that is nowhere else; those doomed after `since` wait."""
    done = _Freed()
    for pack in packs:
        at = doomed[pack.name]
        if at is None or at > since:
            done.waiting += pack.size
        elif _needed(store, pack, reached, doomed.keys()):
            done.spared += 1
            if not dry:
                store.upkeep.spare(pack.name)
        else:
            done.freed += pack.size
            done.deleted += 1
            if not dry:
                store.upkeep.delete(pack.name)
    return done


def _judge(store: BlobStore, pack: PackFile, reached: Reached) -> _Judged | None:
    table = _table(store, pack)
    if table is None:
        return None
    use = store.upkeep.use(table, reached)
    return _Judged(pack, use.live, use.dead)


def _needed(store: BlobStore, pack: PackFile, reached: Reached, doomed: Collection[str]) -> bool:
    """Tell whether a doomed pack holds what is needed and nowhere else."""
    table = _table(store, pack)
    return table is None or any(not elsewhere for elsewhere in _elsewhere(store, table, reached, doomed))


def _elsewhere(store: BlobStore, table: Table, reached: Reached, doomed: Collection[str]) -> Iterator[bool]:
    for entry in table.entries:
        if needed(entry, reached):
            yield any(
                record.pack not in doomed and _serves(record.entry, entry)
                for record in store.catalogue.find(entry.digest)
            )


def _serves(other: Entry, entry: Entry) -> bool:
    return other.kind == entry.kind or (other.kind, entry.kind) == (Kind.BLOB, Kind.CHUNK)


def _table(store: BlobStore, pack: PackFile) -> Table | None:
    try:
        return store.upkeep.table(pack)
    except (CorruptContentError, NotFoundError):  # it stays for `lin verify` to tell, and for `lin repair`
        return None
