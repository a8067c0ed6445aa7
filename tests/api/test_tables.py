"""Questions about tables over GraphQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from lin.lineage.words import ArtifactKind, Role
from lin.recording import Recording


def rows(start, stop):
    return "id,x\n" + "".join(f"{n},{n / 8}\n" for n in range(start, stop))


@pytest.fixture
def asker(own_world, make_asker, tmp_path, monkeypatch):
    """Tables that share rows, and a model trained on one and tested on another."""
    repository = own_world.repository
    monkeypatch.chdir(tmp_path)
    made = {}
    turned = "id,x\n" + "\n".join(rows(0, 100).splitlines()[:0:-1]) + "\n"
    for name, text in {"rows.csv": rows(0, 100), "turned.csv": turned, "some.csv": rows(90, 110)}.items():
        Path(name).write_text(text)
        made[name] = repository.put(name).artifact
        repository.identify(str(made[name].id))
    with Recording.start(repository, name="fit.py", folder=tmp_path) as run:
        run.use(made["rows.csv"], role=Role.TRAIN)
        Path("fitted").write_text("m")
        model = run.save("fitted", kind=ArtifactKind.MODEL)
    with Recording.start(repository, name="score.py", folder=tmp_path) as run:
        run.use(made["some.csv"], role=Role.TEST)
        run.evaluated(model, made["some.csv"], {"auc": 1.0})
    return make_asker(repository)


def test_same(asker):
    """What two datasets have in common, with how the tables look."""
    found = asker(
        """{ same(old: "rows.csv", new: "turned.csv") {
          relation same shared old { rows columns set artifact { ref } } } }"""
    )["same"]
    assert (found["relation"], found["same"], found["shared"]) == ("ROWS", True, None)
    assert (found["old"]["rows"], found["old"]["columns"]) == (100, ["id", "x"])
    assert found["old"]["artifact"] == {"ref": "rows.csv@v1"}


def test_duplicates_and_overlap(asker):
    """Duplicates come in groups and pairs; shared rows with numbers and cells."""
    found = asker(
        """{ duplicates(atLeast: 0.1) {
          groups { relation artifacts { ref } rows } near { new { ref } shareNew exact } } }"""
    )["duplicates"]
    held = [{"ref": "rows.csv@v1"}, {"ref": "turned.csv@v1"}]
    assert {"relation": "ROWS", "rows": 100, "artifacts": held} in found["groups"]
    assert found["near"] == [{"new": [{"ref": "some.csv@v1"}], "shareNew": 0.5, "exact": True}]
    shared = asker(
        """{ overlap(old: "some.csv", new: "rows.csv", examples: 1) {
          rowsOld rowsNew distinct examples { old new values } } }"""
    )["overlap"]
    assert shared == {
        "rowsOld": 10,
        "rowsNew": 10,
        "distinct": 10,
        "examples": [{"old": 1, "new": 91, "values": {"id": "90", "x": "11.25"}}],
    }


def test_leaks_by_rows(asker):
    """A leak says how many rows, and where from; what could not be compared is a question of its own."""
    query = "{ leaks { nodes { by tested leaked sources { artifact { ref } rows } } } uncompared { reason } }"
    found = asker(query)
    assert found["leaks"]["nodes"] == [
        {"by": "ROWS", "tested": 20, "leaked": 10, "sources": [{"artifact": {"ref": "rows.csv@v1"}, "rows": 10}]}
    ]
    assert found["uncompared"] == []


def test_models_by_match(asker):
    """A model is found by the bytes, the table, or enough of the rows of its data."""

    def models(match):
        nodes = asker(
            f'{{ modelsTrainedOn(ref: "turned.csv", {match}) {{ nodes {{ model {{ ref }} path {{ length }} }} }} }}'
        )
        return [node["model"]["ref"] for node in nodes["modelsTrainedOn"]["nodes"]]

    assert models("match: BYTES") == []
    assert models("match: TABLE") == models("match: ROWS, min: 0.9") == ["fitted@v1"]
    error = asker.error('{ modelsTrainedOn(ref: "turned.csv", match: ROWS, min: 2) { totalCount } }')
    assert error["extensions"]["code"] == "INVALID_INPUT"


def test_rows_that_changed_and_where_they_are_from(asker):
    """Tables are compared row by row; rows are told where from and where they went."""
    found = asker(
        """{ tableDiff(old: "rows.csv", new: "some.csv") { equal added removed changed key rows { change old new } }
          blame(ref: "some.csv") { origins { rows declared artifact { ref } } }
          contaminated(ref: "some.csv") { holders { rows artifact { ref } } models { ref } } }"""
    )
    assert (found["tableDiff"]["equal"], found["tableDiff"]["added"], found["tableDiff"]["removed"]) == (10, 10, 90)
    assert found["blame"]["origins"] == [{"rows": 20, "declared": False, "artifact": None}]
    assert found["contaminated"]["models"] == [{"ref": "fitted@v1"}]
    assert found["contaminated"]["holders"][0] == {"rows": 20, "artifact": {"ref": "some.csv@v1"}}


@pytest.mark.parametrize("field", ["same(old: $ref, new: $ref) { same }", "duplicates(ref: $ref) { tables }"])
def test_files_of_the_server_are_not_read(asker, tmp_path, field):
    """A path is no ref: nobody learns through the API what lies on the server's disk."""
    Path("secret.csv").write_text(rows(0, 5))
    for ref in ("secret.csv", str(tmp_path / "secret.csv"), "./secret.csv"):
        error = asker.error(f"query($ref: String!) {{ {field} }}", ref=ref)
        assert error["extensions"]["code"] in {"NOT_FOUND", "INVALID_INPUT"}
