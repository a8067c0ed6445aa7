"""Erase content on purpose: say so in the log, then remove the bytes wherever this repository keeps them.

What other content shares with it stays for their sake; what only this had is gone when this returns. Lineage stays:
what was trained on it is still known.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from lin.errors import InvalidInputError
from lin.lineage.apply import TABLE_FACET
from lin.lineage.events import Tombstone
from lin.lineage.graph import Graph
from lin.lineage.ledger import Draft
from lin.lineage.words import Shape
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.pack import Entry
from lin.store.upkeep import needed

from .living import blobs_of, living
from .records import Erased
from .session import Session

_AT_ONCE = 500
"""Tombstones that are recorded together."""
_DERIVED = ("schema", "summary", "sketch", "keys")


def erase(session: Session, digest: Digest, shape: Shape, reason: str, *, dry: bool = False) -> Erased:
    """Erase a blob or tree, with what was derived from it.

    Args:
        session: An open repository.
        digest: What.
        shape: Whether it is a tree: then all in it is erased that is in nothing else.
        reason: Why; it is in the log for ever, so nothing personal.
        dry: Change nothing, only say what would go.

    Raises:
        InvalidInputError: There is no reason.
        CorruptContentError: What other content needs cannot be told: mend it first.
    """
    if not reason.strip():
        raise InvalidInputError(
            "an erasure has a reason", hint="Say why: --reason 'asked to, ticket 12'. It stays in the log."
        )
    store = session.store
    store.packs.refresh()
    alive = living(session.journal, session.embedded, before=0, without=digest)
    # Other tables have the same columns, and the same rows may be in other bytes: what is theirs as well stays.
    derived = {each: form for each, form in _derived(session.embedded, digest).items() if each not in alive.content}
    roots = {digest: shape, **derived}
    others = {each: form for each, form in alive.content.items() if each not in roots}
    stays = set(blobs_of(store, others.items(), alive.erased | roots.keys()))
    # Also below what has its tombstone: where an earlier erasure was interrupted, this one ends it.
    below = list(blobs_of(store, roots.items(), frozenset()))
    goes = [each for each in below if each not in stays]
    goes += (store.have(alive.erased) - stays - roots.keys()).difference(goes)
    before = _stored(store)
    shared = len(below) - sum(1 for each in below if each not in stays)
    if not dry:
        for first in range(0, len(goes), _AT_ONCE):
            _bury(session, goes[first : first + _AT_ONCE], reason)
        _remove(store, set(goes), stays)
        for each in goes:
            shutil.rmtree(session.cache / "checkouts" / each.hex, ignore_errors=True)
    return Erased(len(goes), shared, max(0, before - _stored(store)) if not dry else 0)


def _bury(session: Session, digests: list[Digest], reason: str) -> None:
    def build(draft: Draft, graph: Graph) -> None:
        nodes = graph.get([digest.value for digest in digests])
        for digest in digests:
            if digest.value not in nodes or "erased" not in nodes[digest.value].facets:
                draft.add(Tombstone(digest, reason))

    session.record(build)


def _derived(graph: Graph, digest: Digest) -> Mapping[Digest, Shape]:
    node = graph.get([digest.value]).get(digest.value)
    facets = [] if node is None else [facet for name, facet in node.facets.items() if name.startswith(TABLE_FACET)]
    return {Digest.parse(facet[part]): Shape.BLOB for facet in facets for part in _DERIVED if facet.get(part)}


def _remove(store: BlobStore, goes: set[Digest], stays: set[Digest]) -> None:
    """Write the packs anew that hold anything of it, and delete them at once: this cannot wait."""
    store.packs.refresh()
    kept = store.upkeep.reach(stays, bases=False)
    gone = {key for key in store.upkeep.reach(goes, bases=False) if key not in kept}

    def leaves(entry: Entry) -> bool:
        return not needed(entry, kept) and ((entry.digest, True) in gone or (entry.digest, False) in gone)

    def leans(entry: Entry) -> bool:
        """Tell whether a record is a difference from what goes, and so holds the rest of it only with it."""
        bases = (entry.bases[at : at + 32] for at in range(0, len(entry.bases), 32))
        return any((base, False) in gone for base in bases)

    # What an interrupted erasure wrote anew. It may have deleted the lists by which the rest could be found.
    condemned = store.upkeep.condemned()
    concerned = []
    for pack in list(store.upkeep.packs()):
        if pack.name not in condemned:
            table = store.upkeep.table(pack)
            if any(leaves(entry) or leans(entry) for entry in table.entries):
                concerned.append(pack.name)
    store.rewrite(concerned, lambda entry: not leaves(entry), plain=leans)
    for name in concerned:
        store.upkeep.doom(name, erased=True)
    for name in (*condemned, *concerned):  # none before all are marked
        store.upkeep.delete(name)
    for digest, _, _ in list(store.upkeep.loose()):
        if digest in goes:
            store.upkeep.delete_loose(digest)
    store.packs.refresh()


def _stored(store: BlobStore) -> int:
    return sum(pack.size for pack in store.upkeep.packs()) + sum(size for _, size, _ in store.upkeep.loose())
