"""Tell what a bucket's client or server says as lin's errors: what is wrong, with what, and the way out."""

from __future__ import annotations

import re

from lin.errors import (
    BackendError,
    ConflictError,
    InvalidInputError,
    LinError,
    NotFoundError,
    PermissionDeniedError,
    RepositoryNotFoundError,
    StorageFullError,
)

from ._bucket_settings import Settings

TAKEN = frozenset({"PreconditionFailed", "BlobAlreadyExists", "ConditionNotMet", "conditionNotMet"})
"""What servers answer where the name is taken."""
BUSY = frozenset({"ConditionalRequestConflict", "OperationAborted"})
"""What servers answer when two conditional writes meet: neither has happened yet."""
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"})
_FULL = frozenset(
    {
        "QuotaExceeded",
        "XMinioStorageFull",
        "XMinioAdminBucketQuotaExceeded",
        "InsufficientStorage",
        "ServiceQuotaExceeded",
    }
)
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_STRANGER = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "ExpiredToken",
        "TokenRefreshRequired",
        "AuthenticationFailed",
        "InvalidAuthenticationInfo",
        "AuthenticationRequired",
        "NoAuthenticationInformation",
        "XAdminUserNotFound",
    }
)
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "TemporaryRedirect", "IllegalLocationConstraintException"}
)
_CODE = re.compile(r"<Code>([^<]+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
_REGION = re.compile(r"<Region>([^<]+)</Region>|region is wrong; expecting '([^']+)'|expecting '([a-z0-9-]+)'")
_TIMES = re.compile(r"<RequestTime>([^<]*)</RequestTime>.*?<ServerTime>([^<]*)</ServerTime>", re.DOTALL)
_STATUS = re.compile(r"status code: (\d{3})")
_SKEW_TEXT = re.compile(r"[Rr]equest date header too old|clock|[Dd]ate .*too (?:old|skewed)")
_SERVER = re.compile(r"Error performing [A-Z]+ (https?://[^/\s]+)")
_QUERY = re.compile(r"\?\S*")
_METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal", "168.63.129.16")


class _Said:
    """What a server or the client said, taken apart."""

    def __init__(self, error: Exception) -> None:
        whole = str(error)
        self.text = whole.partition("\n\nDebug source")[0]
        self.raw = whole
        code = _CODE.search(whole)
        self.code = code[1] if code else ""
        status = _STATUS.search(self.text)
        self.status = int(status[1]) if status else 0

    @property
    def reason(self) -> str:
        message = _MESSAGE.search(self.text)
        if message and message[1].strip():
            first = message[1].strip().splitlines()[0].rstrip(".")
            return f"{first} ({self.code})" if self.code else first
        text = self.text.rpartition(" - ")[2] if " - " in self.text else self.text
        server = _SERVER.search(self.text)
        if not self.status and server and "error sending request" in text:
            return f"the server at {server[1]} does not answer"
        text = text.partition("<?xml")[0].strip().removeprefix("Server returned non-2xx status code: ").rstrip(": ")
        return _QUERY.sub("", text) or "no reason is given"


def code_of(error: Exception) -> str:
    """Return the code of a server's answer, such as `NoSuchKey`; empty where there is none."""
    return _Said(error).code


def is_passing(error: Exception) -> bool:
    """Tell whether the same request may succeed later: the server is busy or failing, or was not reached."""
    said = _Said(error)
    if said.status:
        return (said.status >= 500 and said.status not in {501, 507}) or said.status in {408, 429}  # noqa: PLR2004
    return not isinstance(error, OSError | ValueError) and said.code not in _FULL


def is_past_the_end(error: Exception) -> bool:
    """Tell whether a range was refused because the file ends before it."""
    said = _Said(error)
    return said.status == 416 or said.code == "InvalidRange" or "range starting at" in said.text  # noqa: PLR2004


def told(error: Exception, action: str, name: str, url: str, settings: Settings) -> LinError:
    """Return the error of lin for what a client raised; the caller chains it.

    Args:
        error: What was raised.
        action: What was tried, as in 'cannot <action> <url>/<name>'.
        name: The file's.
        url: The place's, without secrets.
        settings: Of the place.
    """
    said = _Said(error)
    message = f"cannot {action} {url}/{name}: {said.reason}"
    return (
        _no_bucket(said, message, url, settings)
        or _full(said, message)
        or _no_access(said, message, url, settings)
        or _other(said, message, error)
    )


def _no_bucket(said: _Said, message: str, url: str, settings: Settings) -> LinError | None:
    if said.code in _NO_BUCKET:
        return RepositoryNotFoundError(
            f"there is no bucket {settings.bucket!r} for {url}",
            hint="Check its name and the address of the service; lin makes no buckets: use the service's own tools.",
        )
    if said.code in _ELSEWHERE or said.status in {301, 307, 308} or "redirect" in said.text.lower():
        region = _REGION.search(said.text)
        found = next((group for group in region.groups() if group), "") if region else ""
        return InvalidInputError(
            f"{message}; the bucket lies in {f'the region {found}' if found else 'another region'}",
            hint=f"Set AWS_REGION={found}." if found else "Set AWS_REGION to the bucket's region.",
        )
    return None


def _no_access(said: _Said, message: str, url: str, settings: Settings) -> LinError | None:
    if any(address in said.raw for address in _METADATA) or "az account get-access-token" in said.raw:
        return no_credentials(url, settings)
    if said.code in _SKEWED or (said.status in {401, 403} and _SKEW_TEXT.search(said.text)):
        times = _TIMES.search(said.raw)
        clocks = f": it says {times[1]}, the server {times[2]}" if times else ""
        return PermissionDeniedError(
            f"{message}; this machine's clock is wrong{clocks}",
            hint="Set the clock (with NTP), and try again.",
        )
    if said.code in _STRANGER or said.status == 401:  # noqa: PLR2004
        return PermissionDeniedError(
            f"{message}; the credentials are wrong or have expired", hint=f"Correct them: {_SOURCES[settings.cloud]}."
        )
    if said.status == 403:  # noqa: PLR2004
        return PermissionDeniedError(
            f"{message}; these credentials may not do that in the bucket {settings.bucket!r}",
            hint="It may be someone else's bucket: check its name, or ask its owner for access.",
        )
    return None


_SOURCES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile (AWS_PROFILE)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or gcloud auth application-default login",
    "az": "AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or az login",
}


def no_credentials(url: str, settings: Settings) -> PermissionDeniedError:
    """Return the error for a machine on which no credentials are found."""
    return PermissionDeniedError(
        f"no credentials were found for {url}", hint=f"Give them as usual: {_SOURCES[settings.cloud]}."
    )


def _full(said: _Said, message: str) -> LinError | None:
    if said.status == 507 or said.code in _FULL or "no space left" in said.text.lower():  # noqa: PLR2004
        return StorageFullError(
            message, hint="Make room there, or raise the quota, and try again; what was stored before is unharmed."
        )
    return None


def _other(said: _Said, message: str, error: Exception) -> LinError:
    if isinstance(error, FileNotFoundError) or said.status == 404:  # noqa: PLR2004
        return NotFoundError(message, hint="Check the address: the file is not there.")
    if said.status in {409, 412} or said.code in TAKEN:
        return ConflictError(message, hint="Another writer was faster: read it, then decide.")
    if said.status == 429 or said.status >= 500:  # noqa: PLR2004
        return BackendError(message, hint="The bucket's server is busy or failing; try again later.")
    return BackendError(message, hint="Check the connection and the service's address, and try again.")
