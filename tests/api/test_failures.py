"""Errors: what lin expects is answered, what it does not is masked and logged."""

from __future__ import annotations

import pytest
from graphql import GraphQLError

from lin.api.failures import describe
from lin.api.schema import context
from lin.errors import LinError, StorageFullError


class Broken:
    """A repository on a bad day."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def artifact(self, ref):
        raise self.error

    def aliases(self, name=None):
        raise self.error


def test_unknown_ref(ask):
    """An unknown ref is NOT_FOUND, names the ref, says where, and has a hint; the rest of the answer is there."""
    answer = ask.raw('{ artifact(ref: "nope") { id } repository { format } }')
    assert answer["data"] == {"artifact": None, "repository": {"format": 1}}
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND"
    assert "nope" in error["message"]
    assert error["path"] == ["artifact"]
    assert error["extensions"]["hint"]


def test_ambiguous_ref(own_world, make_asker):
    """An ambiguous ref is AMBIGUOUS and lists what it could be."""
    own_world.repository.put(own_world.folder / "train.csv", name="copy")
    digest = str(own_world.datasets["train"].digest)
    error = make_asker(own_world.repository).error("query($r: String!) { artifact(ref: $r) { id } }", r=digest)
    assert error["extensions"]["code"] == "AMBIGUOUS"
    assert set(error["extensions"]["candidates"]) == {"train@v1", "copy@v1"}


@pytest.mark.parametrize(
    "ref", ["", "@", "a@", "b3:xyz", "b3:1", "name@{not a date}", "\x00", "x" * 10_000, "🜁", "../../etc/passwd"]
)
def test_odd_refs(ask, ref):
    """Refs that mean nothing are answered with an error of lin's, whatever they hold."""
    for field in ("artifact", "run", "trace", "impact", "modelsTrainedOn"):
        error = ask.error(f"query($r: String!) {{ {field}(ref: $r) {{ __typename }} }}", r=ref)
        assert error["extensions"]["code"] in {"NOT_FOUND", "INVALID_INPUT"}
    assert not ask.faults


def test_wrong_kind_of_thing(ask, world):
    """A run's id where an artifact is wanted, and the other way round, is an input error."""
    error = ask.error("query($r: String!) { artifact(ref: $r) { id } }", r=world.runs[0])
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert ask.error('{ run(ref: "train") { id } }')["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{", {}),
        ("{ nope }", {}),
        ("{ artifact { id } }", {}),
        ("{ artifact(ref: 1) { id } }", {}),
        ('{ models(first: "x") { nodes { id } } }', {}),
        ("query($f: Int!) { models(first: $f) { nodes { id } } }", {"f": "x"}),
        ("query($f: Int!) { models(first: $f) { nodes { id } } }", {"f": 2**40}),
        ("query($f: Int!) { models(first: $f) { nodes { id } } }", {}),
        ("{ artifacts(kinds: [POTATO]) { nodes { id } } }", {}),
        ("subscription { a }", {}),
        ("fragment F on Query { repository { id } }", {}),
    ],
)
def test_queries_that_do_not_fit(ask, query, variables):
    """Queries and variables that do not fit the schema are the client's to correct, and no fault of the server."""
    answer = ask.raw(query, **variables)
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"INVALID_QUERY"}
    assert not ask.faults


@pytest.mark.parametrize("query", ['{ artifact(ref: "a") { id } }', "{ aliases { ref } }"])
def test_faults_are_masked(make_asker, query):
    """An unexpected error tells the client an id and no more; the log gets the error under that id."""
    fault = ZeroDivisionError("secret of /home/someone")
    ask = make_asker(Broken(fault))
    answer = ask.raw(query)
    assert "secret" not in str(answer)
    (error,) = answer["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("internal error", "INTERNAL")
    assert ask.faults == [(error["extensions"]["id"], fault)]


def test_what_json_cannot_hold_is_a_fault(world, make_asker):
    """An answer that cannot be encoded is a fault of the server, told as such."""

    class Odd:
        id = "a lone surrogate: \ud800"
        url, format = "", 0

    ask = make_asker(Odd())
    assert ask.error("{ repository { id } }")["extensions"]["code"] == "INTERNAL"
    assert len(ask.faults) == 1


@pytest.mark.parametrize("ref", ['"\\ud800"', '"\\u{D800}"', '"""\\ud800"""'])
def test_lone_surrogates_come_to_no_harm(ask, ref):
    """Escapes that stand for no character are refused, or taken as they are written."""
    error = ask.error(f"{{ artifact(ref: {ref}) {{ id }} }}")
    assert error["extensions"]["code"] in {"INVALID_QUERY", "NOT_FOUND", "INVALID_INPUT"}


def test_backend_errors_are_answers(make_asker):
    """A full disk is told as such, so that the client can wait and try again."""
    error = make_asker(Broken(StorageFullError("no room", hint="Make some."))).error('{ artifact(ref: "a") { id } }')
    assert error == {
        "message": "no room",
        "locations": [{"line": 1, "column": 3}],
        "path": ["artifact"],
        "extensions": {"code": "STORAGE_FULL", "hint": "Make some."},
    }


def kinds(error: type[LinError]):
    yield error
    for child in error.__subclasses__():
        yield from kinds(child)


@pytest.mark.parametrize("error", list(kinds(LinError)), ids=lambda error: error.__name__)
def test_every_kind_has_a_code(error):
    """Each error of the tree is told by its own kind."""
    instance = error.__new__(error)
    LinError.__init__(instance, "what")
    if error.kind == "ambiguous":
        instance.candidates = ("a", "b")

    def explode(*_):
        raise AssertionError

    described = describe(GraphQLError("x", original_error=GraphQLError("y", original_error=instance)), explode)
    assert described["extensions"]["code"] == error.kind.upper()
    assert described["message"] == "what"


def test_out_of_time(world, make_asker):
    """A request that has used up its time stops at the next question."""
    error = make_asker(world.repository, seconds=-1).error("{ models { nodes { id } } }")
    assert error["extensions"]["code"] == "TIMEOUT"
    assert error["extensions"]["hint"]


SAME = "content { artifacts { " * 4 + "ref" + " } }" * 4


@pytest.fixture(scope="module")
def crowded(make_repository, tmp_path_factory):
    """Return a repository in which 50 artifacts have one content: four levels on, 125 million."""
    repository = make_repository()
    path = tmp_path_factory.mktemp("crowd") / "same"
    path.write_text("same")
    for number in range(50):
        repository.put(path, name=f"copy{number}")
    return repository


def test_answers_that_multiply_are_cut(crowded, make_asker, monkeypatch):
    """An answer that multiplies with each level is stopped at once, and the thread can be used again."""
    monkeypatch.setattr(context, "MAX_ITEMS", 2_000)
    ask = make_asker(crowded, seconds=1000)
    error = ask.error(f"{{ artifacts {{ nodes {{ {SAME} }} }} }}")
    assert error["message"] == "the answer is too large: more than 2,000 items"
    assert error["extensions"]["code"] == "INVALID_QUERY"
    assert ask("{ repository { format } }") == {"repository": {"format": 1}}
    assert not ask.faults


def test_time_runs_out_between_questions(crowded, make_asker, monkeypatch):
    """A request that only computes is stopped when its time is up."""
    monkeypatch.setattr(context, "MAX_ITEMS", 10**9)
    ask = make_asker(crowded, seconds=0.5)
    # Where it stops is a matter of speed: before the first node, or in the middle of several.
    errors = ask.raw(f"{{ artifacts {{ nodes {{ {SAME} }} }} }}")["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"TIMEOUT"}
    assert ask("{ repository { format } }") == {"repository": {"format": 1}}
