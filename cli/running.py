"""`lin run` and `lin eval`: run a command and record it."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager, nullcontext

import click

from lin.commands import CommandResult, Input, Output, evaluate_command, run_command
from lin.lineage.words import RunStatus
from lin.recording import DEFAULT_EXPERIMENT
from lin.records import Evaluation
from lin.repository import Repository

from . import output, saying
from .bars import bar
from .completing import artifacts, experiments, inputs, outputs
from .parsing import ANY_PATH, assignments, not_empty
from .relating import warn
from .session import Session, json_option
from .text import pairs, plain
from .verbs import Verb

RUN_EXAMPLES = """
lin run -- python train.py
lin run --input train=data.csv --output model=model.joblib --param lr=0.1 -- python train.py
lin run --experiment churn --input test=data.csv@v1 --metrics metrics.json -- make report
"""
EVAL_EXAMPLES = """
lin eval churn@v3 --on test.csv@v1 -- python score.py {model} {dataset}
lin eval churn --on january --on february --metrics scores.json -- ./score.sh
"""
# Options end where the command begins, so that its own options reach it.
_COMMAND_LAST = {"allow_interspersed_args": False}

_METRICS = click.option(
    "--metrics", metavar="FILE", type=ANY_PATH, callback=not_empty, help="The JSON file that it writes its metrics to."
)


@click.command(cls=Verb, epilog=RUN_EXAMPLES, context_settings=_COMMAND_LAST)
@click.option(
    "--experiment", metavar="E", default=DEFAULT_EXPERIMENT, show_default=True, shell_complete=experiments,
    help="The experiment it belongs to.",
)  # fmt: skip
@click.option("--name", help="What to call the run; the script's name by default.")
@click.option(
    "--input", "inputs", metavar="[ROLE=]PATH|REF", multiple=True, shell_complete=inputs, help="What it uses."
)
@click.option(
    "--output", "outputs", metavar="[KIND[:NAME]=]PATH", multiple=True, shell_complete=outputs, help="What it makes."
)
@click.option("--param", "parameters", metavar="K=V", multiple=True, help="A setting; repeatable.")
@_METRICS
@click.option("--no-code", is_flag=True, help="Do not keep the code it ran with.")
@json_option
@click.argument("command", metavar="-- CMD…", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(
    session: Session,
    *,
    experiment: str,
    name: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    parameters: tuple[str, ...],
    metrics: str | None,
    no_code: bool,
    command: tuple[str, ...],
) -> int:
    """Run a command and record what it used and made.

    lin keeps the git commit with uncommitted and untracked work, the environment, the inputs before and the
    outputs after, the times, and the metrics that the command prints as a JSON line or writes to a file. A
    failed or interrupted run is recorded as such. The exit status is the command's own. ROLE is train,
    test, validation, config, base-model or input; KIND is dataset, model, report or file. With --json the command's
    standard output goes to standard error.
    """
    _require(command)
    settings = assignments(parameters, "--param")
    used, made = [Input.parse(text) for text in inputs], [Output.parse(text) for text in outputs]
    with session.repository() as repository, bar(name or command[0]) as progress, _standard_output(session):
        result = run_command(
            repository,
            command,
            experiment=experiment,
            name=name,
            inputs=used,
            outputs=made,
            parameters=settings,
            metrics_file=metrics,
            code=not no_code,
            progress=progress,
        )
        error = _error(repository, result)
    if session.json:
        output.document(result.to_json())
    else:
        for line in summary(result, error):
            output.remark(line)
    return _status(result)


@click.command("eval", cls=Verb, epilog=EVAL_EXAMPLES)
@click.argument("model", metavar="MODEL", shell_complete=artifacts)
@click.option(
    "--on",
    "datasets",
    metavar="REF",
    multiple=True,
    required=True,
    shell_complete=artifacts,
    help="A dataset; repeatable.",
)
@click.option("--experiment", metavar="E", shell_complete=experiments, help="The model's own by default.")
@click.option("--param", "parameters", metavar="K=V", multiple=True, help="A setting; repeatable.")
@_METRICS
@click.option("--no-code", is_flag=True, help="Do not keep the code it ran with.")
@click.option("--fail-on-leak", is_flag=True, help="Exit with status 1 if the model learned from the dataset.")
@json_option
@click.argument("command", metavar="-- CMD…", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def evaluate(
    session: Session,
    *,
    model: str,
    datasets: tuple[str, ...],
    experiment: str | None,
    parameters: tuple[str, ...],
    metrics: str | None,
    no_code: bool,
    fail_on_leak: bool,
    command: tuple[str, ...],
) -> int:
    """Measure a model on datasets with a command.

    The command runs once for each dataset; {model} and {dataset} in it, and LIN_MODEL and LIN_DATASET in its
    environment, are verified copies on disk. Each run that succeeds becomes one evaluation, with the metrics
    that it prints as a JSON line or writes to a file. A warning says when the model learned from the dataset, or from
    rows of it. The exit status is that of the first run that failed.
    """
    _require(command)
    settings = assignments(parameters, "--param")
    with session.repository() as repository, bar(f"evaluate {model}") as progress, _standard_output(session):
        evaluations, results = evaluate_command(
            repository,
            model,
            datasets,
            command,
            experiment=experiment,
            parameters=settings,
            metrics_file=metrics,
            code=not no_code,
            progress=progress,
        )
        errors = [_error(repository, result) for result in results]
        leaks = [leak for each in evaluations if (leak := repository.leak_of(each)) is not None]
    if session.json:
        answer = {"evaluations": [each.to_json() for each in evaluations], "runs": [each.to_json() for each in results]}
        answer["leaks"] = [each.to_json() for each in leaks]
        output.document({"type": "eval", **answer})
    else:
        for result, error in zip(results, errors, strict=True):
            for line in summary(result, error):
                output.remark(line)
        for evaluation in evaluations:
            output.remark(verdict(evaluation))
        for leak in leaks:
            output.remark(f"warning: {warn(leak)}")
    return next((status for result in results if (status := _status(result))), 1 if leaks and fail_on_leak else 0)


def summary(result: CommandResult, error: str = "") -> list[str]:
    """Say what a run came to: how it ended, what it used and generated, its metrics.

    Args:
        result: What came of the command.
        error: Why it could not be started.
    """
    lines = [saying.run(result.run)]
    if error:
        lines.append(f"  {plain(error)}")
    for use in result.used:
        lines.append(f"  used {use.role}: {plain(use.artifact.label)}  {use.artifact.digest.short}")  # noqa: PERF401
    lines += [f"  generated {saying.artifact(artifact)}" for artifact in result.generated]
    if result.run.metrics:
        lines.append(f"  metrics {pairs(result.run.metrics)}")
    return lines + [f"  warning: {plain(warning)}" for warning in result.warnings]


def verdict(evaluation: Evaluation) -> str:
    """Say what an evaluation measured."""
    measured = pairs(evaluation.metrics) or "no metrics"
    return f"{plain(evaluation.model.label)} on {plain(evaluation.dataset.label)}: {measured}"


def _require(command: tuple[str, ...]) -> None:
    if not command[0]:
        raise click.UsageError("the command is empty")


def _error(repository: Repository, result: CommandResult) -> str:
    """Return why a command could not be started, from what the repository keeps of how it ended."""
    outcome = repository.detail(result.run.outcome) if result.run.status is RunStatus.FAILED else None
    return str((outcome or {}).get("error") or "")


def _status(result: CommandResult) -> int:
    if result.run.exit_status is not None:
        return result.run.exit_status
    if result.run.status is RunStatus.SUCCEEDED:
        return 0
    return 128 + signal.SIGINT if result.run.status is RunStatus.INTERRUPTED else 1


def _standard_output(session: Session) -> AbstractContextManager[None]:
    return output.standard_output_kept() if session.json else nullcontext()
