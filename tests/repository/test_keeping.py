"""What is kept and what goes: nothing that is needed is ever lost, and what was erased is gone."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from lin.collecting import collect
from lin.errors import BlobNotFoundError, ConflictError, CorruptBlobError, InvalidInputError, NotFoundError
from lin.lineage.events import ArtifactRecorded, KeepingChanged
from lin.lineage.keeping import decisions
from lin.lineage.words import ArtifactKind, Keeping, Role, Shape
from lin.recording import Recording
from lin.repository import Repository
from lin.store.digest import Digest
from lin.store.pack import pack_file

DAY = 86_400
ROUNDS = int(os.environ.get("LIN_ROUNDS", "50"))  # here: a test's own user has no such settings


def noise(seed, size=1000):
    return random.Random(seed).randbytes(size)


def later(repository, days=2, *, trash=0, dry=False):
    """Collect as if so many days had passed since everything was written."""
    return collect(repository, dry=dry, now=time.time() + days * DAY, trash=trash)


def collected(repository):
    """Collect twice, as if days lay between."""
    later(repository, 2)
    return later(repository, 5)


def files_of(repository):
    """Return all bytes in the files of a repository."""
    return b"".join(p.read_bytes() for p in Path(repository.url).rglob("*") if p.is_file())


def test_the_trash_gives_back_and_lets_go(repository, write):
    """What was thrown away is restored with its bytes; what is not is collected, and its lineage stays."""
    kept, gone = (repository.put(write(f"{name}.bin", noise(name))).artifact for name in "ab")
    repository.remove(kept.label)
    repository.remove(gone.label, reason="wrong export")
    assert {each.label for each in repository.trash()} == {kept.label, gone.label}
    repository.restore(kept.label)
    assert repository.trash() == [gone]
    freed = collected(repository)
    assert freed.freed > 1000
    assert repository.get(kept.label, "kept").read_bytes() == noise("a")
    with pytest.raises(BlobNotFoundError):
        repository.get(gone.label, "gone")
    assert noise("b") not in files_of(repository)
    assert repository.artifact(gone.label) == gone
    report = repository.verify()
    assert (report.ok, report.removed) == (True, (gone.digest,))


def test_nothing_goes_that_something_needs(repository, write):
    """Live artifacts with the same bytes, holds, aliases, open runs and what was just thrown away all keep content."""
    same, held, aliased, used, late = (
        repository.put(write(f"{n}.bin", noise(n))).artifact for n in ("same", "held", "aliased", "used", "late")
    )
    repository.put("same.bin", name="other")
    repository.hold(held.label)
    with Recording.start(repository, name="r", experiment="e") as run:
        run.use(used.label, role=Role.INPUT)
        repository.record(lambda draft, _: [draft.add(KeepingChanged(a.id, Keeping.TRASH)) for a in (held, aliased)])
        repository.tag(aliased.label, "prod")
        repository.remove(used.label)
        repository.remove(same.label)
        later(repository, 2)
        found = later(repository, 5)
        assert dict(found.kept) == {"an alias stands on it": 1, "held": 1, "a run uses it": 1}
    repository.remove(late.label)
    later(repository, 2, trash=30 * DAY)
    assert later(repository, 5, trash=30 * DAY).kept["thrown away lately"] >= 1
    for each in (same, held, aliased, used, late):
        assert repository.store.read(each.digest) == noise(each.name.removesuffix(".bin"))
    assert repository.verify().ok


def test_what_stands_cannot_be_thrown_away(repository, write):
    """An alias or a hold refuses, and says what to do first."""
    artifact = repository.put(write("a.csv")).artifact
    repository.tag("a.csv", "prod")
    with pytest.raises(ConflictError, match=r"a\.csv@prod"):
        repository.remove("a.csv")
    repository.untag("a.csv", "prod")
    repository.hold("a.csv", reason="audit")
    assert repository.held() == [artifact]
    for refused in (lambda: repository.remove("a.csv"), lambda: repository.erase("a.csv", reason="asked to")):
        with pytest.raises(ConflictError, match="held"):
            refused()
    repository.release("a.csv")
    assert repository.held() == []
    repository.remove("a.csv")
    repository.remove("a.csv")  # once is enough
    assert len(decisions(repository.graph)[artifact.id.value]) == 1
    for nothing in (lambda: repository.release("a.csv"), lambda: Repository.restore(repository, "b.csv")):
        with pytest.raises(NotFoundError):
            nothing()


def test_a_dry_run_changes_nothing(repository, write):
    """It says what the real one frees, and every file stays as it is."""
    artifact = repository.put(write("a.bin", noise(1, 5000))).artifact
    repository.remove(artifact.label)
    before = files_of(repository)
    assert later(repository, 2, dry=True).doomed >= 5000
    assert files_of(repository) == before
    assert repository.collect().doomed == 0  # by default the trash keeps content, and nothing is changed
    assert later(repository, 2).doomed >= 5000
    dry = later(repository, 5, dry=True)
    assert repository.store.upkeep.doomed()
    assert later(repository, 5).freed == dry.freed > 0


def test_packs_that_are_partly_needed_are_written_anew(repository, write):
    """What stays moves to another pack; the space of the rest is freed."""
    folder = Path("many")
    for number in range(40):
        write(folder / f"{number}.bin", noise(number, 20_000))
    repository.put(folder)
    for number in range(20):
        (folder / f"{number}.bin").unlink()
    repository.put(folder)
    repository.remove("many@v1")
    before = len(files_of(repository))
    collected(repository)
    assert len(files_of(repository)) < before - 300_000
    assert repository.verify().ok
    got = repository.get("many@v2", "got")
    assert {p.name: p.read_bytes() for p in got.iterdir()} == {f"{n}.bin": noise(n, 20_000) for n in range(20, 40)}


def test_content_put_again_while_it_goes_stays(repository, write):
    """Content nobody needs is doomed while it is put again, `LIN_ROUNDS` times, and is there afterwards."""
    failures = []
    with Repository.open(repository.url) as other:
        for number in range(ROUNDS):
            data = noise(number % 7, 300)
            artifact = repository.put(write("a.bin", data), name=f"x{number}").artifact
            repository.record(lambda draft, _, a=artifact: draft.add(KeepingChanged(a.id, Keeping.TRASH)))
            starts = threading.Barrier(2)

            def put_again(number=number, starts=starts):
                starts.wait()
                other.put("a.bin", name=f"y{number}")

            def free(starts=starts):
                starts.wait()
                try:
                    collect(repository, dry=False, now=time.time() + 2 * DAY, trash=0)
                except Exception as error:  # noqa: BLE001 - shown by the assertion
                    failures.append(error)

            threads = [threading.Thread(target=put_again), threading.Thread(target=free)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if number % 10 == 9:
                collect(repository, dry=False, now=time.time() + 5 * DAY, trash=0)
                assert repository.store.read(repository.artifact(f"y{number}").digest) == data
    assert failures == []
    assert repository.verify().ok


def test_a_doomed_pack_that_is_needed_after_all_is_spared(repository, write):
    """Restored between the two steps, its bytes stay."""
    artifact = repository.put(write("a.bin", noise(1))).artifact
    repository.remove(artifact.label)
    later(repository, 2)
    assert repository.store.upkeep.doomed()
    repository.restore(artifact.label)
    assert later(repository, 5).spared == 1
    assert repository.store.read(artifact.digest) == noise(1)


def test_a_damaged_tree_stops_the_collection(repository, write):
    """Where it cannot be told what is needed, nothing is freed."""
    for number in range(3):
        write(f"folder/{number}.bin", noise(number))
    tree = repository.put("folder").artifact
    gone = repository.put(write("gone.bin", noise("gone"))).artifact
    repository.remove(gone.label)
    record = repository.store.record(tree.digest)
    path = Path(repository.url) / pack_file(record.pack)
    data = bytearray(path.read_bytes())
    data[record.entry.offset + 3] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(Exception, match="damaged"), Repository.open(repository.url) as again:
        later(again, 2)
    assert noise("gone") in files_of(repository)


# ------------------------------------------------------------------------ retention


def test_retention_by_number_and_age(repository, write):
    """Old versions go by the rule; the newest, the held and the aliased ones stay."""
    for number in range(6):
        repository.put(write("model.bin", noise(number)), kind=ArtifactKind.MODEL)
    repository.put(write("other.bin", noise("other")))
    repository.tag("model.bin@v1", "first")
    repository.hold("model.bin@v2")
    would = repository.retain("model*", last=2, dry=True)
    assert repository.trash() == []
    assert [each.version for each in would] == [3, 4]
    assert repository.retain("model*", last=2, age=DAY) == []
    assert repository.retain("model*", last=2) == would
    assert [each.version for each in repository.trash()] == [3, 4]
    assert repository.retain("model*", last=2) == []
    with pytest.raises(InvalidInputError, match="rule"):
        repository.retain("*")
    with pytest.raises(InvalidInputError):
        repository.retain("*", last=0)


# ------------------------------------------------------------------------ erasure


def test_erased_bytes_are_gone(repository, write):
    """Small and large content leave no byte in any file, and verify says that it was on purpose."""
    for size in (1000, 900_000):
        artifact = repository.put(write("secret.bin", noise(size, size))).artifact
        stays = repository.put(write("stays.bin", noise(size + 1, size))).artifact
        found = repository.erase(artifact.label, reason="asked to")
        assert (found.blobs, found.shared) == (1, 0)
        assert found.bytes > 0
        held = files_of(repository)
        assert noise(size, size)[300:400] not in held
        assert repository.store.read(stays.digest) == noise(size + 1, size)
        report = repository.verify()
        assert report.ok
        assert artifact.digest in report.erased
        with pytest.raises(BlobNotFoundError):
            repository.get(artifact.label, "nothing")


def test_what_others_share_with_it_stays(repository, write):
    """A folder is erased; a file of it that another folder has stays, and so does a version stored as a difference."""
    write("one/shared.bin", noise("shared", 3000))
    write("one/own.bin", noise("own", 3000))
    repository.put("one")
    write("two/shared.bin", noise("shared", 3000))
    two = repository.put("two").artifact
    rows = b"".join(b"%d,%d\n" % (n, n * 7919 % 99991) for n in range(60_000))
    repository.put(write("a.csv", rows))
    changed = rows.replace(b"\n500,", b"\nfivehundred,")
    second = repository.put(write("a.csv", changed)).artifact
    found = repository.erase("one", reason="asked to")
    assert found.shared == 1
    repository.erase("a.csv@v1", reason="asked to")
    assert noise("own", 3000) not in files_of(repository)
    assert (repository.get(two.label, "got") / "shared.bin").read_bytes() == noise("shared", 3000)
    assert repository.get(second.label, "second.csv").read_bytes() == changed
    assert repository.verify().ok


def test_an_erasure_has_a_reason_and_a_dry_run(repository, write):
    """Without a reason nothing happens; a dry run only counts."""
    repository.put(write("a.bin", noise(1)))
    with pytest.raises(InvalidInputError, match="reason"):
        repository.erase("a.bin", reason=" ")
    before = files_of(repository)
    assert repository.erase("a.bin", reason="asked to", dry=True).blobs == 1
    assert files_of(repository) == before
    repository.erase("a.bin", reason="asked to")
    assert repository.erase("a.bin", reason="again").bytes == 0


# ------------------------------------------------------------------------ measuring and mending


def test_what_content_takes(repository, write):
    """Sizes by name: as outside, as stored, and what goes with it; in all, what sharing saves."""
    repository.put(write("a.bin", noise("a", 10_000)))
    repository.put(write("b.bin", noise("a", 10_000)))
    repository.put(write("c.bin", noise("c", 20_000)))
    c, *rest = repository.usage()
    assert (c.name, c.size, c.alone) == ("c.bin", 20_000, c.stored)
    assert {(each.size, each.stored, each.alone) for each in rest} == {(10_000, 10_000, 0)}
    found = repository.stats()
    assert (found.artifacts, found.logical, found.distinct, found.unique) == (3, 40_000, 30_000, 30_000)
    assert found.stored <= 30_000 < found.files


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "tail"])
def test_a_repository_is_mended_from_a_mirror(repository, write, tmp_path, damage):
    """Whatever befell its packs, everything is whole again and verifies."""
    artifacts = [repository.put(write(f"{n}.bin", noise(n, 200_000))).artifact for n in range(3)]
    repository.mirror(tmp_path / "mirror")
    pack = Path(repository.url) / pack_file(repository.store.record(artifacts[1].digest).pack)
    pack.chmod(0o644)
    data = pack.read_bytes()
    changed = {"flip": data[:99] + bytes([data[99] ^ 1]) + data[100:], "cut": data[: len(data) // 2]}
    changed["tail"] = data[:-50] + bytes([data[-50] ^ 1]) + data[-49:]
    pack.unlink()
    if damage in changed:
        pack.write_bytes(changed[damage])
    with Repository.open(repository.url) as again:
        assert not again.verify().ok
        done = again.repair(tmp_path / "mirror")
        assert done.mended
        assert done.findings == ()
        assert again.verify().ok
        for number, artifact in enumerate(artifacts):
            assert again.store.read(artifact.digest) == noise(number, 200_000)


def test_another_repository_gives_what_it_has(repository, write, tmp_path):
    """What it has is mended, the rest is still told."""
    one, two = (repository.put(write(f"{n}.bin", noise(n))).artifact for n in range(2))
    with Repository.init(tmp_path / "other") as other:
        other.put("0.bin")
    for artifact in (one, two):
        (Path(repository.url) / pack_file(repository.store.record(artifact.digest).pack)).unlink()
    with Repository.open(repository.url) as again:
        done = again.repair(tmp_path / "other")
        assert done.mended == (str(one.digest),)
        assert [finding.subject for finding in done.findings] == [str(two.digest)]


def test_a_list_that_names_other_chunks_is_found_by_a_deep_look(repository, write):
    """Every record is right and all are there, and yet the blob is another: only putting it together tells."""
    data = noise("a", 300_000)
    artifact = repository.put(write("a.bin", data)).artifact
    store = repository.store
    parts = store.fetch.parts(artifact.digest, store.record(artifact.digest))
    with store.writer() as writer:
        writer.packer.add_list(bytes(32), len(data), list(reversed(parts)))
    lying = Digest(bytes(32))
    repository.record(
        lambda draft, _: draft.add(ArtifactRecorded(ArtifactKind.DATASET, "lying", 1, lying, Shape.BLOB, len(data)))
    )
    assert repository.verify().ok
    assert [finding.subject for finding in repository.verify(deep=True).findings] == [str(lying)]
    with pytest.raises(CorruptBlobError):
        repository.store.read(lying)
