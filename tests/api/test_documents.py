"""Parsing and validating: once for each text, and never beyond the limits."""

from __future__ import annotations

import contextlib
import time

import graphql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.api import documents
from lin.api.schema import schema

DEEP = "{ models { nodes " + "{ run { used { artifact " * 4 + "{ id }" + " } } }" * 4 + " } }"


@pytest.fixture(autouse=True)
def _empty_cache():
    documents.checked.cache_clear()


def errors_of(text: str) -> list[str]:
    return [error.message for error in documents.checked(schema._schema, text).errors]


def test_second_request_hits_the_cache(ask):
    """A query's text is parsed and validated once, whatever its variables are."""
    query = "query($first: Int!) { models(first: $first) { nodes { ref } } }"
    for first in (1, 2, 3):
        ask(query, first=first)
    info = documents.checked.cache_info()
    assert (info.misses, info.hits) == (1, 2)


def test_validation_is_not_run_twice(ask, monkeypatch):
    """Strawberry does not validate again what the cache has validated."""
    ask("{ repository { id } }")

    def explode(*_):
        raise AssertionError

    monkeypatch.setattr("strawberry.schema.schema.validate_document", explode)
    ask("{ repository { id } }")


def test_wrong_documents_are_cached_too(ask):
    """An invalid query costs its validation once and gets the same answer each time."""
    answers = [ask.raw("{ nope }") for _ in range(2)]
    assert answers[0] == answers[1]
    assert documents.checked.cache_info().hits == 1


def test_graphiql_may_introspect(ask):
    """The introspection query of GraphiQL, with everything switched on, is within the limits."""
    query = graphql.get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    assert graphql.build_client_schema(ask(query)).query_type


def test_depth_is_limited():
    """Fields may lie 12 deep, and no deeper."""
    assert errors_of(DEEP) == ["the query is too large: 15 levels deep, where 12 are allowed"]
    assert not errors_of(
        "{ models { nodes { run { used { artifact { run { used { artifact { run { used { role } } } } } } } } } } }"
    )


def test_depth_counts_through_fragments():
    """Depth cannot be hidden in fragments."""
    links = " ".join(f"fragment F{n} on Artifact {{ run {{ generated {{ ...F{n + 1} }} }} }}" for n in range(8))
    text = f'{{ artifact(ref: "a") {{ ...F0 }} }} {links} fragment F8 on Artifact {{ id }}'
    assert errors_of(text) == ["the query is too large: 18 levels deep, where 12 are allowed"]


def test_a_hundred_levels_are_refused():
    """A query a hundred levels deep is refused."""
    text = "{ artifact { " + "run { experiment { " * 50 + "id" + " } }" * 50 + " } }"
    assert "levels deep" in errors_of(text)[0]


def test_nesting_that_is_no_depth_is_limited_too():
    """Inline fragments add no depth, but cannot nest without end."""
    text = "{ node(id: 1) " + "{ ... on Node " * 100 + "{ id }" + "}" * 100 + " }"
    assert errors_of(text) == ["the query is nested more than 60 levels deep"]


def test_what_cannot_even_be_read_is_refused():
    """Nesting that exhausts the parser's stack is an error of the query, not of the server."""
    with pytest.raises(graphql.GraphQLError, match="nested too deeply"):
        documents.checked(schema._schema, "{a" * 900 + "}" * 900)


def test_ten_thousand_aliases_are_refused():
    """Ten thousand aliases are too many tokens, which ends the parsing."""
    text = "{ " + " ".join(f"a{n}: repository {{ id }}" for n in range(10_000)) + " }"
    with pytest.raises(graphql.GraphQLError, match="2000 tokens"):
        documents.checked(schema._schema, text)


@pytest.mark.parametrize(("count", "refused"), [(30, False), (31, True)])
def test_aliases_are_limited(count, refused):
    """Thirty aliases are allowed, one more is not."""
    text = "{ " + " ".join(f"a{n}: repository {{ id }}" for n in range(count)) + " }"
    assert bool(errors_of(text)) == refused


def test_aliases_count_once_for_each_spread():
    """Aliases in a fragment count for each time it is spread."""
    fragment = "fragment F on Artifact { " + " ".join(f"a{n}: name" for n in range(11)) + " }"
    spreads = "{ models { nodes { ...F } } datasets { nodes { ...F } } artifacts { nodes { ...F } } }"
    assert errors_of(f"{spreads} {fragment}") == ["the query is too large: 33 aliases, where 30 are allowed"]


def test_doubling_fragments_are_refused_quickly():
    """A chain of fragments of which each spreads the next twice is counted in linear time."""
    links = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(50))
    text = f"{{ ...F0 }} {links} fragment F50 on Query {{ repository {{ id }} }}"
    start = time.perf_counter()
    assert "fields, where 1,000 are allowed" in errors_of(text)[0]
    assert time.perf_counter() - start < 2


def test_equal_fields_are_limited():
    """Equal fields, which validation compares in pairs, are limited before it does."""
    start = time.perf_counter()
    assert "fields" in errors_of("{ repository { " + "id " * 1_900 + "} }")[0]
    assert time.perf_counter() - start < 2


def test_circular_fragments_are_refused():
    """Fragments that spread themselves are refused, not followed."""
    text = "{ models { nodes { ...A } } } fragment A on Artifact { ...B } fragment B on Artifact { ...A }"
    assert "Cannot spread fragment" in errors_of(text)[0]


def test_unknown_fragments_are_refused():
    """A fragment that is not there is an error of the query."""
    assert "Unknown fragment" in errors_of("{ models { nodes { ...Nowhere } } }")[0]


def test_unknown_fields_get_a_suggestion():
    """A misspelt field is answered with what it could have been."""
    assert "Did you mean 'models'" in errors_of("{ model { nodes { id } } }")[0]


def test_nested_introspection_is_refused():
    """Introspection may not multiply lists of types by lists of fields again and again."""
    text = "{ __schema { types " + "{ fields { type " * 6 + "{ name }" + " } }" * 6 + " } }"
    assert any("introspection depth" in message for message in errors_of(text))


@given(st.text(alphabet="{}()[]:,.$@!=|&\"'#abcF \n1", max_size=60))
def test_any_text_is_answered(text):
    """Whatever the text, checking it returns or raises an error of the query."""
    with contextlib.suppress(graphql.GraphQLError):
        documents.checked(schema._schema, text)
