"""Read the log, check everything, and choose and rebuild indexes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from lin.errors import (
    LinError,
)
from lin.lineage.graph import Cursor
from lin.lineage.index import catch_up, rebuild

from . import checking, config, indexes
from .contents import Contents
from .progress import Progress, counting, silent
from .records import Advice, Content, IndexStatus, LogEntry, Page, VerifyReport


class Upkeep(Contents):
    """Log, verification and indexes."""

    def log(
        self,
        *,
        newest_first: bool = True,
        limit: int | None = None,
        kinds: Collection[str] = (),
        after: int | None = None,
    ) -> Iterator[LogEntry]:
        """Yield the events of the log.

        Args:
            newest_first: Whether to begin with the newest.
            limit: At most so many.
            kinds: The words events carry (`artifact`, `run.started`, …); all when empty.
            after: Only what comes after this position in the order asked for.

        Raises:
            InvalidInputError: A kind does not exist, or the log has no such position.
        """
        moment = self._ledger.moment
        if moment is None:
            return checking.log_entries(
                self._ledger.log, newest_first=newest_first, limit=limit, kinds=kinds, after=after
            )
        entries = checking.log_entries(
            self._ledger.log, newest_first=newest_first, limit=None, kinds=kinds, after=after
        )
        return islice((entry for entry in entries if moment.includes(entry.position, entry.at)), limit)

    def log_page(
        self, *, newest_first: bool = True, kinds: Collection[str] = (), after: Cursor | None = None, limit: int
    ) -> Page:
        """Return events of the log as a page of `LogEntry`; its cursors hold positions.

        A page of rare kinds may be `stopped`, as one of `search`.

        Raises:
            InvalidInputError: As `log`.
        """
        checking.check_kinds(kinds)
        entries = self.log(newest_first=newest_first, after=None if after is None else after.created)
        return checking.log_page(entries, kinds, limit)

    def checkpoint(self) -> str:
        """Return the log's signed checkpoint: a C2SP signed note."""
        return self._ledger.log.checkpoint().note.decode()

    def log_key(self) -> str:
        """Return the log's verifier key in signed-note form."""
        return self._description.key

    def verify(self, ref: str | None = None, *, deep: bool = False, progress: Progress | None = None) -> VerifyReport:
        """Check the log and every blob it names; with a ref, only that artifact's bytes.

        Every stored byte is read, and that all of every blob is there is looked up. Problems are listed, not raised.

        Args:
            ref: Only this artifact.
            deep: Also put every blob together and compare it with its own digest: content that many versions share
                is read many times.
            progress: Told of bytes and blobs.
        """
        if ref is None:
            return checking.verify_all(self._place, self._ledger, self.store, progress or silent, deep=deep)
        found = self.resolve(ref)
        holder = found if isinstance(found, Content) else self.artifact(ref)
        return checking.verify_one(self.graph, self.store, holder.digest, self._shape(holder), progress or silent)

    def index_status(self) -> Sequence[IndexStatus]:
        """Say how far each index has followed the log, without making it catch up."""
        size = self._ledger.log.checkpoint().size
        events = self._ledger.position().size
        embedded = IndexStatus("sqlite", str(self._ledger.index), events, max(0, size - events))
        server = indexes.Server.chosen(self.id, config.config_folder())
        if server is None or self._ledger.server is None:
            return (embedded,)
        try:
            events = self._ledger.server.position().size
        except LinError as error:
            return (embedded, IndexStatus("neo4j", server.url, None, None, error.message))
        return (embedded, IndexStatus("neo4j", server.url, events, max(0, size - events)))

    def use_index(self, url: str, *, database: str | None = None, progress: Progress | None = None) -> IndexStatus:
        """Let a Neo4j server follow the log and answer questions from now on; `sqlite` goes back to the embedded graph.

        The whole log is replayed into it first. The choice is this user's; credentials come from `LIN_NEO4J_USER` and
        `LIN_NEO4J_PASSWORD`, or from `neo4j.json` in the config folder.

        Raises:
            InvalidInputError: The URL names no server, or the database holds something else.
            PermissionDeniedError: The credentials are wrong.
            BackendError: The server cannot be reached; the choice stays what it was.
        """
        keys = config.config_folder()
        if url == "sqlite":
            indexes.forget(self.id, keys)
            self._ledger.detach()
            return self.index_status()[0]
        chosen = indexes.Server(url, database)
        server = chosen.open(self.id, keys)
        try:
            catch_up(self._ledger.log, server, counting(progress))
        except BaseException:
            server.close()
            raise
        chosen.choose(self.id, keys)
        self._ledger.attach(server, url, self.notices.append)
        return self.index_status()[-1]

    def rebuild_index(self, *, progress: Progress | None = None) -> IndexStatus:
        """Empty every index and make it again from the log; returns the one that answers."""
        told = counting(progress)
        self._ledger.rebuild(told)
        if self._ledger.server is not None:
            rebuild(self._ledger.log, self._ledger.server, told)
        return self.index_status()[-1]

    def doctor(self) -> Sequence[Advice]:
        """Look for common trouble and say what to do about it."""
        return checking.doctor(self._place, self._ledger, self._description)
