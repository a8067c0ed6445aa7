"""The conformance suite that every graph engine passes, whole, and what tests of graphs need.

To hold an engine against it::

    class TestMyGraph(GraphSuite):
        @pytest.fixture
        def graph(self):
            return MyGraph()

No test may be switched off for an engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lin.errors import ConflictError

from ._histories import histories, mappings, scalars, statements
from .graph import (
    PROVENANCE,
    Batch,
    Cursor,
    Direction,
    Edge,
    EdgeKind,
    Graph,
    Measure,
    Node,
    NodeId,
    NodeKind,
    Position,
    Truncation,
    Within,
)
from .measures import has_value
from .union import canonical

__all__ = ["GraphSuite", "dump", "histories", "ident", "link", "mappings", "node", "put", "scalars", "statements"]

UP, DOWN = Direction.UP, Direction.DOWN
TRAIN, GENERATED = EdgeKind.USED_TRAIN, EdgeKind.GENERATED
EVERY_KIND = frozenset(NodeKind)
WAYS = frozenset({TRAIN, GENERATED})

_SETTINGS = settings(
    max_examples=60,
    deadline=None,
    # The engine is emptied at the start of each example, so it may outlive one.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


# ---------------------------------------------------------------------------- making and reading graphs


def ident(label: object) -> NodeId:
    """Return an id for a label: 32 bytes."""
    return sha256(str(label).encode()).digest()


def node(
    label: object,
    kind: NodeKind = NodeKind.DATASET,
    *,
    name: str | None = None,
    created: int = 0,
    **facets: dict[str, Any],
) -> Node:
    """Make a node; each facet gets an `at` and an `event` unless it has them."""
    return Node(ident(label), kind, name, created, {key: {"at": "", "event": "", **f} for key, f in facets.items()})


def link(source: object, target: object, kind: EdgeKind = TRAIN, *notes: str) -> Edge:
    """Make an edge between two labels."""
    return Edge(ident(source), kind, ident(target), tuple(sorted(notes)))


def put(graph: Graph, *items: Node | Edge) -> None:
    """Add nodes and edges to a graph, without events."""
    nodes = [item for item in items if isinstance(item, Node)]
    edges = [item for item in items if isinstance(item, Edge)]
    position = graph.position()
    graph.apply(Batch(nodes, edges), expected=position.size, position=position)


def dump(graph: Graph) -> str:
    """Write all nodes and edges of a graph as one canonical text: equal graphs, equal texts."""
    nodes = graph.find(kinds=EVERY_KIND)
    edges = graph.edges([item.id for item in nodes], DOWN, frozenset(EdgeKind))
    return canonical(
        {
            "nodes": sorted([n.id.hex(), n.kind.word, n.name, n.created, canonical(n.facets)] for n in nodes),
            "edges": [[e.source.hex(), e.kind.word, int(e.kind), e.target.hex(), *e.notes] for e in edges],
            "versions": {name: graph.max_version(name) for name in sorted({n.name for n in nodes if n.name})},
        }
    )


def ids(nodes: Iterable[Node]) -> list[NodeId]:
    """Return the ids of nodes, in their order."""
    return [item.id for item in nodes]


def labels(*names: object) -> set[NodeId]:
    """Return the ids of labels."""
    return {ident(name) for name in names}


def pages(read: Any, size: int, *, newest_first: bool = False) -> list[list[Node]]:
    """Read all pages: `read` takes `after` and `limit`, and `newest_first` where that is asked for."""
    options = {"newest_first": True} if newest_first else {}
    after, found = None, []
    while page := read(after=after, limit=size, **options):
        found.append(list(page))
        after = Cursor(page[-1].created, page[-1].id)
    return found


# ---------------------------------------------------------------------------- the model


@dataclass(frozen=True)
class Model:
    """A graph as a plain set of edges, with answers computed in the dullest way."""

    nodes: frozenset[int]
    edges: frozenset[tuple[int, EdgeKind, int]]

    def hops(self, kinds: Collection[EdgeKind], direction: Direction) -> set[tuple[int, int]]:
        """Return every pair of neighbours."""
        pairs = {(a, b) for a, kind, b in self.edges if kind in kinds}
        return pairs if direction is DOWN else {(b, a) for a, b in pairs}

    def distances(self, start: Iterable[int], kinds: Collection[EdgeKind], direction: Direction) -> dict[int, int]:
        """Relax until nothing changes."""
        hops = self.hops(kinds, direction)
        found = dict.fromkeys((s for s in start if s in self.nodes), 0)
        changed = True
        while changed:
            changed = False
            for a, b in hops:
                if a in found and found[a] + 1 < found.get(b, len(self.nodes) + 1):
                    found[b] = found[a] + 1
                    changed = True
        return found

    def closure(
        self, start: Iterable[int], kinds: Collection[EdgeKind], direction: Direction, depth: int | None = None
    ) -> set[int]:
        """Return what a path of at least one hop, and at most `depth`, leads to."""
        first = {b for a, b in self.hops(kinds, direction) if a in set(start)}
        distances = self.distances(first, kinds, direction)
        return {n for n, far in distances.items() if depth is None or far < depth}


_SIZE = 9
_KINDS = st.sampled_from([TRAIN, GENERATED, EdgeKind.EVALUATED])
_EDGES = st.frozensets(st.tuples(st.integers(0, _SIZE - 1), _KINDS, st.integers(0, _SIZE - 1)), max_size=20)
_KIND_SETS = st.frozensets(_KINDS, min_size=1)
_STARTS = st.lists(st.integers(0, _SIZE + 1), max_size=3)  # some of them are in no graph
_DIRECTIONS = st.sampled_from(Direction)
_NODE_KINDS = (NodeKind.DATASET, NodeKind.RUN, NodeKind.MODEL)


def _fill(graph: Graph, edges: Iterable[tuple[int, EdgeKind, int]]) -> Model:
    graph.clear()
    numbers = frozenset(range(_SIZE))
    # Several share a moment, so that ids decide the order between them.
    nodes = [node(n, _NODE_KINDS[n % len(_NODE_KINDS)], name=f"n{n % 2}", created=n // 3) for n in numbers]
    put(graph, *nodes, *(link(a, b, kind) for a, kind, b in edges))
    return Model(numbers, frozenset(edges))


# ---------------------------------------------------------------------------- the suite


class GraphSuite:
    """What every engine must do; subclasses give a `graph` fixture with an empty one."""

    @pytest.fixture
    def graph(self) -> Graph:
        """Return an empty graph."""
        raise NotImplementedError

    # ------------------------------------------------------------------ growing

    def test_starts_empty(self, graph: Graph) -> None:
        """An empty graph is at position 0 and finds nothing."""
        assert graph.position() == Position()
        assert graph.find(kinds=EVERY_KIND) == []
        assert graph.count() == 0
        assert graph.get([ident("a")]) == {}
        assert graph.max_version("a") == 0
        assert graph.path(ident("a"), ident("b"), WAYS) is None

    def test_replay_changes_nothing(self, graph: Graph) -> None:
        """The same batch again leaves the same graph."""
        batch = (node("a", name="a", artifact={"version": 1}), node("r", NodeKind.RUN), link("a", "r", TRAIN, "x"))
        put(graph, *batch)
        before = dump(graph)
        put(graph, *batch, *batch)
        assert dump(graph) == before

    def test_ends_of_edges_are_unseen(self, graph: Graph) -> None:
        """An edge brings its ends along, as `UNSEEN`, until their events come in any order."""
        put(graph, link("a", "r"))
        assert graph.get(labels("a", "r")) == {i: Node(i, NodeKind.UNSEEN) for i in labels("a", "r")}
        assert graph.find() == []
        assert graph.count() == 0
        assert set(ids(graph.find(kinds=[NodeKind.UNSEEN]))) == labels("a", "r")
        seen = node("a", name="data", created=7)
        put(graph, seen)
        put(graph, Node(ident("a"), NodeKind.UNSEEN))
        assert graph.get([ident("a")]) == {ident("a"): seen}
        assert ids(graph.find()) == [ident("a")]

    def test_notes_are_united(self, graph: Graph) -> None:
        """An edge keeps every note once, sorted, whichever batch brought it."""
        put(graph, link("a", "r", TRAIN, "m"))
        put(graph, link("a", "r", TRAIN, "z", "b"), link("a", "r", TRAIN, "m", "c"))
        put(graph, link("a", "r"))
        assert graph.edges([ident("a")], DOWN, WAYS) == [Edge(ident("a"), TRAIN, ident("r"), ("b", "c", "m", "z"))]

    def test_facets_merge_one_by_one(self, graph: Graph) -> None:
        """Facets of different names stay side by side; of one name the later (`at`, `event`) stays."""
        put(graph, node("r", NodeKind.RUN, started={"at": "1", "event": "a"}))
        put(graph, node("r", NodeKind.RUN, finished={"at": "2", "event": "c", "status": "failed"}))
        put(graph, node("r", NodeKind.RUN, finished={"at": "2", "event": "b", "status": "succeeded"}))
        put(graph, node("r", NodeKind.RUN, started={"at": "0", "event": "z"}))
        facets = graph.get([ident("r")])[ident("r")].facets
        assert facets == {
            "started": {"at": "1", "event": "a"},
            "finished": {"at": "2", "event": "c", "status": "failed"},
        }

    def test_a_claim_of_content_changes_no_kind(self, graph: Graph) -> None:
        """What an event made stays what it is when another calls it content."""
        put(graph, node("a", NodeKind.CONTENT, created=5), node("a", NodeKind.MODEL, name="m", created=6))
        put(graph, node("a", NodeKind.CONTENT))
        assert graph.get([ident("a")])[ident("a")] == node("a", NodeKind.MODEL, name="m", created=5)

    def test_tables_stand_beside_provenance(self, graph: Graph) -> None:
        """A table leads to the artifacts that hold its rows, in whatever bytes; provenance never leads through it."""
        table, holds, has = NodeKind.TABLE, EdgeKind.SAME_TABLE, EdgeKind.HAS_CONTENT
        said = {"table:00": {"set": "t", "at": "", "event": ""}}
        put(
            graph,
            node("t", table, created=1, table={"rows": 3}),
            *(link("t", content, holds) for content in ("csv", "parquet")),
            *(Node(ident(content), NodeKind.CONTENT, facets=said) for content in ("csv", "parquet")),
            *(link(content, f"of {content}", has) for content in ("csv", "parquet")),
            node("of csv", name="flights", created=2),
            node("of parquet", name="flights.parquet", created=3),
            link("of csv", "r"),
            node("r", NodeKind.RUN, created=4),
            link("r", "m", GENERATED),
            node("m", NodeKind.MODEL, created=5),
        )
        assert ids(graph.find(kinds=[table])) == [ident("t")]
        assert graph.count(kinds=[table]) == 1
        assert graph.edges([ident("csv")], UP, [holds]) == [link("t", "csv", holds)]
        assert {e.target for e in graph.edges([ident("t")], DOWN, [holds])} == labels("csv", "parquet")
        down = graph.closure([ident("t")], DOWN, {holds, has, *WAYS}, nodes=[NodeKind.DATASET, NodeKind.MODEL])
        assert ids(down) == [ident("of csv"), ident("of parquet"), ident("m")]
        assert graph.closure([ident("m")], UP, PROVENANCE, nodes=[table, NodeKind.CONTENT]) == []
        assert graph.path(ident("of csv"), ident("of parquet"), PROVENANCE) is None

    def test_position_moves_with_the_batch(self, graph: Graph) -> None:
        """The position and the events come with the batch that says them."""
        position = Position(2, (ident("root"),))
        graph.apply(Batch(events=[(ident("e0"), 0), (ident("e1"), 1)]), expected=0, position=position)
        assert graph.position() == position
        assert graph.events([ident("e1"), ident("e2"), ident("e1")]) == {ident("e1"): 1}

    def test_an_event_keeps_its_lowest_place(self, graph: Graph) -> None:
        """An event that comes again elsewhere in the log is where it came first."""
        for place in (5, 3, 4):
            graph.apply(Batch(events=[(ident("e"), place)]), expected=0, position=Position())
        assert graph.events([ident("e")]) == {ident("e"): 3}

    def test_expected_position_conflicts(self, graph: Graph) -> None:
        """A batch for another position is refused and changes nothing."""
        graph.apply(Batch([node("a")]), expected=0, position=Position(1, (ident("root"),)))
        before = dump(graph)
        for expected in (0, 2):
            with pytest.raises(ConflictError):
                graph.apply(Batch([node("b")], [link("b", "r")]), expected=expected, position=Position())
        assert dump(graph) == before
        assert graph.position().size == 1

    def test_a_batch_is_all_or_nothing(self, graph: Graph) -> None:
        """A batch that fails half-way leaves no trace."""
        put(graph, node("a"))
        before = dump(graph)
        broken: Any = Batch([node("b", name="b")], [link("b", "c"), None], [(ident("e"), 0)])  # type: ignore[list-item]
        with pytest.raises(AttributeError):
            graph.apply(broken, expected=0, position=Position(1, (ident("root"),)))
        assert dump(graph) == before
        assert graph.position() == Position()
        assert graph.events([ident("e")]) == {}

    def test_clear(self, graph: Graph) -> None:
        """A cleared graph is empty and can be filled again."""
        batch = Batch([node("a")], [link("a", "r")], [(ident("e"), 0)])
        graph.apply(batch, expected=0, position=Position(1, (ident("root"),)))
        graph.clear()
        assert graph.position() == Position()
        assert graph.events([ident("e")]) == {}
        assert graph.find(kinds=EVERY_KIND) == []
        put(graph, link("a", "r"))
        assert graph.count(kinds=[NodeKind.UNSEEN]) == 2

    def test_close_twice(self, graph: Graph) -> None:
        """Closing twice is no error."""
        graph.close()
        graph.close()

    def test_ids_are_ignored_twice(self, graph: Graph) -> None:
        """Repeated and unknown ids change no answer."""
        put(graph, node("a"), node("r", NodeKind.RUN), link("a", "r"))
        some = [ident("a"), ident("a"), ident("nowhere")]
        assert set(graph.get(some)) == labels("a")
        assert graph.edges(some, DOWN, WAYS) == [link("a", "r")]
        assert ids(graph.closure(some, DOWN, WAYS)) == [ident("r")]
        assert ids(graph.subgraph(some, DOWN, WAYS).nodes) == [ident("a"), ident("r")]

    # ------------------------------------------------------------------ finding

    def test_prefix_of_any_length(self, graph: Graph) -> None:
        """A prefix finds all ids that start with it, whether its digits are even or odd in number."""
        near = [bytes.fromhex(digits.ljust(64, "0")) for digits in ("abc", "abcd", "abd", "ab", "f", "ff")]
        put(graph, *(Node(i, NodeKind.MODEL, created=n) for n, i in enumerate(near)))
        wanted = {"a": 4, "ab": 4, "abc": 2, "abcd": 1, "ABC": 2, "abcde": 0, "f": 2, "ff": 1, "": 6, "b": 0}
        assert {prefix: len(graph.find(prefix=prefix)) for prefix in wanted} == wanted
        assert ids(graph.find(prefix=near[1].hex())) == [near[1]]
        assert [graph.find(prefix=bad) for bad in ("xyz", "a b", "0" * 65, "-1", "é")] == [[]] * 5

    def test_find_by_name_and_text(self, graph: Graph) -> None:
        """A name is matched as a whole, a text anywhere, without regard to the case of A to Z."""
        names = ["Churn", "churn", "churn-v2", "ÉTÉ", "été", "100%_x", "100ab", ""]
        put(graph, *(node(name, name=name, created=n) for n, name in enumerate(names)), node("nameless"))
        found = {text: [n.name for n in graph.find(text=text)] for text in ("CHURN", "té", "%_", "n-", "zzz")}
        assert found == {
            "CHURN": ["Churn", "churn", "churn-v2"],
            "té": ["été"],
            "%_": ["100%_x"],
            "n-": ["churn-v2"],
            "zzz": [],
        }
        assert [n.name for n in graph.find(text="")] == names
        assert ids(graph.find(name="churn")) == [ident("churn")]
        assert ids(graph.find(name="")) == [ident("")]
        assert graph.find(name="churn", text="v2") == []
        assert ids(graph.find(name="churn", text="URN", prefix=ident("churn").hex()[:9])) == [ident("churn")]

    def test_find_by_kind(self, graph: Graph) -> None:
        """Kinds restrict what is found and counted."""
        put(graph, node("a", NodeKind.MODEL, name="x"), node("b", NodeKind.RUN, name="x"), node("c", NodeKind.FILE))
        assert ids(graph.find(kinds=[NodeKind.RUN])) == [ident("b")]
        assert ids(graph.find(kinds=[NodeKind.MODEL, NodeKind.CODE], name="x")) == [ident("a")]
        assert ids(graph.find(kinds=[NodeKind.RUN], text="x")) == [ident("b")]
        assert graph.find(kinds=[NodeKind.RUN], prefix=ident("a").hex()) == []
        assert graph.count() == 3
        assert graph.count(kinds=[NodeKind.MODEL, NodeKind.FILE]) == 2

    def test_versions(self, graph: Graph) -> None:
        """The highest version counts artifacts of that very name only."""
        put(
            graph,
            *(node(n, name="m", artifact={"version": n}) for n in (2, 10, 9)),
            node("other", name="n", artifact={"version": 11}),
            node("run", NodeKind.RUN, name="m", artifact={"version": 12}),
        )
        assert graph.max_version("m") == 10
        assert graph.max_version("M") == 0

    @pytest.mark.parametrize("newest_first", [False, True])
    @pytest.mark.parametrize("condition", [{}, {"name": "x"}, {"text": "X"}, {"prefix": "0"}])
    def test_pages_have_no_gaps_or_repeats(self, graph: Graph, condition: Any, newest_first: bool) -> None:
        """Pages of any condition and order, joined, are the whole answer."""
        # Few moments for many nodes, so that pages end between equal ones.
        nodes = [node(n, _NODE_KINDS[n % 3], name="x", created=n % 4) for n in range(60)]
        put(graph, *nodes)
        whole = graph.find(**condition, newest_first=newest_first)
        assert [(n.created, n.id) for n in whole] == sorted(((n.created, n.id) for n in whole), reverse=newest_first)
        for size in (1, 7, 100):
            read = pages(lambda **page: graph.find(**condition, **page), size, newest_first=newest_first)
            assert all(len(page) == size for page in read[:-1])
            assert [n for page in read for n in page] == whole

    # ------------------------------------------------------------------ following

    def test_two_cycle(self, graph: Graph) -> None:
        """Two nodes that lead to each other reach both, once."""
        put(graph, node("a"), node("r", NodeKind.RUN), link("a", "r"), link("r", "a", GENERATED))
        for direction in Direction:
            assert set(ids(graph.closure([ident("a")], direction, WAYS))) == labels("a", "r")
            assert graph.closure_size([ident("a")], direction, WAYS) == 2
            part = graph.subgraph([ident("a")], direction, WAYS)
            assert part.distance == {ident("a"): 0, ident("r"): 1}
            assert set(part.edges) == {link("a", "r"), link("r", "a", GENERATED)}
        assert graph.path(ident("a"), ident("a"), WAYS) == []
        assert graph.path(ident("a"), ident("r"), WAYS) == [link("a", "r")]

    def test_self_loop(self, graph: Graph) -> None:
        """A node that leads to itself is in its own closure, once."""
        put(graph, node("a"), link("a", "a"))
        assert ids(graph.closure([ident("a")], DOWN, WAYS)) == [ident("a")]
        part = graph.subgraph([ident("a")], UP, WAYS)
        assert (ids(part.nodes), part.edges, part.total) == ([ident("a")], (link("a", "a"),), 1)
        assert graph.path(ident("a"), ident("a"), WAYS) == []

    def test_a_start_without_a_cycle_is_not_in_its_closure(self, graph: Graph) -> None:
        """A closure holds a start only if a path leads back to it."""
        put(graph, node("a"), node("b"), link("a", "b"), link("b", "c"))
        assert ids(graph.closure([ident("a")], DOWN, WAYS, nodes=[NodeKind.DATASET])) == [ident("b")]
        assert set(ids(graph.closure(labels("a", "b"), DOWN, WAYS))) == labels("b", "c")

    def test_diamond_ladder(self, graph: Graph) -> None:
        """Forty diamonds in a row, with 2^40 paths through them, are as quick as their 161 edges."""
        steps = 40
        for n in range(steps):
            put(graph, *(link(f"{n}", f"{n}{side}") for side in "ab"))
            put(graph, *(link(f"{n}{side}", f"{n + 1}", GENERATED) for side in "ab"))
        size = 3 * steps + 1
        assert graph.closure_size([ident("0")], DOWN, WAYS) == size - 1
        assert len(graph.closure([ident(steps)], UP, WAYS)) == size - 1
        part = graph.subgraph([ident("0")], DOWN, WAYS)
        assert (part.total, len(part.edges), part.distance[ident(steps)]) == (size, 4 * steps, 2 * steps)
        assert len(graph.path(ident("0"), ident(steps), WAYS) or ()) == 2 * steps

    def test_chain_of_fifty_generations(self, graph: Graph) -> None:
        """A model fine-tuned fifty times has all of its ancestors, in the order of their distance."""
        generations = 50
        for n in range(generations):
            put(
                graph,
                node(f"m{n}", NodeKind.MODEL, created=n),
                node(f"r{n}", NodeKind.RUN, created=n),
                link(f"m{n}", f"r{n}", EdgeKind.USED_BASE_MODEL),
                link(f"r{n}", f"m{n + 1}", GENERATED),
            )
        start = [ident(f"m{generations}")]
        models = graph.closure(start, UP, PROVENANCE, nodes=[NodeKind.MODEL])
        assert ids(models) == [ident(f"m{n}") for n in range(generations)]
        part = graph.subgraph(start, UP, PROVENANCE)
        assert [part.distance[n.id] for n in part.nodes] == list(range(2 * generations + 1))
        assert part.truncated is None

    def test_popular_dataset(self, graph: Graph) -> None:
        """A dataset with 10,000 uses can be counted, paged and cut, and costs its users nothing upstream."""
        uses = 10_000
        nodes = [node(n, NodeKind.RUN, created=n % 100) for n in range(uses)]
        put(graph, node("d", created=1), *nodes, *(link("d", n) for n in range(uses)))
        start = [ident("d")]
        assert len(graph.edges(start, DOWN, WAYS)) == uses
        assert graph.closure_size(start, DOWN, WAYS, nodes=[NodeKind.RUN]) == uses
        read = pages(lambda **page: graph.closure(start, DOWN, WAYS, **page), 3_000)
        assert [len(page) for page in read] == [3_000, 3_000, 3_000, 1_000]
        assert len({n.id for page in read for n in page}) == uses
        part = graph.subgraph(start, DOWN, WAYS, max_nodes=11)
        assert (len(part.nodes), len(part.edges), part.total) == (11, 10, uses + 1)
        assert part.truncated is Truncation.NODES
        assert graph.subgraph([ident(5)], UP, WAYS).edges == (link("d", 5),)
        assert graph.path(ident("d"), ident(5), WAYS) == [link("d", 5)]

    def test_hub(self, graph: Graph) -> None:
        """A dataset with 100,000 uses is counted and cut without its users being read, and costs them nothing."""
        uses = 100_000
        for first in range(0, uses, 20_000):
            put(graph, *(link("hub", n) for n in range(first, first + 20_000)))
        put(graph, link(7, "m", GENERATED), node("m", NodeKind.MODEL))
        hub = [ident("hub")]
        assert graph.closure_size(hub, DOWN, WAYS) == uses + 1
        assert ids(graph.closure(hub, DOWN, WAYS, nodes=[NodeKind.MODEL])) == [ident("m")]
        assert len(graph.closure(hub, DOWN, WAYS, limit=5)) == 5
        part = graph.subgraph(hub, DOWN, WAYS, depth=1, max_nodes=5)
        assert (len(part.nodes), part.total, part.truncated) == (5, uses + 1, Truncation.NODES)
        assert ids(graph.closure([ident("m")], UP, WAYS)) == sorted([ident("hub"), ident(7)])
        assert graph.path(ident("hub"), ident("m"), WAYS) == [link("hub", 7), link(7, "m", GENERATED)]

    def test_unreachable(self, graph: Graph) -> None:
        """Between nodes that no path joins, in this direction or along these edges, there is none."""
        put(graph, link("a", "b"), link("c", "b"), link("a", "d", GENERATED), node("lonely"))
        for target in ("c", "lonely", "nowhere"):
            assert graph.path(ident("a"), ident(target), WAYS) is None
        assert graph.path(ident("b"), ident("a"), WAYS) is None
        assert graph.path(ident("a"), ident("d"), [TRAIN]) is None
        assert graph.path(ident("a"), ident("b"), []) is None
        assert graph.path(ident("nowhere"), ident("nowhere"), WAYS) == []

    def test_no_kinds_lead_nowhere(self, graph: Graph) -> None:
        """Without edge kinds nothing is followed."""
        put(graph, node("a"), link("a", "b"))
        assert graph.edges([ident("a")], DOWN, []) == []
        assert graph.closure([ident("a")], DOWN, []) == []
        assert graph.closure_size([ident("a")], DOWN, []) == 0
        assert ids(graph.subgraph([ident("a")], DOWN, []).nodes) == [ident("a")]

    def test_depth_is_said(self, graph: Graph) -> None:
        """A subgraph that ends at a depth says so, unless nothing lies beyond."""
        put(graph, *(link(n, n + 1) for n in range(5)), link(5, 5))
        part = graph.subgraph([ident(0)], DOWN, WAYS, depth=2)
        assert part.distance == {ident(0): 0, ident(1): 1, ident(2): 2}
        assert (part.total, part.truncated) == (3, Truncation.DEPTH)
        assert set(part.edges) == {link(0, 1), link(1, 2)}
        assert graph.subgraph([ident(0)], DOWN, WAYS, depth=5).truncated is None
        alone = graph.subgraph([ident(0)], DOWN, WAYS, depth=0)
        assert (alone.total, alone.edges, alone.truncated) == (1, (), Truncation.DEPTH)

    def test_cut_nodes_are_said(self, graph: Graph) -> None:
        """A subgraph cut to a number of nodes keeps the nearest, says how many there are, and has no loose edge."""
        put(graph, link(0, 1), link(0, 2), link(1, 3), link(2, 3))
        near = sorted(labels(1, 2))
        for limit, kept in ((3, [ident(0), *near]), (2, [ident(0), near[0]]), (1, [ident(0)]), (0, [])):
            part = graph.subgraph([ident(0)], DOWN, WAYS, max_nodes=limit)
            assert ids(part.nodes) == kept
            assert (part.total, part.truncated) == (4, Truncation.NODES)
            assert all(edge.source in kept and edge.target in kept for edge in part.edges)
            assert set(part.distance) == set(kept)
        assert graph.subgraph([ident(0)], DOWN, WAYS, max_nodes=4).truncated is None
        both = graph.subgraph([ident(0)], DOWN, WAYS, depth=1, max_nodes=2)
        assert (both.total, both.truncated) == (3, Truncation.NODES)

    def test_closure_to_a_depth(self, graph: Graph) -> None:
        """A depth counts the edges of the shortest way, also of that back to a start."""
        put(graph, *(link(n, n + 1) for n in range(5)), link(0, 3, GENERATED), link(2, 0, GENERATED))
        found = {depth: set(ids(graph.closure([ident(0)], DOWN, WAYS, depth=depth))) for depth in (0, 1, 2, 3, 99)}
        assert found == {
            0: set(),
            1: labels(1, 3),
            2: labels(1, 2, 3, 4),
            3: labels(0, 1, 2, 3, 4, 5),
            99: labels(0, 1, 2, 3, 4, 5),
        }
        assert [graph.closure_size([ident(0)], DOWN, WAYS, depth=depth) for depth in (0, 1, 2, 3)] == [0, 2, 4, 6]
        assert set(ids(graph.closure([ident(3)], UP, {TRAIN}, depth=1))) == labels(2)

    def test_closure_within_times(self, graph: Graph) -> None:
        """Times choose among what is reached, bounds included, and cut no way short."""
        put(graph, *(node(n, _NODE_KINDS[n % 3], created=c) for n, c in enumerate((9, 4, 1, 7, 4))))
        put(graph, *(link(n, n + 1) for n in range(4)))
        start = [ident(0)]
        assert ids(graph.closure(start, DOWN, WAYS, since=4)) == [*sorted(labels(1, 4)), ident(3)]
        assert ids(graph.closure(start, DOWN, WAYS, until=4, since=2)) == sorted(labels(1, 4))
        assert ids(graph.closure(start, DOWN, WAYS, until=1)) == [ident(2)]
        assert ids(graph.closure(start, DOWN, WAYS, since=4, nodes=[NodeKind.RUN], depth=3)) == [ident(1)]
        assert graph.closure(start, DOWN, WAYS, since=5, until=4) == []
        assert [graph.closure_size(start, DOWN, WAYS, since=t) for t in (0, 2, 7, 8)] == [4, 3, 1, 0]
        assert graph.closure_size(start, DOWN, WAYS, until=4, nodes=[NodeKind.RUN]) == 2
        assert graph.closure_size(start, DOWN, WAYS, until=4, depth=2) == 2

    def test_closure_by_kinds(self, graph: Graph) -> None:
        """What is reached is counted by kind, what no event described too."""
        put(graph, *(node(n, _NODE_KINDS[n % 3]) for n in range(7)), *(link(n, n + 1) for n in range(7)))
        counts = graph.closure_kinds([ident(0)], DOWN, WAYS)
        assert dict(counts) == {NodeKind.RUN: 2, NodeKind.MODEL: 2, NodeKind.DATASET: 2, NodeKind.UNSEEN: 1}
        assert dict(graph.closure_kinds([ident("nowhere")], DOWN, WAYS)) == {}
        assert dict(graph.closure_kinds([ident(0)], DOWN, [])) == {}

    def test_chain_of_ten_thousand(self, graph: Graph) -> None:
        """A chain of ten thousand steps is followed to its end, to a depth, and from end to end."""
        length = 10_000
        put(graph, *(link(n, n + 1) for n in range(length)))
        start = [ident(0)]
        assert graph.closure_size(start, DOWN, WAYS) == length
        assert graph.closure_size(start, DOWN, WAYS, depth=1_000) == 1_000
        assert len(graph.path(ident(0), ident(length), WAYS) or ()) == length
        assert graph.subgraph([ident(length)], UP, WAYS, max_nodes=3).total == length + 1

    # ------------------------------------------------------------------ leaks

    def test_leaks(self, graph: Graph) -> None:
        """An evaluation leaks if its dataset's content is among what the model was made from, by whatever name."""
        has, on, of = EdgeKind.HAS_CONTENT, EdgeKind.EVALUATED_ON, EdgeKind.EVALUATED
        put(
            graph,
            *(link("bytes", label, has) for label in ("data", "copy")),
            *(link(f"bytes of {label}", label, has) for label in ("raw", "held out", "m1", "m2")),
            *(node(label) for label in ("data", "copy", "raw", "held out")),
            *(node(label, NodeKind.MODEL) for label in ("m1", "m2", "m3")),
            link("raw", "split"),
            link("split", "data", GENERATED),
            link("split", "held out", GENERATED),
            link("data", "fit"),
            link("held out", "fit", EdgeKind.USED_TEST),
            link("fit", "m1", GENERATED),
            link("m1", "tune"),
            link("tune", "m2", GENERATED),
        )
        asked = [("m1", "copy"), ("m1", "held out"), ("m2", "raw"), ("m3", "data"), ("m1", "nowhere"), ("m1", "m1")]
        for n, (tested, dataset) in enumerate(asked):
            put(graph, node(n, NodeKind.EVALUATION, created=9 - n), link(tested, n, of), link(dataset, n, on))
        assert ids(graph.leaks(WAYS)) == [ident(2), ident(0)]
        assert ids(graph.leaks({TRAIN})) == []
        assert ids(graph.leaks(WAYS | {EdgeKind.USED_TEST})) == [ident(2), ident(1), ident(0)]
        assert ids(graph.leaks(WAYS, models=labels("m1"))) == [ident(0)]
        assert ids(graph.leaks(WAYS, models=labels("m1", "m2"), limit=1)) == [ident(2)]
        assert ids(graph.leaks(WAYS, models=labels("m1", "m2"), after=Cursor(7, ident(2)))) == [ident(0)]
        assert graph.leaks(WAYS, models=[]) == []
        assert ids(graph.leaks(WAYS, limit=1)) == [ident(2)]
        assert ids(graph.leaks(WAYS, after=Cursor(7, ident(2)))) == [ident(0)]

    def test_leaks_in_a_cycle(self, graph: Graph) -> None:
        """A model that claims to be made of itself was made from its own content, and the search ends."""
        put(
            graph,
            node("m", NodeKind.MODEL),
            link("bytes", "m", EdgeKind.HAS_CONTENT),
            link("m", "r"),
            link("r", "m", GENERATED),
            node("e", NodeKind.EVALUATION),
            link("m", "e", EdgeKind.EVALUATED),
            link("m", "e", EdgeKind.EVALUATED_ON),
        )
        assert ids(graph.leaks(WAYS)) == [ident("e")]
        assert ids(graph.leaks(WAYS, models=labels("m", "nowhere"))) == [ident("e")]

    # ------------------------------------------------------------------ values

    def test_values_in_a_range(self, graph: Graph) -> None:
        """Numbers are found between bounds, which belong to the range unless it is open there."""
        for n, value in enumerate((0.5, 0.9, 1, 0.9, -2)):
            put(graph, node(n, NodeKind.RUN, created=n, finished={"metrics": {"auc": value}}))
        cases = {
            Within(): [0, 1, 2, 3, 4],
            Within(low=0.9): [1, 2, 3],
            Within(low=0.9, low_open=True): [2],
            Within(high=0.9): [0, 1, 3, 4],
            Within(high=0.9, high_open=True): [0, 4],
            Within(low=-2, high=0.5): [0, 4],
            Within(low=-2, low_open=True, high=0.9, high_open=True): [0],
            Within(low=2): [],
            Within(low=1, high=0): [],
            Within(low=float("nan")): [],
            Within(low=float("-inf"), high=float("inf")): [0, 1, 2, 3, 4],
            Within(equals=0.9): [1, 3],
            Within(equals=1.0): [2],
        }
        for within, wanted in cases.items():
            assert ids(graph.measured("auc", within)) == [ident(n) for n in wanted], within
            assert graph.measured_size("auc", within) == len(wanted), within
            assert graph.measured_size("auc", within, at_most=2) == min(len(wanted), 2), within
        assert graph.measured("AUC") == []

    def test_values_of_each_kind(self, graph: Graph) -> None:
        """Texts, booleans and numbers are never equal to one another, and only numbers have an order."""
        values = [1, True, "1", "true", "NaN", float("nan"), 1.0, "", False, 0]
        for n, value in enumerate(values):
            put(graph, node(n, NodeKind.RUN, created=n, started={"parameters": {"p": value}}))
        wanted = {"1": [2], "true": [3], "NaN": [4, 5], "": [7], "x": []}
        found = {
            value: ids(graph.measured("p", Within(equals=value), what=Measure.PARAMETER))
            for value in ("1", "true", "NaN", "", "x")
        }
        assert found == {value: [ident(n) for n in wanted[value]] for value in found}
        for one, places in ((1, [0, 6]), (True, [1]), (False, [8]), (0, [9]), (float("nan"), [4, 5])):
            assert ids(graph.measured("p", Within(equals=one), what=Measure.PARAMETER)) == [ident(n) for n in places]
        ordered = graph.measured("p", Within(low=float("-inf"), high=float("inf")), what=Measure.PARAMETER)
        assert ids(ordered) == [ident(0), ident(6), ident(9)]
        assert len(graph.measured("p", what=Measure.PARAMETER)) == len(values)

    def test_values_belong_to_runs_and_evaluations(self, graph: Graph) -> None:
        """Metrics are those of finished runs and of evaluations, parameters those of runs; others' count nothing."""
        value = {"x": 1}
        put(
            graph,
            node("r", NodeKind.RUN, created=1, started={"parameters": value}, finished={"metrics": {"y": 2}}),
            node("e", NodeKind.EVALUATION, created=2, evaluation={"metrics": value, "parameters": value}),
            node("m", NodeKind.MODEL, finished={"metrics": value}, artifact={"attributes": value}),
            node("u", NodeKind.UNSEEN, finished={"metrics": value}),
            node("odd", NodeKind.RUN, finished={"metrics": [1]}, started={"parameters": {"x": None, "z": [1]}}),
        )
        assert ids(graph.measured("x")) == [ident("e")]
        assert ids(graph.measured("x", what=Measure.PARAMETER)) == [ident("r")]
        assert ids(graph.measured("y", kinds=[NodeKind.RUN, NodeKind.MODEL])) == [ident("r")]
        assert graph.measured("y", kinds=[NodeKind.EVALUATION]) == []
        assert graph.measured("z", what=Measure.PARAMETER) == []

    def test_values_follow_their_node(self, graph: Graph) -> None:
        """A value that comes later, changes or goes with its facet is found, or no longer found, like the node says."""
        put(graph, node("r", NodeKind.UNSEEN, finished={"metrics": {"a": 1, "b": 1}}))
        assert graph.measured("a") == []
        put(graph, node("r", NodeKind.RUN, started={"parameters": {"p": "x"}}))
        assert ids(graph.measured("a", Within(equals=1))) == [ident("r")]
        put(graph, node("r", NodeKind.RUN, finished={"at": "2", "metrics": {"a": 5}}))
        assert graph.measured("a", Within(equals=1)) == []
        assert ids(graph.measured("a", Within(equals=5))) == [ident("r")]
        assert graph.measured("b") == []
        assert ids(graph.measured("p", Within(equals="x"), what=Measure.PARAMETER)) == [ident("r")]
        graph.clear()
        assert graph.measured("a") == []

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_pages_of_values(self, graph: Graph, newest_first: bool) -> None:
        """Pages of what was measured, joined, are the whole answer, also between nodes of one moment."""
        kinds = (NodeKind.RUN, NodeKind.EVALUATION)
        for n in range(40):
            facets: dict[str, Any] = {("finished", "evaluation")[n % 2]: {"metrics": {"m": n}}}
            put(graph, node(n, kinds[n % 2], created=n % 4, **facets))
        whole = graph.measured("m", Within(low=5), newest_first=newest_first)
        assert len(whole) == 35
        assert [(n.created, n.id) for n in whole] == sorted(((n.created, n.id) for n in whole), reverse=newest_first)
        for size in (1, 7, 100):
            read = pages(lambda **page: graph.measured("m", Within(low=5), **page), size, newest_first=newest_first)
            assert [n for page in read for n in page] == whole

    @given(
        values=st.lists(mappings(), max_size=6),
        name=st.text("abcé/", min_size=1, max_size=1),
        bounds=st.tuples(*[st.none() | st.floats(allow_nan=False) | st.integers(-(2**53), 2**53)] * 2),
        is_open=st.tuples(st.booleans(), st.booleans()),
        equals=st.none() | scalars(),
    )
    @_SETTINGS
    def test_random_values(  # noqa: PLR0917 - Hypothesis gives them by name
        self,
        graph: Graph,
        values: list[dict[str, Any]],
        name: str,
        bounds: tuple[float | None, float | None],
        is_open: tuple[bool, bool],
        equals: Any,
    ) -> None:
        """What is found by value is what each node says of itself."""
        graph.clear()
        nodes = [node(n, NodeKind.RUN, created=n, finished={"metrics": some}) for n, some in enumerate(values)]
        put(graph, *nodes)
        within = Within(bounds[0], bounds[1], is_open[0], is_open[1], equals)
        assert ids(graph.measured(name, within)) == [
            each.id for each in nodes if has_value(each, Measure.METRIC, name, within)
        ]

    # ------------------------------------------------------------------ against the model

    @given(edges=_EDGES)
    @_SETTINGS
    def test_random_edges(self, graph: Graph, edges: frozenset[tuple[int, EdgeKind, int]]) -> None:
        """Any graph holds exactly the nodes and edges that were put in, in order, seen from either end."""
        model = _fill(graph, edges)
        everything = graph.find(kinds=EVERY_KIND)
        assert set(ids(everything)) == labels(*model.nodes)
        wanted = sorted((link(a, b, kind) for a, kind, b in edges), key=lambda e: (e.source, e.kind, e.target))
        for direction in Direction:
            assert graph.edges(ids(everything), direction, frozenset(EdgeKind)) == wanted

    @given(edges=_EDGES, start=_STARTS, direction=_DIRECTIONS, kinds=_KIND_SETS, size=st.integers(1, 5))
    @_SETTINGS
    def test_random_closures(  # noqa: PLR0917 - Hypothesis gives them by name
        self,
        graph: Graph,
        edges: frozenset[tuple[int, EdgeKind, int]],
        start: list[int],
        direction: Direction,
        kinds: frozenset[EdgeKind],
        size: int,
    ) -> None:
        """Any closure is the model's, whole, by kind, and page by page."""
        model = _fill(graph, edges)
        starts = [ident(n) for n in start]
        wanted = model.closure(start, kinds, direction)
        found = graph.closure(starts, direction, kinds)
        assert ids(found) == [i for _, i in sorted((n // 3, ident(n)) for n in wanted)]
        runs = {n for n in wanted if _NODE_KINDS[n % 3] is NodeKind.RUN}
        assert set(ids(graph.closure(starts, direction, kinds, nodes=[NodeKind.RUN]))) == labels(*runs)
        assert graph.closure_size(starts, direction, kinds) == len(wanted)
        assert graph.closure_size(starts, direction, kinds, nodes=[NodeKind.RUN]) == len(runs)
        near = model.closure(start, kinds, direction, depth=size)
        assert set(ids(graph.closure(starts, direction, kinds, depth=size))) == labels(*near)
        assert graph.closure_size(starts, direction, kinds, depth=size) == len(near)
        assert graph.closure_size(starts, direction, kinds, since=1, until=1) == sum(n // 3 == 1 for n in wanted)
        assert dict(graph.closure_kinds(starts, direction, kinds)) == Counter(_NODE_KINDS[n % 3] for n in wanted)
        read = pages(lambda **page: graph.closure(starts, direction, kinds, **page), size)
        assert [n for page in read for n in page] == found

    @given(
        edges=_EDGES,
        start=_STARTS,
        direction=_DIRECTIONS,
        kinds=_KIND_SETS,
        depth=st.none() | st.integers(0, 5),
        limit=st.none() | st.integers(0, _SIZE),
    )
    @_SETTINGS
    def test_random_subgraphs(  # noqa: PLR0917 - Hypothesis gives them by name
        self,
        graph: Graph,
        edges: frozenset[tuple[int, EdgeKind, int]],
        start: list[int],
        direction: Direction,
        kinds: frozenset[EdgeKind],
        depth: int | None,
        limit: int | None,
    ) -> None:
        """Any subgraph is the model's: nodes, distances, edges, and what it says was cut."""
        model = _fill(graph, edges)
        part = graph.subgraph([ident(n) for n in start], direction, kinds, depth=depth, max_nodes=limit)
        every = model.distances(start, kinds, direction)
        within = {n: far for n, far in every.items() if depth is None or far <= depth}
        kept = sorted(within, key=lambda n: (within[n], ident(n)))[:limit]
        assert ids(part.nodes) == [ident(n) for n in kept]
        assert part.distance == {ident(n): within[n] for n in kept}
        assert part.total == len(within)
        inside = {link(a, b, kind) for a, kind, b in edges if kind in kinds and a in kept and b in kept}
        assert set(part.edges) == inside
        assert len(part.edges) == len(inside)
        beyond = Truncation.DEPTH if len(every) > len(within) else None
        assert part.truncated == (Truncation.NODES if len(kept) < len(within) else beyond)

    @given(edges=_EDGES, ends=st.tuples(st.integers(0, _SIZE), st.integers(0, _SIZE)), kinds=_KIND_SETS)
    @_SETTINGS
    def test_random_paths(
        self,
        graph: Graph,
        edges: frozenset[tuple[int, EdgeKind, int]],
        ends: tuple[int, int],
        kinds: frozenset[EdgeKind],
    ) -> None:
        """Any path is a real one, and none is shorter."""
        model = _fill(graph, edges)
        source, target = ends
        found = graph.path(ident(source), ident(target), kinds)
        wanted = 0 if source == target else model.distances([source], kinds, DOWN).get(target)
        assert (None if found is None else len(found)) == wanted
        _assert_a_way(found or [], ends if found else None)
        assert {(e.source, e.kind, e.target) for e in found or ()} <= {
            (ident(a), kind, ident(b)) for a, kind, b in edges if kind in kinds
        }


def _assert_a_way(way: Sequence[Edge], ends: tuple[int, int] | None) -> None:
    for one, following in pairwise(way):
        assert one.target == following.source
    if ends is not None:
        assert (way[0].source, way[-1].target) == (ident(ends[0]), ident(ends[1]))
