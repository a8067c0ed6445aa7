"""`lin search`: find things by name, kind, and what was measured."""

from __future__ import annotations

import click

from lin.lineage.graph import NodeKind
from lin.records import Artifact, Evaluation, Experiment, Run
from lin.repository import Found

from . import output, pages, saying, table
from .pages import page_options
from .session import Session, as_of_option, json_option
from .table import Column
from .text import moment, pairs
from .verbs import Verb

EXAMPLES = """
lin search churn
lin search --kind model --where 'accuracy > 0.9 and lr <= 0.1'
lin search fit --kind run --where 'parameter.booster = trees'
"""
_MOST = 50
_KINDS = tuple(
    kind.word
    for kind in NodeKind
    if kind.is_artifact or kind in {NodeKind.RUN, NodeKind.EVALUATION, NodeKind.EXPERIMENT}
)


@click.command(cls=Verb, epilog=EXAMPLES)
@click.argument("text", required=False)
@click.option("--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="Only this kind; repeatable.")
@click.option("--where", metavar="FILTER", help="Only with such metrics or parameters.")
@page_options(_MOST)
@as_of_option
@json_option
@click.pass_obj
def search(  # noqa: PLR0917 - click gives them by name
    session: Session,
    text: str | None,
    kinds: tuple[str, ...],
    where: str | None,
    limit: int | None,
    token: str | None,
    as_of: str | None,
) -> int:
    """Find things by name, kind, metrics and parameters.

    TEXT is part of a name. FILTER is one condition or several joined by `and`: a name, one of > >= < <= =, and a
    number or text. A run has its own values, an evaluation its metrics, and a model those of its run and its
    evaluations. The newest come first; the exit status is 1 when there is nothing.
    """
    if text is None and not kinds and where is None:
        raise click.UsageError("nothing to search for: give TEXT, --kind or --where")
    question = {"verb": "search", "text": text, "kinds": sorted(kinds), "where": where, "as_of": as_of}
    after = pages.place(token, question)
    with session.repository(as_of) as repository:
        found = repository.search(text, kinds=kinds, where=where, after=after, limit=limit or _MOST)
    if session.json:
        output.document(pages.document(found, question))
    elif not found.items:
        output.say("nothing found so far" if found.stopped else "nothing further" if token else "nothing found")
    else:
        layout = [
            Column("what", style="bold"),
            Column("kind"),
            Column("created", style="dim"),
            Column("", shrinks=True),
        ]
        table.show(layout, [row(item) for item in found.items])
    if not session.json:
        pages.say_more(found, question, "thing")
    return 0 if found.items else 1


def row(found: Found) -> tuple[str, ...]:
    """Return what it is, its kind, when it was made, and what tells it from others."""
    match found:
        case Artifact():
            return (found.label, found.kind, moment(found.created), f"{found.digest.short}  {saying.content(found)}")
        case Run():
            values = pairs({**found.parameters, **found.metrics})
            return (found.label, "run", moment(found.started), f"{found.name}  {saying.ending(found)}  {values}")
        case Evaluation():
            of = f"{found.model.label} on {found.dataset.label}  {pairs(found.metrics)}"
            return (found.label, "evaluation", moment(found.created), of)
        case Experiment():
            return (found.name, "experiment", "", "")
        case _:
            return (found.label, "content", "", "")
