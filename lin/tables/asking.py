"""The questions about tables, one method each."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lin import answers, reading, refs
from lin.asking import Asking
from lin.errors import AmbiguousRefError, InvalidInputError, LinError, NotFoundError
from lin.given import one_more
from lin.identifying import KINDS, Identifying, TableRecord
from lin.lineage import questions
from lin.lineage.events import EventId
from lin.lineage.graph import Cursor, Node
from lin.records import Artifact, Evaluation, Leak, Page, Uncompared, Way

from .match import By, Match

if TYPE_CHECKING:  # NumPy and Arrow take long to import
    from lin.tabular.options import Options

    from .cached import TableCache
    from .comparing import TableDiff
    from .descent import Blame, Contaminated
    from .records import Duplicates, Overlap, Sameness


class TableQuestions(Asking, Identifying):
    """What is the same, what is held twice, what leaked."""

    @property
    def known_tables(self) -> TableCache:
        """What this machine keeps of tables that were asked about."""
        from .cached import TableCache  # noqa: PLC0415 - takes NumPy

        return TableCache(self)

    def same(self, old: str | Path, new: str | Path, *, options: Options | None = None, files: bool = True) -> Sameness:
        """Say what two datasets have in common: the bytes, the table, the rows, the columns.

        Args:
            old: A ref, or a file or folder on disk that need not have been put; `#` and a name choose one of several
                tables in it.
            new: Likewise.
            options: How to read them.
            files: Whether files on disk may be meant.

        Raises:
            NotFoundError: One of them is neither.
        """
        from .sameness import same  # noqa: PLC0415 - takes NumPy
        from .sides import open_side  # noqa: PLC0415

        sides = [open_side(self, each, options, files=files) for each in (old, new)]
        return same(self.known_tables, *sides)

    def duplicates(
        self,
        ref: str | Path | None = None,
        *,
        at_least: float = 0.5,
        versions: bool = False,
        exact: bool = False,
        options: Options | None = None,
        files: bool = True,
    ) -> Duplicates:
        """Return what is held more than once: equal bytes, equal tables, and tables that share many rows.

        Args:
            ref: Only what is like this: a ref, or a file or folder on disk. Everything when None.
            at_least: Share of either table's different rows from which two are near, from 0 to 1.
            versions: Also what only versions of one name have in common, when everything is asked for.
            exact: Count shared rows, instead of believing estimates.
            options: How to read a file.
            files: Whether a file on disk may be meant.
        """
        from .duplicates import all_duplicates, duplicates_of  # noqa: PLC0415 - takes NumPy

        if ref is None:
            return all_duplicates(self, at_least=at_least, versions=versions, exact=exact)
        from .sides import open_side  # noqa: PLC0415

        side = open_side(self, ref, options, files=files)
        return duplicates_of(self.known_tables, self, side, at_least=at_least)

    def same_table(self, artifact: Artifact) -> Sequence[Artifact]:
        """Return the artifacts with other bytes that hold the same table, oldest first; of known tables only."""
        from .known import same_table  # noqa: PLC0415 - only who asks pays for it

        return same_table(self.graph, artifact.digest)

    def table_disputes(self, artifact: Artifact) -> tuple[Sequence[tuple[TableRecord, ...]], Mapping[EventId, str]]:
        """Return what is said of an artifact's tables and cannot all be true, and who said each, by event."""
        from .known import disputes, signers  # noqa: PLC0415 - only who asks pays for it

        found = disputes(self.graph, artifact.digest)
        return found, signers(self.graph, self.tables_of(artifact.digest))

    def overlap(
        self,
        old: str | Path,
        new: str | Path,
        *,
        columns: Sequence[str] | None = None,
        key: Sequence[str] | None = None,
        examples: int = 5,
        options: Options | None = None,
        files: bool = True,
    ) -> Overlap:
        """Count the rows that are in both of two tables; each is confirmed on its full digest.

        Args:
            old: A ref, or a file or folder on disk.
            new: Likewise.
            columns: Compare rows by these columns only.
            key: Likewise, and say how many rows with one key are equal in all columns that both tables have.
            examples: At most so many rows are shown.
            options: How to read them.
            files: Whether files on disk may be meant.

        Raises:
            NotATableError: One of them is no table.
            InvalidInputError: One of them lacks a column that is named.
        """
        from .overlapping import overlap  # noqa: PLC0415 - takes NumPy
        from .sides import open_side  # noqa: PLC0415

        sides = [open_side(self, each, options, files=files) for each in (old, new)]
        return overlap(self.known_tables, *sides, columns=columns, key=key, examples=examples)

    def leaks(
        self,
        model: str | None = None,
        *,
        experiment: str | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
        common_columns: bool = False,
        rows: bool = False,
        uncompared: list[Uncompared] | None = None,
    ) -> Page:
        """Return the evaluations of models on data that these models learned from, as a page of `Leak`.

        A model learned from everything that a run used as `train`, `input` or `base-model` on the way to it, directly
        or through derived data and other models. Equal bytes leak, whatever they were called, and so does every row of
        the dataset that is in a table which the model learned from, whatever file it was in.

        Args:
            model: A ref: only evaluations of this model.
            experiment: Only evaluations of the models of this experiment.
            after: Only what comes after this cursor.
            limit: At most so many.
            common_columns: Where two tables have different columns, compare their rows by those that both have.
            rows: Also tell which rows of the dataset leaked.
            uncompared: Takes what could not be compared row by row, and why.
        """
        graph = self.graph
        chosen: Collection[bytes] | None = None
        if model is not None:
            chosen = [refs.resolve_artifact(graph, model).id.value]
        if experiment is not None:
            members = questions.models_of(graph, self.experiment(experiment).id)
            chosen = members if chosen is None else [each for each in chosen if each in members]
        if not self.has_tables():
            return answers.leaks(graph, chosen, after=after, limit=limit)
        from .leaking import Looked, row_leaks  # noqa: PLC0415 - takes NumPy

        wished, looked = one_more(limit), Looked()
        by_bytes = questions.leaks(graph, chosen, after=after, limit=wished)
        known = answers.leak_records(graph, by_bytes)
        byte_leaks = ((each.evaluation, known[each.evaluation.id]) for each in by_bytes if each.evaluation.id in known)
        how: dict[str, bool] = {"common_columns": common_columns, "numbers": rows}
        leaks = row_leaks(self.known_tables, self, chosen, after=after, looked=looked, **how)
        found: list[tuple[Node, Leak]] = []
        for node, leak in heapq.merge(byte_leaks, leaks, key=_place):
            if found and found[-1][0].id == node.id:
                found[-1] = (node, _joined(found[-1][1], leak))
            elif wished is not None and len(found) == wished:
                break
            else:
                found.append((node, leak))
        if uncompared is not None:
            uncompared += looked.uncompared.values()
        total = len(found) if after is None and (limit is None or len(found) <= limit) else None
        return reading.page([node for node, _ in found], [leak for _, leak in found], limit, total)

    def leak_of(self, evaluation: Evaluation) -> Leak | None:
        """Tell whether an evaluation leaks; its dataset is looked at first, if nobody has yet.

        Returns:
            What leaked, or None. What its model learned from is compared as far as it is known.
        """
        if not self.tables_of(evaluation.dataset.digest) and self.unread(evaluation.dataset.digest) is None:
            with suppress(LinError):  # what is no table is compared by its bytes
                self.identify(str(evaluation.dataset.id))
        found = self.leaks(str(evaluation.model.id))
        return next((leak for leak in found.items if leak.evaluation.id == evaluation.id), None)

    def has_tables(self) -> bool:
        """Tell whether any table is known."""
        from lin.lineage.graph import NodeKind  # noqa: PLC0415

        return bool(self.graph.find(kinds=[NodeKind.TABLE], limit=1))

    def models_trained_on(
        self,
        ref: str | Path,
        *,
        transitive: bool = False,
        after: Cursor | None = None,
        limit: int | None = None,
        match: Match | None = None,
        options: Options | None = None,
        files: bool = True,
    ) -> Page:
        """Return the models trained on some data, as a page of `TrainedModel`.

        Args:
            ref: A ref, or a file or folder on disk, which need not have been put. A ref wins.
            transitive: Also through derived datasets and base models.
            after: Only what comes after this cursor.
            limit: At most so many.
            match: When other data counts as this: equal bytes only, by default.
            options: How to read a file.
            files: Whether a file on disk may be meant.

        Raises:
            NotFoundError: It is neither.
            NotATableError: It is no table, and more than its bytes was asked for.
        """
        graph = self.graph
        return answers.models_trained_on(
            graph, self.contents_like(ref, match, options, files=files), transitive=transitive, after=after, limit=limit
        )

    def training_path(
        self,
        ref: str | Path,
        model: str,
        *,
        match: Match | None = None,
        options: Options | None = None,
        files: bool = True,
    ) -> Way | None:
        """Return a shortest way on which some data came into a model by training; None if it did not.

        Args:
            ref: A ref, or a file or folder on disk.
            model: A ref of a model.
            match: When other data counts as this.
            options: How to read a file.
            files: Whether a file on disk may be meant.
        """
        return self._way_into(self.contents_like(ref, match, options, files=files), model)

    def is_known(self, ref: str) -> bool:
        """Tell whether a ref means something here; one that means several things does."""
        try:
            self.resolve(ref)
        except AmbiguousRefError:
            return True
        except (NotFoundError, InvalidInputError):
            return not Path(ref.partition("#")[0]).exists()  # then what is wrong with it is worth telling
        return True

    def are_data(self, *refs: str) -> bool:
        """Tell whether refs all mean artifacts that may hold tables."""
        found = [self.resolve(ref) for ref in refs]
        return all(isinstance(each, Artifact) and each.kind in KINDS for each in found)

    def table_diff(
        self,
        old: str | Path,
        new: str | Path,
        *,
        key: Sequence[str] | None = None,
        examples: int = 10,
        arrow: str | Path | None = None,
        options: Options | None = None,
        files: bool = True,
    ) -> TableDiff:
        """Compare two tables: columns, rows added, removed and changed, what columns hold.

        Args:
            old: A ref, or a file or folder on disk.
            new: Likewise.
            key: The columns that tell which row is which; looked for when None, and none when empty.
            examples: At most so many rows of each sort are shown.
            arrow: A file to write all rows that differ to, in Arrow's IPC format.
            options: How to read them.
            files: Whether files on disk may be meant.

        Raises:
            NotATableError: One of them is no table.
            InvalidInputError: Several rows of one table have the same key, or a column is not in both.
        """
        from .comparing import table_diff  # noqa: PLC0415 - takes NumPy
        from .sides import open_side  # noqa: PLC0415

        sides = [open_side(self, each, options, files=files) for each in (old, new)]
        target = None if arrow is None else Path(arrow)
        return table_diff(self.known_tables, *sides, key=key, examples=examples, arrow=target)

    def blame(
        self, ref: str, *, rows: Sequence[int] = (), common_columns: bool = False, part: str | None = None
    ) -> Blame:
        """Tell which artifact each row of a dataset came from: the oldest upstream, or earlier version, that holds it.

        Args:
            ref: A ref.
            rows: Numbers of rows, from 1, to tell where exactly they stood.
            common_columns: Where columns differ, compare rows by those that both tables have.
            part: Which of several tables of the dataset.

        Raises:
            NotATableError: It is no table.
            InvalidInputError: There is no row with such a number.
        """
        from .descent import blame  # noqa: PLC0415 - takes NumPy

        found = self.artifact(ref)
        return blame(self.known_tables, self, found, rows=rows, common_columns=common_columns, part=part)

    def contaminated(
        self, ref: str | Path, *, limit: int | None = 100, options: Options | None = None, files: bool = True
    ) -> Contaminated:
        """Find everything that holds any of these rows, and the models and evaluations that stand on it.

        Args:
            ref: A dataset, or a file on disk with some rows: a ref or a path.
            limit: At most so many models and evaluations each, the oldest.
            options: How to read a file.
            files: Whether a file on disk may be meant.

        Raises:
            NotATableError: It is no table.
        """
        from .descent import contaminated  # noqa: PLC0415 - takes NumPy
        from .sides import open_side  # noqa: PLC0415

        side = open_side(self, ref, options, files=files)
        return contaminated(self.known_tables, self, side, limit=limit)

    def contents_like(
        self, ref: str | Path, match: Match | None = None, options: Options | None = None, *, files: bool = True
    ) -> Collection[bytes]:
        """Return the digests (32 bytes) of the contents that count as some data; see `models_trained_on`."""
        if match is None or match.by is By.BYTES:
            return self._contents(ref)
        from .sides import open_side  # noqa: PLC0415 - takes NumPy
        from .training import matching  # noqa: PLC0415

        return matching(self.known_tables, self, open_side(self, ref, options, files=files), match)


def _joined(one: Leak, other: Leak) -> Leak:
    """Put together what is known of one evaluation from its bytes and from its rows."""
    by_bytes, by_rows = (one, other) if other.tested is not None else (other, one)
    learned = {artifact.id: artifact for artifact in (*by_bytes.learned, *by_rows.learned)}
    values = {name: getattr(by_rows, name) for name in ("tested", "leaked", "sources", "metrics", "rows")}
    return Leak(by_rows.evaluation, tuple(learned.values()), by="bytes", **values)


def _place(item: tuple[Node, Leak]) -> tuple[int, bytes]:
    return item[0].created, item[0].id
