"""Pages: complete, without repeats, while the list grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin import tokens
from lin.api.schema import paging
from lin.errors import InvalidInputError
from lin.lineage.graph import Cursor

ARTIFACTS = """query($first: Int!, $after: String, $newest: Boolean!) {
  artifacts(first: $first, after: $after, newestFirst: $newest) {
    edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


def walk(ask, query, field, **variables):
    seen, after = [], None
    while True:
        page = ask(query, after=after, **variables)[field]
        seen += [node["id"] for node in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        if not page["pageInfo"]["hasNextPage"]:
            return seen
        after = page["pageInfo"]["endCursor"]


@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize("first", [1, 2, 3, 5, 1000])
def test_pages_hold_everything_once(ask, world, first, newest):
    """Pages of any size, put together, are the whole list in its order."""
    seen = walk(ask, ARTIFACTS, "artifacts", first=first, newest=newest)
    expected = [str(item.id) for item in world.repository.artifacts(newest_first=newest).items]
    assert seen == expected


def test_cursors_of_edges(ask):
    """Every edge's cursor can be gone on from, and the page's own cursors are those of its ends."""
    page = ask(ARTIFACTS, first=3, newest=False)["artifacts"]
    cursors = [edge["cursor"] for edge in page["edges"]]
    assert (cursors[0], cursors[-1]) == (page["pageInfo"]["startCursor"], page["pageInfo"]["endCursor"])
    rest = ask(ARTIFACTS, first=2, after=cursors[0], newest=False)["artifacts"]
    assert [node["id"] for node in rest["nodes"]] == [node["id"] for node in page["nodes"][1:]]


def test_what_is_added_between_pages_moves_nothing(own_world, make_asker, tmp_path):
    """A new artifact between two pages, newest first, neither repeats nor hides an older one."""
    ask = make_asker(own_world.repository)
    before = [str(item.id) for item in own_world.repository.artifacts(newest_first=True).items]
    first = ask(ARTIFACTS, first=2, newest=True)["artifacts"]
    (tmp_path / "new.csv").write_text("new")
    own_world.repository.put(tmp_path / "new.csv")
    rest = ask(ARTIFACTS, first=1000, after=first["pageInfo"]["endCursor"], newest=True)["artifacts"]
    assert [node["id"] for node in [*first["nodes"], *rest["nodes"]]] == before


@pytest.mark.parametrize(
    ("field", "query"),
    [
        ("runs", "runs(first: $first, after: $after)"),
        ("models", "models(first: $first, after: $after)"),
        ("datasets", "datasets(first: $first, after: $after)"),
        ("experiments", "experiments(first: $first, after: $after)"),
        ("evaluations", "evaluations(first: $first, after: $after)"),
    ],
)
def test_every_connection_pages(ask, field, query):
    """Every connection gives the same items page by page as at once."""
    page = "{ nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } }"
    text = f"query($first: Int!, $after: String) {{ {query} {page} }}"
    assert walk(ask, text, field, first=1) == walk(ask, text, field, first=1000) != []


def test_trained_models_page(ask):
    """The models trained on some data come in pages too."""
    text = """query($first: Int!, $after: String) { modelsTrainedOn(ref: "train", first: $first, after: $after) {
      nodes { model { ref } } pageInfo { hasNextPage endCursor } } }"""
    first = ask(text, first=1)["modelsTrainedOn"]
    assert first["pageInfo"]["hasNextPage"]
    second = ask(text, first=1, after=first["pageInfo"]["endCursor"])["modelsTrainedOn"]
    assert [n["model"]["ref"] for n in first["nodes"] + second["nodes"]] == ["delay-model@v1", "delay-model@v2"]
    assert not second["pageInfo"]["hasNextPage"]


def test_total_is_told_where_it_is_known(ask, world):
    """A list that fits into its first page says how many there are; a longer one does not count for it."""
    query = "query($first: Int!) { artifacts(first: $first) { totalCount } }"
    assert ask(query, first=1000)["artifacts"]["totalCount"] == 5
    assert ask(query, first=2)["artifacts"]["totalCount"] is None


def test_empty_page(ask):
    """A page of nothing has no cursors."""
    answer = ask('{ artifacts(name: "none") { nodes { id } pageInfo { hasNextPage startCursor endCursor } } }')
    assert answer["artifacts"] == {
        "nodes": [],
        "pageInfo": {"hasNextPage": False, "startCursor": None, "endCursor": None},
    }


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "äö", "AAAA", "a" * 54 + "=", "MTIzNA", "\x00", "A" * 10_000])
def test_bad_cursor_is_an_error_with_a_hint(ask, cursor):
    """What is no cursor is refused with its value and the way out."""
    for field in ("artifacts", "runs", "evaluations", "experiments"):
        error = ask.error(f"query($after: String) {{ {field}(after: $after) {{ nodes {{ id }} }} }}", after=cursor)
        assert error["extensions"]["code"] == "INVALID_INPUT"
        assert "not a cursor" in error["message"]
        assert len(error["message"]) < 200
        assert "endCursor" in error["extensions"]["hint"]


@pytest.mark.parametrize(
    "query",
    [
        "experiments(after: $after)",
        "models(after: $after)",
        "artifacts(after: $after, newestFirst: false)",
        'artifacts(after: $after, name: "train")',
        'artifacts(after: $after, asOf: "3")',
        "leaks(after: $after)",
    ],
)
def test_cursor_of_another_question(ask, query):
    """A cursor is good for the question that it came from alone, whatever differs in it."""
    foreign = ask("{ artifacts(first: 1) { pageInfo { endCursor } } }")["artifacts"]["pageInfo"]["endCursor"]
    error = ask.error(f"query($after: String) {{ {query} {{ totalCount }} }}", after=foreign)
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert "another question" in error["message"]


def test_cursor_of_the_same_question_in_other_words(ask):
    """The size of a page, an alias, a variable and an argument that is said by default change no question."""
    cursor = ask("{ artifacts(first: 1) { pageInfo { endCursor } } }")["artifacts"]["pageInfo"]["endCursor"]
    text = """query($after: String, $newest: Boolean!) {
      a: artifacts(first: 3, after: $after, newestFirst: $newest, kinds: null) { nodes { id } } }"""
    assert ask(text, after=cursor, newest=True)["a"]["nodes"]


def test_cursor_of_another_object(ask):
    """A cursor of one experiment's runs is not one of another's."""
    text = """query($after: String, $e: String!) {
      experiment(name: $e) { runs(first: 1, after: $after) { pageInfo { endCursor } } } }"""
    cursor = ask(text, e="delays")["experiment"]["runs"]["pageInfo"]["endCursor"]
    assert ask(text, e="delays", after=cursor)["experiment"]["runs"]
    error = ask.error("query($after: String) { runs(after: $after) { totalCount } }", after=cursor)
    assert "another question" in error["message"]


@pytest.mark.parametrize("first", [0, -1, 1001, 2**31 - 1])
def test_page_size_is_limited(ask, first):
    """A page has 1 to 1,000 items."""
    error = ask.error("query($first: Int!) { artifacts(first: $first) { nodes { id } } }", first=first)
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert str(first) in error["message"]


@given(st.integers(-(2**63), 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_cursors_round_trip(created, identity):
    """Every cursor is read back as it was written."""
    cursor = Cursor(created, identity)
    bound = tokens.bind({"field": "runs"})
    assert paging.decode(paging.encode(cursor, bound), bound) == cursor


@given(st.text(max_size=80))
def test_other_texts_are_no_cursors(text):
    """Any other text is refused, whatever it holds."""
    try:
        cursor = paging.decode(text, b"bound!")
    except InvalidInputError:
        return
    assert cursor is not None
    assert paging.encode(cursor, b"bound!") == text
