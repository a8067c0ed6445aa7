"""Questions across several things, asked of a real repository: closures, ways, leaks, differences, the past, search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lin import differing, tokens
from lin.errors import InvalidInputError, NotFoundError, ReadOnlyError
from lin.lineage.graph import Cursor, Direction
from lin.lineage.words import ArtifactKind, Role
from lin.recording import Recording
from lin.records import Artifact, Page, to_json
from lin.repository import Repository

Write = Callable[..., Path]


@dataclass
class Work:
    """Train, fine-tune and test as people do."""

    repository: Repository
    write: Write

    def data(self, name: str, content: str) -> Artifact:
        return self.repository.put(self.write(name, content), name=name).artifact

    def code(self, **files: str) -> Artifact:
        folder = Path("code") / str(abs(hash(tuple(files.items()))))
        for name, content in files.items():
            self.write(folder / name.replace("_", "."), content)
        return self.repository.put(folder, name="project", kind=ArtifactKind.CODE).artifact

    def environment(self, **packages: str) -> Artifact:
        text = str({"packages": packages, "python": {"version": "3.11"}, "cpus": 2}).replace("'", '"')
        return self.repository.put(self.write("env.json", text), name="env", kind=ArtifactKind.ENVIRONMENT).artifact

    def train(self, name: str, metrics: dict[str, float] | None = None, **options: object) -> Artifact:
        uses: dict[Role, list[Artifact]] = options.pop("uses", {})  # type: ignore[assignment]
        with Recording.start(self.repository, name="fit.py", experiment="delays", parameters=options) as run:  # type: ignore[arg-type]
            for role, artifacts in uses.items():
                for artifact in artifacts:
                    run.use(artifact, role=role)
            run.log_metrics(metrics or {})
            return run.save(self.write(f"{name}.bin", f"{name} {options} {metrics}"), kind="model", name=name)

    def test(self, model: Artifact, dataset: Artifact, **metrics: float) -> None:
        with Recording.start(self.repository, name="test.py", experiment="tests") as run:
            run.use(dataset, role=Role.TEST)
            run.evaluated(model, dataset, metrics)


@pytest.fixture
def work(repository: Repository, write: Write) -> Work:
    return Work(repository, write)


@dataclass
class World:
    raw: Artifact
    train: Artifact
    test: Artifact
    base: Artifact
    tuned: Artifact


@pytest.fixture
def world(work: Work) -> World:
    """Raw data became a training set, that a model, and that another one; both are tested, one of them on raw data."""
    raw, test = work.data("raw", "1\n2\n"), work.data("test", "9\n")
    with Recording.start(work.repository, name="clean.py", experiment="delays") as run:
        run.use(raw, role=Role.INPUT)
        train = run.save(work.write("train.csv", "1\n"), kind="dataset", name="train")
    base = work.train("base", {"loss": 0.5}, lr=0.1, uses={Role.TRAIN: [train]})
    tuned = work.train("tuned", {"loss": 0.2}, lr=0.01, booster="trees", uses={Role.BASE_MODEL: [base]})
    work.test(base, test, auc=0.7)
    copy = work.data("innocent", "1\n2\n")
    work.test(tuned, copy, auc=0.99)
    work.test(tuned, test, auc=0.8)
    work.repository.tag("tuned", "prod")
    return World(raw, train, test, base, tuned)


def labels(page: Page) -> list[str]:
    return [item.label for item in page.items]


# ---------------------------------------------------------------------------- closure and impact


def test_closure(repository: Repository, world: World) -> None:
    """All that made something or stands on it, by kind, depth and time, counted and in pages."""
    up = repository.closure("tuned", kinds=["dataset", "model"])
    assert (labels(up), up.total, up.next) == (["raw@v1", "train@v1", "base@v1"], 3, None)
    down = repository.closure("raw", direction=Direction.DOWN, kinds=["model"], limit=1)
    assert (labels(down), down.total) == (["base@v1"], 2)
    rest = repository.closure("raw", direction=Direction.DOWN, kinds=["model"], after=down.next)
    assert (labels(rest), rest.total, rest.next) == (["tuned@v1"], 2, None)
    assert labels(repository.closure("raw", direction=Direction.DOWN, depth=2, kinds=["dataset", "model"])) == [
        "train@v1"
    ]
    assert repository.closure("raw", direction=Direction.DOWN, depth=0).total == 0
    measured = repository.closure("base", direction=Direction.DOWN, kinds=["evaluation"])
    assert sorted(item.dataset.label for item in measured.items) == ["innocent@v1", "test@v1", "test@v1"]
    assert repository.closure("tuned", until="2020-01-01").total == 0
    assert repository.closure("tuned", since="2020-01-01").total == repository.closure("tuned").total == 6
    assert labels(repository.closure("tuned", since=world.base.created, kinds=["model"])) == ["base@v1"]
    assert to_json(up)["items"][0]["name"] == "raw"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kinds": ["models"]}, "no kind 'models'"),
        ({"kinds": ["experiment"]}, "no kind 'experiment'"),
        ({"depth": -1}, "a depth cannot be -1"),
        ({"since": "yesterday"}, "not a date: 'yesterday'"),
        ({"until": "2026-13-01"}, "not a date"),
        ({"since": "0001-01-01T00:00:00+10:00"}, "not a date"),
    ],
)
def test_bad_closures(repository: Repository, world: World, options: dict[str, object], words: str) -> None:
    """A kind, depth or time that does not exist is refused by name."""
    with pytest.raises(InvalidInputError, match=words):
        repository.closure(world.raw.label, **options)  # type: ignore[arg-type]


def test_impact_is_counted(repository: Repository, world: World) -> None:
    """Impact says how much there is, and lists as much as is asked for."""
    found = repository.impact("raw", limit=1)
    assert [model.label for model in found.models] == ["base@v1"]
    assert (found.model_count, found.evaluation_count, found.runs, found.artifacts) == (2, 3, 3, 3)
    assert len(found.evaluations) == 1
    assert [alias.label for alias in found.aliases] == ["tuned@prod"]
    assert world.tuned.id in {item.id for item in repository.impact("raw").models}


# ---------------------------------------------------------------------------- ways


def test_path(repository: Repository, world: World) -> None:
    """A way names each step; asked for the other way round it says so; and there may be none."""
    way = repository.path("raw", "tuned")
    assert way is not None
    assert [node.label for node in way.nodes if isinstance(node, Artifact)] == [
        "raw@v1",
        "train@v1",
        "base@v1",
        "tuned@v1",
    ]
    assert [edge.role or edge.relation for edge in way.edges] == [
        Role.INPUT,
        "generated",
        Role.TRAIN,
        "generated",
        Role.BASE_MODEL,
        "generated",
    ]
    back = repository.path("tuned", "raw")
    assert back is not None
    assert (back.backwards, back.nodes) == (True, way.nodes)
    assert repository.path("test", "tuned") is None
    itself = repository.path("tuned", "tuned@prod")
    assert itself is not None
    assert (itself.edges, len(itself.nodes)) == ((), 1)


def test_path_from_and_to_bytes_and_evaluations(repository: Repository, world: World) -> None:
    """Bytes are joined with what holds them, and evaluations with what they measured."""
    way = repository.path(str(world.raw.digest), "base")
    assert way is not None
    assert way.edges[0].relation == "has content"
    (leak,) = repository.leaks().items
    measured = repository.path("raw", str(leak.evaluation.id))
    assert measured is not None
    assert measured.edges[-1].relation == "evaluated"
    to_bytes = repository.path("raw", str(world.tuned.digest))
    assert to_bytes is not None
    assert to_bytes.nodes[-1] == world.tuned


def test_path_of_nothing(repository: Repository, world: World) -> None:
    """What is unknown is not found, and an experiment is no end of a way."""
    with pytest.raises(NotFoundError):
        repository.path(world.raw.label, "nowhere")
    with pytest.raises(InvalidInputError, match="'delays' is an experiment"):
        repository.path("raw", "delays")


def test_training_path(repository: Repository, world: World) -> None:
    """How a file's bytes came into a model, also by a file on disk."""
    way = repository.training_path(Path("raw"), "tuned")
    assert way is not None
    assert [node.label for node in way.nodes[1:] if isinstance(node, Artifact)][-1] == world.tuned.label
    assert repository.training_path("test", "tuned") is None


# ---------------------------------------------------------------------------- leaks


def test_leaks(repository: Repository, world: World) -> None:
    """A model tested on its own training data, under another name, is found: alone, among all, in its experiment."""
    (leak,) = repository.leaks().items
    assert (leak.evaluation.model, leak.evaluation.dataset.label) == (world.tuned, "innocent@v1")
    assert [artifact.label for artifact in leak.learned] == ["raw@v1"]
    assert repository.leaks("tuned").items == (leak,)
    assert repository.leaks("tuned").total == 1
    assert repository.leaks("base").items == ()
    assert repository.leaks(experiment="delays").items == (leak,)
    assert repository.leaks("base", experiment="delays").items == ()
    assert repository.leaks(experiment="tests").items == ()
    with pytest.raises(NotFoundError):
        repository.leaks("nowhere")
    with pytest.raises(NotFoundError):
        repository.leaks(experiment="nowhere")


def test_leaks_in_pages(repository: Repository, work: Work, world: World) -> None:
    """Leaks come in pages that, joined, are all of them."""
    for n in range(3):
        work.test(world.base, world.train, auc=n / 10)
    whole = repository.leaks().items
    assert len(whole) == 4
    read: list[object] = []
    after = None
    while True:
        page = repository.leaks(after=after, limit=3)
        read += page.items
        if page.next is None:
            break
        after = page.next
    assert tuple(read) == whole


# ---------------------------------------------------------------------------- differences


def test_diff(repository: Repository, work: Work) -> None:
    """Models differ by the code, data, parameters, packages and metrics of their runs; nothing equal is told."""
    first, second, same = work.data("data", "1\n"), work.data("data", "2\n"), work.data("other", "o")
    codes = [work.code(a_py="x = 1\ny = 2\n", b_py="b"), work.code(a_py="x = 1\ny = 3\n", c_py="c")]
    environments = [work.environment(numpy="1", old="1", same="1"), work.environment(numpy="2", new="1", same="1")]
    models = [
        work.train(
            "m",
            {"loss": loss, "steps": 5},
            lr=lr,
            seed=1,
            uses={Role.TRAIN: [data], Role.CODE: [code], Role.ENVIRONMENT: [environment], Role.CONFIG: [same]},
        )
        for loss, lr, data, code, environment in zip(
            (0.5, 0.4), (1, True), (first, second), codes, environments, strict=True
        )
    ]
    work.test(models[1], same, auc=0.5)

    found = repository.diff("m@v1", "m@v2")

    assert [(c.path, c.change, c.patch) for c in found.code] == [
        ("a.py", "changed", None),
        ("b.py", "removed", None),
        ("c.py", "added", None),
    ]
    assert [(use.role, use.name, use.old, use.new) for use in found.data] == [(Role.TRAIN, "data", first, second)]
    assert [(c.name, c.old, c.new) for c in found.parameters] == [("lr", 1, True)]
    assert [(c.name, c.old, c.new) for c in found.environment] == [
        ("new", None, "1"),
        ("numpy", "1", "2"),
        ("old", "1", None),
    ]
    assert [(c.name, c.old, c.new) for c in found.metrics] == [("auc on other@v1", None, 0.5), ("loss", 0.5, 0.4)]
    assert [c.change for c in found.content] == ["changed"]
    assert (found.missing, found.same) == ((), False)
    document = found.to_json()
    assert (document["type"], document["same"], document["code"][0]["path"]) == ("diff", False, "a.py")

    patches = {c.path: c.patch for c in repository.diff("m@v1", "m@v2", patches=True).code}
    assert patches["a.py"] == "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n"
    assert patches["c.py"] == "--- /dev/null\n+++ b/c.py\n@@ -0,0 +1 @@\n+c\n\\ No newline at end of file\n"

    runs = repository.diff(str(models[0].run), str(models[1].run))
    assert (runs.code, runs.data, runs.content) == (found.code, found.data, ())
    assert repository.diff("m@v1", "m@v1").same


def test_diff_of_folders(repository: Repository, write: Write) -> None:
    """Artifacts that no run made are compared by their files, a file that became a folder included."""
    write("a/sub/x", "1")
    write("a/sub/same", "s")
    write("a/turn", "f")
    write("b/sub/x", "2")
    write("b/sub/same", "s")
    write("b/turn/in", "g")
    for name in ("a", "b"):
        repository.put(name)
    found = repository.diff("a", "b")
    assert [(c.change, c.path) for c in found.content] == [
        ("changed", "sub/x"),
        ("removed", "turn"),
        ("added", "turn/in"),
    ]
    assert (found.old_run, found.new_run, found.code) == (None, None, ())


def test_diff_reads_no_more_than_it_may(repository: Repository, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long files, binary ones and a great many files are told, and not compared line by line."""
    monkeypatch.setattr(differing, "LONGEST", 100)
    monkeypatch.setattr(differing, "MOST_LINES", 10)
    for name, sign in (("a", "1"), ("b", "2")):
        write(f"{name}/long", sign * 101)
        write(f"{name}/lines", f"{sign}\n" * 11)
        write(f"{name}/binary", f"\0{sign}".encode())
        write(f"{name}/latin", b"\xe4" + sign.encode())
        write(f"{name}/text", f"{sign}\x0c\r\n")
        repository.put(name)
    patches = {c.path: c.patch for c in repository.diff("a", "b", patches=True).content}
    assert {path for path, patch in patches.items() if patch} == {"text"}
    assert patches.keys() == {"long", "lines", "binary", "latin", "text"}
    monkeypatch.setattr(differing, "MOST_FILES", 2)
    cut = repository.diff("a", "b")
    assert len(cut.content) == 1
    assert "beyond the first 2" in cut.missing[0]
    assert not cut.same


def test_diff_of_what_is_not_here(repository: Repository, write: Write) -> None:
    """What was erased or never copied is named as missing, and the rest is compared."""
    for name, sign in (("a", "1"), ("b", "2")):
        write(f"{name}/sub/x", sign)
        write(f"{name}/y", sign)
        repository.put(name)
    digest = next(e.digest for e in repository.entries("a") if e.path == "sub").hex
    (record,) = repository.store.catalogue.find(bytes.fromhex(digest))
    repository.store.rewrite([record.pack], lambda entry: entry.digest.hex() != digest)
    repository.store.upkeep.delete(record.pack)
    repository.store.packs.refresh()
    found = repository.diff("a", "b")
    assert [c.path for c in found.content] == ["sub/x", "y"]
    assert found.missing == (f"the folder sub with the content b3:{digest}",)


def test_diff_of_what_cannot_be_compared(repository: Repository, world: World) -> None:
    """An experiment or an evaluation is refused by name."""
    with pytest.raises(InvalidInputError, match="delays is an experiment"):
        repository.diff(world.raw.label, "delays")


# ---------------------------------------------------------------------------- the past


def test_as_of(repository: Repository, work: Work) -> None:
    """After the log's first n events a repository answers as it did then, and is not written to."""
    work.data("d", "1")
    then = len(list(repository.log()))
    model = work.train("m", {"loss": 1.0}, uses={Role.TRAIN: [repository.artifact("d")]})
    work.data("d", "2")
    repository.tag("m", "prod")
    with repository.as_of(then) as past:
        assert past.artifact("d").version == 1
        assert past.models_trained_on("d").items == ()
        assert past.aliases() == []
        assert len(list(past.log())) == then
        assert [entry.position for entry in past.log(limit=1)] == [then - 1]
        assert b"".join(past.stream("d")) == b"1"
        with pytest.raises(NotFoundError):
            past.artifact("m")
        with pytest.raises(ReadOnlyError):
            past.tag("d", "prod")
        with pytest.raises(ReadOnlyError):
            past.put("d")
    with repository.as_of(str(then)) as again:
        assert again.artifact("d").version == 1
    with repository.as_of("2020-01-01") as before:
        assert before.artifacts().items == ()
    with repository.as_of("9999-12-31") as after:
        assert after.artifact("m") == model
    with repository.as_of(model.created) as at:
        assert at.artifact("m") == model
        assert at.artifact("d").version == 1
    assert repository.artifact("d").version == 2


@pytest.mark.parametrize("moment", ["", "soon", "-1", -1, 10**9, "999999", "2026-02-30", "1" * 30])
def test_no_such_moment(repository: Repository, moment: str | int) -> None:
    """What is no moment, or none that the log has seen, is refused."""
    with pytest.raises(InvalidInputError, match=r"neither a date|the log holds"):
        repository.as_of(moment)


# ---------------------------------------------------------------------------- search


def test_search_by_value(repository: Repository, world: World) -> None:
    """Runs, evaluations and models are found by what was measured and set, in pages."""
    found = repository.search(where="auc > 0.75")
    assert {type(item).__name__ for item in found.items} == {"Artifact", "Evaluation"}
    assert labels(repository.search(where="auc > 0.75", kinds=["model"])) == ["tuned@v1"]
    assert labels(repository.search(where="loss <= 0.5 and lr = 0.1", kinds=["model"])) == ["base@v1"]
    assert labels(repository.search("TUNE", where="loss < 1")) == ["tuned@v1"]
    assert [run.name for run in repository.search(where="booster = trees", kinds=["run"]).items] == ["fit.py"]
    page = repository.search(where="loss < 1", kinds=["model"], limit=1)
    assert labels(page) == [world.tuned.label]
    assert labels(repository.search(where="loss < 1", kinds=["model"], after=page.next)) == [world.base.label]
    assert repository.search(where="loss < 1", kinds=["experiment"]).items == ()
    with pytest.raises(InvalidInputError, match="at character 8"):
        repository.search(where="loss < high")
    with pytest.raises(InvalidInputError, match="no kind 'alias'"):
        repository.search("x", kinds=["alias"])
    with pytest.raises(InvalidInputError, match="not a text"):
        repository.search("\udcff")


def test_search_by_name_in_pages(repository: Repository, world: World) -> None:
    """A search by name alone comes in pages too, experiments included."""
    whole = [item.label for item in repository.search("e").items]
    read, after = [], None
    while True:
        page = repository.search("e", limit=2, after=after)
        read += labels(page)
        if (after := page.next) is None:
            break
    assert read == whole
    assert {"delays", world.base.label} <= set(whole)


# ---------------------------------------------------------------------------- tokens


def test_tokens() -> None:
    """A token is good for its own question alone, however the question is put."""
    cursor = Cursor(-5, bytes(range(32)))
    bound = tokens.bind({"verb": "models", "ref": "x", "transitive": False, "kinds": []})
    token = tokens.encode(cursor, bound)
    assert tokens.decode(token, tokens.bind({"ref": "x", "verb": "models", "as_of": None})) == cursor
    assert tokens.decode(None, bound) is None
    for other in ({"verb": "models", "ref": "y"}, {"verb": "runs", "ref": "x"}, {}):
        with pytest.raises(InvalidInputError, match="belongs to another question"):
            tokens.decode(token, tokens.bind(other))
    for bad in ("", "x", token + "=", token[:-1], token + "A", "é", "\x00"):
        with pytest.raises(InvalidInputError, match=r"not a page token|another question"):
            tokens.decode(bad, bound)
