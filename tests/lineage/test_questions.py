"""Questions about lineage, asked of every engine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.lineage.graph import Cursor, Direction, EdgeKind, Node, NodeKind, Truncation
from lin.lineage.memory import MemoryGraph
from lin.lineage.questions import (
    TRAINED_THROUGH,
    Trained,
    count_models_trained_on,
    evaluations,
    impact,
    leaks,
    models_of,
    models_trained_on,
    path,
    present_moves,
    trace,
    training_path,
)
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import ident, ids, labels, link, node, put
from lin.lineage.words import Role

TRAIN, INPUT, BASE = EdgeKind.USED_TRAIN, EdgeKind.USED_INPUT, EdgeKind.USED_BASE_MODEL
MADE, CONTENT = EdgeKind.GENERATED, EdgeKind.HAS_CONTENT


@pytest.fixture(params=["memory", "sqlite", pytest.param("neo4j", marks=pytest.mark.service)])
def graph(request, tmp_path):
    if request.param == "neo4j":
        yield request.getfixturevalue("neo4j_graph")
        return
    graph = MemoryGraph() if request.param == "memory" else SqliteGraph(tmp_path / "graph.sqlite3")
    yield graph
    graph.close()


def model(label, created=0):
    return node(label, NodeKind.MODEL, created=created)


def run(label):
    return node(label, NodeKind.RUN)


def move(label, name, alias, created=0):
    return node(label, NodeKind.ALIAS, name=f"{name}@{alias}", created=created, alias={"name": name, "alias": alias})


def trained(graph, content="bytes", **options):
    return [(found.model.id, found.direct) for found in models_trained_on(graph, [ident(content)], **options)]


# ---------------------------------------------------------------------------- models trained on


def test_direct_training(graph):
    """A model of a run that used the bytes for training, by whatever name, was trained on them."""
    put(
        graph,
        *(link("bytes", name, CONTENT) for name in ("data", "copy")),
        link("data", "r1", TRAIN),
        link("copy", "r2", INPUT),
        link("r1", "m1", MADE),
        link("r2", "m2", MADE),
        link("r2", "report", MADE),
        model("m1", 2),
        model("m2", 1),
        node("report", NodeKind.REPORT),
    )
    found = models_trained_on(graph, [ident("bytes")])
    assert [(item.model.id, item.direct, item.roles) for item in found] == [
        (ident("m2"), True, (Role.INPUT,)),
        (ident("m1"), True, (Role.TRAIN,)),
    ]
    assert trained(graph, transitive=True) == trained(graph)
    assert trained(graph, "other bytes") == []
    assert count_models_trained_on(graph, [ident("bytes")]) == 2


def test_several_roles_and_contents(graph):
    """All roles in which the content came in are told, and several contents are asked for at once."""
    put(
        graph,
        link("bytes", "data", CONTENT),
        link("more", "data2", CONTENT),
        link("data", "r", TRAIN),
        link("data", "r", BASE),
        link("data2", "r", INPUT),
        link("r", "m", MADE),
        model("m"),
    )
    (found,) = models_trained_on(graph, [ident("bytes"), ident("more")])
    assert found.roles == (Role.BASE_MODEL, Role.INPUT, Role.TRAIN)


@pytest.mark.parametrize("role", [role for role in Role if EdgeKind.used(role) not in TRAINED_THROUGH])
@pytest.mark.parametrize("transitive", [False, True])
def test_tests_and_settings_train_nothing(graph, role, transitive):
    """Data that a run tested or validated on, its code, environment and settings trained no model."""
    put(graph, link("bytes", "data", CONTENT), link("data", "r", EdgeKind.used(role)), link("r", "m", MADE), model("m"))
    assert trained(graph, transitive=transitive) == []
    assert count_models_trained_on(graph, [ident("bytes")], transitive=transitive) == 0


def test_training_roles_are_those_through_which_data_reaches_a_model():
    """Training is through `train`, `base-model`, and `input`, which could be anything."""
    assert {kind.role for kind in TRAINED_THROUGH} == {Role.TRAIN, Role.INPUT, Role.BASE_MODEL}


def test_transitive_training(graph):
    """Through derived data and base models, but never through a test in between."""
    put(
        graph,
        link("bytes", "raw", CONTENT),
        link("raw", "clean", INPUT),
        link("clean", "split", MADE),
        link("clean", "held", MADE),
        link("split", "fit", TRAIN),
        link("fit", "m1", MADE),
        link("m1", "tune", BASE),
        link("tune", "m2", MADE),
        link("held", "other", EdgeKind.USED_TEST),
        link("other", "m3", MADE),
        *(model(name, created) for created, name in enumerate(("m1", "m2", "m3"))),
    )
    assert trained(graph) == []
    assert trained(graph, transitive=True) == [(ident("m1"), False), (ident("m2"), False)]
    assert trained(graph, transitive=True, limit=1) == [(ident("m1"), False)]
    assert trained(graph, transitive=True, after=Cursor(0, ident("m1"))) == [(ident("m2"), False)]
    assert count_models_trained_on(graph, [ident("bytes")], transitive=True) == 2


def test_direct_and_transitive_at_once(graph):
    """A model that is both is direct."""
    put(
        graph,
        link("bytes", "data", CONTENT),
        link("data", "r", TRAIN),
        link("data", "derive", INPUT),
        link("derive", "more", MADE),
        link("more", "r", TRAIN),
        link("r", "m", MADE),
        model("m"),
    )
    assert trained(graph, transitive=True) == [(ident("m"), True)]


def test_training_in_a_cycle(graph):
    """Claims that go round in a circle give each model once; a base model that was made of itself is its own."""
    put(
        graph,
        link("bytes", "m1", CONTENT),
        link("m1", "r1", BASE),
        link("r1", "m2", MADE),
        link("m2", "r2", BASE),
        link("r2", "m1", MADE),
        link("r2", "m2", MADE),
        model("m1", 1),
        model("m2", 2),
    )
    assert trained(graph) == [(ident("m2"), True)]
    assert trained(graph, transitive=True) == [(ident("m1"), False), (ident("m2"), True)]


def test_pages_of_direct_training(graph):
    """Pages of the direct answer, joined, are the whole answer, also between models of one moment."""
    put(
        graph,
        link("bytes", "data", CONTENT),
        link("data", "r", TRAIN),
        *(link("r", f"m{n}", MADE) for n in range(10)),
        *(model(f"m{n}", n // 4) for n in range(10)),
    )
    read: list[Trained] = []
    after = None
    while page := models_trained_on(graph, [ident("bytes")], after=after, limit=3):
        read += page
        after = Cursor(page[-1].model.created, page[-1].model.id)
    assert read == models_trained_on(graph, [ident("bytes")])
    assert len(read) == 10


_STEPS = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(Role), st.integers(0, 3), st.integers(0, 4)), max_size=8)


@given(steps=_STEPS)
def test_any_training(steps):
    """On any graph of runs the answers are those of following one step after the other."""
    graph = MemoryGraph()
    put(graph, link("bytes", "a0", CONTENT), *(model(f"a{n}") for n in range(5)))
    learned = set()
    for a, role, r, b in steps:
        put(graph, link(f"a{a}", f"r{r}", EdgeKind.used(role)), link(f"r{r}", f"a{b}", MADE))
        if EdgeKind.used(role) in TRAINED_THROUGH:
            learned.add((a, r))
    made = {(r, b) for _, _, r, b in steps}
    direct = {b for a, r in learned for s, b in made if a == 0 and r == s}
    found: set[int] = set()
    every = {0}
    while True:
        new = {b for a, r in learned for s, b in made if a in every and r == s}
        if new <= found:
            break
        found |= new
        every |= new
    assert {item[0] for item in trained(graph)} == labels(*(f"a{n}" for n in direct))
    assert {item[0] for item in trained(graph, transitive=True)} == labels(*(f"a{n}" for n in found))
    assert {item[0] for item in trained(graph, transitive=True) if item[1]} == labels(*(f"a{n}" for n in direct))


# ---------------------------------------------------------------------------- trace


def test_trace(graph):
    """A trace follows provenance alone: no experiments, contents, evaluations or aliases."""
    put(
        graph,
        link("bytes", "data", CONTENT),
        link("data", "r", TRAIN),
        link("code", "r", EdgeKind.USED_CODE),
        link("r", "m", MADE),
        link("m", "trees", EdgeKind.IN_EXPERIMENT),
        link("m", "e", EdgeKind.EVALUATED),
        link("m", "v", EdgeKind.ALIASED),
        model("m"),
    )
    up = trace(graph, [ident("m")])
    assert up.distance == {ident("m"): 0, ident("r"): 1, ident("data"): 2, ident("code"): 2}
    down = trace(graph, [ident("data")], Direction.DOWN)
    assert set(down.distance) == labels("data", "r", "m")
    assert trace(graph, [ident("m")], depth=1).truncated is Truncation.DEPTH
    assert trace(graph, [ident("m")], max_nodes=2).truncated is Truncation.NODES


# ---------------------------------------------------------------------------- impact


def test_impact(graph):
    """Everything downstream, in any role: models, evaluations, and the aliases that stand there now."""
    put(
        graph,
        node("data"),
        link("data", "clean", INPUT),
        link("clean", "split", MADE),
        link("split", "fit", TRAIN),
        link("fit", "m", MADE),
        link("split", "check", EdgeKind.USED_TEST),
        link("m", "e", EdgeKind.EVALUATED),
        link("split", "e", EdgeKind.EVALUATED_ON),
        link("check", "e", EdgeKind.EVALUATED_BY),
        link("other", "f", EdgeKind.EVALUATED),
        link("data", "f", EdgeKind.EVALUATED_ON),
        node("split"),
        *(run(name) for name in ("clean", "fit", "check")),
        model("m"),
        model("other"),
        node("e", NodeKind.EVALUATION, created=2),
        node("f", NodeKind.EVALUATION, created=1),
        move("old", "m", "best"),
        move("new", "m", "best"),
        move("prod", "m", "prod", 5),
        move("start", "data", "good", 9),
        *(link("m", name, EdgeKind.ALIASED) for name in ("old", "prod")),
        link("other", "new", EdgeKind.ALIASED),
        link("old", "new", EdgeKind.REPLACED),
        link("data", "start", EdgeKind.ALIASED),
    )
    found = impact(graph, [ident("data")])
    assert ids(found.models) == [ident("m")]
    assert ids(found.evaluations) == [ident("f"), ident("e")]
    assert ids(found.aliases) == [ident("prod"), ident("start")]
    assert (found.runs, found.artifacts) == (3, 2)
    assert (found.model_count, found.evaluation_count) == (1, 2)
    part = impact(graph, [ident("data")], limit=1)
    assert (ids(part.models), ids(part.evaluations)) == ([ident("m")], [ident("f")])
    assert (part.model_count, part.evaluation_count, part.aliases) == (1, 2, found.aliases)
    assert impact(graph, [ident("data")], limit=0).models == ()
    nothing = impact(graph, [ident("nowhere")])
    assert (nothing.models, nothing.model_count, nothing.runs) == ((), 0, 0)


def test_impact_in_a_cycle(graph):
    """A circle of claims is counted once, and ends."""
    put(graph, run("r"), model("m"), link("m", "r", BASE), link("r", "m", MADE), link("m", "m", BASE))
    found = impact(graph, [ident("m")])
    assert (ids(found.models), found.runs, found.artifacts) == ([ident("m")], 1, 1)


def test_impact_of_a_hub(graph):
    """What stands on a dataset with 100,000 uses is counted, and only the first of it is read."""
    uses = 100_000
    for first in range(0, uses, 20_000):
        some = range(first, first + 20_000)
        put(graph, *(link("hub", n, TRAIN) for n in some), *(node(n, NodeKind.RUN, created=n) for n in some))
    put(
        graph,
        *(link(n, f"m{n}", MADE) for n in range(20)),
        *(model(f"m{n}", n) for n in range(20)),
    )
    found = impact(graph, [ident("hub")], limit=3)
    assert (found.runs, found.model_count, found.artifacts) == (uses, 20, 20)
    assert ids(found.models) == [ident(f"m{n}") for n in range(3)]


# ---------------------------------------------------------------------------- ways


def test_path_between_several(graph):
    """Of all pairs of ends, the shortest way counts."""
    put(graph, link("a", "r", TRAIN), link("r", "b", MADE), link("b", "s", TRAIN), link("s", "c", MADE))
    assert len(path(graph, labels("a", "b"), labels("c")) or ()) == 2
    assert len(path(graph, [ident("a")], [ident("b"), ident("c")]) or ()) == 2
    assert path(graph, [ident("c")], [ident("a"), ident("nowhere")]) is None
    assert path(graph, [], [ident("a")]) is None
    assert path(graph, [ident("a")], [ident("a")]) == []


def test_training_path(graph):
    """How bytes came into a model: by the shortest training, and never because the model holds them itself."""
    put(
        graph,
        link("bytes", "data", CONTENT),
        link("bytes", "m", CONTENT),
        link("data", "clean", INPUT),
        link("clean", "more", MADE),
        link("more", "fit", TRAIN),
        link("data", "fit", EdgeKind.USED_TEST),
        link("fit", "m", MADE),
        link("m", "tune", BASE),
        link("tune", "m2", MADE),
    )
    way = training_path(graph, [ident("bytes")], ident("m"))
    assert way is not None
    assert [edge.target for edge in way] == [ident(n) for n in ("data", "clean", "more", "fit", "m")]
    assert [edge.target for edge in training_path(graph, [ident("bytes")], ident("m2")) or ()] == [
        ident(n) for n in ("m", "tune", "m2")
    ]
    assert training_path(graph, [ident("other")], ident("m")) is None
    assert training_path(graph, [ident("bytes")], ident("data")) is None


def test_training_path_in_a_cycle(graph):
    """A model made of itself has a way from its own bytes, once around."""
    put(graph, link("bytes", "m", CONTENT), link("m", "r", BASE), link("r", "m", MADE))
    assert [e.kind for e in training_path(graph, [ident("bytes")], ident("m")) or ()] == [CONTENT, BASE, MADE]


# ---------------------------------------------------------------------------- leaks


def test_leaks_say_what_was_learned(graph):
    """A leak names every artifact of the model's own training with the bytes that it was tested on."""
    put(
        graph,
        *(link("bytes", name, CONTENT) for name in ("data", "copy", "stranger")),
        *(node(name) for name in ("data", "copy", "stranger")),
        link("data", "r", TRAIN),
        link("copy", "r", INPUT),
        link("r", "m", MADE),
        model("m"),
        node("e", NodeKind.EVALUATION, created=1),
        link("m", "e", EdgeKind.EVALUATED),
        link("stranger", "e", EdgeKind.EVALUATED_ON),
        link("m", "trees", EdgeKind.IN_EXPERIMENT),
    )
    (found,) = leaks(graph)
    assert (found.evaluation.id, set(found.learned)) == (ident("e"), labels("data", "copy"))
    assert leaks(graph, [ident("m")]) == [found]
    assert leaks(graph, [ident("other")]) == []
    assert leaks(graph, after=Cursor(1, ident("e"))) == []
    assert models_of(graph, ident("trees")) == labels("m")
    assert models_of(graph, ident("nothing")) == set()


@given(steps=_STEPS, holders=st.lists(st.integers(0, 4), max_size=3), tested=st.integers(0, 4))
def test_any_leak(steps, holders, tested):
    """On any graph an evaluation leaks exactly if its model was trained on the dataset's bytes, transitively."""
    graph = MemoryGraph()
    put(
        graph,
        *(model(f"a{n}") for n in range(5)),
        *(link("bytes", f"a{n}", CONTENT) for n in holders),
        node("d"),
        link("bytes", "d", CONTENT),
        node("e", NodeKind.EVALUATION),
        link("d", "e", EdgeKind.EVALUATED_ON),
        link(f"a{tested}", "e", EdgeKind.EVALUATED),
    )
    for a, role, r, b in steps:
        put(graph, link(f"a{a}", f"r{r}", EdgeKind.used(role)), link(f"r{r}", f"a{b}", MADE))
    trained_on = {item[0] for item in trained(graph, transitive=True)}
    assert bool(leaks(graph)) == (ident(f"a{tested}") in trained_on)
    explained = training_path(graph, [ident("bytes")], ident(f"a{tested}"))
    assert (explained is not None) == (ident(f"a{tested}") in trained_on)


# ---------------------------------------------------------------------------- aliases


def test_present_moves(graph):
    """A move that a later one of the same alias replaces is history; one of another alias replaces nothing."""
    put(
        graph,
        *(move(name, "m", "prod", created) for created, name in enumerate(("a", "b", "c"))),
        move("x", "m", "best"),
        link("a", "b", EdgeKind.REPLACED),
        link("b", "x", EdgeKind.REPLACED),
        link("c", "unknown", EdgeKind.REPLACED),
    )
    found = present_moves(graph, [ident(name) for name in "abcx"])
    assert {n.id for n in found} == labels("b", "c", "x")


# ---------------------------------------------------------------------------- evaluations


def test_evaluations(graph):
    """Evaluations are found by model, by dataset, by experiment, and by all of these at once; oldest first."""
    pairs = [("m1", "d1"), ("m1", "d2"), ("m2", "d1"), ("m2", "d2")]
    for number, (a, b) in enumerate(pairs):
        put(
            graph,
            node(number, NodeKind.EVALUATION, created=9 - number),
            link(a, number, EdgeKind.EVALUATED),
            link(b, number, EdgeKind.EVALUATED_ON),
            link(f"r{number}", number, EdgeKind.EVALUATED_BY),
        )
    put(
        graph,
        link("m1", "trees", EdgeKind.IN_EXPERIMENT),
        link("r3", "trees", EdgeKind.IN_EXPERIMENT),
        link("r3", "unseen", EdgeKind.EVALUATED_BY),
    )

    def found(**conditions):
        return [pairs[9 - n.created] for n in evaluations(graph, **conditions)]

    assert found() == pairs[::-1]
    assert found(models=labels("m1")) == [("m1", "d2"), ("m1", "d1")]
    assert found(datasets=labels("d1")) == [("m2", "d1"), ("m1", "d1")]
    assert found(models=labels("m1", "m2"), datasets=labels("d2")) == [("m2", "d2"), ("m1", "d2")]
    assert found(experiment=ident("trees")) == [("m2", "d2"), ("m1", "d2"), ("m1", "d1")]
    assert found(experiment=ident("trees"), models=labels("m2")) == [("m2", "d2")]
    assert found(models=labels("nobody")) == []
    assert found(experiment=ident("nowhere")) == []


def test_unseen_things_are_no_answers(graph):
    """What only edges name is neither a model, an evaluation nor an alias."""
    put(
        graph,
        link("bytes", "data", CONTENT),
        link("data", "r", TRAIN),
        link("r", "m", MADE),
        link("m", "e", EdgeKind.EVALUATED),
        link("m", "v", EdgeKind.ALIASED),
    )
    assert graph.get([ident("m")]) == {ident("m"): Node(ident("m"), NodeKind.UNSEEN)}
    assert trained(graph) == []
    assert trained(graph, transitive=True) == []
    assert evaluations(graph, models=labels("m")) == []
    found = impact(graph, [ident("data")])
    assert (found.models, found.evaluations, found.aliases, found.runs, found.artifacts) == ((), (), (), 0, 0)


# ---------------------------------------------------------------------------- histories that nobody should have


def diamonds(steps):
    """A ladder of diamonds from `0` to `steps`, with two ways through each: 2^steps paths."""
    for step in range(steps):
        for side in "ab":
            middle, made = f"{step}{side}", str(step + 1)
            yield from (link(str(step), f"run {middle}", TRAIN), link(f"run {middle}", made, MADE))


SHAPES = {
    "a model made of itself": [link("0", "r", BASE), link("r", "0", MADE)],
    "two models made of each other": [
        link("0", "r", BASE),
        link("r", "1", MADE),
        link("1", "s", BASE),
        link("s", "0", MADE),
    ],
    "a loop": [link("0", "0", BASE), link("0", "0", MADE)],
    "2^40 ways": list(diamonds(40)),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_history_has_answers(graph, shape):
    """Every question comes to an end on cycles, on loops and where there are very many ways."""
    models = {
        end for edge in SHAPES[shape] for end in (edge.source, edge.target) if end in {ident(str(n)) for n in range(41)}
    }
    put(graph, *SHAPES[shape], *(Node(one, NodeKind.MODEL) for one in models), link("bytes", "0", CONTENT))
    put(
        graph, node("e", NodeKind.EVALUATION), link("0", "e", EdgeKind.EVALUATED), link("0", "e", EdgeKind.EVALUATED_ON)
    )
    start, last = [ident("0")], ident("40" if shape == "2^40 ways" else "1" if "two" in shape else "0")
    made = len(models) - (shape == "2^40 ways")
    found = models_trained_on(graph, [ident("bytes")], transitive=True)
    assert len(found) == count_models_trained_on(graph, [ident("bytes")], transitive=True) == made
    assert impact(graph, start).model_count == made
    assert training_path(graph, [ident("bytes")], last)
    assert path(graph, start, [last]) is not None
    assert path(graph, start, [ident("nowhere")]) is None
    assert [leak.evaluation.id for leak in leaks(graph)] == ([] if shape == "2^40 ways" else [ident("e")])
    assert trace(graph, [last], max_nodes=3).total >= len(models)


def test_what_is_not_there_has_no_answers(graph):
    """Of an id that the graph does not hold, every question says nothing, and none fails."""
    nowhere = [ident("nowhere")]
    assert models_trained_on(graph, nowhere, transitive=True) == []
    assert count_models_trained_on(graph, nowhere) == 0
    assert training_path(graph, nowhere, ident("nowhere")) is None
    assert path(graph, nowhere, [ident("elsewhere")]) is None
    assert leaks(graph, nowhere) == []
    assert evaluations(graph, models=nowhere, datasets=nowhere, experiment=nowhere[0]) == []
    assert models_of(graph, nowhere[0]) == set()
    found = impact(graph, nowhere)
    assert (found.models, found.aliases, found.model_count, found.runs) == ((), (), 0, 0)
    assert trace(graph, nowhere).nodes == ()
