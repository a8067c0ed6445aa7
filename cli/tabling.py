"""`lin tables`: which tables are known, and looking for those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lin.errors import LinError, NotATableError
from lin.records import Artifact

from . import output, table
from .completing import artifacts
from .reading_options import reading, reading_options
from .session import Session, json_option
from .table import Column
from .text import minute, number, plain
from .verbs import Verb, VerbGroup

if TYPE_CHECKING:
    from lin.identifying import Note, TableRecord
    from lin.repository import Repository
    from lin.tabular.options import Options

EXAMPLES = """
lin tables
lin tables show flights.csv
lin tables identify
lin tables identify flights.txt --delimiter ';' --encoding latin-1
"""
SHOW_EXAMPLES = """
lin tables show flights.csv
lin tables show report.xlsx --table Sheet2 --json
"""
IDENTIFY_EXAMPLES = """
lin tables identify
lin tables identify flights.txt --delimiter ';' --encoding latin-1
"""


@click.group("tables", cls=VerbGroup, invoke_without_command=True, epilog=EXAMPLES)
@json_option
@click.pass_context
def tables(context: click.Context) -> None:
    """List the tables in datasets, or look for them.

    The same rows are the same table, whatever file they are in, and in whatever order. Each put is looked at by a
    process of its own, which records what it finds; `lin tables identify` looks at what has not been looked at yet.
    Of a table that was in other bytes before, it is told where.
    """
    if context.invoked_subcommand is None:
        _list(context.obj)


def _list(session: Session) -> None:
    from lin.identifying import KINDS  # noqa: PLC0415 - as every verb's code, imported when it is used

    with session.repository() as repository:
        found = []
        for artifact in repository.artifacts(kinds=sorted(KINDS)).items:
            known = repository.tables_of(artifact.digest)
            found.append((artifact, known, None if known else repository.unread(artifact.digest)))
    if session.json:
        output.document(
            [
                {
                    "artifact": artifact.to_json(),
                    "tables": [each.to_json() for each in known],
                    "reason": unread.reason if unread else None,
                }
                for artifact, known, unread in found
            ]
        )
        return
    rows: list[tuple[str, str, str, str, str]] = []
    first: dict[Any, Artifact] = {}
    for artifact, known, _ in sorted(found, key=lambda each: (each[0].created, each[0].id)):
        for each in known:
            first.setdefault(each.set, artifact)
    for artifact, known, unread in found:
        label = plain(artifact.label)
        if not known:
            rows.append((label, "", "", "", f"bytes: {unread.reason}" if unread else "not looked at yet"))
        for each in known:
            what = each.reader if each.part is None else f"{each.reader} {each.part}"
            if each.rows and first[each.set].digest != artifact.digest:
                what += f", same table as {plain(first[each.set].label)}"
            rows.append((label, f"{each.rows:,}", str(each.columns), each.set.short, what))
    layout = [
        Column("dataset", style="bold", shrinks=True),
        Column("rows", right=True),
        Column("columns", right=True),
        Column("table"),
        Column("read as", shrinks=True),
    ]
    table.show(layout, rows)


@tables.command(cls=Verb, epilog=SHOW_EXAMPLES)
@click.argument("ref", shell_complete=artifacts)
@click.option("--table", "part", metavar="NAME", help="Which sheet, split or table of a database.")
@json_option
@click.pass_obj
def show(session: Session, ref: str, part: str | None) -> None:
    """Show the columns of a table: nulls, different values, bounds and quantiles.

    Different values are exact up to 1,024, and within about 3 % beyond. Quantiles are values that occur, from an even
    sample of the rows where there are more than 2,048.
    """
    with session.repository() as repository:
        artifact = repository.artifact(ref)
        known = [each for each in repository.tables_of(artifact.digest) if part in {None, each.part}]
        if not known:
            why = repository.unread(artifact.digest)
            raise NotATableError(
                f"no table is known in {artifact.label}" + (f": {why.reason}" if why else ""),
                hint=(why.hint if why else "") or f"Look for one: lin tables identify {artifact.label}",
            )
        summaries = [repository.summary_of(each) for each in known]
        disputes, signers = repository.table_disputes(artifact)
        same = same_table(repository.same_table(artifact))
    if session.json:
        doubted = {each.event for some in disputes for each in some}
        output.document(
            [
                {
                    **each.to_json(),
                    "actor": signers.get(each.event) if each.event else None,
                    "disputed": each.event in doubted,
                    **summary,
                }
                for each, summary in zip(known, summaries, strict=True)
            ]
        )
        return
    for each, summary in zip(known, summaries, strict=True):
        _show_one(each, summary)
    for line in same:
        output.say(line)
    for some in disputes:
        said = [(signers.get(each.event) if each.event else None, each.set.short) for each in some]
        who = "; ".join(f"{(actor or 'somebody')[:12]} found {table}" for actor, table in said)
        again = f"lin tables identify {plain(artifact.label)}"
        output.remark(f"warning: these contradict each other: {who}; `{again}` looks again")


def _show_one(found: TableRecord, summary: dict[str, Any]) -> None:
    what = found.reader if found.part is None else f"{found.reader} {plain(found.part)}"
    output.say(f"{output.styled(str(found.set), 'bold')}  {size(found)}, read as {what}")
    rows = []
    for column in summary["columns"]:
        quantiles = column.get("quantiles") or []
        middle = quantiles[len(quantiles) // 2] if quantiles else ""
        count = column.get("distinct", "")
        about = "" if column.get("exact", True) else "~"
        distinct = f"{about}{count:,}" if count != "" else ""
        cells = (column["name"], column["type"], f"{column['nulls']:,}", distinct)
        rows.append((*cells, column.get("min", ""), middle, column.get("max", "")))
    layout = [
        Column("column", style="bold", shrinks=True),
        Column("type", shrinks=True),
        Column("nulls", right=True),
        Column("different", right=True),
        Column("least", shrinks=True),
        Column("median", shrinks=True),
        Column("greatest", shrinks=True),
    ]
    table.show(layout, rows)


def size(found: TableRecord) -> str:
    """Return such as `336,776 rows × 19 columns`."""
    return f"{number(found.rows, 'row')} × {number(found.columns, 'column')}"


@tables.command(cls=Verb, epilog=IDENTIFY_EXAMPLES)
@click.argument("refs", metavar="[REF…]", nargs=-1, shell_complete=artifacts)
@click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Wait for it, or leave it to a process of its own."
)
@reading_options
@json_option
@click.pass_obj
def identify(session: Session, /, *, refs: tuple[str, ...], wait: bool, **arguments: Any) -> int:
    """Look for the tables in datasets and record them.

    With no REF, all that nobody has looked at yet: what a killed process left, what was put before lin knew tables,
    what came from another repository. With one, it is looked at again, in the way that the options say. What is
    recorded already is not recorded again. The exit status is 1 when something named is no table.
    """
    options = reading(arguments)
    if options is not None and not refs:
        raise click.UsageError("how a table is read is said of a REF, and there is none")
    answers: list[dict[str, Any]] = []
    failed = False
    with session.repository() as repository:
        chosen = [repository.artifact(ref) for ref in refs] if refs else repository.unidentified()
        if not wait:
            _leave(session, repository, list(chosen), options)
            return 0
        if not refs:

            def worked(note: Note, known: Sequence[TableRecord] | LinError) -> None:
                said(session, note.name, known, answers)

            repository.work_off(tell=worked)
        for artifact in chosen:
            try:
                said(session, artifact.label, repository.identify(str(artifact.id), options), answers)
            except LinError as error:
                said(session, artifact.label, error, answers)
                failed = True
    if session.json:
        output.document(answers)
    return 1 if failed and refs else 0


def _leave(session: Session, repository: Repository, chosen: Sequence[Artifact], options: Options | None) -> None:
    from lin.tabular.options import Options  # noqa: PLC0415 - only here

    for artifact in chosen:
        repository.note(artifact, options or Options())
    if session.json:
        output.document([artifact.to_json() for artifact in chosen])
    else:
        output.say(f"{number(len(chosen), 'dataset')} to be looked at")


def said(session: Session, label: str, known: Sequence[TableRecord] | LinError, answers: list[dict[str, Any]]) -> None:
    """Say what was found in something, or note it for the JSON document."""
    if isinstance(known, LinError):
        answers.append({"name": label, "tables": [], "reason": known.message})
        if not session.json:
            output.say(f"{plain(label)}  kept as bytes: {plain(known.message)}")
            if known.hint:
                output.say(f"  {plain(known.hint)}")
        return
    answers.append({"name": label, "tables": [each.to_json() for each in known], "reason": None})
    if not session.json:
        for each in known:
            part = f" {plain(each.part)}" if each.part is not None else ""
            output.say(f"{output.styled(plain(label), 'bold')}{part}  {each.set.short}  {size(each)}")


def same_table(others: Sequence[Artifact]) -> list[str]:
    """Say that other artifacts hold the same table, in other bytes."""
    if not others:
        return []
    newest = others[-1]
    more = f" and {number(len(others) - 1, 'more', 'more')}" if len(others) > 1 else ""
    return [f"same table as {plain(newest.label)}, put on {minute(newest.created)[:10]}{more}"]


def after_put(session: Session, repository: Repository, artifact: Artifact, options: Options | None) -> dict[str, Any]:
    """Look at what was just put, say what was found, and return it for the JSON document."""
    try:
        known = repository.identify(str(artifact.id), options)
    except NotATableError as error:
        if not session.json:
            output.say(f"  kept as bytes: {plain(error.message)}")
            if error.hint:
                output.say(f"  {plain(error.hint)}")
        return {"tables": [], "reason": error.message}
    return _told(session, repository, artifact, known)


def known_at_once(session: Session, repository: Repository, artifact: Artifact) -> dict[str, Any]:
    """Say which tables the bytes that were just put are known to hold; nothing where nobody has looked at them."""
    known = repository.tables_of(artifact.digest)
    return _told(session, repository, artifact, known) if known else {}


def _told(session: Session, repository: Repository, artifact: Artifact, known: Sequence[TableRecord]) -> dict[str, Any]:
    if not session.json:
        for each in known:
            part = f"{plain(each.part)}: " if each.part is not None else ""
            output.say(f"  table {part}{each.set.short}  {size(each)}")
        for line in same_table(repository.same_table(artifact)):
            output.say(f"  {line}")
    return {"tables": [each.to_json() for each in known], "reason": None}
