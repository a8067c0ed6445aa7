"""The options that say how a table is to be read, for every verb that reads one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .parsing import assignments

if TYPE_CHECKING:  # only verbs that read tables pay for it
    from lin.tabular.options import Options

Function = TypeVar("Function", bound=Callable[..., Any])
FORMATS = ("csv", "jsonl", "parquet", "arrow", "orc", "excel", "sqlite", "duckdb", "npy", "npz")

_NAMES = ("format", "delimiter", "quote", "escape", "encoding", "header", "nulls", "types", "table")


def reading_options(function: Function) -> Function:
    """Give a verb the options that `reading` reads, each named `read_…` among its arguments."""
    options = (
        click.option(
            "--format", "read_format", type=click.Choice(FORMATS), help="What the file is; else its bytes say."
        ),
        click.option("--delimiter", "read_delimiter", metavar="C", help="Between the cells of a CSV."),
        click.option("--quote", "read_quote", metavar="C", help="Around cells of a CSV; '' for none."),
        click.option("--escape", "read_escape", metavar="C", help="Before a quote in a CSV; by default it is doubled."),
        click.option("--encoding", "read_encoding", metavar="NAME", help="Of text: latin-1, cp1252, …; UTF-8 else."),
        click.option("--header/--no-header", "read_header", default=None, help="Whether the first row holds names."),
        click.option("--null", "read_nulls", metavar="TEXT", multiple=True, help="Another spelling of no value."),
        click.option("--type", "read_types", metavar="COLUMN=TYPE", multiple=True, help="A CSV column's type."),
        click.option("--table", "read_table", metavar="NAME", help="Which sheet, split or table of a database."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def reading(arguments: dict[str, Any]) -> Options | None:
    """Take the reading options out of a verb's arguments; None where none was given.

    Raises:
        InvalidInputError: One of them cannot be.
    """
    given = {name: arguments.pop(f"read_{name}") for name in _NAMES}
    if all(value is None or value == () for value in given.values()):
        return None
    from lin.tabular.options import Options  # noqa: PLC0415 - only who names one pays for it

    return Options(
        format=given["format"],
        delimiter="\t" if given["delimiter"] == "\\t" else given["delimiter"],
        quote=given["quote"],
        escape=given["escape"],
        encoding=given["encoding"],
        header=given["header"],
        nulls=given["nulls"] or None,
        types={name: str(kind) for name, kind in assignments(given["types"], "--type").items()},
        part=given["table"],
    )
