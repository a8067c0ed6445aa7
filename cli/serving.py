"""`lin serve`: answer over HTTP."""

from __future__ import annotations

from importlib import import_module

import click

from lin.errors import InvalidInputError

from . import output
from .session import Session
from .text import plain
from .verbs import Verb

EXAMPLES = """
lin serve
lin serve --port 9000
LIN_TOKEN=… lin serve --host 0.0.0.0
"""


@click.command(cls=Verb, epilog=EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port; 0 for any free one."
)
@click.option(
    "--token", envvar="LIN_TOKEN", help="What clients must show; needed beyond this machine.  [env: LIN_TOKEN]"
)
@click.pass_obj
def serve(session: Session, host: str, port: int, token: str | None) -> None:
    """Answer GraphQL and show the web page.

    It listens on this machine only, unless --host says otherwise; any other address needs a token. A token on the
    command line can be seen by every user of this machine: LIN_TOKEN cannot. Ctrl-C ends it.
    """
    # The API is the command line's neighbour, and neither may import the other: it is looked up by name.
    try:
        server = import_module("lin.api.server")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "lin":
            raise
        raise InvalidInputError(
            f"lin serve needs the package {error.name!r}, which is not installed",
            hint="pip install 'lin-store[server]'",
        ) from error
    with session.repository() as repository:
        server.serve(repository, host=host, port=port, token=token, ready=lambda url: _tell(url, repository.url))


def _tell(url: str, place: str) -> None:
    output.say(f"{url}/graphql answers for {plain(place)}; Ctrl-C ends it")
    output.flush()
