"""What is compared: a ref or a file on disk, opened as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lin.errors import InvalidInputError, NotATableError, NotFoundError
from lin.given import given_path
from lin.identifying import Identifying, TableRecord
from lin.lineage import canonical
from lin.lineage.events import Scalar
from lin.lineage.table_id import TableId
from lin.lineage.tables.identity import TextMode
from lin.records import Artifact, Content
from lin.store.digest import Digest
from lin.tabular.options import Options
from lin.tabular.source import Source, source_of

from .records import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from lin.tabular.table import Table

PART = "#"
"""Stands between a ref or path and one of the tables in it: `report.xlsx#Sheet2`."""
_TEXT = "text ("


@dataclass(frozen=True, slots=True)
class Column:
    """A column, as the table's schema and summary tell of it.

    Attributes:
        name: Its name.
        type: Its type as it was read; `text (…)` in a text file.
        digest: Of its cells in the order of the rows, in hex.
        kinds: What its cells are, but for nulls.
        summary: All that is told of it.
    """

    name: str
    type: str
    digest: str
    kinds: tuple[str, ...]
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mode(self) -> TextMode | None:
        """How a text file's column is to be read; None where the file itself has types."""
        return TextMode(self.type[len(_TEXT) : -1]) if self.type.startswith(_TEXT) else None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a table without its rows."""

    set: TableId
    seq: TableId
    rows: int
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, ids: tuple[TableId, TableId], rows: int, summary: Sequence[Mapping[str, Any]]) -> Self:
        """Put the parts together; `summary` is the list of columns in a summary blob."""
        columns = (
            Column(each["name"], each["type"], each["digest"], tuple(each["kinds"]), each)  # one line a column
            for each in summary
        )
        return cls(*ids, rows, tuple(columns))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the file."""
        return tuple(column.name for column in self.columns)

    @property
    def texts(self) -> Mapping[str, TextMode]:
        """How the columns of a text file are to be read."""
        return {column.name: column.mode for column in self.columns if column.mode is not None}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the tables of a question, which nothing has been read of yet.

    Attributes:
        label: What was asked for.
        digest: Of the content.
        open: Return the content, to be read.
        options: How to read it.
        artifact: What it is in the repository, if it is there.
        record: What the log says of it, if it does.
    """

    label: str
    digest: Digest
    open: Callable[[], Source] = field(repr=False)
    options: Options = field(default_factory=Options)
    artifact: Artifact | None = None
    record: TableRecord | None = None

    @property
    def reading(self) -> str:
        """32 hex digits that name this way of reading this content, for what is kept of it in the cache."""
        chosen: dict[str, Scalar] = dict(self.options.scalars())
        said = {"content": str(self.digest), "part": self.options.part, "options": chosen}
        return sha256(canonical.dumps({k: v for k, v in said.items() if v is not None})).hexdigest()[:32]

    def table(self) -> Table:
        """Open the table; raises `NotATableError` where there is none, or several."""
        from lin.tabular.reading import open_table  # noqa: PLC0415 - Arrow takes 200 ms to import

        return open_table(self.open(), self.options)

    def shape(self, facts: Facts) -> Shape:
        """Tell what it is."""
        return Shape(
            label=self.label,
            digest=self.digest,
            set=facts.set,
            seq=facts.seq,
            rows=facts.rows,
            columns=facts.names,
            artifact=self.artifact,
            part=self.options.part,
        )


def open_side(repository: Identifying, ref: str | Path, options: Options | None = None, *, files: bool = True) -> Side:
    """Find what a ref or path means; a ref wins.

    Args:
        repository: Where refs are looked up.
        ref: A ref, or a file or folder on disk that need not have been put. `#` and a name may follow, to choose one of
            several tables.
        options: How it is read; by default as the log says that it was, else as its bytes suggest.
        files: Whether files on disk may be meant.

    Raises:
        NotFoundError: It is neither.
        InvalidInputError: It is a run, or there are several tables and none was chosen.
    """
    chosen = options or Options()
    if isinstance(ref, str) and PART in ref and chosen.part is None and not (files and Path(ref).exists()):
        whole, _, part = ref.rpartition(PART)
        return open_side(repository, whole, _with_part(chosen, part), files=files)
    path = given_path(ref, "a table")
    if isinstance(ref, str):
        try:
            found = repository.resolve(ref)
        except (NotFoundError, InvalidInputError):
            if not files or not path.exists():
                raise
        else:
            return _of_ref(repository, ref, found, chosen, given=options is not None)
    digest = repository.digest_of(path)
    records = [each for each in repository.tables_of(digest) if _is_read_so(each, chosen)]
    record = records[0] if len(records) == 1 else None
    return Side(str(ref), digest, partial(source_of, path), chosen, None, record)


def _of_ref(repository: Identifying, ref: str, found: object, options: Options, *, given: bool) -> Side:
    if isinstance(found, Content):
        artifact = found.artifacts[-1] if found.artifacts else None
    elif isinstance(found, Artifact):
        artifact = found
    else:
        raise InvalidInputError(f"{ref!r} is no dataset, so it has no rows", hint="`lin ls` lists datasets.")
    if artifact is None:
        raise NotFoundError(f"no artifact has the content {ref}")
    return side_of(repository, artifact, options, label=ref, given=given)


def side_of(
    repository: Identifying, artifact: Artifact, options: Options | None = None, *, label: str = "", given: bool = False
) -> Side:
    """Take an artifact for a side of a question; errors as `open_side`."""
    chosen = options or Options()
    known = [each for each in repository.tables_of(artifact.digest) if chosen.part in {None, each.part}]
    if given and chosen.scalars():
        known = [each for each in known if _is_read_so(each, chosen)]
    parts = sorted({each.part for each in known}, key=str)
    if len(parts) > 1:
        names = ", ".join(f"{artifact.label}{PART}{part}" for part in parts[:8])
        raise InvalidInputError(f"{artifact.label} holds {len(parts)} tables", hint=f"Name one: {names}")
    # Who said how to read it knew better than the bytes.
    record = max(known, key=lambda each: (len(each.options), str(each.event)), default=None)
    if record is not None:
        chosen = Options.of(record.options, record.part)
    source = partial(repository.source_of, artifact.digest, artifact.shape, artifact.name)
    return Side(label or artifact.label, artifact.digest, source, chosen, artifact, record)


def sides_of(repository: Identifying, artifact: Artifact) -> Sequence[Side]:
    """Return each table that the log says an artifact holds, as a side of a question."""
    source = partial(repository.source_of, artifact.digest, artifact.shape, artifact.name)
    return [
        Side(artifact.label, artifact.digest, source, Options.of(each.options, each.part), artifact, each)
        for each in repository.tables_of(artifact.digest)
    ]


def facts_of(repository: Identifying, side: Side) -> Facts | None:
    """Return what the log says of a side's table; None where it says nothing, or the summary is not here."""
    record = side.record
    if record is None or record.summary is None or not repository.store.has(record.summary):
        return None
    columns = json.loads(repository.store.read(record.summary))["columns"]
    return Facts.of((record.set, record.seq), record.rows, columns)


def unread(side: Side, error: NotATableError) -> Shape:
    """Tell of what is no table."""
    return Shape(label=side.label, digest=side.digest, artifact=side.artifact, reason=error.message)


def _is_read_so(record: TableRecord, options: Options) -> bool:
    return dict(record.options) == options.scalars() and options.part in {None, record.part}


def _with_part(options: Options, part: str) -> Options:
    return Options.of(options.scalars(), part)
