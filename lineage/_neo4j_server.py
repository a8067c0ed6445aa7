"""One database of a Neo4j server: connections, reading without seeing half a batch, and writing one at a time.

Neo4j shows readers what is committed *so far*: while a transaction is being committed a reader sees some of its changes
and not yet others, even within one statement. Therefore a writer counts `begun` up just before it commits, and `done`
right after. A reader that finds `begun` equal to `done`, and both unchanged after its statements, has seen no commit in
the middle. One that was less lucky takes the writers' lock for its last try.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

from lin.errors import BackendError, DamagedIndexError, LinError

from . import _neo4j_errors as errors
from . import _neo4j_statements as cypher
from ._neo4j_rows import ROWS, Run, by_ids

if TYPE_CHECKING:
    import neo4j

SECONDS_TO_CONNECT = 5.0
SECONDS_TO_ANSWER = 300.0
"""After so long the server itself gives up a statement, and a writer's transaction with the lock it holds."""
UNLOCKED_TRIES = 2
"""Reads that may be spoiled by commits before one is done with the lock."""
TRIES = 5
"""How often what the server itself calls a passing failure is tried."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class State:
    """What the meta node says.

    Attributes:
        size: Events applied.
        frontier: Digests in hex; see `Position`.
        turns: How many commits were begun, and how many of these are done.
    """

    size: int
    frontier: list[str]
    turns: tuple[int, int]


class Neo4jServer:
    """A database, by the address of its server.

    Safe to use from several threads. Nothing is sent before the first question.

    Args:
        uri: Such as `neo4j://graph.example:7687`; without credentials.
        auth: User and password; None where the server asks for none.
        database: Its name; the user's home database if None.

    Raises:
        InvalidInputError: The URI names no server.
    """

    def __init__(self, uri: str, auth: tuple[str, str] | None, database: str | None) -> None:
        self.place = errors.checked_uri(uri)
        self._auth = auth
        self._database = database
        self._driver: neo4j.Driver | None = None
        self._lock = threading.Lock()
        # Of this process only one thread waits for the server's lock: others would use up its connections.
        self._turn = threading.RLock()

    def look(self, work: Callable[[Run], T]) -> T:
        """Return what `work` returns; its statements run one by one, outside of any transaction."""
        with errors.as_lin_errors(self.place):
            return self._again(lambda: self._look(work))

    def ask(self, statement: str, **parameters: Any) -> list[list[Any]]:
        """Return a statement's rows, having seen no batch half: in one round trip, unless someone just commits."""
        with errors.as_lin_errors(self.place):
            for _ in range(UNLOCKED_TRIES):
                rows = self._again(lambda: self._look(lambda run: run(cypher.framed(statement), **parameters)))
                before, after = self._read_state(rows[:1]).turns, self._read_state(rows[-1:]).turns
                if before == after and before[0] == before[1]:
                    return rows[1:-1]
            return self._again(lambda: self._alone(lambda run: run(statement, **parameters)))

    def ask_for(self, statement: str, ids: Sequence[str]) -> list[list[Any]]:
        """Return a statement's rows for all of these ids, having seen no batch half."""
        if len(ids) <= ROWS:
            return self.ask(statement, ids=ids)
        return self.read(lambda run: by_ids(run, statement, ids))

    def read(self, work: Callable[[Run], T]) -> T:
        """Return what `work` returns, having seen no batch half; it may run several times."""
        with errors.as_lin_errors(self.place):
            for _ in range(UNLOCKED_TRIES):
                whole, answer = self._again(lambda: self._look(lambda run: self._between_commits(run, work)))
                if whole:
                    return answer
            return self._again(lambda: self._alone(work))

    def write(self, work: Callable[[Run], None]) -> None:
        """Run `work` in one transaction, alone among all writers.

        Raises:
            BackendError: It failed, and nothing was written, unless the connection broke during the commit:
                then the graph's position tells.
        """
        with errors.as_lin_errors(self.place):
            self._again(lambda: self._write(work))

    def position(self) -> State:
        """Return the meta node, as of one moment."""
        return self._read_state(self.ask(cypher.STATE))

    def state(self, run: Run) -> State:
        """Return the meta node, in the transaction of `run`.

        Raises:
            DamagedIndexError: There is none, or someone was interrupted while emptying the graph.
        """
        return self._read_state(run(cypher.STATE))

    def close(self) -> None:
        """Release all connections; closing twice is no error."""
        with self._lock:
            driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    # ------------------------------------------------------------------ within

    def _read_state(self, rows: list[list[Any]]) -> State:
        if not rows or rows[0][0] != cypher.TAG:
            raise DamagedIndexError(f"the graph in {self.place} has lost its position", hint=errors.REBUILD)
        _, size, frontier, emptying, begun, done = rows[0]
        if emptying:
            raise DamagedIndexError(
                f"the graph in {self.place} is being emptied, or was left half empty", hint=errors.REBUILD
            )
        return State(size, frontier, (begun, done))

    def _between_commits(self, run: Run, work: Callable[[Run], T]) -> tuple[bool, T]:
        before = self.state(run).turns
        try:
            answer = work(run)
        except (LinError, KeyError, ValueError, TypeError):
            # What looks damaged may be half a batch.
            if self.state(run).turns == before and before[0] == before[1]:
                raise
            return False, cast("T", None)  # never looked at
        return before[0] == before[1] and self.state(run).turns == before, answer

    def _look(self, work: Callable[[Run], T]) -> T:
        with self._session() as session:
            import neo4j  # noqa: PLC0415 - slow to import, and not there without its extra

            # The driver wants literal texts, so that nobody puts values into them; here tests hold the statements.
            query: Any = neo4j.Query
            return work(_running(session, lambda text: query(text, timeout=SECONDS_TO_ANSWER)))

    def _alone(self, work: Callable[[Run], T]) -> T:
        with (
            self._turn,
            self._session() as session,
            session.begin_transaction(timeout=SECONDS_TO_ANSWER) as transaction,
        ):
            run = _running(transaction)
            run(cypher.LOCK, turn=uuid4().hex)
            # A writer that died between its marks would send everyone here for ever; now nobody is between them.
            run(cypher.DONE, number=self.state(run).turns[0])
            answer = work(run)
            transaction.commit()
            return answer

    def _write(self, work: Callable[[Run], None]) -> None:
        with (
            self._turn,
            self._session() as session,
            session.begin_transaction(timeout=SECONDS_TO_ANSWER) as transaction,
        ):
            run = _running(transaction)
            run(cypher.LOCK, turn=uuid4().hex)
            work(run)
            ((number,),) = self._look(lambda mark: mark(cypher.BEGIN)) or ((0,),)
            transaction.commit()
        with suppress(Exception):
            # It is committed, whatever happens now: without this mark readers only take longer.
            self._look(lambda mark: mark(cypher.DONE, number=number))

    def _again(self, work: Callable[[], T]) -> T:
        """Try anew what the server asks to, and once what a connection from before a restart was lost for."""
        was_cut_off = False
        started = monotonic()
        for tries_left in reversed(range(TRIES)):
            try:
                return work()
            except LinError:
                raise
            except Exception as error:
                if errors.is_disconnection(error):
                    # A server that hangs is not waited for twice.
                    hangs = monotonic() - started > SECONDS_TO_CONNECT
                    if was_cut_off or hangs or errors.may_have_committed(error):
                        raise
                    was_cut_off = True
                elif not (tries_left and errors.is_passing(error)):
                    raise
        raise BackendError(f"the Neo4j server at {self.place} was cut off again and again")

    def _session(self) -> neo4j.Session:
        with self._lock:
            if self._driver is None:
                self._driver = self._connect()
            return self._driver.session(database=self._database, fetch_size=-1)

    def _connect(self) -> neo4j.Driver:
        try:
            import neo4j  # noqa: PLC0415 - slow to import
        except ImportError as error:
            raise BackendError(
                f"the graph in {self.place} needs the Neo4j driver", hint="pip install 'lin-store[neo4j]'"
            ) from error
        # lin's errors say it; the driver would print it too.
        logging.getLogger("neo4j").addHandler(logging.NullHandler())
        driver = neo4j.GraphDatabase.driver(
            self.place,
            auth=self._auth,
            connection_timeout=SECONDS_TO_CONNECT,
            connection_acquisition_timeout=2 * SECONDS_TO_CONNECT,
            notifications_min_severity="OFF",
            telemetry_disabled=True,
        )
        # Whoever forgets to close leaves no connection behind, and no warning.
        weakref.finalize(self, driver.close)
        return driver


def _running(source: Any, query: Callable[[str], Any] = str) -> Run:
    """Send statements to a session or a transaction."""

    def run(statement: str, **parameters: Any) -> list[list[Any]]:
        return [row[0] for row in source.run(query(statement), parameters).values()]

    return run
