"""Ways, leaks, differences, search and the past over GraphQL."""

from __future__ import annotations

import pytest

from lin.lineage.words import Role
from lin.recording import Recording


@pytest.fixture
def leaking(own_world, make_asker):
    """A world in which a model was tested on its training data too."""
    repository = own_world.repository
    with Recording.start(repository, name="test.py", experiment="delays", folder=own_world.folder) as run:
        run.use(own_world.datasets["train"], role=Role.TEST)
        run.evaluated(own_world.models[1], own_world.datasets["train"], {"auc": 1.0})
    return make_asker(repository)


def test_closure(ask):
    """A closure is counted, paged and chosen from."""
    query = """query($after: String) {
      closure(ref: "train", direction: DOWN, kinds: [MODEL], first: 1, after: $after) {
        totalCount nodes { ... on Artifact { ref } } pageInfo { hasNextPage endCursor } } }"""
    first = ask(query)["closure"]
    assert (first["totalCount"], first["nodes"]) == (2, [{"ref": "delay-model@v1"}])
    second = ask(query, after=first["pageInfo"]["endCursor"])["closure"]
    assert (second["nodes"], second["pageInfo"]["hasNextPage"]) == ([{"ref": "delay-model@v2"}], False)
    none = ask('{ closure(ref: "train", direction: DOWN, until: "2020-01-01") { totalCount } }')
    assert none["closure"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("direction: BOTH", "one way"),
        ("kinds: [EXPERIMENT]", "no kind"),
        ("depth: -1", "depth"),
        ('since: "soon"', "not a date"),
        ('asOf: "soon"', "neither a date"),
        ('asOf: "100000"', "the log holds"),
    ],
)
def test_bad_closures(ask, arguments, words):
    """A direction, kind, depth or moment that cannot be is refused."""
    error = ask.error(f'{{ closure(ref: "train", {arguments}) {{ totalCount }} }}')
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert words in error["message"]


def test_impact_in_pages(ask):
    """What stands on a dataset is counted at once, and read in pages."""
    query = """query($after: String) { impact(ref: "train") { modelCount evaluationCount
      allModels(first: 1, after: $after) { totalCount nodes { ref } pageInfo { hasNextPage endCursor } }
      allEvaluations(first: 3) { totalCount nodes { model { ref } } pageInfo { hasNextPage } } } }"""
    impact = ask(query)["impact"]
    assert (impact["modelCount"], impact["evaluationCount"]) == (2, 4)
    assert impact["allModels"]["nodes"] == [{"ref": "delay-model@v1"}]
    assert impact["allEvaluations"]["totalCount"] == 4
    assert impact["allEvaluations"]["pageInfo"] == {"hasNextPage": True}
    rest = ask(query, after=impact["allModels"]["pageInfo"]["endCursor"])["impact"]["allModels"]
    assert (rest["nodes"], rest["pageInfo"]["hasNextPage"]) == ([{"ref": "delay-model@v2"}], False)
    alone = ask('{ impact(ref: "delay-model@v2") { modelCount models { ref } evaluations { id } } }')["impact"]
    assert (alone["modelCount"], alone["models"], len(alone["evaluations"])) == (0, [], 2)


def test_path(ask):
    """A way is nodes and links from end to end; none is null; backwards is said."""
    query = """query($a: String!, $b: String!) { path(source: $a, target: $b) {
      length backwards nodes { id ... on Artifact { ref } } edges { relation role } } }"""
    way = ask(query, a="train", b="delay-model@v1")["path"]
    assert (way["length"], way["backwards"]) == (2, False)
    assert [edge["relation"] for edge in way["edges"]] == ["USED", "GENERATED"]
    assert [node.get("ref") for node in way["nodes"]] == ["train@v1", None, "delay-model@v1"]
    assert ask(query, a="delay-model@v1", b="train")["path"]["backwards"] is True
    assert ask(query, a="test1", b="delay-model")["path"] is None
    assert ask.error(query, a="nowhere", b="train")["extensions"]["code"] == "NOT_FOUND"


def test_training_path(ask):
    """Each model trained on data can say how."""
    query = '{ modelsTrainedOn(ref: "train") { nodes { path { edges { relation role } } } } }'
    for node in ask(query)["modelsTrainedOn"]["nodes"]:
        assert [e["relation"] for e in node["path"]["edges"]] == ["HAS_CONTENT", "USED", "GENERATED"]


def test_leaks(leaking, ask):
    """A leak names the evaluation and what was learned; where there is none the list is empty."""
    query = "{ leaks { totalCount nodes { evaluation { model { ref } dataset { ref } } learned { ref } } } }"
    (leak,) = leaking(query)["leaks"]["nodes"]
    assert leak == {
        "evaluation": {"model": {"ref": "delay-model@v2"}, "dataset": {"ref": "train@v1"}},
        "learned": [{"ref": "train@v1"}],
    }
    assert leaking('{ leaks(model: "delay-model@v1") { nodes { learned { ref } } } }')["leaks"]["nodes"] == []
    assert ask(query)["leaks"]["nodes"] == []
    assert ask.error('{ leaks(model: "train@v9") { totalCount } }')["extensions"]["code"] == "NOT_FOUND"


def test_diff(ask):
    """Two models differ by their parameters and metrics."""
    diff = ask("""{ diff(old: "delay-model@v1", new: "delay-model@v2", patches: true) { same old { id } oldRun { ref }
      parameters { name old new } metrics { name old new } data { name } code { path } content { change patch }
      environment { name } missing } }""")["diff"]
    assert (diff["same"], diff["data"], diff["code"], diff["missing"]) == (False, [], [], [])
    assert diff["parameters"] == [{"name": "trees", "old": 10, "new": 20}]
    assert {"name": "loss", "old": 0.1, "new": 0.05} in diff["metrics"]
    assert [change["change"] for change in diff["content"]] == ["changed"]
    assert ask('{ diff(old: "train", new: "train") { same } }')["diff"] == {"same": True}
    assert ask.error('{ diff(old: "delays", new: "train") { same } }')["extensions"]["code"] == "INVALID_INPUT"


def test_search_by_value(ask):
    """Conditions choose, pages go on, and a malformed condition names its place."""
    query = """query($where: String, $after: String) {
      found(kinds: [MODEL, RUN, EVALUATION], where: $where, first: 2, after: $after) {
        nodes { __typename id } pageInfo { hasNextPage endCursor } } }"""
    seen, after = [], None
    while True:
        page = ask(query, where="auc >= 0.1", after=after)["found"]
        seen += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert sorted(node["__typename"] for node in seen) == ["Artifact"] * 2 + ["Evaluation"] * 4
    assert len({node["id"] for node in seen}) == 6
    models = ask('{ search(kinds: [MODEL], where: "trees > 10 and auc > 0") { ... on Artifact { ref } } }')["search"]
    assert models == [{"ref": "delay-model@v2"}]
    error = ask.error(query, where="auc > high")
    assert (error["extensions"]["code"], "at character 7" in error["message"]) == ("INVALID_INPUT", True)
    assert ask.error("{ search { id } }")["extensions"]["code"] == "INVALID_INPUT"


def test_search_pages_through_experiments(ask):
    """Pages of things of all kinds, experiments among them, hold everything once."""
    query = """query($after: String, $first: Int!) { found(text: "e", first: $first, after: $after) {
      nodes { id } pageInfo { hasNextPage endCursor } } }"""
    whole = [node["id"] for node in ask(query, first=100)["found"]["nodes"]]
    seen, after = [], None
    while True:
        page = ask(query, first=1, after=after)["found"]
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == whole


def test_the_past(ask, world):
    """The top level answers as it was after so many events, or at a date."""
    early = next(e.position for e in world.repository.log(newest_first=False, kinds=["run.started"]))
    query = """query($asOf: String) { artifacts(asOf: $asOf) { nodes { ref } } runs(asOf: $asOf) { nodes { ref } }
      modelsTrainedOn(ref: "train", asOf: $asOf) { nodes { model { ref } } }
      trace(ref: "train", direction: DOWN, asOf: $asOf) { totalNodes }
      impact(ref: "train", asOf: $asOf) { modelCount } }"""
    past = ask(query, asOf=str(early))
    assert len(past["artifacts"]["nodes"]) == 3
    assert (past["runs"]["nodes"], past["modelsTrainedOn"]["nodes"]) == ([], [])
    assert (past["trace"]["totalNodes"], past["impact"]["modelCount"]) == (1, 0)
    assert ask(query, asOf="9999-12-31") == ask(query)
