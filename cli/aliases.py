"""`lin tag`: movable names."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lin.records import Alias

from . import output, saying, table
from .completing import aliases, artifacts
from .session import Session, json_option
from .table import Column
from .text import moment, plain
from .verbs import Verb

EXAMPLES = """
lin tag churn@v3 prod
lin tag
lin tag --delete churn@prod
"""


@click.command(cls=Verb, epilog=EXAMPLES)
@click.argument("ref", metavar="[REF]", required=False, shell_complete=artifacts)
@click.argument("alias", metavar="[ALIAS]", required=False)
@click.option("--delete", metavar="NAME@ALIAS", shell_complete=aliases, help="Take this alias away.")
@json_option
@click.pass_obj
def tag(session: Session, ref: str | None, alias: str | None, delete: str | None) -> None:
    """Point a movable name at an artifact.

    After `lin tag churn@v3 prod`, churn@prod means churn@v3 until it is moved; `lin log --kind alias` shows every
    move. Without arguments, or with only a name, it lists where the aliases stand.
    """
    if delete is not None and (ref or alias):
        raise click.UsageError("--delete takes NAME@ALIAS and no REF")
    name, _, gone = (delete or "").rpartition("@")
    if delete is not None and not (name and gone):
        raise click.BadParameter(f"{delete!r} is not of the form NAME@ALIAS", param_hint="--delete")
    with session.repository() as repository:
        if delete is not None:
            moved = repository.untag(name, gone)
        elif ref is not None and alias is not None:
            moved = repository.tag(ref, alias)
        else:
            _list(session, repository.aliases(ref))
            return
    if session.json:
        output.document(moved.to_json())
    else:
        output.say(f"{plain(moved.label)} → {saying.standing(moved)}")


def _list(session: Session, found: Sequence[Alias]) -> None:
    if session.json:
        output.document([each.to_json() for each in found])
        return
    layout = [Column("alias", style="bold"), Column("stands at"), Column("moved", style="dim")]
    table.show(layout, [(each.label, saying.standing(each), moment(each.moved)) for each in found])
