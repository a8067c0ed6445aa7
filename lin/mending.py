"""Mend a repository with the bytes of another one: a mirror, or any that holds the same content."""

from __future__ import annotations

from lin.errors import CorruptContentError, LinError, NotFoundError
from lin.lineage.log import CHECKPOINT
from lin.lineage.log import FOLDER as LOG
from lin.store import bundle
from lin.store.digest import Digest
from lin.store.pack import pack_name
from lin.store.place import Place

from .progress import Progress, silent
from .records import Finding, Repaired
from .session import Session
from .upkeep import Upkeep


def repair(session: Upkeep, source: Session, *, progress: Progress = silent) -> Repaired:
    """Take what is missing or damaged from another repository, then look again.

    Nothing is deleted that could be read: a damaged pack goes only when all that is needed of it is elsewhere.

    Args:
        session: The repository to mend.
        source: Where the bytes are. With the same id, it is a mirror, and also gives files of the log.
        progress: Told of bytes and blobs.
    """
    before = session.verify(progress=progress)
    mended: list[str] = []
    if source.id == session.id:
        mended += [f.subject for f in before.findings if _same_file(session.place, source.place, f)]
    session.store.packs.refresh()
    for finding in before.findings:
        if finding.kind in {"missing_blob", "corrupt_blob"} and _blob(session, source, Digest.parse(finding.subject)):
            mended.append(finding.subject)
    _sweep(session)
    after = session.verify(progress=progress)
    return Repaired(tuple(dict.fromkeys(mended)), after.findings)


def _same_file(place: Place, mirror: Place, finding: Finding) -> bool:
    """Copy a file as a whole from a mirror: content and tiles of a log are what their names say in both."""
    name = finding.subject if finding.subject.startswith(("objects/", LOG)) else f"{LOG}/{finding.subject}"
    if name == CHECKPOINT:
        return False  # it says how far the log is; an older one would hide what came later
    try:
        data = mirror.read(name)
        if place.size(name) is None or place.read(name) != data:
            place.replace(name, data)
            return True
    except LinError:
        pass
    return False


def _blob(session: Session, source: Session, digest: Digest) -> bool:
    try:
        session.store.verify(digest)
    except (NotFoundError, CorruptContentError):
        pass
    else:
        return False
    try:
        with source.store.open(digest) as reader:
            found, _ = session.store.put_stream(reader, rewrite=True)
    except (NotFoundError, CorruptContentError):
        return False
    return found == digest


def _sweep(session: Session) -> None:
    """Write what is whole of damaged packs into new ones, and delete them, if nothing else is lost with them."""
    store = session.store
    store.packs.refresh()
    problems = list(store.check())
    damaged = {name for problem in problems if (name := pack_name(problem.name)) is not None}
    for problem in problems:
        if problem.name.startswith(bundle.FOLDER):  # a copy of what the packs say themselves
            session.place.delete(problem.name)
    sizes = {pack.name: pack for pack in store.upkeep.packs()}
    for name in damaged & sizes.keys():
        try:
            table = store.upkeep.table(sizes[name])
        except (CorruptContentError, NotFoundError):
            store.upkeep.delete(name)  # its table is gone, and with it the only way to what it held
            continue
        whole = {entry.offset for entry in table.entries if store.upkeep.is_whole(name, entry)}
        store.rewrite([name], lambda entry, whole=whole: entry.offset in whole)  # type: ignore[misc]
        store.upkeep.doom(name)
        store.upkeep.delete(name)
    store.packs.refresh()
