"""Questions: where a model comes from, what stands on a dataset, what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lin.errors import InvalidInputError, NotFoundError
from lin.lineage.events import ArtifactRecorded, EvaluationRecorded, EventId, RunUsed, Use
from lin.lineage.graph import Direction, Truncation
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.recording import Recording
from lin.records import Artifact, Run, to_json
from lin.repository import Repository

Write = Callable[..., Path]


@dataclass(frozen=True)
class World:
    """Raw data was split in two; a model learned from one part, another one from that model; both were tested."""

    repository: Repository
    raw: Artifact
    train: Artifact
    test: Artifact
    model: Artifact
    tuned: Artifact
    runs: tuple[Run, ...]


@pytest.fixture
def world(repository: Repository, write: Write) -> World:
    raw = repository.put(write("raw.csv", "raw")).artifact
    with Recording.start(repository, name="split", experiment="prepare") as split:
        split.use("raw.csv")
        train = split.save(write("train.csv", "train"), kind="dataset")
        test = split.save(write("test.csv", "test"), kind="dataset")
    with Recording.start(repository, name="fit", experiment="delays") as fit:
        fit.use("train.csv", role="train")
        fit.use("test.csv", role="validation")
        model = fit.save(write("model.bin", "model"), kind="model")
    with Recording.start(repository, name="tune", experiment="delays") as tune:
        tune.use(model, role="base-model")
        tuned = tune.save(write("tuned.bin", "tuned"), kind="model")
    with Recording.start(repository, name="check", experiment="delays") as check:
        for subject in (model, tuned):
            check.use(subject)
            check.evaluated(subject, test, {"auc": 0.5})
        check.use("test.csv", role="test")
        check.evaluated(tuned, test, {"auc": 0.75, "f1": 0.5})
    repository.tag("tuned.bin", "prod")
    records = tuple(recording.record for recording in (split, fit, tune, check))
    return World(repository, raw, train, test, model, tuned, records)


def test_a_trace_leads_to_everything_that_made_it(world: World) -> None:
    """Each node once, with its distance; edges say for what, from where and how lin knows."""
    split, fit, tune, _ = world.runs
    trace = world.repository.trace("tuned.bin")
    labels = {node.label: trace.distance[node.id] for node in trace.nodes}
    assert labels == {
        "tuned.bin@v1": 0, tune.label: 1, "model.bin@v1": 2, fit.label: 3, "train.csv@v1": 4, "test.csv@v1": 4,
        split.label: 5, "raw.csv@v1": 6,
    }  # fmt: skip
    assert (trace.roots, trace.direction, trace.total, trace.truncated) == ((world.tuned.id,), "up", 8, None)
    edges = {(edge.source, edge.target): edge for edge in trace.edges}
    assert len(edges) == len(trace.edges) == 8
    used = edges[world.train.id, fit.id]
    assert (used.relation, used.role, used.paths, used.evidence) == (
        "used", Role.TRAIN, ("train.csv",), (Evidence.DECLARED,),
    )  # fmt: skip
    made = edges[fit.id, world.model.id]
    assert (made.relation, made.role, made.paths) == ("generated", None, ("model.bin",))


def test_a_trace_can_be_cut(world: World) -> None:
    """By depth and by nodes, and says so; nonsense is refused."""
    repository = world.repository
    near = repository.trace("tuned.bin", depth=2)
    assert [node.label for node in near.nodes] == ["tuned.bin@v1", world.runs[2].label, "model.bin@v1"]
    assert near.truncated == Truncation.DEPTH
    few = repository.trace("tuned.bin", max_nodes=2)
    assert (len(few.nodes), few.total, few.truncated) == (2, 8, Truncation.NODES)
    assert repository.trace("tuned.bin", depth=0).total == 1
    with pytest.raises(InvalidInputError):
        repository.trace("tuned.bin", depth=-1)
    with pytest.raises(InvalidInputError):
        repository.trace("tuned.bin", max_nodes=0)


def test_a_trace_goes_down_too_and_starts_anywhere(world: World, write: Write) -> None:
    """From an artifact, a run, bytes, an experiment or an evaluation."""
    repository = world.repository
    down = {node.label for node in repository.trace("raw.csv", direction=Direction.DOWN).nodes}
    assert {"raw.csv@v1", "train.csv@v1", "model.bin@v1", "tuned.bin@v1"} < down
    assert {run.label for run in world.runs} < down
    assert repository.trace(str(world.runs[1].id)).roots == (world.runs[1].id,)
    other = repository.put(write("copy.csv", "raw")).artifact
    assert set(repository.trace(str(world.raw.digest)).roots) == {world.raw.id, other.id}
    assert {world.model.id, world.tuned.id, *(run.id for run in world.runs[1:])} == set(
        repository.trace("delays").roots
    )
    (evaluation, *_) = repository.evaluations()
    assert set(repository.trace(str(evaluation.id)).roots) == {evaluation.run, evaluation.model.id, world.test.id}


def test_impact_is_what_would_be_wrong(world: World) -> None:
    """Models, evaluations and aliases that stand on it; nothing stands on the end."""
    impact = world.repository.impact("raw.csv")
    assert {model.label for model in impact.models} == {"model.bin@v1", "tuned.bin@v1"}
    assert len(impact.evaluations) == 3
    assert [alias.label for alias in impact.aliases] == ["tuned.bin@prod"]
    assert (impact.runs, impact.artifacts) == (4, 4)
    validation = world.repository.impact("test.csv")
    assert {model.label for model in validation.models} == {"model.bin@v1", "tuned.bin@v1"}


def test_models_are_found_by_what_they_learned_from(world: World, write: Write) -> None:
    """By ref or by a file's bytes; validation and tests do not count; transitively through base models and splits."""
    repository = world.repository

    def found(ref: str | Path, *, transitive: bool = False) -> dict[str, tuple[bool, tuple[str, ...]]]:
        page = repository.models_trained_on(ref, transitive=transitive)
        assert page.total == len(page.items)
        return {item.model.label: (item.direct, item.roles) for item in page.items}

    assert found("train.csv") == {"model.bin@v1": (True, ("train",))}
    assert found(write("elsewhere.csv", "train")) == found("train.csv")
    assert found("elsewhere.csv") == found(str(world.train.digest)) == found("train.csv")
    assert found("train.csv", transitive=True) == {**found("train.csv"), "tuned.bin@v1": (False, ())}
    assert found("raw.csv") == found("test.csv") == found("test.csv", transitive=True) == {}
    assert set(found("raw.csv", transitive=True)) == {"model.bin@v1", "tuned.bin@v1"}
    assert found(write("unknown.csv", "never seen")) == {}
    with pytest.raises(NotFoundError):
        found("nowhere.csv")
    with pytest.raises(NotFoundError):
        found(Path("nowhere.csv"))
    with pytest.raises(InvalidInputError, match="not an artifact"):
        found(str(world.runs[0].id))


def test_the_metrics_table_shows_the_newest_of_each_pair(world: World) -> None:
    """Models × datasets, narrowed by refs and experiment."""
    repository = world.repository
    table = repository.metrics()
    assert [model.label for model in table.models] == ["model.bin@v1", "tuned.bin@v1"]
    assert ([data.label for data in table.datasets], table.metrics) == (["test.csv@v1"], ("auc", "f1"))
    newest = table.cell(world.tuned, world.test)
    assert newest is not None
    assert newest.metrics == {"auc": 0.75, "f1": 0.5}
    assert table.cell(world.tuned, world.raw) is None
    assert [model.label for model in repository.metrics(models=["model.bin"]).models] == ["model.bin@v1"]
    assert repository.metrics(datasets=["raw.csv"]).cells == ()
    assert len(repository.metrics(experiment="delays").cells) == 2
    assert repository.metrics(experiment="prepare").cells == ()
    with pytest.raises(NotFoundError):
        repository.metrics(experiment="nothing")


def test_runs_are_listed_by_experiment_and_status(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pages, newest first or last, each run once, however many are looked at in one go."""
    monkeypatch.setattr("lin.answers._STEP", 2)
    repository = world.repository
    with pytest.raises(ValueError, match="mine"), Recording.start(repository, name="bad", experiment="delays"):
        raise ValueError("mine")
    Recording.start(repository, name="still", experiment="prepare")
    names = ["split", "fit", "tune", "check", "bad", "still"]

    def listed(**options: object) -> list[str]:
        seen: list[str] = []
        page = repository.runs(limit=2, **options)  # type: ignore[arg-type]
        seen += [run.name for run in page.items]
        while page.next is not None:
            page = repository.runs(limit=2, after=page.next, **options)  # type: ignore[arg-type]
            seen += [run.name for run in page.items]
        assert seen == [run.name for run in repository.runs(**options).items]  # type: ignore[arg-type]
        return seen

    assert listed() == names[::-1]
    assert listed(newest_first=False) == names
    assert listed(experiment="delays") == ["bad", "check", "tune", "fit"]
    assert listed(experiment="delays", newest_first=False, statuses=[RunStatus.SUCCEEDED]) == ["fit", "tune", "check"]
    assert listed(statuses=[RunStatus.RUNNING, RunStatus.FAILED]) == ["still", "bad"]
    assert [item.name for item in repository.experiments()] == ["delays", "prepare"]
    assert [item.name for item in repository.experiments(text="DEL")] == ["delays"]
    with pytest.raises(NotFoundError):
        listed(experiment="nothing")


def test_what_is_not_known_here_is_left_out(world: World, hand: Any) -> None:
    """Uses and evaluations that name what another repository holds are known when that has come."""
    ghost = EventId(bytes(range(32)))
    (run, *_) = world.runs
    hand.force(
        RunUsed(run.id, (Use(ghost, Role.TEST, Evidence.IMPORTED, "x"),)),
        EvaluationRecorded(ghost, world.test.id, run.id, {"auc": 1}),
        ArtifactRecorded(ArtifactKind.MODEL, "m", 1, world.raw.digest, Shape.BLOB, 3, run=ghost),
    )
    repository = world.repository
    assert [use.artifact for use in repository.used([run.id.value])[run.id.value]] == [world.raw]
    assert len(repository.evaluations()) == 3
    assert ghost.value not in repository.get_many([ghost.value])
    assert repository.trace(str(run.id)).unseen == (ghost,)
    assert repository.verify().findings != ()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_has_at_least_one_item(world: World, limit: int) -> None:
    """Anything else is refused everywhere, before anything is looked up."""
    repository = world.repository
    for ask in (
        lambda: repository.artifacts(limit=limit),
        lambda: repository.runs(limit=limit),
        lambda: repository.runs(experiment="delays", limit=limit),
        lambda: repository.search("a", limit=limit),
        lambda: repository.models_trained_on("train.csv", limit=limit),
    ):
        with pytest.raises(InvalidInputError, match="a page cannot have"):
            ask()


def test_records_are_found_by_id_in_one_go(world: World) -> None:
    """Whatever they are; ids that nobody knows are left out."""
    (evaluation, *_) = world.repository.evaluations()
    experiment = world.repository.experiment("delays")
    found = world.repository.get_many(
        [
            world.raw.id.value,
            world.runs[0].id.value,
            evaluation.id.value,
            experiment.id,
            world.raw.digest.value,
            bytes(32),
        ]
    )
    assert found[world.raw.id.value] == world.raw
    assert found[world.runs[0].id.value] == world.runs[0]
    assert found[evaluation.id.value] == evaluation
    assert found[experiment.id] == experiment
    assert len(found) == 5


def test_all_records_are_json(world: World) -> None:
    """One form for `--json` and notebooks: with a type, ids as text, and nothing that JSON lacks."""
    repository = world.repository
    trace = repository.trace("tuned.bin")
    page = repository.artifacts(limit=1)
    records = [
        world.raw, world.runs[1], trace, repository.impact("raw.csv"), repository.metrics(), page,
        *repository.evaluations(), *repository.aliases(), repository.experiment("delays"), *repository.doctor(),
        repository.resolve(str(world.raw.digest)), *repository.index_status(), repository.verify(),
        *repository.log(), *repository.models_trained_on("train.csv").items,
    ]  # fmt: skip
    for record in records:
        document = json.loads(json.dumps(record.to_json()))
        assert document["type"] == type(record).__name__.lower()
    document = trace.to_json()
    assert {node["type"] for node in document["nodes"]} == {"artifact", "run"}
    assert all("distance" in node for node in document["nodes"])
    assert document["edges"][0].keys() == {"source", "target", "relation", "role", "paths", "evidence"}
    assert world.raw.to_json()["kind"] == ArtifactKind.DATASET.value
    assert to_json({1: {Role.TRAIN}}) == {"1": ["train"]}
