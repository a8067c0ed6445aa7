"""Settings as people type them."""

import click
import pytest

from lin.cli.parsing import assignments, scalar


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("1", 1),
        ("-7", -7),
        ("0", 0),
        ("0.1", 0.1),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("+2.5", 2.5),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1e999", "1e999"),
        ("", ""),
        ("a=b", "a=b"),
        (" 1", " 1"),
        ("٣", "٣"),
        ("9" * 5000, "9" * 5000),
        ("-0", 0),
        ("-007", "-007"),
        ("+7", "+7"),
    ],
)
def test_values_are_read_as_what_they_look_like(typed, meant):
    """Numbers and truth values are read as such; what only resembles one stays text."""
    found = scalar(typed)
    assert found == meant
    assert type(found) is type(meant)


def test_assignments():
    """The first `=` divides name and value."""
    assert assignments(["lr=0.1", "tag=a=b", "empty="], "--param") == {"lr": 0.1, "tag": "a=b", "empty": ""}


@pytest.mark.parametrize("typed", ["lr", "=0.1", ""])
def test_what_is_no_assignment_is_refused(typed):
    """Without a name or `=` the message says what was typed."""
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        assignments([typed], "--param")


def test_a_name_given_twice_is_refused():
    """Of two values for one setting lin does not choose."""
    with pytest.raises(click.BadParameter, match="twice"):
        assignments(["lr=1", "lr=2"], "--param")
