"""The index: a graph that follows the log, and proves that it holds exactly what the log holds.

The graph's position carries the Merkle frontier of the leaves it was built from. Every batch is proven
before it is applied: the frontier that it leads to is that of a log which the signed checkpoint continues.
Position and rows change in one transaction, so a crash leaves a smaller index that is as true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from lin.errors import ConflictError, CorruptLogError, DamagedIndexError, InvalidInputError, UnsupportedFormatError

from ._sqlite_file import delete
from ._sqlite_loading import Loading, without_collection
from ._sqlite_schema import SCHEMA_VERSION
from .apply import combine
from .checkpoint import Checkpoint
from .graph import Batch, Graph, Position
from .log import Leaf, Log
from .merkle import Frontier, leaf_digest
from .proven import read
from .sqlite import SqliteGraph

BATCH = 2_048
"""Events applied at once: enough to make a commit's sync cheap, few enough to show progress."""

WORTH_LOADING = 5_000
"""Events from which on an empty graph is loaded as a whole."""

FILE_NAME = f"graph-v{SCHEMA_VERSION}.sqlite3"
"""The index's file in a cache folder; another version of lin has another, and neither disturbs the other."""

Progress = Callable[[int, int], None]
"""Called with the events applied so far and the log's size."""

_DELIBERATE = "If that was done on purpose, `lin index rebuild` makes the index anew."


def open_index(path: Path) -> SqliteGraph:
    """Open the index at `path`; one that is missing, damaged or another version's is begun anew, empty.

    `catch_up` fills it.
    """
    try:
        return SqliteGraph(path)
    except DamagedIndexError:
        delete(path)
        return SqliteGraph(path)


Included = Callable[[int, str], bool]
"""Tell by an event's position and time whether the graph is to hold it."""


def catch_up(
    log: Log,
    graph: Graph,
    progress: Progress | None = None,
    *,
    stop: int | None = None,
    include: Included | None = None,
) -> int:
    """Apply what the log holds and the graph does not, and return how many events that were.

    Several processes may do so at once on one graph; each event is applied by one of them. A graph that
    turns out to be damaged is emptied and filled again: all of it is in the log.

    Args:
        log: The log.
        graph: Where to apply it.
        progress: Told of the events applied so far.
        stop: The graph is to hold the log's first so many events; all by default.
        include: Which of them; all by default. The others move the position, and are proven, all the same.

    Raises:
        CorruptLogError: The log was rolled back or rewritten, or its leaves are not those that its checkpoint
            signs. Nothing unproven is in the graph.
        UnsupportedFormatError: The log holds an event that a newer lin wrote.
        DamagedIndexError: The graph is damaged, and still is after it was emptied once to be filled again.
    """
    applied = 0
    damaged = False
    while True:
        try:
            # In this order: the log only grows, so a checkpoint read later is never behind the position.
            position = graph.position()
            at = log.checkpoint()
            end = at.size if stop is None else min(stop, at.size)
            if position.size == 0 and end >= WORTH_LOADING and isinstance(graph, SqliteGraph):
                applied += _load(log, at, graph, progress, stop, include)
                if graph.position().size:
                    continue
            for count in _follow(log, at, graph, position, progress, stop, include):
                applied += count
        except ConflictError:
            continue  # another process was faster: go on from where it came
        except DamagedIndexError:
            if damaged:
                raise
            damaged = True
            graph.clear()
            continue
        return applied


def rebuild(log: Log, graph: Graph, progress: Progress | None = None) -> int:
    """Build the graph again from the whole log, and nothing else; return how many events it holds.

    Raises:
        CorruptLogError: As `catch_up`; the graph is left with what was proven.
    """
    at = log.checkpoint()
    pays = at.size >= WORTH_LOADING
    if not (pays and isinstance(graph, SqliteGraph) and _load(log, at, graph, progress, anew=True)):
        graph.clear()
    catch_up(log, graph, progress)
    return graph.position().size


def _load(  # noqa: PLR0917 - the arguments of `catch_up`, handed on
    log: Log,
    at: Checkpoint,
    graph: SqliteGraph,
    progress: Progress | None = None,
    stop: int | None = None,
    include: Included | None = None,
    *,
    anew: bool = False,
) -> int:
    """Fill a graph from nothing as far as that pays; return how many events that were.

    What was proven before something turned out to be wrong is kept, as where batches are applied one by one.
    """
    applied = 0
    wrong: CorruptLogError | UnsupportedFormatError | None = None
    with graph.loading(anew=anew) as load:
        if load is None:
            return 0
        try:
            for count in _follow(log, at, load, Position(), progress, stop, include):
                applied += count
                if load.is_full:
                    break
        except (CorruptLogError, UnsupportedFormatError) as error:
            wrong = error
    if wrong is not None:
        raise wrong
    return applied


def _follow(  # noqa: PLR0917 - the arguments of `catch_up`, handed on
    log: Log,
    at: Checkpoint,
    graph: Graph | Loading,
    position: Position,
    progress: Progress | None,
    stop: int | None,
    include: Included | None,
) -> Iterator[int]:
    """Apply batch after batch, and yield how many events each held."""
    try:
        frontier = Frontier(position.size, position.frontier)
    except InvalidInputError as error:
        raise DamagedIndexError(
            "the index has lost its position in the log", hint="`lin index rebuild` makes it anew."
        ) from error
    stop = at.size if stop is None else min(stop, at.size)
    if position.size >= stop:
        _check(log, frontier, at, known=True)
        return
    leaves = log.read(position.size, stop, at=at)
    for some in _batches(leaves):
        following = frontier.extend(leaf_digest(leaf.data) for leaf in some)
        if following.size == at.size:
            if following.root != at.root:
                _check(log, frontier, at, known=True)  # says so if it is not the new leaves that are wrong
                raise CorruptLogError(
                    f"the log's entries {frontier.size} to {at.size - 1} are not those that its checkpoint signs",
                    hint="`lin verify` names the damaged files; restore them from a copy.",
                )
        else:
            if frontier.size == position.size:
                _check(log, frontier, at, known=True)
            _check(log, following, at, known=False)
        with without_collection():
            said = combine(_contribution(leaf, include) for leaf in some)
        graph.apply(said, expected=frontier.size, position=Position(following.size, following.nodes))
        frontier = following
        if progress is not None:
            progress(frontier.size, stop)
        yield len(some)


def _check(log: Log, frontier: Frontier, at: Checkpoint, *, known: bool) -> None:
    """Prove that the log at this checkpoint begins with the leaves of this frontier."""
    try:
        log.check_follows(frontier.size, frontier.root, at=at)
    except CorruptLogError as error:
        if known:
            raise CorruptLogError(error.message, hint=f"{error.hint} {_DELIBERATE}".strip()) from error
        raise


def _batches(leaves: Iterator[Leaf]) -> Iterator[list[Leaf]]:
    while some := list(islice(leaves, BATCH)):
        yield some


def _contribution(leaf: Leaf, include: Included | None) -> Batch:
    try:
        at, said = read(leaf.data, leaf.position)
    except UnsupportedFormatError:
        raise
    except InvalidInputError as error:
        raise CorruptLogError(f"entry {leaf.position} of the log is no event: {error.message}") from error
    return said if include is None or include(leaf.position, at) else Batch()
