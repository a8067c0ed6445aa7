"""Where rows came from, and where they went: by their digests, whether anybody declared it or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lin import reading
from lin.errors import InvalidInputError, LinError
from lin.identifying import Identifying
from lin.lineage.graph import ARTIFACT_KINDS, PROVENANCE, Direction, EdgeKind, Node, NodeKind
from lin.lineage.tables.rowkeys import shared_rows
from lin.lineage.words import ArtifactKind
from lin.records import Artifact, Evaluation, Record

from .cached import TableCache
from .known import Known, all_tables, holders
from .leaking import Looked, columns_of, shared_numbers
from .overlapping import common
from .records import Shape
from .rowfile import Array
from .sides import Side, side_of, sides_of
from .sketches import SketchIndex, estimate
from .walking import downstream

_EVALUATED = frozenset({EdgeKind.EVALUATED})
_EVALUATED_ON = frozenset({EdgeKind.EVALUATED_ON})


@dataclass(frozen=True, slots=True)
class Origin(Record):
    """How many rows of a dataset came from one artifact.

    Attributes:
        artifact: The oldest that holds them; None for those that nothing before it holds.
        rows: How many.
        declared: Whether a run is known that made the dataset from it, directly or not.
    """

    artifact: Artifact | None
    rows: int
    declared: bool


@dataclass(frozen=True, slots=True)
class RowOrigin(Record):
    """Where one row came from.

    Attributes:
        row: Its number in the dataset, from 1.
        artifact: The oldest that holds it; None if nothing before it does.
        source_row: Its number there, from 1.
    """

    row: int
    artifact: Artifact | None
    source_row: int | None


@dataclass(frozen=True, slots=True)
class Blame(Record):
    """Where the rows of a dataset came from.

    Attributes:
        dataset: Which.
        origins: Most rows first.
        rows: The rows that were asked for.
        uncompared: Artifacts upstream whose rows could not be compared, and why.
    """

    dataset: Shape
    origins: tuple[Origin, ...]
    rows: tuple[RowOrigin, ...] = ()
    uncompared: tuple[tuple[Artifact, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Holder(Record):
    """An artifact that holds some rows.

    Attributes:
        artifact: Which.
        rows: How many of them.
        declared: Whether a run is known that made it from the dataset asked about, or it is that dataset.
    """

    artifact: Artifact
    rows: int
    declared: bool


@dataclass(frozen=True, slots=True)
class Contaminated(Record):
    """What holds some rows, and what stands on it.

    Attributes:
        rows: The rows asked about.
        holders: Every artifact that holds any of them, most first.
        models: Models that learned from any of these, oldest first; not those that learned from a part without them.
        evaluations: Of these models, or on any of the holders, oldest first.
    """

    rows: Shape
    holders: tuple[Holder, ...]
    models: tuple[Artifact, ...]
    evaluations: tuple[Evaluation, ...]

    @property
    def found(self) -> bool:
        """Whether there are any."""
        return bool(self.holders)


def blame(
    cache: TableCache,
    repository: Identifying,
    artifact: Artifact,
    *,
    rows: Sequence[int] = (),
    common_columns: bool = False,
    part: str | None = None,
) -> Blame:
    """Tell from which artifact each row of a dataset came: the oldest upstream, or earlier version, that holds it.

    Args:
        cache: What is known of tables.
        repository: Where.
        artifact: The dataset.
        rows: Numbers of rows, from 1, to tell where exactly they stood.
        common_columns: Where columns differ, compare rows by those that both tables have.
        part: Which of several tables of the dataset.

    Raises:
        NotATableError: It is no table.
        InvalidInputError: There is no row with such a number.
    """
    side = _known(repository, artifact, part)
    facts = cache.facts(side)
    for number in rows:
        if not 1 <= number <= facts.rows:
            raise InvalidInputError(f"there is no row {number}", hint=f"{artifact.label} has {facts.rows:,} rows.")
    graph = repository.graph
    upstream = graph.closure([artifact.id.value], Direction.UP, PROVENANCE, nodes=ARTIFACT_KINDS)
    declared = {node.id for node in upstream}
    earlier = [
        node for node in graph.find(kinds=ARTIFACT_KINDS, name=artifact.name) if _version(node) < artifact.version
    ]
    nodes = {node.id: node for node in (*upstream, *earlier) if node.id != artifact.id.value and reading.is_known(node)}
    candidates = sorted((reading.artifact(node) for node in nodes.values()), key=lambda each: (each.created, each.id))
    owner = np.full(facts.rows, -1, np.int64)
    uncompared: list[tuple[Artifact, str]] = []
    sources: list[tuple[Artifact, Side]] = []
    for each in candidates:
        for source in sides_of(repository, each):
            try:
                numbers = shared_numbers(cache, side, source, common_columns=common_columns)
            except LinError as error:
                uncompared.append((each, error.message))
                continue
            if numbers.ndim == 0:
                uncompared.append((each, "the columns differ"))
                continue
            fresh = numbers[owner[numbers] < 0]
            owner[fresh] = len(sources)
            sources.append((each, source))
    origins = [
        Origin(each, int((owner == at).sum()), each.id.value in declared)
        for at, (each, _) in enumerate(sources)
        if (owner == at).any()
    ]
    origins.sort(key=lambda origin: -origin.rows)
    if (owner < 0).any():
        origins.append(Origin(None, int((owner < 0).sum()), declared=False))
    told = tuple(_row(cache, side, sources, int(owner[number - 1]), number) for number in rows)
    return Blame(side.shape(facts), tuple(origins), told, tuple(uncompared))


def _version(node: Node) -> int:
    version: int = node.facets.get("artifact", {}).get("version", 0)
    return version


def _row(cache: TableCache, side: Side, sources: Sequence[tuple[Artifact, Side]], owner: int, number: int) -> RowOrigin:
    if owner < 0:
        return RowOrigin(number, None, None)
    artifact, source = sources[owner]
    ours, theirs = cache.facts(side).names, cache.facts(source).names
    columns = None if set(ours) == set(theirs) else [name for name in ours if name in set(theirs)]
    mine, other = cache.rows(side, columns), cache.rows(source, columns)
    place = int(np.flatnonzero(mine.numbers == number - 1)[0])
    (there,) = other.places(mine.heads[place : place + 1], mine.tails[place : place + 1])
    return RowOrigin(number, artifact, int(other.numbers[there]) + 1)


def contaminated(cache: TableCache, repository: Identifying, side: Side, *, limit: int | None = None) -> Contaminated:
    """Find every artifact that holds any row of a table, and the models and evaluations that stand on one.

    Args:
        cache: What is known of tables.
        repository: Where.
        side: The rows: a dataset, or a file that need not have been put.
        limit: At most so many models and evaluations each, the oldest.

    Raises:
        NotATableError: It is no table.
    """
    graph, facts = repository.graph, cache.facts(side)
    tables = {table.id: rows for table, rows in holding_any(cache, repository, side)}
    same = reading.artifacts_with(graph, [side.digest.value])[side.digest.value]
    made = graph.closure([each.id.value for each in same], Direction.DOWN, PROVENANCE, nodes=ARTIFACT_KINDS)
    declared = {node.id for node in made} | {each.id.value for each in same}
    found = {
        each.id: Holder(each, tables[table], each.id.value in declared)
        for table, some in holders(graph, tables).items()
        for each in some
    }
    names, looked = frozenset(facts.names), Looked()
    ways = downstream(
        graph, {key.value for key in found}, lambda each: names in columns_of(cache, repository, each, looked)
    )
    models = [each for each in ways if each.kind is ArtifactKind.MODEL]
    ends = {edge.target for edge in graph.edges([m.id.value for m in models], Direction.DOWN, _EVALUATED)}
    ends |= {edge.target for edge in graph.edges([key.value for key in found], Direction.DOWN, _EVALUATED_ON)}
    nodes = sorted(graph.get(ends).values(), key=lambda node: (node.created, node.id))
    evaluations = reading.evaluations(graph, [node for node in nodes if node.kind is NodeKind.EVALUATION][:limit])
    return Contaminated(
        rows=side.shape(facts),
        holders=tuple(sorted(found.values(), key=lambda each: (-each.rows, each.artifact.created))),
        models=tuple(models[:limit]),
        evaluations=tuple(evaluations),
    )


def holding_any(cache: TableCache, repository: Identifying, side: Side) -> Sequence[tuple[Known, int]]:
    """Return the known tables that hold any row of a table, with how many of its rows each holds."""
    facts = cache.facts(side)
    known = all_tables(repository.graph)
    index = SketchIndex(repository.cache / "tables")
    numbers = index.follow(known, repository.store.read)
    alike = index.bounds(facts.names)
    sketch, keys = cache.sketch(side), cache.keys(side)
    held = index.sketches([number for number in numbers if number in alike])
    artifacts = holders(repository.graph, [numbers[number].id for number in held])
    found = []
    for number, other in held.items():
        table = numbers[number]
        guess = estimate(sketch, other)
        if (guess.whole and not guess.both) or not artifacts[table.id]:
            continue
        rows = _confirmed(cache, repository, side, artifacts[table.id][0], table.id.value, keys)
        if rows:
            found.append((table, rows))
    return found


def _confirmed(  # noqa: PLR0917 - what is compared
    cache: TableCache, repository: Identifying, side: Side, holder: Artifact, table: bytes, keys: Array
) -> int:
    """Count the rows of a table that an artifact's table holds: by keys, and on full digests where there are any."""
    for other in sides_of(repository, holder):
        if other.record is None or other.record.set.value != table:
            continue
        if not shared_rows(keys, cache.keys(other)):
            return 0
        if other.record.set == cache.facts(side).set:
            return cache.facts(side).rows
        return common(cache.rows(side), cache.rows(other)).rows_old
    return 0


def _known(repository: Identifying, artifact: Artifact, part: str | None) -> Side:
    from lin.tabular.options import Options  # noqa: PLC0415

    side = side_of(repository, artifact, Options(part=part))
    if side.record is None:
        repository.identify(str(artifact.id))
        side = side_of(repository, artifact, Options(part=part))
    return side
