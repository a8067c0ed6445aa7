"""Folders: part files as one table, hive partitions, Hugging Face `datasets`.

The rules, in `docs/tables.md` for users:

- Files whose names end as those of tables are looked at, others not; nor is what begins with a dot or an underscore.
- Files whose paths differ only in numbers and in hexadecimal runs of eight digits and more are the parts of one table,
  in the order of their paths. Folders called `name=value` are a column `name`, of text, and no part of the path.
- Everything else is a table of its own, called by its path; a folder with one table has no name for it.
- `dataset_dict.json` and `state.json` say what is in a folder that Hugging Face's `save_to_disk` wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lin.errors import NotATableError

from .formats import ENDINGS, ending
from .options import Options
from .source import FileSource, FolderSource
from .table import Table

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 1_000
"""Tables that a folder can have."""
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_RUN = re.compile(r"[0-9a-f]{8,}(-[0-9a-f]{4,})*|[0-9]+")
_PARTITION = re.compile(r"([^=/]+)=([^/]*)")

OpenFile = Callable[[FileSource, Options], Sequence[Table]]


def read(source: FolderSource, options: Options, open_file: OpenFile) -> Sequence[Table]:
    """Open the tables of a folder.

    Args:
        source: The folder.
        options: What the user says; they hold for each file.
        open_file: Opens one file.

    Raises:
        NotATableError: There is none in it.
    """
    if "dataset_dict.json" in source.files:
        return _splits(source, options, open_file)
    if "state.json" in source.files and "dataset_info.json" in source.files:
        return [_saved(source, options, open_file)]
    groups = _groups(source)
    tables: list[Table] = []
    reasons: list[NotATableError] = []
    for label, paths in groups.items():
        if len(groups) > 1 and options.part is not None and not options.part.startswith(label):
            continue
        try:
            found = _group(source, paths, replace(options, part=None), open_file)
        except NotATableError as error:
            reasons.append(error)
            continue
        for table in found:
            names = [*([label] if len(groups) > 1 else []), *([table.part] if table.part is not None else [])]
            part = ": ".join(names) or None
            if options.part in {None, part}:
                tables.append(replace(table, part=part))
    if not tables:
        raise reasons[0] if reasons else NotATableError(f"there is no table {options.part!r} in {source.name}")
    return tables


def _groups(source: FolderSource) -> Mapping[str, Sequence[str]]:
    """Return the files of each table, by what it is called."""
    groups: dict[str, list[str]] = {}
    for path in source.files:
        if ENDINGS.get(ending(path.rpartition("/")[2])) and not _hidden(path):
            groups.setdefault(_RUN.sub("*", _unpartitioned(path)), []).append(path)
    if not groups:
        raise NotATableError(f"no file of the folder {source.name} is named as a table's")
    if len(groups) > MOST:
        raise NotATableError(f"the folder {source.name} has {len(groups)} tables, beyond {MOST}")
    return {paths[0] if len(paths) == 1 else pattern: paths for pattern, paths in groups.items()}


def _hidden(path: str) -> bool:
    return any(part[:1] in {".", "_"} for part in path.split("/"))


def _unpartitioned(path: str) -> str:
    return "/".join(part for part in path.split("/") if not _PARTITION.fullmatch(part))


def _group(source: FolderSource, paths: Sequence[str], options: Options, open_file: OpenFile) -> Sequence[Table]:
    """Open files as the parts of one table."""
    keys = [_partitions(path) for path in paths]
    if len(paths) == 1 and not keys[0]:
        return open_file(source.files[paths[0]], options)
    parts: list[Table] = []
    for path in paths:
        found = open_file(source.files[path], options)
        if len(found) != 1:
            raise NotATableError(f"{path} holds {len(found)} tables, so it is no part of one")
        parts.append(found[0])
    names = list(keys[0])
    if any(list(key) != names for key in keys):
        raise NotATableError(f"the parts of the folder {source.name} are not all partitioned alike")
    return [_together(source.name, parts, paths, keys, names)]


def _partitions(path: str) -> Mapping[str, str]:
    found = (_PARTITION.fullmatch(part) for part in path.split("/")[:-1])
    return {unquote(match[1]): unquote(match[2]) for match in found if match}


def _together(
    where: str, parts: Sequence[Table], paths: Sequence[str], keys: Sequence[Mapping[str, str]], names: Sequence[str]
) -> Table:
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if part.reader != first.reader:
            raise NotATableError(f"{path} is {part.reader}, and {paths[0]} is {first.reader}: no parts of one table")
        if set(part.schema.names) != set(first.schema.names):
            odd = min(set(part.schema.names) ^ set(first.schema.names))
            raise NotATableError(f"{path} and {paths[0]} are no parts of one table: one has no column {odd!r}")
    inside = [name for name in names if name not in first.schema.names]  # some writers keep the column as well
    ordered = [pa.schema([part.schema.field(name) for name in first.schema.names]) for part in parts]
    try:
        schema = pa.unify_schemas(ordered, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise NotATableError(f"the parts of {where} have columns of different types: {error}") from error
    whole = pa.schema([*schema, *((name, pa.string()) for name in inside)])
    texts = frozenset(inside).union(*(part.texts for part in parts))

    def batches() -> Iterator[pa.RecordBatch]:
        for path, part, key in zip(paths, parts, keys, strict=True):
            values = [None if key[name] == HIVE_NULL else key[name] for name in inside]
            for batch in part.batches():
                columns = [_cast(path, batch.column(field.name), field) for field in schema]
                columns += [pa.repeat(pa.scalar(value, pa.string()), batch.num_rows) for value in values]
                yield pa.RecordBatch.from_arrays(columns, schema=whole)

    return Table(first.reader, whole, batches, texts, options=first.options)


def _cast(path: str, array: pa.Array, field: pa.Field) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    if array.type == field.type:
        return array
    try:
        return array.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise NotATableError(f"column {field.name!r} of {path} is not as in the other parts: {error}") from error


def _splits(source: FolderSource, options: Options, open_file: OpenFile) -> Sequence[Table]:
    splits = _json(source, "dataset_dict.json").get("splits")
    if not isinstance(splits, list) or not all(isinstance(name, str) for name in splits):
        raise NotATableError(f"dataset_dict.json of {source.name} names no splits")
    wanted = [name for name in splits if options.part in {None, name}]
    if not wanted:
        raise NotATableError(
            f"there is no split {options.part!r} in {source.name}", hint=f"It has {', '.join(splits)}."
        )
    return [replace(_saved(source.below(name), options, open_file), part=name) for name in wanted]


def _saved(source: FolderSource, options: Options, open_file: OpenFile) -> Table:
    files = _json(source, "state.json").get("_data_files")
    if not isinstance(files, list) or not files:
        raise NotATableError(f"state.json of {source.name} names no files")
    names = [str(each.get("filename")) if isinstance(each, dict) else "" for each in files]
    missing = [name for name in names if name not in source.files]
    if missing:
        raise NotATableError(f"state.json of {source.name} names {missing[0]!r}, which is not there")
    parts = [open_file(source.files[name], replace(options, part=None))[0] for name in names]
    return parts[0] if len(parts) == 1 else _together(source.name, parts, names, [{}] * len(parts), [])


def _json(source: FolderSource, name: str) -> Mapping[str, Any]:
    file = source.files.get(name)
    if file is None or file.size > 1 << 24:
        raise NotATableError(f"{source.name} has no readable {name}")
    with file.open() as opened:
        try:
            found = json.loads(opened.read())
        except (ValueError, RecursionError) as error:
            raise NotATableError(f"{name} of {source.name} is no JSON: {error}") from error
    return found if isinstance(found, dict) else {}
