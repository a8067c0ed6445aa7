"""Look into trees: read one, go through all that is below it, or find one entry by its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Lock

from lin.errors import InvalidInputError, LinError, NotFoundError

from .blobs import BlobStore
from .digest import Digest
from .tree import Mode, TreeEntry, parse_tree, total_size


def read_tree(store: BlobStore, digest: Digest) -> tuple[TreeEntry, ...]:
    """Return the entries of one directory, in the order of their names.

    Raises:
        BlobNotFoundError: The tree is not in the store.
        CorruptBlobError: Its bytes are damaged.
        InvalidInputError: The digest names something else than a tree.
    """
    return parse_tree(store.read(digest))


def walk_tree(store: BlobStore, digest: Digest, *, recursive: bool = True) -> Iterator[tuple[str, TreeEntry]]:
    """Yield everything below a tree with its '/'-separated path, each folder before what is in it.

    Args:
        store: What holds the trees.
        digest: Of the tree.
        recursive: Go into folders; otherwise only their own entries come.

    Raises:
        InvalidInputError: A folder's size is not the sum of what is in it.
    """
    waiting = [("", entry) for entry in reversed(read_tree(store, digest))]
    while waiting:
        prefix, entry = waiting.pop()
        path = prefix + entry.name
        yield path, entry
        if recursive and entry.mode is Mode.FOLDER:
            below = read_tree(store, entry.digest)
            if total_size(below) != entry.size:
                raise InvalidInputError(f"the tree says that {path} has {entry.size} bytes, not {total_size(below)}")
            waiting.extend((f"{path}/", inner) for inner in reversed(below))


def find_entry(store: BlobStore, digest: Digest, path: str) -> TreeEntry:
    """Return the entry at a '/'-separated path below a tree; links are not followed.

    Raises:
        NotFoundError: There is none.
        InvalidInputError: The path is empty, absolute, or has an empty, '.' or '..' part.
    """
    parts = path.removesuffix("/").split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise InvalidInputError(f"not a path within a tree: {path!r}", hint="Write it relative, such as a/b.csv.")
    tree = digest
    entry: TreeEntry | None = None
    for position, part in enumerate(parts):
        if entry is not None and entry.mode is not Mode.FOLDER:
            raise NotFoundError(f"there is no {path!r} in {digest.short}: {'/'.join(parts[:position])!r} is no folder")
        entries = read_tree(store, tree)
        entry = next((each for each in entries if each.name == part), None)
        if entry is None:
            names = ", ".join(each.name for each in entries[:5]) or "nothing"
            raise NotFoundError(
                f"there is no {path!r} in {digest.short}",
                hint=f"{'/'.join(parts[:position]) or 'It'} holds {names}{', …' if len(entries) > 5 else ''}.",  # noqa: PLR2004 - the five shown
            )
        tree = entry.digest
    assert entry is not None  # noqa: S101 - split gives at least one part
    return entry


class Before:
    """What was at each path of the previous version of a file or folder; safe from several threads.

    It is only there to be made use of: where it cannot be read, there was nothing.
    """

    def __init__(self, store: BlobStore | None, digest: Digest | None) -> None:
        """Read nothing yet.

        Args:
            store: What holds it.
            digest: Of the file, or of the folder's tree; None if there is no previous version.
        """
        self._store = store
        self._digest = digest
        self._lock = Lock()
        self._folders: dict[str, Mapping[str, TreeEntry]] = {}

    def file(self, relative: str) -> Digest | None:
        """Return the file that was at a '/'-separated path; '' is what was put itself."""
        if self._digest is None or not relative:
            return self._digest
        with self._lock:
            entry = self._find(relative)
        return entry.digest if entry is not None and entry.mode is not Mode.FOLDER else None

    def folder(self, relative: str) -> Digest | None:
        """Return the tree that was at a '/'-separated path; '' is what was put itself."""
        if self._digest is None or not relative:
            return self._digest
        with self._lock:
            entry = self._find(relative)
        return entry.digest if entry is not None and entry.mode is Mode.FOLDER else None

    def _find(self, relative: str) -> TreeEntry | None:
        parent, _, name = relative.rpartition("/")
        return self._entries(parent).get(name)

    def _entries(self, relative: str) -> Mapping[str, TreeEntry]:
        found = self._folders.get(relative)
        if found is None:
            digest = self._digest
            if relative:
                entry = self._find(relative)
                digest = entry.digest if entry is not None and entry.mode is Mode.FOLDER else None
            found = self._folders[relative] = self._read(digest)
        return found

    def _read(self, digest: Digest | None) -> Mapping[str, TreeEntry]:
        if self._store is None or digest is None:
            return {}
        try:
            return {entry.name: entry for entry in read_tree(self._store, digest)}
        except LinError:
            return {}
