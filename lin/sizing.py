"""Say what content takes: by name, and in all, beside what it would take without sharing and compressing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from lin.errors import CorruptContentError, NotFoundError
from lin.lineage.graph import ARTIFACT_KINDS
from lin.lineage.words import Shape
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.pack import CODINGS, Kind

from . import reading
from .living import blobs_of
from .records import Stats, Usage
from .session import Session


def usage(session: Session) -> Sequence[Usage]:
    """Return what the content of each name takes, the largest first.

    Raises:
        CorruptContentError: A tree or list is damaged.
    """
    store = session.store
    store.packs.refresh()
    size, versions = Counter[str](), Counter[str]()
    content: defaultdict[str, dict[Digest, Shape]] = defaultdict(dict)
    for node in session.embedded.find(kinds=ARTIFACT_KINDS):
        artifact = reading.artifact(node)
        size[artifact.name] += artifact.size
        versions[artifact.name] += 1
        content[artifact.name][artifact.digest] = artifact.shape
    stored = _stored(store)
    needs = {
        name: {key for key in store.upkeep.reach(blobs_of(store, what.items(), frozenset())) if key in stored}
        for name, what in content.items()
    }
    by = Counter(key for keys in needs.values() for key in keys)
    found = [
        Usage(
            name,
            versions[name],
            size[name],
            sum(stored[key] for key in keys),
            sum(stored[key] for key in keys if by[key] == 1),
        )
        for name, keys in needs.items()
    ]
    return sorted(found, key=lambda each: (-each.stored, each.name))


def stats(session: Session) -> Stats:
    """Return what all content takes, and what was saved by sharing and by coding."""
    store = session.store
    store.packs.refresh()
    logical, artifacts = 0, 0
    distinct: dict[Digest, int] = {}
    for node in session.embedded.find(kinds=ARTIFACT_KINDS):
        artifact = reading.artifact(node)
        logical += artifact.size
        artifacts += 1
        distinct[artifact.digest] = artifact.size
    plain = kept = records = 0
    codings = Counter[str]()
    packs = list(store.upkeep.packs())
    for pack in packs:
        for entry in store.upkeep.table(pack).entries:
            if entry.kind != Kind.LIST:
                plain += entry.size
            kept += entry.stored
            records += 1
            codings[CODINGS.get(entry.coding, str(entry.coding))] += entry.stored
    files = sum(pack.size for pack in packs)
    loose = [size for _, size, _ in store.upkeep.loose()]
    return Stats(
        artifacts=artifacts,
        logical=logical,
        distinct=sum(distinct.values()),
        records=records + len(loose),
        unique=plain + sum(loose),
        stored=kept + sum(loose),
        files=files + sum(loose),
        codings=dict(sorted(codings.items())),
    )


def _stored(store: BlobStore) -> dict[tuple[bytes, bool], int]:
    """Return the bytes that each record takes; of one that is there twice, the smaller."""
    found: dict[tuple[bytes, bool], int] = {}
    for pack in store.upkeep.packs():
        try:
            table = store.upkeep.table(pack)
        except (CorruptContentError, NotFoundError):
            continue
        for entry in table.entries:
            key = (entry.digest, entry.kind != Kind.CHUNK)
            found[key] = min(entry.stored, found.get(key, entry.stored))
    return found
