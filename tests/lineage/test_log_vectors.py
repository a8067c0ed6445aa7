"""The log format's test vectors: lin makes them byte for byte, and independent code finds the same.

`LIN_WRITE_VECTORS=1` writes the file anew; whatever changes in it then is a change of the format.
"""

from __future__ import annotations

import base64
import json
import os
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from lin.errors import InvalidInputError
from lin.lineage import merkle
from lin.lineage.checkpoint import Checkpoint
from lin.lineage.envelope import parse, sign, verify
from lin.lineage.events import (
    PAYLOAD_TYPE,
    STATEMENTS,
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    Event,
    Imported,
    KeepingChanged,
    KeyChanged,
    RunFinished,
    RunStarted,
    RunUsed,
    TableIdentified,
    Tombstone,
    Use,
)
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.log import Log
from lin.lineage.merkle import Frontier, leaf_digest
from lin.lineage.table_id import TableId
from lin.lineage.words import ArtifactKind, Evidence, Keeping, Role, RunStatus, Shape
from lin.store.digest import Digest
from lin.store.local import LocalPlace

FILE = Path(__file__).parents[2] / "docs" / "formats" / "log-vectors.json"
ACTOR_SEED, NEXT_SEED, LOG_SEED = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
ORIGIN = "lin/000102030405060708090a0b0c0d0e0f"
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 1000)


def b64(data) -> str:
    return base64.b64encode(data).decode()


def history() -> list[tuple[str, str, bytes]]:
    """Return (what it shows, event's payload, leaf) of every kind of event."""
    key, following = ActorKey.from_seed(ACTOR_SEED), ActorKey.from_seed(NEXT_SEED)
    made: list[tuple[str, str, bytes]] = []

    def say(about, statement, by=key):
        at = f"2026-03-01T12:00:{len(made):02d}.000000Z"
        signed = sign(Event(at, by.id, statement), by)
        made.append((about, signed.event.payload().decode(), signed.leaf))
        return signed.id

    say("an actor introduces its key", KeyChanged("add", key.public.hex()))
    run = say(
        "a run begins; text is not ASCII, numbers of all kinds, and one that JSON has no form for",
        RunStarted(
            "Übung",
            "train.py",
            "00112233445566778899aabbccddeeff",
            {
                "C": 1.0,
                "big": 2**60,
                "deep": True,
                "learning rate": 1e-7,
                "limit": float("inf"),
                "\U0001f600": "\u20ac",
                "ﬀ": 'quote " and \\ and \n',
            },
            "0123456789abcdef0123456789abcdef01234567",
            Digest.of(b"detail"),
        ),
    )
    data = say(
        "an artifact that no run made",
        ArtifactRecorded(ArtifactKind.DATASET, "flights.csv", 1, Digest.of(b"flights"), Shape.BLOB, 7),
    )
    say(
        "what the run used",
        RunUsed(
            run,
            (
                Use(data, Role.TRAIN, Evidence.OBSERVED, "data/flights.csv"),
                Use(data, Role.BASE_MODEL, Evidence.DECLARED),
            ),
        ),
    )
    model = say(
        "an artifact that the run made: a folder",
        ArtifactRecorded(
            ArtifactKind.MODEL,
            "churn",
            1,
            Digest.of(b"tree"),
            Shape.TREE,
            12,
            2,
            run,
            "out/model",
            Evidence.OBSERVED,
            "Übung",
            {"framework": "none"},
            Digest.of(b"more detail"),
        ),
    )
    say("the run ends", RunFinished(run, RunStatus.SUCCEEDED, 0, {"auc": 0.91, "loss": float("nan")}))
    say("the model is measured", EvaluationRecorded(model, data, run, {"auc": 0.9}))
    move = say("an alias is set", AliasMoved("churn", "prod", model))
    say("the alias is taken away", AliasMoved("churn", "prod", None, (move,)))
    say("content was erased", Tombstone(Digest.of(b"detail"), "asked to"))
    say("the key is handed over", KeyChanged("add", following.public.hex(), key.id))
    say("the old key is revoked by the new one", KeyChanged("revoke", key.public.hex()), following)
    say(
        "content holds a table",
        TableIdentified(
            Digest.of(b"flights"),
            TableId("set", bytes(range(32))),
            TableId("seq", bytes(range(32, 64))),
            3,
            2,
            "csv",
            Digest.of(b"schema"),
            "2026/march.csv",
            {"delimiter": ";", "header": False},
            Digest.of(b"summary"),
            Digest.of(b"sketch"),
            Digest.of(b"keys"),
        ),
        following,
    )
    trashed = say("an artifact is thrown away", KeepingChanged(data, Keeping.TRASH, (), "old"), following)
    say("and taken back", KeepingChanged(data, Keeping.RESTORE, (trashed,)), following)
    foreign = LogKey.from_seed("lin/" + "f" * 32, b"\x04" * 32)
    taken = Checkpoint.signed(2, bytes(range(32)), foreign)
    say("leaves were taken over", Imported(taken.origin, str(foreign.verifier), taken.note.decode(), 2), following)
    return made


def refused() -> dict[str, str]:
    """Return payloads that have to be refused, by the reason."""
    good, table = (json.loads(history()[at][1]) for at in (9, 12))
    return {
        "a space after a colon": rfc8785.dumps(good).decode().replace(":", ": ", 1),
        "fields in another order": json.dumps(dict(reversed(good.items())), separators=(",", ":")),
        "an unknown field": rfc8785.dumps({**good, "x": 1}).decode(),
        "an unknown field of the body": rfc8785.dumps({**good, "body": {**good["body"], "x": 1}}).decode(),
        "a missing field": rfc8785.dumps({**good, "body": {"reason": "x"}}).decode(),
        "a null": rfc8785.dumps({**good, "body": {**good["body"], "reason": None}}).decode(),
        "a version that is not known": rfc8785.dumps({**good, "v": 1}).decode(),
        "a kind that is not known": rfc8785.dumps({**good, "kind": "x"}).decode(),
        "a time without microseconds": rfc8785.dumps({**good, "at": "2026-03-01T12:00:09Z"}).decode(),
        "an actor that is no key id": rfc8785.dumps({**good, "actor": "me"}).decode(),
        "a set where a seq belongs": rfc8785.dumps(
            {**table, "body": {**table["body"], "seq": table["body"]["set"]}}
        ).decode(),
        "a table of fewer rows than none": rfc8785.dumps({**table, "body": {**table["body"], "rows": -1}}).decode(),
        "a shortened digest": rfc8785.dumps({**good, "body": {**good["body"], "digest": "b3:00"}}).decode(),
    }


def build(path) -> dict[str, Any]:
    """Make the vectors with lin."""
    actor, key = ActorKey.from_seed(ACTOR_SEED), LogKey.from_seed(ORIGIN, LOG_SEED)
    log = Log(LocalPlace(path), key.verifier)
    empty = log.create(key)
    made = history()
    log.extend([leaf for _, _, leaf in made], key)
    at = log.checkpoint()
    numbered = [leaf_digest(b"leaf %d" % number) for number in range(max(SIZES))]
    return {
        "about": "Test vectors for docs/formats/log.md. Base64 is standard, with padding; the rest is hex or text.",
        "actor": {"seed": ACTOR_SEED.hex(), "public": actor.public.hex(), "id": actor.id},
        "next actor": {"seed": NEXT_SEED.hex()},
        "log": {
            "seed": LOG_SEED.hex(),
            "origin": ORIGIN,
            "public": key.public.hex(),
            "key id": key.verifier.key_id.hex(),
            "verifier key": str(key.verifier),
        },
        "payload type": PAYLOAD_TYPE,
        "events": [
            {
                "about": about,
                "payload": payload,
                "id": str(parse(leaf).id),
                "leaf": leaf.decode(),
                "leaf digest": leaf_digest(leaf).hex(),
            }
            for about, payload, leaf in made
        ],
        "refused payloads": refused(),
        "files": {
            name: b64(log.place.read(f"log/{name}"))
            for name in ("tile/entries/000.p/16", "tile/0/000.p/16", "checkpoint")
        },
        "empty checkpoint": empty.note.decode(),
        "checkpoint": at.note.decode(),
        "proofs": {
            "inclusion of 4 in 16": [step.hex() for step in log.inclusion_proof(4)],
            "consistency of 5 with 16": [step.hex() for step in log.consistency_proof(5)],
        },
        "roots": {
            "about": "Over the leaves 'leaf 0', 'leaf 1', … in ASCII.",
            **{str(size): Frontier().extend(numbered[:size]).root.hex() for size in SIZES},
        },
    }


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    return json.loads(FILE.read_text())


def test_lin_makes_the_vectors(tmp_path):
    """Every byte that lin writes today is the one that the specification's vectors show."""
    text = json.dumps(build(tmp_path), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("LIN_WRITE_VECTORS") == "1":
        FILE.write_text(text)
    assert FILE.read_text() == text


def test_every_kind_of_event_is_shown(vectors):
    """No kind of statement lacks a vector."""
    assert {json.loads(event["payload"])["kind"] for event in vectors["events"]} == STATEMENTS.keys()


def test_lin_reads_the_vectors(vectors):
    """Every event is parsed from its leaf, and verifies; every refused payload is refused."""
    for event in vectors["events"]:
        signed = parse(event["leaf"].encode())
        assert str(signed.id) == event["id"]
        seed = vectors["actor" if signed.event.actor == vectors["actor"]["id"] else "next actor"]["seed"]
        verify(signed, ActorKey.from_seed(bytes.fromhex(seed)).public)
    for why, payload in vectors["refused payloads"].items():
        with pytest.raises(InvalidInputError):
            pytest.fail(f"accepted: {why}: {Event.parse(payload.encode())}")


# ------------------------------------------------------- independent of lin from here on


def public_of(seed) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key().public_bytes_raw()


def root(digests) -> bytes:
    """Return MTH, from the recursive definition in RFC 6962."""

    @cache
    def over(start, stop):
        if stop - start == 1:
            return digests[start]
        split = 1
        while split * 2 < stop - start:
            split *= 2
        return sha256(b"\1" + over(start, start + split) + over(start + split, stop)).digest()

    return over(0, len(digests)) if digests else sha256(b"").digest()


def leaves(vectors) -> list[bytes]:
    return [sha256(b"\0" + event["leaf"].encode()).digest() for event in vectors["events"]]


def test_keys_by_independent_code(vectors):
    """Ids and verifier keys follow from the seeds as the specifications say."""
    actor, log = vectors["actor"], vectors["log"]
    assert actor["public"] == public_of(actor["seed"]).hex()
    assert actor["id"] == sha256(public_of(actor["seed"])).hexdigest()
    public = b"\x01" + public_of(log["seed"])
    key_id = sha256(log["origin"].encode() + b"\n" + public).hexdigest()[:8]
    assert log["verifier key"] == f"{log['origin']}+{key_id}+{b64(public)}"


def test_events_by_independent_code(vectors):
    """Securesystemslib verifies every envelope; ids and digests are plain SHA-256."""
    keys = {sha256(public_of(vectors[who]["seed"])).hexdigest(): who for who in ("actor", "next actor")}
    for event in vectors["events"]:
        envelope = Envelope.from_dict(json.loads(event["leaf"]))
        payload = event["payload"].encode()
        assert envelope.payload == payload
        assert rfc8785.dumps(json.loads(payload)) == payload
        kind = vectors["payload type"].encode()
        pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        assert envelope.pae() == pae
        assert event["id"] == sha256(pae).hexdigest()
        assert event["leaf digest"] == sha256(b"\0" + event["leaf"].encode()).hexdigest()
        actor = json.loads(payload)["actor"]
        public = public_of(vectors[keys[actor]]["seed"]).hex()
        envelope.verify([SSlibKey(actor, "ed25519", "ed25519", {"public": public})], 1)


def test_the_log_by_independent_code(vectors):
    """Bundle, tile, root and checkpoint follow from the leaves."""
    bundle = b"".join(len(event["leaf"]).to_bytes(2, "big") + event["leaf"].encode() for event in vectors["events"])
    assert base64.b64decode(vectors["files"]["tile/entries/000.p/16"]) == bundle
    assert base64.b64decode(vectors["files"]["tile/0/000.p/16"]) == b"".join(leaves(vectors))
    assert base64.b64decode(vectors["files"]["checkpoint"]).decode() == vectors["checkpoint"]
    log = vectors["log"]
    public = Ed25519PublicKey.from_public_bytes(public_of(log["seed"]))
    for note, digests in ((vectors["empty checkpoint"], []), (vectors["checkpoint"], leaves(vectors))):
        text = f"{log['origin']}\n{len(digests)}\n{b64(root(digests))}\n"
        signed, _, line = note.partition("\n\n")
        assert signed + "\n" == text
        raw = base64.b64decode(line.removeprefix(f"— {log['origin']} "))
        assert raw[:4].hex() == log["key id"]
        public.verify(raw[4:], text.encode())


def test_roots_by_independent_code(vectors):
    """The roots are those of the recursive definition."""
    digests = [sha256(b"\0leaf %d" % number).digest() for number in range(max(SIZES))]
    roots = {size: value for size, value in vectors["roots"].items() if size != "about"}
    assert roots == {str(size): root(digests[:size]).hex() for size in SIZES}


def test_proofs_are_accepted(vectors):
    """The proofs in the vectors prove what they say."""
    digests = leaves(vectors)
    proofs = {name: [bytes.fromhex(step) for step in proof] for name, proof in vectors["proofs"].items()}
    merkle.check_inclusion(digests[4], 4, 16, proofs["inclusion of 4 in 16"], root(digests))
    merkle.check_consistency(5, root(digests[:5]), 16, root(digests), proofs["consistency of 5 with 16"])
