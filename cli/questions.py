"""`lin trace`, `lin impact`, `lin models` and `lin metrics`: what made what, what stands on it, how good it is."""

from __future__ import annotations

import click

from lin.lineage.graph import Direction
from lin.records import Artifact, MetricsTable

from . import output, saying, table
from .completing import artifacts, experiments
from .diagrams import dot, mermaid
from .drawing import tree
from .session import Session, json_option
from .table import Column
from .text import moment, number, pairs, plain, value
from .verbs import Verb

TRACE_EXAMPLES = """
lin trace churn@prod
lin trace data.csv@v1 --down --depth 2
lin trace churn --format dot | dot -Tsvg > churn.svg
"""
IMPACT_EXAMPLES = """
lin impact data.csv@v1
"""
MODELS_EXAMPLES = """
lin models --trained-on data.csv              a file on disk, whatever it is called
lin models --trained-on data.csv@v1 --transitive
"""
METRICS_EXAMPLES = """
lin metrics --experiment churn
lin metrics --model churn@v1 --model churn@v2 --on test.csv
"""
_FORMATS = ("tree", "json", "dot", "mermaid")


@click.command(cls=Verb, epilog=TRACE_EXAMPLES)
@click.argument("ref", shell_complete=artifacts)
@click.option("--down", is_flag=True, help="What stands on it, instead of what made it.")
@click.option("--depth", type=click.IntRange(min=0), help="At most so many steps; all by default.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="tree", show_default=True, help="How to draw.")
@json_option
@click.pass_obj
def trace(session: Session, ref: str, down: bool, depth: int | None, form: str) -> None:
    """Draw how something was made, or what stands on it.

    The way leads from an artifact to the run that generated it, to all that the run used, and on to the exact bytes
    and the git commit where it began. What is drawn already is referred to as above.
    """
    with session.repository() as repository:
        found = repository.trace(ref, direction=Direction.DOWN if down else Direction.UP, depth=depth)
    if session.json or form == "json":
        output.document(found.to_json())
        return
    lines = tree(found, output.styled) if form == "tree" else dot(found) if form == "dot" else mermaid(found)
    for line in lines:
        if not output.say(line):
            return


@click.command(cls=Verb, epilog=IMPACT_EXAMPLES)
@click.argument("ref", shell_complete=artifacts)
@json_option
@click.pass_obj
def impact(session: Session, ref: str) -> None:
    """Say which models, evaluations and aliases stand on an artifact.

    What has to be looked at again when it turns out to be wrong: everything made from it, directly or through
    other runs.
    """
    with session.repository() as repository:
        found = repository.impact(ref)
    if session.json:
        output.document(found.to_json())
        return
    output.say(f"{number(found.runs, 'run')} and {number(found.artifacts, 'artifact')} stand on {plain(ref)}")
    _section("models", [saying.artifact(model) for model in found.models])
    _section(
        "evaluations",
        [f"{plain(e.model.label)} on {plain(e.dataset.label)}  {pairs(e.metrics)}" for e in found.evaluations],
    )
    _section("aliases", [f"{plain(alias.label)} → {saying.standing(alias)}" for alias in found.aliases])


@click.command(cls=Verb, epilog=MODELS_EXAMPLES)
@click.option(
    "--trained-on", "ref", metavar="REF|FILE", required=True, shell_complete=artifacts, help="A ref, file or folder."
)
@click.option("--transitive", is_flag=True, help="Also through derived datasets and base models.")
@json_option
@click.pass_obj
def models(session: Session, ref: str, transitive: bool) -> int:
    """List the models trained on exact bytes.

    A file need not be in the repository: its bytes are what counts, not its name. The exit status is 1 when there
    is no such model.
    """
    with session.repository() as repository:
        found = repository.models_trained_on(ref, transitive=transitive).items
    if session.json:
        output.document([each.to_json() for each in found])
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
            how = f"directly ({', '.join(each.roles)})" if each.direct else "through others"
            model = each.model
            rows.append((model.label, model.digest.short, model.experiment or "", how, moment(model.created)))
        table.show(layout, rows)
    else:
        further = "" if transitive else "; --transitive also looks through derived datasets"
        output.say(f"no model was trained on {plain(ref)}{further}")
    return 0 if found else 1


@click.command(cls=Verb, epilog=METRICS_EXAMPLES)
@click.option("--experiment", metavar="E", shell_complete=experiments, help="Only models of this experiment.")
@click.option(
    "--model", "chosen", metavar="REF", multiple=True, shell_complete=artifacts, help="Only this; repeatable."
)
@click.option(
    "--on", "datasets", metavar="REF", multiple=True, shell_complete=artifacts, help="Only on this; repeatable."
)
@json_option
@click.pass_obj
def metrics(session: Session, experiment: str | None, chosen: tuple[str, ...], datasets: tuple[str, ...]) -> None:
    """Compare models on datasets.

    One table for each metric: models down, datasets across, the newest evaluation of each pair.
    """
    with session.repository() as repository:
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


def _section(title: str, lines: list[str]) -> None:
    if lines:
        output.say(output.styled(f"{title}:", "bold"))
    for line in lines:
        output.say(f"  {line}")
