"""Every question of lineage has one answer, asked of the protocol, in Python, on the command line and over GraphQL.

A row of `QUESTIONS` is a question with its answer and all four ways to ask it; none of them can be left out.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lin import indexes
from lin.asking import Asking
from lin.cli import entry
from lin.lineage import filters, questions, searching
from lin.lineage.graph import PROVENANCE, Cursor, Direction, EdgeKind, Graph, NodeKind
from lin.lineage.measures import values_of
from lin.lineage.moment import Moment
from lin.lineage.past import open_past
from lin.lineage.words import ArtifactKind, Role
from lin.recording import Recording
from lin.records import Artifact
from lin.repository import Repository

UP, DOWN = Direction.UP, Direction.DOWN
DATASET, MODEL, RUN = NodeKind.DATASET, NodeKind.MODEL, NodeKind.RUN


@dataclass
class Everywhere:
    """One repository, asked in four ways; answers are made plain: names instead of ids."""

    repository: Repository
    ask: Callable[..., Any]
    call: Callable[..., Any]
    moment: int
    """How many events the log held before the second model."""
    then: str
    """The time at which the first model was recorded."""
    runs: dict[str, str]

    @property
    def graph(self) -> Graph:
        return self.repository.graph

    def id(self, name: str) -> bytes:
        return self.graph.find(name=name)[0].id

    def contents(self, name: str) -> list[bytes]:
        return [edge.source for edge in self.graph.edges([self.id(name)], UP, {EdgeKind.HAS_CONTENT})]


@dataclass(frozen=True)
class Question:
    """A question, its answer, and how it is asked."""

    name: str
    answer: Any
    protocol: Callable[[Everywhere], Any]
    python: Callable[[Everywhere], Any]
    command: Callable[[Everywhere], Any]
    graphql: Callable[[Everywhere], Any]


def names(items: Any) -> list[str]:
    """Return the names of nodes, records, or what JSON holds of these."""
    return [item["name"] if isinstance(item, dict) else item.name for item in items]


def relations(edges: Any) -> list[str]:
    """Return what the edges of a way say, of any form."""
    return [
        (
            edge["relation"]
            if isinstance(edge, dict)
            else getattr(edge, "relation", None) or edge.kind.word  # a record's, or a graph's
        )
        .lower()
        .replace("_", " ")
        for edge in edges
    ]


RAW_TO_TUNED = ["used", "generated"] * 3


def closure(
    name: str,
    answer: Any,
    direction: Direction,
    kinds: list[NodeKind],
    *,
    depth: int | None = None,
    times: Callable[[Everywhere], dict[str, str]] = lambda _: {},
) -> Question:
    """Return a question for a closure with its count, of `tuned` upstream or of `raw` downstream."""
    start = "tuned" if direction is UP else "raw"
    words = [kind.word for kind in kinds]

    def protocol(every: Everywhere) -> Any:
        created = every.graph.get([every.id("base")])[every.id("base")].created
        asked: Any = {"nodes": kinds, "depth": depth, **dict.fromkeys(times(every), created)}
        edges = PROVENANCE
        found = every.graph.closure([every.id(start)], direction, edges, **asked)
        return names(found), every.graph.closure_size([every.id(start)], direction, edges, **asked)

    def python(every: Everywhere) -> Any:
        page = every.repository.closure(start, direction=direction, kinds=words, depth=depth, **times(every))  # type: ignore[arg-type]
        return names(page.items), page.total

    def command(every: Everywhere) -> Any:
        options = [f"--{option}={value}" for option, value in times(every).items()]
        options += [f"--kind={word}" for word in words] + (["--down"] if direction is DOWN else [])
        page = every.call("trace", start, *options, *([] if depth is None else ["--depth", str(depth)]))
        return names(page["items"]), page["total"]

    def graphql(every: Everywhere) -> Any:
        page = every.ask(
            """query($ref: String!, $way: Direction!, $kinds: [ThingKind!], $depth: Int, $since: String,
            $until: String) {
            closure(ref: $ref, direction: $way, kinds: $kinds, depth: $depth, since: $since, until: $until) {
              totalCount nodes { ... on Artifact { name } ... on Run { name } } } }""",
            ref=start,
            way=direction.name,
            kinds=[kind.name for kind in kinds],
            depth=depth,
            **times(every),
        )["closure"]
        return names(page["nodes"]), page["totalCount"]

    return Question(name, answer, protocol, python, command, graphql)


def walk(read: Callable[[Any], tuple[list[str], Any]]) -> list[list[str]]:
    """Return all pages, given what returns one and where it ended."""
    pages, after = [], None
    while True:
        some, after = read(after)
        pages.append(some)
        if after is None:
            return pages


def closure_in_pages() -> Question:
    """Return a question for a closure in pages of one."""

    def protocol(every: Everywhere) -> Any:
        def read(after: Cursor | None) -> tuple[list[str], Cursor | None]:
            found = every.graph.closure([every.id("raw")], DOWN, PROVENANCE, nodes=[MODEL], after=after, limit=1)
            return names(found), Cursor(found[0].created, found[0].id) if names(found) == ["base"] else None

        return walk(read)

    def python(every: Everywhere) -> Any:
        def read(after: Cursor | None) -> tuple[list[str], Cursor | None]:
            page = every.repository.closure("raw", direction=DOWN, kinds=["model"], after=after, limit=1)
            return names(page.items), page.next

        return walk(read)

    def command(every: Everywhere) -> Any:
        def read(token: str | None) -> tuple[list[str], str | None]:
            more = ["--after", token] if token else []
            page = every.call("trace", "raw", "--down", "--kind", "model", "-n", "1", *more)
            return names(page["items"]), page["next"]

        return walk(read)

    def graphql(every: Everywhere) -> Any:
        def read(after: str | None) -> tuple[list[str], str | None]:
            page = every.ask(
                """query($after: String) {
                closure(ref: "raw", direction: DOWN, kinds: [MODEL], first: 1, after: $after) {
                nodes { ... on Artifact { name } } pageInfo { hasNextPage endCursor } } }""",
                after=after,
            )["closure"]
            return names(page["nodes"]), page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None

        return walk(read)

    return Question("closure, in pages", [["base"], ["tuned"]], protocol, python, command, graphql)


def trained(name: str, answer: Any, ref: str, *, transitive: bool) -> Question:
    """Return a question for the models trained on something, with how many these are."""

    def protocol(every: Everywhere) -> Any:
        found = questions.models_trained_on(every.graph, every.contents(ref), transitive=transitive)
        count = questions.count_models_trained_on(every.graph, every.contents(ref), transitive=transitive)
        return [(each.model.name, each.direct) for each in found], count

    def python(every: Everywhere) -> Any:
        page = every.repository.models_trained_on(ref, transitive=transitive)
        return [(each.model.name, each.direct) for each in page.items], page.total

    def command(every: Everywhere) -> Any:
        wider = ["--transitive"] if transitive else []
        page = every.call("models", "--trained-on", ref, *wider, "-n", "9", status=0 if answer[0] else 1)
        return [(each["model"]["name"], each["direct"]) for each in page["items"]], page["total"]

    def graphql(every: Everywhere) -> Any:
        page = every.ask(
            """query($ref: String!, $transitive: Boolean!) { modelsTrainedOn(ref: $ref, transitive: $transitive) {
            totalCount nodes { direct model { name } } } }""",
            ref=ref,
            transitive=transitive,
        )["modelsTrainedOn"]
        return [(each["model"]["name"], each["direct"]) for each in page["nodes"]], page["totalCount"]

    return Question(name, answer, protocol, python, command, graphql)


def leaking(name: str, answer: Any, model: str | None) -> Question:
    """Return a question for leaks: of which model, tested on what, learned as what."""

    def protocol(every: Everywhere) -> Any:
        found = questions.leaks(every.graph, None if model is None else [every.id(model)])
        nodes = every.graph.get({node for leak in found for node in leak.learned})
        return [
            (leak.evaluation.facets["evaluation"]["metrics"]["auc"], names(nodes[node] for node in leak.learned))
            for leak in found
        ]

    def python(every: Everywhere) -> Any:
        found = every.repository.leaks(model).items
        return [(leak.evaluation.metrics["auc"], names(leak.learned)) for leak in found]

    def command(every: Everywhere) -> Any:
        page = every.call("leaks", *([model] if model else []), status=1 if answer else 0)
        return [(leak["evaluation"]["metrics"]["auc"], names(leak["learned"])) for leak in page["items"]]

    def graphql(every: Everywhere) -> Any:
        page = every.ask(
            "query($m: String) { leaks(model: $m) { nodes { evaluation { metrics } learned { name } } } }", m=model
        )["leaks"]
        return [(leak["evaluation"]["metrics"]["auc"], names(leak["learned"])) for leak in page["nodes"]]

    return Question(name, answer, protocol, python, command, graphql)


def impact() -> Question:
    """Return a question for all that stands on something."""

    def protocol(every: Everywhere) -> Any:
        found = questions.impact(every.graph, [every.id("raw")])
        counts = (found.model_count, found.evaluation_count, found.runs, found.artifacts)
        return names(found.models), counts, names(found.aliases)

    def python(every: Everywhere) -> Any:
        found = every.repository.impact("raw")
        counts = (found.model_count, found.evaluation_count, found.runs, found.artifacts)
        return names(found.models), counts, [alias.label for alias in found.aliases]

    def command(every: Everywhere) -> Any:
        found = every.call("impact", "raw")
        counts = tuple(found[count] for count in ("model_count", "evaluation_count", "runs", "artifacts"))
        return names(found["models"]), counts, [f"{each['name']}@{each['alias']}" for each in found["aliases"]]

    def graphql(every: Everywhere) -> Any:
        found = every.ask("""{ impact(ref: "raw") { modelCount evaluationCount runs artifacts
          models { name } allEvaluations { totalCount } aliases { ref } } }""")["impact"]
        assert found["allEvaluations"]["totalCount"] == found["evaluationCount"]
        counts = tuple(found[count] for count in ("modelCount", "evaluationCount", "runs", "artifacts"))
        return names(found["models"]), counts, [alias["ref"] for alias in found["aliases"]]

    answer = (["base", "tuned"], (2, 3, 3, 3), ["tuned@prod"])
    return Question("impact, with aliases", answer, protocol, python, command, graphql)


def difference(name: str, ref: Callable[[Everywhere, str], str]) -> Question:
    """Return a question for how two things differ: the kinds of difference, and what differs."""

    def told(found: Any) -> Any:
        def get(item: Any, field: str) -> Any:
            return item[field] if isinstance(item, dict) else getattr(item, field)

        return {
            "code": [(str(get(each, "change")), get(each, "path")) for each in get(found, "code")],
            "data": sorted(
                (str(get(each, "role")).lower().replace("_", "-"), get(each, "name")) for each in get(found, "data")
            ),
            "parameters": [
                (get(each, "name"), get(each, "old"), get(each, "new")) for each in get(found, "parameters")
            ],
            "environment": names(get(found, "environment")),
            "metrics": ("loss", 0.5, 0.2)
            in [(get(each, "name"), get(each, "old"), get(each, "new")) for each in get(found, "metrics")],
        }

    def protocol(every: Everywhere) -> Any:
        # The graph tells what differs; which files of a code tree do, and which packages, their bytes tell.
        nodes = every.graph.get([bytes.fromhex(every.runs[model]) for model in ("base", "tuned")])
        old, new = (
            {(w.word, n): v for w, n, v in values_of(nodes[bytes.fromhex(every.runs[m])])} for m in ("base", "tuned")
        )
        uses = [
            {
                (str(edge.kind.role), edge.source)
                for edge in every.graph.edges([bytes.fromhex(every.runs[m])], UP, [EdgeKind.used(r) for r in Role])
            }
            for m in ("base", "tuned")
        ]
        used = every.graph.get({node for _, node in uses[0] ^ uses[1]})
        differing = {(role, used[node].name) for role, node in uses[0] ^ uses[1]}
        assert {("code", "project"), ("environment", "env")} <= differing
        bytes_told = told(every.repository.diff(ref(every, "base"), ref(every, "tuned")))
        return {
            **bytes_told,
            "data": sorted(pair for pair in differing if pair[0] not in {"code", "environment"}),
            "parameters": [
                (n, old.get((w, n)), new.get((w, n)))
                for w, n in sorted(old.keys() | new.keys())
                if w == "parameter" and old.get((w, n)) != new.get((w, n))
            ],
            "metrics": (old["metric", "loss"], new["metric", "loss"]) == (0.5, 0.2),
        }

    def python(every: Everywhere) -> Any:
        return told(every.repository.diff(ref(every, "base"), ref(every, "tuned")))

    def command(every: Everywhere) -> Any:
        return told(every.call("diff", ref(every, "base"), ref(every, "tuned")))

    def graphql(every: Everywhere) -> Any:
        return told(
            every.ask(
                """query($old: String!, $new: String!) { diff(old: $old, new: $new) { code { change path }
                data { role name } parameters { name old new } environment { name } metrics { name old new } } }""",
                old=ref(every, "base"),
                new=ref(every, "tuned"),
            )["diff"]
        )

    answer = {
        "code": [("changed", "fit.py"), ("added", "more.py")],
        "data": [("base-model", "base"), ("train", "train")],
        "parameters": [("lr", 0.1, 0.01)],
        "environment": ["numpy"],
        "metrics": True,
    }
    return Question(name, answer, protocol, python, command, graphql)


def search(name: str, answer: list[str], kinds: list[NodeKind], text: str | None, where: str | None) -> Question:
    """Return a question for what is found by name, kind and values."""
    words = [kind.word for kind in kinds]

    def protocol(every: Everywhere) -> Any:
        conditions = filters.parse(where) if where else ()
        return names(searching.search(every.graph, kinds=kinds, text=text, where=conditions).nodes)

    def python(every: Everywhere) -> Any:
        return names(every.repository.search(text, kinds=words, where=where).items)

    def command(every: Everywhere) -> Any:
        options = [f"--kind={word}" for word in words] + ([f"--where={where}"] if where else [])
        return names(every.call("search", *([text] if text else []), *options, status=0 if answer else 1)["items"])

    def graphql(every: Everywhere) -> Any:
        page = every.ask(
            """query($text: String, $kinds: [ThingKind!], $where: String) {
            found(text: $text, kinds: $kinds, where: $where) {
            nodes { ... on Artifact { name } ... on Run { name } } } }""",
            text=text,
            kinds=[kind.name for kind in kinds],
            where=where,
        )["found"]
        return names(page["nodes"])

    return Question(name, answer, protocol, python, command, graphql)


def as_of(name: str, answer: list[str], moment: Callable[[Everywhere], str]) -> Question:
    """Return a question for which models there were, trained on something, at a moment."""

    def protocol(every: Everywhere) -> Any:
        text = moment(every)
        at = Moment(size=int(text)) if text.isdecimal() else Moment(at=text)
        past = open_past(every.repository._ledger.log, every.repository.cache, at)
        try:
            found = questions.models_trained_on(past, every.contents("raw"), transitive=True)
            return names(each.model for each in found)
        finally:
            past.close()

    def python(every: Everywhere) -> Any:
        with every.repository.as_of(moment(every)) as past:
            return names(each.model for each in past.models_trained_on("raw", transitive=True).items)

    def command(every: Everywhere) -> Any:
        found = every.call("models", "--trained-on", "raw", "--transitive", "--as-of", moment(every))
        return names(each["model"] for each in found)

    def graphql(every: Everywhere) -> Any:
        page = every.ask(
            """query($at: String) { modelsTrainedOn(ref: "raw", transitive: true, asOf: $at) {
            nodes { model { name } } } }""",
            at=moment(every),
        )["modelsTrainedOn"]
        return names(each["model"] for each in page["nodes"])

    return Question(name, answer, protocol, python, command, graphql)


QUESTIONS = [
    trained("models trained on it, directly", ([("base", True)], 1), "train", transitive=False),
    trained("models trained on it, through nothing else", ([], 0), "raw", transitive=False),
    trained("models trained on it, transitively", ([("base", False), ("tuned", False)], 2), "raw", transitive=True),
    Question(
        "models trained on it, through which path",
        ["has content", *RAW_TO_TUNED],
        lambda every: relations(questions.training_path(every.graph, every.contents("raw"), every.id("tuned")) or ()),
        lambda every: relations(_way(every.repository.training_path("raw", "tuned")).edges),
        lambda every: relations(
            every.call("models", "--trained-on", "raw", "--transitive", "--explain")[1]["path"]["edges"]
        ),
        lambda every: relations(
            every.ask('{ modelsTrainedOn(ref: "raw", transitive: true) { nodes { path { edges { relation } } } } }')[
                "modelsTrainedOn"
            ]["nodes"][1]["path"]["edges"]
        ),
    ),
    closure("closure upstream, of a kind, counted", (["raw", "train"], 2), UP, [DATASET]),
    closure("closure downstream, of kinds, counted", (["train", "base", "tuned"], 3), DOWN, [DATASET, MODEL]),
    closure("closure to a depth", (["clean.py", "train", "fit.py"], 3), DOWN, [DATASET, MODEL, RUN], depth=3),
    closure("closure since a time", (["base", "tuned"], 2), DOWN, [DATASET, MODEL], times=lambda e: {"since": e.then}),
    closure("closure until a time", (["train", "base"], 2), DOWN, [DATASET, MODEL], times=lambda e: {"until": e.then}),
    closure_in_pages(),
    Question(
        "path",
        RAW_TO_TUNED,
        lambda every: relations(every.graph.path(every.id("raw"), every.id("tuned"), PROVENANCE) or ()),
        lambda every: relations(_way(every.repository.path("raw", "tuned")).edges),
        lambda every: relations(every.call("path", "raw", "tuned")["edges"]),
        lambda every: relations(
            every.ask('{ path(source: "raw", target: "tuned") { edges { relation } } }')["path"]["edges"]
        ),
    ),
    Question(
        "no path",
        None,
        lambda every: every.graph.path(every.id("test"), every.id("raw"), PROVENANCE),
        lambda every: every.repository.path("raw", "test"),
        lambda every: every.call("path", "raw", "test", status=1),
        lambda every: every.ask('{ path(source: "raw", target: "test") { length } }')["path"],
    ),
    impact(),
    leaking("leaks of one model", [(0.99, ["raw"])], "tuned"),
    leaking("leaks of a model without", [], "base"),
    leaking("leaks of all models", [(0.99, ["raw"])], None),
    difference("diff of models", lambda _, model: model),
    difference("diff of runs", lambda every, model: every.runs[model]),
    as_of("as of a position of the log", ["base"], lambda every: str(every.moment)),
    as_of("as of a time", ["base"], lambda every: every.then),
    as_of("as of a later time", ["base", "tuned"], lambda _: "9999-01-01T00:00:00.000000Z"),
    search("search by name and kind", ["tuned"], [MODEL], "TUNE", None),
    search("search by a metric's range", ["tuned"], [MODEL], None, "auc > 0.7"),
    search("search by a parameter's range", ["fit.py"], [RUN], None, "lr >= 0.1 and lr < 1"),
    search("search by name, kind and both", ["tuned"], [MODEL, RUN], "t", "loss <= 0.2 and auc > 0.9 and lr = 0.01"),
    search("search for what there is not", [], [MODEL, RUN], None, "auc > 0.9 and lr = 0.1"),
]


def _way(found: Any) -> Any:
    assert found is not None
    return found


def fill(repository: Repository, folder: Path) -> tuple[int, str, dict[str, str]]:
    """Raw data became a training set, that a model, and that another one; both are tested, one of them on raw data."""

    def data(name: str, content: str) -> Artifact:
        (folder / name).write_text(content)
        return repository.put(folder / name, name=name).artifact

    raw, test = data("raw", "1\n2\n"), data("test", "9\n")
    with Recording.start(repository, name="clean.py", experiment="delays", folder=folder) as run:
        run.use(raw, role=Role.INPUT)
        (folder / "train").write_text("1\n")
        train = run.save(folder / "train", kind="dataset", name="train")
    models: list[Artifact] = []
    runs = {}
    moment = 0
    for name, base, options in (("base", None, {"lr": 0.1}), ("tuned", "base", {"lr": 0.01})):
        code = folder / f"code of {name}"
        code.mkdir()
        (code / "fit.py").write_text(name)
        if base:
            moment = int(repository.checkpoint().splitlines()[1])
            (code / "more.py").write_text("more")
        env = folder / "env.json"
        env.write_text(json.dumps({"packages": {"numpy": "2.0" if base else "1.0"}}))
        with Recording.start(repository, name="fit.py", experiment="delays", parameters=options, folder=folder) as run:
            put = repository.put(code, name="project", kind=ArtifactKind.CODE)
            run.use(put.artifact, role=Role.CODE)
            run.use(repository.put(env, name="env", kind=ArtifactKind.ENVIRONMENT).artifact, role=Role.ENVIRONMENT)
            run.use(models[0] if base else train, role=Role.BASE_MODEL if base else Role.TRAIN)
            run.log_metrics({"loss": 0.2 if base else 0.5})
            (folder / name).write_text(name)
            models.append(run.save(folder / name, kind="model", name=name))
        runs[name] = str(run.id)
    copy = data("innocent", "1\n2\n")
    for model, dataset, auc in ((models[0], test, 0.7), (models[1], copy, 0.99), (models[1], test, 0.8)):
        with Recording.start(repository, name="test.py", experiment="tests", folder=folder) as run:
            run.use(dataset, role=Role.TEST)
            run.evaluated(model, dataset, {"auc": auc})
    repository.tag("tuned", "prod")
    return moment, models[0].created, runs


@pytest.fixture(scope="module")
def filled(make_repository, tmp_path_factory) -> tuple[Repository, int, str, dict[str, str]]:
    repository = make_repository()
    return (repository, *fill(repository, tmp_path_factory.mktemp("work")))


@pytest.fixture
def every(filled, make_asker, capfd, monkeypatch) -> Everywhere:
    repository, *known = filled

    def call(*arguments: str, status: int = 0) -> Any:
        capfd.readouterr()
        found = entry.run(["--repo", repository.url, *arguments, "--json"])
        out, err = capfd.readouterr()
        assert (found, err) == (status, ""), out
        return json.loads(out)

    monkeypatch.setenv("NO_COLOR", "")
    return Everywhere(repository, make_asker(repository), call, *known)


WAYS = ("protocol", "python", "command", "graphql")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_one_answer_everywhere(every, question, way):
    """Each question is answered, and with the same, whichever way it is asked."""
    assert getattr(question, way)(every) == question.answer


@pytest.fixture
def with_neo4j(every, empty_neo4j, monkeypatch) -> Iterator[Everywhere]:
    """Let a real Neo4j server answer."""
    monkeypatch.setenv(indexes.USER, empty_neo4j.auth[0])
    monkeypatch.setenv(indexes.PASSWORD, empty_neo4j.auth[1])
    every.repository.use_index(empty_neo4j.uri)
    yield every
    every.repository.use_index("sqlite")


@pytest.mark.service
@pytest.mark.timeout(300)
def test_one_answer_with_neo4j(with_neo4j):
    """Neo4j answers each question with the same as the embedded graph, whichever way it is asked."""
    answers = {(q.name, way): getattr(q, way)(with_neo4j) for q in QUESTIONS for way in WAYS}
    assert answers == {(q.name, way): q.answer for q in QUESTIONS for way in WAYS}
    assert with_neo4j.repository.notices == []


def test_no_question_is_left_out():
    """Whatever the repository can be asked of lineage is in the table; tables of metrics are tested on their own."""
    asked = {name for name, made in vars(Asking).items() if inspect.isfunction(made) and not name.startswith("_")}
    assert asked - {"trace", "metrics", "evaluations"} == {
        name for name in asked if any(f".{name}(" in inspect.getsource(question.python) for question in QUESTIONS)
    }
