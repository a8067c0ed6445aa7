"""Envelopes: events with their signature, and the bytes of a log's leaf.

A leaf is a DSSE envelope (https://github.com/secure-systems-lab/dsse) with exactly one signature, as RFC
8785 canonical JSON. There is one way to write it, so the form is checked by comparison, not by tolerance.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Protocol

from lin.errors import CorruptLogError, InvalidInputError, UnsupportedFormatError

from .events import MAX_LEAF, PAYLOAD_TYPE, Event, EventId, pae
from .keys import actor_id
from .note import is_signature

_LEAF = re.compile(
    rb'\{"payload":"(?P<payload>[A-Za-z0-9+/]+={0,2})","payloadType":"(?P<type>[!#-\[\]-~]+)",'
    rb'"signatures":\[\{"keyid":"(?P<keyid>[0-9a-f]{64})","sig":"(?P<sig>[A-Za-z0-9+/]{86}==)"\}\]\}'
)


class EventSigner(Protocol):
    """Sign events as one actor; an `ActorKey` does."""

    @property
    def id(self) -> str:
        """The actor's id."""

    def sign(self, payload: bytes) -> bytes:
        """Return the 64 bytes of the Ed25519 signature."""


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """An event as it lies in the log.

    Attributes:
        id: Of the event; the signature is no part of it.
        event: What is said.
        leaf: The envelope's bytes.
    """

    id: EventId
    event: Event
    leaf: bytes


def sign(event: Event, key: EventSigner) -> SignedEvent:
    """Sign an event as its actor.

    Raises:
        InvalidInputError: The event is another actor's, says what no reader would accept, or is longer
            than `MAX_LEAF` bytes as a leaf.
    """
    if key.id != event.actor:
        raise InvalidInputError(f"an event of actor {event.actor[:12]} can't be signed with the key {key.id[:12]}")
    payload = event.payload()
    Event.parse(payload)  # what can't be read must never be written: a log does not forget
    leaf = b'{"payload":"%b","payloadType":"%b","signatures":[{"keyid":"%b","sig":"%b"}]}' % (
        base64.b64encode(payload),
        PAYLOAD_TYPE.encode(),
        key.id.encode(),
        base64.b64encode(key.sign(pae(PAYLOAD_TYPE, payload))),
    )
    if len(leaf) > MAX_LEAF:
        raise InvalidInputError(
            f"the {event.statement.TYPE} event would have {len(leaf)} bytes, more than {MAX_LEAF}",
            hint="Put what is large into a file, and the file into lin.",
        )
    return SignedEvent(EventId.of(payload), event, leaf)


def parse(leaf: bytes) -> SignedEvent:
    """Read a leaf; its signature is not verified.

    Raises:
        UnsupportedFormatError: The payload's type, version or kind is one this lin does not know.
        InvalidInputError: It is not the canonical envelope of a canonical event, or another actor signed it.
    """
    if len(leaf) > MAX_LEAF:
        raise InvalidInputError(f"a leaf has {len(leaf)} bytes, more than {MAX_LEAF}")
    match = _LEAF.fullmatch(leaf)
    if match is None:
        raise InvalidInputError(f"not an event's envelope: {leaf[:80]!r}")
    kind = match["type"].decode()
    if kind != PAYLOAD_TYPE:
        raise UnsupportedFormatError(f"payload of type {kind!r} is not known to this lin", hint="Install a newer lin.")
    payload = _exact_base64(match["payload"])
    _exact_base64(match["sig"])
    event = Event.parse(payload)
    if event.actor != match["keyid"].decode():
        raise InvalidInputError(f"event {EventId.of(payload).short} of actor {event.actor[:12]} is signed by another")
    return SignedEvent(EventId.of(payload), event, leaf)


def verify(signed: SignedEvent, public_key: bytes) -> None:
    """Verify that the holder of `public_key` (32 raw bytes) signed the event, and is its actor.

    Raises:
        CorruptLogError: The signature is wrong, or the key is another actor's.
    """
    if actor_id(public_key) != signed.event.actor:
        raise CorruptLogError(f"event {signed.id.short}: the key is not that of actor {signed.event.actor[:12]}")
    match = _LEAF.fullmatch(signed.leaf)
    if match is None:
        raise CorruptLogError(f"event {signed.id.short} is not in an envelope")
    message = pae(PAYLOAD_TYPE, base64.b64decode(match["payload"]))
    if not is_signature(public_key, message, base64.b64decode(match["sig"])):
        raise CorruptLogError(f"event {signed.id.short}: the signature of actor {signed.event.actor[:12]} is wrong")


def _exact_base64(text: bytes) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InvalidInputError(f"not base64: {text[:80]!r}") from error
    if base64.b64encode(raw) != text:
        raise InvalidInputError(f"not canonical base64: {text[-4:]!r}")
    return raw
