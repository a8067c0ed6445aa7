"""Find out how a CSV is written, from its first rows, by fixed rules: the same bytes always give the same answer.

The rules, in `docs/tables.md` for users:

- The sample is the first 64 KiB, or as much more as holds two rows, up to 8 MiB.
- Delimiter: the one of comma, tab, semicolon and bar that gives every row the same number of cells, and most of
  them; the earlier in this list of two that give as many. Where none does, the one that gives most rows the number of
  cells that the first row has, so that the row that differs is told. Without any, there is one column.
- Header: the first row holds the names, unless one of its cells is a number, other than a whole number from 1000 to
  2999, which can be a year's column; or unless it has no cell but numbers. `0`, `1`, `2` and so on to the last column,
  of three or more, are names all the same: pandas writes them for columns without any.
- R's `write.table` leaves out the name of the row names: a first row with one cell less than every other one has an
  empty first name.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lin.errors import NotATableError

from .options import Options

SAMPLE = 64 * 1024
MOST = 8 * 1024 * 1024
DELIMITERS = ",\t;|"
COUNTED = 3
"""Columns from which on `0`, `1`, `2` … are taken for names; a row `0,1` can well be data."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_YEAR = re.compile(r"[12][0-9]{3}")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV is written.

    Attributes:
        delimiter: Between cells.
        quote: Around cells that hold delimiters; empty where nothing is quoted.
        escape: Takes away the next character's meaning; None where quotes are doubled.
        names: Of the columns.
        header: Whether the first row holds the names.
        body: Bytes of UTF-8 before the first row of data.
        regular: Whether every row of the sample has as many cells as there are names.
        rows: How many rows of data the sample holds.
    """

    delimiter: str
    quote: str
    escape: str | None
    names: tuple[str, ...]
    header: bool
    body: int
    regular: bool
    rows: int


def sniff(sample: bytes, *, whole: bool, options: Options) -> Dialect:
    """Find a dialect.

    Args:
        sample: The first bytes, in UTF-8; the last character may be cut.
        whole: Whether there is nothing after them.
        options: What the user says; that is not asked again.

    Raises:
        NotATableError: There is no row.
    """
    text = sample.decode(errors="ignore")
    blank = len(text) - len(text.lstrip("\r\n"))
    quote = options.quote if options.quote is not None else '"'
    delimiter, rows = _best(text[blank:], quote, options, whole=whole)
    first = rows[0]
    others = rows[1:]
    header = options.header if options.header is not None else is_header(first)
    width = len(first)
    if header and others and all(len(row) == width + 1 for row in others):
        first, width = ["", *first], width + 1
    names = tuple(first) if header else tuple(str(number) for number in range(width))
    start = len(text[:blank].encode())
    if header:
        start += _first_row(text[blank:], delimiter, quote, options.escape)
    return Dialect(
        delimiter=delimiter,
        quote=quote,
        escape=options.escape,
        names=names,
        header=header,
        body=start,
        regular=all(len(row) == width for row in others),
        rows=len(others) if header else len(rows),
    )


def _best(text: str, quote: str, options: Options, *, whole: bool) -> tuple[str, list[list[str]]]:
    """Return the delimiter, and the rows of the sample by it."""
    candidates = DELIMITERS if options.delimiter is None else options.delimiter
    best: tuple[tuple[int, int, int], str, list[list[str]]] | None = None
    for delimiter in candidates if options.delimiter is not None else (c for c in candidates if c in text):
        rows = _rows(text, delimiter, quote, options.escape, whole=whole)
        rank = _rank([len(row) for row in rows])
        if rank > (0, 0, 0) and (best is None or rank > best[0]):
            best = (rank, delimiter, rows)
    if best is not None:
        return best[1], best[2]
    rows = _rows(text, candidates[0], quote, options.escape, whole=whole, blanks=True)
    if not rows:
        raise NotATableError("there is no row in it")
    return candidates[0], rows


def _rank(widths: Sequence[int]) -> tuple[int, int, int]:
    """Say how good a delimiter is that gives rows of these widths; zeros where it delimits nothing."""
    wide = max(widths[:2], default=0)
    if wide <= 1:
        return (0, 0, 0)
    if set(widths) == {wide}:
        return (3, wide, 0)
    if widths[0] == wide - 1 and set(widths[1:]) == {wide}:  # as R writes row names
        return (2, wide, 0)
    return (1, 0, sum(width == widths[0] for width in widths))


def is_header(cells: Sequence[str]) -> bool:
    """Tell whether a first row holds names; see this module."""
    if len(cells) >= COUNTED and list(cells) == [str(number) for number in range(len(cells))]:
        return True
    numbers = [cell for cell in cells if _NUMBER.fullmatch(cell.strip())]
    if not numbers:
        return True
    return len(numbers) < len(cells) and all(_YEAR.fullmatch(number) for number in numbers)


def _lines(text: str) -> Iterator[str]:
    """Yield lines with their ends, which are those of files and not of Unicode."""
    return iter(io.StringIO(text, newline=""))


def _rows(
    text: str, delimiter: str, quote: str, escape: str | None, *, whole: bool, blanks: bool = False
) -> list[list[str]]:
    try:
        rows = list(_reader(_lines(text), delimiter, quote, escape))
    except csv.Error:  # a cell beyond the module's limit, which no sample holds unless a quote is never closed
        return []
    if not whole and len(rows) > 1:
        rows.pop()  # it may be cut
    return [row for row in rows if row or blanks]


def _reader(lines: Iterator[str], delimiter: str, quote: str, escape: str | None) -> Iterator[list[str]]:
    if csv.field_size_limit() < MOST:
        csv.field_size_limit(MOST)
    return csv.reader(
        lines,
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=escape,
        doublequote=escape is None,
    )


def _first_row(text: str, delimiter: str, quote: str, escape: str | None) -> int:
    """Return how many bytes of UTF-8 the first row has, with its end."""
    taken = 0

    def counted() -> Iterator[str]:
        nonlocal taken
        for line in _lines(text):
            taken += len(line.encode())
            yield line

    next(_reader(counted(), delimiter, quote, escape), None)
    return taken
