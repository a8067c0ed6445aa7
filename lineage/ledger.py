"""The ledger: write statements to the log, read them back as a graph that has kept up.

It ties the log, the sequencer and one index together, so that the layers above see two things only: drafts of
statements to record, and a graph that holds everything recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TypeVar

from lin.errors import ConflictError, CorruptContentError, DamagedIndexError, LinError

from .admission import GraphAdmission
from .checkpoint import Checkpoint
from .envelope import SignedEvent, sign
from .events import Event, EventId, Imported, KeyChanged, Statement, now
from .fallback import FallbackGraph, Outage
from .graph import Graph, Position
from .index import FILE_NAME, Progress, catch_up, open_index, rebuild
from .keys import ActorKey
from .log import Log
from .moment import Moment
from .note import Signer
from .sequencer import Sequencer
from .sqlite import SqliteGraph

T = TypeVar("T")

ATTEMPTS = 200
"""How often a draft is made again because others were faster; each time at least one of them succeeded."""


class Draft:
    """Statements on their way into the log, accepted or refused together.

    Each is signed as it is added, so that later ones can name earlier ones by their id.
    """

    def __init__(self, key: ActorKey) -> None:
        self._key = key
        self.signed: list[SignedEvent] = []

    def add(self, statement: Statement, *, at: str | None = None) -> EventId:
        """Sign a statement, as of now or of the moment given, and return its event's id.

        Raises:
            InvalidInputError: It does not fit into a leaf of the log.
        """
        signed = sign(Event(at or now(), self._key.id, statement), self._key)
        self.signed.append(signed)
        return signed.id


class Ledger:
    """A log, the right to write to it, and an index that follows it.

    Safe to use from several threads, and beside other processes.

    Args:
        log: The log.
        cache: The folder of the index: local, and all in it can be deleted.
        log_key: Return the log's private key; asked for when something is written.
        actor_key: Return the key that signs this user's events; asked for when something is written.
    """

    moment: Moment | None = None
    """Which events it looks at; all of them by default."""

    server: Graph | None = None
    """What follows the log beside the index and answers questions, if there is such a server."""
    _outage: Outage | None = None

    def __init__(
        self,
        log: Log,
        cache: Path,
        *,
        log_key: Callable[[], Signer],
        actor_key: Callable[[], ActorKey],
    ) -> None:
        self.log = log
        self.index = cache / FILE_NAME
        self._actor_key = actor_key
        self._graph: SqliteGraph | None = None
        self._opening = Lock()
        self._sequencer = Sequencer(log, log_key, lambda: GraphAdmission(self.graph()), committed=self._follow)

    def graph(self) -> Graph:
        """Return the index, after it has caught up with the log; one that is missing or damaged is made anew.

        Raises:
            CorruptLogError: The log is damaged, or does not continue what the index was built from.
        """
        graph = self._open()
        catch_up(self.log, graph)
        return graph

    def attach(self, server: Graph, location: str, tell: Callable[[str], None]) -> None:
        """Let a server follow the log as well, and answer questions; `tell` hears when it cannot.

        The embedded graph stays: it decides what enters the log, and answers while the server is away.
        """
        self.detach()
        self.server, self._outage = server, Outage(location, tell)

    def detach(self) -> None:
        """Ask the embedded graph alone again."""
        server, self.server, self._outage = self.server, None, None
        if server is not None:
            server.close()

    def answering(self) -> Graph:
        """Return the graph to put questions to, after it has caught up: the server's if there is one and it answers."""
        embedded = self.graph()
        server, outage = self.server, self._outage
        if server is None or outage is None:
            return embedded
        return FallbackGraph.over(server if self._served() else None, embedded, outage)

    def _served(self) -> bool:
        """Let the server catch up; whether it could."""
        if self.server is None or self._outage is None or self._outage.lasting:
            return False
        try:
            catch_up(self.log, self.server)
        except CorruptContentError:
            raise
        except LinError as error:
            # The embedded graph has caught up before: whatever this is, a full disk or others' data, is the server's.
            self._outage.begin(error)
            return False
        self._outage.end()
        return True

    def position(self) -> Position:
        """Return how far the index is, without making it catch up; nowhere where it cannot be read."""
        try:
            return self._open().position()
        except DamagedIndexError:
            return Position()

    def rebuild(self, progress: Progress | None = None) -> int:
        """Empty the index and build it again from the whole log; return how many events it holds."""
        return rebuild(self.log, self._open(), progress)

    def record(self, build: Callable[[Draft, Graph], T]) -> T:
        """Write what `build` adds to a draft, durably, and let the index follow.

        Args:
            build: Called with an empty draft and the present graph; called again with fresh ones if others changed
                what it relied on (a version number, an alias) in the meantime. It must have no other effect.

        Returns:
            What `build` returned. Nothing is written if it added nothing.

        Raises:
            ConflictError: Others were faster `ATTEMPTS` times in a row.
            ReadOnlyError: This user does not hold the log's key.
        """
        attempt = 1
        while True:
            graph = self.graph()
            key = self._actor_key()
            draft = Draft(key)
            result = build(draft, graph)
            if not draft.signed:
                return result
            if not graph.get([bytes.fromhex(key.id)]):
                draft.signed.insert(0, self._introduction(key))
            try:
                self._sequencer.submit(draft.signed)
            except ConflictError:
                if attempt == ATTEMPTS:
                    raise
                attempt += 1
            else:
                self._served()
                return result

    def take_over(self, events: Sequence[SignedEvent], source: Log, at: Checkpoint) -> Sequence[SignedEvent]:
        """Write events that another log holds, durably, and after them that it does; let the index follow.

        Args:
            events: In the order of that log; what they refer to is among them or known here.
            source: That log.
            at: Its checkpoint, by which it holds them.

        Returns:
            Those that were not known here.

        Raises:
            PermissionDeniedError: A key that signed one was revoked here, or is not known.
            NotFoundError: One refers to what is neither among them nor known here.
            ConflictError: Others were faster `ATTEMPTS` times in a row.
            ReadOnlyError: This user does not hold the log's key.
        """
        attempt = 1
        while True:
            graph, key = self.graph(), self._actor_key()
            known = graph.events([signed.id.value for signed in events])
            fresh = [signed for signed in events if signed.id.value not in known]
            if not fresh:
                return ()
            word = Imported(source.origin, str(source.verifier), at.note.decode(), len(fresh))
            try:
                if not (graph.get([bytes.fromhex(key.id)]) or any(_introduces(each, key) for each in fresh)):
                    self._sequencer.submit([self._introduction(key)])
                self._sequencer.submit([*fresh, sign(Event(now(), key.id, word), key)])
            except ConflictError:
                if attempt == ATTEMPTS:
                    raise
                attempt += 1
            else:
                self._served()
                return fresh

    @staticmethod
    def _introduction(key: ActorKey) -> SignedEvent:
        return sign(Event(now(), key.id, KeyChanged("add", key.public.hex())), key)

    def _open(self) -> SqliteGraph:
        with self._opening:
            if self._graph is None:
                self._graph = open_index(self.index)
            return self._graph

    def _follow(self) -> None:
        self.graph()

    def close(self) -> None:
        """Release the index; it opens again when it is asked for."""
        with self._opening:
            graph, self._graph = self._graph, None
        self.detach()
        if graph is not None:
            graph.close()


def _introduces(signed: SignedEvent, key: ActorKey) -> bool:
    statement = signed.event.statement
    return isinstance(statement, KeyChanged) and (statement.action, statement.key) == ("add", key.public.hex())
