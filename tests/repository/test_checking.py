"""Checking: whatever is damaged is found and named, whatever was erased is explained."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lin.errors import (
    BlobNotFoundError,
    CorruptContentError,
    CorruptLogError,
    PermissionDeniedError,
    UnsupportedFormatError,
)
from lin.lineage.events import ArtifactRecorded, RunStarted, Tombstone
from lin.lineage.words import ArtifactKind, Shape
from lin.records import Content, VerifyReport
from lin.repository import Repository
from lin.store.digest import Digest
from lin.store.local import LocalPlace

Write = Callable[..., Path]


@pytest.fixture
def filled(repository: Repository, write: Write, hand: Any) -> Repository:
    """A repository with files of every kind: blobs, trees, details, full and partial tiles of two levels."""
    write("tree/sub/a.csv", "a" * 100)
    write("tree/b.csv", "b")
    repository.put("tree")
    repository.put(write("empty", ""))
    detail = repository.put_detail({"user": "ada"})
    digest = repository.artifact("empty").digest
    hand.force(
        RunStarted("e", "x", "00", detail=detail),
        *(ArtifactRecorded(ArtifactKind.FILE, f"n{number}", 1, digest, Shape.BLOB, 0) for number in range(300)),
    )
    return repository


def report(repository: Repository) -> VerifyReport | None:
    """Verify as a fresh process would; None where it cannot even be opened."""
    try:
        with Repository.open(Path(repository.url)) as fresh:
            return fresh.verify()
    except (CorruptContentError, UnsupportedFormatError):
        return None


def implied(repository: Repository) -> Iterator[Path]:
    """Yield every file that matters: not those beside the repository, and no tile that a longer one replaced."""
    size = int(repository.checkpoint().splitlines()[1])
    for path in sorted(Path(repository.url).rglob("*")):
        name = path.relative_to(repository.url).as_posix()
        # Of the journal only what it holds matters, not the room that it has.
        if not path.is_file() or name in {".gitignore", "log/journal"} or name.startswith("tmp/"):
            continue
        if ".p/" in name:
            level = name.split("/")[2]
            leaves = size if level in {"0", "entries"} else size // 256
            index = int(name.split("/")[3].removesuffix(".p"))
            if int(path.name) != leaves % 256 or index != leaves // 256:
                continue
        yield path


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def remove(repository: Repository, digest: Digest) -> None:
    """Delete one blob's bytes, as if they had been lost."""
    store = repository.store
    for pack in {record.pack for record in store.catalogue.find(digest.value)}:
        store.rewrite([pack], lambda entry: entry.digest != digest.value)
        store.upkeep.delete(pack)
    store.packs.refresh()


def names(found: VerifyReport, path: Path, repository: Repository) -> bool:
    """Tell whether a finding names a file of the repository, or the digest it stands for."""
    name = path.relative_to(repository.url).as_posix()
    digest = name.removeprefix("objects/").replace("/", "")
    subjects = [f"{finding.subject} {finding.message}" for finding in found.findings]
    return any(name in text or name.removeprefix("log/") in text or digest in text for text in subjects)


# ---------------------------------------------------------------------------- damage


def test_a_sound_repository_has_no_findings(filled: Repository) -> None:
    """Every event and blob was looked at, each blob once."""
    found = report(filled)
    assert found is not None
    assert (found.ok, found.findings, found.erased) == (True, (), ())
    assert found.events == 304
    assert found.blobs == len({digest for digest, _ in filled.store.list()}) == 6
    assert found.bytes == sum(size for _, size in filled.store.list())


def test_a_flipped_bit_in_any_file_is_found_and_named(filled: Repository) -> None:
    """First byte, last byte, one in between: in blobs, trees, tiles, entries, checkpoint and description."""
    files = list(implied(filled))
    kinds = {path.relative_to(filled.url).parts[0] for path in files}
    assert kinds == {"objects", "log", "lin.json"}
    packs = list(Path(filled.url, "objects", "packs").iterdir())
    assert len(files) == len(packs) + 2 + 5  # packs, checkpoint and description, tiles and bundles
    for path in files:
        good = path.read_bytes()
        for position in {0, len(good) // 2, len(good) - 1} if good else ():
            flip(path, position)
            found = report(filled)
            assert found is None or not found.ok, (path, position)
            assert found is None or names(found, path, filled), (path, position, found.findings)
            path.write_bytes(good)
    found = report(filled)
    assert found is not None
    assert found.ok


def test_a_flipped_bit_in_the_journal_is_found(filled: Repository, write: Write) -> None:
    """What a power cut would be mended from is looked at as well."""
    path = Path(filled.url) / "log/journal"
    filled.put_detail({"user": "ada"})
    filled.put(write("again.csv", "again"))
    good = path.read_bytes()
    for position in range(0, len(good.rstrip(b"\0")), 97):
        flip(path, position)
        found = report(filled)
        assert found is not None
        assert [(finding.kind, finding.subject) for finding in found.findings] == [("damaged", "log/journal")], position
        path.write_bytes(good)


def test_any_flipped_bit_of_the_description_is_found(repository: Repository, folder: Path) -> None:
    """Also in what this lin does not read, and in white space."""
    path = folder / "lin.json"
    good = path.read_bytes()
    for position in range(0, len(good), 5):
        flip(path, position)
        found = report(repository)
        assert found is None or [finding.subject for finding in found.findings] == ["lin.json"], position
        path.write_bytes(good)


def test_a_description_that_went_bad_or_away_meanwhile_is_found(repository: Repository, folder: Path) -> None:
    """A repository that is open already looks again when it verifies."""
    (folder / "lin.json").write_text("{}")
    assert [(f.kind, f.subject) for f in repository.verify().findings] == [("damaged", "lin.json")]
    (folder / "lin.json").unlink()
    assert [(f.kind, f.subject) for f in repository.verify().findings] == [("damaged", "lin.json")]


def test_a_deleted_file_of_any_kind_is_found_and_named(filled: Repository) -> None:
    """Blobs are missing, tiles are missing; nothing is taken for granted because it is not there."""
    for path in implied(filled):
        if path.name == "lin.json":
            continue  # then there is no repository
        good = path.read_bytes()
        path.unlink()
        found = report(filled)
        assert found is not None
        pack = path.parent.name == "packs"  # what it held is missing, and who knows where it was
        assert pack or names(found, path, filled), (path, found.findings)
        assert {finding.kind for finding in found.findings} & {"missing_blob", "missing", "checkpoint"}, found.findings
        path.write_bytes(good)


def test_bytes_too_many_or_too_few_are_found(filled: Repository) -> None:
    """In a blob and in a tile."""
    for path in implied(filled):
        good = path.read_bytes()
        if path.name in {"lin.json", "checkpoint"}:
            continue
        for bad in (good + b"x", good[:-1]):
            path.chmod(0o600)
            path.write_bytes(bad)
            found = report(filled)
            assert found is not None
            assert bad == good or names(found, path, filled), path
        path.write_bytes(good)


def test_a_missing_part_of_a_folder_is_missing(filled: Repository, folder: Path) -> None:
    """Trees are followed down; other damage is still reported beside it."""
    digest = Digest.of(b"a" * 100)
    remove(filled, digest)
    (bad,) = filled.store.catalogue.find(Digest.of(b"b").value)
    flip(folder / "objects" / "packs" / bad.pack, bad.entry.offset)
    damaged = {("missing_blob", str(digest)), ("corrupt_blob", str(Digest.of(b"b")))}
    assert {(f.kind, f.subject) for f in filled.verify("tree").findings} == damaged
    everywhere = damaged | {("damaged", f"objects/packs/{bad.pack}")}
    assert {(f.kind, f.subject) for f in filled.verify().findings} == everywhere
    assert filled.verify("empty").ok


def test_progress_is_told_while_checking(filled: Repository) -> None:
    """Events, then blobs and bytes."""
    told: list[tuple[int, int | None, int, int | None]] = []
    filled.verify(progress=lambda *now: told.append(now))
    assert (0, None, 304, 304) in told
    assert told[-1][2] == 6


# ---------------------------------------------------------------------------- erased


def test_what_was_erased_on_purpose_is_no_loss(repository: Repository, write: Write, hand: Any, folder: Path) -> None:
    """A tombstone explains it, in the whole and for one artifact; lineage stays."""
    write("tree/gone.csv", "secret")
    write("tree/kept.csv", "kept")
    repository.put("tree")
    alone = repository.put("tree/gone.csv").artifact
    hand.record(Tombstone(alone.digest, "asked for"))
    for present in (True, False):
        if not present:
            remove(repository, alone.digest)
        for found in (repository.verify(), repository.verify("tree"), repository.verify("gone.csv")):
            assert found.ok
            assert found.erased == (() if present else (alone.digest,))
    content = repository.resolve(str(alone.digest))
    assert isinstance(content, Content)
    assert (content.erased, content.artifacts) == ("asked for", (alone,))
    assert repository.artifact("gone.csv") == alone
    with pytest.raises(BlobNotFoundError):
        repository.get("gone.csv", "copy")
    assert not Path("copy").exists()


# ---------------------------------------------------------------------------- the index


def index_files(home: Path) -> list[Path]:
    return sorted((home / "lin-cache").rglob("graph*"))


@pytest.mark.parametrize("damage", ["deleted", "garbage", "truncated", "empty"])
def test_an_index_can_be_lost(filled: Repository, home: Path, damage: str) -> None:
    """It is made again from the log by whoever asks first."""
    before = [item.label for item in filled.artifacts().items]
    filled.close()
    for path in index_files(home):
        data = path.read_bytes()
        path.unlink()
        if damage != "deleted" and path.suffix == ".sqlite3":
            path.write_bytes(
                {"garbage": os.urandom(len(data)), "truncated": data[: len(data) // 2], "empty": b""}[damage]
            )
    with Repository.open(Path(filled.url)) as fresh:
        assert fresh.verify().ok
        assert [item.label for item in fresh.artifacts().items] == before


def test_an_index_says_how_far_it_is(filled: Repository) -> None:
    """Without catching up; then it does, or is made anew."""
    filled.artifacts()
    (status,) = filled.index_status()
    assert (status.events, status.behind) == (304, 0)
    told: list[tuple[int, int | None]] = []
    rebuilt = filled.rebuild_index(progress=lambda _, __, done, total: told.append((done, total)))
    assert (rebuilt.events, rebuilt.behind, told[-1]) == (304, 0, (304, 304))


def test_an_index_that_is_behind_catches_up(repository: Repository, write: Write, hand: Any) -> None:
    """Another process wrote; the next question sees it."""
    repository.put(write("data.csv"))
    hand.force(RunStarted("e", "x", "00"), RunStarted("e", "y", "00"))
    (status,) = repository.index_status()
    assert (status.events, status.behind) == (2, 2)
    assert len(repository.runs().items) == 2
    assert repository.index_status()[0].behind == 0


def test_a_log_that_was_rolled_back_is_noticed(repository: Repository, write: Write, folder: Path) -> None:
    """By questions, `verify` and `doctor`, until the index is made anew on purpose."""
    repository.put(write("data.csv", "1"))
    shutil.copytree(folder / "log", folder / "old-log")
    repository.put(write("data.csv", "2"))
    shutil.rmtree(folder / "log")
    (folder / "old-log").rename(folder / "log")
    with Repository.open(folder) as fresh:
        with pytest.raises(CorruptLogError) as caught:
            fresh.artifact("data.csv")
        assert "lin index rebuild" in caught.value.hint
        with pytest.raises(CorruptLogError):
            fresh.put("data.csv")
        found = fresh.verify()
        assert [finding.kind for finding in found.findings] == ["history"]
        assert [advice.subject for advice in fresh.doctor() if advice.level == "error"] == ["log"]
        fresh.rebuild_index()
        assert fresh.artifact("data.csv").version == 1
        assert fresh.verify().ok


def test_a_log_that_was_rewritten_is_noticed(
    repository: Repository, write: Write, folder: Path, home: Path, hand: Any
) -> None:
    """Somebody who holds its key and makes another history of the same length is found out."""
    shutil.copytree(folder / "log", folder / "old-log")
    repository.put(write("data.csv", "1"))
    leaves = hand.leaves()
    shutil.rmtree(folder / "log")
    (folder / "old-log").rename(folder / "log")
    hand.append(leaves[:1])
    hand.force(ArtifactRecorded(ArtifactKind.DATASET, "other", 1, repository.store.put_bytes(b"2"), Shape.BLOB, 1))
    with pytest.raises(CorruptLogError):
        repository.artifact("data.csv")
    assert "history" in {finding.kind for finding in repository.verify().findings}


# ---------------------------------------------------------------------------- doctor


def advice(repository: Repository) -> dict[str, tuple[str, str]]:
    return {line.subject: (line.level, f"{line.message} {line.hint}") for line in repository.doctor()}


def test_a_healthy_repository_needs_no_doctor(filled: Repository) -> None:
    """Every line is fine, also before the first write."""
    assert {level for level, _ in advice(filled).values()} == {"ok"}
    assert set(advice(filled)) == {"repository", "log key", "actor key", "log", "index", "space"}
    with Repository.init("fresh") as fresh:
        assert {level for level, _ in advice(fresh).values()} == {"ok"}


def test_the_doctor_looks_at_keys(filled: Repository, home: Path) -> None:
    """Missing ones, and those that others can read, with the way out."""
    actor = home / "lin-config/actor.key"
    actor.chmod(0o644)
    level, text = advice(filled)["actor key"]
    assert (level, f"chmod 600 {actor}" in text) == ("error", True)
    actor.unlink()
    assert advice(filled)["actor key"][0] == "ok"
    actor.symlink_to(actor)
    assert advice(filled)["actor key"][0] == "error"
    shutil.rmtree(home / "lin-config/logs")
    level, text = advice(filled)["log key"]
    assert (level, "lin serve" in text) == ("warning", True)


def test_the_doctor_looks_at_the_log(filled: Repository, folder: Path) -> None:
    """A damaged one is an error that says how to see more."""
    flip(folder / "log/checkpoint", -10)
    level, text = advice(filled)["log"]
    assert level == "error"
    assert "index" not in advice(filled)
    assert text


def refuse(*_: object) -> None:
    raise PermissionDeniedError("cannot delete it", hint="Ask the owner.")


def test_the_doctor_clears_away_what_crashes_left(
    filled: Repository, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporary files older than a day, and says how many; younger ones may have a living writer."""
    for name, age in (("part-1-old", 3 * 86_400), ("part-2-old", 2 * 86_400), ("part-3-young", 60)):
        path = folder / "tmp" / name
        path.write_bytes(b"x" * 100)
        moment = path.stat().st_mtime - age
        os.utime(path, (moment, moment))
    level, text = advice(filled)["temporary files"]
    assert level == "ok"
    assert "removed 2 " in text
    assert "200 bytes" in text
    assert (folder / "tmp/part-3-young").exists()
    os.utime(folder / "tmp/part-3-young", (1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "sweep", refuse)
        assert advice(filled)["temporary files"] == ("warning", "cannot delete it Ask the owner.")
    filled.doctor()
    assert "temporary files" not in advice(filled)


def test_the_doctor_warns_of_little_space(filled: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below one GiB."""
    real = os.statvfs

    def small(path: Path) -> Any:
        values = list(real(path))
        values[4] = 1000
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "statvfs", small)
    level, text = advice(filled)["space"]
    assert level == "warning"
    assert "--repo" in text
