"""The language of conditions on values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.errors import InvalidInputError
from lin.lineage.filters import LONGEST, Condition, parse
from lin.lineage.graph import Measure, NodeKind, Within
from lin.lineage.testing import node


@pytest.mark.parametrize(
    ("text", "within"),
    [
        ("a > 0.9", Within(low=0.9, low_open=True)),
        ("a>=-1e-3", Within(low=-0.001)),
        ("a < 5", Within(high=5, high_open=True)),
        ("a<=.5", Within(high=0.5)),
        ("a = 1", Within(equals=1.0)),
        ("a == true", Within(equals=True)),
        ("a = trees", Within(equals="trees")),
        ("a = '0.5'", Within(equals="0.5")),
        ("a = 007", Within(equals="007")),
        ("a = 1e999", Within(equals="1e999")),
        ('a = "x \\" \\\\ and b > 1"', Within(equals='x " \\ and b > 1')),
        ("a = and", Within(equals="and")),
    ],
)
def test_one_condition(text, within):
    """Numbers, booleans and texts are told apart as the command line tells parameters."""
    assert parse(text) == (Condition("a", within),)


def test_names():
    """A prefix says what is meant; whatever is quoted is a name as it stands."""
    assert parse("metric.auc = 1")[0] == Condition("auc", Within(equals=1.0), (Measure.METRIC,))
    assert parse("parameter.lr = 1")[0] == Condition("lr", Within(equals=1.0), (Measure.PARAMETER,))
    assert parse("'metric.auc' = 1")[0] == Condition("metric.auc", Within(equals=1.0))
    assert parse("val/auc:0-é = 1")[0].name == "val/auc:0-é"
    assert parse("'and' > 1")[0].name == "and"
    assert parse("metric. = 1")[0].name == "metric."


def test_several_conditions():
    """`and` joins conditions, and bounds on one value become one condition."""
    assert parse("a > 1 AND b = x and a <= 5 and a > 0 and metric.a > 2") == (
        Condition("b", Within(equals="x")),
        Condition("a", Within(1.0, 5.0, low_open=True)),
        Condition("a", Within(low=2.0, low_open=True), (Measure.METRIC,)),
    )
    assert parse("a > 1 and a >= 1 and a < 2 and a <= 2")[0].within == Within(1.0, 2.0, low_open=True, high_open=True)


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("", 1, "expected the name"),
        ("   ", 4, "expected the name"),
        ("accuracy", 9, "expected >, >=, <, <= or = after accuracy, found the end"),
        ("accuracy >", 11, "expected a value after >, found the end"),
        ("accuracy > high", 12, "expected a number after >, found 'high'"),
        ("accuracy > '1'", 12, "expected a number"),
        ("accuracy > nan", 12, "expected a number"),
        ("accuracy > true", 12, "expected a number"),
        ("accuracy != 1", 10, "expected >"),
        ("a => 1", 4, "expected a value after =, found '>'"),
        ("a = 1 or b = 2", 7, "expected 'and' or the end, found 'or'"),
        ("a = 1 and", 10, "expected the name"),
        ("a = 1 and and = 2", 11, "expected the name"),
        ("a = 1 'and' b = 2", 7, "expected 'and'"),
        ("a = 'open", 5, "this quote is not closed"),
        ("a = 1 b", 7, "expected 'and'"),
        ("> 1", 1, "expected the name"),
    ],
)
def test_malformed(text, place, problem):
    """An error says what is wrong, names the place, and shows it."""
    with pytest.raises(InvalidInputError) as caught:
        parse(text)
    assert f"at character {place}: " in caught.value.message
    assert problem in caught.value.message
    assert "accuracy > 0.9" in caught.value.hint
    if text:
        assert caught.value.hint.splitlines()[:2] == [text, " " * (place - 1) + "^"]


def test_limits():
    """A filter has a length, and is text."""
    with pytest.raises(InvalidInputError, match="too long"):
        parse("a" * (LONGEST + 1))
    with pytest.raises(InvalidInputError, match="is text"):
        parse("a = \udcff")


@given(st.text(max_size=40) | st.lists(st.sampled_from(["a", "and", ">", "=", "1", "'", '"', "\\", " "])).map("".join))
def test_any_text(text):
    """Any text is read, or refused in words."""
    try:
        conditions = parse(text)
    except InvalidInputError:
        return
    assert conditions


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_quoting(name, value):
    """Any name and any text can be quoted."""

    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    assert parse(f"{quoted(name)} = {quoted(value)}") == (Condition(name, Within(equals=value)),)


def test_holds():
    """A condition holds where one of some nodes has such a value."""
    run = node("r", NodeKind.RUN, started={"parameters": {"a": 1}}, finished={"metrics": {"a": 5, "b": 1}})
    other = node("e", NodeKind.EVALUATION, evaluation={"metrics": {"c": 1}})
    for text, holds in {"a = 1": True, "a > 4": True, "metric.a = 1": False, "c = 1": True, "d = 1": False}.items():
        assert parse(text)[0].holds([run, other]) is holds
    assert not parse("a = 1")[0].holds([])
