"""A process that was forked uses the catalogue beside its parent."""

from __future__ import annotations

import os
from pathlib import Path

from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.local import LocalPlace


def test_a_forked_process_and_its_parent_both_write(local: LocalPlace, tmp_path: Path) -> None:
    """Each sees what the other put, through one file of the cache."""
    store = BlobStore(local, tmp_path / "cache")
    store.put_bytes(b"parent")
    child = os.fork()
    if not child:
        status = 1
        try:
            store.put_bytes(b"child")
            status = int(store.read(Digest.of(b"parent")) != b"parent")
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert store.read(Digest.of(b"child")) == b"child"
    store.put_bytes(b"more")
    assert len(list(store.list())) == 3
    store.close()
