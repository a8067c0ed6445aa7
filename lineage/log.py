"""The log: signed events in order, in the files of a place.

Under `log/` lie a signed `checkpoint`, the tiles of the Merkle tree and the bundles of leaves, as
https://c2sp.org/tlog-tiles says. A checkpoint is written only when everything it implies is durable, so a
crash leaves the old log or the new one. Files without a checkpoint that implies them are never read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from lin.errors import CorruptLogError, InvalidInputError, LinError, NotFoundError, ReadOnlyError
from lin.store.local import LocalPlace
from lin.store.place import Place

from . import merkle
from .checkpoint import Checkpoint
from .commits import commit_name, decode_commit
from .note import Signer, VerifierKey
from .tiles import (
    HEIGHT,
    WIDTH,
    Tile,
    decode_bundle,
    decode_tile,
    edge_of,
    encode_bundle,
    encode_tile,
    tile_at,
    width_at,
)

T = TypeVar("T")

FOLDER = "log"
CHECKPOINT = f"{FOLDER}/checkpoint"

_KEPT = 16
"""Files of the log's right edge that are kept where reading is a request."""
_RESTORE = "Restore it from a copy of the repository."


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry of the log.

    Attributes:
        position: From 0.
        data: The envelope's bytes.
    """

    position: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """Know the files of a longer log before they are written.

    Attributes:
        size: How many leaves it will have.
        root: Its root.
        files: Names below the log's folder, and bytes.
    """

    size: int
    root: bytes
    files: tuple[tuple[str, bytes], ...]


class Log:
    """Read a log, and extend it under a sequencer.

    Reading is safe from any number of threads and processes, also while another one writes; what
    writes is for one writer at a time.
    """

    def __init__(self, place: Place, verifier: VerifierKey) -> None:
        self._place = place
        self.verifier = verifier
        # The same checkpoint is asked for several times in each commit; what is kept is keyed by what was signed.
        self.verified = lru_cache(maxsize=16)(lambda note: Checkpoint.parse(note, verifier))
        """Read a checkpoint, and verify the log's signature."""
        self.opened = not isinstance(place, LocalPlace)
        """Whether its files were looked at: a local log may have to be brought in order first."""
        self._local = threading.local()
        self._last: Checkpoint | None = None
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._keeping = threading.Lock()

    def create(self, key: Signer) -> Checkpoint:
        """Start an empty log: a checkpoint of size 0.

        Raises:
            ConflictError: There is a log already; it is left as it is.
        """
        empty = self.sign(Plan(0, merkle.EMPTY_ROOT, ()), key)
        self._place.create(CHECKPOINT, empty.note)
        return empty

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.verifier.name

    @property
    def place(self) -> Place:
        """Where the files lie."""
        return self._place

    # ------------------------------------------------------------------------ reading

    def checkpoint(self) -> Checkpoint:
        """Read the present checkpoint; its signature is verified.

        Raises:
            CorruptLogError: It is missing, broken, or not signed by the log's key.
        """
        if not self.opened:
            self._open()
            self.opened = True
        standing: Checkpoint | None = getattr(self._local, "standing", None)
        if standing is not None:
            return standing
        try:
            note = self._place.read(CHECKPOINT)
        except NotFoundError as error:
            raise CorruptLogError(
                f"the log of {self._place.url} has no checkpoint", hint=f"Restore {CHECKPOINT} from a copy."
            ) from error
        self._last = self.verified(note)
        return self._last

    def last_seen(self) -> Checkpoint:
        """Return the checkpoint that was read or written last through this object; reads it if none was."""
        return self._last or self.checkpoint()

    @contextmanager
    def standing_at(self, at: Checkpoint) -> Iterator[None]:
        """Take a checkpoint that was read or written before for the present one, in this thread.

        Within the block, files that this object wrote or read in such a block are not read again: where every read is a
        request, a commit needs few of them. What is read so must be proven by other means, as a commit that takes
        its place proves that it goes on from the newest checkpoint.
        """
        self._local.standing = at
        try:
            yield
        finally:
            self._local.standing = None

    def read(self, start: int = 0, stop: int | None = None, *, at: Checkpoint | None = None) -> Iterator[Leaf]:
        """Yield the leaves from `start` up to before `stop`, in order.

        What is yielded is checked for its form, not against the root: whoever reads all of it does that
        with a `Frontier`, and for a single leaf there is `inclusion_proof`.

        Args:
            start: The first position.
            stop: The position to end before; the checkpoint's size by default.
            at: As of this checkpoint; the present one by default.

        Raises:
            InvalidInputError: The log has no such range.
            CorruptLogError: An entry bundle is missing or broken.
        """
        at = at or self.checkpoint()
        stop = at.size if stop is None else stop
        if not 0 <= start <= stop <= at.size:
            raise InvalidInputError(f"no leaves from {start} to {stop} in a log of {at.size}")
        return self._leaves(start, stop, at)

    def _leaves(self, start: int, stop: int, at: Checkpoint) -> Iterator[Leaf]:
        for index in range(start // WIDTH, -(-stop // WIDTH)):
            first = index * WIDTH
            leaves = self._load(tile_at(None, index, at.size), at)
            for position in range(max(start, first), min(stop, first + WIDTH)):
                yield Leaf(position, leaves[position - first])

    def frontier(self, at: Checkpoint) -> merkle.Frontier:
        """Return the frontier of the log at a checkpoint, from its right-most tiles.

        Raises:
            CorruptLogError: A tile is missing, or they do not lead to the checkpoint's root.
        """
        return self._frontier(at, _Subtrees(self, at))

    def inclusion_proof(self, position: int, *, at: Checkpoint | None = None) -> tuple[bytes, ...]:
        """Return the audit path of a leaf; `merkle.check_inclusion` checks it.

        Raises:
            InvalidInputError: The log has no such leaf.
            CorruptLogError: A tile is missing or broken.
        """
        at = at or self.checkpoint()
        return merkle.inclusion_proof(position, at.size, _Subtrees(self, at))

    def consistency_proof(self, old_size: int, *, at: Checkpoint | None = None) -> tuple[bytes, ...]:
        """Return the proof that the log began as it was at `old_size`; `merkle.check_consistency` checks it.

        Raises:
            InvalidInputError: The log is smaller than that.
            CorruptLogError: A tile is missing or broken.
        """
        at = at or self.checkpoint()
        return merkle.consistency_proof(old_size, at.size, _Subtrees(self, at))

    def check_follows(self, size: int, root: bytes, *, at: Checkpoint) -> None:
        """Check that the log at a checkpoint still begins with what was seen before.

        Args:
            size: What was seen: so many leaves …
            root: … with this root.
            at: A checkpoint of this log.

        Raises:
            CorruptLogError: The log was rolled back, or rewritten.
        """
        newest: Checkpoint | None = at
        while newest is not None and newest.size < size:
            newest = self._newer(newest)  # a late writer may have put an older checkpoint back, for a moment
        if newest is None:
            raise CorruptLogError(
                f"the log has {at.size} events, but {size} were seen before: it was rolled back",
                hint=f"Restore {FOLDER}/ from a newer copy.",
            )
        at = newest
        try:
            proof = self.consistency_proof(size, at=at)
            merkle.check_consistency(size, root, at.size, at.root, proof)
        except CorruptLogError as error:
            raise CorruptLogError(
                f"the log of {at.size} events does not begin with the {size} seen before: it was rewritten or damaged",
                hint=f"Restore {FOLDER}/ from a copy.",
            ) from error

    # ------------------------------------------------------------------------ writing

    def extend(self, leaves: Sequence[bytes], key: Signer) -> Checkpoint:
        """Append leaves; when this returns, they are durable.

        The cost follows from the number of leaves, not from the log's size. A crash leaves the old log or
        the new one; doing it again after a failure is safe if the checkpoint is read again first.

        Raises:
            ReadOnlyError: The key is not this log's.
            CorruptLogError: The right-most tiles do not lead to the checkpoint's root; nothing is written.
            BackendError: The place failed; the leaves are in the log or not at all.
        """
        at = self.checkpoint()
        if not leaves:
            return at
        planned = self.plan(leaves, at=at)
        new = self.sign(planned, key)
        self.write(planned)
        self.publish(new, before=at)
        return new

    def plan(self, leaves: Sequence[bytes], *, at: Checkpoint) -> Plan:
        """Work out the files of the log with these leaves after `at`; they depend on its content alone.

        Raises:
            CorruptLogError: The right-most tiles do not lead to the checkpoint's root.
        """
        subtree = _Subtrees(self, at)
        frontier = self._frontier(at, subtree)
        digests = [merkle.leaf_digest(leaf) for leaf in leaves]
        files: list[tuple[str, bytes]] = []
        first, kept = divmod(at.size, WIDTH)
        entries = [*self._load(tile_at(None, first, at.size), at), *leaves] if kept else list(leaves)
        for number, bundle in enumerate(_pieces(entries)):
            files.append((Tile(None, first + number, len(bundle)).name, encode_bundle(bundle)))
        level, row = 0, digests
        while row:
            first, kept = divmod(width_at(level, at.size), WIDTH)
            pieces = list(_pieces([*subtree.tile(level, first), *row] if kept else row))
            for number, tile in enumerate(pieces):
                files.append((Tile(level, first + number, len(tile)).name, encode_tile(tile)))
            row = [merkle.full_root(tile) for tile in pieces if len(tile) == WIDTH]
            level += 1
        grown = frontier.extend(digests)
        return Plan(grown.size, grown.root, tuple(files))

    def sign(self, planned: Plan, key: Signer) -> Checkpoint:
        """Return the checkpoint that a plan leads to.

        Raises:
            ReadOnlyError: The key is not this log's.
        """
        if key.verifier != self.verifier:
            raise ReadOnlyError(
                f"the key {key.verifier} is not that of this log ({self.verifier})",
                hint="Use the key that was made with the repository.",
            )
        return self.verified(Checkpoint.signed(planned.size, planned.root, key).note)

    def write(self, planned: Plan) -> None:
        """Write the files of a plan, durably; until a checkpoint implies them, readers see no change."""
        with self._place.batch() as batch:
            for name, data in planned.files:
                batch.replace(f"{FOLDER}/{name}", data)
        if not self._place.near:
            for name, data in planned.files:
                self._keep(f"{FOLDER}/{name}", data)

    def publish(self, new: Checkpoint, *, before: Checkpoint, kept: Checkpoint | None = None, every: int = 1) -> None:
        """Make the checkpoint of a written plan the present one, and drop partial tiles that nobody needs any more.

        Args:
            new: It.
            before: The present one until now.
            kept: One whose partial tiles are needed all the same.
            every: Look for such tiles when the log's size passes a multiple of this.
        """
        self._place.replace(CHECKPOINT, new.note)
        self._last = new
        if new.size // every != before.size // every:
            self._drop_superseded(before, new, kept)

    # ------------------------------------------------------------------------

    def _open(self) -> None:
        from .journaled import recover  # noqa: PLC0415 - it writes by means of this class

        if isinstance(self._place, LocalPlace):
            recover(self, self._place)

    def _drop_superseded(self, before: Checkpoint, new: Checkpoint, kept: Checkpoint | None) -> None:
        """Delete the partial tiles that are full by now, or older than the checkpoint before this one.

        That one's stay, for readers that hold it; a reader that is slower still finds wider ones. Failing
        is no harm: what stays is never read, and goes with a later commit.
        """
        spared = set() if kept is None else {f"{FOLDER}/{tile.name}" for tile in edge_of(kept.size)}
        for level in (None, *range(HEIGHT)):
            total, grown = width_at(level or 0, before.size), width_at(level or 0, new.size)
            if total in (0, grown):
                break
            tile = tile_at(level, (total - 1) // WIDTH, before.size)
            needed = WIDTH if grown >= (tile.index + 1) * WIDTH else tile.width
            try:
                for info in list(self._place.list(f"{FOLDER}/{tile.folder}")):
                    width = info.name.rpartition("/")[2]
                    if width.isdecimal() and int(width) < needed and info.name not in spared:
                        self._place.delete(info.name)
            except LinError:
                return

    def _frontier(self, at: Checkpoint, subtree: _Subtrees) -> merkle.Frontier:
        frontier = merkle.frontier_of(at.size, subtree)
        if frontier.root != at.root:
            raise CorruptLogError(
                f"the right-most tiles of the log do not lead to the root of its checkpoint of size {at.size}",
                hint="`lin verify` names the damaged files; restore them from a copy.",
            )
        return frontier

    def _load(self, wanted: Tile, at: Checkpoint) -> tuple[bytes, ...]:
        """Read a tile or bundle as it is at a checkpoint, from a wider one where a writer has replaced it."""
        tile, seen = wanted, at
        while True:  # at most 256 times, since the next tile is always wider
            name, width = f"{FOLDER}/{tile.name}", tile.width
            try:
                data = self._data(name)
                break
            except NotFoundError as error:
                while tile.width == width:
                    newer = self._newer(seen) if width < WIDTH else None
                    if newer is None:
                        raise CorruptLogError(
                            f"{name} is missing, and the checkpoint of size {seen.size} needs it", hint=_RESTORE
                        ) from error
                    seen = newer
                    tile = tile_at(tile.level, tile.index, seen.size)
        try:
            decode = decode_bundle if tile.level is None else decode_tile
            return decode(data, expected=width)[: wanted.width]
        except CorruptLogError as error:
            raise CorruptLogError(f"{name}: {error.message}", hint=_RESTORE) from error

    def _data(self, name: str) -> bytes:
        if getattr(self._local, "standing", None) is None:
            return self._place.read(name)
        data = self._kept.get(name)
        if data is None:
            data = self._place.read(name)
            self._keep(name, data)
        return data

    def _keep(self, name: str, data: bytes) -> None:
        with self._keeping:
            self._kept[name] = data
            self._kept.move_to_end(name)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _newer(self, seen: Checkpoint) -> Checkpoint | None:
        """Return a later checkpoint, also one that is signed in a commit file but not published yet (or again)."""
        published = self.checkpoint()
        if published.size > seen.size:
            return published
        try:
            return decode_commit(self._place.read(commit_name(seen.size)), seen.size, self.verifier)[0]
        except NotFoundError:
            return None


class _Subtrees:
    """Answer with roots of complete subtrees, from tiles that are each read once."""

    def __init__(self, log: Log, at: Checkpoint) -> None:
        self._log = log
        self._at = at
        self._tiles: dict[tuple[int, int], tuple[bytes, ...]] = {}

    def tile(self, level: int, index: int) -> tuple[bytes, ...]:
        found = self._tiles.get((level, index))
        if found is None:
            found = self._log._load(tile_at(level, index, self._at.size), self._at)  # noqa: SLF001 - its own half
            self._tiles[level, index] = found
        return found

    def __call__(self, level: int, index: int) -> bytes:
        row, height = divmod(level, HEIGHT)
        tile, offset = divmod(index << height, WIDTH)
        return merkle.full_root(self.tile(row, tile)[offset : offset + (1 << height)])


def _pieces(row: Sequence[T]) -> Iterator[Sequence[T]]:
    for begin in range(0, len(row), WIDTH):
        yield row[begin : begin + WIDTH]
