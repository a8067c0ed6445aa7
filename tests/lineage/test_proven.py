"""Leaves that a checkpoint vouches for are read quickly, and say the same."""

import base64
import json

import pytest
from hypothesis import given, settings

from lin.errors import InvalidInputError, UnsupportedFormatError
from lin.lineage import proven
from lin.lineage.apply import contribution
from lin.lineage.envelope import parse, sign
from lin.lineage.events import Event, RunStarted
from lin.lineage.keys import ActorKey
from lin.lineage.proven import read
from lin.lineage.testing import histories

ACTOR = ActorKey.from_seed(bytes(32))
AT = "2026-01-01T00:00:00.000000Z"


@given(history=histories(actor=ACTOR.id))
@settings(max_examples=100, deadline=None)
def test_both_ways_of_reading_say_the_same(history):
    """For any event, what is read from its leaf is what it contributes."""
    for position, event in enumerate(history):
        leaf = sign(event, ACTOR).leaf
        signed = parse(leaf)
        assert read(leaf, position) == (event.at, contribution(signed.event, signed.id, position))


@given(history=histories(actor=ACTOR.id))
@settings(max_examples=30, deadline=None)
def test_most_are_read_quickly(history):
    """Only events of kinds that logs hold few of are left to the strict way."""
    for position, event in enumerate(history):
        if event.statement.TYPE in proven._SAY:
            proven._read(sign(event, ACTOR).leaf, position)


def forged(**changes):
    document = json.loads(Event(AT, ACTOR.id, RunStarted("e", "run", "00")).payload()) | changes
    payload = base64.b64encode(json.dumps(document).encode()).decode()
    return f'{{"payload":"{payload}","payloadType":"application/vnd.lin.event.v0+json","signatures":[]}}'.encode()


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"{}",
        b'{"payload":"',
        b'{"payload":"!!!"}',
        forged(at="yesterday"),
        forged(body={"name": 7, "experiment": "e"}),
        forged(body={"name": "run", "experiment": None}),
        forged(body=[]),
        forged(kind="artifact", body={"kind": "model", "name": "m", "digest": "b3:00"}),
        forged(kind="run.used", body={"run": "00", "uses": []}),
        forged(kind=["artifact"]),
        forged(v=1),
        forged(kind="a kind to come"),
    ],
)
def test_what_is_not_understood_is_judged_strictly(leaf):
    """A leaf that is no event gets the error that the strict way has for it."""
    with pytest.raises((InvalidInputError, UnsupportedFormatError)) as strict:
        parse(leaf)
    with pytest.raises(type(strict.value)) as caught:
        read(leaf, 0)
    assert caught.value.message == strict.value.message
