"""`lin put`: store files and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lin.lineage.words import ArtifactKind

from . import output, saying
from .bars import bar
from .parsing import ANY_PATH, KINDS, assignments, not_empty
from .reading_options import reading, reading_options
from .session import Session, json_option
from .text import plain
from .verbs import Verb

NAMED = 5
"""Artifacts with the same bytes that are named before the rest is counted."""

EXAMPLES = """
lin put data.csv
lin put images/ --name faces --attribute licence=CC0
lin put churn.joblib --kind model --experiment churn
lin put sales.txt --delimiter ';' --encoding cp1252 --wait
"""


@click.command(cls=Verb, epilog=EXAMPLES)
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=ANY_PATH, callback=not_empty)
@click.option("--name", help="The name that its versions share; the file's name by default.")
@click.option("--kind", type=click.Choice(KINDS), default="dataset", show_default=True, help="What it is to you.")
@click.option("--experiment", metavar="E", help="The experiment it belongs to.")
@click.option("--attribute", "attributes", metavar="K=V", multiple=True, help="A small fact about it; repeatable.")
@click.option(
    "--wait/--no-wait", default=False, help="Wait until its table is known, or leave that to another process."
)
@reading_options
@json_option
@click.pass_obj
def put(
    session: Session,
    /,
    *,
    paths: tuple[str, ...],
    name: str | None,
    kind: str,
    experiment: str | None,
    attributes: tuple[str, ...],
    wait: bool,
    **arguments: Any,
) -> None:
    """Store files or folders and record them as artifacts.

    Each becomes the next version of its name, unless its newest version holds these very bytes already: then
    it is unchanged and nothing is recorded. Equal bytes are stored once, whatever they are called. With --json
    the answer is an array with one object for each PATH.

    Which table a dataset holds is found out afterwards, by a process of its own, and `lin tables` tells; it is said
    at once where these bytes were looked at before. The options about reading are for that process. What is no table
    is kept as bytes all the same.
    """
    if name is not None and len(paths) > 1:
        raise click.UsageError("--name names one thing, and there are several PATHs")
    facts = assignments(attributes, "--attribute")
    options = reading(arguments)
    done = []
    with session.repository() as repository:
        repository.notes_tables = not wait
        try:
            for path in paths:
                with bar(Path(path).name or path) as progress:
                    result = repository.put(
                        path,
                        name=name,
                        kind=ArtifactKind(kind),
                        experiment=experiment,
                        attributes=facts,
                        progress=progress,
                    )
                answer = result.to_json()
                done.append(answer)
                if not session.json:
                    found = result.artifact
                    note = "" if result.added else "  unchanged"
                    label = output.styled(plain(found.label), "bold")
                    output.say(f"{label}  {found.digest.short}  {saying.content(found)}{note}")
                    same = [plain(other.label) for other in result.same_bytes if other.label != found.label]
                    if same:
                        more = f" and {len(same) - NAMED} more" if len(same) > NAMED else ""
                        output.say(f"  same bytes as {', '.join(same[:NAMED])}{more}")
                if wait:
                    from .tabling import after_put  # noqa: PLC0415 - only who waits pays for it

                    answer.update(after_put(session, repository, result.artifact, options))
                elif options is not None:
                    repository.note(result.artifact, options)
                else:
                    from .tabling import known_at_once  # noqa: PLC0415 - as above

                    answer.update(known_at_once(session, repository, result.artifact))
        finally:
            # What was recorded is said, even when a later path fails.
            if session.json and done:
                output.document(done)
