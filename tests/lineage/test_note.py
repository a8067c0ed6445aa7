"""Signed notes, also against the example of their specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.errors import CorruptLogError, InvalidInputError
from lin.lineage.keys import LogKey
from lin.lineage.log_testing import LOG_KEY
from lin.lineage.note import MAX_SIGNATURES, Note, VerifierKey, sign

# The example of https://c2sp.org/signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
OTHER = LogKey.from_seed("lin/ffff", bytes(32))


def test_the_specifications_example_verifies():
    """The key and note that the specification prints fit."""
    key = VerifierKey.parse(VKEY)
    assert str(key) == VKEY
    assert Note.parse(NOTE).verify(key) == "This is an example message.\n"


def test_what_is_signed_verifies():
    """A note signed by two keys verifies with either."""
    note = Note.parse(sign("a\n\nb\n", [LOG_KEY, OTHER]))
    assert note.verify(LOG_KEY.verifier) == note.verify(OTHER.verifier) == "a\n\nb\n"


def test_a_verifier_key_survives_its_text():
    """Writing a verifier key and reading it gives the same one."""
    assert VerifierKey.parse(str(LOG_KEY.verifier)) == LOG_KEY.verifier


def test_unknown_signatures_are_ignored():
    """A signature of a stranger, right or wrong, changes nothing; alone it is not enough."""
    stranger = sign("text\n", [OTHER]).decode().splitlines()[-1]
    note = sign("text\n", [LOG_KEY]).decode() + stranger + "\n"
    assert Note.parse(note.encode()).verify(LOG_KEY.verifier) == "text\n"
    with pytest.raises(CorruptLogError, match="not signed by"):
        Note.parse(sign("text\n", [OTHER])).verify(LOG_KEY.verifier)


def test_a_wrong_signature_of_a_known_key_rejects_the_note():
    """One right signature does not make up for a wrong one that claims to be of a known key."""
    wrong = sign("other\n", [OTHER]).decode().splitlines()[-1]
    note = Note.parse((sign("text\n", [LOG_KEY]).decode() + wrong + "\n").encode())
    assert note.verify(LOG_KEY.verifier) == "text\n"
    with pytest.raises(CorruptLogError, match="wrong"):
        note.verify(LOG_KEY.verifier, OTHER.verifier)


def test_a_changed_text_is_found():
    """A single changed letter makes the signature wrong."""
    with pytest.raises(CorruptLogError, match="wrong"):
        Note.parse(NOTE.replace(b"example message", b"exemple message")).verify(VerifierKey.parse(VKEY))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        NOTE[:-1],
        NOTE.replace("— ".encode(), b"- "),
        NOTE.replace(b"example.com/foo ", b"example.com/foo  "),
        NOTE.replace(b"Uw2Q", b"U*2Q"),
        NOTE.replace(b"aQM=", b"aQN="),
        NOTE.replace(b"aQM=", b"aQM"),
        NOTE.replace(b"This", b"Thi\r"),
        NOTE.replace(b"This", b"Thi\x00"),
        NOTE.replace(b"This", b"Thi\xff"),
        NOTE + b"\n",
        NOTE.replace(
            b"Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=", b"Uw2QOg=="
        ),
        NOTE + NOTE.splitlines(keepends=True)[-1] * MAX_SIGNATURES,
    ],
)
def test_what_is_no_note_is_refused(data):
    """Every deviation from the form is an error."""
    with pytest.raises(CorruptLogError):
        Note.parse(data)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_parser(data):
    """Strangers' bytes lead to errors of lin, and to no others."""
    with pytest.raises(CorruptLogError):
        Note.parse(data).verify(LOG_KEY.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_what_is_no_verifier_key_is_refused(text):
    """A wrong id, type, length, name or form is an error."""
    with pytest.raises(InvalidInputError):
        VerifierKey.parse(text)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n"])
def test_what_can_be_no_text_is_not_signed(text):
    """A text ends in a newline and has no control characters."""
    with pytest.raises(InvalidInputError):
        sign(text, [LOG_KEY])
