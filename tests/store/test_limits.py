"""Large files in little memory, and limits of the system that are reached for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

GIB = 1024**3
MOST = 300 * 1024 * 1024
"""Bytes of resident memory that no put or get may exceed."""

PUT_AND_GET = """
import json, resource, sys
from pathlib import Path
from lin.store.blobs import BlobStore
from lin.store.folder import get_path, put_path
from lin.store.places import open_place

def most():
    if Path("/proc/self/status").exists():
        # ru_maxrss would begin with what the process that started this one used.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024

repository, source, target = sys.argv[1:]
store = BlobStore(open_place(repository))
stored = put_path(store, source)
after_put = most()
with store.open(stored.digest) as file:
    file.seek(stored.size - 1)
    last = file.read()
after_open = most()
get_path(store, stored.digest, stored.shape, target)
print(json.dumps([stored.size, after_put, after_open, most(), len(last)]))
"""

LIMITED = """
import resource, sys
from lin.errors import StorageFullError
from lin.store.blobs import BlobStore
from lin.store.folder import put_path
from lin.store.places import open_place

resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
place = open_place(sys.argv[1])
store = BlobStore(place)
first = store.put_bytes(b"fits")
try:
    put_path(store, sys.argv[2])
except StorageFullError as error:
    assert "File too large" in str(error), error
else:
    raise SystemExit("the limit was not reached")
assert [digest for digest, _ in store.list()] == [first]
assert place.leftovers(0) == ()
"""


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    """A file of 1 GiB is put, opened and got in less than 300 MB of resident memory."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(GIB)
    answer = subprocess.run(
        [sys.executable, "-c", PUT_AND_GET, tmp_path / "r", tmp_path / "large", tmp_path / "back"],
        check=True,
        capture_output=True,
        text=True,
    )
    size, *memory, last = json.loads(answer.stdout)
    assert size == GIB
    assert last == 1
    assert (tmp_path / "back").stat().st_size == GIB
    assert max(memory) < MOST


def test_a_limit_of_the_system_is_a_full_storage(tmp_path: Path) -> None:
    """When the system allows no larger file, the put fails as on a full disk and leaves nothing half-written."""
    (tmp_path / "large").write_bytes(os.urandom(5_000_000))
    subprocess.run([sys.executable, "-c", LIMITED, tmp_path / "r", tmp_path / "large"], check=True)
