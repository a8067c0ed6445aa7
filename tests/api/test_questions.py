"""The questions people have, asked of a real repository."""

from __future__ import annotations

import pytest

from lin.api.execution import Request


def test_models_trained_on_exact_bytes(ask, world):
    """Both models say that they were trained on these bytes, by name, version, digest or prefix of it."""
    digest = str(world.datasets["train"].digest)
    query = """query($ref: String!) {
      modelsTrainedOn(ref: $ref, match: BYTES, transitive: true) { nodes { direct roles model { ref } } }
    }"""
    for ref in ("train", "train@v1", digest, digest[:20], str(world.datasets["train"].id)):
        nodes = ask(query, ref=ref)["modelsTrainedOn"]["nodes"]
        assert [node["model"]["ref"] for node in nodes] == ["delay-model@v1", "delay-model@v2"]
        assert all(node["direct"] and node["roles"] == ["TRAIN"] for node in nodes)


def test_test_data_trained_nothing(ask):
    """What a model was only tested on did not train it."""
    assert ask('{ modelsTrainedOn(ref: "test1") { nodes { direct } } }')["modelsTrainedOn"]["nodes"] == []


def test_the_servers_files_are_not_looked_at(ask, world, monkeypatch):
    """A ref that names a file of the server's machine means nothing to the API."""
    monkeypatch.chdir(world.folder)
    error = ask.error('{ modelsTrainedOn(ref: "train.csv") { nodes { direct } } }')
    assert error["extensions"]["code"] == "NOT_FOUND"


def test_a_run_trains_nothing(ask, world):
    """Asking what was trained on a run is an error that says so."""
    error = ask.error("query($ref: String!) { modelsTrainedOn(ref: $ref) { nodes { direct } } }", ref=world.runs[0])
    assert error["extensions"]["code"] == "INVALID_INPUT"


def test_artifact_with_all_its_relations(ask, world):
    """An artifact leads to its run, experiment, content, aliases and evaluations."""
    artifact = ask("""{ artifact(ref: "delay-model@prod") {
      id ref kind version size files shape digest attributes path evidence actor createdAt
      run { id name parameters status seconds metric(name: "loss") metrics detail used { role artifact { ref } } }
      experiment { name } content { id artifacts { ref } } aliases { ref artifact { ref } conflict }
      evaluations { dataset { ref } metric(name: "auc") note: metric(name: "note") run { name } }
    } }""")["artifact"]
    assert artifact["id"] == str(world.models[0].id)
    assert (artifact["ref"], artifact["kind"], artifact["size"], artifact["shape"]) == (
        "delay-model@v1",
        "MODEL",
        50,
        "BLOB",
    )
    assert artifact["run"]["parameters"] == {"trees": 10}
    assert artifact["run"]["metric"] == pytest.approx(0.1)
    assert artifact["run"]["status"] == "SUCCEEDED"
    assert artifact["run"]["detail"]["command"] == ["fit"]
    assert artifact["run"]["used"] == [{"role": "TRAIN", "artifact": {"ref": "train@v1"}}]
    assert artifact["experiment"] == {"name": "delays"}
    assert artifact["content"]["id"] == artifact["digest"]
    assert artifact["aliases"] == [
        {"ref": "delay-model@prod", "artifact": {"ref": "delay-model@v1"}, "conflict": False}
    ]
    assert [(e["dataset"]["ref"], e["metric"], e["note"]) for e in artifact["evaluations"]] == [
        ("test1@v1", 0.1, None),
        ("test2@v1", 0.1, None),
    ]


def test_dataset_knows_what_was_measured_on_it(ask):
    """A dataset leads to the evaluations on it."""
    answer = ask('{ artifact(ref: "test1") { evaluations { id } evaluationsOn { model { ref } } } }')["artifact"]
    assert answer["evaluations"] == []
    assert [item["model"]["ref"] for item in answer["evaluationsOn"]] == ["delay-model@v1", "delay-model@v2"]


def test_every_id_leads_back(ask, world):
    """`node` takes the id of anything that has one, and says what it is."""
    answer = ask("""{ artifact(ref: "delay-model@v2") {
      id run { id } experiment { id } content { id } evaluations { id } } }""")["artifact"]
    ids = {
        "Artifact": answer["id"],
        "Run": answer["run"]["id"],
        "Experiment": answer["experiment"]["id"],
        "Content": answer["content"]["id"],
        "Evaluation": answer["evaluations"][0]["id"],
    }
    for name, identity in ids.items():
        assert ask("query($id: ID!) { node(id: $id) { __typename id } }", id=identity)["node"] == {
            "__typename": name,
            "id": identity,
        }


@pytest.mark.parametrize("ref", ["delay-model@v1", "delay-model@prod", "train", "delays"])
def test_node_takes_any_ref(ask, ref):
    """`node` takes whatever the command line takes."""
    assert ask("query($id: ID!) { node(id: $id) { id } }", id=ref)["node"]


@pytest.mark.parametrize("ref", ["nothing-like-it", "f" * 64, "b3:" + "0" * 64])
def test_unknown_node_is_null(ask, ref):
    """`node` of nothing is null, as Relay wants it."""
    assert ask("query($id: ID!) { node(id: $id) { id } }", id=ref) == {"node": None}


def test_run_and_experiment(ask, world):
    """A run and an experiment are found by their names, and the experiment has its runs, newest first."""
    answer = ask(
        """query($ref: String!) { run(ref: $ref) { id ref name generated { ref } used { path evidence } }
        experiment(name: "delays") {
          runs(first: 1, statuses: [SUCCEEDED]) { nodes { name } pageInfo { hasNextPage } } } }""",
        ref=world.runs[0][:12],
    )
    assert answer["run"] == {
        "id": world.runs[0],
        "ref": world.runs[0][:12],
        "name": "fit.py",
        "generated": [{"ref": "delay-model@v1"}],
        "used": [{"path": None, "evidence": "DECLARED"}],
    }
    assert answer["experiment"]["runs"] == {"nodes": [{"name": "test.py"}], "pageInfo": {"hasNextPage": True}}


def test_metrics_table(ask):
    """The table of an experiment has its models, its test sets and a cell for each pair."""
    table = ask("""{ metrics(experiment: "delays") {
      metrics models { ref } datasets { ref } cells { model { ref } dataset { ref } metric(name: "auc") } } }""")
    assert table["metrics"]["metrics"] == ["auc", "note"]
    cells = {(c["model"]["ref"], c["dataset"]["ref"]): c["metric"] for c in table["metrics"]["cells"]}
    assert cells == {(f"delay-model@v{v}", f"test{t}@v1"): v / 10 for v in (1, 2) for t in (1, 2)}


def test_evaluations_are_narrowed(ask):
    """Evaluations are asked for by model, dataset and experiment."""
    answer = ask("""{ evaluations(models: ["delay-model@v1"], datasets: ["test2"], experiment: "delays") {
      totalCount nodes { ref model { ref } dataset { ref } createdAt } } }""")["evaluations"]
    assert answer["totalCount"] == 1
    assert answer["nodes"][0]["dataset"]["ref"] == "test2@v1"


def test_search(ask):
    """Search finds artifacts, runs and experiments by part of their name, in any case."""
    query = 'query($kinds: [ThingKind!]) { search(text: "DELAY", kinds: $kinds) { __typename id } }'
    assert {item["__typename"] for item in ask(query)["search"]} == {"Artifact", "Experiment"}
    assert {item["__typename"] for item in ask(query, kinds=["MODEL"])["search"]} == {"Artifact"}
    assert ask('{ search(text: "fit", kinds: [RUN]) { ... on Run { name } } }')["search"] == [{"name": "fit.py"}] * 2


def test_impact(ask):
    """Impact counts what stands on a dataset, and lists the models, evaluations and aliases."""
    impact = ask("""{ impact(ref: "train") { runs artifacts modelCount models(first: 1) { ref }
      evaluationCount evaluations { id } aliases { ref } } }""")["impact"]
    assert impact["modelCount"] == 2
    assert impact["models"] == [{"ref": "delay-model@v1"}]
    assert impact["evaluationCount"] == len(impact["evaluations"]) == 4
    assert impact["aliases"] == [{"ref": "delay-model@prod"}]


def test_aliases_log_and_repository(ask, world):
    """Aliases, the log and the repository itself can be asked for."""
    answer = ask("""{ aliases(name: "delay-model") { ref moves movedAt }
      log(first: 2, kinds: ["alias"]) { nodes { position id kind at actor statement } }
      repository { id url format version events checkpoint logKey indexes { engine events behind } } }""")
    assert answer["aliases"][0]["ref"] == "delay-model@prod"
    entry = answer["log"]["nodes"][0]
    assert entry["id"] == answer["aliases"][0]["moves"][0]
    assert entry["statement"]["alias"] == "prod"
    repository = answer["repository"]
    assert repository["id"] == world.repository.id
    assert repository["events"] == entry["position"] + 1
    assert repository["indexes"][0]["behind"] == 0
    assert repository["checkpoint"].startswith(f"lin/{world.repository.id}\n{repository['events']}\n")


def test_variables_and_operations(ask):
    """Of several operations the named one is executed."""
    document = "query A { repository { id } } query B { repository { format } }"
    assert ask.engine.execute(Request(document, None, "B"))["data"] == {"repository": {"format": 1}}
    answer = ask.engine.execute(Request(document, None, "C"))
    assert answer["errors"][0]["extensions"]["code"] == "INVALID_QUERY"
