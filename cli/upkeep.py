"""`lin init`, `verify`, `checkpoint`, `index` and `doctor`: the repository itself."""

from __future__ import annotations

import click

from lin.records import IndexStatus

from . import output, table
from .bars import bar
from .completing import artifacts
from .parsing import ANY_PATH, not_empty
from .session import Session, json_option
from .table import Column
from .text import number, plain, size
from .verbs import Verb, VerbGroup

INIT_EXAMPLES = """
lin init
lin init /data/lineage
lin init s3://bucket/lineage
"""
VERIFY_EXAMPLES = """
lin verify
lin verify churn@prod
lin verify --deep
"""
CHECKPOINT_EXAMPLES = """
lin checkpoint
lin checkpoint --key > lin.vkey
"""
INDEX_EXAMPLES = """
lin index status
lin index rebuild
lin index use neo4j://localhost:7687
"""
USE_EXAMPLES = """
lin index use neo4j://graph.example:7687 --database lineage
lin index use sqlite
"""
_LEVELS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command(cls=Verb, epilog=INIT_EXAMPLES)
@click.argument("path", metavar="[PATH]", required=False, type=ANY_PATH, callback=not_empty)
@json_option
@click.pass_obj
def init(session: Session, path: str | None) -> None:
    """Make a repository in a folder or bucket.

    Here by default. Commands in that folder, and in those below it, find it by themselves; where there is none, they
    use your own, which needs no making.
    """
    with session.new_repository(path) as repository:
        if session.json:
            made = {"type": "repository", "url": repository.url, "id": repository.id, "format": repository.format}
            output.document(made)
        else:
            output.say(f"made a repository at {plain(repository.url)}")


@click.command(cls=Verb, epilog=VERIFY_EXAMPLES)
@click.argument("ref", metavar="[REF]", required=False, shell_complete=artifacts)
@click.option("--deep", is_flag=True, help="Also put every blob together, and compare it with its own digest.")
@json_option
@click.pass_obj
def verify(session: Session, ref: str | None, deep: bool) -> int:
    """Check the log's signatures and every stored byte.

    The checkpoint, the tiles that it implies, every signature, every stored byte compared with its digest, and that
    all of every blob is there that an event names. With REF: only that artifact's bytes, put together. The exit status
    is 1 when something is wrong.
    """
    with session.repository() as repository, bar("verify") as progress:
        report = repository.verify(ref, deep=deep, progress=progress)
    if session.json:
        output.document({**report.to_json(), "ok": report.ok})
        return 0 if report.ok else 1
    read = f"{number(report.events, 'event')}, {number(report.blobs, 'blob')}, {size(report.bytes)} read"
    erased = f", {number(len(report.erased), 'blob')} erased on purpose" if report.erased else ""
    erased += f", {number(len(report.removed), 'blob')} thrown away" if report.removed else ""
    if report.ok:
        output.say(f"{output.styled('ok', 'green')}: {read}{erased}")
        return 0
    for finding in report.findings:
        output.say(f"{output.styled(plain(finding.kind), 'red')}  {plain(finding.subject)}  {plain(finding.message)}")
    output.say(f"{number(len(report.findings), 'finding')}: {read}{erased}")
    return 1


@click.command(cls=Verb, epilog=CHECKPOINT_EXAMPLES)
@click.option("--key", is_flag=True, help="Print the log's verifier key instead.")
@json_option
@click.pass_obj
def checkpoint(session: Session, key: bool) -> None:
    """Print the log's signed checkpoint.

    A C2SP signed note: with it and the key, programs that know tlog-tiles can check the log without lin. Keep
    one elsewhere, and nobody can rewrite what was recorded before it unseen.
    """
    with session.repository() as repository:
        text = repository.log_key() if key else repository.checkpoint()
    if session.json:
        output.document({"type": "key" if key else "checkpoint", "text": text})
    else:
        output.say(text.rstrip("\n"))


@click.group(cls=VerbGroup, epilog=INDEX_EXAMPLES, invoke_without_command=True)
@click.pass_context
def index(context: click.Context) -> None:
    """Look at the index, or make it again from the log.

    The index holds nothing that the log does not: it can be deleted at any time. Without a subcommand it tells its
    status.
    """
    if context.invoked_subcommand is None:
        context.invoke(status)


@index.command(cls=Verb, epilog="\nlin index status --json\n")
@json_option
@click.pass_obj
def status(session: Session) -> None:
    """Say how far each index has followed the log."""
    with session.repository() as repository:
        found = repository.index_status()
    if session.json:
        output.document([each.to_json() for each in found])
    else:
        _indexes(list(found))


@index.command(cls=Verb, epilog="\nlin index rebuild\n")
@json_option
@click.pass_obj
def rebuild(session: Session) -> None:
    """Delete the index and make it again from the log."""
    with session.repository() as repository, bar("index") as progress:
        found = repository.rebuild_index(progress=progress)
    if session.json:
        output.document(found.to_json())
    else:
        _indexes([found])


@click.command(cls=Verb, epilog="\nlin doctor\nlin --repo /data/lineage doctor --json\n")
@json_option
@click.pass_obj
def doctor(session: Session) -> int:
    """Look for common trouble and say what to do.

    The exit status is 1 when something is wrong; what is only worth knowing is a warning.
    """
    with session.repository() as repository:
        advice = repository.doctor()
    if session.json:
        output.document([each.to_json() for each in advice])
    else:
        for each in advice:
            level = output.styled(each.level.ljust(7), _LEVELS.get(each.level, "bold"))
            output.say(f"{level}  {plain(each.subject)}: {plain(each.message)}")
            if each.hint:
                output.say(f"         {plain(each.hint)}")
    return 1 if any(each.level == "error" for each in advice) else 0


@index.command(cls=Verb, epilog=USE_EXAMPLES)
@click.argument("url", metavar="URL|sqlite", callback=not_empty)
@click.option("--database", metavar="NAME", help="The database on that server; your home database by default.")
@json_option
@click.pass_obj
def use(session: Session, url: str, database: str | None) -> None:
    """Let a Neo4j server follow the log and answer questions.

    The whole log is replayed into it, and later writes follow by themselves. While it is away, the embedded graph
    answers, and says so. `sqlite` goes back to the embedded graph alone. User and password are taken from
    LIN_NEO4J_USER and LIN_NEO4J_PASSWORD, or from neo4j.json in the folder of your keys.
    """
    with session.repository() as repository, bar("replay") as progress:
        found = repository.use_index(url, database=database, progress=progress)
    if session.json:
        output.document(found.to_json())
    else:
        _indexes([found])


def _indexes(found: list[IndexStatus]) -> None:
    layout = [Column("engine"), Column("events", right=True), Column("behind", right=True), Column("location")]
    table.show(layout, [(each.engine, _known(each.events), _known(each.behind), each.location) for each in found])
    for each in found:
        if each.problem:
            output.remark(each.problem)


def _known(count: int | None) -> str:
    return "?" if count is None else str(count)
