"""Tables."""

import pytest

from lin.cli import table
from lin.cli.table import Column
from lin.cli.text import columns

LAYOUT = [Column("name", shrinks=True), Column("size", right=True), Column("note", shrinks=True)]
ROWS = [("data.csv", "1 B", "first"), ("a-much-longer-name-than-that.parquet", "12.1 MiB", "the second of the two")]


def test_columns_are_aligned():
    """Text stands at the left, numbers at the right, and no line ends in blanks."""
    assert table.lines(LAYOUT[:2], [("a", 1), ("bcd", 200)]) == ["name  size", "a        1", "bcd    200"]


def test_without_a_terminal_nothing_is_cut():
    """What goes to a file or pipe is whole."""
    lines = table.lines(LAYOUT, ROWS)
    assert "a-much-longer-name-than-that.parquet" in lines[2]
    assert lines[2].endswith("the second of the two")


@pytest.mark.parametrize("limit", range(26, 80))
def test_a_table_fits_its_terminal(limit):
    """Columns that may shrink are cut until the lines fit, and no further than needed."""
    lines = table.lines(LAYOUT, ROWS, limit)
    assert all(columns(line) <= limit for line in lines)
    if limit < 69:
        assert max(columns(line) for line in lines) >= limit - 1


def test_a_terminal_that_is_too_narrow_still_gets_a_table():
    """Columns keep a few characters, however narrow the terminal is."""
    assert len(table.lines(LAYOUT, ROWS, 5)) == 3


def test_cells_cannot_break_the_table():
    """A line break or an escape sequence in a name stays in its cell."""
    (_, line) = table.lines([Column("name")], [("evil\n\x1b[31mname",)])
    assert line == "evil\\n\\x1b[31mname"


def test_no_rows_no_table():
    """An empty answer has no headings."""
    assert table.lines(LAYOUT, []) == []


def test_wide_characters_keep_the_columns_aligned():
    """Padding counts columns of the terminal."""
    lines = table.lines([Column("n"), Column("x")], [("数据", "1"), ("ab", "2")])
    assert [columns(line) for line in lines[1:]] == [7, 7]
