"""A Neo4j server that is stopped, killed and started again, and several processes that use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import neo4j
import pytest

from lin.errors import BackendError, ConflictError
from lin.lineage import _neo4j_server
from lin.lineage._neo4j_statements import ADD_NODES
from lin.lineage.graph import Batch, Direction, NodeKind, Position
from lin.lineage.memory import MemoryGraph
from lin.lineage.testing import WAYS, dump, ident, link, node, put

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

FIRST = Batch([node("a", name="a", created=1)], [link("a", "r")], [(ident("e0"), 0)])
SECOND = Batch(
    [node("r", NodeKind.RUN, created=2, run={"at": "1"}), *(node(n, created=n) for n in range(3_000))],
    [link("a", "r", kind, "note") for kind in sorted(WAYS)] + [link("r", n) for n in range(3_000)],
    [(ident("e1"), 1)],
)


@pytest.fixture
def states():
    """Return the two graphs that there may be: before the second batch, and after."""
    graph = MemoryGraph()
    graph.apply(FIRST, expected=0, position=Position(1))
    before = dump(graph)
    graph.apply(SECOND, expected=1, position=Position(2))
    return before, dump(graph)


@pytest.mark.parametrize("moment", ["among its statements", "before its commit", "during its commit"])
def test_killed_while_a_batch_is_applied(own_neo4j_service, neo4j_graph, states, monkeypatch, moment):
    """After kill -9 in the middle of a batch the graph is the old or the new one, and a retry leads to the new one."""
    neo4j_graph.apply(FIRST, expected=0, position=Position(1))
    with monkeypatch.context() as patch:
        _kill_at(moment, own_neo4j_service, patch)
        with pytest.raises(BackendError, match="cannot be reached"):
            neo4j_graph.apply(SECOND, expected=1, position=Position(2))
    own_neo4j_service.start()
    size = neo4j_graph.position().size
    assert size in ((1, 2) if moment == "during its commit" else (1,))
    assert dump(neo4j_graph) == states[size - 1]
    if size == 1:
        neo4j_graph.apply(SECOND, expected=1, position=Position(2))
    else:
        with pytest.raises(ConflictError):
            neo4j_graph.apply(SECOND, expected=1, position=Position(2))
    assert dump(neo4j_graph) == states[1]
    assert neo4j_graph.events([ident("e0"), ident("e1")]) == {ident("e0"): 0, ident("e1"): 1}


def _kill_at(moment, service, patch) -> None:
    killing = threading.Thread(target=service.kill)
    commit = neo4j.Transaction.commit
    running = _neo4j_server._running

    def kill_then_commit(transaction):
        killing.start()
        if moment == "before its commit":
            killing.join()
        # Otherwise the two race, and either may win.
        try:
            commit(transaction)
        finally:
            killing.join()
        raise BackendError("cannot be reached: committed before it was killed")

    def dying(*arguments):
        run = running(*arguments)

        def send(statement, **parameters):
            if statement == ADD_NODES and killing.ident is None:
                run(statement, **parameters)
                killing.start()
                killing.join()
            return run(statement, **parameters)

        return send

    if moment == "among its statements":
        patch.setattr(_neo4j_server, "_running", dying)
    else:
        patch.setattr(neo4j.Transaction, "commit", kill_then_commit)


def test_killed_between_and_during_questions(own_neo4j_service, neo4j_graph, capfd):
    """While the server is away questions fail within seconds, and the same object goes on when it is back."""
    put(neo4j_graph, *(link("a", n) for n in range(2_000)))
    failed: list[tuple[float, Exception]] = []
    asked = threading.Event()

    def ask() -> None:
        while not failed:
            try:
                neo4j_graph.closure([ident("a")], Direction.DOWN, WAYS)
            except BackendError as error:
                failed.append((time.monotonic(), error))
            asked.set()

    asking = threading.Thread(target=ask)
    asking.start()
    asked.wait()
    capfd.readouterr()
    own_neo4j_service.kill()
    killed = time.monotonic()
    asking.join(20)
    assert not asking.is_alive()
    assert failed[0][0] - killed < 10
    for use in (neo4j_graph.position, neo4j_graph.clear, lambda: put(neo4j_graph, node("b"))):
        started = time.monotonic()
        with pytest.raises(BackendError, match="cannot be reached") as caught:
            use()
        assert time.monotonic() - started < 10
        assert "catches up" in caught.value.hint
    assert capfd.readouterr() == ("", "")
    own_neo4j_service.start()
    assert neo4j_graph.closure_size([ident("a")], Direction.DOWN, WAYS) == 2_000
    put(neo4j_graph, node("b"))


def test_restarted_between_questions(own_neo4j_service, neo4j_graph):
    """A restart that nobody asked anything during is not noticed: connections from before are made anew."""
    put(neo4j_graph, node("a"), link("a", "r"))
    own_neo4j_service.stop()
    own_neo4j_service.start()
    assert neo4j_graph.count() == 1
    put(neo4j_graph, node("b"))


WRITER = """
import json, sys
from lin.errors import ConflictError
from lin.lineage.graph import Batch, Position
from lin.lineage.neo4j import Neo4jGraph
from lin.lineage.testing import TRAIN, ident, link, node

uri, auth, name, batches = json.load(sys.stdin)
graph = Neo4jGraph(uri, tuple(auth) if auth else None)
conflicts = done = 0
print("ready", flush=True)
while done < batches:
    size = graph.position().size
    facet = {"at": name, "event": f"{done:02}"}
    batch = Batch(
        [node("hub", name=name, created=5, shared=facet), node(f"{name} {done}", created=done)],
        [link("hub", f"{name} {done}"), link("hub", "other hub", TRAIN, name)],
        [(ident(f"{name} {done}"), size)],
    )
    try:
        graph.apply(batch, expected=size, position=Position(size + 1))
        done += 1
    except ConflictError:
        conflicts += 1
print(conflicts)
"""


def test_two_processes_apply_at_once(neo4j_service, neo4j_graph):
    """What two processes write at the same time is all there, each batch at a position of its own."""
    batches = 12
    writers = []
    for name in "xy":
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert writer.stdin is not None
        json.dump([neo4j_service.uri, neo4j_service.auth, name, batches], writer.stdin)
        writer.stdin.close()
        writers.append(writer)
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        writer.stdout.read()
        assert writer.wait(60) == 0
        writer.stdout.close()
    assert neo4j_graph.position().size == 2 * batches
    wanted = [ident(f"{name} {number}") for name in "xy" for number in range(batches)]
    assert sorted(neo4j_graph.events(wanted).values()) == list(range(2 * batches))
    assert neo4j_graph.closure_size([ident("hub")], Direction.DOWN, WAYS) == 2 * batches + 1
    hub = neo4j_graph.get([ident("hub")])[ident("hub")]
    assert hub.facets == {"shared": {"at": "y", "event": f"{batches - 1:02}"}}
    (edge,) = neo4j_graph.edges([ident("other hub")], Direction.UP, WAYS)
    assert edge.notes == ("x", "y")
