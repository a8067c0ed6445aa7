"""Speak to a bucket through obstore, the native client for S3, Google Cloud Storage and Azure.

Reads are tried again until they succeed or patience ends, with pauses that grow and vary. A write that replaces may be
repeated too. One that must not find its file there is repeated with care: the first try may have succeeded although no
answer came.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from lin.errors import ConflictError, PermissionDeniedError

from ._bucket_errors import BUSY, code_of, is_passing, is_past_the_end, no_credentials, told
from ._bucket_settings import Settings, lacks_credentials
from .place import FileInfo

PART = 8 * 1024 * 1024
"""Bytes of one request of a large upload."""
AT_ONCE = 4
"""Requests of one large upload that are under way together: its memory is bounded by `PART` times this."""
_MOST_PARTS = 9_000
T = TypeVar("T")
_started_in = 0
"""The process in which obstore's threads run; 0 when they have not been started."""


def is_usable() -> bool:
    """Tell whether obstore works in this process: it does not where it was started before a fork."""
    return _started_in in {0, os.getpid()}


class BucketClient:
    """Do what a bucket can; names are relative to the repository's folder. Safe from several threads.

    A forked process needs a client of its own, in a process of its own: obstore's threads do not survive a fork.
    """

    def __init__(self, settings: Settings, url: str) -> None:
        """Set up; reach nothing yet.

        Args:
            settings: Where it is and how it is reached.
            url: What to call it in errors.

        Raises:
            PermissionDeniedError: Nothing can give credentials for it.
        """
        self._settings = settings
        self._url = url
        if lacks_credentials(settings):
            raise no_credentials(url, settings)
        global _started_in  # noqa: PLW0603 - obstore's threads are one set for a process
        _started_in = os.getpid()
        patience = settings.patience
        self._store = _store(settings, patience.retries)
        self._once = _store(settings, 0)

    # ------------------------------------------------------------------------ reading

    def read(self, name: str) -> bytes:
        """Return the whole of a file."""
        return self._patiently("read", name, lambda: cast("bytes", self._store.get(name).bytes().to_bytes()))

    def read_range(self, name: str, start: int, length: int, version: str = "") -> bytes:
        """Return some of a file's bytes, if it still is the version of the tag `version`, where one is given."""

        def get() -> bytes:
            if not version:
                return cast("bytes", self._store.get_range(name, start=start, length=length).to_bytes())
            options = {"range": (start, start + length), "if_match": version}
            return cast("bytes", self._store.get(name, options=options).bytes().to_bytes())

        def unless_past_the_end() -> bytes:
            try:
                return get()
            except Exception as error:
                if is_past_the_end(error):
                    return b""
                raise

        return self._patiently("read", name, unless_past_the_end)

    def begin(self, name: str, length: int) -> tuple[bytes, int, str]:
        """Return a file's first bytes, its size, and a tag that changes with its bytes, from one answer."""

        def get() -> tuple[bytes, int, str]:
            found = self._store.get(name, options={"range": (0, length)})
            return found.bytes().to_bytes(), int(found.meta["size"]), str(found.meta["e_tag"] or "")

        def unless_empty() -> tuple[bytes, int, str]:
            try:
                return get()
            except Exception as error:
                if is_past_the_end(error):
                    return b"", 0, ""
                raise

        return self._patiently("read", name, unless_empty)

    def look(self, name: str) -> tuple[int, str] | None:
        """Return a file's size, and a tag that changes with its bytes; None where there is no such file."""

        def head() -> tuple[int, str] | None:
            try:
                found = self._store.head(name)
            except FileNotFoundError:
                return None
            return int(found["size"]), str(found["e_tag"] or "")

        return self._patiently("look at", name, head)

    def list(self, prefix: str) -> Iterator[FileInfo]:
        """Yield the files below a folder, some hundreds a request."""
        try:
            for page in self._store.list(prefix or None):
                for found in page:
                    yield FileInfo(found["path"], int(found["size"]), found["last_modified"].timestamp())
        except Exception as error:
            raise told(error, "list", prefix, self._url, self._settings) from error

    # ------------------------------------------------------------------------ writing

    def write(self, name: str, data: bytes) -> None:
        """Write a file in one request, whether or not it is there."""
        self._patiently("write", name, lambda: self._store.put(name, data, use_multipart=False))

    def write_file(self, name: str, path: str) -> None:
        """Write a large file from one on disk, in parts; it is seen when all of them are there, and whole.

        Raises:
            BackendError: What is there afterwards is not as long as it should be.
        """
        size = os.stat(path).st_size  # noqa: PTH116 - may be /dev/fd/…
        part = max(PART, -(-size // _MOST_PARTS))
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123

            def put() -> None:
                file.seek(0)
                self._store.put(name, file, use_multipart=True, chunk_size=part, max_concurrency=AT_ONCE)

            self._patiently("write", name, put)
        found = self.look(name)
        if found is None or found[0] != size:
            lost = RuntimeError(f"{size:,} bytes were sent, and {found[0] if found else 0:,} are there")
            raise told(lost, "write", name, self._url, self._settings) from lost

    def create(self, name: str, data: bytes) -> None:
        """Write a file that must not be there yet, by the bucket's conditional write.

        Raises:
            ConflictError: It is there, and not by this call.
        """
        unsure = False
        for last, pause in self._tries():
            try:
                self._once.put(name, data, mode="create", use_multipart=False)
            except Exception as error:
                busy = code_of(error) in BUSY
                if not busy and _is_taken(error):
                    # A try whose answer was lost may have been the one that wrote the file.
                    if unsure and self.read(name) == data:
                        return
                    raise ConflictError(
                        f"{self._url}/{name} is there already",
                        hint="Another writer was faster: read it, then decide.",
                    ) from error
                if last or not (busy or is_passing(error)):
                    raise told(error, "write", name, self._url, self._settings) from error
                unsure = unsure or not busy
                time.sleep(pause)
            else:
                return

    def delete(self, name: str) -> None:
        """Remove a file; removing one that is not there is no error."""

        def delete() -> None:
            try:
                self._store.delete(name)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
                    raise

        self._patiently("delete", name, delete)

    # ------------------------------------------------------------------------

    def _patiently(self, action: str, name: str, request: Callable[[], T]) -> T:
        """Make a request; what broke off after its answer had begun, which the client does not repeat, is repeated."""
        for last, pause in self._tries(most=3):
            try:
                return request()
            except Exception as error:
                # The client itself has tried again what was refused or not answered; this answer was cut off.
                if last or not _was_cut_off(error):
                    raise told(error, action, name, self._url, self._settings) from error
            time.sleep(pause)
        raise AssertionError  # pragma: no cover - the last try returns or raises

    def _tries(self, most: int | None = None) -> Iterator[tuple[bool, float]]:
        """Yield for each try whether it is the last one, and how long to wait after it."""
        patience = self._settings.patience
        ends = time.monotonic() + patience.total_seconds
        retries = patience.retries if most is None else min(most, patience.retries)
        for number in range(retries + 1):
            pause = min(patience.first_pause_seconds * 2**number, patience.longest_pause_seconds)
            pause *= random.uniform(0.5, 1.5)  # noqa: S311 - so that many writers do not come back together
            yield number == retries or time.monotonic() + pause > ends, pause


def _is_taken(error: Exception) -> bool:
    from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415 - start-up

    return isinstance(error, AlreadyExistsError | PreconditionError)


def _was_cut_off(error: Exception) -> bool:
    text = str(error).partition("\n\nDebug source")[0]
    return is_passing(error) and ("decoding" in text or "body" in text or "incomplete" in text.lower())


def _store(settings: Settings, retries: int) -> Any:
    """Make obstore's object for a bucket."""
    from obstore import store  # noqa: PLC0415 - start-up: 10 ms

    patience = settings.patience
    client: dict[str, Any] = {
        "allow_http": settings.plain,
        "connect_timeout": timedelta(seconds=patience.connect_seconds),
        "timeout": timedelta(seconds=patience.request_seconds),
        "user_agent": "lin",
    }
    if settings.bundle:
        try:
            client["root_certificate"] = Path(settings.bundle).expanduser().read_bytes()
        except OSError as error:
            raise PermissionDeniedError(
                f"the certificates in {settings.bundle} cannot be read: {error.strerror}", hint="Correct AWS_CA_BUNDLE."
            ) from error
    common: dict[str, Any] = {
        "prefix": settings.folder or None,
        "config": dict(settings.options),
        "client_options": client,
        "retry_config": {
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=patience.total_seconds),
            "backoff": {
                "init_backoff": timedelta(seconds=patience.first_pause_seconds),
                "max_backoff": timedelta(seconds=patience.longest_pause_seconds),
            },
        },
    }
    if settings.cloud == "gs":
        return store.GCSStore(settings.bucket, **common)
    if settings.cloud == "az":
        return store.AzureStore(settings.bucket, **common)
    if settings.profile:
        common["credential_provider"] = _botocore(settings.profile)
    return store.S3Store(settings.bucket, **common)


def _botocore(profile: str) -> Callable[[], dict[str, Any]]:
    """Return what asks botocore for the credentials of a profile: by single sign-on, a role or a program."""
    try:
        from botocore.session import Session  # type: ignore[import-untyped]  # noqa: PLC0415 - only for such profiles
    except ImportError as error:
        raise PermissionDeniedError(
            f"the AWS profile {profile!r} gets its credentials by single sign-on, a role or a program, for which lin "
            "needs botocore",
            hint="Install it: pip install 'botocore[crt]'; or put credentials into the environment: "
            f'eval "$(aws configure export-credentials --profile {profile} --format env)"',
        ) from error
    session = Session(profile=profile)

    def credentials() -> dict[str, Any]:
        found = session.get_credentials()
        if found is None:
            raise PermissionError(f"the AWS profile {profile} has no credentials")
        frozen = found.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": getattr(found, "_expiry_time", None),
        }

    return credentials
