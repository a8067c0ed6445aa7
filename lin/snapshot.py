"""Snapshot a run's code: the git commit, and the work as it stood, as one tree of the store.

Nothing of the user's is touched: git reads a copy of the index, takes no locks and writes no objects. What is
in the tree is what git tracks or would offer to add; large untracked files and known data are left out,
because they are data and not code. Outside git, the folder's small files are taken.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lin.errors import BackendError, LinError, UnsafePathError
from lin.store.folder import Stored, put_path
from lin.store.scan import shown
from lin.store.tree import check_link

from .given import file_name
from .repository import Repository

MAX_UNTRACKED = 1 << 20
"""Bytes: an untracked file that is larger is data, not code."""
SECRETS = (
    ".env",
    ".env.*",
    ".netrc",
    ".npmrc",
    ".pypirc",
    "*.key",
    "*.pem",
    "*.p12",
    "id_rsa",
    "id_ecdsa",
    "id_ed25519",
)
"""Untracked files of these names hold passwords and keys, which a store that never forgets must not get."""
MAX_FILES = 5_000
"""Files taken from a folder outside git; more than that is no project."""
MAX_NAMED = 10
"""Files that were left out and are named one by one."""
_NO_WORK_TREE = ("not a git repository", "must be run in a work tree")
SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", ".lin", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".nox"}
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Code as it stood.

    Attributes:
        stored: The tree.
        project: The name of the project's folder.
        commit: What was checked out, in hex; None outside git or before the first commit.
        dirty: Whether the tree differs from the commit.
        warnings: What was left out and why, as sentences.
    """

    stored: Stored
    project: str
    commit: str | None
    dirty: bool
    warnings: tuple[str, ...]


def take(
    repository: Repository, folder: Path, *, without: Collection[Path], is_data: Callable[[Path], bool]
) -> Snapshot:
    """Store the code around a folder.

    Args:
        repository: Where to.
        folder: Where the run runs; the whole project around it is taken where that is a git work tree.
        without: Files and folders that are the run's inputs and outputs.
        is_data: Tells whether an untracked file's bytes are known as data.
    """
    warnings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lin-index-") as scratch:
        git = _Git.find(folder, Path(scratch), warnings)
        listing = git.listing() if git else _plain_listing(folder)
    sieve = _Sieve(listing.root, [*without, *repository.own_folders], is_data)
    taken: list[str] = []
    left_out, dirty = 0, listing.dirty
    for name, tracked in listing.files:
        if git is None and len(taken) == MAX_FILES:
            warnings.append(f"only the first {MAX_FILES} files were taken as code; a git repository has no such limit")
            break
        refusal = sieve.refusal(name, tracked=tracked)
        if refusal is None:
            taken.append(name)
            dirty = dirty or not tracked
        elif refusal:
            left_out += 1
            if left_out <= MAX_NAMED:
                warnings.append(f"{shown(name)} was left out of the code: {refusal}")
    if left_out > MAX_NAMED:
        warnings.append(f"{left_out - MAX_NAMED} more files were left out of the code")
    wanted = set(taken)
    around = {parent.as_posix() for name in taken for parent in PurePosixPath(name).parents}
    stored = put_path(
        repository.store,
        listing.root,
        ignore=lambda name, is_folder: name not in (around if is_folder else wanted),
        cache=repository.seen,
    )
    return Snapshot(stored, _project(listing.root), listing.commit, dirty, tuple(warnings))


def _project(root: Path) -> str:
    """Return a name for a project that artifacts may carry, and that is not the user's own."""
    name = "".join(letter if letter.isprintable() and letter not in "@{}:" else "_" for letter in file_name(root))
    return name.strip()[:150] or "project"


@dataclass(frozen=True, slots=True)
class _Listing:
    """The files of a project: relative names, and whether git tracks them."""

    root: Path
    files: Iterable[tuple[str, bool]]
    commit: str | None = None
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class _Git:
    """A git work tree, read through a copy of its index."""

    root: Path
    environment: dict[str, str]

    @classmethod
    def find(cls, folder: Path, scratch: Path, warnings: list[str]) -> _Git | None:
        """Return the work tree around a folder; None where there is none, or no git, or git refuses, with a warning."""
        if shutil.which("git") is None:
            return None
        try:
            root = Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel").rstrip(b"\n")))
            index = Path(os.fsdecode(_git(folder, "rev-parse", "--git-path", "index").rstrip(b"\n")))
        except BackendError as error:
            if not any(text in error.message for text in _NO_WORK_TREE):
                warnings.append(f"the git commit is not known: {error.message.splitlines()[0]}")
            return None
        copy = scratch / "index"
        if (folder / index).exists():
            # With its times: git trusts no file that is as new as the index.
            shutil.copy2(folder / index, copy)
        return cls(root, {**os.environ, "GIT_INDEX_FILE": str(copy), "GIT_OPTIONAL_LOCKS": "0"})

    def listing(self) -> _Listing:
        """Ask git what it tracks, what it would offer to add, and whether the former differs from the commit."""
        tracked = self._names("ls-files", "-z", "--cached")
        untracked = self._names("ls-files", "-z", "--others", "--exclude-standard")
        try:
            commit = self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()
        except BackendError:
            commit = ""
        dirty = bool(self._ask("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=none"))
        files = [(name, True) for name in tracked] + [(name, False) for name in untracked]
        return _Listing(self.root, files, commit or None, dirty)

    def _names(self, *arguments: str) -> Sequence[str]:
        names = self._ask(*arguments).split(b"\0")
        return list(dict.fromkeys(os.fsdecode(name) for name in names if name))

    def _ask(self, *arguments: str) -> bytes:
        return _git(self.root, *arguments, environment=self.environment)


def _git(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> bytes:
    done = subprocess.run(  # noqa: S603 - the arguments are this module's own
        ["git", "-c", "core.fsmonitor=false", *arguments],  # noqa: S607 - the user's git, wherever it is
        cwd=folder,
        env={**(environment or os.environ), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise BackendError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _plain_listing(folder: Path) -> _Listing:
    def walk() -> Iterator[tuple[str, bool]]:
        for where, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("."))
            for name in sorted(files):
                yield (Path(where) / name).relative_to(folder).as_posix(), False

    return _Listing(folder, walk())


class _Sieve:
    """Decide which of a project's files are its code.

    Args:
        root: The project's folder.
        without: Files and folders that are the run's data.
        is_data: Tells whether an untracked file's bytes are known as data.
    """

    def __init__(self, root: Path, without: Collection[Path], is_data: Callable[[Path], bool]) -> None:
        self._root = root
        self._without = {_real(path) for path in without}
        self._is_data = is_data

    def refusal(self, name: str, *, tracked: bool) -> str | None:  # noqa: PLR0911 - one line a reason
        """Say why a file is no part of the code: None if it is, an empty text where nobody needs to know."""
        path = self._root / name
        real = _real(path)
        if not self._without.isdisjoint((real, *real.parents)):
            return ""
        try:
            name.encode()
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return ""  # deleted, but still in the index: that is what dirty means
        except UnicodeEncodeError:
            return "its name is not UTF-8"
        except OSError as error:
            return error.strerror or str(error)
        if stat.S_ISLNK(status.st_mode):
            return self._link(name, path)
        if not stat.S_ISREG(status.st_mode) or not os.access(path, os.R_OK):
            return "a submodule" if stat.S_ISDIR(status.st_mode) else "not a readable file"
        return None if tracked else self._untracked(path, status.st_size)

    def _link(self, name: str, path: Path) -> str | None:
        if not path.exists():
            return "a link to nothing"
        try:
            check_link(name.count("/"), os.fspath(path.readlink()))
        except (UnsafePathError, OSError):
            return "a link out of the project"
        return None

    def _untracked(self, path: Path, size: int) -> str | None:
        if size > MAX_UNTRACKED:
            return f"untracked and larger than {MAX_UNTRACKED >> 20} MiB"
        if any(fnmatch.fnmatchcase(path.name, pattern) for pattern in SECRETS):
            return "untracked and named as secrets are; what is stored stays stored"
        try:
            return "" if self._is_data(path) else None
        except LinError as error:
            return error.message


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike `resolve`, without an error for links in a circle
