"""Find out how a bucket is reached: address and credentials, as each cloud's own tools find them.

Nothing is asked of any server here. What is found stays in this process's memory: it is never part of an URL that is
shown, of a repository or of a message.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from lin.errors import InvalidInputError, PermissionDeniedError

Cloud = Literal["s3", "gs", "az"]
CLOUDS: Mapping[str, Cloud] = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "abfs": "az",
    "abfss": "az",
}
"""The protocols that have a native client."""
_INSTANCE = "169.254.169.254"


@dataclass(frozen=True, slots=True)
class Patience:
    """Say how long a request is waited for, and how often it is tried.

    Attributes:
        request_seconds: A request that has not been answered by then has failed.
        connect_seconds: The same, for making the connection.
        total_seconds: No try begins later than this after the first.
        retries: How many tries follow the first one.
        first_pause_seconds: About how long it waits before the second try; then twice as long each time, at random.
    """

    request_seconds: float = 120.0
    connect_seconds: float = 5.0
    total_seconds: float = 60.0
    retries: int = 8
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 10.0


DEFAULT = Patience()


@dataclass(frozen=True, slots=True)
class Settings:
    """Say where a bucket is, and how it is reached.

    Attributes:
        cloud: Which service's protocol it speaks.
        bucket: Its name.
        folder: Where in it the repository lies, without slashes at the ends; may be empty.
        options: For the client; may hold credentials.
        plain: Whether the address is a plain `http://` one.
        profile: The profile of AWS's configuration whose credentials only botocore can get.
        bundle: The file of certificates to trust beside the system's; may be empty.
        patience: How long to wait.
    """

    cloud: Cloud
    bucket: str
    folder: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    plain: bool = False
    profile: str = ""
    bundle: str = ""
    patience: Patience = field(default_factory=Patience)


def settings_for(url: str, patience: Patience | None = None) -> Settings:
    """Return how the bucket of an URL is reached, from the URL, the environment and the clouds' own files.

    Raises:
        InvalidInputError: It names no bucket, or holds credentials.
        PermissionDeniedError: AWS's own configuration names a profile that is not there.
    """
    parts = urlsplit(url)
    cloud = CLOUDS[parts.scheme]
    user, _, host = parts.netloc.rpartition("@")
    account = ""
    if cloud == "az" and user and ":" not in user:
        user, account, host = "", host.partition(".")[0], user
    shown = f"{parts.scheme}://{host}{parts.path}"
    if user:
        raise InvalidInputError(
            f"the URL of {shown} holds credentials",
            hint="Give them in the environment or the cloud's own configuration, such as AWS_ACCESS_KEY_ID.",
        )
    if not host:
        raise InvalidInputError(f"{shown} names no bucket", hint=f"Give one: {parts.scheme}://bucket/name.")
    if parts.query or parts.fragment:
        raise InvalidInputError(
            f"the URL of {shown} goes on with a query, which might be a secret",
            hint="Give credentials in the environment; a folder's name cannot hold ? or #.",
        )
    folder = parts.path.strip("/")
    found = {"s3": _aws, "gs": _google, "az": _azure}[cloud]()
    options = dict(found.options)
    if account:
        options["account_name"] = account
    if cloud == "az" and "account_name" not in options and not _any("AZURE_STORAGE_ACCOUNT_NAME"):
        raise InvalidInputError(
            f"no storage account is named for {shown}",
            hint="Set AZURE_STORAGE_ACCOUNT_NAME or AZURE_STORAGE_CONNECTION_STRING, "
            "or write abfss://container@account.dfs.core.windows.net/name.",
        )
    return Settings(cloud, host, folder, options, found.plain, found.profile, found.bundle, patience or DEFAULT)


@dataclass(frozen=True, slots=True)
class _Found:
    options: Mapping[str, Any] = field(default_factory=dict)
    plain: bool = False
    profile: str = ""
    bundle: str = ""


# ---------------------------------------------------------------------------- AWS and what speaks its protocol


def _aws() -> _Found:
    """Follow AWS's chain: environment, web identity, profile, container, instance.

    Source: AWS SDKs and Tools Reference Guide, 'Standardized credential providers'.
    """
    # One request a file, deleted by itself: what not every imitation of S3 has is not used.
    options: dict[str, Any] = {"disable_bulk_delete": True}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    profile, named = _aws_profile()
    if not endpoint and (endpoint := profile.get("endpoint_url", "")):
        options["endpoint"] = endpoint
    if not _any("AWS_REGION", "AWS_DEFAULT_REGION") and profile.get("region"):
        options["region"] = profile["region"]
    bundle = os.environ.get("AWS_CA_BUNDLE") or profile.get("ca_bundle", "")
    plain = (endpoint or "").startswith("http://")
    if _any("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        return _Found(options, plain, bundle=bundle)
    if profile.get("aws_access_key_id"):
        for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"):
            if name in profile:
                options[name.removeprefix("aws_")] = profile[name]
        return _Found(options, plain, bundle=bundle)
    if any(name in profile for name in ("sso_session", "sso_start_url", "role_arn", "credential_process")):
        return _Found(options, plain, named, bundle)
    return _Found(options, plain, bundle=bundle)


def _aws_profile() -> tuple[dict[str, str], str]:
    """Return what AWS's shared files say of the chosen profile, and its name."""
    import configparser  # noqa: PLC0415 - start-up

    named = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or ""
    wanted = named or "default"
    found: dict[str, str] = {}
    home = Path.home() / ".aws"
    config = Path(os.environ.get("AWS_CONFIG_FILE") or home / "config").expanduser()
    shared = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials").expanduser()
    for path, section in ((config, wanted if wanted == "default" else f"profile {wanted}"), (shared, wanted)):
        reader = configparser.RawConfigParser(strict=False)
        try:
            reader.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise InvalidInputError(
                f"{path} cannot be read: {type(error).__name__}", hint="Correct it, or set AWS_CONFIG_FILE."
            ) from error
        if reader.has_section(section):
            found.update(reader.items(section))
    if named and not found:
        raise PermissionDeniedError(
            f"AWS's configuration has no profile {named!r}, which AWS_PROFILE names",
            hint=f"Make it with: aws configure --profile {named}",
        )
    return found, wanted


def lacks_credentials(settings: Settings) -> bool:
    """Tell whether nothing on this machine can give credentials for a bucket in AWS.

    The last of AWS's sources is the machine it runs on; elsewhere, nothing answers at that address, and waiting for it
    takes long: so it is tried once, for a second.
    """
    if (
        settings.cloud != "s3"
        or settings.profile
        or settings.options.get("access_key_id")
        or os.environ.get("AWS_ACCESS_KEY_ID")
        or _any(
            "AWS_SKIP_SIGNATURE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_METADATA_ENDPOINT",
        )
    ):
        return False
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return True
    import socket  # noqa: PLC0415 - start-up

    try:
        socket.create_connection((_INSTANCE, 80), timeout=1).close()
    except OSError:
        return True
    return False


# ---------------------------------------------------------------------------- Google and Azure


def _google() -> _Found:
    """Follow Google's chain, which the client knows; an emulator is named as Google's own libraries take it."""
    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
    if not emulator:
        return _Found({}, os.environ.get("GOOGLE_BASE_URL", "").startswith("http://"))
    if "://" not in emulator:
        emulator = f"http://{emulator}"
    # An emulator has no accounts; without this, the client would still ask the machine it runs on for a token to write.
    account = {"gcs_base_url": emulator.rstrip("/"), "disable_oauth": True}
    key = json.dumps({**account, "client_email": "", "private_key": "", "private_key_id": ""})
    return _Found({"service_account_key": key}, emulator.startswith("http://"))


def _azure() -> _Found:
    """Follow Azure's chain, which the client knows, but for the connection string."""
    options: dict[str, Any] = {}
    text = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    if text and not _any("AZURE_STORAGE_ACCOUNT_NAME"):
        fields = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
        names = {
            "AccountName": "account_name",
            "AccountKey": "account_key",
            "SharedAccessSignature": "sas_key",
            "BlobEndpoint": "endpoint",
        }
        options = {names[name]: value for name, value in fields.items() if name in names}
        if "AccountName" not in fields and "BlobEndpoint" in fields:
            options["account_name"] = (urlsplit(fields["BlobEndpoint"]).hostname or "").partition(".")[0]
        if fields.get("UseDevelopmentStorage", "").lower() == "true":
            options["use_emulator"] = "true"
    profile = Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure") / "azureProfile.json"
    others = _any(
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_STORAGE_TOKEN",
        "AZURE_STORAGE_CLIENT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_STORAGE_USE_EMULATOR",
        "IDENTITY_ENDPOINT",
        "MSI_ENDPOINT",
    )
    if not options and not others and profile.is_file():  # a person who has logged in with `az login`
        options["use_azure_cli"] = "true"
    endpoint = str(options.get("endpoint") or os.environ.get("AZURE_STORAGE_ENDPOINT") or "")
    emulated = _any("AZURE_STORAGE_USE_EMULATOR") or "use_emulator" in options
    return _Found(options, emulated or endpoint.startswith("http://"))


def _any(*names: str) -> bool:
    return any(os.environ.get(name) for name in names)


def dumps(settings: Settings) -> bytes:
    """Return settings as bytes, for a process of one's own; they hold credentials."""
    patience = {name: getattr(settings.patience, name) for name in Patience.__slots__}
    return json.dumps(
        {
            "cloud": settings.cloud,
            "bucket": settings.bucket,
            "folder": settings.folder,
            "options": dict(settings.options),
            "plain": settings.plain,
            "profile": settings.profile,
            "bundle": settings.bundle,
            "patience": patience,
        }
    ).encode()


def loads(data: bytes) -> Settings:
    """Return what `dumps` wrote."""
    fields = json.loads(data)
    return Settings(**{**fields, "patience": Patience(**fields["patience"])})
