"""Put files and folders of this machine into a store.

A folder becomes one tree for each directory in it, the innermost first, so that equal sub-folders are kept
once. Getting them back is `restore.py`, looking into them `walk.py`; their functions are offered here too.
"""

# Paths are text here: making a Path costs more than the call it is for, in loops over many files.
# ruff: noqa: PTH116

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .blobs import BlobStore
from .cutting import CUTTER
from .digest import Digest
from .faults import os_errors
from .parallel import for_each
from .progress import Progress, Tally
from .pump import Reader, pump
from .restore import get_path
from .scan import Found, FoundFile, Ignore, changed, kind_of, scan, shown, vanished
from .statcache import StatCache
from .tree import Mode, TreeEntry, encode_tree, total_size
from .walk import Before, find_entry, read_tree, walk_tree

__all__ = ["Stored", "digest_path", "find_entry", "get_path", "put_path", "read_tree", "walk_tree"]


SMALL = CUTTER.min
"""Bytes up to which files are read, and looked up, together."""
_GROUP = 256
"""How many of them."""
_READERS = 2
"""Threads that read small files here: one can digest and compress while another waits for the file system."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Say what a path became.

    Attributes:
        digest: Of the bytes of a file, or of the tree of a folder.
        shape: `blob` or `tree`.
        size: Bytes of content; for a tree, of all files below it.
        files: How many files; 1 for a blob. Links and folders are not counted.
    """

    digest: Digest
    shape: str
    size: int
    files: int


class _Sink(Protocol):
    """Where content goes: a batch of a store, or nowhere when only the digest is wanted."""

    def put_stream(
        self, reader: Reader, advance: Callable[[int], None] | None = None, *, like: Digest | None = None
    ) -> tuple[Digest, int]: ...
    def put_bytes(self, data: bytes, *, like: Digest | None = None) -> Digest: ...
    def put_small(self, datas: Sequence[tuple[bytes, Digest | None]]) -> list[Digest]: ...
    def have(self, sizes: Mapping[Digest, int]) -> set[Digest]: ...


class _Nowhere:
    def put_stream(
        self,
        reader: Reader,
        advance: Callable[[int], None] | None = None,
        *,
        like: Digest | None = None,  # noqa: ARG002 - nothing is kept
    ) -> tuple[Digest, int]:
        return pump(reader, None, advance)

    def put_bytes(self, data: bytes, *, like: Digest | None = None) -> Digest:  # noqa: ARG002 - nothing is kept
        return Digest.of(data)

    def put_small(self, datas: Sequence[tuple[bytes, Digest | None]]) -> list[Digest]:
        return [Digest.of(data) for data, _ in datas]

    def have(self, sizes: Mapping[Digest, int]) -> set[Digest]:
        return set(sizes)  # nothing is kept, so nothing can be missing


def put_path(
    store: BlobStore,
    path: Path | str,
    progress: Progress | None = None,
    ignore: Ignore | None = None,
    cache: StatCache | None = None,
    *,
    like: Digest | None = None,
) -> Stored:
    """Keep a file or folder; everything is durable when this returns.

    A path that is itself a symbolic link stands for what it points to; links within a folder are kept as links.
    A repository of lin that lies within the folder is left out.

    Args:
        store: Where to keep it.
        path: What to keep.
        progress: Told how far it is, with totals.
        ignore: Tells what to leave out of a folder.
        cache: Answers for files that have not changed since they were last put; the blob must still be there.
        like: The file or folder that this may resemble, such as its previous version: what they have in common
            is then kept once. It need not be there.

    Raises:
        NotFoundError: There is nothing at the path.
        InvalidInputError: There is a socket, pipe, device or dangling link.
        UnsafePathError: A name is not UTF-8, or a link points out of the folder.
        PermissionDeniedError: A file or folder cannot be read.
        ConflictError: A file changed while it was read.
    """
    with store.writer() as writer:
        work = _Put(writer, store.place.workers, progress, cache, Before(store, like))
        stored = work.path(os.fspath(path), ignore)
    work.remember()
    return stored


def digest_path(
    path: Path | str,
    progress: Progress | None = None,
    ignore: Ignore | None = None,
    cache: StatCache | None = None,
) -> Stored:
    """Return what `put_path` would, keeping nothing; arguments and errors as there."""
    work = _Put(_Nowhere(), 1, progress, cache)
    stored = work.path(os.fspath(path), ignore)
    work.remember()
    return stored


class _Put:
    """One put on its way."""

    def __init__(
        self,
        sink: _Sink,
        workers: int,
        progress: Progress | None,
        cache: StatCache | None,
        before: Before | None = None,
    ) -> None:
        self._sink = sink
        self._workers = workers
        self._progress = progress
        self._cache = cache
        self._before = before or Before(None, None)
        self._learned: list[tuple[str, os.stat_result, Digest]] = []

    def path(self, path: str, ignore: Ignore | None) -> Stored:
        """Put a file or folder."""
        if kind_of(path) == "folder":
            return self._folder(scan(path, ignore))
        path = os.path.realpath(path)
        with os_errors("look at", shown(path)):
            status = os.stat(path)
        tally = Tally(self._progress, bytes_total=status.st_size, files_total=1)
        entry = self._file(FoundFile("", path, status), tally)
        tally.finish()
        return Stored(entry.digest, "blob", entry.size, 1)

    def remember(self) -> None:
        """Tell the cache what was learned, now that it is durable."""
        if self._cache is not None:
            self._cache.remember(self._learned)

    def _folder(self, found: Found) -> Stored:
        tally = Tally(
            self._progress, bytes_total=sum(file.status.st_size for file in found.files), files_total=len(found.files)
        )
        inside: dict[str, list[TreeEntry]] = {folder: [] for folder in found.folders}

        def put(files: list[FoundFile]) -> None:
            for file, entry in zip(files, self._files(files, tally), strict=True):
                inside[file.relative.rpartition("/")[0]].append(entry)  # appending is atomic

        groups = _grouped(self._unless_known(found.files, inside, tally))
        for_each(groups, put, min(max(self._workers, _READERS), len(groups)))
        for link in found.links:
            parent, _, name = link.relative.rpartition("/")
            inside[parent].append(TreeEntry(name, Mode.LINK, self._sink.put_bytes(link.target), len(link.target)))
        digest, size = self._trees(found.folders, inside)
        tally.finish()
        return Stored(digest, "tree", size, len(found.files))

    def _trees(self, folders: list[str], inside: dict[str, list[TreeEntry]]) -> tuple[Digest, int]:
        digest, size = Digest.of(b""), 0
        # Each folder stands after the one it is in, so backwards each is complete when its turn comes.
        for folder in reversed(folders):
            entries = inside.pop(folder)
            digest = self._sink.put_bytes(encode_tree(entries), like=self._before.folder(folder))
            size = total_size(entries)
            if folder:
                parent, _, name = folder.rpartition("/")
                inside[parent].append(TreeEntry(name, Mode.FOLDER, digest, size))
        return digest, size

    def _unless_known(
        self, files: list[FoundFile], inside: dict[str, list[TreeEntry]], tally: Tally
    ) -> list[FoundFile]:
        """Return the files that have to be read; enter the others."""
        if self._cache is None or not files:
            return files
        known = self._cache.find_all((file.path, file.status) for file in files)
        have = self._sink.have({known[file.path]: file.status.st_size for file in files if file.path in known})
        rest = []
        for file in files:
            digest = known.get(file.path)
            size = file.status.st_size
            if digest is None or digest not in have:
                rest.append(file)
                continue
            parent, _, name = file.relative.rpartition("/")
            inside[parent].append(TreeEntry(name, _mode(file.status), digest, size))
            tally.count(size, 1)
        return rest

    def _files(self, files: list[FoundFile], tally: Tally) -> list[TreeEntry]:
        """Put files that are to be read: small ones together."""
        if len(files) == 1:
            return [self._read(files[0], tally)]
        datas = []
        states = []
        for file in files:
            data, status = _whole(file.path)
            datas.append((data, self._before.file(file.relative)))
            states.append(status)
            tally.count(len(data), 1)
        entries = []
        for file, (data, _), status, digest in zip(files, datas, states, self._sink.put_small(datas), strict=True):
            name = file.relative.rpartition("/")[2]
            entries.append(TreeEntry(name, _mode(status), digest, len(data)))
            if self._cache is not None:
                self._learned.append((file.path, status, digest))
        return entries

    def _file(self, file: FoundFile, tally: Tally) -> TreeEntry:
        known = self._cache.find(file.path, file.status) if self._cache is not None else None
        if known is not None and self._sink.have({known: file.status.st_size}):
            tally.count(file.status.st_size, 1)
            return TreeEntry(file.relative, _mode(file.status), known, file.status.st_size)
        return self._read(file, tally)

    def _read(self, file: FoundFile, tally: Tally) -> TreeEntry:
        name = file.relative.rpartition("/")[2]
        with _open(file.path) as reader:
            before = os.fstat(reader.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise changed(file.path)
            digest, size = self._sink.put_stream(reader, tally.add, like=self._before.file(file.relative))
            after = os.fstat(reader.fileno())
        if _state(before) != _state(after):
            raise changed(file.path)
        tally.count(0, 1)
        if self._cache is not None:
            self._learned.append((file.path, before, digest))
        return TreeEntry(name, _mode(before), digest, size)


def _grouped(files: list[FoundFile]) -> list[list[FoundFile]]:
    """Put small files into groups that are read and looked up together, and each large one by itself."""
    groups: list[list[FoundFile]] = []
    small: list[FoundFile] = []
    for file in files:
        if file.status.st_size > SMALL:
            groups.append([file])
        else:
            small.append(file)
            if len(small) == _GROUP:
                groups.append(small)
                small = []
    if small:
        groups.append(small)
    return groups


def _whole(path: str) -> tuple[bytes, os.stat_result]:
    """Read a small file, and say what the system said of it before and after."""
    with os_errors("read", shown(path)):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise vanished(path) from error
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise changed(path) from error
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise changed(path)
            data = os.read(descriptor, SMALL + 1)
            if len(data) < before.st_size:  # a file system that gives less than was asked for
                while more := os.read(descriptor, SMALL + 1):
                    data += more
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    if len(data) != before.st_size or _state(before) != _state(after):
        raise changed(path)
    return data, before


def _open(path: str) -> io.FileIO:
    with os_errors("read", shown(path)):
        try:
            return io.FileIO(path, opener=_without_following)
        except FileNotFoundError as error:
            raise vanished(path) from error
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise changed(path) from error


def _without_following(path: str, flags: int) -> int:
    # It was a regular file when it was found: a link or pipe put in its place since is not followed or waited for.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _mode(status: os.stat_result) -> Mode:
    return Mode.EXECUTABLE if status.st_mode & stat.S_IXUSR else Mode.FILE


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
