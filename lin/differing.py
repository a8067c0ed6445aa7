"""Compare two runs, or two models by the runs that made them: code, data, parameters, environment and metrics."""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from lin.errors import InvalidInputError, NotFoundError
from lin.lineage.events import Scalar
from lin.lineage.graph import Graph
from lin.lineage.words import Role, Shape
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.tree import Mode, TreeEntry
from lin.store.walk import read_tree

from . import answers, reading
from .reading import Found
from .records import Artifact, Record, Run, Used

LONGEST = 256 * 1024
"""Bytes: a longer file is not compared line by line."""
MOST_LINES = 5_000
"""Lines, likewise: comparing takes time that grows with their square."""
MOST_TEXT = 4 * 1024 * 1024
"""Characters of line by line comparisons in one answer."""
MOST_FILES = 100_000
"""Files and folders in one answer: equal folders can lie in a tree any number of times."""

_SURROUNDINGS = frozenset({Role.CODE, Role.ENVIRONMENT})


@dataclass(frozen=True, slots=True)
class ValueChange(Record):
    """A value that differs; None where one side has none of that name."""

    name: str
    old: Scalar | None
    new: Scalar | None


@dataclass(frozen=True, slots=True)
class UseChange(Record):
    """An artifact that one side used and the other did not, or not with the same bytes.

    Attributes:
        role: What for.
        name: The artifacts' name.
        old: What the first side used.
        new: What the second side used.
    """

    role: Role
    name: str
    old: Artifact | None
    new: Artifact | None


@dataclass(frozen=True, slots=True)
class FileChange(Record):
    """A file that differs.

    Attributes:
        path: Relative to the code or folder.
        change: `added`, `removed` or `changed`.
        old: Its bytes on the first side.
        new: Its bytes on the second side.
        patch: A unified diff, where it was asked for and both sides are text of moderate length.
    """

    path: str
    change: str
    old: Digest | None
    new: Digest | None
    patch: str | None = None


@dataclass(frozen=True, slots=True)
class Diff(Record):
    """How two runs or artifacts differ; what is equal is left out.

    Attributes:
        old: What was named first.
        new: What was named second.
        old_run: The first, or the run that generated it; None where lin knows of none.
        new_run: Likewise of the second.
        code: Files of the code that the runs used.
        data: Everything else that the runs used, but for their environment.
        parameters: Of the runs.
        environment: Packages by name, and `python.version`, `platform.system` and so on.
        metrics: Of the runs; of two models also those of their evaluations, as `auc on test.csv@v1`.
        content: Files of the two artifacts themselves, where two artifacts were named.
        missing: What could not be compared as its bytes are not here, in words.
    """

    old: Artifact | Run
    new: Artifact | Run
    old_run: Run | None
    new_run: Run | None
    code: tuple[FileChange, ...] = ()
    data: tuple[UseChange, ...] = ()
    parameters: tuple[ValueChange, ...] = ()
    environment: tuple[ValueChange, ...] = ()
    metrics: tuple[ValueChange, ...] = ()
    content: tuple[FileChange, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs, and nothing was missing."""
        return not (
            self.code
            or self.data
            or self.parameters
            or self.environment
            or self.metrics
            or self.content
            or self.missing
        )

    def to_json(self) -> dict[str, Any]:
        """Return every part, with `same`."""
        # `super()` without arguments finds no class in a dataclass with slots.
        return {**Record.to_json(self), "same": self.same}


def diff(graph: Graph, store: BlobStore, old: Found, new: Found, *, patches: bool = False) -> Diff:
    """Compare two runs or artifacts.

    Args:
        graph: Where they are known.
        store: Where their content lies.
        old: The first.
        new: The second.
        patches: Also compare text files line by line.

    Raises:
        InvalidInputError: One of them is neither a run nor an artifact.
    """
    one, other = _comparable(old), _comparable(new)
    runs = [_run_of(graph, one), _run_of(graph, other)]
    used = reading.used(graph, {run.id.value for run in runs if run})
    uses = [used.get(run.id.value, ()) if run else () for run in runs]
    files = _Files(store, patches)
    facts = [run.metrics if run else {} for run in runs]
    if isinstance(one, Artifact) and isinstance(other, Artifact):
        facts = [{**fact, **_evaluated(graph, item)} for fact, item in zip(facts, (one, other), strict=True)]
        content = tuple(files.between([one], [other]))
    else:
        content = ()
    return Diff(
        old=one,
        new=other,
        old_run=runs[0],
        new_run=runs[1],
        code=tuple(files.between(*([use.artifact for use in some if use.role is Role.CODE] for some in uses))),
        data=tuple(_uses(*uses)),
        parameters=_values(*(run.parameters if run else {} for run in runs)),
        environment=_values(*(files.environment(some) for some in uses)),
        metrics=_values(*facts),
        content=content,
        missing=tuple(dict.fromkeys(files.missing)),
    )


def _comparable(found: Found) -> Artifact | Run:
    if not isinstance(found, (Artifact, Run)):
        word = type(found).__name__.lower()
        raise InvalidInputError(
            f"{found.label} is {'an' if word[0] in 'aeiou' else 'a'} {word}, which cannot be compared",
            hint="Name two runs, or two artifacts, such as models.",
        )
    return found


def _run_of(graph: Graph, found: Artifact | Run) -> Run | None:
    if isinstance(found, Run):
        return found
    if found.run is None:
        return None
    run = reading.records(graph, graph.get([found.run.value]).values()).get(found.run.value)
    return run if isinstance(run, Run) else None


def _evaluated(graph: Graph, model: Artifact) -> Mapping[str, Scalar]:
    found = answers.evaluations(graph, models=[model.id.value], datasets=(), experiment=None)
    return {f"{name} on {e.dataset.label}": value for e in found for name, value in e.metrics.items()}


def _values(old: Mapping[str, Scalar], new: Mapping[str, Scalar]) -> tuple[ValueChange, ...]:
    return tuple(
        ValueChange(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if (name in old, old.get(name)) != (name in new, new.get(name))
        or isinstance(old.get(name), bool) != isinstance(new.get(name), bool)  # True equals 1
    )


def _uses(old: Sequence[Used], new: Sequence[Used]) -> Iterator[UseChange]:
    sides: tuple[dict[tuple[Role, str], dict[Digest, Artifact]], ...] = (defaultdict(dict), defaultdict(dict))
    for side, some in zip(sides, (old, new), strict=True):
        for use in some:
            if use.role not in _SURROUNDINGS:
                side[use.role, use.artifact.name].setdefault(use.artifact.digest, use.artifact)
    order = list(Role)
    for role, name in sorted({*sides[0], *sides[1]}, key=lambda key: (order.index(key[0]), key[1])):
        one, other = (side.get((role, name), {}) for side in sides)
        gone = [artifact for digest, artifact in one.items() if digest not in other]
        come = [artifact for digest, artifact in other.items() if digest not in one]
        for before, after in zip_longest(gone, come):
            yield UseChange(role, name, before, after)


class _Files:
    """Compare content, and remember what was not there to be compared."""

    def __init__(self, store: BlobStore, patches: bool) -> None:
        self._store = store
        self._room = MOST_TEXT if patches else 0
        self._visits = MOST_FILES
        self.missing: list[str] = []

    def between(self, old: Sequence[Artifact], new: Sequence[Artifact]) -> Iterator[FileChange]:
        """Yield the files that differ between two sides' artifacts, which are paired by name, or where each has one."""
        if len(old) == len(new) == 1:
            folders = old[0].shape is new[0].shape is Shape.TREE
            pairs: list[tuple[str, Artifact | None, Artifact | None]] = [
                ("" if folders else new[0].name, old[0], new[0])
            ]
        else:
            one, other = ({artifact.name: artifact for artifact in side} for side in (old, new))
            pairs = [(name, one.get(name), other.get(name)) for name in sorted({*one, *other})]
        for name, before, after in pairs:
            if before is None or after is None or before.digest != after.digest:
                yield from self._changes(name, _entry(before), _entry(after))

    def environment(self, uses: Sequence[Used]) -> Mapping[str, Scalar]:
        """Return the facts of the environments used, flat."""
        facts: dict[str, Scalar] = {}
        for use in uses:
            if use.role is Role.ENVIRONMENT and use.artifact.shape is Shape.BLOB:
                try:
                    document = json.loads(self._store.read(use.artifact.digest))
                except NotFoundError:
                    self.missing.append(f"the environment {use.artifact.label}")
                except (ValueError, RecursionError):
                    self.missing.append(f"the environment {use.artifact.label}, which is not what lin writes")
                else:
                    facts.update(_flat(document))
        return facts

    def _changes(self, path: str, old: TreeEntry | None, new: TreeEntry | None) -> Iterator[FileChange]:
        """Yield what differs below a path; folders with equal digests are not looked into."""
        waiting = [(path, old, new)]
        while waiting:
            if not self._visits:
                self.missing.append(f"what lies beyond the first {MOST_FILES:,} files and folders that differ")
                return
            self._visits -= 1
            path, old, new = waiting.pop()
            if _is_folder(old) or _is_folder(new):
                one, other = self._inside(path, old), self._inside(path, new)
                if not _is_folder(old) and old is not None:
                    yield self._change(path, old, None)
                if not _is_folder(new) and new is not None:
                    yield self._change(path, None, new)
                waiting += (
                    (f"{path}/{name}" if path else name, one.get(name), other.get(name))
                    for name in sorted({*one, *other}, reverse=True)
                    if (a := one.get(name)) is None
                    or (b := other.get(name)) is None
                    or (a.digest, a.mode) != (b.digest, b.mode)
                )
            else:
                yield self._change(path, old, new)

    def _inside(self, path: str, folder: TreeEntry | None) -> Mapping[str, TreeEntry]:
        if folder is None or not _is_folder(folder):
            return {}
        try:
            return {entry.name: entry for entry in read_tree(self._store, folder.digest)}
        except NotFoundError:
            self.missing.append(f"the folder {path or '.'} with the content {folder.digest}")
            return {}

    def _change(self, path: str, old: TreeEntry | None, new: TreeEntry | None) -> FileChange:
        change = "added" if old is None else "removed" if new is None else "changed"
        patch = self._patch(path, old, new) if self._room > 0 else None
        if patch is not None:
            self._room -= len(patch)
        return FileChange(path, change, old.digest if old else None, new.digest if new else None, patch)

    def _patch(self, path: str, old: TreeEntry | None, new: TreeEntry | None) -> str | None:
        sides = [self._lines(path, entry) for entry in (old, new)]
        if sides[0] is None or sides[1] is None:
            return None
        lines = difflib.unified_diff(
            sides[0], sides[1], f"a/{path}" if old else "/dev/null", f"b/{path}" if new else "/dev/null"
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def _lines(self, path: str, entry: TreeEntry | None) -> Sequence[str] | None:
        """Return a text's lines; None for what is no text, too long, or not here."""
        if entry is None:
            return ()
        if entry.size > LONGEST:
            return None
        try:
            text = self._store.read(entry.digest).decode()
        except NotFoundError:
            self.missing.append(f"the file {path} with the content {entry.digest}")
            return None
        except UnicodeDecodeError:
            return None
        # Lines end at line feeds alone: `splitlines` ends them at form feeds and the like, too.
        parts = text.split("\n")
        if "\0" in text or len(parts) > MOST_LINES:
            return None
        return [*(f"{part}\n" for part in parts[:-1]), *([parts[-1]] if parts[-1] else [])]


def _entry(artifact: Artifact | None) -> TreeEntry | None:
    if artifact is None:
        return None
    mode = Mode.FOLDER if artifact.shape is Shape.TREE else Mode.FILE
    return TreeEntry("", mode, artifact.digest, artifact.size)


def _is_folder(entry: TreeEntry | None) -> bool:
    return entry is not None and entry.mode == Mode.FOLDER


def _flat(document: Any) -> Iterable[tuple[str, Scalar]]:
    """Yield `python.version` and such; packages by their bare names, as people know them."""
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        if isinstance(value, dict):
            prefix = "" if name == "packages" else f"{name}."
            yield from ((f"{prefix}{key}", item) for key, item in value.items() if isinstance(item, (str, int, float)))
        elif isinstance(value, (str, int, float)):
            yield name, value
