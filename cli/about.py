"""`lin version` and `lin completion`: what this program is, and how a shell learns to complete it."""

from __future__ import annotations

import platform

import click

from lin import __version__

from . import output
from .session import Session, json_option
from .shells import SHELLS, script
from .verbs import Verb

COMPLETION_EXAMPLES = """
eval "$(lin completion bash)"                                     in ~/.bashrc
eval "$(lin completion zsh)"                                      in ~/.zshrc
lin completion fish > ~/.config/fish/completions/lin.fish
"""


@click.command(cls=Verb, epilog="\nlin version --json\n")
@json_option
@click.pass_obj
def version(session: Session) -> None:
    """Print the version of lin.

    With the Python and the system that it runs on: what a report of a bug should begin with.
    """
    python, system = platform.python_version(), f"{platform.system()} {platform.machine()}"
    if session.json:
        output.document({"type": "version", "lin": __version__, "python": python, "system": system})
    else:
        output.say(f"lin {__version__} (Python {python}, {system})")


@click.command(cls=Verb, epilog=COMPLETION_EXAMPLES)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes verbs, options and refs.

    Names, versions, aliases and experiments come from the repository that the command line names or lin finds.
    """
    output.say(script(context.find_root().command, shell).rstrip())
