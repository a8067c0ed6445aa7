"""What every verb is given: which repository, how to open it, and whether to answer in JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import output

if TYPE_CHECKING:  # importing it takes longer than `lin --help` may
    from lin.repository import Repository

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(slots=True)
class Session:
    """One call of the command line.

    Attributes:
        location: The folder or URL given with `--repo`; None to look for the repository.
        json: Whether answers and errors are JSON documents.
    """

    location: str | None = None
    json: bool = False

    @contextmanager
    def repository(self, as_of: str | None = None) -> Iterator[Repository]:
        """Open the repository, or it as it was at a moment, and close it at the end of the block."""
        from lin.repository import Repository  # noqa: PLC0415 - only verbs that open one pay for it

        with Repository.open(self.location) as repository:
            try:
                if as_of is None:
                    yield repository
                    return
                from .bars import bar  # noqa: PLC0415 - few look back

                with bar(f"as of {as_of}") as progress:
                    past = repository.as_of(as_of, progress=progress)
                with past:
                    yield past
            finally:
                for notice in repository.notices:
                    output.remark(notice)

    @contextmanager
    def new_repository(self, place: str | None) -> Iterator[Repository]:
        """Make a repository: at `place`, else where `--repo` says, else in this folder."""
        from lin.repository import Repository  # noqa: PLC0415 - only verbs that open one pay for it

        chosen = place if place is not None else self.location if self.location is not None else "."
        with Repository.init(chosen) as repository:
            yield repository


def as_of_option(function: Function) -> Function:
    """Give a verb `--as-of`."""
    option = click.option(
        "--as-of", metavar="DATE|N", help="As it was then: a day or time, or after the log's first N events."
    )
    return option(function)


def json_option(function: Function) -> Function:
    """Give a verb `--json`, noted in the session before other options are looked at."""

    def note(context: click.Context, _: click.Parameter, wanted: bool) -> None:
        context.ensure_object(Session).json |= wanted

    option = click.option(
        "--json", is_flag=True, is_eager=True, expose_value=False, callback=note, help="Answer with one JSON document."
    )
    return option(function)
