"""`lin://`: every tool that reads fsspec addresses reads artifacts, by range, verified, and writes none."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest

from lin._addresses import Addresses
from lin.errors import CorruptBlobError
from lin.filesystem import LinFileSystem
from lin.repository import Repository
from lin.store.bucket import BucketPlace
from lin.store.packs import Packs

Write = Callable[..., Path]
ROWS = 50_000
pd: Any = import_module("pandas")  # neither it nor the other tools tell their types


@pytest.fixture
def frame() -> Any:
    return pd.DataFrame({"a": range(ROWS), "b": [f"{number * 7919 % 100_003:x}" for number in range(ROWS)]})


@pytest.fixture
def filled(repository: Repository, frame: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A repository with a CSV file, a Parquet file, and a folder of both; `LIN_REPO` names it."""
    monkeypatch.setenv("LIN_REPO", repository.url)
    frame.to_csv("flights.csv", index=False)
    frame.to_parquet("flights.parquet", row_group_size=5_000)
    folder = Path("parts/2024")
    folder.mkdir(parents=True)
    for number in range(4):
        part = frame[number * ROWS // 4 : (number + 1) * ROWS // 4]
        part.to_csv(folder / f"p{number}.csv", index=False)
        part.to_parquet(folder / f"p{number}.parquet")
    Path("parts/newest.csv").symlink_to("2024/p3.csv")
    Path("parts/all").symlink_to("2024")
    repository.put("flights.csv", name="flights")
    repository.put("flights.parquet")
    repository.put("parts")
    LinFileSystem.clear_instance_cache()
    yield repository
    LinFileSystem.clear_instance_cache()


# ---------------------------------------------------------------------------- the tools


def test_pandas(filled: Repository, frame: Any) -> None:
    """Pandas reads CSV and Parquet, a column of it, and from another repository when that is named."""
    assert pd.read_csv("lin://flights@v1").equals(frame)
    assert pd.read_parquet("lin://flights.parquet").equals(frame)
    assert list(pd.read_parquet("lin://flights.parquet@v1", columns=["a"])["a"]) == list(frame["a"])
    os.environ.pop("LIN_REPO")
    with pytest.raises(FileNotFoundError, match="flights"):
        pd.read_csv("lin://flights@v1", storage_options={"repo": str(Repository.init("other").url)})
    assert len(pd.read_csv("lin://parts/2024/p1.csv", storage_options={"repo": filled.url})) == ROWS // 4


def test_pyarrow(filled: Repository, frame: Any) -> None:
    """Pyarrow reads a table by its address, and a folder of files as one dataset."""
    ds: Any = import_module("pyarrow.dataset")
    pq: Any = import_module("pyarrow.parquet")

    assert pq.read_table("fsspec+lin://flights.parquet@v1", columns=["a"]).num_rows == ROWS
    files = fsspec.filesystem("lin")
    assert pq.read_table("flights.parquet@v1", filesystem=files).to_pandas().equals(frame)
    parts = ds.dataset(files.glob("parts@v1/2024/*.parquet"), filesystem=files)
    assert parts.count_rows() == ROWS
    assert parts.filter(ds.field("a") < 10).to_table().num_rows == 10


def test_duckdb(filled: Repository, frame: Any) -> None:
    """DuckDB reads addresses and patterns, once it knows the file system."""
    duckdb: Any = import_module("duckdb")

    with duckdb.connect() as database:
        database.register_filesystem(fsspec.filesystem("lin"))
        sums = "select sum(a), count(*) from"
        expected = [(int(frame["a"].sum()), ROWS)]
        assert database.sql(f"{sums} read_parquet('lin://parts@v1/2024/*.parquet')").fetchall() == expected
        assert database.sql(f"{sums} read_csv('lin://flights@v1')").fetchall() == expected


def test_dask(filled: Repository, frame: Any) -> None:
    """Dask reads patterns in several processes, each of which opens the repository by itself."""
    dd: Any = import_module("dask.dataframe")

    frames = dd.read_csv("lin://parts@v1/2024/p*.csv", blocksize=40_000)
    assert frames.npartitions > 4
    assert len(dd.read_parquet("lin://parts@v1/2024/*.parquet")) == ROWS
    assert int(frames["a"].sum().compute(scheduler="processes", num_workers=2)) == int(frame["a"].sum())


def test_polars(filled: Repository, frame: Any) -> None:
    """Polars reads open files, and pyarrow's datasets, whose filters reach the file."""
    pl: Any = import_module("polars")
    ds: Any = import_module("pyarrow.dataset")

    with fsspec.open("lin://flights.parquet@v1") as file:
        assert pl.read_parquet(file, columns=["a"]).height == ROWS
    with fsspec.open("lin://flights@v1") as file:
        assert pl.read_csv(file).height == ROWS
    scan = pl.scan_pyarrow_dataset(ds.dataset("flights.parquet@v1", filesystem=fsspec.filesystem("lin")))
    assert scan.filter(pl.col("a") >= ROWS - 3).select("a").collect().to_series().to_list() == [
        ROWS - 3,
        ROWS - 2,
        ROWS - 1,
    ]


def test_datasets(filled: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hugging Face's datasets loads files, and streams them."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    program = f"""
import datasets
datasets.disable_progress_bars()
files = "lin://parts@v1/2024/*.parquet"
loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir={str(tmp_path / "cache")!r})
assert loaded.num_rows == {ROWS}, loaded.num_rows
streamed = datasets.load_dataset("csv", data_files="lin://flights@v1", split="train", streaming=True)
assert next(iter(streamed))["a"] == 0
"""
    # In a process of its own: it changes settings of others when it is imported.
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------------------- files and folders


@pytest.fixture
def files(filled: Repository) -> Any:
    return fsspec.filesystem("lin")


def test_a_folder_lists_and_globs_as_folders_do(files: Any) -> None:
    """A folder has entries with sizes and types, patterns find them, and walking reaches all of them."""
    assert files.ls("lin://parts@v1", detail=False) == [
        "parts@v1/2024", "parts@v1/all", "parts@v1/newest.csv"
    ]  # fmt: skip
    types = {each["name"].rpartition("/")[2]: each["type"] for each in files.ls("parts@v1")}
    assert types == {"2024": "directory", "all": "directory", "newest.csv": "file"}
    assert files.glob("parts@v1/2024/p?.csv") == [f"parts@v1/2024/p{number}.csv" for number in range(4)]
    assert files.glob("lin://parts/**/p2.*")[:2] == ["parts/2024/p2.csv", "parts/2024/p2.parquet"]
    names = [f"p{number}.{kind}" for number in range(4) for kind in ("csv", "parquet")]
    assert files.find("parts@v1/2024") == [f"parts@v1/2024/{name}" for name in names]
    assert files.du("parts@v1/2024") == sum(Path("parts/2024", name).stat().st_size for name in names)
    assert files.info("parts@v1/2024/p0.csv")["size"] == Path("parts/2024/p0.csv").stat().st_size
    assert (files.isdir("parts"), files.isfile("parts"), files.isdir("parts/2024"), files.isfile("flights")) == (
        True, False, True, True
    )  # fmt: skip
    assert files.cat("parts/newest.csv") == files.cat("parts/all/p3.csv") == Path("parts/2024/p3.csv").read_bytes()


def test_the_names_are_the_top_folder(files: Any, filled: Repository, write: Write) -> None:
    """`lin://` lists names; those with '/' look like folders, and are found with and without a path behind them."""
    filled.put(write("x.csv", "1"), name="team/x")
    assert files.ls("", detail=False) == ["flights", "flights.parquet", "parts", "team"]
    assert files.ls("team", detail=False) == ["team/x"]
    assert files.cat("lin://team/x") == files.cat("team/x@v1") == b"1"
    filled.put("parts", name="team/parts")
    assert files.isfile("team/parts/2024/p0.csv")
    assert "team/parts/2024/p0.csv" in files.find("lin://team")


def test_addresses_by_digest(files: Any) -> None:
    """`lin://b3:…` reads bytes by digest, also those of a file inside a folder, and folders by that of their tree."""
    data = Path("parts/2024/p0.csv").read_bytes()
    inside = files.info("parts@v1/2024/p0.csv")["digest"]
    assert files.cat(f"lin://{inside}") == data
    folder = files.info("parts@v1")["digest"]
    assert files.cat(f"lin://{folder}/2024/p0.csv") == data
    assert files.ukey("parts/2024/p0.csv") == inside


def test_a_moved_alias_is_followed(
    files: Any, filled: Repository, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a ref means is asked for anew after a moment; a version's bytes are what they were."""
    filled.tag("flights@v1", "prod")
    old = files.cat("lin://flights@prod")
    monkeypatch.setattr("lin._addresses.FRESH_SECONDS", 0.0)
    filled.put(write("new.csv", "a\n1\n"), name="flights")
    filled.tag("flights@v2", "prod")
    assert files.cat("lin://flights@prod") == files.cat("lin://flights") == b"a\n1\n"
    assert files.cat("lin://flights@v1") == old


def test_what_cannot_move_is_asked_once(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version's meaning, and a folder's entries, are kept: looking again asks neither the index nor the store."""
    files.find("parts@v1")
    monkeypatch.setattr(Addresses, "_resolve", None)
    monkeypatch.setattr("lin._addresses.read_tree", None)
    assert len(files.find("parts@v1")) > 8


# ---------------------------------------------------------------------------- bytes


def test_reads_like_any_file(files: Any) -> None:
    """Seeking, reading, lines and ranges give what a local file gives."""
    data = Path("flights.csv").read_bytes()
    with files.open("flights@v1") as file, Path("flights.csv").open("rb") as local:
        assert (file.size, file.mode, file.readable(), file.seekable(), file.writable()) == (
            len(data),
            "rb",
            True,
            True,
            False,
        )
        for offset, whence, size in (
            (0, 0, 10),
            (100_000, 0, 70_000),
            (-5, 2, 10),
            (-100, 1, 7),
            (0, 2, 1),
            (9, 0, -1),
        ):
            assert file.seek(offset, whence) == local.seek(offset, whence)
            assert file.read(size) == local.read(size)
            assert file.tell() == local.tell()
        file.seek(0)
        assert file.readline() == b"a,b\n"
        again: Any = pickle.loads(pickle.dumps(file))
        assert again.readline() == b"0,0\n"
    assert files.cat_file("flights@v1", 10, 20) == data[10:20]
    assert files.cat_file("flights@v1", -10) == data[-10:]
    assert files.cat_ranges(["flights@v1"] * 2, [0, 5], [5, 9]) == [data[:5], data[5:9]]
    opened: Any = fsspec.open("lin://flights@v1", "rt")
    with opened as text:
        assert text.readline() == "a,b\n"


def test_reads_only_what_is_asked_for(filled: Repository, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes out of the middle of a large file read a few chunks, and reading them again reads nothing."""
    data = os.urandom(20_000_000)
    Path("large").write_bytes(data)
    filled.put("large")
    read: list[int] = []
    real = Packs.span

    def counting(self: Packs, pack: str, offset: int, length: int) -> bytes:
        read.append(length)
        return real(self, pack, offset, length)

    monkeypatch.setattr(Packs, "span", counting)
    monkeypatch.setattr(Packs, "span_into", None)
    files = fsspec.filesystem("lin")
    assert files.cat_file("large@v1", 10_000_000, 10_000_100) == data[10_000_000:10_000_100]
    assert sum(read) < 3_000_000
    read.clear()
    with files.open("large@v1", block_size=4096) as file:
        file.seek(10_000_000)
        assert file.read(100) == data[10_000_000:10_000_100]
    assert sum(read) == 0


def test_a_damaged_byte_is_never_given_out(filled: Repository) -> None:
    """A flipped bit in the store is an error to whatever tool reads that part."""
    expected = {name: fsspec.filesystem("lin").cat_file(name) for name in ("flights", "flights.parquet")}
    for pack in Path(filled.url, "objects").rglob("*"):
        if pack.is_file():
            data = bytearray(pack.read_bytes())
            data[len(data) // 2] ^= 1
            pack.chmod(0o644)
            pack.write_bytes(data)
    LinFileSystem.clear_instance_cache()
    files = fsspec.filesystem("lin")
    damaged = 0
    for path, data in expected.items():
        try:
            assert files.cat_file(path) == data
        except CorruptBlobError:
            damaged += 1
    assert damaged


def test_a_forked_process_reads(files: Any) -> None:
    """A child that was forked after its parent had read reads by itself, from a bucket's place or a folder's."""
    files.cat("flights@v1")
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if files.cat("flights@v1") == Path("flights.csv").read_bytes() else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.service
def test_from_a_bucket(s3_service, frame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a real S3 server a column is read by ranges, many under way at once, and no file is read as a whole."""
    url = f"{s3_service.url}/lin-urls"
    with Repository.init(url) as repository:
        wide = frame.assign(noise=[os.urandom(400) for _ in range(ROWS)])
        wide.to_parquet("wide.parquet", row_group_size=25_000, compression=None)
        repository.put("wide.parquet")
    size = Path("wide.parquet").stat().st_size
    asked: list[int] = []
    real = BucketPlace.read_range

    def counting(self: BucketPlace, name: str, start: int, length: int) -> bytes:
        asked.append(length)
        return real(self, name, start, length)

    monkeypatch.setattr(BucketPlace, "read_range", counting)
    options = {"repo": url}
    assert (
        pd.read_parquet("lin://wide.parquet@v1", columns=["a"], storage_options=options)["a"].sum() == frame["a"].sum()
    )
    assert 0 < sum(asked) < size // 4
    LinFileSystem.clear_instance_cache()


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "write_something",
    [
        lambda files: pd.DataFrame({"a": [1]}).to_csv("lin://new.csv"),
        lambda files: pd.DataFrame({"a": [1]}).to_parquet("lin://flights/new.parquet"),
        lambda files: files.open("flights", "wb"),
        lambda files: files.open("flights", "ab"),
        lambda files: files.open("new", "xb"),
        lambda files: files.rm("flights@v1"),
        lambda files: files.mv("flights", "other"),
        lambda files: files.cp_file("flights", "other"),
        lambda files: files.pipe("new", b"1"),
        lambda files: files.pipe_file("new", b"1"),
        lambda files: files.touch("new"),
        lambda files: files.mkdir("new"),
        lambda files: files.makedirs("new"),
        lambda files: files.put("flights.csv", "lin://new"),
        lambda files: files.write_text("new", "1"),
    ],
    ids=range(15),
)
def test_a_write_is_refused(write_something: Callable[[Any], object], files: Any, filled: Repository) -> None:
    """Whatever would write is refused as on a read-only file system, says how it is done, and changes nothing."""
    before = files.find("")
    with pytest.raises(OSError, match="lin put") as caught:
        write_something(files)
    assert caught.value.errno == errno.EROFS
    assert files.find("") == before


def test_what_is_not_there(files: Any, filled: Repository) -> None:
    """Absent names, versions, paths and repositories are `FileNotFoundError`, as tools expect, with lin's own hint."""
    for path in ("fligths", "flights@v9", "flights/x", "parts/2024/p9.csv", "b3:" + "0" * 64, "a*b"):
        with pytest.raises(FileNotFoundError, match="lin://"):
            files.open(f"lin://{path}")
        assert not files.exists(path)
    with pytest.raises(FileNotFoundError, match="Did you mean: flights"):
        files.info("fligths")
    with pytest.raises(IsADirectoryError):
        files.open("parts@v1/2024")
    with pytest.raises(FileNotFoundError, match="no repository"):
        fsspec.filesystem("lin", repo="/nowhere").info("x")
