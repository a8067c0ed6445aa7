"""Checkpoints: what a log's key signs: how many leaves there are, and the root over them.

This is https://c2sp.org/tlog-checkpoint: a signed note whose text is the origin, the size in decimal and
the root in base64, each on its line.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Self

from lin.errors import CorruptLogError

from .merkle import EMPTY_ROOT
from .note import Note, Signer, VerifierKey, sign

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Know the state of a log, from its signature.

    Attributes:
        origin: Which log.
        size: How many leaves it has.
        root: The Merkle root over them, 32 bytes.
        note: The signed bytes.
    """

    origin: str
    size: int
    root: bytes
    note: bytes

    @classmethod
    def signed(cls, size: int, root: bytes, key: Signer) -> Self:
        """Make the checkpoint of this size and root."""
        origin = key.verifier.name
        text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        return cls(origin, size, root, sign(text, [key]))

    @classmethod
    def parse(cls, note: bytes, verifier: VerifierKey) -> Self:
        """Read a checkpoint and verify the log's signature.

        Raises:
            CorruptLogError: It is none, it is another log's, or the log's key has not signed it.
        """
        text = Note.parse(note).verify(verifier)
        origin, *rest = text[:-1].split("\n")
        if origin != verifier.name:
            raise CorruptLogError(f"this is the checkpoint of the log {origin!r}, not of {verifier.name!r}")
        if len(rest) < 2 or not all(rest) or not _SIZE.fullmatch(rest[0]):  # noqa: PLR2004 - size and root
            raise CorruptLogError(f"not a checkpoint: {text[:120]!r}")
        size, root = int(rest[0]), _root(rest[1])
        if size == 0 and root != EMPTY_ROOT:
            raise CorruptLogError("the checkpoint of an empty log has another root than that of nothing")
        return cls(origin, size, root, note)


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CorruptLogError(f"the root in a checkpoint is not base64: {text[:80]!r}") from error
    if len(root) != len(EMPTY_ROOT) or base64.b64encode(root).decode() != text:
        raise CorruptLogError(f"the root in a checkpoint is not 32 bytes in base64: {text[:80]!r}")
    return root
