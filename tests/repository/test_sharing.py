"""Repositories give one another what they lack, and nothing that was recorded is lost or made up on the way."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from lin.errors import (
    BlobNotFoundError,
    ConflictError,
    CorruptLogError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    ReadOnlyError,
    RepositoryNotFoundError,
)
from lin.exchanging import Taking
from lin.lineage.checkpoint import Checkpoint
from lin.lineage.envelope import sign
from lin.lineage.events import ArtifactRecorded, Event, Imported, KeyChanged, Statement, Tombstone, now
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.log import Log
from lin.lineage.note import VerifierKey
from lin.lineage.words import ArtifactKind, Role, Shape
from lin.recording import Recording
from lin.remotes import Remotes
from lin.repository import Repository
from lin.store.digest import Digest
from lin.store.local import LocalPlace
from lin.store.pack import pack_file


@pytest.fixture
def other(tmp_path):
    with Repository.init(tmp_path / "other") as made:
        yield made


def train(repository, write, name="model.bin", data="train.csv", version=b"weights"):
    """Record a run that makes a model of a dataset."""
    put = repository.put(write(data, f"a,b\n{version!r}\n"))
    with Recording.start(repository, name="train", experiment="churn") as run:
        run.use(f"{data}@v{put.artifact.version}", role=Role.TRAIN)
        run.log_metrics(accuracy=0.9)
        run.save(write(name, version), kind=ArtifactKind.MODEL)
    return repository.artifact(name)


def said(repository):
    """Return the ids of all events but those that speak of the log they are in."""
    return {entry.id for entry in repository.log() if entry.kind != "import"}


def pack_of(repository, digest):
    """Return the file that holds a small blob."""
    return Path(repository.url) / pack_file(repository.store.record(digest).pack)


def graph_of(repository):
    return {(artifact.id, artifact.label, artifact.digest) for artifact in repository.artifacts().items}, {
        (run.id, run.status, tuple(run.metrics.items())) for run in repository.runs().items
    }


def test_pull_brings_everything(repository, other, write):
    """Artifacts, runs, evaluations, aliases and bytes are the same on both sides, and both verify."""
    model = train(repository, write)
    repository.tag(model.label, "prod")
    done = other.pull(repository)
    assert (done.missing, done.conflicts, done.ambiguous) == ((), (), ())
    assert done.events == len(said(repository))
    assert said(other) == said(repository)
    assert graph_of(other) == graph_of(repository)
    assert other.artifact("model.bin@prod") == model
    assert other.get(model.label, "got").read_bytes() == b"weights"
    assert other.verify().ok


def test_only_what_is_missing(repository, other, write):
    """A second pull takes nothing; after one put, the events and bytes of that."""
    repository.put(write("a.csv", "1\n"))
    other.pull(repository)
    again = other.pull(repository)
    assert (again.events, again.blobs, again.bytes) == (0, 0, 0)
    size = other.checkpoint()
    repository.put(write("b.csv", "22\n"))
    more = other.pull(repository)
    assert (more.events, more.blobs, more.bytes) == (1, 1, 3)
    assert other.checkpoint() != size


def test_both_ways_give_equal_graphs(repository, other, write):
    """Each works by itself, then they pull from one another: the same events, whatever their order."""
    train(repository, write, "m1.bin", "a.csv", b"one")
    train(other, write, "m2.bin", "b.csv", b"two")
    other.pull(repository)
    done = repository.pull(other)
    assert done.events > 0
    assert said(other) == said(repository)
    assert graph_of(other) == graph_of(repository)
    assert repository.verify().ok
    assert other.verify().ok


def test_push_is_the_other_way(repository, other, write):
    """What is pushed is what the other one could have pulled."""
    model = train(repository, write)
    done = repository.push(other)
    assert done.blobs > 0
    assert other.artifact("model.bin") == model
    assert other.verify().ok
    assert repository.push(other).events == 0


def test_only_those_chunks_move_that_are_missing(repository, other, write):
    """A new version that changes a little moves a little, and is whole on the other side."""
    rows = [b"%d,%d\n" % (number, number * 7919 % 1_000_003) for number in range(200_000)]
    repository.put(write("a.csv", b"".join(rows)))
    first = other.pull(repository)
    assert first.moved == first.bytes
    rows[100_000] = b"changed\n"
    repository.put(write("a.csv", b"".join(rows)))
    second = other.pull(repository)
    assert second.bytes > 2_000_000
    assert second.moved < second.bytes / 4
    assert other.get("a.csv", "got").read_bytes() == b"".join(rows)
    assert other.verify().ok


def test_dry_run_counts_and_changes_nothing(repository, other, write):
    """A dry run says what the real one then does."""
    train(repository, write)
    before = other.checkpoint()
    dry = other.pull(repository, dry=True)
    assert other.checkpoint() == before
    assert list(other.store.list()) == []
    real = other.pull(repository)
    assert (dry.events, dry.blobs, dry.bytes) == (real.events, real.blobs, real.bytes)


def test_part_of_a_graph_with_its_provenance(repository, other, write):
    """A model comes with the data, code and run that made it, and nothing else does."""
    wanted = train(repository, write, "wanted.bin", "wanted.csv", b"yes")
    train(repository, write, "other.bin", "other.csv", b"no")
    repository.tag("wanted.bin@v1", "prod")
    other.pull(repository, ["wanted.bin"])
    names = {artifact.name for artifact in other.artifacts().items}
    assert {"wanted.bin", "wanted.csv"} <= names
    assert names.isdisjoint({"other.bin", "other.csv"})
    assert other.artifact("wanted.bin@prod") == wanted
    assert [node.id for node in other.trace("wanted.bin").nodes] == [
        node.id for node in repository.trace("wanted.bin").nodes
    ]
    assert other.verify().ok
    rest = other.pull(repository)
    assert rest.events > 0
    assert graph_of(other) == graph_of(repository)


def test_an_alias_comes_with_its_whole_history_or_not_at_all(repository, other, write):
    """Half of its moves would say something else than all of them."""
    repository.put(write("a.csv", "1\n"))
    repository.tag("a.csv@v1", "prod")
    repository.put(write("a.csv", "2\n"))
    repository.tag("a.csv@v2", "prod")
    other.pull(repository, ["a.csv@v2"])
    assert other.aliases() == []
    other.pull(repository)
    assert [alias.label for alias in other.aliases()] == ["a.csv@prod"]


def test_versions_and_aliases_that_meet_are_shown(repository, other, write):
    """Two artifacts `a.csv@v1`, and an alias in two places: told, and decided by nobody."""
    for each, text in ((repository, "here\n"), (other, "there\n")):
        each.put(write("a.csv", text))
        each.tag("a.csv", "prod")
    done = other.pull(repository)
    assert done.ambiguous == ("a.csv@v1",)
    assert done.conflicts == ("a.csv@prod",)
    assert len(other.aliases()[0].artifacts) == 2
    following = other.put(write("a.csv", "next\n")).artifact
    assert following.version == 2
    other.tag(str(following.id), "prod")
    repository.pull(other)
    assert [artifact.id for artifact in repository.aliases()[0].artifacts] == [following.id]
    assert repository.verify().ok


def test_lineage_alone_and_bytes_later(repository, other, write):
    """Without content everything is known, a get says where the bytes are, and a fetch brings them."""
    model = train(repository, write)
    repository.push(other)
    clone, done = Repository.clone(Path(repository.url).parent, "clone", content=False)
    with clone:
        assert done.blobs == 0
        assert clone.artifact("model.bin") == model
        with pytest.raises(BlobNotFoundError) as caught:
            clone.get("model.bin", "nothing")
        assert repository.url.removesuffix("/.lin") in (caught.value.hint or "")
        assert clone.whereabouts(model.digest) == [str(Path(repository.url).parent)]
        assert clone.fetch("model.bin").blobs == 1
        assert clone.get("model.bin", "got").read_bytes() == b"weights"
        assert clone.pull().missing == ()


def test_a_fetch_of_what_nobody_has(repository, write):
    """The error names the artifact and the way out."""
    artifact = repository.put(write("a.csv")).artifact
    with pytest.raises(BlobNotFoundError, match=r"a\.csv@v1"):
        repository.fetch(artifact.label)


def test_what_was_erased_does_not_come_back(repository, other, hand, write):
    """Neither is it missed where it was erased, nor brought where it was."""
    artifact = repository.put(write("a.csv", "secret\n")).artifact
    other.pull(repository)
    hand.record(Tombstone(artifact.digest, "asked to"))
    pack_of(repository, artifact.digest).unlink()
    assert repository.pull(other).blobs == 0
    with Repository.open(repository.url) as again:
        assert not again.store.has(artifact.digest)
    clone, done = Repository.clone(Path(repository.url), "clone")
    with clone:
        assert (done.missing, done.blobs) == ((), 0)
        assert clone.verify().ok


def test_bytes_that_are_lost_there_are_told(repository, other, write):
    """The events come all the same; the missing blob is named, and taken once it is back."""
    artifact = repository.put(write("a.csv", "1\n")).artifact
    blob = pack_of(repository, artifact.digest)
    data = blob.read_bytes()
    blob.unlink()
    assert other.pull(repository).missing == (artifact.digest,)
    assert other.artifact("a.csv") == artifact
    blob.write_bytes(data)
    assert other.pull(repository).blobs == 1
    assert other.verify().ok


def test_a_damaged_blob_is_not_taken_over(repository, other, write):
    """A wrong byte stops the pull before anything that names it is recorded."""
    artifact = repository.put(write("a.csv", "1\n")).artifact
    blob = pack_of(repository, artifact.digest)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes().replace(b"1\n", b"2\n", 1))
    with pytest.raises(Exception, match="damaged"):
        other.pull(repository)
    assert other.artifacts().items == ()


def rewrite(repository):
    """Replace the log by one of other events, signed by the same key."""
    keys = Path(__import__("os").environ["LIN_CONFIG"])
    verifier = VerifierKey.parse(repository.log_key())
    place = LocalPlace(repository.url)
    key = LogKey.load(keys, verifier.name)
    for info in list(place.list("log")):
        place.delete(info.name)
    log = Log(place, verifier)
    log.create(key)
    actor = ActorKey.load_or_create(keys)
    events: list[Statement] = [KeyChanged("add", actor.public.hex())]
    events += [
        ArtifactRecorded(ArtifactKind.DATASET, f"{number}.csv", 1, Digest.of(b"x"), Shape.BLOB, 1)
        for number in range(9)
    ]
    log.extend([sign(Event(now(), actor.id, each), actor).leaf for each in events], key)


def test_a_rewritten_history_is_refused_with_the_evidence(repository, other, write, monkeypatch, tmp_path):
    """Both signed checkpoints are kept, each verifies, and nothing is taken over."""
    repository.put(write("a.csv", "1\n"))
    other.pull(repository)
    before = other.checkpoint()
    rewrite(repository)
    monkeypatch.setenv("LIN_CACHE", str(tmp_path / "fresh"))  # no index remembers it either
    with Repository.open(repository.url) as again, pytest.raises(CorruptLogError, match="rewritten") as caught:
        other.pull(again)
    assert other.checkpoint() == before
    (evidence,) = (Path(other.url) / "proofs" / "conflicts").iterdir()
    assert str(evidence) in (caught.value.hint or "")
    verifier = VerifierKey.parse(repository.log_key())
    notes = evidence.read_bytes().replace(b"\n\nlin/", b"\n\0lin/").split(b"\0")
    old, new = (Checkpoint.parse(note, verifier) for note in notes)
    assert (old.size, new.size) == (2, 10)
    with Repository.open(repository.url) as again, pytest.raises(CorruptLogError):
        other.push(again)


def test_a_log_of_another_key_is_refused(repository, other, write):
    """The id stayed and the key did not: whoever holds the new one is not whom we met."""
    repository.put(write("a.csv", "1\n"))
    other.pull(repository)
    seen = Path(other.url) / "proofs" / "seen" / repository.id
    stranger = LogKey.load_or_create(Path("strangers"), f"lin/{repository.id}")
    seen.write_bytes(Checkpoint.signed(1, bytes(32), stranger).note)
    with pytest.raises(CorruptLogError, match="not signed by the key"):
        other.pull(repository)


def test_a_mirror_is_no_other_repository(repository, write, tmp_path):
    """To pull from a mirror of oneself is a mistake with a way out."""
    repository.put(write("a.csv"))
    repository.mirror(tmp_path / "mirror")
    with pytest.raises(InvalidInputError, match="mirror"):
        repository.pull(tmp_path / "mirror")


def test_a_revoked_key_is_not_let_in_again(repository, other, write):
    """Who was shut out here stays out, whatever another log still holds."""
    repository.put(write("a.csv"))
    actor = ActorKey.load_or_create(Path(__import__("os").environ["LIN_CONFIG"]))
    other.put(write("b.csv"))
    other.record(lambda draft, _: draft.add(KeyChanged("revoke", actor.public.hex())))
    with pytest.raises(PermissionDeniedError, match="revoked"):
        other.pull(repository)


def test_without_the_key_of_the_other_log_there_is_no_push(repository, other, write):
    """Reading is enough to pull; to push takes the right to write."""
    repository.put(write("a.csv"))
    (key,) = (p for p in (Path(__import__("os").environ["LIN_CONFIG"]) / "logs").iterdir() if other.id in p.name)
    key.unlink()
    with pytest.raises(ReadOnlyError):
        repository.push(other)
    assert other.artifacts().items == ()
    key_free = repository.pull(other)
    assert key_free.events == 0


def test_no_remote(repository, tmp_path):
    """Neither a name nor a place: each error says what to do."""
    with pytest.raises(NotFoundError, match="origin"):
        repository.pull()
    with pytest.raises(RepositoryNotFoundError):
        repository.pull(tmp_path / "nowhere")


def test_names_of_remotes(repository, home):
    """Names are kept for this user and repository; wrong ones are refused."""
    remotes = repository.remotes.add("team", "s3://team/lineage")
    repository.remotes = remotes
    assert Remotes.load(repository.id, home / "lin-config") == remotes
    assert remotes.locate("team") == "s3://team/lineage"
    assert remotes.locate("/elsewhere") == "/elsewhere"
    with pytest.raises(ConflictError, match="s3://team/lineage"):
        remotes.add("team", "elsewhere")
    with pytest.raises(InvalidInputError):
        remotes.add("a/b", "elsewhere")
    with pytest.raises(NotFoundError, match="nobody"):
        remotes.remove("nobody")
    assert remotes.remove("team").names == {}
    (home / "lin-config" / "remotes" / f"{repository.id}.json").write_text("[]")
    with pytest.raises(InvalidInputError, match="not a list of remotes"):
        _ = repository.remotes


@pytest.mark.parametrize("stop", ["bytes", "events"])
def test_a_pull_that_stops_goes_on(repository, other, write, monkeypatch, stop):
    """An error in the middle leaves what verifies; the next pull brings the rest."""
    for number in range(30):
        repository.put(write(f"{number}.csv", f"{number}\n"))
    monkeypatch.setattr("lin.taking.AT_ONCE", 10)
    calls = []

    def failing(method):
        def call(self, *arguments):
            calls.append(1)
            if len(calls) == 3:
                raise OSError("gone")
            return method(self, *arguments)

        return call

    name = {"bytes": "_bring", "events": "all"}[stop]
    if stop == "bytes":
        monkeypatch.setattr(Taking, name, failing(Taking._bring))
    else:
        monkeypatch.setattr(Repository, "take_over", failing(Repository.take_over))
    with pytest.raises(OSError, match="gone"):
        other.pull(repository)
    assert 0 < len(other.artifacts().items) < 30
    assert other.verify().ok
    rest = other.pull(repository)
    assert 0 < rest.events < 31
    assert said(other) == said(repository)
    assert other.verify().ok


def test_a_killed_pull_goes_on(repository, other, write, python):
    """Kill -9 at any moment: what is there verifies, and the next pull ends with everything."""
    for number in range(60):
        repository.put(write(f"{number}.csv", f"{number}\n" * 50))
    code = (
        "import sys, lin.taking; lin.taking.AT_ONCE = 5\n"
        "from lin.repository import Repository\n"
        "there = Repository.open(sys.argv[2]); print('go', flush=True)\n"
        "Repository.open(sys.argv[1]).pull(there)\n"
    )
    for pause in (0.02, 0.1, 0.2):
        process = python(code, other.url, repository.url)
        process.stdout.readline()
        killer = threading.Timer(pause, process.send_signal, [signal.SIGKILL])
        killer.start()
        process.wait()
        killer.cancel()
        assert other.verify().ok
    other.pull(repository)
    assert said(other) == said(repository)
    assert other.verify().ok


def test_two_pulls_at_once(repository, other, write):
    """Both end well, and every event is in the log once."""
    for number in range(20):
        repository.put(write(f"{number}.csv", f"{number}\n"))
    failures = []

    def pull():
        try:
            with Repository.open(repository.url) as there, Repository.open(other.url) as here:
                here.pull(there)
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert said(other) == said(repository)
    assert other.verify().ok


# ------------------------------------------------------------------------ mirrors


def files(folder):
    return {
        p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file() and "tmp" not in p.parts
    }


def test_a_mirror_is_the_repository(repository, write, tmp_path):
    """The same id and log: it answers and verifies in the repository's place, and follows it."""
    model = train(repository, write)
    mirror = tmp_path / "mirror" / ".lin"
    repository.mirror(tmp_path / "mirror")
    with Repository.open(mirror) as copy:
        assert (copy.id, copy.checkpoint()) == (repository.id, repository.checkpoint())
        assert copy.verify().ok
        assert copy.get(model.label, "got").read_bytes() == b"weights"
    again = repository.mirror(tmp_path / "mirror")
    assert (again.files, again.bytes) == (0, 0)
    repository.put(write("more.csv", "1\n" * 100))
    more = repository.mirror(tmp_path / "mirror")
    assert more.files > 0
    with Repository.open(mirror) as copy:
        assert copy.checkpoint() == repository.checkpoint()
        assert copy.verify().ok


def test_a_mirror_never_replaces_another_repository(repository, other, write):
    """Neither a repository of its own, nor this one itself."""
    repository.put(write("a.csv"))
    other.put(write("b.csv"))
    before = files(other.url)
    with pytest.raises(ConflictError, match="not a mirror"):
        repository.mirror(other.url)
    assert files(other.url) == before
    with pytest.raises(InvalidInputError, match="itself"):
        repository.mirror(repository.url)


def test_a_mirror_that_went_its_own_way_is_refused(repository, write, tmp_path):
    """A mirror that was written to, and one whose repository was: nothing is overwritten."""
    repository.put(write("a.csv", "1\n"))
    repository.mirror(tmp_path / "mirror")
    with Repository.open(tmp_path / "mirror") as copy:
        copy.put(write("b.csv", "2\n"))
    with pytest.raises(CorruptLogError, match="events"):
        repository.mirror(tmp_path / "mirror")
    repository.put(write("c.csv", "3\n"))
    before = files(tmp_path / "mirror")
    with pytest.raises(CorruptLogError, match="different histories") as caught:
        repository.mirror(tmp_path / "mirror")
    assert files(tmp_path / "mirror") == before
    assert "proofs/conflicts" in (caught.value.hint or "")


def test_an_import_speaks_the_truth(repository, other, hand, write):
    """Whoever says that leaves were taken over has the checkpoint to show, and counts right."""
    repository.put(write("a.csv"))  # the first write adds a key
    at = other.journal.checkpoint()
    origin, key, note = other.journal.origin, other.log_key(), at.note.decode()
    with pytest.raises(ConflictError, match="taken over"):
        hand.record(Imported(origin, key, note, 2))
    for wrong in (
        Imported(origin, key, note.replace(origin, "lin/elsewhere"), 1),
        Imported("lin/elsewhere", key, note, 1),
        Imported(origin, repository.log_key(), note, 1),
    ):
        with pytest.raises(InvalidInputError):
            hand.record(Tombstone(Digest.of(b"x"), "why"), wrong)
    with pytest.raises(InvalidInputError, match="comes last"):
        hand.record(Imported(origin, key, note, 1), Tombstone(Digest.of(b"x"), "why"))
    hand.force(Imported(origin, key, note, 100))
    assert [finding.kind for finding in repository.verify().findings if "leaves before" in finding.message]
