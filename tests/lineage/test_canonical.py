"""Canonical JSON, against the reference implementation of RFC 8785."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from lin.lineage.canonical import dumps
from lin.lineage.words import Role

NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text()
DOCUMENTS = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(DOCUMENTS)
def test_any_document(document):
    """Any document is written as the reference implementation writes it."""
    assert dumps(document) == rfc8785.dumps(document)


@pytest.mark.parametrize(
    "number", [0.0, -0.0, 1.0, 1e-4, 9.999e-5, 1e-6, 1e-7, 5e-324, 1e15, 0.1 + 1e15, 1e16, 1e20, 1e21, 1.5e300, 1 / 3]
)
def test_numbers_at_the_borders(number):
    """Numbers at which one notation ends and another begins are written alike, with either sign."""
    for signed in (number, -number):
        assert dumps(signed) == rfc8785.dumps(signed)
        assert json.loads(dumps(signed)) == signed


def test_keys_beyond_ascii():
    """Keys are sorted by UTF-16 units, where a character of two units comes before some of one."""
    assert dumps({"\ufb01": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb01":1}'.encode()


def test_words_and_controls():
    """Enumerated words are strings, and characters are escaped only where they must be."""
    assert (
        dumps([Role.BASE_MODEL, '\x00\x1f\x7f\u2028"\\/\n'])
        == b'["base-model","\\u0000\\u001f\x7f\xe2\x80\xa8\\"\\\\/\\n"]'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", {"\ud800": 1}, {1: 2}, b"x"])
def test_what_has_no_form(value):
    """What JSON cannot say exactly is refused, wherever it stands."""
    for document in (value, [value], {"a": {"b": value}}):
        with pytest.raises(ValueError):  # noqa: PT011 - each says it in its own words
            dumps(document)
