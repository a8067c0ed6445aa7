"""Writers that share an S3 bucket."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from lin.errors import LinError
from lin.lineage import optimistic
from lin.lineage.audit import audit
from lin.lineage.log import Log
from lin.lineage.log_testing import LOG_KEY, ScanningAdmission, ids, introduction, run_started
from lin.lineage.sequencer import Sequencer
from lin.store.places import open_place


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - it takes a second

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def log(endpoint, monkeypatch) -> Log:
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415 - it takes a second

    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(optimistic, "_PAUSE_SECONDS", 0)
    boto3.client("s3").create_bucket(Bucket="logs")
    log = Log(open_place("s3://logs/some/folder"), LOG_KEY.verifier)
    log.create(LOG_KEY)
    return log


def test_writers_to_one_bucket_take_turns(log):
    """3 writers with connections of their own submit 2 events each: each is in the log once, and the log is sound."""
    Sequencer(log, lambda: LOG_KEY, lambda: ScanningAdmission(log)).submit([introduction()])
    failures = []

    def write(writer):
        mine = Log(open_place(log.place.url), LOG_KEY.verifier)
        sequencer = Sequencer(mine, lambda: LOG_KEY, lambda: ScanningAdmission(mine))
        try:
            for number in range(2):
                sequencer.submit([run_started(f"{writer}/{number}")])
        except LinError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(ids(log)[1:]) == sorted(run_started(f"{w}/{n}").id for w in range(3) for n in range(2))
    assert audit(log).findings == ()
