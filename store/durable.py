"""Make files and folders survive a power cut."""

# Paths are text here: making a Path costs more than the call it is for, in loops over many files.
# ruff: noqa: PTH102, PTH112, PTH116, PTH120

from __future__ import annotations

import errno
import fcntl
import os
import sys
import time
from collections.abc import Callable, Collection
from functools import cache

FEW = 16
"""Up to so many files or folders are synced one by one: syncing a file system waits for other programs' data too."""
RECENT_SECONDS = 60.0
"""Kernels write dirty metadata back within seconds; what is older than this is on the disk already."""

_WRITE = 2
"""`SYNC_FILE_RANGE_WRITE`."""
_CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES})


def sync_file(descriptor: int) -> None:
    """Put a file's bytes onto the disk itself, past the drive's cache where the system can say so."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:  # macOS: fsync stops at the drive's cache
        try:
            fcntl.fcntl(descriptor, full)
        except OSError:
            pass
        else:
            return
    os.fsync(descriptor)


def start_writing(descriptor: int, offset: int, length: int) -> None:
    """Let the system begin to write a file's bytes to the disk, without waiting: the sync at its end is then short."""
    start = _sync_file_range()
    if start is not None:
        start(descriptor, offset, length, _WRITE)  # a hint: what fails here shows when the file is synced


def sync_path(path: str) -> None:
    """Put the bytes of a file onto the disk that was written and closed before."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_file(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: str) -> None:
    """Put a folder's entries onto the disk; some network file systems cannot, and keep them by other means."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # taken away since: there is nothing left to keep
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)


def sync_many(root: str, *, files: Collection[str] = (), folders: Collection[str] = ()) -> None:
    """Sync several files and folders of the file system that holds `root`, together where that is faster."""
    if len(files) + len(folders) > FEW and _sync_file_system(root):
        return
    for path in files:
        sync_path(path)
    for path in folders:
        sync_folder(path)


def make_folder(path: str) -> list[str]:
    """Make a folder with its parents; return the folders that have to be synced for it to last."""
    missing = []
    while True:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            missing.append(path)
            path = os.path.dirname(path)
        else:
            break
    # Another process may have made the folder a moment ago, and not synced its parent yet.
    unsynced = [os.path.dirname(path)] if is_recent(status) else []
    for folder in reversed(missing):
        try:
            os.mkdir(folder)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise
        unsynced.append(os.path.dirname(folder))
    return unsynced


def is_recent(status: os.stat_result) -> bool:
    """Tell whether a file's entry changed so lately that it may not be on the disk yet."""
    return abs(time.time() - status.st_ctime) < RECENT_SECONDS


def _sync_file_system(path: str) -> bool:
    sync = _syncfs()
    if sync is None:
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return sync(descriptor) == 0
    finally:
        os.close(descriptor)


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - start-up: only large files need it

    call = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call


@cache
def _syncfs() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - start-up: only batches need it

    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
