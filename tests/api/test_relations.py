"""Ways, leaks, differences, search and the past over GraphQL."""

from __future__ import annotations

import pytest

from lin.api.schema.context import Context
from lin.lineage import index, searching
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
    """Questions are answered as it was after so many events, or at a date."""
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


THEN = """query($asOf: String) {
  artifact(ref: "delay-model@v1", asOf: $asOf) { aliases { ref } evaluations { id } run { status generated { ref } }
    experiment { runs { nodes { name } } models { totalCount } } content { artifacts { ref } } }
  node(id: "train", asOf: $asOf) { ... on Artifact { content { artifacts { ref } } evaluationsOn { id } } }
  experiment(name: "delays", asOf: $asOf) { runs { nodes { status } } models { nodes { ref aliases { ref } } } }
  experiments(asOf: $asOf) { nodes { runs { totalCount } } }
  runs(asOf: $asOf) { nodes { name generated { ref } } }
  evaluations(asOf: $asOf) { totalCount } metrics(asOf: $asOf) { cells { id } } aliases(asOf: $asOf) { ref }
  modelsTrainedOn(ref: "train", asOf: $asOf) { nodes { model { ref aliases { ref } } path { length } } }
  impact(ref: "train", asOf: $asOf) { models { ref evaluations { id } } allModels { totalCount } aliases { ref } }
  search(text: "delay", asOf: $asOf) { id } log(asOf: $asOf) { nodes { kind } }
}"""


def test_all_that_is_nested_is_of_the_past(ask, world):
    """What a field with a moment leads to, however deep, is as it was at that moment: nothing of later shows."""
    events = list(world.repository.log(newest_first=False))
    first_model = next(e.position for e in events if e.kind == "artifact" and e.statement.name == "delay-model")
    moment = str(first_model + 1)
    past = ask(THEN, asOf=moment)
    artifact = past["artifact"]
    assert (artifact["aliases"], artifact["evaluations"]) == ([], [])
    assert artifact["run"] == {"status": "RUNNING", "generated": [{"ref": "delay-model@v1"}]}
    assert artifact["experiment"] == {"runs": {"nodes": [{"name": "fit.py"}]}, "models": {"totalCount": 1}}
    assert past["node"] == {"content": {"artifacts": [{"ref": "train@v1"}]}, "evaluationsOn": []}
    assert past["experiment"] == {
        "runs": {"nodes": [{"status": "RUNNING"}]},
        "models": {"nodes": [{"ref": "delay-model@v1", "aliases": []}]},
    }
    assert past["experiments"] == {"nodes": [{"runs": {"totalCount": 1}}]}
    assert past["runs"]["nodes"] == [{"name": "fit.py", "generated": [{"ref": "delay-model@v1"}]}]
    assert (past["evaluations"], past["metrics"], past["aliases"]) == ({"totalCount": 0}, {"cells": []}, [])
    assert past["modelsTrainedOn"]["nodes"] == [
        {"model": {"ref": "delay-model@v1", "aliases": []}, "path": {"length": 3}}
    ]
    assert past["impact"] == {
        "models": [{"ref": "delay-model@v1", "evaluations": []}],
        "allModels": {"totalCount": 1},
        "aliases": [],
    }
    assert len(past["search"]) == 2
    assert len(past["log"]["nodes"]) == first_model + 1
    present = ask(THEN)
    assert present["artifact"]["aliases"] == [{"ref": "delay-model@prod"}]
    assert ask(THEN, asOf=str(len(events))) == present


def test_several_moments_in_one_request(ask, world):
    """Each field of the top level has a moment of its own, also where they lead to the same things."""
    everything = str(world.repository.checkpoint().splitlines()[1])
    answer = ask(
        """query($all: String) {
      now: artifact(ref: "train") { evaluationsOn { id } content { artifacts { run { id } } } aliases { ref } }
      early: artifact(ref: "train", asOf: "2") { content { artifacts { ref } } }
      model: models(first: 1) { nodes { evaluations { id } } }
      same: models(first: 1, asOf: $all) { nodes { evaluations { id } } }
      old: experiment(name: "delays", asOf: "2") { id } }""".replace(', asOf: "2") { id }', ") { id }"),
        all=everything,
    )
    assert answer["model"] == answer["same"]
    assert answer["early"]["content"]["artifacts"] == [{"ref": "train@v1"}]
    error = ask.error('{ experiment(name: "delays", asOf: "2") { id } now: experiment(name: "delays") { name } }')
    assert (error["path"], error["extensions"]["code"]) == (["experiment"], "NOT_FOUND")


def test_the_past_takes_no_longer_than_a_request_may(own_world, make_asker, monkeypatch):
    """A past that is not read from the log in time is an error that says to ask again, which goes on from there."""
    ask = make_asker(own_world.repository)
    monkeypatch.setattr(index, "BATCH", 2)
    told: list[int] = []
    note = Context._note_progress

    def noting(context, *progress):
        told.append(progress[2])
        if len(told) == 2:
            context._deadline = 0.0
        note(context, *progress)

    monkeypatch.setattr(Context, "_note_progress", noting)
    query = '{ artifacts(asOf: "7") { nodes { ref } } }'
    error = ask.error(query)
    assert (error["extensions"]["code"], "it goes on" in error["extensions"]["hint"]) == ("TIMEOUT", True)
    assert told == [2, 4]
    assert ask(query)["artifacts"]["nodes"]
    assert told == [2, 4, 6, 7]


def test_models_of_an_experiment(ask):
    """An experiment has its models, newest first, in pages."""
    query = """query($after: String) { experiment(name: "delays") { models(first: 1, after: $after) {
      totalCount nodes { ref } pageInfo { hasNextPage endCursor } } } }"""
    first = ask(query)["experiment"]["models"]
    assert (first["totalCount"], first["nodes"]) == (2, [{"ref": "delay-model@v2"}])
    rest = ask(query, after=first["pageInfo"]["endCursor"])["experiment"]["models"]
    assert (rest["nodes"], rest["pageInfo"]["hasNextPage"]) == ([{"ref": "delay-model@v1"}], False)


@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize("kinds", [None, ["artifact"], ["alias", "run.finished"]])
def test_the_log_in_pages(ask, world, newest, kinds):
    """Pages of the log, put together, are the log, in either order."""
    query = """query($newest: Boolean!, $kinds: [String!], $after: String) {
      log(newestFirst: $newest, kinds: $kinds, first: 2, after: $after) {
        nodes { position } edges { cursor } pageInfo { hasNextPage endCursor } } }"""
    seen, after = [], None
    while True:
        page = ask(query, newest=newest, kinds=kinds, after=after)["log"]
        seen += [entry["position"] for entry in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [e.position for e in world.repository.log(newest_first=newest, kinds=kinds or ())]


def test_bad_pages_of_the_log(ask):
    """A kind of event that there is not, and a cursor of another question, are refused."""
    error = ask.error('{ log(kinds: ["nothing"]) { totalCount } }')
    assert (error["extensions"]["code"], "no kind of event" in error["message"]) == ("INVALID_INPUT", True)
    cursor = ask("{ log(first: 1) { pageInfo { endCursor } } }")["log"]["pageInfo"]["endCursor"]
    error = ask.error("query($a: String) { log(after: $a, newestFirst: false) { totalCount } }", a=cursor)
    assert "another question" in error["message"]


def test_a_page_that_took_too_long_goes_on(ask, monkeypatch):
    """A search that is stopped says so in the page, which may be empty, and the next page goes on from there."""
    monkeypatch.setattr(searching, "SECONDS", -1.0)
    monkeypatch.setattr(searching, "FEW", 1)
    monkeypatch.setattr(searching, "_STEP", 1)
    query = """query($after: String) { found(where: "trees < 20", first: 5, after: $after) {
      nodes { id } pageInfo { hasNextPage endCursor stopped } } }"""
    ids, stopped, after = [], [], None
    while True:
        page = ask(query, after=after)["found"]
        ids += [node["id"] for node in page["nodes"]]
        stopped.append(page["pageInfo"]["stopped"])
        if not page["pageInfo"]["hasNextPage"]:
            break
        assert page["pageInfo"]["endCursor"] != after
        after = page["pageInfo"]["endCursor"]
    assert stopped[:-1] == [True] * (len(stopped) - 1)
    assert len(stopped) > 3
    assert len(ids) == len(set(ids)) == 2
    answer = ask.raw('{ search(where: "trees < 20") { id } }')
    assert "took too long" in answer["extensions"]["notices"][0]
    assert "extensions" not in ask.raw("{ models { nodes { id } } }")
