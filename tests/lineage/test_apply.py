"""What events contribute to the graph."""

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from lin.lineage.apply import TABLE_FACET, combine, contribution, experiment_id, table_node
from lin.lineage.events import (
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    Event,
    EventId,
    KeyChanged,
    RunFinished,
    RunStarted,
    RunUsed,
    TableIdentified,
    Tombstone,
    Use,
)
from lin.lineage.graph import Batch, Direction, Edge, EdgeKind, Node, NodeKind, Position, named_id
from lin.lineage.memory import MemoryGraph
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.table_id import TableId
from lin.lineage.testing import dump, histories, ident, put
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.store.digest import Digest

AT = "1970-01-01T00:00:01.000002Z"
MOMENT = 1_000_002
ACTOR = "ab" * 32
DIGEST = Digest.of(b"x")
RUN, MODEL, DATA = (EventId(ident(word)) for word in ("run", "model", "data"))


def say(statement):
    event = Event(AT, ACTOR, statement)
    return event.id.value, contribution(event, event.id, 7)


def facet(this, **fields):
    return {**fields, "actor": ACTOR, "at": AT, "event": this.hex()}


def a_table(table=1, reader="csv", rows=3, **more):
    ids = TableId("set", bytes([table]) * 32), TableId("seq", bytes([table]) * 32)
    return TableIdentified(DIGEST, *ids, rows, 2, reader, Digest.of(b"schema"), keys=Digest.of(b"keys"), **more)


def test_table():
    """A table is a node of its own beside the bytes that hold it, and what was read is told at those."""
    statement = a_table(part="sheet", options={"header": True})
    this, batch = say(statement)
    fields = {
        "set": str(statement.set),
        "rows": 3,
        "columns": 2,
        "schema": str(statement.schema),
        "keys": str(statement.keys),
    }
    read = {
        "content": str(DIGEST),
        "seq": str(statement.seq),
        "reader": "csv",
        "part": "sheet",
        "options": {"header": True},
    }
    node, content = batch.nodes
    table = sha256(f"lin table\0{statement.set}".encode()).digest()
    assert table == table_node(statement.set)
    assert node == Node(table, NodeKind.TABLE, None, MOMENT, {"table": facet(this, **fields)})
    ((name, said),) = content.facets.items()
    assert (content.id, content.kind, content.created) == (DIGEST.value, NodeKind.CONTENT, 0)
    assert (name[: len(TABLE_FACET)], said) == (TABLE_FACET, facet(this, **fields, **read))
    assert list(batch.edges) == [Edge(table, EdgeKind.SAME_TABLE, DIGEST.value)]


def test_what_is_read_alike_is_one_fact_and_what_differs_stays():
    """Two who find the same table say one thing; another reading, or another answer, stands beside it."""
    batches = [say(a_table())[1], say(a_table(reader="parquet"))[1], say(a_table(table=2))[1]]
    later = Event("2000-01-01T00:00:00.000000Z", "cd" * 32, a_table())
    batches.append(contribution(later, later.id, 8))
    (content,) = (node for node in combine(batches).nodes if node.id == DIGEST.value)
    assert sorted((f["reader"], f["set"][12:14], f["actor"][:2]) for f in content.facets.values()) == [
        ("csv", "01", "cd"),
        ("csv", "02", "ab"),
        ("parquet", "01", "ab"),
    ]


def test_artifact():
    """An artifact hangs on its content, on the run that wrote it, and in its experiment."""
    statement = ArtifactRecorded(
        ArtifactKind.MODEL, "churn", 2, DIGEST, Shape.BLOB, 1, 1, RUN, "m.bin", Evidence.DECLARED, "trees", {"a": 1}
    )
    this, batch = say(statement)
    fields = {
        "kind": "model",
        "name": "churn",
        "version": 2,
        "digest": str(DIGEST),
        "shape": "blob",
        "size": 1,
        "files": 1,
        "run": str(RUN),
        "path": "m.bin",
        "evidence": "declared",
        "experiment": "trees",
        "attributes": {"a": 1},
    }
    experiment = sha256(b"lin experiment\0trees").digest()
    assert experiment == experiment_id("trees") == named_id("experiment", "trees")
    assert list(batch.nodes) == [
        Node(this, NodeKind.MODEL, "churn", MOMENT, {"artifact": facet(this, **fields)}),
        Node(DIGEST.value, NodeKind.CONTENT, None, MOMENT),
        Node(experiment, NodeKind.EXPERIMENT, "trees", MOMENT),
    ]
    assert set(batch.edges) == {
        Edge(DIGEST.value, EdgeKind.HAS_CONTENT, this),
        Edge(RUN.value, EdgeKind.GENERATED, this, ('{"evidence":"declared","path":"m.bin"}',)),
        Edge(this, EdgeKind.IN_EXPERIMENT, experiment),
    }
    assert batch.events == ((this, 7),)


def test_artifact_without_a_run():
    """A file that was just put hangs on its content alone."""
    this, batch = say(ArtifactRecorded(ArtifactKind.FILE, "x", 1, DIGEST, Shape.TREE, 0, 0))
    assert list(batch.edges) == [Edge(DIGEST.value, EdgeKind.HAS_CONTENT, this)]


def test_a_run_without_notes():
    """A link of which neither path nor evidence is known has no note."""
    _, batch = say(ArtifactRecorded(ArtifactKind.FILE, "x", 1, DIGEST, Shape.BLOB, 0, run=RUN))
    assert [edge.notes for edge in batch.edges if edge.kind is EdgeKind.GENERATED] == [()]


def test_run():
    """A run's start makes it, and the experiment it is in."""
    this, batch = say(RunStarted("trees", "train.py", "00"))
    assert batch.nodes[0] == Node(
        this,
        NodeKind.RUN,
        "train.py",
        MOMENT,
        {"started": facet(this, experiment="trees", name="train.py", nonce="00")},
    )
    assert list(batch.edges) == [Edge(this, EdgeKind.IN_EXPERIMENT, experiment_id("trees"))]


def test_a_finish_makes_no_run():
    """A run's end adds a facet and claims no kind, so it cannot turn an artifact into a run."""
    this, batch = say(RunFinished(RUN, RunStatus.FAILED, 3))
    fields = facet(this, run=str(RUN), status="failed", exit_status=3)
    assert list(batch.nodes) == [Node(RUN.value, NodeKind.UNSEEN, facets={"finished": fields})]


def test_uses():
    """Each use is an edge of its role, and two uses of one artifact in one role are one edge with two notes."""
    uses = (
        Use(DATA, Role.TRAIN, Evidence.OBSERVED, "b.csv"),
        Use(DATA, Role.TRAIN, Evidence.DECLARED, "a.csv"),
        Use(DATA, Role.BASE_MODEL, Evidence.DECLARED),
    )
    _, batch = say(RunUsed(RUN, uses))
    assert set(combine([batch]).edges) == {
        Edge(
            DATA.value,
            EdgeKind.USED_TRAIN,
            RUN.value,
            ('{"evidence":"declared","path":"a.csv"}', '{"evidence":"observed","path":"b.csv"}'),
        ),
        Edge(DATA.value, EdgeKind.USED_BASE_MODEL, RUN.value, ('{"evidence":"declared"}',)),
    }


def test_evaluation():
    """An evaluation hangs on its model, its dataset and its run."""
    this, batch = say(EvaluationRecorded(MODEL, DATA, RUN, {"auc": 0.5}))
    fields = facet(this, model=str(MODEL), dataset=str(DATA), run=str(RUN), metrics={"auc": 0.5})
    assert list(batch.nodes) == [Node(this, NodeKind.EVALUATION, None, MOMENT, {"evaluation": fields})]
    assert set(batch.edges) == {
        Edge(MODEL.value, EdgeKind.EVALUATED, this),
        Edge(DATA.value, EdgeKind.EVALUATED_ON, this),
        Edge(RUN.value, EdgeKind.EVALUATED_BY, this),
    }


def test_alias():
    """A move of an alias hangs on what it stands for and on the moves it replaces."""
    this, batch = say(AliasMoved("churn", "prod", MODEL, (RUN, DATA)))
    assert batch.nodes[0].name == "churn@prod"
    assert batch.nodes[0].kind is NodeKind.ALIAS
    assert set(batch.edges) == {
        Edge(MODEL.value, EdgeKind.ALIASED, this),
        Edge(RUN.value, EdgeKind.REPLACED, this),
        Edge(DATA.value, EdgeKind.REPLACED, this),
    }
    assert say(AliasMoved("churn", "prod"))[1].edges == []


def test_tombstone():
    """Erased content says so, and when it was first seen stays what it was."""
    this, batch = say(Tombstone(DIGEST, "asked for"))
    fields = facet(this, digest=str(DIGEST), reason="asked for")
    assert list(batch.nodes) == [Node(DIGEST.value, NodeKind.CONTENT, None, 0, {"erased": fields})]


def test_key():
    """A key's events describe the actor it belongs to, whoever says them."""
    key = "00" * 32
    actor = sha256(bytes(32)).digest()
    this, batch = say(KeyChanged("add", key, "cd" * 32))
    fields = facet(this, action="add", key=key, replaces="cd" * 32)
    assert list(batch.nodes) == [Node(actor, NodeKind.ACTOR, None, MOMENT, {"added": fields})]
    this, batch = say(KeyChanged("revoke", key))
    assert list(batch.nodes) == [Node(actor, NodeKind.ACTOR, facets={"revoked": facet(this, action="revoke", key=key)})]


# ---------------------------------------------------------------------------- any order


def contributions(events):
    """What a reader of the log gets: events as their canonical bytes read back."""
    parsed = [Event.parse(event.payload()) for event in events]
    return [contribution(event, event.id, number) for number, event in enumerate(parsed)]


@given(history=histories(), data=st.data())
@settings(max_examples=60)
def test_any_permutation_and_partition_gives_the_same_graph(history, data):
    """The same events in any order, in batches of any size, some of them twice, make the same graph in each engine."""
    said = contributions(history)
    whole = MemoryGraph()
    whole.apply(combine(said), expected=0, position=Position())
    shuffled = data.draw(st.permutations([*said, *data.draw(st.lists(st.sampled_from(said), max_size=3))]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    parts = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    with TemporaryDirectory() as folder:
        embedded = SqliteGraph(Path(folder) / "graph.sqlite3")
        for graph in (MemoryGraph(), embedded):
            for part in parts:
                graph.apply(combine(part), expected=0, position=Position())
            assert dump(graph) == dump(whole)
            ids = [event.id.value for event in history]
            assert graph.events(ids) == whole.events(ids)
        embedded.close()


def test_a_finish_before_its_start():
    """A run whose end came first is `UNSEEN` until its start comes, and then whole."""
    start = Event(AT, ACTOR, RunStarted("trees", "train.py", "00"))
    finish = Event(AT, ACTOR, RunFinished(start.id, RunStatus.SUCCEEDED, 0))
    graph = MemoryGraph()
    for event, kind in ((finish, NodeKind.UNSEEN), (start, NodeKind.RUN)):
        graph.apply(contribution(event, event.id, 0), expected=0, position=Position())
        assert graph.get([start.id.value])[start.id.value].kind is kind
    assert set(graph.get([start.id.value])[start.id.value].facets) == {"started", "finished"}


def test_an_experiment_begins_with_its_first_run():
    """An experiment is as old as the earliest of its runs and artifacts, in whatever order they come."""
    events = [Event(AT.replace("01.", f"0{n}."), ACTOR, RunStarted("trees", "x", f"{n}")) for n in (3, 1, 2)]
    graph = MemoryGraph()
    for said in contributions(events):
        put(graph, *said.nodes, *said.edges)
    experiment = graph.get([experiment_id("trees")])[experiment_id("trees")]
    assert experiment.created == MOMENT
    assert len(graph.edges([experiment.id], Direction.UP, {EdgeKind.IN_EXPERIMENT})) == 3


def test_dump_tells_graphs_apart():
    """The text that the property test compares differs for graphs that differ in one note."""
    texts = set()
    for note in ("a", "b"):
        graph = MemoryGraph()
        graph.apply(
            Batch(edges=[Edge(ident("a"), EdgeKind.GENERATED, ident("b"), (note,))]), expected=0, position=Position()
        )
        texts.add(dump(graph))
    assert len(texts) == 2
