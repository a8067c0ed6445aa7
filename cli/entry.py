"""The entry point: the `lin` command itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from . import output
from .failure import INTERRUPTED, report
from .session import Session
from .verbs import LazyGroup

EXAMPLES = """
lin put data.csv                                        store a file and give it a version
lin run --input train=data.csv --output model=m.joblib -- python train.py
lin trace m.joblib                                      what made this model?
lin models --trained-on data.csv                        which models learned from these bytes?
"""


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from lin import __version__  # noqa: PLC0415 - as every verb's code, imported when it is used

        output.say(f"lin {__version__}")
        context.exit()


@click.group(
    cls=LazyGroup,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--repo", metavar="FOLDER|URL", help="The repository; else LIN_REPO, the nearest one, or yours.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Print the version."
)
@click.pass_context
def lin(context: click.Context, repo: str | None) -> None:
    """Keep datasets, code and models by their content, and know what made what.

    lin stores files under the digest of their bytes and records, in a signed log, which run used what and made
    what. REF names a thing: a name, name@v3, name@alias, name@{2026-03-01}, an id, a digest, or a unique beginning
    of one.
    """
    context.ensure_object(Session).location = repo


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status; `arguments` default to the process's."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit status; nothing but the interpreter's own exit gets past it."""
    output.prepare()
    session = Session()
    try:
        try:
            status = _invoke(arguments, session)
        finally:
            output.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Only printing can end so, and only click's own, of a help text: everything else goes through `output`.
        output.nobody_reads()
        return 0
    except click.UsageError as error:
        # The parser fails before it has told anyone about --json.
        return report(error, as_json=session.json or "--json" in _own(arguments))
    except Exception as error:  # noqa: BLE001 - the last resort of a program: say so, without a traceback
        return report(error, as_json=session.json)
    return status


def _invoke(arguments: list[str], session: Session) -> int:
    if os.environ.get("_LIN_COMPLETE"):
        from .shells import complete  # noqa: PLC0415 - only the shell's completion pays for it

        return complete(lin, os.environ["_LIN_COMPLETE"])
    try:
        with lin.make_context("lin", arguments or ["--help"], obj=session) as context:
            status: object = lin.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    return status if isinstance(status, int) else 0


def _own(arguments: list[str]) -> list[str]:
    """Return the arguments before `--`: those that are for lin."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments
