"""Signed notes: a text, and Ed25519 signatures under it.

This is https://c2sp.org/signed-note, the form in which a log signs its checkpoints. Other implementations
verify what is written here with the verifier key alone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self

from lin.errors import CorruptLogError, InvalidInputError

ED25519 = b"\x01"
"""The signature type byte of Ed25519 in key ids and verifier keys."""
MAX_SIGNATURES = 64
"""More than any witness network gives; a bound on the work that a stranger's file can cause."""

_DASH = "\N{EM DASH} "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Know who signs: a name and an Ed25519 public key.

    Attributes:
        name: Not empty, without spaces and `+`; for a log its origin.
        public: The 32 raw bytes of the public key.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise InvalidInputError(f"not a key name: {self.name!r}", hint="It has no spaces and no '+'.")
        if len(self.public) != 32:  # noqa: PLR2004 - RFC 8032
            raise InvalidInputError(f"an Ed25519 public key has 32 bytes, this one has {len(self.public)}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<name>+<key id in hex>+<base64 of the type byte and the key>`.

        Raises:
            InvalidInputError: It is not that, the key is not Ed25519, or the key id is not this key's.
        """
        name, plus, rest = text.partition("+")
        key_id, plus, encoded = rest.partition("+")
        raw = _decode(encoded)
        if not plus or raw is None or raw[:1] != ED25519:
            raise InvalidInputError(
                f"not an Ed25519 verifier key: {text!r}", hint="Its form is <name>+<8 hex digits>+<base64>."
            )
        key = cls(name, raw[1:])
        if key_id != key.key_id.hex():
            raise InvalidInputError(f"the verifier key of {name} has id {key.key_id.hex()}, not {key_id!r}")
        return key

    @property
    def key_id(self) -> bytes:
        """The 4 bytes by which signatures name this key."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Return whether the signature over `text` is this key's."""
        return is_signature(self.public, text, signature)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


class Signer(Protocol):
    """Sign notes; a `LogKey` does."""

    @property
    def verifier(self) -> VerifierKey:
        """The public side."""

    def sign(self, text: bytes, /) -> bytes:
        """Return the 64 bytes of the Ed25519 signature."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line.

    Attributes:
        name: Of the key.
        key_id: 4 bytes.
        signature: What the key's algorithm makes.
    """

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. Its text means nothing until `verify` has returned it.

    Attributes:
        text: Ends in a newline.
        signatures: In the order of the lines.
    """

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a note.

        Raises:
            CorruptLogError: It is not a well-formed signed note.
        """
        try:
            note = data.decode()
        except UnicodeDecodeError as error:
            raise CorruptLogError("a signed note is not UTF-8") from error
        text, blank, lines = note.rpartition("\n\n")
        if not blank or not lines.endswith("\n") or _CONTROL.search(note):
            raise CorruptLogError(f"not a signed note: {note[:80]!r}")
        rows = lines[:-1].split("\n")
        if len(rows) > MAX_SIGNATURES:
            raise CorruptLogError(f"a signed note has {len(rows)} signatures, more than {MAX_SIGNATURES}")
        return cls(text + "\n", tuple(_signature(row) for row in rows))

    def verify(self, *keys: VerifierKey) -> str:
        """Return the text once one of the keys has signed it.

        Signatures of other keys are ignored.

        Raises:
            CorruptLogError: None of the keys signed it, or a signature that claims to be theirs is wrong.
        """
        known = {(key.name, key.key_id): key for key in keys}
        verified = False
        for signature in self.signatures:
            key = known.get((signature.name, signature.key_id))
            if key is None:
                continue
            if not key.verifies(self.text.encode(), signature.signature):
                raise CorruptLogError(f"the signature of {key.name} is wrong")
            verified = True
        if not verified:
            raise CorruptLogError(f"a note is not signed by {', '.join(key.name for key in keys)}")
        return self.text


def sign(text: str, signers: Iterable[Signer]) -> bytes:
    """Return the note of a text, signed by each signer.

    Raises:
        InvalidInputError: The text does not end in a newline, or holds control characters.
    """
    if not text.endswith("\n") or _CONTROL.search(text):
        raise InvalidInputError(f"not a text for a note: {text[:80]!r}", hint="It ends in a newline.")
    lines = [text, "\n"]
    for signer in signers:
        raw = signer.verifier.key_id + signer.sign(text.encode())
        lines.append(f"{_DASH}{signer.verifier.name} {base64.b64encode(raw).decode()}\n")
    return "".join(lines).encode()


def is_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature (RFC 8032) over `message` is of this raw public key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 20 ms that only verifying needs
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(letter.isspace() or letter < " " for letter in name)


def _decode(text: str) -> bytes | None:
    """Return the bytes of canonical standard base64, or None."""
    if not _BASE64.fullmatch(text):
        return None
    raw = base64.b64decode(text)
    return raw if base64.b64encode(raw).decode() == text else None


def _signature(row: str) -> Signature:
    name, space, encoded = row.removeprefix(_DASH).partition(" ")
    raw = _decode(encoded)
    if not row.startswith(_DASH) or not space or not _is_name(name) or raw is None or len(raw) <= 4:  # noqa: PLR2004
        raise CorruptLogError(f"not a signature line of a note: {row[:80]!r}")
    return Signature(name, raw[:4], raw[4:])
