"""`lin push`, `pull`, `clone`, `mirror` and `remote`: what repositories give one another."""

from __future__ import annotations

from pathlib import Path

import click

from lin.records import Exchange

from . import output, table
from .bars import bar
from .completing import artifacts
from .parsing import ANY_PATH, not_empty
from .session import Session, json_option
from .table import Column
from .text import number, plain, size
from .verbs import Verb, VerbGroup

PUSH_EXAMPLES = """
lin push s3://team/lineage
lin push origin churn@prod
lin push --dry-run
"""
PULL_EXAMPLES = """
lin pull s3://team/lineage
lin pull origin churn@prod
lin pull /mnt/colleague --no-content
"""
CLONE_EXAMPLES = """
lin clone s3://team/lineage
lin clone s3://team/lineage /data/lineage
"""
MIRROR_EXAMPLES = """
lin mirror /mnt/backup/lineage
lin mirror s3://backup/lineage
"""
REMOTE_EXAMPLES = """
lin remote
lin remote add team s3://team/lineage
lin remote remove team
"""


@click.command(cls=Verb, epilog=PUSH_EXAMPLES)
@click.argument("remote", required=False, callback=not_empty)
@click.argument("refs", metavar="[REF]...", nargs=-1, shell_complete=artifacts)
@click.option("--no-content", is_flag=True, help="Only what is known of things, not their bytes.")
@click.option("--dry-run", is_flag=True, help="Say what would be given, and change nothing.")
@json_option
@click.pass_obj
def push(session: Session, remote: str | None, refs: tuple[str, ...], no_content: bool, dry_run: bool) -> int:
    """Give another repository what it lacks.

    REMOTE is a folder, a URL or a remembered name, `origin` by default. With REF: only that, with everything that made
    it. Bytes go first, then the signed events; when it is interrupted, the next push goes on from there.
    """
    with session.repository() as repository, bar("push") as progress:
        done = repository.push(remote, refs, content=not no_content, dry=dry_run, progress=progress)
    return _report(session, "push", done, "would be given" if dry_run else "given")


@click.command(cls=Verb, epilog=PULL_EXAMPLES)
@click.argument("remote", required=False, callback=not_empty)
@click.argument("refs", metavar="[REF]...", nargs=-1)
@click.option("--no-content", is_flag=True, help="Only what is known of things; `lin get --fetch` brings bytes later.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken over, and change nothing.")
@json_option
@click.pass_obj
def pull(session: Session, remote: str | None, refs: tuple[str, ...], no_content: bool, dry_run: bool) -> int:
    """Take over what another repository has.

    REMOTE is a folder, a URL or a remembered name, `origin` by default. With REF: only what that means there, with
    everything that made it. A remote whose history is not the one seen before is refused, and the evidence kept.
    """
    with session.repository() as repository, bar("pull") as progress:
        done = repository.pull(remote, refs, content=not no_content, dry=dry_run, progress=progress)
    return _report(session, "pull", done, "would be taken over" if dry_run else "taken over")


@click.command(cls=Verb, epilog=CLONE_EXAMPLES)
@click.argument("remote", callback=not_empty)
@click.argument("folder", metavar="[FOLDER]", required=False, type=ANY_PATH, callback=not_empty)
@click.option("--no-content", is_flag=True, help="Only what is known of things; `lin get --fetch` brings bytes later.")
@json_option
@click.pass_obj
def clone(session: Session, remote: str, folder: str | None, no_content: bool) -> int:
    """Make a repository that holds all that another one holds.

    In this folder by default. The new repository has an id and a log of its own, and knows the other one as `origin`,
    which `lin pull` and `lin push` then mean. For an exact copy, see `lin mirror`.
    """
    from lin.repository import Repository  # noqa: PLC0415 - only verbs that open one pay for it

    with bar("clone") as progress:
        made, done = Repository.clone(remote, folder or ".", content=not no_content, progress=progress)
    with made:
        url = made.url
    if not session.json:
        output.say(f"made a repository at {plain(url)}")
    return _report(session, "clone", done, "taken over", url=url)


@click.command(cls=Verb, epilog=MIRROR_EXAMPLES)
@click.argument("location", callback=not_empty)
@json_option
@click.pass_obj
def mirror(session: Session, location: str) -> None:
    """Keep an exact copy of the repository elsewhere.

    The same files, the same log and the same id: it can be used in the repository's place when that is lost, and
    `lin repair` takes bytes from it. Run it again to bring it up to date; only what is new is copied. Keys are not in
    it: keep a copy of the folder that `lin doctor` names.
    """
    with session.repository() as repository, bar("mirror") as progress:
        done = repository.mirror(location, progress=progress)
    if session.json:
        output.document({"type": "mirror", **done.to_json()})
        return
    output.say(f"{plain(done.location)}: {number(done.events, 'event')}, {_copied(done.files, done.bytes)} copied")


@click.group(cls=VerbGroup, epilog=REMOTE_EXAMPLES, invoke_without_command=True)
@json_option
@click.pass_context
def remote(context: click.Context) -> None:
    """Remember other repositories by a name.

    The names are yours and this machine's. Without a subcommand it lists them.
    """
    if context.invoked_subcommand is None:
        context.invoke(_list)


@click.command()
@click.pass_obj
def _list(session: Session) -> None:
    with session.repository() as repository:
        names = repository.remotes.names
    if session.json:
        output.document([{"name": name, "location": location} for name, location in sorted(names.items())])
    else:
        table.show([Column("name"), Column("location")], [(name, names[name]) for name in sorted(names)])


@remote.command(cls=Verb, epilog="\nlin remote add team s3://team/lineage\n")
@click.argument("name")
@click.argument("location", callback=not_empty)
@click.pass_obj
def add(session: Session, name: str, location: str) -> None:
    """Give a folder or URL a name."""
    where = location if "://" in location else str(Path(location).expanduser().absolute())
    with session.repository() as repository:
        repository.remotes = repository.remotes.add(name, where)


@remote.command(cls=Verb, epilog="\nlin remote remove team\n")
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Forget a name."""
    with session.repository() as repository:
        repository.remotes = repository.remotes.remove(name)


def _report(session: Session, verb: str, done: Exchange, given: str, **more: str) -> int:
    if session.json:
        output.document({"type": verb, **more, **done.to_json()})
        return 1 if done.missing else 0
    if not (done.events or done.blobs):
        output.say("nothing new")
    else:
        shared = f", of which {size(done.moved)} had to move" if 0 < done.moved < done.bytes else ""
        output.say(f"{number(done.events, 'event')} and {_copied(done.blobs, done.bytes, 'blob')} {given}{shared}")
    for alias in done.conflicts:
        output.remark(f"{plain(alias)} stands in several places now: `lin tag` it where it belongs")
    for label in done.ambiguous:
        output.remark(f"there are two artifacts {plain(label)} now: tell them apart by their ids, as `lin ls` shows")
    for digest in done.missing:
        output.remark(f"the bytes {digest.short} were not there to be taken")
    return 1 if done.missing else 0


def _copied(count: int, total: int, what: str = "file") -> str:
    return f"{number(count, what)} ({size(total)})"
