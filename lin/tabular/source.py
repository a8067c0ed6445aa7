"""Where a table's bytes come from: a file or folder on disk, or content in a store."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from lin.errors import NotFoundError
from lin.store.faults import os_errors


@dataclass(frozen=True, slots=True)
class FileSource:
    """One file.

    Attributes:
        name: What it is called; its ending is a hint, and never more.
        size: Bytes.
        open: Opens it at its start; can be called again.
        path: Where it lies on this machine, if it does.
    """

    name: str
    size: int
    open: Callable[[], BinaryIO] = field(repr=False)
    path: Path | None = None

    @classmethod
    def of(cls, path: str | Path) -> Self:
        """Describe a file on disk."""
        where = Path(path)
        with os_errors("look at", str(path)):
            size = where.stat().st_size

        def opened() -> BinaryIO:
            with os_errors("read", str(path)):
                return where.open("rb")

        return cls(where.name, size, opened, where)

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """Lend a path to its bytes, for what cannot read from anything else; a copy where there is none."""
        if self.path is not None:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="lin-") as folder, self.open() as file:
            path = Path(folder) / "copy"
            with os_errors("write to", "the temporary folder"), path.open("wb") as target:
                shutil.copyfileobj(file, target, 1 << 20)
            yield path


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder: its files by their paths in it, with `/` between the parts, in the order of these paths."""

    name: str
    files: Mapping[str, FileSource]

    @classmethod
    def of(cls, path: str | Path) -> Self:
        """Describe a folder on disk; links in it are left out, as they may lead out of it."""
        where = Path(path)
        found: dict[str, FileSource] = {}
        with os_errors("look at", str(path)):
            for folder, inside, names in os.walk(where):
                inside[:] = sorted(each for each in inside if not (Path(folder) / each).is_symlink())
                for name in names:
                    file = Path(folder) / name
                    if file.is_file() and not file.is_symlink():
                        found[file.relative_to(where).as_posix()] = FileSource.of(file)
        return cls(where.name, dict(sorted(found.items())))

    def below(self, folder: str) -> FolderSource:
        """Return a folder within it."""
        start = folder + "/"
        inside = {name.removeprefix(start): file for name, file in self.files.items() if name.startswith(start)}
        return FolderSource(folder.rpartition("/")[2], inside)

    def folders(self) -> Sequence[str]:
        """Return the names of the folders directly in it."""
        return sorted({name.partition("/")[0] for name in self.files if "/" in name})


Source = FileSource | FolderSource


def source_of(path: str | Path) -> Source:
    """Describe what lies at a path; raises `NotFoundError` where nothing does."""
    where = Path(path)
    if where.is_dir():
        return FolderSource.of(where)
    if not where.exists():
        raise NotFoundError(f"there is nothing at {path}")
    return FileSource.of(where)
