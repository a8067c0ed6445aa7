"""The file of an adjacency snapshot: a graph's edges, and the order of its nodes, as arrays that can be mapped.

`docs/graph.md` describes the format. This module needs NumPy.
"""

from __future__ import annotations

import json
import mmap
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from blake3 import blake3

from lin.errors import DamagedIndexError

from .graph import PROVENANCE, EdgeKind, NodeKind

Array = np.ndarray[Any, Any]

LARGEST = 2**31 - 2
"""Keys and edges that the file can count; a graph beyond that is searched without it."""

_MAGIC = b"lin adj1"
_DIGEST_SIZE = 32
_HEAD = len(_MAGIC) + _DIGEST_SIZE + 8
_ALIGNMENT = 64
_ROUNDS = 64
"""How often the earliest that can be reached is handed on along all edges before that is given up."""

_EDGE = np.dtype([("source", "<i4"), ("kind", "u1"), ("target", "<i4")])
_NODE = np.dtype([("key", "<i4"), ("kind", "u1"), ("created", "<i8")])


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges, sorted by their near end.

    Attributes:
        start: For each key, and one more, where its edges begin.
        far: The other end of each edge.
        kind: The kind of each edge.
    """

    start: Array
    far: Array
    kind: Array

    def beyond(self, keys: Array, allowed: Array) -> Array:
        """Return the far ends of these nodes' edges of allowed kinds, with repeats."""
        at = self.places(keys)[0]
        far: Array = self.far[at]
        return far[allowed[self.kind[at]]]

    def across(self, keys: Array, allowed: Array) -> tuple[Array, Array, Array]:
        """Return these nodes' edges of allowed kinds: the place of the node among `keys`, the far end, the kind."""
        at, number = self.places(keys)
        kind = self.kind[at]
        is_allowed = allowed[kind]
        return np.repeat(np.arange(len(keys)), number)[is_allowed], self.far[at][is_allowed], kind[is_allowed]

    def places(self, keys: Array) -> tuple[Array | slice, Array]:
        """Return where the edges of these nodes lie, and how many each of them has."""
        last = len(self.start) - 2
        if len(keys) == 1 and keys[0] <= last:
            begin, end = self.start[keys[0]], self.start[keys[0] + 1]
            return slice(begin, end), np.array([end - begin])
        within = np.minimum(keys, last)
        begin = self.start[within]
        number = self.start[within + 1] - begin
        number[keys > last] = 0
        ends = np.cumsum(number)
        total = int(ends[-1]) if len(ends) else 0
        return np.arange(total) + np.repeat(begin - ends + number, number), number


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a file holds; nodes are named by the index's keys, which count from 1.

    Attributes:
        token: Of the state of the index that it was made from.
        down: Edges by source; those of one source in the order of what is earliest beyond them (`earliest`).
        up: Edges by target.
        kind: Of each key; 255 where there is no node.
        created: Of each key.
        rank: Of each key: its place in the order (`created`, `id`).
        ranked: The keys in that order.
        earliest: For each key, a rank that no node downstream of it (nor itself) is before.
        ordered: Whether `earliest` says anything.
    """

    token: bytes
    down: Edges
    up: Edges
    kind: Array
    created: Array
    rank: Array
    ranked: Array
    earliest: Array
    ordered: bool

    @property
    def last(self) -> int:
        """The highest key."""
        return len(self.kind) - 1

    @property
    def size(self) -> int:
        """How many edges there are."""
        return len(self.down.far)


def allow(kinds: Collection[EdgeKind] | Collection[NodeKind]) -> Array:
    """Return a table that tells of each number whether it is one of these kinds."""
    allowed = np.zeros(256, dtype=bool)
    allowed[[int(kind) for kind in kinds]] = True
    return allowed


# ---------------------------------------------------------------------------- making


def read_edges(rows: Iterable[tuple[int, int, int]]) -> Array:
    """Read (source, kind, target) into an array."""
    return np.fromiter(rows, dtype=_EDGE)


def read_nodes(rows: Iterable[tuple[int, int, int]]) -> Array:
    """Read (key, kind, created) into an array."""
    return np.fromiter(rows, dtype=_NODE)


def join_edges(source: Array, kind: Array, target: Array) -> Array:
    """Return the same as `read_edges`, from columns."""
    edges = np.empty(len(source), dtype=_EDGE)
    edges["source"], edges["kind"], edges["target"] = source, kind, target
    return edges


def join_nodes(key: Array, kind: Array, created: Array) -> Array:
    """Return the same as `read_nodes`, from columns."""
    nodes = np.empty(len(key), dtype=_NODE)
    nodes["key"], nodes["kind"], nodes["created"] = key, kind, created
    return nodes


def sorted_edges(near: Array, far: Array, kind: Array, last: int, within: Array | None = None) -> Edges:
    """Sort edges by their near end and, if that is given, by what `within` says of the far end."""
    order = np.argsort(near, kind="stable") if within is None else np.lexsort((within[far], near))
    start = np.zeros(last + 2, dtype="<i4")
    np.cumsum(np.bincount(near, minlength=last + 1)[: last + 1], out=start[1:])
    return Edges(start, far[order], kind[order])


def make(token: bytes, nodes: Array, ids: bytes, edges: Array) -> Snapshot:
    """Arrange nodes and edges.

    Args:
        token: What the index calls its present state.
        nodes: As `read_nodes` returns them.
        ids: The nodes' ids, 32 bytes each, in the same order.
        edges: As `read_edges` returns them.
    """
    last = int(nodes["key"].max(initial=0))
    words = np.frombuffer(ids, dtype=">u8").reshape(-1, 4)
    order = np.lexsort((words[:, 3], words[:, 2], words[:, 1], words[:, 0], nodes["created"]))
    ranked = nodes["key"][order]
    rank = np.full(last + 1, len(ranked), dtype="<i4")
    rank[ranked] = np.arange(len(ranked), dtype="<i4")
    kind = np.full(last + 1, 255, dtype="u1")
    kind[nodes["key"]] = nodes["kind"]
    created = np.zeros(last + 1, dtype="<i8")
    created[nodes["key"]] = nodes["created"]
    source, target, kinds = (np.ascontiguousarray(edges[name]) for name in ("source", "target", "kind"))
    earliest, ordered = _earliest(rank, source, target, allow(PROVENANCE)[kinds])
    down = sorted_edges(source, target, kinds, last, earliest)
    up = sorted_edges(target, source, kinds, last)
    return Snapshot(token, down, up, kind, created, rank, np.ascontiguousarray(ranked), earliest, ordered)


def _earliest(rank: Array, source: Array, target: Array, provenance: Array) -> tuple[Array, bool]:
    """Return the lowest rank at or downstream of each node, and whether it could be found."""
    source, target = source[provenance], target[provenance]
    earliest = rank.copy()
    for _ in range(_ROUNDS):
        before = earliest[source]
        beyond = earliest[target]
        lower = beyond < before
        if not lower.any():
            return earliest, True
        np.minimum.at(earliest, source[lower], beyond[lower])
    return np.zeros_like(rank), False


# ---------------------------------------------------------------------------- the file


def _sections(snapshot: Snapshot) -> Iterator[tuple[str, Array]]:
    for name, edges in (("down", snapshot.down), ("up", snapshot.up)):
        yield f"{name}.start", edges.start
        yield f"{name}.far", edges.far
        yield f"{name}.kind", edges.kind
    for name in ("kind", "created", "rank", "ranked", "earliest"):
        yield name, getattr(snapshot, name)


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Write a snapshot: a head with a BLAKE3 of all that follows it, a table of contents, and the arrays."""
    contents: dict[str, tuple[str, int, int]] = {}
    at = 0
    for name, array in _sections(snapshot):
        contents[name] = (array.dtype.str, at, len(array))
        at += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    document = {"token": snapshot.token.hex(), "ordered": snapshot.ordered, "arrays": contents}
    head = json.dumps(document).encode()
    head += b" " * (-(_HEAD + len(head)) % _ALIGNMENT)
    digest = blake3(max_threads=blake3.AUTO)
    file.write(_MAGIC + bytes(_DIGEST_SIZE) + len(head).to_bytes(8, "little"))
    parts = [head]
    for _, array in _sections(snapshot):
        data = np.ascontiguousarray(array).tobytes()
        parts += (data, bytes(-len(data) % _ALIGNMENT))
    for part in parts:
        digest.update(part)
        file.write(part)
    file.seek(len(_MAGIC))
    file.write(digest.digest())


def read(path: Path) -> Snapshot:
    """Map a file that `write` wrote.

    Raises:
        DamagedIndexError: It is not such a file, or not as it was written.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # it is empty
            raise _damaged(path) from error
    if len(data) < _HEAD or data[: len(_MAGIC)] != _MAGIC or sys.byteorder != "little":
        raise _damaged(path)
    length = int.from_bytes(data[_HEAD - 8 : _HEAD], "little")
    found = blake3(memoryview(data)[_HEAD:], max_threads=blake3.AUTO).digest()
    if found != data[len(_MAGIC) : _HEAD - 8]:
        raise _damaged(path)
    document = json.loads(data[_HEAD : _HEAD + length])
    body = _HEAD + length
    arrays = {
        name: np.frombuffer(data, dtype=kind, count=count, offset=body + at)
        for name, (kind, at, count) in document["arrays"].items()
    }
    down, up = (
        Edges(arrays[f"{name}.start"], arrays[f"{name}.far"], arrays[f"{name}.kind"]) for name in ("down", "up")
    )
    rest = {name: arrays[name] for name in ("kind", "created", "rank", "ranked", "earliest")}
    return Snapshot(bytes.fromhex(document["token"]), down, up, **rest, ordered=document["ordered"])


def _damaged(path: Path) -> DamagedIndexError:
    return DamagedIndexError(f"{path} is no snapshot of a graph, or a damaged one", hint="It can be deleted.")
