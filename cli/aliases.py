"""`lin tag`: movable names."""

from __future__ import annotations

import click

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
    if delete is not None:
        name, at, gone = delete.rpartition("@")
        if ref or alias:
            raise click.UsageError("--delete takes NAME@ALIAS and no REF")
        if not at or not name or not gone:
            raise click.BadParameter(f"{delete!r} is not of the form NAME@ALIAS", param_hint="--delete")
    with session.repository() as repository:
        if delete is not None:
            found = [repository.untag(name, gone)]
        elif ref is not None and alias is not None:
            found = [repository.tag(ref, alias)]
        else:
            listed = repository.aliases(ref)
            if session.json:
                output.document([each.to_json() for each in listed])
                return
            layout = [Column("alias", style="bold"), Column("stands at"), Column("moved", style="dim")]
            table.show(layout, [(each.label, saying.standing(each), moment(each.moved)) for each in listed])
            return
    if session.json:
        output.document(found[0].to_json())
    else:
        output.say(f"{plain(found[0].label)} → {saying.standing(found[0])}")
