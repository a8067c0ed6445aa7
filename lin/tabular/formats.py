"""Tell what a file is: by its bytes first; its name's ending only where bytes leave it open."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass

from lin.errors import NotATableError

from .source import FileSource
from .streams import MAGIC, mark_of, packing, unpacked

HEAD = 4096

MAGICS = (
    (0, b"PAR1", "parquet"),
    (0, b"PARE", "encrypted Parquet"),
    (0, b"ARROW1", "arrow"),
    (0, b"FEA1", "arrow"),
    (0, b"\xff\xff\xff\xff", "arrow"),
    (0, b"ORC", "orc"),
    (0, b"SQLite format 3\0", "sqlite"),
    (8, b"DUCK", "duckdb"),
    (0, b"\x93NUMPY", "npy"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel"),
    (0, b"\x89HDF", "HDF5"),
    (0, b"\x89PNG", "an image"),
    (0, b"\xff\xd8\xff", "an image"),
    (0, b"GIF8", "an image"),
    (0, b"%PDF", "PDF"),
    (0, b"\x7fELF", "a program"),
    (0, b"\x80\x02", "a pickle"),
    (0, b"\x80\x03", "a pickle"),
    (0, b"\x80\x04", "a pickle"),
    (0, b"\x80\x05", "a pickle"),
)
"""Where in a file which bytes mean what; the formats that no reader has are told by name."""

READ = frozenset({"parquet", "arrow", "orc", "sqlite", "duckdb", "npy", "npz", "excel", "csv", "jsonl"})

DELIMITED = frozenset({"csv", "tsv", "tab", "psv"})
"""Endings that say that a text is a table even if it has one column."""

ENDINGS = {
    **dict.fromkeys(DELIMITED, "csv"),
    "parquet": "parquet",
    "pq": "parquet",
    "arrow": "arrow",
    "arrows": "arrow",
    "ipc": "arrow",
    "feather": "arrow",
    "orc": "orc",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "xlsx": "excel",
    "xlsm": "excel",
    "xlsb": "excel",
    "xls": "excel",
    "ods": "excel",
    "npy": "npy",
    "npz": "npz",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
    "db": "sqlite",
    "duckdb": "duckdb",
}
"""What files are called that hold tables: which files of a folder are looked at."""

PROSE = frozenset(
    [
        *("c", "cc", "cpp", "css", "go", "h", "hpp", "htm", "html", "java", "js", "md", "py", "pyi", "r", "rb", "rs"),
        *("rst", "sh", "sql", "svg", "tex", "ts", "xml"),
        *("bib", "cfg", "conf", "ini", "ipynb", "lock", "log", "make", "toml", "yaml", "yml"),
    ]
)
"""Endings of texts that are not tables, whatever their commas look like."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is.

    Attributes:
        format: The name of a format, in `READ` where lin reads it.
        named: Whether its name says so too.
    """

    format: str
    named: bool


def ending(name: str) -> str:
    """Return a name's ending in lower case, past those of packed files: `csv` of `Data.CSV.gz`."""
    parts = name.lower().split(".")[1:]
    packed = {*MAGIC.values(), "gzip", "zstd", "zip"}
    while len(parts) > 1 and parts[-1] in packed:
        parts.pop()
    return parts[-1] if parts else ""


def kind_of(source: FileSource) -> Kind:
    """Tell what a file is.

    Raises:
        NotATableError: It is empty, or holds what no table is in.
    """
    if source.size == 0:
        raise NotATableError(f"{source.name} is empty")
    suffix = ending(source.name)
    with source.open() as file:
        head = file.read(HEAD)
    found = _by_magic(head)
    if found is None and head.startswith(b"PK\x03\x04"):
        found = _zip(source)
    if found is None and packing(head) is None:
        return _text(source.name, head, suffix)
    if found is None:
        with unpacked(source) as stream:
            head = stream.read(HEAD)
        inside = _by_magic(head)
        if inside is not None:
            raise NotATableError(
                f"{source.name} is packed, and holds {inside}", hint="Unpack it and put what comes out."
            )
        return _text(source.name, head, suffix)
    if found not in READ:
        raise NotATableError(f"{source.name} is {found}, which lin does not read as a table")
    return Kind(found, ENDINGS.get(suffix) == found)


def _by_magic(head: bytes) -> str | None:
    return next((name for at, magic, name in MAGICS if head[at : at + len(magic)] == magic), None)


def _zip(source: FileSource) -> str | None:
    """Tell what a zip is; None for one file in it, which is then looked at."""
    try:
        with source.open() as file, zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise NotATableError(f"{source.name} begins as a zip and is none: {error}") from error
    if any(name.startswith("xl/") for name in names) or ("mimetype" in names and "content.xml" in names):
        return "excel"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    return None if len(names) == 1 else f"a zip of {len(names)} files"


def _text(name: str, head: bytes, suffix: str) -> Kind:
    if suffix in PROSE:
        raise NotATableError(
            f"{name}: a .{suffix} file is not read as a table", hint="If it is one, say so: --format csv"
        )
    encoding, mark = mark_of(head)
    text = head[mark:].decode(encoding, errors="ignore").lstrip()
    if suffix not in DELIMITED:
        line = text.partition("\n")[0].strip()
        if text.startswith("[") and text[1:].lstrip()[:1] in {"{", "]", ""}:
            return Kind("jsonl", named=suffix == "json")
        if line.startswith("{") and (line.endswith("}") or "\n" not in text) and line != "{":
            return Kind("jsonl", named=ENDINGS.get(suffix) == "jsonl")
        if suffix in {"json", "jsonl", "ndjson", "geojson"}:
            raise NotATableError(f"{name} is JSON, but neither lines of objects nor an array of them")
    return Kind("csv", named=suffix in DELIMITED)
