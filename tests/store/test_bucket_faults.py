"""What networks and servers do to a bucket: a put or get gives the old or the new state, and trying again works."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lin.errors import (
    BackendError,
    ConflictError,
    InvalidInputError,
    LinError,
    NotFoundError,
    PermissionDeniedError,
    RepositoryNotFoundError,
    StorageFullError,
)
from lin.store._bucket_settings import Patience
from lin.store.bucket import BucketPlace
from lin.store.faulty import FaultyProxy, answer
from lin.store.testing import pattern

pytestmark = pytest.mark.service
QUICK = Patience(request_seconds=20, connect_seconds=2, total_seconds=20, retries=6, first_pause_seconds=0.01)
HASTY = Patience(request_seconds=2, connect_seconds=1, total_seconds=3, retries=1, first_pause_seconds=0.01)
_numbers = iter(range(1_000_000))


@pytest.fixture
def proxy(s3_service, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    if s3_service.home is None:
        pytest.skip("a server elsewhere cannot be reached through a proxy of this machine")
    with FaultyProxy(s3_service.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        yield proxy


@pytest.fixture
def url(s3_service) -> str:
    return f"{s3_service.url}/faults/{next(_numbers)}"


# ---------------------------------------------------------------------------- the way there


@pytest.mark.parametrize("size", [1, 70_000, 9_000_000, 20_000_000])
def test_a_connection_that_is_cut_off_leaves_all_or_nothing(proxy: FaultyProxy, url: str, size: int) -> None:
    """Wherever an upload is cut off, the file is there whole or not at all, and the next try writes it."""
    place = BucketPlace(url, HASTY)
    data = pattern(size)
    total = size + 2_000
    for after in sorted({0, 1, 100, 700, total // 3, total // 2, size - 1 if size > 1 else 2, size + 300}):
        proxy.cut_after = after
        try:
            with place.upload() as upload:
                upload.write(data)
                upload.commit("objects/x")
        except BackendError:
            pass
        proxy.cut_after = None
        assert place.size("objects/x") in {None, size}
        assert [info.size for info in place.list()] in ([], [size])
        with place.upload() as upload:
            upload.write(data)
            upload.commit("objects/x")
        assert place.read("objects/x") == data
        place.delete("objects/x")


def test_an_answer_that_is_cut_off_is_asked_for_again(proxy: FaultyProxy, url: str) -> None:
    """A read whose answer breaks off is repeated, and never returns a part of the file as if it were all of it."""
    place = BucketPlace(url, QUICK)
    data = pattern(3_000_000)
    place.replace("a", data)
    for after in (0, 50, 400, 1_000_000, 2_999_999):
        proxy.cut_answer_after = after
        done = threading.Timer(0.05, lambda: setattr(proxy, "cut_answer_after", None))
        done.start()
        assert place.read("a") == data
        done.join()
        proxy.cut_answer_after = after
        # Where enough comes through each time, the rest is asked for until all is there; else it is an error.
        with suppress(BackendError):
            assert BucketPlace(url, HASTY).read_range("a", 0, 3_000_000) == data
            assert after > 500_000
        proxy.cut_answer_after = None


def test_a_lost_answer_does_not_make_a_conflict_with_oneself(proxy: FaultyProxy, url: str) -> None:
    """If the answer to an exclusive write is lost, trying again finds the own file, and that is success."""
    place = BucketPlace(url, QUICK)
    place.size("warm")
    proxy.swallow_answers = 1
    place.create("log/commit/1", b"mine")
    assert proxy.swallow_answers == 0
    assert place.read("log/commit/1") == b"mine"
    proxy.swallow_answers = 1
    with pytest.raises(ConflictError):
        place.create("log/commit/1", b"yours")
    assert place.read("log/commit/1") == b"mine"


def test_a_server_that_fails_for_a_while_is_waited_for(proxy: FaultyProxy, url: str) -> None:
    """Answers of 503, 500 and 429 are tried again with pauses; in the end every call does what it should."""
    place = BucketPlace(url, QUICK)
    for status, code in (("503 Slow Down", "SlowDown"), ("500 Oops", "InternalError"), ("429 Busy", "TooManyRequests")):
        left = [0]

        def fails(_: bytes, status: str = status, code: str = code, left: list[int] = left) -> bytes | None:
            left[0] -= 1
            return answer(status, code) if left[0] >= 0 else None

        proxy.instead = fails
        name = f"a{code}"
        for call in (
            lambda name=name: place.create(name, b"1"),
            lambda name=name: place.replace(name, b"2"),
            lambda name=name: place.read(name),
            lambda name=name: place.read_range(name, 0, 1),
            lambda name=name: place.size(name),
            lambda: list(place.list()),
            lambda name=name: place.delete(name),
        ):
            left[0] = 3
            call()
            assert left[0] < 0
        proxy.instead = None


def test_a_server_that_goes_on_failing_is_told_of(proxy: FaultyProxy, url: str) -> None:
    """When patience ends, the error names the file and what the server said, and nothing was written."""
    proxy.instead = lambda _: answer("503 Slow Down", "SlowDown", "Please reduce your request rate.")
    place = BucketPlace(url, HASTY)
    for call in (lambda: place.replace("a", b"x"), lambda: place.create("a", b"x"), lambda: place.read("a")):
        with pytest.raises(BackendError, match="a: Please reduce your request rate") as caught:
            call()
        assert "again" in caught.value.hint
    proxy.instead = None
    assert list(place.list()) == []


def test_a_server_that_hangs_is_given_up(proxy: FaultyProxy, url: str) -> None:
    """A request that is never answered ends with an error after the time for one, tries included."""
    place = BucketPlace(url, Patience(request_seconds=0.3, total_seconds=1, retries=1, first_pause_seconds=0.01))
    place.replace("a", b"1")
    proxy.hold.set()
    with pytest.raises(BackendError, match="a"):
        place.read("a")
    proxy.hold.clear()
    assert BucketPlace(url, QUICK).read("a") == b"1"


# ---------------------------------------------------------------------------- what servers say


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (answer("403 Forbidden", "InvalidAccessKeyId", "no such key"), PermissionDeniedError, "credentials are wrong"),
        (answer("403 Forbidden", "SignatureDoesNotMatch"), PermissionDeniedError, "credentials are wrong"),
        (answer("400 Bad Request", "ExpiredToken", "token has expired"), PermissionDeniedError, "have expired"),
        (answer("403 Forbidden", "AccessDenied"), PermissionDeniedError, "may not do that in the bucket 'lin'"),
        (answer("403 Forbidden", "RequestTimeTooSkewed", "too large"), PermissionDeniedError, "clock is wrong"),
        (answer("404 Not Found", "NoSuchBucket"), RepositoryNotFoundError, "there is no bucket 'lin'"),
        (answer("301 Moved", "PermanentRedirect", "use the endpoint"), InvalidInputError, "another region"),
        (answer("403 Forbidden", "QuotaExceeded", "bucket quota is used up"), StorageFullError, "quota is used up"),
        (answer("507 Insufficient Storage", "XMinioStorageFull", "disk full"), StorageFullError, "disk full"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_each_refusal_is_told_as_what_it_is(
    proxy: FaultyProxy, url: str, said: bytes, kind: type[LinError], words: str
) -> None:
    """Wrong credentials, someone else's bucket, a wrong clock, a full bucket: each says so, and the way out."""
    proxy.instead = lambda _: said
    place = BucketPlace(url, QUICK)
    for call in (lambda: place.replace("a", b"x"), lambda: place.create("a", b"x"), lambda: place.read("a")):
        began = proxy.requests
        with pytest.raises(kind, match=words) as caught:
            call()
        assert caught.value.hint
        assert "Debug" not in str(caught.value)
        # Of the status alone, the client cannot tell that these will not pass.
        assert proxy.requests - began == 1 or b" 507 " in said or b" 301 " in said


def test_a_wrong_clock_is_told_with_both_times(proxy: FaultyProxy, url: str) -> None:
    """What the server says of the two clocks is passed on."""
    body = answer("403 Forbidden", "RequestTimeTooSkewed")
    times = b"<RequestTime>20260101T000000Z</RequestTime><ServerTime>2026-03-01T12:00:00Z</ServerTime></Error>"
    head, _, _ = body.partition(b"Content-Length")
    text = body.rpartition(b"\r\n\r\n")[2].replace(b"</Error>", times)
    proxy.instead = lambda _: head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(text) + text
    with pytest.raises(PermissionDeniedError, match=r"it says 20260101T000000Z, the server 2026-03-01T12:00:00Z"):
        BucketPlace(url, QUICK).read("a")


def test_a_quota_that_ends_in_mid_upload_leaves_nothing(proxy: FaultyProxy, url: str) -> None:
    """If room ends after some parts of a large file, it says so, and no part of the file can be seen."""
    parts = [0]

    def full(request: bytes) -> bytes | None:
        if b"partNumber=" in request.partition(b"\r\n")[0]:
            parts[0] += 1
            if parts[0] > 2:
                return answer("403 Forbidden", "QuotaExceeded", "the bucket's quota is used up")
        return None

    proxy.instead = full
    place = BucketPlace(url, QUICK)
    with place.upload() as upload:
        upload.write(pattern(40_000_000))
        with pytest.raises(StorageFullError, match="quota"):
            upload.commit("objects/large")
    proxy.instead = None
    assert list(place.list()) == []
    assert place.size("objects/large") is None


# ---------------------------------------------------------------------------- the server itself


def test_wrong_credentials_and_a_missing_bucket_on_a_real_server(s3_service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real server's own words lead to the same errors."""
    with pytest.raises(RepositoryNotFoundError, match="there is no bucket 'no-such-bucket'"):
        BucketPlace("s3://no-such-bucket/x", QUICK).read("lin.json")
    if s3_service.home is None:
        pytest.skip("only for a server whose credentials the tests know")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(PermissionDeniedError, match="credentials are wrong"):
        BucketPlace(f"{s3_service.url}/x", QUICK).read("lin.json")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unknown")
    with pytest.raises(PermissionDeniedError, match="credentials are wrong"):
        BucketPlace(f"{s3_service.url}/x", QUICK).replace("lin.json", b"x")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_ends_loses_nothing_it_acknowledged(own_s3_service, url: str, end: str) -> None:
    """Stopped or killed while files are written, it has whole files only, all that were acknowledged among them."""
    place = BucketPlace(url, HASTY)
    place.size("warm")
    acknowledged: list[str] = []
    failed: list[LinError] = []
    begun = threading.Event()

    def write(who: int) -> None:
        for number in range(10_000):
            name = f"objects/{who}/{number}"
            try:
                with place.upload() as upload:
                    upload.write(pattern(200_000))
                    upload.commit(name)
            except LinError as error:
                failed.append(error)
                return
            acknowledged.append(name)
            begun.set()

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    begun.wait(30)
    getattr(own_s3_service, end)()
    for thread in threads:
        thread.join(60)
    assert len(failed) == 4
    assert all(isinstance(error, BackendError) for error in failed)
    own_s3_service.start()
    found = {info.name: info.size for info in place.list()}
    assert acknowledged
    assert set(acknowledged) <= set(found)
    assert set(found.values()) == {200_000}
    assert all(place.read(name) == pattern(200_000) for name in found)
    place.replace("again", b"1")
    assert place.read("again") == b"1"


def test_a_bucket_that_was_emptied(s3_service, url: str) -> None:
    """Files that are gone are told as not there, whatever was seen before."""
    place = BucketPlace(url)
    place.replace("lin.json", b"{}")
    with place.open("lin.json") as file:
        assert file.read() == b"{}"
    BucketPlace(url).delete("lin.json")
    for call in (place.read, place.open, lambda name: place.read_range(name, 0, 1)):
        with pytest.raises(NotFoundError, match=r"lin\.json"):
            call("lin.json")
    assert place.size("lin.json") is None
    assert list(place.list()) == []
