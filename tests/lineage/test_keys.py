"""Keys in files."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lin.errors import BackendError, InvalidInputError, PermissionDeniedError, ReadOnlyError
from lin.lineage.keys import ActorKey, LogKey

ORIGIN = "lin/00112233445566778899aabbccddeeff"


def test_an_actors_key_is_made_once(tmp_path):
    """The second time, the key of the first time is loaded."""
    first = ActorKey.load_or_create(tmp_path / "config")
    assert ActorKey.load_or_create(tmp_path / "config").id == first.id


def test_an_actors_id_is_the_sha256_of_its_public_key(tmp_path):
    """The id is computed from the 32 raw bytes, and the key signs as RFC 8032 says."""
    key = ActorKey.load_or_create(tmp_path)
    assert key.id == sha256(key.public).hexdigest()
    Ed25519PublicKey.from_public_bytes(key.public).verify(key.sign(b"text"), b"text")


def test_only_the_user_may_read_keys(tmp_path):
    """Files get mode 0600 and folders 0700, whatever the umask."""
    before = os.umask(0)
    try:
        LogKey.load_or_create(tmp_path / "config", ORIGIN)
    finally:
        os.umask(before)
    folder = tmp_path / "config" / "logs"
    (file,) = folder.iterdir()
    assert file.name == "00112233445566778899aabbccddeeff.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode):
    """The error names the file and the command that mends it."""
    ActorKey.load_or_create(tmp_path)
    file = tmp_path / "actor.key"
    file.chmod(mode)
    with pytest.raises(PermissionDeniedError) as caught:
        ActorKey.load_or_create(tmp_path)
    assert str(file) in caught.value.message
    assert caught.value.hint == f"chmod 600 {file}"


def test_many_processes_end_up_with_one_key(tmp_path):
    """Processes that need the key for the first time at once all get the same one, and leave nothing behind."""
    code = (
        "import sys; from pathlib import Path; from lin.lineage.keys import ActorKey\n"
        "sys.stdin.read(1); print(ActorKey.load_or_create(Path(sys.argv[1])).id)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "new")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("x")
        process.stdin.flush()
    answers = {process.communicate()[0].strip() for process in processes}
    assert answers == {ActorKey.load_or_create(tmp_path / "new").id}
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["actor.key"]


def test_the_loser_of_a_race_uses_the_winners_key(tmp_path, monkeypatch):
    """If a key appears between looking and making, it is kept and used."""
    winner = ActorKey.load_or_create(tmp_path / "other")
    link = os.link

    def slower(source, target):
        link(tmp_path / "other" / "actor.key", target)
        link(source, target)

    monkeypatch.setattr(os, "link", slower)
    assert ActorKey.load_or_create(tmp_path).id == winner.id


def test_a_file_without_a_key_is_refused(tmp_path):
    """Anything but an Ed25519 private key in PEM is an error that names the file."""
    file = tmp_path / "actor.key"
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data in (b"", b"no key", other):
        file.write_bytes(data)
        file.chmod(0o600)
        with pytest.raises(InvalidInputError, match=r"actor\.key"):
            ActorKey.load_or_create(tmp_path)


def test_without_the_logs_key_a_repository_is_read_only(tmp_path):
    """The error names the folder where the key should be, and loading makes nothing."""
    with pytest.raises(ReadOnlyError) as caught:
        LogKey.load(tmp_path, ORIGIN)
    assert str(tmp_path / "logs") in caught.value.message
    assert "00112233445566778899aabbccddeeff.key" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_log_key_is_loaded_as_it_was_made(tmp_path):
    """`load` finds what `load_or_create` made."""
    made = LogKey.load_or_create(tmp_path, ORIGIN)
    assert LogKey.load(tmp_path, ORIGIN).verifier == made.verifier


@pytest.mark.parametrize("origin", ["", "lin/", "lin/..", "lin/a b"])
def test_an_origin_that_is_no_file_name_is_refused(tmp_path, origin):
    """No origin leads out of the folder of keys."""
    with pytest.raises(InvalidInputError, match="origin"):
        LogKey.load_or_create(tmp_path, origin)


def test_a_config_folder_that_cannot_be_made_is_an_error(tmp_path):
    """A file where the folder should be is reported, not stumbled over."""
    (tmp_path / "config").write_text("")
    with pytest.raises(BackendError, match=r"actor\.key"):
        ActorKey.load_or_create(tmp_path / "config")


def test_private_keys_do_not_leak():
    """Neither `repr`, nor pickle, nor copies give a private key away."""
    key = ActorKey.from_seed(bytes(range(32)))
    assert repr(key) == f"ActorKey({key.id})"
    for leak in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            leak(key)
