"""The use cases: everything that can be done with a repository, one method each.

The command line, the API and the Python front door all go through this class, so they give the same answers. Its
methods stand in modules of one idea each.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Self

from . import config, moments
from ._opening import Opened, create, open_existing
from .keeping import Keeping
from .progress import Progress, counting
from .reading import Found
from .records import Exchange, Repaired
from .remotes import DEFAULT
from .sharing import Sharing
from .tables.asking import TableQuestions
from .tagging import Tagging

__all__ = ["Found", "Progress", "Repository"]


class Repository(TableQuestions, Tagging, Sharing, Keeping):
    """A set of immutable files named by their content, one signed log, and an index over it."""

    @classmethod
    def init(cls, location: str | Path) -> Self:
        """Make a repository: in `.lin` inside a folder, or at a bucket's URL.

        Raises:
            ConflictError: There is one already.
        """
        return cls(create(config.target(location)))

    @classmethod
    def open(cls, location: str | Path | None = None) -> Self:
        """Open a repository.

        Args:
            location: A folder or bucket URL. None: `LIN_REPO`, else the nearest repository in this folder or one
                above it, else the user's own, which is made on first use.

        Raises:
            RepositoryNotFoundError: There is none at the place named.
            UnsupportedFormatError: A newer lin made it.
        """
        return cls(open_existing(location))

    @classmethod
    def clone(
        cls, remote: str | Path, location: str | Path, *, content: bool = True, progress: Progress | None = None
    ) -> tuple[Self, Exchange]:
        """Make a repository that holds everything that another one holds, and remembers it as `origin`.

        Args:
            remote: A folder or URL.
            location: A folder, in which `.lin` is made, or a bucket URL.
            content: Also the bytes; without, only what is known of them.
            progress: Told of bytes and blobs.

        Raises:
            ConflictError: There is a repository at the location already.
        """
        with cls.open(remote) as there:  # before anything is made
            made = cls.init(location)
            try:
                where = remote if config.is_url(remote) else Path(remote).expanduser().absolute()
                made.remotes = made.remotes.add(DEFAULT, str(where)).meet(there.id, str(where))
                return made, made.pull(there, content=content, progress=progress)
            except BaseException:
                made.close()
                raise

    def repair(self, source: str | Path, *, progress: Progress | None = None) -> Repaired:
        """Take what is missing or damaged here from another repository, best from a mirror, and look again.

        Args:
            source: A folder, URL or remembered name.
            progress: Told of bytes and blobs.
        """
        with type(self).open(self.remotes.locate(str(source))) as there:
            return self.mend(there, progress=progress)

    def as_of(self, moment: str | int | date, *, progress: Progress | None = None) -> Self:
        """Return this repository as it was, to be read only; close it as any other.

        Its graph is built from the events up to then alone, and kept in this machine's cache. Bytes, checkpoint and
        verification are the present ones.

        Args:
            moment: A number of events, counted from the beginning of the log; or a day (to its end) or time, which
                stands for the events that claim to be from then or before.
            progress: Told of the events read so far.

        Raises:
            InvalidInputError: It is none of these, or the log is shorter.
        """
        from lin.lineage.past import PastLedger  # noqa: PLC0415 - few look back

        ledger = PastLedger(self._ledger.log, self._cache, moments.past(moment), counting(progress))
        return type(self)(Opened(self._place, self._description, ledger, self._cache, self.notices))
