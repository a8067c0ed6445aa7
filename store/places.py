"""Open the place that a person names: a folder, a bucket, or any fsspec URL."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lin.errors import InvalidInputError

from ._bucket_settings import CLOUDS
from .local import LocalPlace
from .place import Place

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def open_place(where: str | Path) -> Place:
    """Return the place at a path, a `file://` URL or an fsspec URL; touch nothing there yet.

    Raises:
        InvalidInputError: It is empty, its protocol is unknown or not meant for storage, or the driver
            is not installed.
    """
    text = str(where)
    if not text or "\0" in text:
        raise InvalidInputError(f"not a place for a repository: {text!r}", hint="Give a folder, or s3://bucket/name.")
    if isinstance(where, Path) or not (_SCHEME.match(text) or "::" in text.partition("/")[0]):
        return LocalPlace(Path(text).expanduser())
    scheme = text.partition("://")[0].lower()
    if scheme in {"file", "local"}:
        parts = urlsplit(text)
        if parts.netloc not in {"", "localhost"}:
            raise InvalidInputError(f"{text} names another machine", hint="Write file:///folder, with three slashes.")
        return LocalPlace(Path(unquote(parts.path)))
    if scheme in {"http", "https"} or "::" in text:
        raise InvalidInputError(
            f"cannot keep a repository's files at {text}",
            hint="Give a folder, or a bucket's URL such as s3://bucket/name.",
        )
    if scheme in CLOUDS:
        from .bucket import BucketPlace  # noqa: PLC0415 - start-up

        return BucketPlace(scheme + text[len(scheme) :])
    from .remote import FsspecPlace  # noqa: PLC0415 - start-up: the drivers are heavy

    return FsspecPlace(scheme + text[len(scheme) :])
