"""A repository in a bucket whose server fails: old or new state, what is acknowledged stays, trying again works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lin.errors import (
    BackendError,
    CorruptLogError,
    InvalidInputError,
    LinError,
    NotFoundError,
    RepositoryNotFoundError,
)
from lin.repository import Repository
from lin.store._bucket_client import BucketClient
from lin.store._bucket_settings import Patience
from lin.store.faulty import FaultyProxy, answer
from lin.store.places import open_place

pytestmark = pytest.mark.service
Write = Callable[..., Path]
HASTY = Patience(request_seconds=2, connect_seconds=1, total_seconds=2, retries=1, first_pause_seconds=0.01)


@pytest.fixture
def url(s3_service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("lin.store._bucket_settings.DEFAULT", HASTY)
    return f"{s3_service.url}/faults-{tmp_path.name}"


@pytest.fixture
def proxy(s3_service, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    if s3_service.home is None:
        pytest.skip("a server elsewhere cannot be reached through a proxy of this machine")
    with FaultyProxy(s3_service.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        yield proxy


@pytest.mark.parametrize("how", ["refused", "lost"])
def test_a_put_that_breaks_off_at_any_request_can_be_done_again(
    proxy: FaultyProxy, url: str, write: Write, how: str
) -> None:
    """From whichever request on the server fails, or its answers are lost, no half of a put is ever seen."""
    with Repository.init(url) as repository:
        repository.put(write("data.csv", "0"))
    failures = 0
    for broken in range(16):
        write("data.csv", f"version {broken + 1}")
        left = [broken]

        def fails(_: bytes, left: list[int] = left) -> bytes | None:
            left[0] -= 1
            if left[0] >= 0:
                return None
            if how == "lost":
                proxy.swallow_answers = 1
                return None
            return answer("503 Slow Down", "SlowDown")

        proxy.instead = fails
        told = True
        try:
            with Repository.open(url) as repository:
                repository.put("data.csv")
        except BackendError:
            told = False
            failures += 1
        proxy.instead, proxy.swallow_answers = None, 0
        with Repository.open(url) as repository:
            newest = repository.artifact("data.csv").version
            assert newest in ({broken + 2} if told else {broken + 1, broken + 2})
            assert b"".join(repository.stream(f"data.csv@v{newest}")).decode() == (
                f"version {newest - 1}" if newest > 1 else "0"
            )
            repository.put("data.csv")
            assert repository.artifact("data.csv").version == broken + 2
            assert repository.verify().ok
    assert failures > 8


def test_a_killed_server_keeps_what_was_acknowledged(own_s3_service, url: str, write: Write) -> None:
    """While several writers put files, the server is killed; when it is back, all that they were told is there."""
    Repository.init(url).close()
    acknowledged: list[str] = []
    begun = threading.Event()

    def work(who: int) -> None:
        with Repository.open(url) as repository:
            for number in range(1_000):
                name = f"w{who}-{number}"
                try:
                    repository.put(write(name, name), name=name)
                except LinError:
                    return
                acknowledged.append(name)
                if len(acknowledged) > 4:
                    begun.set()

    threads = [threading.Thread(target=work, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    own_s3_service.kill()
    for thread in threads:
        thread.join(60)
    own_s3_service.start()
    with Repository.open(url) as repository:
        assert {name for name in acknowledged if b"".join(repository.stream(name)) != name.encode()} == set()
        assert repository.verify().ok
        assert repository.put(write("again", "1")).added


def test_a_bucket_emptied_behind_our_back(s3_service, url: str, write: Write) -> None:
    """An open repository says what is missing, and a new process that there is none."""
    with Repository.init(url) as repository:
        repository.put(write("a.csv", "1"))
        place = open_place(url)
        for info in list(place.list()):
            place.delete(info.name)
        with pytest.raises(CorruptLogError, match="no checkpoint"):
            repository.put(write("b.csv", "2"))
        with pytest.raises((CorruptLogError, NotFoundError)):
            repository.get("a.csv", "copy")
        assert list(place.list("log")) == []
    with pytest.raises(RepositoryNotFoundError, match="no repository at"):
        Repository.open(url)


def test_a_service_that_overwrites_is_refused(s3_service, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ignores conditions would let writers overwrite each other: no repository is made there."""
    monkeypatch.setattr(BucketClient, "create", BucketClient.write)
    with pytest.raises(InvalidInputError, match="exclusively") as caught:
        Repository.init(url)
    assert "If-None-Match" in caught.value.hint
    with pytest.raises(RepositoryNotFoundError):
        Repository.open(url)
