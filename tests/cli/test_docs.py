"""The page about the command line."""

import re
from pathlib import Path

import click
import pytest

from lin.cli import entry, verbs
from lin.cli.failure import INTERRUPTED, USAGE
from lin.errors import LinError

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| `(lin [^\n]*?)` \|", PAGE, re.MULTILINE))


def test_the_page_lists_the_verbs_that_there_are():
    """The same verbs, under the same headings, in the same order."""
    assert list(ROWS) == list(verbs.VERBS)
    headings = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert headings == list(verbs.SECTIONS)


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_every_example_on_the_page_can_be_parsed(verb):
    """An example uses options that exist."""
    line = ROWS[verb].replace("\\|", "|").partition(" |")[0]
    command = entry.lin.get_command(click.Context(entry.lin), verb)
    assert command is not None
    context = command.make_context(verb, line.split()[2:])
    assert context.command is command


def test_the_page_knows_every_exit_status():
    """All exit statuses of the error tree and of the command line are explained."""

    def tree(error):
        yield error
        for child in error.__subclasses__():
            yield from tree(child)

    told = {int(status) for status in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert {error.exit_status for error in tree(LinError)} | {0, USAGE, INTERRUPTED} == told
