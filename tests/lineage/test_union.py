"""The union rule: commutative, associative, idempotent."""

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from lin.lineage.graph import Batch, Edge, EdgeKind, Node, NodeKind
from lin.lineage.testing import ident, link, node
from lin.lineage.union import canonical, combine, merge, merge_edge, version_of

TEXTS = st.sampled_from(["", "a", "b", "é"])
FACETS = st.dictionaries(
    st.sampled_from(["started", "finished"]),
    st.fixed_dictionaries({"at": TEXTS, "event": TEXTS}, optional={"x": st.integers(0, 2) | TEXTS}),
)
NODES = st.builds(
    Node,
    st.just(ident("n")),
    st.sampled_from(NodeKind),
    st.none() | TEXTS,
    st.integers(-2, 2),
    FACETS,
)
EDGES = st.builds(
    Edge,
    st.just(ident("a")),
    st.just(EdgeKind.GENERATED),
    st.just(ident("b")),
    st.sets(TEXTS).map(lambda notes: tuple(sorted(notes))),
)


@given(NODES, NODES, NODES)
def test_nodes_merge_in_any_order(a, b, c):
    """Three accounts of a node make the same node in any order and grouping, and none counts twice."""
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a
    assert merge(merge(a, b), b) == merge(a, b)


@given(EDGES, EDGES, EDGES)
def test_edges_merge_in_any_order(a, b, c):
    """Three accounts of an edge make the same edge in any order and grouping, and none counts twice."""
    assert merge_edge(a, b) == merge_edge(b, a)
    assert merge_edge(merge_edge(a, b), c) == merge_edge(a, merge_edge(b, c))
    assert merge_edge(a, a) == a


def test_nothing_said_gives_way():
    """`UNSEEN`, no name and no moment give way to anything that says more, an empty name included."""
    said = node("n", NodeKind.RUN, name="", created=-5, started={"at": "1"})
    assert merge(Node(ident("n"), NodeKind.UNSEEN), said) == said
    assert merge(Node(ident("n"), NodeKind.CONTENT), said) == said


def test_combine_says_everything_once():
    """A combined batch holds every node, edge and event once, with the lowest position."""
    one = Batch([node("n", name="x")], [link("a", "b", EdgeKind.GENERATED, "1")], [(ident("e"), 4)])
    other = Batch([node("n", created=3)], [link("a", "b", EdgeKind.GENERATED, "0")], [(ident("e"), 2)])
    both = combine([one, other])
    assert both.nodes == (node("n", name="x", created=3),)
    assert both.edges == (link("a", "b", EdgeKind.GENERATED, "0", "1"),)
    assert both.events == ((ident("e"), 2),)
    assert combine([both, one, both]) == both


@given(st.dictionaries(st.text("abc", max_size=2), st.text() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1)))
def test_canonical_is_rfc_8785(document):
    """What notes are made of is written as RFC 8785 says."""
    assert canonical(document).encode() == rfc8785.dumps(document)


def test_version_is_an_artifacts_own():
    """Only an artifact has a version, and only a number is one."""
    assert version_of(node("a", NodeKind.MODEL, artifact={"version": 3})) == 3
    assert version_of(node("a", NodeKind.RUN, artifact={"version": 3})) is None
    assert version_of(node("a", NodeKind.MODEL, artifact={"version": "3"})) is None
    assert version_of(node("a", NodeKind.MODEL)) is None
