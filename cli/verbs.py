"""The verbs: where each one's code lies, imported only when the verb is used.

click's own group imports every command to list them; with the summaries kept here, `lin --help`, completion
of verbs and the message about a mistyped verb import none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class Source:
    """Say where a verb's code lies.

    Attributes:
        module: In this package.
        attribute: The command in that module.
        summary: The one line that `lin --help` shows; also the first line of the verb's own help.
    """

    module: str
    attribute: str
    summary: str


SECTIONS: Mapping[str, Mapping[str, Source]] = {
    "Content": {
        "init": Source("upkeep", "init", "Make a repository in a folder or bucket."),
        "put": Source("putting", "put", "Store files or folders and record them as artifacts."),
        "get": Source("content", "get", "Write an artifact's content to disk."),
        "cat": Source("content", "cat", "Print a file's content."),
        "ls": Source("content", "ls", "List artifacts, or the files of one."),
        "tables": Source("tabling", "tables", "List the tables in datasets, or look for them."),
        "tag": Source("aliases", "tag", "Point a movable name at an artifact."),
    },
    "Runs": {
        "run": Source("running", "run", "Run a command and record what it used and made."),
        "eval": Source("running", "evaluate", "Measure a model on datasets with a command."),
        "runs": Source("listing", "runs", "List runs."),
        "metrics": Source("questions", "metrics", "Compare models on datasets."),
    },
    "Questions": {
        "show": Source("showing", "show", "Show everything about one thing."),
        "trace": Source("questions", "trace", "Draw how something was made, or what stands on it."),
        "impact": Source("questions", "impact", "Say which models, evaluations and aliases stand on an artifact."),
        "models": Source("questions", "models", "List the models trained on some data."),
        "same": Source("comparing", "same", "Say whether two datasets are the same data, and else how they differ."),
        "dup": Source("comparing", "dup", "Find what is held more than once."),
        "overlap": Source("comparing", "overlap", "Count the rows that are in both of two tables."),
        "path": Source("relating", "path", "Show a shortest way from one thing to another."),
        "leaks": Source("relating", "leaks", "Find models that were tested on what they learned from."),
        "diff": Source("relating", "diff", "Say how two runs, models or datasets differ."),
        "blame": Source("rows", "blame", "Say which dataset each row came from."),
        "contaminated": Source("rows", "contaminated", "Find everything that holds these rows, and what stands on it."),
        "search": Source("searching", "search", "Find things by name, kind, metrics and parameters."),
        "log": Source("listing", "log", "List what happened, as the signed log holds it."),
    },
    "Sharing": {
        "push": Source("sharing", "push", "Give another repository what it lacks."),
        "pull": Source("sharing", "pull", "Take over what another repository has."),
        "clone": Source("sharing", "clone", "Make a repository that holds all that another one holds."),
        "mirror": Source("sharing", "mirror", "Keep an exact copy of the repository elsewhere."),
        "remote": Source("sharing", "remote", "Remember other repositories by a name."),
    },
    "Upkeep": {
        "du": Source("keeping", "du", "Say what content takes, by name."),
        "stats": Source("keeping", "stats", "Say what sharing and compressing save."),
        "rm": Source("keeping", "rm", "Throw artifacts into the trash."),
        "restore": Source("keeping", "restore", "Take artifacts out of the trash."),
        "hold": Source("keeping", "hold", "Keep an artifact's content whatever else is said."),
        "retain": Source("keeping", "retain", "Throw away old versions, by age or number."),
        "gc": Source("keeping", "gc", "Free the space of what nothing needs."),
        "erase": Source("keeping", "erase", "Erase content for good."),
        "repair": Source("keeping", "repair", "Mend what is damaged or missing from another repository."),
        "verify": Source("upkeep", "verify", "Check the log's signatures and every stored byte."),
        "checkpoint": Source("upkeep", "checkpoint", "Print the log's signed checkpoint."),
        "index": Source("upkeep", "index", "Look at the index, or make it again from the log."),
        "serve": Source("serving", "serve", "Answer GraphQL and show the web page."),
        "doctor": Source("upkeep", "doctor", "Look for common trouble and say what to do."),
        "version": Source("about", "version", "Print the version of lin."),
        "completion": Source("about", "completion", "Print a script that completes verbs, options and refs."),
    },
}

VERBS: Mapping[str, Source] = {name: source for verbs in SECTIONS.values() for name, source in verbs.items()}


class Verb(click.Command):
    """A command whose epilog, its examples, is printed as it is written."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's form
        """Write the examples under a heading of their own, unwrapped."""
        if self.epilog:
            formatter.write_paragraph()
            formatter.write("Examples:\n" + "".join(f"  {line}\n" for line in self.epilog.strip().splitlines()))


class VerbGroup(click.Group):
    """A group whose commands with subcommands of their own keep their examples as written."""

    format_epilog = Verb.format_epilog


class LazyGroup(click.Group):
    """The group of all verbs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        """Return the names of the verbs, in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's form
        """Import a verb; None where there is no such verb."""
        source = VERBS.get(cmd_name)
        if source is None:
            return None
        command: click.Command = getattr(import_module(f".{source.module}", __package__), source.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's form
        """Write the verbs by section, without importing any."""
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, source.summary) for name, source in verbs.items()], col_max=12)

    format_epilog = Verb.format_epilog

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete verbs without importing any, and options as click does."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(n, help=s.summary) for n, s in VERBS.items() if n.startswith(incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that the arguments begin with; a mistyped one is answered with those like it."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in VERBS and not ctx.resilient_parsing:
            from difflib import get_close_matches  # noqa: PLC0415 - only a mistake pays for it

            near: Any = get_close_matches(name, VERBS, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "`lin --help` lists the verbs."
            error = click.UsageError(f"there is no verb {name!r}", ctx=ctx)
            error.add_note(hint)
            raise error
        return super().resolve_command(ctx, args)
