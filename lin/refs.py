"""Refs: what people type to name an artifact, a run, an experiment or bytes.

======================  =========================================================
`flights`               the newest version of that name
`flights@v3`            that version
`flights@prod`          where the alias stands
`flights@{2026-03-01}`  the newest version recorded up to then (UTC)
`tuning`                an experiment, where no artifact has that name
`4f2a…`                 an id, or at least 4 of its first hex digits
`b3:91c0…`              bytes, by digest or at least 4 of its first hex digits
======================  =========================================================

A name wins over an id prefix that reads the same: names are chosen, prefixes are accidents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lin.errors import AmbiguousRefError, InvalidInputError, NotFoundError
from lin.lineage.events import format_time
from lin.lineage.graph import ARTIFACT_KINDS, Graph, Node, NodeKind, named_id

from . import moments, reading
from .given import readable
from .records import Artifact, Content

if TYPE_CHECKING:
    from .reading import Found

MIN_PREFIX = 4
"""Hex digits that a shortened id or digest needs at least."""
DIGITS = 64
"""Hex digits of a whole id or digest."""
MAX_CANDIDATES = 20
_LOOKED_AT = 1_000
"""Artifacts, the newest, whose names are compared with one that is not known."""

_NAME = re.compile(r"[^\s@{}:\x00-\x1f\x7f][^@{}:\x00-\x1f\x7f]*")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_VERSION = re.compile(r"v([1-9][0-9]*)")
_LIKE_A_VERSION = re.compile(r"[vV][0-9]+")
_HEX = re.compile(r"[0-9a-f]+")


def check_name(name: str) -> str:
    """Return a name that artifacts or experiments may carry.

    Raises:
        InvalidInputError: It is empty, longer than 200 characters, begins or ends with white space, holds one of
            `@ { } :` or a control character, which refs need for themselves, or could not name a file.
    """
    usable = _NAME.fullmatch(name) and len(name) <= 200 and name == name.strip() and name.isprintable()  # noqa: PLR2004
    if not usable or name.rpartition("/")[2] in {"", ".", ".."}:
        raise InvalidInputError(
            f"not a usable name: {name!r}",
            hint="A name has 1 to 200 printable characters, none of them '@', '{', '}' or ':'. Choose one with --name.",
        )
    return name


def check_alias(alias: str) -> str:
    """Return an alias that may follow a name's `@`.

    Raises:
        InvalidInputError: It reads like a version (`v3`), or is not a letter, then letters, digits, `.`, `_`, `-`.
    """
    if not _ALIAS.fullmatch(alias) or _LIKE_A_VERSION.fullmatch(alias):
        raise InvalidInputError(
            f"not a usable alias: {alias!r}",
            hint="An alias is a letter followed by letters, digits, '.', '_' or '-', and not a version such as v3.",
        )
    return alias


def resolve(graph: Graph, ref: str) -> Found:
    """Find the one thing that a ref means.

    Raises:
        NotFoundError: Nothing.
        AmbiguousRefError: Several things; lists them.
        InvalidInputError: It is not of a ref's form.
    """
    if readable(ref) != ref or "\0" in ref:
        raise InvalidInputError(f"not a ref: {ref!r}", hint="Names, ids and digests are text.")
    if ref.startswith("b3:"):
        return _one(graph, ref, _by_prefix(graph, ref, ref[3:], [NodeKind.CONTENT]))
    name, at, suffix = ref.partition("@")
    if at:
        return _versioned(graph, ref, name, suffix)
    found = graph.find(kinds=ARTIFACT_KINDS, name=ref)
    if found:
        return _newest(ref, [reading.artifact(node) for node in found])
    experiment = graph.get([named_id("experiment", ref)])
    if experiment:
        return _one(graph, ref, list(experiment.values()))
    if _HEX.fullmatch(ref) and MIN_PREFIX <= len(ref) <= DIGITS:
        nodes = _by_prefix(graph, ref, ref, [*ARTIFACT_KINDS, NodeKind.RUN, NodeKind.EVALUATION])
        if nodes:
            return _one(graph, ref, nodes)
    raise NotFoundError(f"nothing is known as {ref!r}", hint=_suggestion(graph, ref))


def resolve_artifact(graph: Graph, ref: str) -> Artifact:
    """Find the one artifact that a ref means; a digest that several artifacts hold is ambiguous."""
    found = resolve(graph, ref)
    if isinstance(found, Artifact):
        return found
    if isinstance(found, Content):
        if len(found.artifacts) == 1:
            return found.artifacts[0]
        if found.artifacts:
            labels = tuple(artifact.label for artifact in found.artifacts)
            raise AmbiguousRefError(f"{ref} is the content of {len(labels)} artifacts", candidates=labels)
        raise NotFoundError(f"no artifact has the content {ref}")
    word = type(found).__name__.lower()
    raise InvalidInputError(f"{ref!r} is {'an' if word[0] in 'aeiou' else 'a'} {word}, not an artifact")


def _versioned(graph: Graph, ref: str, name: str, suffix: str) -> Artifact:
    nodes = graph.find(kinds=ARTIFACT_KINDS, name=name)
    artifacts = [reading.artifact(node) for node in nodes]
    if not artifacts:
        raise NotFoundError(f"no artifact is named {name!r}", hint=_suggestion(graph, name))
    version = _VERSION.fullmatch(suffix)
    if version:
        matching = [a for a in artifacts if a.version == int(version[1])]
        if not matching:
            newest = max(a.version for a in artifacts)
            raise NotFoundError(f"{name!r} has no version {suffix}", hint=f"Its versions are v1 to v{newest}.")
        return _only(ref, matching)
    if suffix.startswith("{") and suffix.endswith("}"):
        limit = _moment(suffix[1:-1])
        matching = [a for a in artifacts if a.created <= limit]
        if not matching:
            oldest = min(a.created for a in artifacts)
            raise NotFoundError(
                f"{name!r} has no version from {suffix[1:-1]} or before", hint=f"The first is from {oldest}."
            )
        return _newest(ref, matching)
    alias = f"{name}@{check_alias(suffix)}"
    standing = reading.aliases(graph, graph.find(kinds=[NodeKind.ALIAS], name=alias))
    targets = standing[0].artifacts if standing else ()
    if not targets:
        known = reading.aliases(graph, graph.find(kinds=[NodeKind.ALIAS], text=f"{name}@"))
        names = ", ".join(a.label for a in known if a.name == name and a.artifacts)
        raise NotFoundError(f"there is no alias {alias}", hint=f"Aliases of {name}: {names or 'none'}.")
    if len(targets) > 1:
        raise AmbiguousRefError(
            f"{alias} was moved to {len(targets)} artifacts at once",
            candidates=tuple(a.label for a in targets),
            hint=f"Settle it with: lin tag {name}@vN {suffix}",
        )
    return standing[0].artifacts[0]


def _newest(ref: str, artifacts: Sequence[Artifact]) -> Artifact:
    version = max(a.version for a in artifacts)
    return _only(ref, [a for a in artifacts if a.version == version])


def _only(ref: str, artifacts: Sequence[Artifact]) -> Artifact:
    # Repositories that grew apart and met again can both have made a version 3.
    if len(artifacts) > 1:
        raise AmbiguousRefError(
            f"{ref} names {len(artifacts)} artifacts", candidates=tuple(str(a.id) for a in artifacts)
        )
    return artifacts[0]


def _moment(text: str) -> str:
    try:
        return format_time(moments.parse(text, end_of_day=True))
    except InvalidInputError as error:
        raise InvalidInputError(
            error.message, hint="Write name@{2026-03-01} or name@{2026-03-01T12:30:00Z}."
        ) from error


def _by_prefix(graph: Graph, ref: str, digits: str, kinds: Sequence[NodeKind]) -> Sequence[Node]:
    if not _HEX.fullmatch(digits) or len(digits) > DIGITS:
        raise InvalidInputError(
            f"not a digest: {ref!r}", hint="After 'b3:' come up to 64 lower-case hexadecimal digits."
        )
    if len(digits) < MIN_PREFIX:
        raise InvalidInputError(f"{ref!r} is too short", hint=f"Give at least {MIN_PREFIX} hexadecimal digits.")
    return [n for n in graph.find(kinds=kinds, prefix=digits, limit=MAX_CANDIDATES) if reading.is_known(n)]


def _one(graph: Graph, ref: str, nodes: Sequence[Node]) -> Found:
    found = list(reading.records(graph, nodes).values())
    if not found:
        raise NotFoundError(f"nothing is known as {ref!r}", hint="`lin ls` lists names, `lin runs` lists runs.")
    if len(found) > 1:
        raise AmbiguousRefError(
            f"{ref!r} is the start of {len(found)} ids",
            candidates=tuple(item.label for item in found),
            hint="Give more digits.",
        )
    return found[0]


def _suggestion(graph: Graph, ref: str) -> str:
    if len(ref) >= 3:  # noqa: PLR2004 - shorter ones are in everything
        close = graph.find(kinds=ARTIFACT_KINDS, text=ref, limit=MAX_CANDIDATES)
        names = list(dict.fromkeys(node.name for node in close if node.name))
        if not names:
            from difflib import get_close_matches  # noqa: PLC0415 - only for a slip of the pen

            newest = graph.find(kinds=ARTIFACT_KINDS, newest_first=True, limit=_LOOKED_AT)
            names = get_close_matches(ref, dict.fromkeys(node.name for node in newest if node.name))
        if names:
            return f"Did you mean: {', '.join(names[:5])}?"
    return "`lin ls` lists names, `lin runs` lists runs."
