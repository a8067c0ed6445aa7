"""Get files and folders out of a store, whole and verified, and nowhere but where they were asked for."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lin.errors import ConflictError, CorruptBlobError, InvalidInputError, UnsafePathError

from .blobs import BlobStore
from .catalogue import Record
from .digest import Digest
from .faults import os_errors
from .local import LocalPlace
from .parallel import for_each
from .progress import Progress, Tally
from .tree import Mode, TreeEntry, check_link
from .walk import walk_tree

MAX_TARGET = 4096
"""Bytes of a link's target: what the usual systems can follow."""
_GROUP = 256
"""Files that are looked up together."""
_WRITERS = 2
"""Threads that write files here: making a file waits for the file system, and more of them only wait for each other."""


def get_path(
    store: BlobStore,
    digest: Digest,
    shape: str,
    dest: Path | str,
    *,
    force: bool = False,
    progress: Progress | None = None,
    executable: bool = False,
) -> Path:
    """Write a blob or tree to this machine, complete and verified or not at all; return where it is.

    It is written beside the destination and moved there at the end. The folder that holds the destination
    is made if need be.

    Args:
        store: Where it comes from.
        digest: What to get.
        shape: `blob` or `tree`: which of them the digest names.
        dest: Where it goes. There must be nothing yet, except an empty folder for a tree.
        force: Replace what is there: a file, a link (never what it points to), or a folder of which no
            file would be lost that the tree does not have.
        progress: Told how far it is.
        executable: Make a blob's file executable.

    Raises:
        ConflictError: Something is there that must not be replaced.
        BlobNotFoundError: Some of it is not in the store.
        CorruptBlobError: Some of it is damaged.
        UnsafePathError: The tree holds a link that points out of the destination, or a name that is no name.
        StorageFullError: There is no room.
    """
    if shape not in {"blob", "tree"}:
        raise InvalidInputError(f"not a shape: {shape!r}", hint="It is 'blob' or 'tree'.")
    target = Path(os.path.abspath(dest))  # noqa: PTH100 - links in the destination's own path are the caller's
    if not target.name:
        raise ConflictError(f"cannot write over {target}", hint="Choose another destination.")
    _check_free(target, shape, force=force)
    with _beside(target) as part:
        if shape == "blob":
            _write_blob(store, digest, part, progress, executable=executable)
            _place_file(part, target, force=force)
        else:
            paths = _write_tree(store, digest, part, progress)
            _place_folder(store, part, target, paths, force=force)
    return target


def _check_free(target: Path, shape: str, *, force: bool) -> None:
    with os_errors("look at", target):
        if not os.path.lexists(target):
            return
        folder = target.is_dir() and not target.is_symlink()
        if folder and shape == "blob":
            raise ConflictError(f"{target} is a folder", hint="Name the file to write in it.")
        if force or (folder and not any(target.iterdir())):
            return
    raise _taken(target)


def _taken(target: Path) -> ConflictError:
    return ConflictError(f"{target} is there already", hint="Choose another destination, or overwrite it with --force.")


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Lend an unused path in the same folder, and leave nothing there."""
    made = []
    with os_errors("make the folder", target.parent):
        for folder in (target.parent, *target.parent.parents):
            if os.path.lexists(folder):
                break
            made.append(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".lin-get-{os.urandom(8).hex()}")
    try:
        yield part
    except BaseException:
        _remove(part)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise
    _remove(part)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
    folders = [path]
    for folder, name, is_folder in _everything(path):
        if is_folder:
            folders.append(folder / name)
        else:
            with suppress(OSError):
                (folder / name).unlink()
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def _everything(root: Path) -> Iterator[tuple[Path, str, bool]]:
    """Yield what is below a folder, each folder before what is in it; a tree can be deeper than Python's calls."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in list(entries):
                is_folder = entry.is_dir(follow_symlinks=False)
                yield folder, entry.name, is_folder
                if is_folder:
                    waiting.append(folder / entry.name)


# ---------------------------------------------------------------------------- writing beside


def _write_blob(store: BlobStore, digest: Digest, part: Path, progress: Progress | None, *, executable: bool) -> None:
    size = store.size(digest)
    tally = Tally(progress, bytes_total=size, files_total=1)
    _write_file(store, digest, size, str(part), tally, executable=executable)
    tally.finish()


def _write_file(
    store: BlobStore,
    digest: Digest,
    size: int,
    path: str,
    tally: Tally,
    *,
    executable: bool,
    found: Record | None = None,
) -> None:
    # Exclusive, and never through a link: on a file system that ignores case two names of a tree can meet.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os_errors("write", path):
        try:
            descriptor = os.open(path, flags, 0o777 if executable else 0o666)
        except FileExistsError as error:
            raise _same_name(path) from error

    def write(data: memoryview) -> None:
        with os_errors("write", path):
            while data:
                data = data[os.write(descriptor, data) :]

    try:
        written = store.copy_to(digest, write, tally.add, found=found)
    finally:
        os.close(descriptor)
    if written != size:
        raise CorruptBlobError(f"{digest} has {written} bytes, and its tree says {size}", hint="The tree is damaged.")
    tally.count(0, 1)


def _write_tree(store: BlobStore, digest: Digest, part: Path, progress: Progress | None) -> set[str]:
    files: list[tuple[str, TreeEntry]] = []
    folders: list[str] = []
    links: list[tuple[str, bytes]] = []
    for path, entry in walk_tree(store, digest):
        if entry.mode is Mode.FOLDER:
            folders.append(path)
        elif entry.mode is Mode.LINK:
            links.append((path, _link_target(store, path, entry)))
        else:
            files.append((path, entry))
    tally = Tally(progress, bytes_total=sum(entry.size for _, entry in files), files_total=len(files))
    root = str(part)
    for path in ("", *folders):
        with os_errors("make the folder", f"{root}/{path}"):
            try:
                os.mkdir(f"{root}/{path}")  # noqa: PTH102 - text is faster
            except FileExistsError as error:
                raise _same_name(path) from error

    def write(group: list[tuple[str, TreeEntry]]) -> None:
        where = store.locate(entry.digest for _, entry in group)
        for path, entry in group:
            executable = entry.mode is Mode.EXECUTABLE
            found = where.get(entry.digest)
            _write_file(store, entry.digest, entry.size, f"{root}/{path}", tally, executable=executable, found=found)

    workers = max(_WRITERS, store.place.workers)
    size = max(1, min(_GROUP, len(files) // workers))
    groups = [files[start : start + size] for start in range(0, len(files), size)]
    for_each(groups, write, min(workers, len(groups)))
    # Last, so that nothing is ever written through one of them.
    for path, destination in links:
        with os_errors("write the link", f"{root}/{path}"):
            try:
                os.symlink(destination, f"{root}/{path}")  # noqa: PTH211 - bytes
            except FileExistsError as error:
                raise _same_name(path) from error
    tally.finish()
    return {*folders, *(path for path, _ in files), *(path for path, _ in links)}


def _link_target(store: BlobStore, path: str, entry: TreeEntry) -> bytes:
    if entry.size > MAX_TARGET:
        raise UnsafePathError(f"the target of the link {path} has {entry.size} bytes, more than {MAX_TARGET}")
    data = store.read(entry.digest)
    try:
        return check_link(path.count("/"), data.decode())
    except (UnicodeDecodeError, UnsafePathError) as error:
        raise UnsafePathError(
            f"the link {path} points out of the destination: {data.decode(errors='backslashreplace')}",
            hint="Such a tree is not written; get the files you need from it one by one.",
        ) from error


def _same_name(path: str) -> ConflictError:
    return ConflictError(
        f"two names of the tree are one on this file system: {path}", hint="Get it on one that tells case apart."
    )


# ---------------------------------------------------------------------------- moving into place


def _place_file(part: Path, target: Path, *, force: bool) -> None:
    with os_errors("write", target):
        if force:
            part.replace(target)
            return
        try:
            target.hardlink_to(part)  # unlike a move, it fails if the name was taken meanwhile
        except FileExistsError as error:
            raise _taken(target) from error
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
                raise
            if os.path.lexists(target):
                raise _taken(target) from error
            part.replace(target)


def _place_folder(store: BlobStore, part: Path, target: Path, paths: set[str], *, force: bool) -> None:
    with os_errors("write", target):
        try:
            part.rename(target)  # succeeds over nothing or an empty folder only
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                raise
            if not force:
                raise _taken(target) from error
        else:
            return
        _check_replaceable(store, target, paths)
        old = target.with_name(f".lin-old-{os.urandom(8).hex()}")
        target.rename(old)
        try:
            part.rename(target)
        except BaseException:
            old.rename(target)
            raise
        _remove(old)


def _check_replaceable(store: BlobStore, target: Path, paths: set[str]) -> None:
    if target.is_symlink() or not target.is_dir():
        return
    here = target.resolve()
    place = store.place
    if here in {Path.cwd(), *Path.cwd().parents, Path.home(), *Path.home().parents} or (
        isinstance(place, LocalPlace) and place.root.resolve().is_relative_to(here)
    ):
        raise ConflictError(f"{target} is in use and cannot be replaced", hint="Choose another destination.")
    extra = [path for path in _below(target) if path not in paths]
    if extra:
        raise ConflictError(
            f"{target} holds what would be lost: {extra[0]}" + (f" and {len(extra) - 1} more" if extra[1:] else ""),
            hint="Move that away, or choose another destination.",
        )


def _below(target: Path) -> Iterator[str]:
    for folder, name, _ in _everything(target):
        yield (folder / name).relative_to(target).as_posix()
