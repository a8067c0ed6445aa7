"""Read what a leaf contributes to the graph when a checkpoint vouches for the leaf: quickly, and as `apply` says.

Whoever signed the checkpoint admitted each event below its root, and had to read it strictly for that (`envelope`,
`events`). `lin verify` does so again, for everybody. An index only has to understand what was admitted: what it does
not understand here, it reads strictly, which says what is wrong.
"""

from __future__ import annotations

import json
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from . import apply
from .envelope import parse
from .events import PAYLOAD_TYPE, VERSION
from .graph import Batch, Edge, EdgeKind, Node, NodeId, NodeKind
from .words import ArtifactKind, Role

Body = Mapping[str, Any]

_START = b'{"payload":"'
_TYPE = f'","payloadType":"{PAYLOAD_TYPE}",'.encode()
_KINDS = {kind.value: NodeKind.of(kind) for kind in ArtifactKind}
_USED = {role.value: EdgeKind.used(role) for role in Role}
_PAE = b"DSSEv1 %d %b %%d " % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode())
_ID_SIZE = 32
_DIGEST = "b3:"


def read(leaf: bytes, position: int) -> tuple[str, Batch]:
    """Return an event's time, and what it adds to the graph.

    Raises:
        UnsupportedFormatError: Its version or kind is one this lin does not know.
        InvalidInputError: It is no event.
    """
    try:
        return _read(leaf, position)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        signed = parse(leaf)
        return signed.event.at, apply.contribution(signed.event, signed.id, position)


def _read(leaf: bytes, position: int) -> tuple[str, Batch]:
    end = leaf.index(b'"', len(_START))
    if not leaf.startswith(_START) or not leaf.startswith(_TYPE, end):
        raise ValueError("not the envelope of an event")
    payload = a2b_base64(leaf[len(_START) : end])
    this = sha256(_PAE % len(payload) + payload).digest()
    document = json.loads(payload.decode())
    at, body = document["at"], document["body"]
    if document["v"] != VERSION:
        raise ValueError("another version")
    facet = {**body, "actor": document["actor"], "at": at, "event": this.hex()}
    nodes: list[Node] = []
    edges: list[Edge] = []
    for item in _SAY[document["kind"]](body, this, apply.moment(at), facet):
        (nodes if type(item) is Node else edges).append(item)  # type: ignore[arg-type]
    return at, Batch(nodes, edges, ((this, position),))


Said = Iterator[Node | Edge]


def _artifact(body: Body, this: NodeId, created: int, facet: Body) -> Said:
    digest = _digest(body["digest"])
    yield Node(this, _KINDS[body["kind"]], _text(body["name"]), created, {"artifact": facet})
    yield Node(digest, NodeKind.CONTENT, None, created)
    yield Edge(digest, EdgeKind.HAS_CONTENT, this)
    if "run" in body:
        yield Edge(_id(body["run"]), EdgeKind.GENERATED, this, apply.notes(body.get("path"), body.get("evidence")))
    if "experiment" in body:
        yield from apply.experiment(_text(body["experiment"]), this, created)


def _started(body: Body, this: NodeId, created: int, facet: Body) -> Said:
    yield Node(this, NodeKind.RUN, _text(body["name"]), created, {"started": facet})
    yield from apply.experiment(_text(body["experiment"]), this, created)


def _used(body: Body, this: NodeId, created: int, facet: Body) -> Said:
    del this, created, facet
    run = _id(body["run"])
    for use in body["uses"]:
        yield Edge(_id(use["artifact"]), _USED[use["role"]], run, apply.notes(use.get("path"), use["evidence"]))


def _finished(body: Body, this: NodeId, created: int, facet: Body) -> Said:
    del this, created
    yield Node(_id(body["run"]), NodeKind.UNSEEN, facets={"finished": facet})


def _evaluation(body: Body, this: NodeId, created: int, facet: Body) -> Said:
    yield Node(this, NodeKind.EVALUATION, None, created, {"evaluation": facet})
    yield Edge(_id(body["model"]), EdgeKind.EVALUATED, this)
    yield Edge(_id(body["dataset"]), EdgeKind.EVALUATED_ON, this)
    yield Edge(_id(body["run"]), EdgeKind.EVALUATED_BY, this)


_SAY: Mapping[str, Callable[[Body, NodeId, int, Body], Said]] = {
    "artifact": _artifact,
    "run.started": _started,
    "run.used": _used,
    "run.finished": _finished,
    "evaluation": _evaluation,
}
"""The kinds that logs are full of; the others are read strictly."""


def _id(text: str) -> NodeId:
    node = bytes.fromhex(text)
    if len(node) != _ID_SIZE:
        raise ValueError("not an id")
    return node


def _digest(text: str) -> NodeId:
    if not text.startswith(_DIGEST):
        raise ValueError("not a digest")
    return _id(text[len(_DIGEST) :])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
