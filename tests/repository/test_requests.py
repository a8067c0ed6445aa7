"""A bucket is asked as few times as can be: each request takes tens of milliseconds, and some cost money."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lin.repository import Repository
from lin.store._bucket_client import BucketClient

Write = Callable[..., Path]
METHODS = ("read", "read_range", "begin", "look", "list", "write", "write_file", "create", "delete")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a bucket was asked; each of these calls is one request where nothing fails."""
    calls: list[str] = []

    def counting(method: str) -> Callable[..., object]:
        real = getattr(BucketClient, method)

        def ask(self, name, *arguments):
            calls.append(f"{method} {name}")
            return real(self, name, *arguments)

        return ask

    for method in METHODS:
        monkeypatch.setattr(BucketClient, method, counting(method))
    return calls


@pytest.fixture
def bucket(s3_service, tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(f"{s3_service.url}/{tmp_path.name}") as made:
        yield made


@pytest.mark.service
def test_few_requests_for_each_use(bucket: Repository, asked: list[str], write: Write) -> None:
    """Putting a small file, moving an alias, tracing and getting make a dozen requests or fewer, in any process."""

    def count(use: Callable[[Repository], object], repository: Repository = bucket) -> int:
        asked.clear()
        use(repository)
        return len(asked)

    bucket.put(write("first.csv", "1"))
    assert count(lambda r: r.put(write("a.csv", "2"))) <= 11
    assert count(lambda r: r.put("a.csv")) <= 6
    assert count(lambda r: r.tag("a.csv", "prod")) <= 7
    assert count(lambda r: r.trace("a.csv")) <= 1
    assert count(lambda r: r.get("a.csv", "copy.csv")) <= 5

    def anew(use: Callable[[Repository], object]) -> int:
        asked.clear()
        with Repository.open(bucket.url) as repository:
            use(repository)
        return len(asked)

    assert anew(lambda r: r.put(write("b.csv", "3"))) <= 14
    assert anew(lambda r: r.tag("b.csv", "prod")) <= 10
    assert anew(lambda r: r.trace("b.csv")) <= 2
    assert anew(lambda r: r.get("b.csv", "copy2.csv")) <= 5


@pytest.mark.service
def test_the_number_of_events_does_not_matter(bucket: Repository, asked: list[str], write: Write) -> None:
    """One commit after many makes as many requests as the first, and a few more now and then, to tidy up."""
    write("a.csv", "1")
    bucket.put("a.csv")
    counts = []
    for number in range(70):
        asked.clear()
        bucket.tag("a.csv", f"alias{number}")
        counts.append(len(asked))
    assert sorted(counts)[len(counts) // 2] <= 7
    assert sum(counts) / len(counts) <= 9
    assert sum(1 for info in bucket.store.place.list("log/tile") if ".p/" in info.name) <= 2 * (32 + 2)
    assert bucket.verify().ok
