"""Make a Neo4j database lin's: refuse what is someone else's, create constraints and indexes, empty it.

Community has one database a server, so a wrong address must not mix two graphs: a database is used only if every node
in it is lin's, and all of them are of this repository.
"""

from __future__ import annotations

from lin.errors import DamagedIndexError, InvalidInputError, UnsupportedFormatError

from . import _neo4j_errors as errors
from . import _neo4j_statements as cypher
from ._neo4j_rows import Run
from ._neo4j_server import Neo4jServer

SCHEMA_VERSION = 2
DELETE_AT_ONCE = 10_000
"""Nodes that one transaction deletes: a transaction lives in the server's memory."""


def prepare(server: Neo4jServer, repository: str) -> None:
    """Set the database up if it is empty, and make sure that it may be used otherwise.

    Raises:
        InvalidInputError: It holds something else, or another repository's graph. Nothing was changed.
        UnsupportedFormatError: A newer lin made it.
        DamagedIndexError: An older lin made it, or it has lost what says whose it is.
    """
    ours = server.look(lambda run: _refuse_others(server, run))
    version = server.look(lambda run: _version(server, run, repository))
    if version is None and ours:
        raise DamagedIndexError(
            f"the graph in {server.place} does not say which repository it is of", hint=errors.REBUILD
        )
    if version is not None and version < SCHEMA_VERSION:
        raise DamagedIndexError(
            f"an older lin made the graph in {server.place} (schema {version}, not {SCHEMA_VERSION})",
            hint=errors.REBUILD,
        )
    if version is None:
        server.look(lambda run: _create(run, repository))


def clear(server: Neo4jServer, repository: str) -> None:
    """Remove everything that is lin's, whatever state it is in, and go back to position 0.

    Raises:
        InvalidInputError: The database holds something else, or another repository's graph. Nothing was changed.
        UnsupportedFormatError: A newer lin made it.
    """
    ours = server.look(lambda run: _refuse_others(server, run))
    version = server.look(lambda run: _version(server, run, repository))
    if version == SCHEMA_VERSION:
        # Nothing, unless part of it is lost.
        server.look(lambda run: _make_meta(run, repository))
        if ours <= DELETE_AT_ONCE:
            server.write(_empty)
            return
    # Not at once, so that readers and writers have to be told; a fresh start says it is over.
    server.write(_say_emptying)
    while server.look(_delete_some):
        pass
    if version == SCHEMA_VERSION:
        server.write(_empty)
        return
    server.look(_drop)
    server.look(lambda run: _create(run, repository))


def _refuse_others(server: Neo4jServer, run: Run) -> int:
    """Return how many nodes are lin's, if all are."""
    ((every, ours),) = run(cypher.COUNTS)
    # The counters are read one by one while others write; only if they differ is it worth a look at every node.
    others = run(cypher.FOREIGN) if every != ours else []
    if others:
        labels = ", ".join(others[0][0]) or "no label"
        raise InvalidInputError(
            f"the Neo4j database at {server.place} holds nodes that are not lin's ({labels})",
            hint="lin mixes with nothing: give it an empty database of its own.",
        )
    return int(ours)


def _version(server: Neo4jServer, run: Run, repository: str) -> int | None:
    """Return the version of the schema, if this repository may use it; None where nothing says it."""
    rows = run(cypher.META)
    if not rows:
        return None
    version, owner = rows[0]
    if owner != repository:
        raise InvalidInputError(
            f"the Neo4j database at {server.place} holds the graph of another repository, {owner!r}",
            hint="Each repository needs a database of its own.",
        )
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise UnsupportedFormatError(
            f"a newer lin made the graph in {server.place} (schema {version}, not {SCHEMA_VERSION})",
            hint="Install a newer lin.",
        )
    return version


def _create(run: Run, repository: str) -> None:
    for statement in cypher.SCHEMA:
        try:
            run(statement)
        except Exception as error:
            if not errors.is_there_already(error):
                raise
    run(cypher.AWAIT_INDEXES)
    _make_meta(run, repository)


def _make_meta(run: Run, repository: str) -> None:
    run(cypher.MAKE_META, schema=SCHEMA_VERSION, repository=repository)


def _drop(run: Run) -> None:
    run(cypher.DELETE_META)
    for (name,) in run(cypher.OUR_CONSTRAINTS):
        run(cypher.drop("CONSTRAINT", name))
    for (name,) in run(cypher.OUR_INDEXES):
        run(cypher.drop("INDEX", name))


def _say_emptying(run: Run) -> None:
    run(cypher.MOVE, size=0, frontier=[], emptying=True)


def _empty(run: Run) -> None:
    while _delete_some(run):
        pass
    run(cypher.MOVE, size=0, frontier=[], emptying=False)


def _delete_some(run: Run) -> bool:
    statements = (cypher.DELETE_NODES, cypher.DELETE_VALUES, cypher.DELETE_EVENTS)
    found = [run(statement, limit=DELETE_AT_ONCE)[0][0] for statement in statements]
    return bool(max(found) == DELETE_AT_ONCE)
