"""`lin path`, `lin leaks` and `lin diff`: what joins two things, what must not be joined, and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from lin.records import Artifact, Content, Evaluation, Leak, Run, TraceEdge, Way

from . import output, pages, saying, table
from .completing import artifacts, experiments
from .pages import page_options
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
lin leaks churn@prod
lin leaks --experiment churn -n 20
"""
DIFF_EXAMPLES = """
lin diff churn@v1 churn@v2
lin diff 3f2a9c01b7d4 8b1e0c55aa02 --patch
"""
_LEAKS = 100
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
@click.option("--experiment", metavar="E", shell_complete=experiments, help="Only models of this experiment.")
@page_options(_LEAKS)
@as_of_option
@json_option
@click.pass_obj
def leaks(  # noqa: PLR0917 - click gives them by name
    session: Session,
    model: str | None,
    experiment: str | None,
    limit: int | None,
    token: str | None,
    as_of: str | None,
) -> int:
    """Find models that were tested on what they learned from.

    An evaluation leaks when the bytes of its dataset are among those that its model learned from: directly, or through
    derived data and base models, whatever they were called. The exit status is 1 when something leaks.
    """
    question = {"verb": "leaks", "model": model, "experiment": experiment, "as_of": as_of}
    after = pages.place(token, question)
    with session.repository(as_of) as repository:
        found = repository.leaks(model, experiment=experiment, after=after, limit=limit or _LEAKS)
    if session.json:
        output.document(pages.document(found, question))
    elif not found.items:
        more = "further " if token else ""
        output.say(f"no {more}leak: no model was tested on what it learned from")
    else:
        layout = [
            Column("model", style="bold"),
            Column("tested on"),
            Column("learned as", shrinks=True),
            Column("metrics", shrinks=True),
        ]
        table.show(layout, [_leak(each) for each in found.items])
        pages.say_more(found, question, "leak")
    return 1 if found.items else 0


def _leak(leak: Leak) -> tuple[str, ...]:
    tested = leak.evaluation
    learned = ", ".join(plain(artifact.label) for artifact in leak.learned)
    return (tested.model.label, tested.dataset.label, learned, pairs(tested.metrics))


@click.command(cls=Verb, epilog=DIFF_EXAMPLES)
@click.argument("old", metavar="A", shell_complete=artifacts)
@click.argument("new", metavar="B", shell_complete=artifacts)
@click.option("-p", "--patch", "patches", is_flag=True, help="Also compare text files line by line.")
@as_of_option
@json_option
@click.pass_obj
def diff(session: Session, old: str, new: str, patches: bool, as_of: str | None) -> None:
    """Say how two runs or models differ.

    Models are compared by the runs that made them: their code, file by file, the data they used, their parameters,
    packages and metrics. Two artifacts are also compared by their own files. What is equal is left out.
    """
    with session.repository(as_of) as repository:
        found = repository.diff(old, new, patches=patches)
    if session.json:
        output.document(found.to_json())
        return
    output.say(f"- {saying.record(found.old)}")
    output.say(f"+ {saying.record(found.new)}")
    for line in _parts(found):
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
