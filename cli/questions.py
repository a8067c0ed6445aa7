"""`lin trace`, `lin impact`, `lin models` and `lin metrics`: what made what, what stands on it, how good it is."""

from __future__ import annotations

import click

from lin.lineage.graph import Direction
from lin.records import Artifact, MetricsTable, Page, TrainedModel
from lin.tables.match import By, Match

from . import output, pages, saying, table
from .completing import artifacts, experiments
from .diagrams import dot, mermaid
from .drawing import tree
from .pages import page_options
from .parsing import KINDS
from .relating import way
from .searching import row
from .session import Session, as_of_option, json_option
from .table import Column
from .text import moment, number, pairs, plain, value
from .verbs import Verb

TRACE_EXAMPLES = """
lin trace churn@prod
lin trace data.csv@v1 --down --depth 2
lin trace data.csv@v1 --down --kind model --since 2026-03-01 -n 50
lin trace churn --format dot | dot -Tsvg > churn.svg
"""
IMPACT_EXAMPLES = """
lin impact data.csv@v1
"""
MODELS_EXAMPLES = """
lin models --trained-on data.csv              a file on disk, whatever it is called
lin models --trained-on data.parquet --match table
lin models --trained-on data.csv@v1 --transitive --explain
lin models --trained-on data.csv@v1 --as-of 2026-03-01
"""
METRICS_EXAMPLES = """
lin metrics --experiment churn
lin metrics --model churn@v1 --model churn@v2 --on test.csv
"""
_FORMATS = ("tree", "json", "dot", "mermaid")
_REACHED = (*KINDS, "run", "evaluation")
_LISTED = 100


@click.command(cls=Verb, epilog=TRACE_EXAMPLES)
@click.argument("ref", shell_complete=artifacts)
@click.option("--down", is_flag=True, help="What stands on it, instead of what made it.")
@click.option("--depth", type=click.IntRange(min=0), help="At most so many steps; all by default.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="tree", show_default=True, help="How to draw.")
@click.option("--kind", "kinds", type=click.Choice(_REACHED), multiple=True, help="List only this kind; repeatable.")
@click.option("--since", metavar="DATE", help="List only what was made then or later.")
@click.option("--until", metavar="DATE", help="List only what was made then or before.")
@page_options(_LISTED)
@as_of_option
@json_option
@click.pass_obj
def trace(  # noqa: PLR0917 - click gives them by name
    session: Session,
    ref: str,
    down: bool,
    depth: int | None,
    form: str,
    kinds: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int | None,
    token: str | None,
    as_of: str | None,
) -> None:
    """Draw how something was made, or what stands on it.

    The way leads from an artifact to the run that generated it, to all that the run used, and on to the exact bytes
    and the git commit where it began. What is drawn already is referred to as above. With --kind, --since, --until, -n
    or --after it is a list instead, the oldest first, counted and in pages.
    """
    direction = Direction.DOWN if down else Direction.UP
    if kinds or since is not None or until is not None or limit is not None or token is not None:
        if form != "tree":
            raise click.UsageError("--format is for drawing; a list has --json")
        question = {
            "verb": "trace",
            "ref": ref,
            "down": down,
            "depth": depth,
            "kinds": sorted(kinds),
            "since": since,
            "until": until,
            "as_of": as_of,
        }
        after = pages.place(token, question)
        with session.repository(as_of) as repository:
            page = repository.closure(
                ref,
                direction=direction,
                kinds=kinds,
                depth=depth,
                since=since,
                until=until,
                after=after,
                limit=limit or _LISTED,
            )
        _list(session, page, question)
        return
    with session.repository(as_of) as repository:
        found = repository.trace(ref, direction=direction, depth=depth)
    if session.json or form == "json":
        output.document(found.to_json())
        return
    lines = tree(found, output.styled) if form == "tree" else dot(found) if form == "dot" else mermaid(found)
    for line in lines:
        if not output.say(line):
            return


def _list(session: Session, page: Page, question: pages.Question) -> None:
    if session.json:
        output.document(pages.document(page, question))
        return
    layout = [Column("what", style="bold"), Column("kind"), Column("created", style="dim"), Column("", shrinks=True)]
    table.show(layout, [row(item) for item in page.items])
    pages.say_more(page, question, "thing")
    if page.next is None:
        output.say(f"{number(page.total or 0, 'thing')} in all")


@click.command(cls=Verb, epilog=IMPACT_EXAMPLES)
@click.argument("ref", shell_complete=artifacts)
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many of each.")
@as_of_option
@json_option
@click.pass_obj
def impact(session: Session, ref: str, limit: int, as_of: str | None) -> None:
    """Say which models, evaluations and aliases stand on an artifact.

    What has to be looked at again when it turns out to be wrong: everything made from it, directly or through
    other runs. Everything is counted; of models and evaluations the oldest are listed, and
    `lin trace --down --kind model` has all of them, in pages.
    """
    with session.repository(as_of) as repository:
        found = repository.impact(ref, limit=limit)
    if session.json:
        output.document(found.to_json())
        return
    output.say(f"{number(found.runs, 'run')} and {number(found.artifacts, 'artifact')} stand on {plain(ref)}")
    _section("models", [saying.artifact(model) for model in found.models], found.model_count, ref)
    _section(
        "evaluations",
        [f"{plain(e.model.label)} on {plain(e.dataset.label)}  {pairs(e.metrics)}" for e in found.evaluations],
        found.evaluation_count,
        ref,
    )
    _section("aliases", [f"{plain(alias.label)} → {saying.standing(alias)}" for alias in found.aliases])


@click.command(cls=Verb, epilog=MODELS_EXAMPLES)
@click.option(
    "--trained-on", "ref", metavar="REF|FILE", required=True, shell_complete=artifacts, help="A ref, file or folder."
)
@click.option("--match", metavar="bytes|table|rows>=0.9", default="bytes", show_default=True, help="What counts as it.")
@click.option("--transitive", is_flag=True, help="Also through derived datasets and base models.")
@click.option("--explain", is_flag=True, help="Show for each model a way on which the bytes came into it.")
@page_options(_LISTED)
@as_of_option
@json_option
@click.pass_obj
def models(  # noqa: PLR0917 - click gives them by name
    session: Session,
    ref: str,
    match: str,
    transitive: bool,
    explain: bool,
    limit: int | None,
    token: str | None,
    as_of: str | None,
) -> int:
    """List the models trained on some data.

    A file need not be in the repository: what is in it counts, not its name. That is its bytes, or with --match its
    table whatever file holds it, or tables with at least such a part of its rows. The exit status is 1 when there is
    no such model. With --json all are in one array; with -n or --after, or both, in pages.
    """
    how = Match.parse(match)
    question = {"verb": "models", "ref": ref, "match": str(how), "transitive": transitive, "as_of": as_of}
    after = pages.place(token, question)
    paged = not session.json or limit is not None or token is not None
    with session.repository(as_of) as repository:
        page = repository.models_trained_on(
            ref, transitive=transitive, after=after, limit=(limit or _LISTED) if paged else None, match=how
        )
        found = page.items
        ways = [repository.training_path(ref, str(each.model.id), match=how) if explain else None for each in found]
    if session.json:
        explained = [
            {**each.to_json(), "path": each_way.to_json()} if each_way else each.to_json()
            for each, each_way in zip(found, ways, strict=True)
        ]
        output.document({**pages.document(page, question), "items": explained} if paged else explained)
    elif found and explain:
        for each, each_way in zip(found, ways, strict=True):
            output.say(f"{output.styled(plain(each.model.label), 'bold')}  {_how(each)}")
            for line in way(each_way) if each_way else ():
                output.say(f"  {line}")
    elif found:
        layout = [
            Column("model", style="bold"),
            Column("digest", style="dim"),
            Column("experiment", shrinks=True),
            Column("trained", shrinks=True),
            Column("created", style="dim"),
        ]
        rows = []
        for each in found:
            model = each.model
            rows.append((model.label, model.digest.short, model.experiment or "", _how(each), moment(model.created)))
        table.show(layout, rows)
    elif token is not None:
        output.say("no further models")
    else:
        further = "" if transitive else "; --transitive also looks through derived datasets"
        further += "; --match table also finds its rows in other files" if how.by is By.BYTES else ""
        output.say(f"no model was trained on {plain(ref)}{further}")
    if not session.json:
        pages.say_more(page, question, "model")
    return 0 if found else 1


def _how(found: TrainedModel) -> str:
    return f"directly ({', '.join(found.roles)})" if found.direct else "through others"


@click.command(cls=Verb, epilog=METRICS_EXAMPLES)
@click.option("--experiment", metavar="E", shell_complete=experiments, help="Only models of this experiment.")
@click.option(
    "--model", "chosen", metavar="REF", multiple=True, shell_complete=artifacts, help="Only this; repeatable."
)
@click.option(
    "--on", "datasets", metavar="REF", multiple=True, shell_complete=artifacts, help="Only on this; repeatable."
)
@as_of_option
@json_option
@click.pass_obj
def metrics(
    session: Session, experiment: str | None, chosen: tuple[str, ...], datasets: tuple[str, ...], as_of: str | None
) -> None:
    """Compare models on datasets.

    One table for each metric: models down, datasets across, the newest evaluation of each pair.
    """
    with session.repository(as_of) as repository:
        found = repository.metrics(experiment=experiment, models=chosen, datasets=datasets)
    if session.json:
        output.document(found.to_json())
        return
    if not found.cells:
        output.say("no evaluations; `lin eval` makes them")
    for index, metric in enumerate(found.metrics):
        if index:
            output.say()
        output.say(output.styled(plain(metric), "bold"))
        layout = [Column("model", shrinks=True), *(Column(plain(d.label), right=True) for d in found.datasets)]
        table.show(layout, [(model.label, *_row(found, metric, model)) for model in found.models])


def _row(found: MetricsTable, metric: str, model: Artifact) -> list[str]:
    cells = (found.cell(model, dataset) for dataset in found.datasets)
    return [value(cell.metrics[metric]) if cell and metric in cell.metrics else "" for cell in cells]


def _section(title: str, lines: list[str], total: int | None = None, ref: str = "") -> None:
    if lines:
        output.say(output.styled(f"{title}:", "bold"))
    for line in lines:
        output.say(f"  {line}")
    if total is not None and lines and total > len(lines):
        word = title.removesuffix("s")
        output.say(f"  … {len(lines):,} of {total:,}; all: lin trace {plain(ref)} --down --kind {word}")
