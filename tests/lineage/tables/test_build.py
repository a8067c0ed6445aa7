"""The kernel is compiled, also without vectors, and lin works without it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

from lin.lineage.tables import digest_table, engine, kernel

ROOT = Path(__file__).parents[3]

PROGRAM = """
import json, sys, ctypes
from pathlib import Path
import pyarrow as pa
from lin.lineage.tables import digest_table, kernel
if sys.argv[1]:
    opened = ctypes.CDLL
    ctypes.CDLL = lambda path: opened(sys.argv[1])
rows = 2000
table = pa.table({
    "i": [i * 7919 % 1000 for i in range(rows)], "f": [i / 7 if i % 3 else None for i in range(rows)],
    "t": [("y" * (i % 1500)) if i % 5 else str(i) for i in range(rows)],
    "l": [[i] * (i % 4) for i in range(rows)],
})
found = digest_table(table)
columns = [c.digest.hex() for c in found.columns]
print(json.dumps([found.set.hex(), found.seq.hex(), columns, kernel.library().lt_lanes()]))
"""


def result(library: Path | None = None, **environment: str) -> list[Any]:
    """Digest a table in another process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(library or "")],
        env={**os.environ, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer: list[Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def hatch_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler")


@pytest.mark.parametrize("lanes", ["1", "4", "8"])
def test_narrower_vectors(lanes: str):
    """However many rows the processor digests side by side, the digests are the same."""
    usual, narrow = result(), result(LIN_KERNEL_LANES=lanes)
    assert narrow[:3] == usual[:3]
    assert narrow[3] <= int(lanes)


@needs_compiler
def test_kernel_is_of_this_source(hatch_build: ModuleType):
    """What the other tests try is the source that lies here."""
    assert hatch_build.is_fresh(), "compile it: python hatch_build.py"


@needs_compiler
def test_without_vectors(hatch_build: ModuleType, tmp_path: Path):
    """The kernel compiled as plain C says the same."""
    library = tmp_path / "portable.so"
    assert hatch_build.build(library, "-DLT_PORTABLE", "-O1") is None
    portable = result(library)
    assert portable[:3] == result()[:3]
    assert portable[3] == 1


@needs_compiler
def test_source_has_no_warnings(hatch_build: ModuleType, tmp_path: Path):
    """The kernel's source gives a compiler nothing to warn of."""
    assert hatch_build.build(tmp_path / "strict.so", "-O1", "-Wall", "-Wextra", "-Werror") is None


def test_no_compiler(hatch_build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Where there is no compiler, or it fails, the build says why and leaves nothing behind."""
    monkeypatch.setenv("CC", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no C compiler" in hatch_build.build(tmp_path / "x.so")
    monkeypatch.setenv("CC", str(tmp_path / "absent"))
    assert "absent" in hatch_build.build(tmp_path / "x.so")
    monkeypatch.setenv("CC", "/bin/false")
    assert "the compiler failed" in hatch_build.build(tmp_path / "x.so")
    assert not list(tmp_path.iterdir())


def test_without_kernel(monkeypatch: pytest.MonkeyPatch):
    """Where the kernel is missing, that is told once, and the answers are the same."""
    table = pa.table({"a": [1, 2, None], "b": ["x", "2020-01-01", ""]})
    usual = digest_table(table)
    engine.have_kernel.cache_clear()
    monkeypatch.setattr(kernel, "load_failure", lambda: "it is not there")
    try:
        with pytest.warns(UserWarning, match="slow Python.*not there"):
            assert digest_table(table) == usual
        assert digest_table(table) == usual
    finally:
        engine.have_kernel.cache_clear()


def test_library_of_another_version(monkeypatch: pytest.MonkeyPatch):
    """A library that an older lin compiled is not used."""
    monkeypatch.setattr(kernel, "ABI", -1)
    kernel.library.cache_clear()
    try:
        assert "another version" in str(kernel.load_failure())
    finally:
        kernel.library.cache_clear()


def test_imports():
    """Nothing of tables is imported before a table is there: neither pyarrow nor NumPy."""
    program = "import sys, lin.lineage.tables; print({'pyarrow', 'numpy', 'ctypes', 'blake3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"set()", "{'blake3'}"}
