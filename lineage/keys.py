"""Keys: who signs events, and who signs the log.

Private keys lie in the user's config folder, one PEM file each (PKCS 8, not encrypted), readable by that
user alone. They are made once: of several processes that need the same key for the first time, all end up
with the same one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lin.errors import BackendError, InvalidInputError, PermissionDeniedError, ReadOnlyError

from .note import VerifierKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ACTOR_FILE = "actor.key"
LOG_FOLDER = "logs"


def actor_id(public: bytes) -> str:
    """Return the id of the actor with this raw public key: its SHA-256 in hex."""
    return sha256(public).hexdigest()


class _PrivateKey:
    """Hold an Ed25519 private key; never printed, never pickled."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    def sign(self, payload: bytes) -> bytes:
        """Return the 64 bytes of the Ed25519 signature (RFC 8032) of these bytes."""
        return self._private.sign(payload)

    def __reduce__(self) -> str:
        raise TypeError("a private key is not to be pickled")


class ActorKey(_PrivateKey):
    """Sign events.

    Attributes:
        public: The 32 raw bytes of the public key.
    """

    @classmethod
    def load_or_create(cls, folder: Path) -> Self:
        """Return the key in `folder`, made now if there is none.

        Raises:
            PermissionDeniedError: Others may read the key, or this user may not.
            InvalidInputError: The file holds no Ed25519 key.
        """
        return cls(_load_or_create(folder / ACTOR_FILE))

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Return the key of 32 secret bytes: for keys held elsewhere, and for tests."""
        return cls(_from_seed(seed))

    @property
    def id(self) -> str:
        """The actor's id in events."""
        return actor_id(self.public)

    def __repr__(self) -> str:
        return f"ActorKey({self.id})"


class LogKey(_PrivateKey):
    """Sign the checkpoints of one log.

    Attributes:
        name: The log's origin.
        public: The 32 raw bytes of the public key.
    """

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        super().__init__(private)
        self.name = name

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """Return the key of the log `name` from `folder`/logs.

        Raises:
            ReadOnlyError: It is not there, so this user can't write to that log.
            PermissionDeniedError: Others may read the key, or this user may not.
            InvalidInputError: The file holds no Ed25519 key.
        """
        path = _log_file(folder, name)
        private = _load(path)
        if private is None:
            raise ReadOnlyError(
                f"no private key for the log {name} in {path.parent}",
                hint=f"Copy {path.name} there from where the repository was made, or write through its `lin serve`.",
            )
        return cls(name, private)

    @classmethod
    def load_or_create(cls, folder: Path, name: str) -> Self:
        """Return the key of the log `name` from `folder`/logs, made now if there is none: for `init` alone."""
        return cls(name, _load_or_create(_log_file(folder, name)))

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Self:
        """Return the key of 32 secret bytes: for keys held elsewhere, and for tests."""
        return cls(name, _from_seed(seed))

    @property
    def verifier(self) -> VerifierKey:
        """What others need to verify this log's checkpoints."""
        return VerifierKey(self.name, self.public)

    def __repr__(self) -> str:
        return f"LogKey({self.verifier})"


def _log_file(folder: Path, name: str) -> Path:
    repository = name.rpartition("/")[2]
    if not repository or not repository.isalnum():
        raise InvalidInputError(f"not the origin of a log: {name!r}", hint="It ends in a repository id.")
    return folder / LOG_FOLDER / f"{repository}.key"


def _from_seed(seed: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - 20 ms

    return Ed25519PrivateKey.from_private_bytes(seed)


def _load(path: Path) -> Ed25519PrivateKey | None:
    """Read a key file; None where there is none."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise PermissionDeniedError(
                    f"others can read the private key {path} (mode {mode:04o})", hint=f"chmod 600 {path}"
                )
            data = file.read()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise PermissionDeniedError(f"cannot read the private key {path}", hint=f"chmod 600 {path}") from error
    except OSError as error:
        raise BackendError(f"cannot read the private key {path}: {error.strerror}") from error

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - 20 ms
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"{path} holds no private key", hint="Put the file back from a backup.") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InvalidInputError(f"{path} holds no Ed25519 key", hint="Put the file back from a backup.")
    return private


def _load_or_create(path: Path) -> Ed25519PrivateKey:
    private = _load(path)
    if private is not None:
        return private
    try:
        for folder in (*reversed(path.parent.parents), path.parent):  # `mkdir` gives the mode to the last one only
            folder.mkdir(mode=0o700, exist_ok=True)
        _create(path, _new_pem())
    except PermissionError as error:
        raise PermissionDeniedError(
            f"cannot make the private key {path}", hint="Set LIN_CONFIG to a folder that you can write to."
        ) from error
    except OSError as error:
        raise BackendError(f"cannot make the private key {path}: {error.strerror}") from error
    private = _load(path)  # another process may have been first: its key counts
    if private is None:
        raise BackendError(f"the private key {path} went away while it was made")
    return private


def _new_pem() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - 20 ms
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _create(path: Path, data: bytes) -> None:
    """Make a file with these bytes, whole and durable, unless it is there already."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without syncs of folders
            raise
    finally:
        os.close(folder)
