"""`lin runs` and `lin log`: what happened, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click

from lin.lineage.events import STATEMENTS
from lin.lineage.words import RunStatus
from lin.records import LogEntry, Run

from . import output, pages, table
from .completing import experiments
from .pages import page_options
from .parsing import STATUSES
from .session import Session, as_of_option, json_option
from .statements import sentence
from .table import Column
from .text import duration, minute, moment, pairs, plain
from .verbs import Verb

RUNS_EXAMPLES = """
lin runs
lin runs --experiment churn --status failed -n 5
"""
LOG_EXAMPLES = """
lin log -n 5
lin log --kind alias --json
"""


_RUNS = 20


@click.command(cls=Verb, epilog=RUNS_EXAMPLES)
@click.option("--experiment", metavar="E", shell_complete=experiments, help="Only of this experiment.")
@click.option("--status", "statuses", type=click.Choice(STATUSES), multiple=True, help="Only these; repeatable.")
@page_options(_RUNS)
@as_of_option
@json_option
@click.pass_obj
def runs(  # noqa: PLR0917 - click gives them by name
    session: Session,
    experiment: str | None,
    statuses: tuple[str, ...],
    limit: int | None,
    token: str | None,
    as_of: str | None,
) -> None:
    """List runs.

    The newest come first, with how they ended and what they measured.
    """
    question = {"verb": "runs", "experiment": experiment, "statuses": sorted(statuses), "as_of": as_of}
    after = pages.place(token, question)
    with session.repository(as_of) as repository:
        page = repository.runs(
            experiment=experiment, statuses=[RunStatus(s) for s in statuses], after=after, limit=limit or _RUNS
        )
    if session.json:
        output.document([run.to_json() for run in page.items])
        return
    layout = [
        Column("run", style="bold"),
        Column("started"),
        Column("experiment", shrinks=True),
        Column("name", shrinks=True),
        Column("status"),
        Column("took", right=True),
        Column("metrics", shrinks=True),
    ]
    table.show(layout, [_run(run) for run in page.items])
    pages.say_more(page, question, "run")


@click.command(cls=Verb, epilog=LOG_EXAMPLES)
@click.option("-n", "limit", type=click.IntRange(min=1), help="At most so many; all by default.")
@click.option(
    "--kind", "kinds", type=click.Choice(tuple(STATEMENTS)), multiple=True, help="Only this kind; repeatable."
)
@json_option
@click.pass_obj
def log(session: Session, limit: int | None, kinds: tuple[str, ...]) -> None:
    """List what happened, as the signed log holds it.

    The newest event comes first, each with its position in the log, its time as its actor claims it, and
    what it says.
    """
    with session.repository() as repository:
        entries = repository.log(limit=limit, kinds=kinds)
        if session.json:
            output.documents(entry.to_json() for entry in entries)
            return
        # Aligned by the hundred: the first lines come at once however long the log is.
        for few in _by(100, entries):
            for line in table.lines(_LAYOUT, [_entry(entry) for entry in few], output.width())[1:]:
                if not output.say(line):
                    return


_LAYOUT = [
    Column("", right=True, style="dim"),
    Column(""),
    Column("", style="dim"),
    Column("", style="bold"),
    Column("", shrinks=True),
]


def _run(run: Run) -> tuple[str, ...]:
    return (
        run.label,
        minute(run.started),
        plain(run.experiment),
        plain(run.name),
        run.status,
        "" if run.seconds is None else duration(run.seconds),
        pairs(run.metrics),
    )


def _entry(entry: LogEntry) -> tuple[str, ...]:
    return (str(entry.position), moment(entry.at), entry.id.short, entry.kind, sentence(entry.statement))


def _by(count: int, entries: Iterator[LogEntry]) -> Iterator[list[LogEntry]]:
    entries = iter(entries)
    while few := list(islice(entries, count)):
        yield few
