"""Decide what is kept: the trash, holds and retention; free space, erase, measure and mend."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from lin.errors import ConflictError, InvalidInputError, NotFoundError
from lin.lineage.events import EventId, KeepingChanged, parse_time
from lin.lineage.graph import ARTIFACT_KINDS, Graph, Node
from lin.lineage.keeping import action, decisions, held, trashed
from lin.lineage.ledger import Draft
from lin.lineage.words import Keeping as Decision

from . import reading
from .progress import Progress, silent
from .records import Artifact, Collected, Content, Erased, Repaired, Stats, Usage
from .upkeep import Upkeep

if TYPE_CHECKING:
    from .session import Session


class Keeping(Upkeep):
    """The life of content. Lineage survives all of it."""

    def remove(self, ref: str, *, reason: str | None = None) -> Artifact:
        """Throw an artifact into the trash: `collect` frees what nothing else needs, after a while.

        Raises:
            ConflictError: It is held, or an alias stands on it.
        """
        artifact = self.artifact(ref)
        standing = [alias.label for alias in self.aliases(artifact.name) if artifact in alias.artifacts]
        if standing:
            raise ConflictError(
                f"{' and '.join(standing)} stands on {artifact.label}",
                hint=f"Move it first, or take it away: lin tag --delete {standing[0]}",
            )
        self._decide(artifact, Decision.TRASH, reason)
        return artifact

    def restore(self, ref: str) -> Artifact:
        """Take an artifact out of the trash.

        Raises:
            NotFoundError: It is not there.
        """
        artifact = self.artifact(ref)
        self._take_back(artifact, Decision.TRASH, Decision.RESTORE)
        return artifact

    def hold(self, ref: str, *, reason: str | None = None) -> Artifact:
        """Keep an artifact's content whatever else is said, until it is released."""
        artifact = self.artifact(ref)
        self._decide(artifact, Decision.HOLD, reason)
        return artifact

    def release(self, ref: str) -> Artifact:
        """Take back all holds of an artifact.

        Raises:
            NotFoundError: It is not held.
        """
        artifact = self.artifact(ref)
        self._take_back(artifact, Decision.HOLD, Decision.RELEASE)
        return artifact

    def held(self) -> Sequence[Artifact]:
        """Return the artifacts that are held."""
        return self._decided(held)

    def trash(self) -> Sequence[Artifact]:
        """Return the artifacts in the trash."""
        return self._decided(trashed)

    def retain(
        self, pattern: str, *, last: int | None = None, age: float | None = None, dry: bool = False
    ) -> Sequence[Artifact]:
        """Throw away old versions, by name: all but the newest ones, those that are old, or both together.

        What is held, what an alias stands on, and the newest version of a name stay whatever the rule.

        Args:
            pattern: Names, with `*` and `?`.
            last: Keep so many of the newest versions of each name.
            age: Throw away only what was recorded more than so many seconds ago.
            dry: Only say which.

        Returns:
            What was thrown away.

        Raises:
            InvalidInputError: There is no rule.
        """
        if last is None and age is None:
            raise InvalidInputError("no rule was given", hint="Say --last 5, --age 90d, or both.")
        if last is not None and last < 1:
            raise InvalidInputError(f"not a number of versions to keep: {last}", hint="At least 1.")
        newest: defaultdict[str, list[Artifact]] = defaultdict(list)
        for node in self.graph.find(kinds=ARTIFACT_KINDS):
            artifact = reading.artifact(node)
            if fnmatchcase(artifact.name, pattern):
                newest[artifact.name].append(artifact)
        aliased = {artifact.id for alias in self.aliases() for artifact in alias.artifacts}
        made = decisions(self.graph)
        oldest = time.time() - (age or 0)
        leaving = [
            artifact
            for versions in newest.values()
            for artifact in sorted(versions, key=lambda each: each.version)[: -(last or 1)]
            if parse_time(artifact.created).timestamp() <= oldest
            and artifact.id not in aliased
            and artifact.id.value not in made
        ]
        if leaving and not dry:
            rule = f"retention of {pattern}"
            self.record(lambda draft, _: [draft.add(KeepingChanged(a.id, Decision.TRASH, (), rule)) for a in leaving])
        return leaving

    # ------------------------------------------------------------------ space

    def collect(
        self,
        *,
        dry: bool = True,
        grace: float | None = None,
        trash: float | None = None,
        progress: Progress | None = None,
    ) -> Collected:
        """Free the space of content that nothing needs; see `lin.collecting.collect`.

        Args:
            dry: Change nothing, only say what would be freed.
            grace: Seconds for which nothing is touched that was written or doomed; a day by default.
            trash: Seconds for which the trash keeps content; 30 days by default.
            progress: Told of packs.
        """
        from .collecting import GRACE, TRASH, collect  # noqa: PLC0415 - few free space

        return collect(
            self,
            dry=dry,
            grace=GRACE if grace is None else grace,
            trash=TRASH if trash is None else trash,
            progress=progress or silent,
        )

    def erase(self, ref: str, *, reason: str, dry: bool = False) -> Erased:
        """Erase content for good: a tombstone in the log, and the bytes gone from this repository and machine.

        Args:
            ref: An artifact or digest; all artifacts that hold these bytes lose them.
            reason: Why; it stays in the log.
            dry: Change nothing, only say what would go.

        Raises:
            ConflictError: An artifact that holds it is held.
        """
        from .erasing import erase  # noqa: PLC0415 - few erase

        found = self.resolve(ref)
        holder = found if isinstance(found, Content) else self.artifact(ref)
        holders = reading.artifacts_with(self.graph, [holder.digest.value])[holder.digest.value]
        made = decisions(self.graph, [each.id.value for each in holders])
        for each in holders:
            if held(made.get(each.id.value, ())):
                raise ConflictError(f"{each.label} is held", hint=f"Release it first: lin hold --release {each.label}")
        return erase(self, holder.digest, self._shape(holder), reason, dry=dry)

    def usage(self) -> Sequence[Usage]:
        """Return what the content of each name takes, the largest first."""
        from .sizing import usage  # noqa: PLC0415 - few measure

        return usage(self)

    def stats(self) -> Stats:
        """Return what all content takes, beside what it would without sharing and compressing."""
        from .sizing import stats  # noqa: PLC0415 - few measure

        return stats(self)

    def mend(self, source: Session, *, progress: Progress | None = None) -> Repaired:
        """Take what is missing or damaged here from another repository; see `lin.mending.repair`."""
        from .mending import repair  # noqa: PLC0415 - few mend

        return repair(self, source, progress=progress or silent)

    # ------------------------------------------------------------------

    def _decide(self, artifact: Artifact, what: Decision, reason: str | None) -> None:
        def build(draft: Draft, graph: Graph) -> None:
            made = decisions(graph, [artifact.id.value]).get(artifact.id.value, ())
            if what is Decision.TRASH and held(made):
                raise ConflictError(
                    f"{artifact.label} is held", hint=f"Release it first: lin hold --release {artifact.label}"
                )
            if not any(action(node) is what for node in made):
                draft.add(KeepingChanged(artifact.id, what, (), reason))

        self.record(build)

    def _take_back(self, artifact: Artifact, what: Decision, back: Decision) -> None:
        def build(draft: Draft, graph: Graph) -> None:
            made = decisions(graph, [artifact.id.value]).get(artifact.id.value, ())
            standing = tuple(sorted(EventId(node.id) for node in made if action(node) is what))
            if not standing:
                state = "in the trash" if what is Decision.TRASH else "held"
                raise NotFoundError(f"{artifact.label} is not {state}")
            draft.add(KeepingChanged(artifact.id, back, standing))

        self.record(build)

    def _decided(self, wanted: Callable[[Sequence[Node]], bool]) -> Sequence[Artifact]:
        graph = self.graph
        chosen = [key for key, made in decisions(graph).items() if wanted(made)]
        found = reading.records(graph, graph.get(chosen).values()).values()
        artifacts = [each for each in found if isinstance(each, Artifact)]
        return sorted(artifacts, key=lambda each: (each.name, each.version))
