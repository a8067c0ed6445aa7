"""How a CSV is written is found out by fixed rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.errors import NotATableError
from lin.tabular.options import Options
from lin.tabular.sniffing import is_header, sniff


def dialect(text: str, **options):
    return sniff(text.encode(), whole=True, options=Options(**options))


@pytest.mark.parametrize(
    ("text", "delimiter", "names"),
    [
        ("a,b\n1,2\n", ",", ("a", "b")),
        ("a\tb\n1\t2\n", "\t", ("a", "b")),
        ("a;b\n1,5;2\n2,5;3\n", ";", ("a", "b")),
        ("a|b|c\n1|2|3\n", "|", ("a", "b", "c")),
        ("a,b;c\n1,2;3\n", ",", ("a", "b;c")),
        ('"a,1";b\n"x,y";2\n', ";", ("a,1", "b")),
        ("a\n1\n", ",", ("a",)),
        ('"a\nb",c\n1,2\n', ",", ("a\nb", "c")),
        ('"x","y"\n"1",1,"a"\n"2",2,"b"\n', ",", ("", "x", "y")),
        ("\n\na,b\n1,2\n", ",", ("a", "b")),
    ],
)
def test_the_delimiter_is_the_one_that_gives_all_rows_as_many_cells(text, delimiter, names):
    """The most cells win, and the earlier delimiter of two alike; a header as R writes it has one cell less."""
    found = dialect(text)
    assert (found.delimiter, found.names) == (delimiter, names)
    assert found.regular


@pytest.mark.parametrize(
    ("cells", "header"),
    [
        (["a", "b"], True),
        (["", "a"], True),
        (["country", "2019", "2020"], True),
        (["1", "2"], False),
        (["0", "1"], False),
        (["0", "1", "2"], True),
        (["0"], False),
        (["2019", "2020"], False),
        (["5.1", "3.5", "setosa"], False),
        (["x", "-1e5"], False),
        (["x", "3000"], False),
        (["007x", "a"], True),
    ],
)
def test_the_first_row_holds_names_unless_there_are_numbers_in_it(cells, header):
    """A year can be a name, beside one that is no number."""
    assert is_header(cells) is header


def test_a_row_that_differs_leaves_the_rest_recognisable():
    """A ragged row is told by the reader, so the delimiter is still found."""
    found = dialect("a,b,c\n1,2,3\n1,2\n4,5,6\n")
    assert (found.delimiter, found.regular) == (",", False)


def test_where_the_rows_begin_is_known_in_bytes():
    """Also after blank lines, quoted line breaks and characters of several bytes."""
    text = '\r\n"é\r\nb",c\r\n1,2\r\n'
    assert text.encode()[dialect(text).body :] == b"1,2\r\n"
    assert dialect(text, header=False).body == 2


def test_nothing_is_no_table():
    """Only line ends are no rows."""
    with pytest.raises(NotATableError):
        dialect("\n\r\n")


@given(st.text(alphabet='ab,;\t|"\n\r1.é', max_size=60), st.booleans())
def test_any_text_is_answered_alike_twice(text, whole):
    """No text makes it fail in a way of its own, and the answer depends on the bytes alone."""
    answers: list[object] = []
    for _ in range(2):
        try:
            answers.append(sniff(text.encode(), whole=whole, options=Options()))
        except NotATableError:
            answers.append(None)
    assert answers[0] == answers[1]
