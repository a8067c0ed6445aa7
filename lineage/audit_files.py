"""Check a log's files against its checkpoint: all that its size implies, and each tile against what is below.

Every tile is recomputed from the leaves. Where a tile and what lies below it differ, the digest one level
further up says which of the two is wrong; for the right-most, partial tiles the checkpoint's root does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lin.errors import BackendError, CorruptLogError, NotFoundError

from .checkpoint import Checkpoint
from .findings import Finding, Problem
from .log import CHECKPOINT, FOLDER, Log
from .merkle import Frontier, full_root, leaf_digest
from .tiles import WIDTH, Tile, decode_bundle, decode_tile, edge_of, levels, tile_at, width_at

_TRIES = 20

Row = Sequence[bytes | None]
"""Digests of one tile; None where what lies below is missing or damaged."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Leaves that could be read.

    Attributes:
        start: Position of the first.
        width: How many there should be.
        leaves: All of them, or none where the bundle is missing or broken.
    """

    start: int
    width: int
    leaves: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Dispute:
    """A partial tile that differs from what lies below it."""

    tile: Tile
    stored: Row
    below: Row


@dataclass(slots=True)
class _Level:
    row: list[bytes | None] = field(default_factory=list)
    index: int = 0


class FileChecks:
    """Walk the files that a checkpoint implies, and note what is wrong with them.

    Raises:
        CorruptLogError: There is no valid checkpoint.
        BackendError: The log grew too fast to read its right-most tiles.
    """

    def __init__(self, log: Log, findings: list[Finding]) -> None:
        self._log = log
        self._findings = findings
        self._disputes: list[_Dispute] = []
        self._edge: dict[Tile, bytes | None] = {}
        self.checkpoint = self._hold_edge()
        self._levels = [_Level() for _ in range(levels(self.checkpoint.size))]
        self._partial: list[Row] = [()] * len(self._levels)

    def bundles(self) -> Iterator[Bundle]:
        """Yield the bundles in order; at the end all tiles and the root have been checked."""
        size = self.checkpoint.size
        for index in range(-(-size // WIDTH)):
            tile = tile_at(None, index, size)
            data = self._read(tile)
            leaves: tuple[bytes, ...] = ()
            if data is not None:
                try:
                    leaves = decode_bundle(data, expected=tile.width)
                except CorruptLogError as error:
                    self._add(Problem.DAMAGED, tile, error.message)
            yield Bundle(index * WIDTH, tile.width, leaves)
            self._rise(0, [leaf_digest(leaf) for leaf in leaves] or [None] * tile.width)
        for level in range(len(self._levels)):
            if width_at(level, size) % WIDTH:
                self._settle(level)
        self._check_root()

    # ------------------------------------------------------------------------

    def _hold_edge(self) -> Checkpoint:
        """Read the partial tiles at once: a writer deletes them soon, and full ones never."""
        at = self._log.checkpoint()
        for _ in range(_TRIES):
            self._edge = {}
            for tile in edge_of(at.size):
                try:
                    self._edge[tile] = self._log.place.read(f"{FOLDER}/{tile.name}")
                except NotFoundError:
                    self._edge[tile] = None
            newer = self._log.checkpoint()
            if newer.size == at.size or None not in self._edge.values():
                return at
            at = newer
        raise BackendError("the log grew too fast to be checked", hint="Try again.")

    def _read(self, tile: Tile) -> bytes | None:
        if tile in self._edge:
            data = self._edge[tile]
        else:
            try:
                data = self._log.place.read(f"{FOLDER}/{tile.name}")
            except NotFoundError:
                data = None
        if data is None:
            self._add(Problem.MISSING, tile, f"the checkpoint of size {self.checkpoint.size} needs it")
        return data

    def _add(self, kind: Problem, tile: Tile, message: str) -> None:
        self._findings.append(Finding(kind, f"{FOLDER}/{tile.name}", message))

    def _rise(self, level: int, digests: Row) -> None:
        """Take digests in at a level, and settle its tile when it is full."""
        self._levels[level].row += digests
        if len(self._levels[level].row) == WIDTH:
            self._settle(level)

    def _settle(self, level: int) -> None:
        """Compare a tile with what lies below it, and hand its root to the level above."""
        state = self._levels[level]
        tile = tile_at(level, state.index, self.checkpoint.size)
        below: Row = state.row
        state.row, state.index = [], state.index + 1
        stored = self._stored(tile)
        row = below
        if stored is not None:
            agree = all(digest in (None, kept) for digest, kept in zip(below, stored, strict=True))
            if agree:
                row = stored
            elif tile.width < WIDTH:
                self._disputes.append(_Dispute(tile, stored, below))
            else:
                row = self._judge(tile, stored, below)
        if tile.width < WIDTH:
            self._partial[level] = row
        else:
            self._rise(level + 1, [_root(row)])

    def _stored(self, tile: Tile) -> Row | None:
        data = self._read(tile)
        if data is None:
            return None
        try:
            return decode_tile(data, expected=tile.width)
        except CorruptLogError as error:
            self._add(Problem.DAMAGED, tile, error.message)
            return None

    def _judge(self, tile: Tile, stored: Row, below: Row) -> Row:
        """Decide by the digest above whether a full tile or what lies below it is wrong."""
        above = self._above(tile)
        if above is not None and _root(stored) == above:
            self._blame_below(tile, stored, below)
            return stored
        self._add(Problem.DAMAGED, tile, "it does not hold the digests of what lies below it")
        return below

    def _above(self, tile: Tile) -> bytes | None:
        assert tile.level is not None  # noqa: S101 - bundles are not judged
        parent = tile_at(tile.level + 1, tile.index // WIDTH, self.checkpoint.size)
        data = self._edge.get(parent)
        if parent not in self._edge:
            try:
                data = self._log.place.read(f"{FOLDER}/{parent.name}")
            except NotFoundError:
                data = None
        try:
            return None if data is None else decode_tile(data, expected=parent.width)[tile.index % WIDTH]
        except CorruptLogError:
            return None

    def _blame_below(self, tile: Tile, stored: Row, below: Row) -> None:
        if tile.level == 0:
            bundle = Tile(None, tile.index, tile.width)
            for offset, (kept, digest) in enumerate(zip(stored, below, strict=True)):
                if digest not in (None, kept):
                    self._add(Problem.DAMAGED, bundle, f"entry {tile.index * WIDTH + offset} is not what was logged")
            return
        for offset, (kept, digest) in enumerate(zip(stored, below, strict=True)):
            if digest not in (None, kept):
                child = Tile((tile.level or 0) - 1, tile.index * WIDTH + offset)
                self._add(Problem.DAMAGED, child, f"it does not lead to the digest that {FOLDER}/{tile.name} has")

    def _check_root(self) -> None:
        """Compare with the checkpoint; of partial tiles and what lies below them, believe what leads to its root."""
        at = self.checkpoint
        for choice in itertools.product((True, False), repeat=len(self._disputes)):
            rows = list(self._partial)
            for dispute, believe_stored in zip(self._disputes, choice, strict=True):
                rows[dispute.tile.level or 0] = dispute.stored if believe_stored else dispute.below
            if self._root_of(rows) == at.root:
                for dispute, believe_stored in zip(self._disputes, choice, strict=True):
                    if believe_stored:
                        self._blame_below(dispute.tile, dispute.stored, dispute.below)
                    else:
                        self._add(Problem.DAMAGED, dispute.tile, "it does not hold the digests of what lies below it")
                return
        for dispute in self._disputes:
            self._add(Problem.DAMAGED, dispute.tile, "it does not fit with what lies below it")
        if None in itertools.chain.from_iterable(self._partial):
            message = f"the root of size {at.size} can't be computed without the files that are missing or damaged"
        else:
            message = f"the tree of {at.size} leaves does not have the root that the checkpoint signs"
        self._findings.append(Finding(Problem.ROOT, CHECKPOINT, message))

    def _root_of(self, rows: Sequence[Row]) -> bytes | None:
        nodes: list[bytes] = []
        for row in reversed(rows):
            known = [digest for digest in row if digest is not None]
            if len(known) != len(row):
                return None
            nodes += Frontier().extend(known).nodes
        return Frontier(self.checkpoint.size, tuple(nodes)).root


def _root(row: Row) -> bytes | None:
    known = [digest for digest in row if digest is not None]
    return full_root(known) if len(known) == len(row) else None
