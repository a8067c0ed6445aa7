"""`lin same`, `lin dup` and `lin overlap`: which data is the same data, and which rows two tables share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from lin.records import Artifact

from . import output, table
from .completing import artifacts
from .reading_options import reading, reading_options
from .session import Session, json_option
from .table import Column
from .text import minute, number, plain
from .verbs import Verb

if TYPE_CHECKING:
    from lin.tables.records import Duplicates, Near, Overlap, Sameness, Shape

SAME_EXAMPLES = """
lin same flights.csv flights.parquet
lin same flights@v1 flights@v3
lin same report.xlsx#Sheet2 sheet.csv
"""
DUP_EXAMPLES = """
lin dup
lin dup flights.csv --at-least 90%
lin dup --versions --exact --json
"""
OVERLAP_EXAMPLES = """
lin overlap test.csv train.csv
lin overlap new.parquet customers@v2 --key customer_id
lin overlap a.csv b.csv --columns name,born -n 20
"""
_NAMED = 5
_SAID = {
    "bytes": "same bytes",
    "ordered": "same table, row for row",
    "rows": "same rows, in another order",
    "renamed": "same columns under other names",
    "overlapping": "different tables that share rows",
    "different": "different",
}


class Share(click.ParamType[float]):
    """A share: `0.9` or `90%`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read what was typed."""
        if isinstance(value, float):
            return value
        try:
            text = str(value).strip()
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1
        if not 0 < share <= 1:
            self.fail(f"{value!r} is no share; write 0.9 or 90%", param, ctx)
        return share


def columns(_: click.Context, __: click.Parameter, typed: tuple[str, ...]) -> tuple[str, ...] | None:
    """Read names of columns: several, or one with commas between."""
    names = [name for text in typed for name in text.split(",") if name]
    return tuple(dict.fromkeys(names)) if typed else None


@click.command(cls=Verb, epilog=SAME_EXAMPLES)
@click.argument("old", metavar="A", shell_complete=artifacts)
@click.argument("new", metavar="B", shell_complete=artifacts)
@reading_options
@json_option
@click.pass_obj
def same(session: Session, /, *, old: str, new: str, **arguments: Any) -> int:
    """Say whether two datasets are the same data, and else how they differ.

    A and B are refs, or files or folders on disk, which need not be in the repository; `#NAME` after one chooses a
    sheet or another of several tables. The exit status is 0 for the same rows in whatever file and order, and else 1.
    """
    options = reading(arguments)
    with session.repository() as repository:
        found = repository.same(old, new, options=options)
    if session.json:
        output.document({**found.to_json(), "same": found.same})
    else:
        for line in sameness(found):
            output.say(line)
    return 0 if found.same else 1


def sameness(found: Sameness) -> Iterator[str]:
    """Yield what two tables have in common, line by line."""
    order = ", rows in another order" if found.reordered else ""
    yield output.styled(_SAID[found.relation] + order, "bold" if found.same else "yellow")
    for sign, shape in (("-", found.old), ("+", found.new)):
        yield f"  {sign} {_shape(shape)}"
    for each in found.types:
        yield f"  {plain(each.name)}: equal values, {plain(each.old)} there and {plain(each.new)} here"
    yield from (f"  {plain(one)} there is {plain(other)} here" for one, other in found.renamed)
    pairs = dict(found.renamed)
    yield from (f"  - column {plain(name)}" for name in found.removed if name not in pairs)
    yield from (f"  + column {plain(name)}" for name in found.added if name not in pairs.values())
    for each in found.changed:
        kinds = f": {'/'.join(each.kinds[0]) or 'null'} → {'/'.join(each.kinds[1]) or 'null'}" if each.kinds else ""
        yield f"  ~ column {plain(each.name)}{kinds}"
    if found.shared is not None:
        yield f"  {number(found.shared, 'row')} of {found.old.rows:,} there {_are(found.shared)} here too"


def _shape(shape: Shape) -> str:
    label = plain(shape.label)
    if shape.reason is not None:
        return f"{label}  {shape.digest.short}  no table: {plain(shape.reason)}"
    size = f"{number(shape.rows or 0, 'row')} × {number(len(shape.columns), 'column')}"
    return f"{label}  {shape.set.short if shape.set else ''}  {size}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


@click.command(cls=Verb, epilog=DUP_EXAMPLES)
@click.argument("dataset", required=False, shell_complete=artifacts)
@click.option(
    "--at-least", type=Share(), default="50%", show_default=True, help="Share of either's rows that makes two near."
)
@click.option("--versions", is_flag=True, help="Also what only versions of one name share.")
@click.option("--exact", is_flag=True, help="Count shared rows instead of estimating.")
@reading_options
@json_option
@click.pass_obj
def dup(
    session: Session, /, *, dataset: str | None, at_least: float, versions: bool, exact: bool, **arguments: Any
) -> int:
    """Find what is held more than once.

    The same bytes, the same table, or most of the same rows: of everything known, or of DATASET, a ref or a file on
    disk. Shares are of different rows; with `~` they are estimated from samples of up to 4,096 rows. The exit status
    is 1 when nothing is found.
    """
    options = reading(arguments)
    with session.repository() as repository:
        found = repository.duplicates(dataset, at_least=at_least, versions=versions, exact=exact, options=options)
    if session.json:
        output.document(found.to_json())
    else:
        _duplicates(found, dataset)
    return 0 if found.found else 1


def _duplicates(found: Duplicates, dataset: str | None) -> None:
    for group in found.groups:
        rows = "" if group.rows is None else f"  {number(group.rows, 'row')}"
        output.say(f"{output.styled(_SAID[group.relation], 'bold')}{rows}")
        for artifact in group.artifacts:
            output.say(f"  {plain(artifact.label)}  {artifact.digest.short}  put {minute(artifact.created)}")
    if found.near:
        layout = [
            Column("table", style="bold", shrinks=True),
            Column("like", style="bold", shrinks=True),
            Column("of its rows", right=True),
            Column("of the other's", right=True),
        ]
        table.show(layout, [_near(each, dataset) for each in found.near])
    if not found.found:
        what = f"nothing else holds the data of {plain(dataset)}" if dataset else "nothing is held twice"
        output.say(f"{what}; {number(found.tables, 'table')} compared")
    if found.unidentified:
        many = number(found.unidentified, "dataset")
        output.say(output.styled(f"{many} not known as a table: `lin tables` says why", "dim"))


def _near(near: Near, dataset: str | None) -> tuple[str, ...]:
    old = _named(near.old) or dataset or ""
    return (old, _named(near.new), percent(near.share_old, near.exact), percent(near.share_new, near.exact))


def _named(some: Sequence[Artifact]) -> str:
    more = f" and {len(some) - 1} more" if len(some) > 1 else ""
    return f"{plain(some[0].label)}{more}" if some else ""


def percent(share: float, exact: bool = True) -> str:
    """Write a share: `99.9 %`, and 100 % only for all."""
    text = f"{share * 100:.1f}"
    if share < 1 and text == "100.0":
        text = ">99.9"
    elif share > 0 and text == "0.0":
        text = "<0.1"
    return f"{'' if exact else '~'}{text} %"


@click.command(cls=Verb, epilog=OVERLAP_EXAMPLES)
@click.argument("old", metavar="A", shell_complete=artifacts)
@click.argument("new", metavar="B", shell_complete=artifacts)
@click.option("--key", metavar="COLUMNS", multiple=True, callback=columns, help="Rows with equal values here are one.")
@click.option("--columns", "chosen", metavar="COLUMNS", multiple=True, callback=columns, help="Compare by these only.")
@click.option("-n", "limit", type=click.IntRange(min=0), default=_NAMED, show_default=True, help="So many examples.")
@reading_options
@json_option
@click.pass_obj
def overlap(
    session: Session,
    /,
    *,
    old: str,
    new: str,
    key: tuple[str, ...] | None,
    chosen: tuple[str, ...] | None,
    limit: int,
    **arguments: Any,
) -> int:
    """Count the rows that are in both of two tables.

    Exactly: row keys find them, and the full digests of both sides confirm them. Rows are equal when all columns are;
    with --columns these alone decide, and with --key so do they, and it is said how many rows with one key are equal
    elsewhere. COLUMNS are names with commas between. The exit status is 1 when no row is in both.
    """
    if key is not None and chosen is not None:
        raise click.UsageError("--key and --columns exclude each other")
    options = reading(arguments)
    with session.repository() as repository:
        found = repository.overlap(old, new, columns=chosen, key=key, examples=limit, options=options)
    if session.json:
        output.document(found.to_json())
    else:
        for line in _overlap(found):
            output.say(line)
    return 0 if found.distinct else 1


def _overlap(found: Overlap) -> Iterator[str]:
    by = "" if found.columns is None else f" by {', '.join(map(plain, found.columns))}"
    if not found.distinct:
        yield f"no row is in both{by}"
        ours, theirs = set(found.old.columns), set(found.new.columns)
        if found.columns is None and ours != theirs:
            both = [name for name in found.old.columns if name in theirs]
            some = ",".join(plain(name) for name in both)
            yield f"  their columns differ; both have {some or 'none in common'}"
            if both:
                yield f"  compare by these: --columns '{some}'"
        return
    rows = found.old.rows or 0
    yield (
        f"{output.styled(number(found.rows_old, 'row'), 'bold')} of {rows:,} in {plain(found.old.label)} "
        f"({percent(found.rows_old / rows)}) {_are(found.rows_old)} in {plain(found.new.label)}{by}"
    )
    rows = found.new.rows or 0
    yield f"{number(found.rows_new, 'row')} of {rows:,} the other way ({percent(found.rows_new / rows)})"
    if found.distinct != found.rows_old:
        yield f"{number(found.distinct, 'different row')} among them"
    if found.equal is not None:
        yield f"{number(found.equal, 'row')} equal in all columns that both have"
    if found.examples:
        names = list(found.examples[0].values)
        layout = [Column("A", right=True, style="dim"), Column("B", right=True, style="dim")]
        layout += [Column(plain(name), shrinks=True) for name in names]
        cells = [(each.old, each.new, *(each.values[n] or "" for n in names)) for each in found.examples]
        yield from table.lines(layout, cells, output.width())
