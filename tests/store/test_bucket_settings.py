"""How a bucket is found: from the URL, the environment and each cloud's own files, and nothing of it is shown."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from lin.errors import InvalidInputError, LinError, PermissionDeniedError
from lin.store._bucket_client import BucketClient
from lin.store._bucket_settings import Patience, dumps, lacks_credentials, loads, settings_for


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "STORAGE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def profile(tmp_path: Path, config: str = "", credentials: str = "") -> None:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment are the client's to read; the profile's are not mixed with them."""
    profile(tmp_path, credentials="[default]\naws_access_key_id = theirs\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    found = settings_for("s3://bucket/a/b/")
    assert (found.cloud, found.bucket, found.folder) == ("s3", "bucket", "a/b")
    assert "access_key_id" not in found.options
    assert not lacks_credentials(found)


def test_a_profile_gives_credentials_address_and_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both of AWS's files are read, as its own tools do, the credentials file last."""
    profile(
        tmp_path,
        "[default]\nregion = eu-west-1\n[profile lab]\nregion = us-west-2\nendpoint_url = http://lab:9000\n",
        "[default]\naws_access_key_id = a\naws_secret_access_key = b\n"
        "[lab]\naws_access_key_id = c\naws_secret_access_key = d%d\naws_session_token = e\n",
    )
    found = settings_for("s3://bucket")
    assert found.options["region"] == "eu-west-1"
    assert (found.options["access_key_id"], found.options["secret_access_key"], found.plain) == ("a", "b", False)
    monkeypatch.setenv("AWS_PROFILE", "lab")
    found = settings_for("s3://bucket")
    assert (found.options["region"], found.options["endpoint"], found.plain) == ("us-west-2", "http://lab:9000", True)
    assert (found.options["secret_access_key"], found.options["session_token"]) == ("d%d", "e")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(PermissionDeniedError, match="no profile 'nobody'") as caught:
        settings_for("s3://bucket")
    assert "aws configure" in caught.value.hint


def test_a_profile_with_sign_on_needs_botocore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles, programs and single sign-on are botocore's work; without it, what to install is said."""
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho \'{"Version": 1, "AccessKeyId": "k", "SecretAccessKey": "s"}\'\n')
    program.chmod(0o755)
    profile(tmp_path, f"[default]\ncredential_process = {program}\nregion = us-east-1\n")
    found = settings_for("s3://bucket")
    assert found.profile == "default"
    assert not lacks_credentials(found)
    BucketClient(found, "s3://bucket")
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(PermissionDeniedError, match="needs botocore") as caught:
        BucketClient(found, "s3://bucket")
    assert "pip install" in caught.value.hint


def test_a_broken_profile_is_told(tmp_path: Path) -> None:
    """A configuration that cannot be read names the file."""
    profile(tmp_path, "no section\n")
    with pytest.raises(InvalidInputError, match="config"):
        settings_for("s3://bucket")


def test_no_credentials_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing gives any, that is known without a request; the instance's service is tried once."""
    found = settings_for("s3://bucket")
    with pytest.raises(PermissionDeniedError, match="no credentials were found for s3://bucket"):
        BucketClient(found, "s3://bucket")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    tried: list[object] = []

    def connect(address: object, timeout: float) -> object:
        tried.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert lacks_credentials(found)
    assert tried == [("169.254.169.254", 80)]
    for name in ("AWS_SKIP_SIGNATURE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "x")
            assert not lacks_credentials(settings_for("s3://bucket"))


def test_azure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A connection string, an account in the URL, and a login by `az` lead to an account; without one it is said."""
    with pytest.raises(InvalidInputError, match="no storage account"):
        settings_for("az://container/a")
    found = settings_for("abfss://container@team.dfs.core.windows.net/a")
    assert (found.bucket, found.folder, found.options["account_name"]) == ("container", "a", "team")
    (tmp_path / ".azure").mkdir()
    (tmp_path / ".azure" / "azureProfile.json").write_text("{}")
    assert settings_for("abfs://container@team.dfs.core.windows.net/a").options["use_azure_cli"] == "true"
    text = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=a==;BlobEndpoint=http://127.0.0.1:1/x"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    found = settings_for("az://container")
    assert found.options == {"account_name": "x", "account_key": "a==", "endpoint": "http://127.0.0.1:1/x"}
    assert found.plain
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING", "BlobEndpoint=https://x.blob.core.windows.net;SharedAccessSignature=s=1&t"
    )
    assert settings_for("az://container").options["sas_key"] == "s=1&t"


def test_google(monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulator is named as Google's libraries take it, and needs no account."""
    assert settings_for("gs://bucket/a").options == {}
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "localhost:4443")
    found = settings_for("gcs://bucket/a")
    assert found.plain
    assert json.loads(found.options["service_account_key"])["gcs_base_url"] == "http://localhost:4443"


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///a",
        "s3://id:secret@bucket/a",
        "gs://token@bucket",
        "s3://bucket/a?X-Amz-Signature=secret",
        "az://c/x?sig=secret",
    ],
)
def test_refuses_urls_that_name_no_bucket_or_hold_secrets(url: str) -> None:
    """A secret has no place in an URL, and is not repeated."""
    with pytest.raises(LinError) as caught:
        settings_for(url)
    assert isinstance(caught.value, InvalidInputError)
    assert "secret" not in str(caught.value).replace("might be a secret", "")
    assert caught.value.hint


def test_settings_hide_secrets_and_travel(tmp_path: Path) -> None:
    """What is printed holds no credentials; another process gets all of it."""
    profile(tmp_path, credentials="[default]\naws_access_key_id = a\naws_secret_access_key = hidden\n")
    found = settings_for("s3://bucket/x", Patience(retries=3))
    assert "hidden" not in repr(found)
    assert loads(dumps(found)) == found
