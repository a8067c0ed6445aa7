"""`lin get`, `lin cat` and `lin ls`: content back out of the repository."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lin.lineage.words import ArtifactKind
from lin.records import Artifact

from . import output, saying, table
from .bars import bar
from .completing import artifacts
from .parsing import ANY_PATH, KINDS, not_empty
from .session import Session, as_of_option, json_option
from .table import Column
from .text import moment, plain, size
from .verbs import Verb

GET_EXAMPLES = """
lin get data.csv@v1
lin get churn@prod /tmp/model.joblib --force
"""
CAT_EXAMPLES = """
lin cat data.csv@v2 | head
lin cat faces labels/train.csv
"""
LS_EXAMPLES = """
lin ls
lin ls --kind model
lin ls -r faces@v1
"""


@click.command(cls=Verb, epilog=GET_EXAMPLES)
@click.argument("ref", shell_complete=artifacts)
@click.argument("destination", metavar="[DEST]", required=False, type=ANY_PATH, callback=not_empty)
@click.option("--force", is_flag=True, help="Replace what is there.")
@click.option(
    "--fetch", is_flag=True, help="Bytes that are not here: bring them from a repository that was met before."
)
@json_option
@click.pass_obj
def get(session: Session, ref: str, destination: str | None, force: bool, fetch: bool) -> None:
    """Write an artifact's content to disk.

    Every byte is checked against its digest on the way. DEST is the artifact's name in this folder by
    default; what is there already is kept unless --force is given.
    """
    with session.repository() as repository, bar(ref) as progress:
        if fetch:
            repository.fetch(ref, progress=progress)
        path = repository.get(ref, destination, force=force, progress=progress)
    if session.json:
        output.document({"type": "get", "ref": ref, "path": str(path)})
    else:
        output.say(plain(path))


@click.command(cls=Verb, epilog=CAT_EXAMPLES)
@click.argument("ref", shell_complete=artifacts)
@click.argument("path", metavar="[PATH]", required=False)
@click.pass_obj
def cat(session: Session, ref: str, path: str | None) -> None:
    """Print a file's content.

    The bytes go to standard output as they are, checked against their digest. PATH names a file inside a
    folder.
    """
    with session.repository() as repository:
        for data in repository.stream(ref, path):
            if not output.emit(data):
                return


@click.command(cls=Verb, epilog=LS_EXAMPLES)
@click.argument("ref", metavar="[REF]", required=False, shell_complete=artifacts)
@click.option("-r", "--recursive", is_flag=True, help="Also the files of folders inside REF.")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only this kind; repeatable.")
@as_of_option
@json_option
@click.pass_obj
def ls(session: Session, ref: str | None, recursive: bool, kinds: tuple[str, ...], as_of: str | None) -> None:
    """List artifacts, or the files of one.

    Without REF: the newest version of every name. With REF: what the folder holds; a file is one line.
    """
    if ref is None and recursive:
        raise click.UsageError("-r needs a REF: the folder to list")
    if ref is not None and kinds:
        raise click.UsageError("--kind is for listing names; a REF is one already")
    with session.repository(as_of) as repository:
        if ref is None:
            _names(session, repository.newest(kinds=[ArtifactKind(kind) for kind in kinds]))
            return
        entries = repository.entries(ref, recursive=recursive)
    if session.json:
        output.document([entry.to_json() for entry in entries])
        return
    layout = [Column("mode"), Column("size", right=True), Column("digest", style="dim"), Column("path")]
    table.show(layout, [(e.mode, "" if e.mode == "d" else size(e.size), e.digest.short, e.path) for e in entries])


def _names(session: Session, found: Sequence[Artifact]) -> None:
    if session.json:
        output.document([artifact.to_json() for artifact in found])
        return
    layout = [
        Column("artifact", shrinks=True, style="bold"),
        Column("kind"),
        Column("content", right=True),
        Column("digest", style="dim"),
        Column("created", style="dim"),
        Column("experiment", shrinks=True),
    ]
    rows = [(a.label, a.kind, saying.content(a), a.digest.short, moment(a.created), a.experiment or "") for a in found]
    table.show(layout, rows)
