"""Complete what people type: refs, aliases and experiments from the repository, kinds and roles from lin's words.

A completion never fails, prints or waits for more than one answer of the repository. Only names made of characters that
no shell interprets are offered: a name may come from anyone, and what is offered lands on a command line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from lin.lineage.words import ArtifactKind, Role

from .session import Session

if TYPE_CHECKING:  # only a completion that asks for names pays for it
    from lin.repository import Repository

MOST = 200
"""Candidates of one completion; nobody reads more."""

_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+:/@-]*")

Candidates = list[CompletionItem]
"""What one completion offers."""


def artifacts(context: click.Context, _: click.Parameter, incomplete: str) -> Candidates:
    """Complete `name`, and after `name@` its aliases and versions, newest first."""
    return _ask(context, incomplete, _refs)


def aliases(context: click.Context, _: click.Parameter, incomplete: str) -> Candidates:
    """Complete `name@alias`."""
    return _ask(context, incomplete, lambda repository, _: (each.label for each in repository.aliases()))


def experiments(context: click.Context, _: click.Parameter, incomplete: str) -> Candidates:
    """Complete the name of an experiment."""
    return _ask(context, incomplete, lambda repository, _: (each.name for each in repository.experiments()))


def inputs(context: click.Context, parameter: click.Parameter, incomplete: str) -> Candidates:
    """Complete `ROLE=PATH|REF`: roles, files, and where no file begins like it, refs."""
    if "=" in incomplete or "/" in incomplete:
        return [CompletionItem(incomplete, type="file")]
    roles = [CompletionItem(f"{role}=") for role in Role if role.startswith(incomplete)]
    return roles or artifacts(context, parameter, incomplete) or [CompletionItem(incomplete, type="file")]


def outputs(_: click.Context, __: click.Parameter, incomplete: str) -> Candidates:
    """Complete `KIND[:NAME]=PATH`: kinds and files."""
    if "=" in incomplete or ":" in incomplete or "/" in incomplete:
        return [CompletionItem(incomplete, type="file")]
    kinds = [CompletionItem(f"{kind}=") for kind in ArtifactKind if kind.startswith(incomplete)]
    return kinds or [CompletionItem(incomplete, type="file")]


def _refs(repository: Repository, incomplete: str) -> Iterable[str]:
    name, at, _ = incomplete.partition("@")
    if not at:
        return [artifact.name for artifact in repository.newest()]
    versions = repository.artifacts(name=name, newest_first=True, limit=MOST).items
    return [*(alias.label for alias in repository.aliases(name)), *(version.label for version in versions)]


def _ask(context: click.Context, incomplete: str, question: Callable[[Repository, str], Iterable[str]]) -> Candidates:
    location = context.find_root().params.get("repo")
    with suppress(Exception), Session(location).repository() as repository:
        names = (name for name in question(repository, incomplete) if name.startswith(incomplete))
        return [CompletionItem(name) for name in names if _SAFE.fullmatch(name)][:MOST]
    return []
