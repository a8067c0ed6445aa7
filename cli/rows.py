"""`lin blame`, `lin contaminated` and the rows of `lin diff`: where rows came from, went, and what changed in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from . import output, table
from .comparing import percent
from .completing import artifacts
from .reading_options import reading, reading_options
from .session import Session, json_option
from .table import Column
from .text import number, pairs, plain
from .verbs import Verb

if TYPE_CHECKING:
    from lin.tables.comparing import ColumnChange, RowChange, TableDiff
    from lin.tables.descent import Blame, Contaminated

BLAME_EXAMPLES = """
lin blame clean.csv
lin blame clean.csv@v3 --row 17 --row 18
"""
CONTAMINATED_EXAMPLES = """
lin contaminated withdrawn.csv
lin contaminated patients.csv@v2 --json
"""
_MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_LISTED = 100


@click.command(cls=Verb, epilog=BLAME_EXAMPLES)
@click.argument("dataset", shell_complete=artifacts)
@click.option("--row", "rows", metavar="N", type=click.IntRange(min=1), multiple=True, help="This row; repeatable.")
@click.option("--common", is_flag=True, help="Where columns differ, compare rows by those that both tables have.")
@click.option("--table", "part", metavar="NAME", help="Which sheet, split or table of a database.")
@json_option
@click.pass_obj
def blame(session: Session, dataset: str, rows: tuple[int, ...], common: bool, part: str | None) -> None:
    """Say which dataset each row came from.

    The oldest of what it was made from, and of its earlier versions, that holds the row. Rows are counted from 1,
    without the heading.
    """
    with session.repository() as repository:
        found = repository.blame(dataset, rows=rows, common_columns=common, part=part)
    if session.json:
        output.document(found.to_json())
        return
    for line in _blame(found):
        output.say(line)


def _blame(found: Blame) -> Iterator[str]:
    total = found.dataset.rows or 0
    if found.rows:
        layout = [Column("row", right=True), Column("from", style="bold"), Column("row there", right=True)]
        rows = [
            (each.row, each.artifact.label if each.artifact else "here", each.source_row or "") for each in found.rows
        ]
        yield from table.lines(layout, rows, output.width())
    else:
        layout = [Column("rows", right=True), Column("", right=True), Column("from", style="bold"), Column("")]
        cells = [
            (
                f"{each.rows:,}",
                percent(each.rows / total) if total else "",
                each.artifact.label if each.artifact else "here",
                "" if each.artifact is None or each.declared else "only the rows say so",
            )
            for each in found.origins
        ]
        yield from table.lines(layout, cells, output.width())
        if not cells:
            yield "no row"
    for artifact, reason in found.uncompared:
        yield output.styled(f"not compared: {plain(artifact.label)}: {plain(reason)}", "yellow")


@click.command(cls=Verb, epilog=CONTAMINATED_EXAMPLES)
@click.argument("rows", metavar="ROWS|DATASET", shell_complete=artifacts)
@click.option("-n", "limit", type=click.IntRange(min=1), default=_LISTED, show_default=True, help="At most so many.")
@reading_options
@json_option
@click.pass_obj
def contaminated(session: Session, /, *, rows: str, limit: int, **arguments: Any) -> int:
    """Find everything that holds these rows, and what stands on it.

    ROWS is a dataset, or a file on disk with the rows in question. Every known table that holds any of them is named,
    whether a run is known that copied them or not, with the models that learned from one and the evaluations. The exit
    status is 1 when something is found.
    """
    options = reading(arguments)
    with session.repository() as repository:
        found = repository.contaminated(rows, limit=limit, options=options)
    if session.json:
        output.document(found.to_json())
    else:
        for line in _contaminated(found):
            output.say(line)
    return 1 if found.found else 0


def _contaminated(found: Contaminated) -> Iterator[str]:
    if not found.found:
        yield f"nothing known holds any of {number(found.rows.rows or 0, 'row')}"
        return
    layout = [Column("held by", style="bold", shrinks=True), Column("rows", right=True), Column("")]
    cells = [
        (each.artifact.label, f"{each.rows:,}", "" if each.declared else "only the rows say so")
        for each in found.holders
    ]
    yield from table.lines(layout, cells, output.width())
    if found.models:
        yield output.styled(f"models: {len(found.models):,}", "bold")
        yield from (f"  {plain(model.label)}" for model in found.models)
    if found.evaluations:
        yield output.styled(f"evaluations: {len(found.evaluations):,}", "bold")
    for each in found.evaluations:
        yield f"  {plain(each.model.label)} on {plain(each.dataset.label)}  {pairs(each.metrics)}".rstrip()


# ---------------------------------------------------------------------------- differences


def differences(found: TableDiff) -> Iterator[str]:
    """Yield how two tables differ, line by line."""
    old, new = found.old, found.new
    yield f"{output.styled('table:', 'bold')} {_size(old.rows, old.columns)} → {_size(new.rows, new.columns)}"
    if found.same:
        yield "  no row differs"
    renamed = dict(found.renamed)
    yield from (f"  column {plain(one)} is now {plain(other)}" for one, other in found.renamed)
    for name in found.removed_columns:
        if name not in renamed:
            yield output.styled(f"  - column {plain(name)}", "red")
    for name in found.added_columns:
        if name not in renamed.values():
            yield output.styled(f"  + column {plain(name)}", "green")
    for each in found.types:
        yield output.styled(
            f"  ~ column {plain(each.name)}: {plain(_type(each, 0))} → {plain(_type(each, 1))}", "yellow"
        )
    by = f" by {', '.join(map(plain, found.key))}{' (found)' if found.found else ''}" if found.key else ""
    yield (
        f"  rows: {found.equal:,} equal, {found.added:,} added, {found.removed:,} removed"
        f"{f', {found.changed:,} changed' if found.key else ''}{by}"
    )
    for name, count in found.cells.items():
        yield f"    {plain(name)}: {number(count, 'cell')} changed"
    yield from (_row(each, found) for each in found.rows)
    if found.columns:
        yield output.styled("columns:", "bold")
        yield from (f"  {line}" for line in _columns(found.columns))


def _type(each: Any, side: int) -> str:
    kind = "/".join(each.kinds[side]) if each.kinds else ""
    name: str = (each.old, each.new)[side]
    return kind if name.startswith("text (") and kind else name


def _size(rows: int | None, columns: tuple[str, ...]) -> str:
    return f"{number(rows or 0, 'row')} × {number(len(columns), 'column')}"


def _row(each: RowChange, found: TableDiff) -> str:
    mark, style = _MARKS[each.change]
    place = each.new if each.old is None else each.old
    values = ", ".join(f"{plain(name)}={_cell(value)}" for name, value in each.values.items())
    cells = ", ".join(f"{plain(c.column)} {_cell(c.old)} → {_cell(c.new)}" for c in each.cells)
    text = f"{values}: {cells}" if found.key and each.cells else values
    return output.styled(f"  {mark} {place:>6}  {text}", style)


def _cell(value: str | None) -> str:
    return "∅" if value is None else plain(value)


def _columns(changes: tuple[ColumnChange, ...]) -> Iterator[str]:
    rows = []
    for each in changes:
        cells = [_change(each.old.get(name), each.new.get(name)) for name in ("nulls", "distinct", "min")]
        middle = [summary.get("quantiles") or [] for summary in (each.old, each.new)]
        medians = [found[len(found) // 2] if found else None for found in middle]
        rows.append((each.name, *cells, _change(*medians), _change(each.old.get("max"), each.new.get("max"))))
    layout = [Column(title, shrinks=True) for title in ("column", "nulls", "different", "least", "median", "greatest")]
    yield from table.lines(layout, rows, output.width())


def _change(old: object, new: object) -> str:
    if old == new:
        return "" if old is None else plain(old)
    return f"{_cell(None if old is None else str(old))} → {_cell(None if new is None else str(new))}"
