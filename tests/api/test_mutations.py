"""Changes: put by digest, tag, untag; each may be sent twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

PUT = """mutation($digest: Digest!, $name: String!, $attributes: Facts) {
  putDigest(digest: $digest, name: $name, kind: MODEL, experiment: "delays", attributes: $attributes) {
    added artifact { id ref kind attributes experiment { name } } sameBytes { ref } } }"""


@pytest.fixture
def asker(own_world, make_asker):
    return make_asker(own_world.repository)


def test_put_by_digest(asker, own_world):
    """Content that is in the store becomes an artifact, once."""
    digest = str(own_world.datasets["train"].digest)
    first = asker(PUT, digest=digest, name="copy", attributes={"rows": 3, "clean": True})["putDigest"]
    assert first["added"]
    assert first["artifact"]["ref"] == "copy@v1"
    assert first["artifact"]["kind"] == "MODEL"
    assert first["artifact"]["attributes"] == {"rows": 3, "clean": True}
    assert first["artifact"]["experiment"] == {"name": "delays"}
    assert first["sameBytes"] == [{"ref": "train@v1"}]
    second = asker(PUT, digest=digest, name="copy", attributes={"rows": 3, "clean": True})["putDigest"]
    assert (second["added"], second["artifact"]["id"]) == (False, first["artifact"]["id"])


def test_bytes_must_be_there(asker):
    """A digest whose bytes are not in the store is refused, and nothing is recorded."""
    before = asker("{ repository { events } }")
    error = asker.error(PUT, digest="b3:" + "0" * 64, name="copy")
    assert error["extensions"]["code"] == "BLOB_NOT_FOUND"
    assert asker("{ repository { events } }") == before


@pytest.mark.parametrize("digest", ["", "b3:12", "B3:" + "0" * 64, "0" * 64, 7])
def test_digests_are_checked(ask, digest):
    """What is no digest is refused with its value."""
    error = ask.error(PUT, digest=digest, name="copy")
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert str(digest) in error["message"]


@pytest.mark.parametrize("attributes", [{"a": {"b": 1}}, {"a": [1]}, {"a": None}, [1], "text"])
def test_attributes_are_flat(ask, world, attributes):
    """Attributes that are not flat facts are refused."""
    digest = str(world.datasets["train"].digest)
    error = ask.error(PUT, digest=digest, name="copy", attributes=attributes)
    assert error["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("name", ["", "a@b", "x" * 201, "a\nb"])
def test_names_are_checked(ask, world, name):
    """Names that no ref could mean are refused."""
    error = ask.error(PUT, digest=str(world.datasets["train"].digest), name=name)
    assert error["extensions"]["code"] == "INVALID_INPUT"


def test_tag_and_untag(asker):
    """An alias is moved and taken away; repeating either move changes nothing."""
    tag = 'mutation { tag(ref: "delay-model@v2", alias: "prod") { ref artifact { ref } moves } }'
    first = asker(tag)["tag"]
    assert first["artifact"]["ref"] == "delay-model@v2"
    events = asker("{ repository { events } }")
    assert asker(tag)["tag"] == first
    assert asker("{ repository { events } }") == events
    assert asker('{ artifact(ref: "delay-model@prod") { version } }')["artifact"]["version"] == 2
    gone = asker('mutation { untag(name: "delay-model", alias: "prod") { artifact { ref } artifacts { ref } } }')
    assert gone["untag"] == {"artifact": None, "artifacts": []}
    assert asker.error('{ artifact(ref: "delay-model@prod") { version } }')["extensions"]["code"] == "NOT_FOUND"


def test_bad_aliases_are_refused(asker):
    """An alias that reads like a version, or that nothing carries, is refused."""
    error = asker.error('mutation { tag(ref: "delay-model", alias: "v3") { ref } }')
    assert error["extensions"]["code"] == "INVALID_INPUT"
    error = asker.error('mutation { untag(name: "delay-model", alias: "nothing") { ref } }')
    assert error["extensions"]["code"] == "NOT_FOUND"


def test_mutations_of_one_request_run_in_order(asker):
    """Two moves in one request leave the alias where the second put it."""
    asker("""mutation { a: tag(ref: "delay-model@v1", alias: "best") { ref }
                        b: tag(ref: "delay-model@v2", alias: "best") { ref } }""")
    assert asker('{ artifact(ref: "delay-model@best") { version } }')["artifact"]["version"] == 2


def test_concurrent_puts_make_one_artifact(asker, own_world):
    """The same put from several threads at once makes one artifact."""
    digest = str(own_world.datasets["test1"].digest)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: asker(PUT, digest=digest, name="same")["putDigest"], range(8)))
    assert [answer["added"] for answer in answers].count(True) == 1
    assert len({answer["artifact"]["id"] for answer in answers}) == 1
