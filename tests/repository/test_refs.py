"""Refs: everything that people type to name a thing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lin import refs
from lin.errors import AmbiguousRefError, InvalidInputError, NotFoundError
from lin.lineage.events import ArtifactRecorded, EventId, Tombstone
from lin.lineage.words import ArtifactKind, Shape
from lin.recording import Recording
from lin.records import Artifact, Content, Evaluation, Experiment, Run
from lin.repository import Repository
from lin.store.digest import Digest

Write = Callable[..., Path]


def recorded(name: str, version: int, content: bytes = b"x", **more: Any) -> ArtifactRecorded:
    return ArtifactRecorded(ArtifactKind.DATASET, name, version, Digest.of(content), Shape.BLOB, len(content), **more)


# ---------------------------------------------------------------------------- names, versions, dates


def test_a_name_means_its_newest_version(repository: Repository, write: Write) -> None:
    """And `@v2` that very version; a version that never was is told with those that are."""
    made = [repository.put(write("data.csv", str(number))).artifact for number in range(3)]
    assert repository.artifact("data.csv") == made[2]
    assert [repository.artifact(f"data.csv@v{n}") for n in (1, 2, 3)] == made
    assert repository.resolve("data.csv@v2") == made[1]
    with pytest.raises(NotFoundError) as caught:
        repository.artifact("data.csv@v4")
    assert "v1 to v3" in caught.value.hint
    for suffix in ("v0", "v01", "3", "", "{", "}"):
        with pytest.raises(InvalidInputError):
            repository.artifact(f"data.csv@{suffix}")


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def test_a_date_means_what_was_the_newest_then(hand: Any, far_from_greenwich: None) -> None:
    """A day counts to its end, in UTC wherever one is; a moment may name its zone."""
    times = ("2026-03-01T12:00:00", "2026-03-02T08:00:00", "2026-03-02T23:59:59.999999", "2026-03-03T00:00:00")
    hand.record(recorded("other", 1))
    for number, at in enumerate(times, 1):
        hand.force(recorded("data", number), at=f"{at}{'' if '.' in at else '.000000'}Z")
    for moment, version in {
        "2026-03-01": 1,
        "2026-03-02": 3,
        "20260302": 3,
        "2026-W10-1": 3,
        "2026-03-02T08:00": 2,
        "2026-03-02T07:59:59.999999": 1,
        "2026-03-02T08:00:00Z": 2,
        "2026-03-02T09:00:00+01:00": 2,
        "2026-03-02T09:00:00+01:30": 1,
        "2026-03-02 23:59:59.999999": 3,
        "9999-12-31": 4,
    }.items():
        assert hand.repository.artifact(f"data@{{{moment}}}").version == version, moment


def test_a_date_before_the_first_version_finds_nothing(repository: Repository, write: Write) -> None:
    """The error tells when the first one was."""
    created = repository.put(write("data.csv")).artifact.created
    with pytest.raises(NotFoundError) as caught:
        repository.artifact("data.csv@{2001-01-01}")
    assert created in caught.value.hint


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-3-1", "2026", "0001-01-01T00:00:00+05:00"])
def test_what_is_no_date_is_refused_with_an_example(repository: Repository, write: Write, text: str) -> None:
    """Also a moment before the first of all years."""
    repository.put(write("data.csv"))
    with pytest.raises(InvalidInputError, match="not a date") as caught:
        repository.artifact(f"data.csv@{{{text}}}")
    assert "2026-03-01" in caught.value.hint


def test_two_versions_of_one_number_are_ambiguous(hand: Any) -> None:
    """As after repositories that grew apart have met; either is named by its id."""
    hand.record(recorded("data", 1))
    hand.force(recorded("data", 2, b"mine"), recorded("data", 2, b"theirs"))
    for ref in ("data", "data@v2", "data@{9999-12-31}"):
        with pytest.raises(AmbiguousRefError) as caught:
            hand.repository.artifact(ref)
        found = {hand.repository.artifact(candidate).digest for candidate in caught.value.candidates}
        assert found == {Digest.of(b"mine"), Digest.of(b"theirs")}
    assert hand.repository.put_stored(
        _stored(hand.repository, b"next"), name="data", kind=ArtifactKind.DATASET
    ).artifact.version == 3  # fmt: skip


def _stored(repository: Repository, content: bytes) -> Any:
    Path("stored").write_bytes(content)
    return repository.store_path("stored")


# ---------------------------------------------------------------------------- ids, digests, experiments


@pytest.fixture
def run(repository: Repository) -> Recording:
    return Recording.start(repository, name="fit.py", experiment="tuning")


def test_ids_are_found_by_any_prefix(repository: Repository, write: Write, run: Recording) -> None:
    """Of artifacts, runs and evaluations, from four digits up."""
    model = run.save(write("model.bin", "m"), kind="model")
    data = repository.put(write("data.csv")).artifact
    evaluation = run.evaluated(model, data, {"auc": 0.5})
    for identity, kind in ((model.id, Artifact), (run.id, Run), (evaluation, Evaluation)):
        for digits in (12, 20, 64):
            found = repository.resolve(str(identity)[:digits])
            assert isinstance(found, kind)
            assert found.id == identity
    assert repository.run(run.id.short).name == "fit.py"
    with pytest.raises(InvalidInputError, match="not a run"):
        repository.run("model.bin")
    with pytest.raises(InvalidInputError, match="is a run, not an artifact"):
        repository.artifact(str(run.id))
    with pytest.raises(InvalidInputError, match="is an evaluation, not an artifact"):
        repository.artifact(str(evaluation))
    with pytest.raises(NotFoundError):
        repository.resolve(str(run.id) + "0")


def test_an_ambiguous_prefix_lists_what_can_be_typed_instead(hand: Any) -> None:
    """Each candidate is itself a ref, of which there is one thing."""
    hand.record(recorded("first", 1))
    # Of 1,500 ids two begin with the same 16 bits, but once in ten million times.
    ids = sorted(hand.force(*(recorded(f"n{number}", 1) for number in range(1500))))
    twins = [one for one, two in pairwise(ids) if one[:4] == two[:4]]
    prefix = twins[0][:4]
    with pytest.raises(AmbiguousRefError, match=prefix) as caught:
        hand.repository.resolve(prefix)
    found = [hand.repository.resolve(candidate) for candidate in caught.value.candidates]
    assert len({item.id for item in found}) == len(found) >= 2
    assert all(str(item.id).startswith(prefix) for item in found)


def test_bytes_are_named_by_digest(repository: Repository, write: Write) -> None:
    """`b3:` and at least four digits; one artifact stands for its bytes, several are ambiguous."""
    one = repository.put(write("one.csv", "same")).artifact
    digits = one.digest.hex
    for ref in (f"b3:{digits[:4]}", f"b3:{digits}", str(one.digest)):
        found = repository.resolve(ref)
        assert isinstance(found, Content)
        assert found.artifacts == (one,)
        assert repository.artifact(ref) == one
    repository.put(write("two.csv", "same"))
    with pytest.raises(AmbiguousRefError) as caught:
        repository.artifact(f"b3:{digits[:6]}")
    assert caught.value.candidates == ("one.csv@v1", "two.csv@v1")
    for ref in ("b3:", "b3:abc", "b3:xyzw", f"b3:{digits}0", f"b3:{digits[:6].upper()}g", "b3:{digits}"):
        with pytest.raises(InvalidInputError):
            repository.resolve(ref)
    with pytest.raises(NotFoundError):
        repository.resolve(f"b3:{Digest.of(b'unknown').hex}")


def test_bytes_without_an_artifact_are_no_artifact(hand: Any) -> None:
    """Such as a part of a folder that was erased by itself."""
    digest = Digest.of(b"part")
    hand.record(Tombstone(digest, "asked for"))
    content = hand.repository.resolve(str(digest))
    assert (content.artifacts, content.erased) == ((), "asked for")
    with pytest.raises(NotFoundError, match="no artifact has the content"):
        hand.repository.artifact(str(digest))


def test_an_experiment_is_found_by_name(repository: Repository, write: Write, run: Recording) -> None:
    """Where no artifact has that name."""
    found = repository.resolve("tuning")
    assert isinstance(found, Experiment)
    assert repository.experiment("tuning") == found
    repository.put(write("data.csv"), name="tuning")
    assert isinstance(repository.resolve("tuning"), Artifact)
    with pytest.raises(NotFoundError, match="'tunnig'") as caught:
        repository.experiment("tunnig")
    assert "tuning" in caught.value.hint


def test_a_chosen_name_wins_over_a_prefix_that_reads_the_same(
    repository: Repository, write: Write, run: Recording
) -> None:
    """Of an artifact and of an experiment; names are chosen, prefixes are accidents."""
    prefix = str(run.id)[:8]
    assert isinstance(repository.resolve(prefix), Run)
    Recording.start(repository, name="x", experiment=prefix)
    assert isinstance(repository.resolve(prefix), Experiment)
    repository.put(write("data.csv"), name=prefix)
    assert isinstance(repository.resolve(prefix), Artifact)
    assert isinstance(repository.resolve(str(run.id)), Run)


def test_what_only_edges_name_is_not_found(hand: Any) -> None:
    """An id whose own event never came is unknown, though others name it."""
    hand.record(recorded("other", 1))
    ghost = EventId(bytes(range(32)))
    hand.force(recorded("data", 1, run=ghost))
    with pytest.raises(NotFoundError):
        hand.repository.resolve(str(ghost))
    assert hand.repository.trace("data").unseen == (ghost,)


# ---------------------------------------------------------------------------- what is not known


@pytest.mark.parametrize(
    ("ref", "meant"), [("train", "train-2024.csv"), ("trian-2024.csv", "train-2024.csv"), ("VALID", "valid.csv")]
)
def test_an_unknown_name_suggests_what_was_meant(repository: Repository, write: Write, ref: str, meant: str) -> None:
    """Names that hold what was typed, else names that are much like it."""
    for name in ("train-2024.csv", "valid.csv"):
        repository.put(write(name))
    for form in (ref, f"{ref}@v1"):
        with pytest.raises(NotFoundError, match=ref) as caught:
            repository.resolve(form)
        assert f"Did you mean: {meant}?" in caught.value.hint


@pytest.mark.parametrize("ref", ["", "x", "zzzz", "@v1", "@", "a@@b", "0" * 70, "…"])
def test_nonsense_finds_nothing_and_says_how_to_look(repository: Repository, write: Write, ref: str) -> None:
    """Whatever is typed, the answer is an error for a person."""
    repository.put(write("data.csv"))
    with pytest.raises((NotFoundError, InvalidInputError)) as caught:
        repository.resolve(ref)
    assert caught.value.hint
    assert "Did you mean: ?" not in caught.value.hint


@pytest.mark.parametrize("ref", ["caf\udce9.csv", "caf\udce9.csv@v1", "a\0b"])
def test_what_is_no_text_is_no_ref(repository: Repository, ref: str) -> None:
    """Bytes of a command line that are not UTF-8 are refused, not looked up."""
    with pytest.raises(InvalidInputError, match="not a ref"):
        repository.resolve(ref)


# ---------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name", ["a", "data.csv", "deep/er", "with space", "ünïcödé", "v3", "b3", "x" * 200, "-", "..."]
)
def test_usable_names_stay_as_they_are(name: str) -> None:
    """Most names are fine."""
    assert refs.check_name(name) == name


@pytest.mark.parametrize("alias", ["", "v3", "3", "pro d", "a@b", "{x}", "prod\n", "é", "a/b", "_x"])
def test_unusable_aliases_are_refused(repository: Repository, write: Write, alias: str) -> None:
    """What would read like a version or could not be typed after an `@`."""
    repository.put(write("data.csv"))
    with pytest.raises(InvalidInputError, match="not a usable alias"):
        repository.tag("data.csv", alias)
    assert repository.aliases() == []
