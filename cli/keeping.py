"""`lin du`, `stats`, `rm`, `restore`, `hold`, `retain`, `gc`, `erase` and `repair`: what is kept, and what it takes."""

from __future__ import annotations

import re

import click

from lin.records import Artifact

from . import output, saying, table
from .bars import bar
from .completing import artifacts
from .parsing import not_empty
from .session import Session, json_option
from .table import Column
from .text import number, plain, size
from .verbs import Verb

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A length of time such as `90d`, in seconds."""

    name = "DURATION"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"([0-9]{1,9})([smhdw])", str(value))
        if not found:
            self.fail(f"{value!r} is not a length of time; write 12h, 30d or 8w.", param, ctx)
        return float(int(found[1]) * _UNITS[found[2]])


_DURATION = Duration()


@click.command(cls=Verb, epilog="\nlin du\nlin du --json\n")
@json_option
@click.pass_obj
def du(session: Session) -> None:
    """Say what content takes, by name.

    SIZE is what all versions are outside, STORED what of the store they need, ALONE what of it nothing else needs: so
    much goes when they go.
    """
    with session.repository() as repository:
        found = repository.usage()
    if session.json:
        output.document([each.to_json() for each in found])
        return
    layout = [Column("name"), *(Column(name, right=True) for name in ("versions", "size", "stored", "alone"))]
    table.show(layout, [(u.name, str(u.versions), size(u.size), size(u.stored), size(u.alone)) for u in found])


@click.command(cls=Verb, epilog="\nlin stats\n")
@json_option
@click.pass_obj
def stats(session: Session) -> None:
    """Say what sharing and compressing save.

    What all artifacts are outside, then as if equal content, and as if equal chunks were kept once, and what is
    really stored: compressed, or as the difference from an earlier version.
    """
    with session.repository() as repository:
        found = repository.stats()
    if session.json:
        output.document(found.to_json())
        return
    output.say(f"{number(found.artifacts, 'artifact')}, {size(found.logical)}")
    output.say(f"each content once   {size(found.distinct)}{_times(found.logical, found.distinct)}")
    output.say(f"each chunk once     {size(found.unique)}{_times(found.logical, found.unique)}")
    output.say(f"as it is stored     {size(found.stored)}{_times(found.logical, found.stored)}")
    output.say(f"files of the store  {size(found.files)} with {number(found.records, 'record')}")
    parts = ", ".join(f"{plain(name)} {size(count)}" for name, count in found.codings.items())
    if parts:
        output.say(f"coded as            {parts}")


@click.command(cls=Verb, epilog="\nlin rm data.csv@v1\nlin rm old.csv@v1 old.csv@v2 --reason 'wrong export'\n")
@click.argument("refs", metavar="REF...", nargs=-1, required=True, shell_complete=artifacts)
@click.option("--reason", metavar="TEXT", help="Why; it stays in the log.")
@json_option
@click.pass_obj
def rm(session: Session, refs: tuple[str, ...], reason: str | None) -> None:
    """Throw artifacts into the trash.

    Nothing is freed yet: `lin gc` does that for what nothing else needs, once it has lain there for 30 days, and until
    then `lin restore` takes it back. What it was used for, and what it was made from, is known for ever.
    """
    with session.repository() as repository:
        _artifacts(session, [repository.remove(ref, reason=reason) for ref in refs])


@click.command(cls=Verb, epilog="\nlin restore\nlin restore data.csv@v1\n")
@click.argument("refs", metavar="[REF]...", nargs=-1, shell_complete=artifacts)
@json_option
@click.pass_obj
def restore(session: Session, refs: tuple[str, ...]) -> None:
    """Take artifacts out of the trash.

    Their content is kept again. Without REF, list what is in the trash.
    """
    with session.repository() as repository:
        _artifacts(session, [repository.restore(ref) for ref in refs] if refs else list(repository.trash()))


@click.command(cls=Verb, epilog="\nlin hold churn@v3 --reason 'audit 2026'\nlin hold --release churn@v3\nlin hold\n")
@click.argument("refs", metavar="[REF]...", nargs=-1, shell_complete=artifacts)
@click.option("--release", is_flag=True, help="Take the holds back.")
@click.option("--reason", metavar="TEXT", help="Why; it stays in the log.")
@json_option
@click.pass_obj
def hold(session: Session, refs: tuple[str, ...], release: bool, reason: str | None) -> None:
    """Keep an artifact's content whatever else is said.

    What is held can be neither thrown away nor erased until it is released. Without REF, list what is held.
    """
    with session.repository() as repository:
        if release:
            found = [repository.release(ref) for ref in refs]
        else:
            found = [repository.hold(ref, reason=reason) for ref in refs] if refs else list(repository.held())
        _artifacts(session, found)


@click.command(cls=Verb, epilog="\nlin retain 'checkpoint-*' --last 5\nlin retain '*.csv' --age 90d --last 2 --yes\n")
@click.argument("pattern", callback=not_empty)
@click.option("--last", type=int, metavar="N", help="Keep the newest N versions of each name.")
@click.option("--age", type=_DURATION, help="Throw away only what is older: 12h, 90d, 8w.")
@click.option("--yes", is_flag=True, help="Do it; otherwise only say which.")
@json_option
@click.pass_obj
def retain(session: Session, pattern: str, last: int | None, age: float | None, yes: bool) -> None:
    """Throw away old versions, by age or number.

    PATTERN is a name with `*` and `?`. The newest version of a name stays in any case, and so does what is held or
    what an alias stands on. Without --yes nothing is changed.
    """
    with session.repository() as repository:
        found = repository.retain(pattern, last=last, age=age, dry=not yes)
    _artifacts(session, list(found))
    if not session.json:
        output.say(f"{number(len(found), 'artifact')} {'thrown away' if yes else 'would be thrown away: add --yes'}")


@click.command(cls=Verb, epilog="\nlin gc\nlin gc --yes\nlin gc --yes --trash 0s\n")
@click.option("--yes", is_flag=True, help="Do it; otherwise only say what would be freed.")
@click.option("--trash", type=_DURATION, default="30d", show_default=True, help="How long the trash keeps content.")
@click.option("--grace", type=_DURATION, default="1d", show_default=True, help="Longer than any put takes.")
@json_option
@click.pass_obj
def gc(session: Session, yes: bool, trash: float, grace: float) -> None:
    """Free the space of what nothing needs.

    Kept is what a live artifact, alias, hold or a running run reaches. It works beside others who write, in two steps:
    what nothing needs is marked, and what was marked longer than --grace ago, and still is not needed, is deleted. So
    run it regularly. Lineage is never touched.
    """
    with session.repository() as repository, bar("gc") as progress:
        found = repository.collect(dry=not yes, grace=grace, trash=trash, progress=progress)
    if session.json:
        output.document({**found.to_json(), "dry": not yes})
        return
    would = "" if yes else "would be "
    output.say(f"{size(found.freed)} in {number(found.deleted, 'pack')} {would}freed")
    output.say(f"{size(found.doomed)} {would}marked, to be freed by a later gc")
    for count, what in (
        (found.waiting, "marked before, not long enough ago"),
        (found.young, "written too lately to touch"),
        (found.scattered, "in packs of which most is needed"),
    ):
        if count:
            output.say(f"{size(count)} {what}")
    for reason, count in found.kept.items():
        output.say(f"{number(count, 'artifact')} in the trash kept: {plain(reason)}")
    if not yes:
        output.say("nothing was changed: add --yes")


@click.command(cls=Verb, epilog="\nlin erase patients.csv@v1 --reason 'asked to' --yes\n")
@click.argument("ref", shell_complete=artifacts)
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stays in the log for ever.")
@click.option("--yes", is_flag=True, help="Do it; otherwise only say what would go.")
@json_option
@click.pass_obj
def erase(session: Session, ref: str, reason: str, yes: bool) -> None:
    """Erase content for good.

    A tombstone in the log says so, and the bytes are removed from this repository and this machine's cache at once,
    except for what other content shares with them. Every artifact with these bytes loses them; what was made from them
    stays known. Other repositories learn of it when they pull, and never take the bytes again; erase there what they
    have.
    """
    with session.repository() as repository:
        found = repository.erase(ref, reason=reason, dry=not yes)
    if session.json:
        output.document({**found.to_json(), "dry": not yes})
        return
    shared = f", {number(found.shared, 'blob')} stay, since other content holds them" if found.shared else ""
    if yes:
        output.say(f"{number(found.blobs, 'blob')} erased{shared}; the store is {size(found.bytes)} smaller")
    else:
        output.say(f"{number(found.blobs, 'blob')} would be erased{shared}: add --yes")


@click.command(cls=Verb, epilog="\nlin repair --from /mnt/backup/lineage\n")
@click.option("--from", "source", metavar="REMOTE", required=True, help="A mirror, or any repository with the bytes.")
@json_option
@click.pass_obj
def repair(session: Session, source: str) -> int:
    """Mend what is damaged or missing from another repository.

    Everything is checked as `lin verify` does; what is wrong is taken from REMOTE, and everything is checked again. The
    exit status is 1 if something is still wrong.
    """
    with session.repository() as repository, bar("repair") as progress:
        found = repository.repair(source, progress=progress)
    if session.json:
        output.document(found.to_json())
    else:
        output.say(f"{number(len(found.mended), 'thing')} mended")
        for finding in found.findings:
            output.say(f"{plain(finding.kind)}  {plain(finding.subject)}  {plain(finding.message)}")
    return 1 if found.findings else 0


def _artifacts(session: Session, found: list[Artifact]) -> None:
    if session.json:
        output.document([each.to_json() for each in found])
    else:
        for each in found:
            output.say(saying.artifact(each))


def _times(whole: int, part: int) -> str:
    return f"  ({whole / part:.1f} times less)" if part else ""
