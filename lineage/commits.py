"""Commit files: how writers that share no lock take turns, and what is left of one that died.

`log/commit/<size>` is made by whoever goes on from a log of `size` leaves. It holds, as an entry bundle does,
the signed checkpoint that it leads to, and then the leaves. The signature makes it worth as much as the
checkpoint itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from lin.errors import CorruptLogError

from .checkpoint import Checkpoint
from .note import VerifierKey
from .tiles import decode_bundle, encode_bundle

FOLDER = "log/commit"


def commit_name(size: int) -> str:
    """Return the name of the file that goes on from `size` leaves."""
    return f"{FOLDER}/{size:020d}"


def encode_commit(new: Checkpoint, leaves: Sequence[bytes]) -> bytes:
    """Write a commit file."""
    return encode_bundle([new.note, *leaves])


def decode_commit(data: bytes, size: int, verifier: VerifierKey) -> tuple[Checkpoint, tuple[bytes, ...]]:
    """Read the commit file that goes on from `size` leaves.

    Returns:
        The checkpoint it leads to, and the leaves; that these have its root is not checked.

    Raises:
        CorruptLogError: It is not well-formed, or the log's key did not sign it.
    """
    try:
        note, *leaves = decode_bundle(data) or (b"",)
        new = Checkpoint.parse(note, verifier)
    except CorruptLogError as error:
        raise CorruptLogError(f"{commit_name(size)}: {error.message}", hint="Restore it, or delete it.") from error
    if not leaves or new.size != size + len(leaves):
        raise CorruptLogError(f"{commit_name(size)} holds {len(leaves)} leaves, but leads to size {new.size}")
    return new, tuple(leaves)
