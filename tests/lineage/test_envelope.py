"""Envelopes, against the reference implementation of DSSE."""

from __future__ import annotations

import base64
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from lin.errors import CorruptLogError, InvalidInputError, UnsupportedFormatError
from lin.lineage import envelope
from lin.lineage.events import MAX_PATH, MAX_USES, PAYLOAD_TYPE, Event, EventId, RunStarted, RunUsed, Use, pae
from lin.lineage.keys import ActorKey
from lin.lineage.log_testing import ACTOR_KEY, AT, run_started
from lin.lineage.words import Evidence, Role

OTHER = ActorKey.from_seed(bytes(32))


def test_what_is_signed_is_what_is_parsed():
    """Parsing a leaf gives the signed event back, and its signature verifies."""
    signed = run_started("train.py")
    assert envelope.parse(signed.leaf) == signed
    envelope.verify(signed, ACTOR_KEY.public)


def test_the_reference_implementation_accepts_our_envelopes():
    """It computes the same encoding, and verifies the signature."""
    signed = run_started("train.py")
    theirs = Envelope.from_dict(json.loads(signed.leaf))
    assert theirs.pae() == pae(PAYLOAD_TYPE, signed.event.payload())
    key = SSlibKey(ACTOR_KEY.id, "ed25519", "ed25519", {"public": ACTOR_KEY.public.hex()})
    assert theirs.verify([key], 1)


def test_we_accept_the_reference_implementations_envelopes():
    """What securesystemslib signs, in canonical form, is a leaf."""
    event = run_started("train.py").event
    signer = CryptoSigner(
        ACTOR_KEY._private, SSlibKey(ACTOR_KEY.id, "ed25519", "ed25519", {"public": ACTOR_KEY.public.hex()})
    )
    theirs = Envelope(event.payload(), PAYLOAD_TYPE, {})
    theirs.sign(signer)
    document = theirs.to_dict()
    document["signatures"][0]["sig"] = base64.b64encode(base64.b64decode(document["signatures"][0]["sig"])).decode()
    signed = envelope.parse(rfc8785.dumps(document))
    envelope.verify(signed, ACTOR_KEY.public)
    assert signed == run_started("train.py")


def test_a_leaf_is_canonical_json():
    """The envelope's bytes are RFC 8785 of what they say."""
    leaf = run_started("train.py").leaf
    assert rfc8785.dumps(json.loads(leaf)) == leaf


def test_the_id_does_not_depend_on_the_signature():
    """The id is that of the payload."""
    signed = run_started("train.py")
    assert signed.id == EventId.of(signed.event.payload()) == signed.event.id


def test_another_actors_event_is_not_signed():
    """A key signs only its own actor's events."""
    with pytest.raises(InvalidInputError, match="can't be signed"):
        envelope.sign(run_started("x").event, OTHER)


def test_a_wrong_signature_is_found():
    """A signature of another statement, or by another key, does not verify."""
    one, two = run_started("one"), run_started("two")
    first, second = json.loads(one.leaf), json.loads(two.leaf)
    first["signatures"] = second["signatures"]
    with pytest.raises(CorruptLogError, match="wrong"):
        envelope.verify(envelope.parse(rfc8785.dumps(first)), ACTOR_KEY.public)
    with pytest.raises(CorruptLogError, match="the key is not that"):
        envelope.verify(one, OTHER.public)


def test_a_leaf_that_another_actor_signed_is_refused():
    """The key id has to be the event's actor."""
    document = json.loads(run_started("one").leaf)
    document["signatures"][0]["keyid"] = OTHER.id
    with pytest.raises(InvalidInputError, match="signed by another"):
        envelope.parse(rfc8785.dumps(document))


def _changed(change):
    document = json.loads(run_started("one").leaf)
    change(document)
    return rfc8785.dumps(document)


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"{}",
        b"[" * 60_000,
        b"\xff" * 10,
        run_started("one").leaf + b"\n",
        b" " + run_started("one").leaf,
        run_started("one").leaf.replace(b'":"', b'": "', 1),
        json.dumps(dict(reversed(json.loads(run_started("one").leaf).items())), separators=(",", ":")).encode(),
        _changed(lambda d: d.update(more=1)),
        _changed(lambda d: d["signatures"].append(d["signatures"][0])),
        _changed(lambda d: d["signatures"].clear()),
        _changed(lambda d: d["signatures"][0].update(sig=d["signatures"][0]["sig"][:-4])),
        _changed(lambda d: d["signatures"][0].update(sig="A" * 84 + "AB==")),
        _changed(lambda d: d["signatures"][0].pop("keyid")),
        _changed(lambda d: d.update(payload=d["payload"].rstrip("=") + "A")),
        _changed(lambda d: d.update(payload=base64.b64encode(b"{}").decode())),
        b"x" * 65_536,
    ],
)
def test_anything_but_the_canonical_form_is_refused(leaf):
    """There is one way to write an envelope; every other one is an error, whatever it may mean."""
    with pytest.raises(InvalidInputError):
        envelope.parse(leaf)


def test_a_newer_payload_type_says_so():
    """A type of a later version is no damage: the way out is a newer lin."""
    with pytest.raises(UnsupportedFormatError, match="v1"):
        envelope.parse(_changed(lambda d: d.update(payloadType="application/vnd.lin.event.v1+json")))


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(data):
    """Strangers' bytes lead to errors of lin, and to no others."""
    with pytest.raises(InvalidInputError):
        envelope.parse(data)


def test_the_largest_leaf_fits_and_a_larger_one_is_refused():
    """An event is refused, with the way out, when its leaf would not fit into a log."""

    def signed(size):
        return envelope.sign(Event(AT, ACTOR_KEY.id, RunStarted("e", "x" * size, "00")), ACTOR_KEY)

    fixed = len(signed(3).leaf) - 4
    room = (65_535 - fixed) // 4 * 3
    assert 65_530 <= len(signed(room).leaf) <= 65_535
    with pytest.raises(InvalidInputError, match="more than 65535") as caught:
        signed(room + 3)
    assert "file" in caught.value.hint


def test_as_many_of_the_longest_uses_as_allowed_fit():
    """`MAX_USES` uses with paths of `MAX_PATH` quotation marks, which JSON escapes, are a leaf."""
    use = Use(EventId(bytes(32)), Role.BASE_MODEL, Evidence.OBSERVED, '"' * MAX_PATH)
    event = Event(AT, ACTOR_KEY.id, RunUsed(EventId(bytes(32)), (use,) * MAX_USES))
    assert envelope.parse(envelope.sign(event, ACTOR_KEY).leaf).event == event


@pytest.mark.parametrize(
    "statement",
    [
        RunUsed(EventId(bytes(32)), ()),
        RunStarted("e", "\ud800", "00"),
        RunStarted("e", "n", "00", {"x": None}),  # type: ignore[dict-item]
    ],
)
def test_what_could_not_be_read_is_not_signed(statement):
    """A statement that no reader would accept is refused before it gets into a log."""
    with pytest.raises(InvalidInputError):
        envelope.sign(Event(AT, ACTOR_KEY.id, statement), ACTOR_KEY)
