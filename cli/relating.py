"""`lin path`, `lin leaks` and `lin diff`: what joins two things, what must not be joined, and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from lin.errors import NotATableError
from lin.records import Artifact, Content, Evaluation, Leak, Run, TraceEdge, Uncompared, Way

from . import output, pages, saying, table
from .completing import artifacts, experiments
from .pages import page_options
from .parsing import ANY_PATH, not_empty
from .reading_options import reading, reading_options
from .rows import differences
from .session import Session, as_of_option, json_option
from .table import Column
from .text import number, pairs, plain, value
from .verbs import Verb

if TYPE_CHECKING:
    from lin.differing import Diff, FileChange, ValueChange

PATH_EXAMPLES = """
lin path raw.csv@v1 churn@prod
lin path b3:1f0c2ab7 churn@v2
"""
LEAKS_EXAMPLES = """
lin leaks
lin leaks churn@prod --rows
lin leaks --experiment churn -n 20
"""
DIFF_EXAMPLES = """
lin diff churn@v1 churn@v2
lin diff 3f2a9c01b7d4 8b1e0c55aa02 --patch
lin diff flights.csv@v1 flights.csv@v2 --key flight_id
lin diff old.csv new.parquet --arrow changes.arrow
"""
_LEAKS = 100
_ROWS = 10
_MISSED = 20
_OTHER_COLUMNS = "the columns differ"
_MARKS = {"added": "+", "removed": "-", "changed": "~"}
_STYLES = {"added": "green", "removed": "red", "changed": "yellow"}


@click.command(cls=Verb, epilog=PATH_EXAMPLES)
@click.argument("one", metavar="A", shell_complete=artifacts)
@click.argument("other", metavar="B", shell_complete=artifacts)
@as_of_option
@json_option
@click.pass_obj
def path(session: Session, one: str, other: str, as_of: str | None) -> int:
    """Show a shortest way from one thing to another.

    Along what runs used and generated, from A to B or else from B to A. A and B are artifacts, runs, evaluations, or
    bytes by their digest. The exit status is 1 when there is no way.
    """
    with session.repository(as_of) as repository:
        found = repository.path(one, other)
    if session.json:
        output.document(found.to_json() if found else None)
    elif found is None:
        output.say(f"no way leads from {plain(one)} to {plain(other)}, nor back")
    else:
        if found.backwards:
            output.say(f"none leads from {plain(one)} to {plain(other)}, but one leads back:")
        for line in way(found):
            output.say(line)
    return 0 if found else 1


def way(found: Way) -> Iterator[str]:
    """Yield the lines of a way, from its upstream end."""
    yield _thing(found.nodes[0], found.edges[0].source.short if found.edges else "")
    for edge, node in zip(found.edges, found.nodes[1:], strict=True):
        yield f"  → {_step(edge)} {_thing(node, edge.target.short)}"


def _step(edge: TraceEdge) -> str:
    if edge.role is not None:
        return f"used as {edge.role} by"
    return {"has content": "held by", "evaluated": "measured in", "evaluated on": "measured on in"}.get(
        edge.relation, edge.relation
    )


def _thing(found: Artifact | Run | Evaluation | Content | None, short: str) -> str:
    if isinstance(found, (Artifact, Run)):
        return saying.record(found)
    if isinstance(found, Evaluation):
        return f"evaluation {found.label}  {pairs(found.metrics)}".rstrip()
    return f"bytes {found.digest.short}" if found else f"unknown {short}"


@click.command(cls=Verb, epilog=LEAKS_EXAMPLES)
@click.argument("model", required=False, shell_complete=artifacts)
@click.option("--all", "everything", is_flag=True, help="All models, as without MODEL.")
@click.option("--experiment", metavar="E", shell_complete=experiments, help="Only models of this experiment.")
@click.option("--common", is_flag=True, help="Where columns differ, compare rows by those that both tables have.")
@click.option("--rows", is_flag=True, help="Also tell which rows of the dataset leaked.")
@page_options(_LEAKS)
@as_of_option
@json_option
@click.pass_obj
def leaks(  # noqa: PLR0917 - click gives them by name
    session: Session,
    model: str | None,
    everything: bool,
    experiment: str | None,
    common: bool,
    rows: bool,
    limit: int | None,
    token: str | None,
    as_of: str | None,
) -> int:
    """Find models that were tested on what they learned from.

    An evaluation leaks when its dataset, or any row of it, is in what its model learned from: directly, or through
    derived data and base models, whatever file it was in and whatever that was called. Where the run kept predictions,
    its metric is told with those rows and without them. The exit status is 1 when something leaks.
    """
    if everything and (model is not None or experiment is not None):
        raise click.UsageError("--all means all models, and one was named")
    question = {"verb": "leaks", "model": model, "experiment": experiment, "common": common, "as_of": as_of}
    after = pages.place(token, question)
    missed: list[Uncompared] = []
    with session.repository(as_of) as repository:
        found = repository.leaks(
            model,
            experiment=experiment,
            after=after,
            limit=limit or _LEAKS,
            common_columns=common,
            rows=rows,
            uncompared=missed,
        )
    if session.json:
        answer = pages.document(found, question)
        output.document({**answer, "uncompared": [each.to_json() for each in missed]})
        return 1 if found.items else 0
    if not found.items:
        more = "further " if token else ""
        output.say(f"no {more}leak: no model was tested on what it learned from")
    else:
        layout = [
            Column("model", style="bold"),
            Column("tested on"),
            Column("rows leaked", right=True),
            Column("learned as", shrinks=True),
            Column("metrics", shrinks=True),
        ]
        table.show(layout, [_leak(each) for each in found.items])
        for leak in found.items if rows else ():
            output.say(f"{plain(leak.evaluation.dataset.label)}: rows {_ranges(leak.rows)}" if leak.rows else "")
        pages.say_more(found, question, "leak")
    for each in missed[:_MISSED]:
        said = f"not compared: {plain(each.tested.label)} with {plain(each.learned.label)}: {plain(each.reason)}"
        output.say(output.styled(said, "yellow"))
    if not common and any(each.reason == _OTHER_COLUMNS for each in missed):
        output.say(output.styled("  --common compares by the columns that both have", "yellow"))
    if len(missed) > _MISSED:
        output.say(output.styled(f"not compared: {len(missed) - _MISSED} more pairs", "yellow"))
    return 1 if found.items else 0


def _leak(leak: Leak) -> tuple[str, ...]:
    tested = leak.evaluation
    several = len(leak.learned) > 1
    counts = {each.artifact.id: f" ({each.rows:,})" for each in leak.sources if each.rows is not None and several}
    learned = ", ".join(plain(artifact.label) + counts.get(artifact.id, "") for artifact in leak.learned)
    clean = ", ".join(
        f"{plain(each.name)} {value(each.all)} → {'none left' if each.clean is None else value(each.clean)} without"
        for each in leak.metrics
    )
    return (tested.model.label, tested.dataset.label, _rows(leak), learned, clean or pairs(tested.metrics))


def _rows(leak: Leak) -> str:
    if leak.tested is None or leak.leaked is None:
        return "all"
    return f"{leak.leaked:,} of {leak.tested:,}"


def _ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers: `1-500, 502`."""
    found: list[list[int]] = []
    for each in numbers:
        if found and found[-1][1] == each - 1:
            found[-1][1] = each
        else:
            found.append([each, each])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def warn(leak: Leak) -> str:
    """Say of one evaluation what its model learned from."""
    tested = leak.evaluation
    learned = ", ".join(plain(artifact.label) for artifact in leak.learned[:3])
    more = f" and {len(leak.learned) - 3} more" if len(leak.learned) > 3 else ""  # noqa: PLR2004 - as many as are named
    what = "it" if leak.tested is None or leak.leaked == leak.tested else f"{_rows(leak)} rows of it"
    return f"leak: {plain(tested.model.label)} learned {what} before, from {learned}{more}"


@click.command(cls=Verb, epilog=DIFF_EXAMPLES)
@click.argument("old", metavar="A", shell_complete=artifacts)
@click.argument("new", metavar="B", shell_complete=artifacts)
@click.option("-p", "--patch", "patches", is_flag=True, help="Also compare text files line by line.")
@click.option("--key", metavar="COLUMNS", multiple=True, help="Columns that tell rows apart; looked for by default.")
@click.option("--arrow", metavar="FILE", type=ANY_PATH, callback=not_empty, help="Write all rows that differ there.")
@click.option(
    "-n", "limit", type=click.IntRange(min=0), default=_ROWS, show_default=True, help="So many rows of each sort."
)
@reading_options
@as_of_option
@json_option
@click.pass_obj
def diff(
    session: Session,
    /,
    *,
    old: str,
    new: str,
    patches: bool,
    key: tuple[str, ...],
    arrow: str | None,
    limit: int,
    as_of: str | None,
    **arguments: Any,
) -> None:
    """Say how two runs, models or datasets differ.

    Models are compared by the runs that made them: their code, file by file, the data they used, their parameters,
    packages and metrics. Two artifacts are also compared by their own files, and two tables row by row: columns, rows
    that were added, removed, and with a key changed, and what the columns hold. A and B may also be two files on disk
    that hold tables. What is equal is left out.
    """
    options = reading(arguments)
    names = [name for text in key for name in text.split(",") if name] if key else None
    with session.repository(as_of) as repository:
        known = [repository.is_known(each) for each in (old, new)]
        found = repository.diff(old, new, patches=patches) if all(known) else None
        wanted = found is None or bool(key or arrow or options) or repository.are_data(old, new)
        rows = None
        if wanted:
            try:
                rows = repository.table_diff(old, new, key=names, examples=limit, arrow=arrow, options=options)
            except NotATableError:
                if found is None or key or arrow or options:
                    raise
    if session.json:
        document = {} if found is None else found.to_json()
        output.document({**document, **({} if rows is None else {"table": {**rows.to_json(), "same": rows.same}})})
        return
    for sign, each, label in (("-", found and found.old, old), ("+", found and found.new, new)):
        output.say(f"{sign} {saying.record(each) if each else plain(label)}")
    parts = iter(()) if found is None or (rows is not None and found.same) else _parts(found)
    for line in chain(parts, () if rows is None else differences(rows)):
        if not output.say(line):
            return


def _parts(found: Diff) -> Iterator[str]:
    if found.same:
        yield "nothing differs"
    yield from _values("parameters", found.parameters)
    yield from _titled(
        "data",
        [f"{use.role}  {plain(use.name)}  {_used(use.old)} → {_used(use.new)}" for use in found.data],
    )
    yield from _files("code", found.code)
    yield from _values("environment", found.environment)
    yield from _values("metrics", found.metrics)
    yield from _files("content", found.content)
    yield from _titled("not here to be compared", [plain(text) for text in found.missing])


def _titled(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield output.styled(f"{title}:", "bold")
    for line in lines:
        yield f"  {line}"


def _values(title: str, changes: Sequence[ValueChange]) -> Iterator[str]:
    lines = [f"{plain(each.name)}  {_value(each.old)} → {_value(each.new)}" for each in changes]
    return _titled(title, lines)


def _value(scalar: object) -> str:
    return "none" if scalar is None else value(scalar)


def _used(artifact: Artifact | None) -> str:
    return "none" if artifact is None else f"v{artifact.version} {artifact.digest.short}"


def _files(title: str, changes: Sequence[FileChange]) -> Iterator[str]:
    if changes:
        yield f"{output.styled(f'{title}:', 'bold')} {number(len(changes), 'file')}"
    for change in changes:
        yield output.styled(f"  {_MARKS[change.change]} {plain(change.path)}", _STYLES[change.change])
        for line in (change.patch or "").splitlines():
            yield f"    {plain(line)}"
