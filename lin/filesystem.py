"""Let every tool that reads fsspec addresses read artifacts: `pd.read_csv("lin://flights@v2")`.

`lin://REF` is an artifact's file or folder, `lin://REF/path` a file or folder in it, and `lin://` lists the names. Only
the parts that are asked for are read, each of their bytes is verified before it is given out, and nothing is written to
disk. Artifacts never change: this file system is read-only, and `lin put` adds a version.
"""

from __future__ import annotations

import errno
import io
import os
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Any, ClassVar, NoReturn, cast

from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

from lin.errors import InvalidInputError, NotFoundError, PermissionDeniedError
from lin.store.digest import Digest
from lin.store.tree import Mode

from ._addresses import Addresses, Target
from .repository import Repository
from .sdk import open_repository

_Specified: Any = AbstractFileSystem  # its methods' types are what it could find out about itself
BLOCK = 64 << 10
"""Bytes that are read at once where a file is read here and there."""
AHEAD = 8 << 20
"""Bytes that are read at once, at most, where it is read from front to back."""
_OPEN = 8
"""Files whose latest chunks are kept in memory when they have been closed, for the next reader."""


class LinFileSystem(_Specified):  # type: ignore[misc]
    """Show a repository's artifacts as files and folders; see the module.

    Errors are Python's own, as tools expect them: `FileNotFoundError`, `IsADirectoryError`, `NotADirectoryError`,
    `PermissionError`, and `OSError` with `EROFS` for whatever would write. A damaged byte is `CorruptBlobError`.
    """

    protocol: ClassVar[str] = "lin"
    root_marker = ""
    cachable = True

    def __init__(self, repo: str | None = None, **options: Any) -> None:
        """Set up; the repository is opened when something is asked.

        Args:
            repo: A folder or bucket URL; by default as the command line finds it: `LIN_REPO`, else the nearest one in
                the current folder or above it, else the user's own.
            options: fsspec's.
        """
        super().__init__(**{"use_listings_cache": False, **options})
        self.repo = repo
        self._lock = Lock()
        self._owner = 0
        self._found: tuple[Repository, Addresses] | None = None
        self._kept: OrderedDict[Digest, Any] = OrderedDict()

    @property
    def fsid(self) -> str:
        """The repository's id."""
        return f"lin-{self._opened()[0].id}"

    # ------------------------------------------------------------------------ what is there

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return what a path is: name, size, type, and the digest of its bytes or tree."""
        path = self._strip_protocol(path)
        try:
            return _described(path, self._target(path))
        except FileNotFoundError:
            if path and not self._below(path):
                raise
            return {"name": path, "size": 0, "type": "directory"}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder; of the repository itself, the names of artifacts."""
        path = self._strip_protocol(path)
        try:
            target = self._target(path) if path else None
        except FileNotFoundError:
            target = None
        if target is None:
            found = self._below(path)
            if path and not found:
                raise FileNotFoundError(errno.ENOENT, "no such artifact, file or folder", f"lin://{path}")
        elif target.is_folder:
            found = [self._entry(f"{path}/{name}") for name in self._opened()[1].entries(target)]
        else:
            found = [_described(path, target)]
        found.sort(key=lambda each: str(each["name"]))
        return found if detail else [each["name"] for each in found]

    def created(self, path: str) -> datetime:
        """Return when the artifact was recorded, as its actor's clock said."""
        artifact = self._target(self._strip_protocol(path)).artifact
        return datetime.fromisoformat(artifact.created if artifact else "1970-01-01T00:00:00Z")

    modified = created

    def ukey(self, path: str) -> str:
        """Return what changes when the bytes do: their digest."""
        return str(self._target(self._strip_protocol(path)).digest)

    def checksum(self, path: str) -> int:
        """Return a number that changes when the bytes do."""
        return int.from_bytes(self._target(self._strip_protocol(path)).digest.value[:8], "big")

    # ------------------------------------------------------------------------ bytes

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Return some of a file's bytes, counted from the end where negative."""
        target = self._file(self._strip_protocol(path))
        begin, stop, _step = slice(start, end).indices(target.size)
        return self._source(target)(begin, max(0, stop - begin))

    def _open(self, path: str, mode: str = "rb", block_size: int | str | None = None, **_: Any) -> LinFile:
        if mode != "rb":
            self._refuse(path)
        target = self._file(path)
        block = block_size if isinstance(block_size, int) and block_size > 0 else BLOCK
        return LinFile(self, path, target, self._source(target), block)

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        """Open a file for reading, as fsspec does; a mode that writes is refused."""
        if set(mode) & set("wax+"):
            self._refuse(path)
        return super().open(path, mode, **options)

    # ------------------------------------------------------------------------ writing

    def _refuse(self, path: Any = "", *_: Any, **__: Any) -> NoReturn:
        """Refuse whatever would change something."""
        first = path[0] if isinstance(path, list) and path else path
        raise OSError(
            errno.EROFS,
            "lin:// is read-only, as artifacts never change; write a file and add it with `lin put`, or record a run",
            f"lin://{self._strip_protocol(str(first))}",
        )

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Refuse to make a folder, except for one that is there and may be."""
        if not exist_ok or not self.isdir(path):
            self._refuse(path)

    mkdirs = makedirs

    # ------------------------------------------------------------------------

    def _opened(self) -> tuple[Repository, Addresses]:
        """Return this process's repository: a fork has its parent's objects, and must not use its connections."""
        if self._owner != os.getpid():
            self._lock, self._found, self._owner = Lock(), None, os.getpid()
            self._kept = OrderedDict()
        with self._lock:
            if self._found is None:
                try:
                    repository = open_repository(self.repo)
                except NotFoundError as error:
                    raise FileNotFoundError(
                        errno.ENOENT, _text(error), f"lin:// of {self.repo or 'LIN_REPO'}"
                    ) from error
                self._found = repository, Addresses(repository)
            return self._found

    def _target(self, path: str) -> Target:
        try:
            return self._opened()[1].find(path)
        except NotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, _text(error), f"lin://{path}") from error
        except PermissionDeniedError as error:
            raise PermissionError(errno.EACCES, _text(error), f"lin://{path}") from error
        except InvalidInputError as error:
            # Tools ask for patterns and for what they would write; neither can be there.
            raise FileNotFoundError(errno.ENOENT, _text(error), f"lin://{path}") from error

    def _file(self, path: str) -> Target:
        target = self._target(path)
        if target.is_folder:
            raise IsADirectoryError(errno.EISDIR, "it is a folder: name a file in it", f"lin://{path}")
        return target

    def _entry(self, path: str) -> dict[str, Any]:
        try:
            return _described(path, self._target(path))
        except FileNotFoundError:  # a link that leads nowhere
            return {"name": path, "size": 0, "type": "other", "islink": True}

    def _below(self, prefix: str) -> list[dict[str, Any]]:
        """Return what names there are below a prefix, as if '/' in names made folders."""
        start = f"{prefix}/" if prefix else ""
        found: dict[str, dict[str, Any]] = {}
        for artifact in self._opened()[0].newest():
            if artifact.name.startswith(start):
                part, more, _ = artifact.name[len(start) :].partition("/")
                name = start + part
                if not more:
                    shape = artifact.shape.value != "blob"
                    found[name] = _described(name, Target(artifact.digest, artifact.size, shape, artifact=artifact))
                else:
                    found.setdefault(name, {"name": name, "size": 0, "type": "directory"})
        return list(found.values())

    def _source(self, target: Target) -> Callable[[int, int], bytes]:
        """Return what gives verified bytes of a file; readers of one file share what it keeps."""
        with self._lock:
            known = self._kept.get(target.digest)
            if known is None:
                known = _ranges(self._opened_store(), target)
                self._kept[target.digest] = known
            self._kept.move_to_end(target.digest)
            while len(self._kept) > _OPEN:
                self._kept.popitem(last=False)
        return cast("Callable[[int, int], bytes]", known)

    def _opened_store(self) -> Any:
        assert self._found is not None  # noqa: S101 - whoever has a target has found it there
        return self._found[0].store


# Each by its own name, as fsspec's own methods reach the store by several ways.
for _name in (
    *("mkdir", "rmdir", "rm", "rm_file", "_rm", "delete", "touch", "pipe", "pipe_file", "write_text", "write_bytes"),
    *("mv", "move", "rename", "cp_file", "copy", "cp", "put", "put_file", "upload"),
):
    setattr(LinFileSystem, _name, LinFileSystem._refuse)  # noqa: SLF001 - its own


class LinFile(io.BufferedReader):
    """An artifact's file, open for reading.

    Attributes:
        size: In bytes.
        path: Without `lin://`.
        fs: Where it was opened.
        digest: Of its bytes.
    """

    def __init__(
        self, fs: LinFileSystem, path: str, target: Target, source: Callable[[int, int], bytes], block: int
    ) -> None:
        super().__init__(_Raw(path, target.size, source), block)
        self.fs = fs
        self.path = path
        self.size = target.size
        self.digest = target.digest
        self.blocksize = block

    @property
    def mode(self) -> str:
        """Always `rb`."""
        return "rb"

    @property
    def full_name(self) -> str:
        """The whole address."""
        return f"lin://{self.path}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.fs, self.path, self.tell())


def _reopened(fs: LinFileSystem, path: str, position: int) -> Any:
    file = fs.open(path)
    file.seek(position)
    return file


class _Raw(io.RawIOBase):
    def __init__(self, name: str, size: int, source: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self.name = name
        self._size = size
        self._source = source
        self._position = 0
        self._next = -1
        self._ahead = 0
        self._held = (0, memoryview(b""))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"no position in a file: {start + offset}")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._some(len(view))
        view[: len(data)] = data
        self._position = self._next = self._position + len(data)
        return len(data)

    def _some(self, length: int) -> memoryview:
        """Return the next bytes; the longer the file is read without a jump, the more is read ahead."""
        begin, held = self._held
        offset = self._position - begin
        if not 0 <= offset < len(held):
            self._ahead = min(max(2 * self._ahead, 2 * length), AHEAD) if self._position == self._next else 0
            offset, held = 0, memoryview(self._source(self._position, max(length, self._ahead)))
            self._held = self._position, held
        return held[offset : offset + length]

    def readall(self) -> bytes:
        data = self._source(self._position, max(0, self._size - self._position))
        self._position += len(data)
        return data


def _ranges(store: Any, target: Target) -> Callable[[int, int], bytes]:
    file = store.open_at(target.digest)
    by_range = getattr(getattr(file, "raw", None), "read_range", None)
    if by_range is not None:
        return cast("Callable[[int, int], bytes]", by_range)
    lock = Lock()  # a file of the old format: it has been verified as a whole

    def read(start: int, length: int) -> bytes:
        with lock:
            file.seek(start)
            return cast("bytes", file.read(length))

    return read


def _described(path: str, target: Target) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": path,
        "size": target.size,
        "type": "directory" if target.is_folder else "file",
        "digest": str(target.digest),
        "islink": target.is_link,
    }
    if target.artifact is not None:
        found["artifact"] = target.artifact.label
        found["created"] = target.artifact.created
    if target.is_executable:
        found["mode"] = Mode.EXECUTABLE.value
    return found


def _text(error: Exception) -> str:
    message, hint = getattr(error, "message", str(error)), getattr(error, "hint", "")
    return f"{message} ({hint})" if hint else message
