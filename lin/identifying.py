"""Know the tables in what is put: which table some content holds, as signed events, by itself.

Whatever records an artifact leaves a note in this machine's cache, and a process of its own works the notes off
after the caller has gone on: `python -m lin.tables_worker REPOSITORY`. So a put takes no longer, and nothing about a
table makes it fail. Notes outlive a worker that was killed; `lin tables identify` finds what has no note, such as
content of before.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from lin.errors import InvalidInputError, LinError, NotATableError, NotFoundError
from lin.lineage import canonical
from lin.lineage.apply import TABLE_FACET
from lin.lineage.events import ArtifactRecorded, EventId, Scalar, TableIdentified
from lin.lineage.graph import Graph
from lin.lineage.ledger import Draft
from lin.lineage.table_id import TableId
from lin.lineage.words import ArtifactKind, Shape
from lin.store.digest import Digest
from lin.store.folder import walk_tree
from lin.store.tree import Mode

from . import refs
from .contents import Contents
from .progress import Progress
from .records import Artifact, Content, PutResult

if TYPE_CHECKING:  # they, or what they import, take long
    from .tabular.options import Options
    from .tabular.source import Source
    from .tabular.table import Table

T = TypeVar("T")

KINDS = frozenset({ArtifactKind.DATASET, ArtifactKind.FILE, ArtifactKind.REPORT})
"""What may hold a table by its kind; models, code and environments are not looked at."""
READERS = 1
"""Counts up when readers learn something, so that what was no table is tried again."""
ATTEMPTS = 3
"""How often content is tried that ends its worker."""
SWITCH = "LIN_TABLES"
"""The environment variable that, set to `off`, leaves tables to `lin tables identify`."""


@dataclass(frozen=True, slots=True)
class TableRecord:
    """Which table some content holds, as an event says.

    Attributes:
        content: Of the file or tree.
        part: Which of several tables in it.
        reader: What read it.
        set: The table, whatever the order of its rows.
        seq: The table with its rows in this order.
        rows: How many.
        columns: How many.
        schema: The schema blob.
        options: How it was read, where that was chosen.
        summary: The summary blob.
        sketch: The sketch blob.
        keys: The row keys blob.
        event: The event that says so.
    """

    content: Digest
    part: str | None
    reader: str
    set: TableId
    seq: TableId
    rows: int
    columns: int
    schema: Digest
    options: Mapping[str, Scalar] = field(default_factory=dict)
    summary: Digest | None = None
    sketch: Digest | None = None
    keys: Digest | None = None
    event: EventId | None = None

    @classmethod
    def of(cls, content: Digest, facet: Mapping[str, Any]) -> Self:
        """Read a facet of a content's node."""

        def digest(name: str) -> Digest | None:
            return Digest.parse(facet[name]) if name in facet else None

        return cls(
            content=content,
            part=facet.get("part"),
            reader=facet["reader"],
            set=TableId.parse(facet["set"]),
            seq=TableId.parse(facet["seq"]),
            rows=facet["rows"],
            columns=facet["columns"],
            schema=Digest.parse(facet["schema"]),
            options=facet.get("options", {}),
            summary=digest("summary"),
            sketch=digest("sketch"),
            keys=digest("keys"),
            event=EventId.parse(facet["event"]) if "event" in facet else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "type": "table",
            "content": str(self.content),
            "part": self.part,
            "reader": self.reader,
            "set": str(self.set),
            "seq": str(self.seq),
            "rows": self.rows,
            "columns": self.columns,
            "options": dict(self.options),
            "event": str(self.event) if self.event else None,
        }


@dataclass(frozen=True, slots=True)
class Note:
    """That some content is to be looked at.

    Attributes:
        digest: Which content.
        shape: Whether it is a file or a folder.
        name: What it is called; its ending is a hint.
        options: How to read it, where that was chosen.
        part: Which of its tables, if only one was asked for.
        attempts: How often that was begun.
    """

    digest: Digest
    shape: Shape
    name: str
    options: Mapping[str, Scalar] = field(default_factory=dict)
    part: str | None = None
    attempts: int = 0

    def dumps(self) -> bytes:
        """Write it to a file."""
        document = {
            "digest": str(self.digest),
            "shape": str(self.shape),
            "name": self.name,
            "options": dict(self.options),
        }
        return canonical.dumps({**document, "part": self.part, "attempts": self.attempts})

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a file; raises `ValueError` or `KeyError` for what is none."""
        found = json.loads(data)
        return cls(
            digest=Digest.parse(found["digest"]),
            shape=Shape(found["shape"]),
            name=str(found["name"]),
            options=found["options"],
            part=found["part"],
            attempts=int(found["attempts"]),
        )

    @property
    def file(self) -> str:
        """What its file is called: one for each content and way of reading it."""
        chosen = canonical.dumps({"options": dict(self.options), "part": self.part})
        return f"{self.digest.hex}-{sha256(chosen).hexdigest()[:8]}.json"


@dataclass(frozen=True, slots=True)
class Unread:
    """Why content is kept as bytes only.

    Attributes:
        reason: One sentence.
        hint: What would help; may be empty.
    """

    reason: str
    hint: str = ""


class Identifying(Contents):
    """Tables of content: the notes, the work, and what is known."""

    notes_tables = True
    """Whether what is put is noted to be looked at; not where the caller looks at it at once."""
    _worker: int | None = None
    _noted = False

    def record(self, build: Callable[[Draft, Graph], T]) -> T:
        """Write statements to the log, and note what artifacts among them may hold; see `Ledger.record`."""
        drafts: list[Draft] = []

        def kept(draft: Draft, graph: Graph) -> T:
            drafts[:] = [draft]
            return build(draft, graph)

        result = super().record(kept)
        if self.notes_tables and os.environ.get(SWITCH) != "off":
            statements = [signed.event.statement for draft in drafts for signed in draft.signed]
            artifacts = [each for each in statements if isinstance(each, ArtifactRecorded) and each.kind in KINDS]
            self._note([Note(each.digest, each.shape, each.name) for each in artifacts])
        return result

    def close(self) -> None:
        """Release files and connections; what was noted is worked off by a process of its own."""
        if self._noted and any(self._waiting()):
            self._start()
        super().close()

    def put_table(
        self,
        table: Any,
        *,
        name: str | None = None,
        kind: ArtifactKind = ArtifactKind.DATASET,
        experiment: str | None = None,
        attributes: Mapping[str, Scalar] | None = None,
        progress: Progress | None = None,
    ) -> PutResult:
        """Store a table that is in memory, or that a reader hands out, as Parquet, and record it; see `put`.

        The index of a pandas frame is kept as columns unless it only counts the rows. Equal tables are the same table
        whatever the library; their bytes are the same only from the same version of pyarrow.

        Args:
            table: A frame or table of pandas, polars, pyarrow, or of what else speaks Arrow's protocols.
            name: The artifact's name, which has to be given.
            kind: What it is.
            experiment: The experiment it belongs to.
            attributes: Small facts about it.
            progress: Told of bytes.

        Raises:
            InvalidInputError: It is no table, Parquet cannot hold it, or there is no name.
        """
        from tempfile import TemporaryDirectory  # noqa: PLC0415 - start-up: few need it

        from .tabular import objects  # noqa: PLC0415 - only where there is a table

        if not objects.is_table(table):
            raise InvalidInputError(
                f"a {type(table).__name__} cannot be put", hint="Put a path, or a table of pandas, polars or Arrow."
            )
        if name is None:
            raise InvalidInputError("a table in Python has no name", hint='Give it one: lin.put(frame, name="flights")')
        refs.check_name(name)
        with TemporaryDirectory(prefix="lin-") as folder:
            path = Path(folder) / "table.parquet"
            objects.write(table, path)
            return self.put(path, name=name, kind=kind, experiment=experiment, attributes=attributes, progress=progress)

    # ------------------------------------------------------------------ what is known

    def tables_of(self, content: Digest) -> Sequence[TableRecord]:
        """Return what is known of the tables in some content, by part; nothing where nobody has looked yet."""
        node = self.graph.get([content.value]).get(content.value)
        facets = node.facets if node is not None else {}
        found = [TableRecord.of(content, facet) for name, facet in facets.items() if name.startswith(TABLE_FACET)]
        return sorted(found, key=lambda each: (each.part or "", each.reader, str(each.set)))

    def unread(self, content: Digest) -> Unread | None:
        """Return why some content is no table, if this machine has tried."""
        try:
            found = json.loads(self._refused(content).read_bytes())
        except (OSError, ValueError):
            return None
        return Unread(found["reason"], found["hint"]) if found.get("readers") == READERS else None

    def unidentified(self) -> Iterator[Artifact]:
        """Yield one artifact for each content that may hold a table and nobody has looked at, oldest first."""
        graph = self.graph
        seen: set[Digest] = set()
        cursor = None
        while True:
            page = self.artifacts(kinds=sorted(KINDS), after=cursor, limit=1000)
            fresh = [each for each in page.items if each.digest not in seen]
            seen.update(each.digest for each in fresh)
            nodes = graph.get([each.digest.value for each in fresh])
            for each in {each.digest: each for each in fresh}.values():
                node = nodes.get(each.digest.value)
                facets = node.facets if node is not None else {}
                known = any(name.startswith(TABLE_FACET) for name in facets) or "erased" in facets
                if not known and self.unread(each.digest) is None:
                    yield each
            cursor = page.next
            if cursor is None:
                return

    def summary_of(self, table: TableRecord) -> dict[str, Any]:
        """Return what is known of a table's columns; `docs/formats/table.md` says in which form.

        Raises:
            BlobNotFoundError: The summary is not in this store.
        """
        if table.summary is None:
            return {"columns": []}
        found: dict[str, Any] = json.loads(self.store.read(table.summary))
        return {"columns": found["columns"]}

    # ------------------------------------------------------------------ the work

    def source(self, ref: str) -> Source:
        """Return the content that a ref means, to be opened as tables; verified as it is read."""
        found = self.resolve(ref)
        if isinstance(found, Content):
            name = found.artifacts[-1].name if found.artifacts else found.digest.hex
            return self.source_of(found.digest, self._shape(found), name)
        artifact = refs.resolve_artifact(self.graph, ref)
        return self.source_of(artifact.digest, artifact.shape, artifact.name)

    def source_of(self, digest: Digest, shape: Shape, name: str) -> Source:
        """Return content of the store, to be opened as tables."""
        from .tabular.source import FileSource, FolderSource  # noqa: PLC0415 - only where a table is read

        if shape == Shape.BLOB:
            return FileSource(name, self.store.size(digest), partial(self.store.open, digest))
        files = {
            path: FileSource(path.rpartition("/")[2], entry.size, partial(self.store.open, entry.digest))
            for path, entry in walk_tree(self.store, digest)
            if entry.mode in {Mode.FILE, Mode.EXECUTABLE}
        }
        return FolderSource(name, dict(sorted(files.items())))

    def identify(
        self, ref: str, options: Options | None = None, *, tell: Callable[[TableRecord], object] | None = None
    ) -> Sequence[TableRecord]:
        """Look which tables an artifact holds, and record each; one that is recorded already is not again.

        Args:
            ref: An artifact, or content.
            options: How to read it; found out from the bytes where nothing is said.
            tell: Called with each table as soon as it is recorded.

        Raises:
            NotATableError: It holds none, or one of them cannot be read to its end; others are recorded all the same.
        """
        found = self.resolve(ref)
        if isinstance(found, Content):
            name = found.artifacts[-1].name if found.artifacts else found.digest.hex
            note = Note(found.digest, self._shape(found), name)
        else:
            artifact = refs.resolve_artifact(self.graph, ref)
            note = Note(artifact.digest, artifact.shape, artifact.name)
        if options is not None:
            note = Note(note.digest, note.shape, note.name, options.scalars(), options.part)
        return self._identify(note, tell)

    def note(self, artifact: Artifact, options: Options) -> None:
        """Leave an artifact to the worker, to be read in a way that the user chose."""
        self._note([Note(artifact.digest, artifact.shape, artifact.name, options.scalars(), options.part)])

    def work_off(self, *, tell: Callable[[Note, Sequence[TableRecord] | LinError], object] | None = None) -> int:
        """Work off all notes, if no other process is at it already; return how many there were.

        What cannot be read is remembered, and why. `tell` hears of each.
        """
        done = 0
        while True:
            with self._turn() as ours:
                if not ours:
                    return done
                for file in self._waiting():
                    done += 1
                    self._work(file, tell)
            # Whoever left a note in the meantime may have seen us at work, and started nobody.
            if not any(self._waiting()):
                return done

    def _work(self, file: Path, tell: Callable[[Note, Sequence[TableRecord] | LinError], object] | None) -> None:
        try:
            note = Note.parse(file.read_bytes())
        except (OSError, ValueError, KeyError, TypeError, LinError):
            file.unlink(missing_ok=True)  # half written, or a newer lin's: the catch-up finds its content
            return
        answer: Sequence[TableRecord] | LinError
        try:
            if note.attempts >= ATTEMPTS:
                raise NotATableError(f"reading {note.name} as a table ended the program {ATTEMPTS} times")
            tried = Note(note.digest, note.shape, note.name, note.options, note.part, note.attempts + 1)
            _replace(file, tried.dumps())
            answer = self._identify(note)
        except LinError as error:
            answer = error
            if not isinstance(error, NotFoundError):
                self._refuse(note.digest, Unread(error.message, error.hint))
        file.unlink(missing_ok=True)
        if tell is not None:
            tell(note, answer)

    def _identify(self, note: Note, tell: Callable[[TableRecord], object] | None = None) -> Sequence[TableRecord]:
        from .tabular.options import Options  # noqa: PLC0415 - only where a table is read
        from .tabular.reading import open_tables  # noqa: PLC0415

        known = [
            each
            for each in self.tables_of(note.digest)
            if dict(each.options) == dict(note.options) and note.part in {None, each.part}
        ]
        try:
            tables = open_tables(
                self.source_of(note.digest, note.shape, note.name), Options.of(note.options, part=note.part)
            )
        except NotATableError as error:
            if not note.options and note.part is None:
                self._refuse(note.digest, Unread(error.message, error.hint))
            raise
        answer, failure = [], None
        for table in tables:
            there = next((each for each in known if (each.part, each.reader) == (table.part, table.reader)), None)
            try:
                found = there or self._identify_table(note.digest, table)
            except NotATableError as error:
                failure = failure or error
                continue
            answer.append(found)
            if tell is not None:
                tell(found)
        if failure is not None:
            if not note.options and note.part is None and not answer:
                self._refuse(note.digest, Unread(failure.message, failure.hint))
            raise failure
        self._refused(note.digest).unlink(missing_ok=True)
        return answer

    def _identify_table(self, content: Digest, table: Table) -> TableRecord:
        from .tabular.identify import identified  # noqa: PLC0415 - only where a table is read

        with identified(table) as found, self.store.writer() as writer:
            statement = TableIdentified(
                content=content,
                set=TableId("set", found.identity.set),
                seq=TableId("seq", found.identity.seq),
                rows=found.identity.rows,
                columns=len(found.identity.columns),
                reader=table.reader,
                schema=writer.put_bytes(found.schema),
                part=table.part,
                options=dict(table.options),
                summary=writer.put_bytes(found.summary),
                sketch=writer.put_bytes(found.sketch),
                keys=writer.put_stream(found.keys)[0],
            )

        def build(draft: Draft, graph: Graph) -> TableRecord:
            node = graph.get([content.value]).get(content.value)
            for name, facet in (node.facets if node is not None else {}).items():
                if name.startswith(TABLE_FACET):
                    there = TableRecord.of(content, facet)
                    if (there.set, there.seq, there.part, there.reader) == (
                        statement.set,
                        statement.seq,
                        statement.part,
                        statement.reader,
                    ) and dict(there.options) == dict(statement.options):
                        return there
            event = draft.add(statement)
            return TableRecord(
                content=content,
                part=statement.part,
                reader=statement.reader,
                set=statement.set,
                seq=statement.seq,
                rows=statement.rows,
                columns=statement.columns,
                schema=statement.schema,
                options=statement.options,
                summary=statement.summary,
                sketch=statement.sketch,
                keys=statement.keys,
                event=event,
            )

        return self.record(build)

    # ------------------------------------------------------------------ notes and the worker

    @property
    def _notes(self) -> Path:
        return self._cache / "tables" / "waiting"

    def _refused(self, content: Digest) -> Path:
        return self._cache / "tables" / "unread" / f"{content.hex}.json"

    def _refuse(self, content: Digest, why: Unread) -> None:
        with suppress(OSError):  # it is tried again
            _replace(
                self._refused(content), canonical.dumps({"reason": why.reason, "hint": why.hint, "readers": READERS})
            )

    def _waiting(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            yield from sorted(file for file in self._notes.iterdir() if file.suffix == ".json")

    def _note(self, notes: Sequence[Note]) -> None:
        if not notes:
            return
        try:
            for note in notes:
                _replace(self._notes / note.file, note.dumps())
        except OSError:
            return  # the bytes are safe and the artifact is recorded; the catch-up finds it
        self._noted = True
        self._start()

    def _start(self) -> None:
        """Start a worker, unless the one that was started last still works."""
        if self._worker is not None:
            with suppress(ChildProcessError):
                if os.waitpid(self._worker, os.WNOHANG) == (0, 0):
                    return
            self._worker = None
        if sys.executable:
            self._worker = _detached([sys.executable, "-P", "-m", "lin.tables_worker", self.url])

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Be the one who works, if nobody is; the system ends a dead process's turn."""
        import fcntl  # noqa: PLC0415 - only workers

        folder = self._cache / "tables"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "turn").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


def _detached(command: list[str]) -> int | None:
    """Start a process that outlives this one and hears nothing of its terminal; None where that cannot be."""
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    try:
        return os.posix_spawn(command[0], command, os.environ, file_actions=null, setsid=True)
    except NotImplementedError:  # not every system can
        import subprocess  # noqa: PLC0415 - 11 ms

        return subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ).pid
    except OSError:
        return None
