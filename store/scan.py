"""Look at what is to be put: find every file, link and folder, and refuse what cannot be kept."""

# Paths are text here: making a Path costs more than the call it is for, in loops over many files.
# ruff: noqa: PTH114, PTH115, PTH116, PTH123

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from lin.errors import ConflictError, InvalidInputError, NotFoundError, UnsafePathError

from .faults import os_errors
from .tree import check_link, check_part

Ignore = Callable[[str, bool], bool]
"""Tells whether to leave out a path ('/'-separated, relative to what is put); the flag says that it is a folder."""

_NOWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file, as it was when it was found.

    Attributes:
        relative: '/'-separated, below the folder that is put.
        path: Where to open it.
        status: What the system said of it.
    """

    relative: str
    path: str
    status: os.stat_result


@dataclass(frozen=True, slots=True)
class FoundLink:
    """A symbolic link that stays inside the folder.

    Attributes:
        relative: '/'-separated, below the folder that is put.
        target: What it points to, as UTF-8.
    """

    relative: str
    target: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """All there is below a folder.

    Attributes:
        folders: Relative paths, each after the folder it is in; the first is '', the folder itself.
        files: In no particular order.
        links: In no particular order.
    """

    folders: list[str] = field(default_factory=list)
    files: list[FoundFile] = field(default_factory=list)
    links: list[FoundLink] = field(default_factory=list)


def shown(path: str) -> str:
    """Return a path that can be printed, whatever bytes its name is made of."""
    return os.fsencode(path).decode(errors="backslashreplace")


def kind_of(path: str) -> str:
    """Tell whether a path is a `file` or a `folder`, through symbolic links.

    Raises:
        NotFoundError: There is nothing.
        InvalidInputError: It is a dangling link, or neither file nor folder.
    """
    if "\0" in path:
        raise InvalidInputError(f"not a path: {path!r}")
    with os_errors("look at", shown(path)):
        try:
            status = os.stat(path)
        except OSError as error:
            if error.errno not in _NOWHERE:
                raise
            if os.path.islink(path):
                raise _dangling(path) from error
            raise NotFoundError(
                f"there is no {shown(path)}", hint="Check the spelling and the current folder."
            ) from error
    if stat.S_ISREG(status.st_mode):
        return "file"
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    raise _special(path, status.st_mode)


def scan(root: str, ignore: Ignore | None = None) -> Found:
    """Find everything below a folder, except repositories of lin: to put one into itself would never end.

    Raises:
        InvalidInputError: There is a socket, pipe, device or dangling link.
        UnsafePathError: A name is not UTF-8, or a link points out of the folder.
        PermissionDeniedError: A folder cannot be read.
        ConflictError: A folder vanished meanwhile.
    """
    found = Found()
    waiting = [("", root)]
    while waiting:
        relative, path = waiting.pop()
        entries = _entries(path)
        if relative and _is_repository(entries):
            continue
        found.folders.append(relative)
        prefix = f"{relative}/" if relative else ""
        for entry in entries:
            below = prefix + entry.name
            folder = entry.is_dir(follow_symlinks=False)
            if ignore is not None and ignore(below, folder):
                continue
            _check_name(entry)
            if folder:
                waiting.append((below, entry.path))
            elif entry.is_symlink():
                found.links.append(FoundLink(below, _target(entry.path, below.count("/"))))
            else:
                found.files.append(_file(entry, below))
    return found


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os_errors("read the folder", shown(path)), os.scandir(path) as entries:
            return list(entries)
    except NotFoundError as error:
        raise vanished(path) from error


def _is_repository(entries: list[os.DirEntry[str]]) -> bool:
    description = next((entry for entry in entries if entry.name == "lin.json"), None)
    if description is None or not any(entry.name == "log" for entry in entries):
        return False
    try:
        with open(description.path, "rb") as file:
            document = json.loads(file.read(65_536))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.keys() >= {"format", "id", "chunker", "log"}


def _check_name(entry: os.DirEntry[str]) -> None:
    try:
        check_part(entry.name)
    except UnsafePathError as error:
        raise UnsafePathError(
            f"the name of {shown(entry.path)} is not UTF-8", hint="Rename it, or leave it out."
        ) from error


def _file(entry: os.DirEntry[str], relative: str) -> FoundFile:
    try:
        with os_errors("look at", shown(entry.path)):
            status = entry.stat(follow_symlinks=False)
    except NotFoundError as error:
        raise vanished(entry.path) from error
    if not stat.S_ISREG(status.st_mode):
        raise _special(entry.path, status.st_mode)
    return FoundFile(relative, entry.path, status)


def _target(path: str, depth: int) -> bytes:
    with os_errors("follow the link", shown(path)):
        target = os.readlink(path)
        try:
            os.stat(path)
        except OSError as error:
            if error.errno not in _NOWHERE:
                raise
            raise _dangling(path) from error
    try:
        return check_link(depth, target)
    except UnsafePathError as error:
        raise UnsafePathError(
            f"{shown(path)} is a link that leads out of the folder: {shown(target)}",
            hint="What it points to would not be kept: put that by itself, copy it in, or leave the link out.",
        ) from error


def _dangling(path: str) -> InvalidInputError:
    target = shown(os.readlink(path))
    return InvalidInputError(
        f"{shown(path)} is a dangling link: there is no {target}", hint="Mend the link, remove it, or leave it out."
    )


def _special(path: str, mode: int) -> InvalidInputError:
    kind = _KINDS.get(stat.S_IFMT(mode), "not a regular file")
    return InvalidInputError(
        f"{shown(path)} is {kind}: only files, folders and links can be kept", hint="Remove it, or leave it out."
    )


def vanished(path: str) -> ConflictError:
    """Return the error for what was there a moment ago."""
    return ConflictError(f"{shown(path)} vanished while it was read", hint="Try again when nothing changes it.")


def changed(path: str) -> ConflictError:
    """Return the error for what is not what it was a moment ago."""
    return ConflictError(f"{shown(path)} changed while it was read", hint="Try again when nothing writes to it.")
