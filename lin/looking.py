"""Look things up: artifacts, runs, experiments, aliases and details."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lin.errors import (
    BlobNotFoundError,
    CorruptContentError,
    InvalidInputError,
    NotFoundError,
)
from lin.lineage import canonical
from lin.lineage.apply import named_id
from lin.lineage.graph import ARTIFACT_KINDS, Cursor, NodeKind
from lin.lineage.words import ArtifactKind, RunStatus
from lin.store.digest import Digest

from . import answers, reading
from .given import one_more, readable
from .reading import Found
from .records import Alias, Artifact, Experiment, Page, Run, Used
from .session import Session

_SALT = "salt"


class Looking(Session):
    """What is there."""

    def run(self, ref: str) -> Run:
        """Find the run that a ref means.

        Raises:
            InvalidInputError: The ref means something else.
        """
        found = self.resolve(ref)
        if not isinstance(found, Run):
            raise InvalidInputError(f"{ref!r} is not a run", hint="`lin runs` lists runs with their ids.")
        return found

    def get_many(self, ids: Collection[bytes]) -> Mapping[bytes, Found]:
        """Return the records of these nodes (32-byte ids) that are known, in one look-up."""
        graph = self.graph
        return reading.records(graph, graph.get(ids).values())

    def artifacts(
        self,
        *,
        kinds: Collection[ArtifactKind] = (),
        name: str | None = None,
        text: str | None = None,
        newest_first: bool = False,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Page:
        """Return artifacts in the order they were made, as a page of `Artifact`."""
        nodes = self.graph.find(
            kinds=[NodeKind.of(kind) for kind in kinds] or ARTIFACT_KINDS,
            name=name,
            text=text,
            newest_first=newest_first,
            after=after,
            limit=one_more(limit),
        )
        return reading.page(nodes, [reading.artifact(node) for node in nodes], limit)

    def newest(self, *, kinds: Collection[ArtifactKind] = ()) -> Sequence[Artifact]:
        """Return the newest version of every name, by name."""
        newest: dict[str, Artifact] = {}
        for artifact in self.artifacts(kinds=kinds).items:
            if artifact.name not in newest or artifact.version >= newest[artifact.name].version:
                newest[artifact.name] = artifact
        return [newest[name] for name in sorted(newest)]

    def runs(
        self,
        *,
        experiment: str | None = None,
        statuses: Collection[RunStatus] = (),
        newest_first: bool = True,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Page:
        """Return runs, as a page of `Run`.

        Looking for a status that hardly any run has may be `stopped`; see `search`.

        Raises:
            NotFoundError: There is no such experiment.
        """
        return answers.runs(
            self.graph,
            experiment=self.experiment(experiment).id if experiment is not None else None,
            statuses=statuses,
            newest_first=newest_first,
            after=after,
            limit=limit,
        )

    def used(self, runs: Collection[bytes]) -> Mapping[bytes, Sequence[Used]]:
        """Return what each of these runs (32-byte ids) used."""
        return reading.used(self.graph, runs)

    def generated(self, runs: Collection[bytes]) -> Mapping[bytes, Sequence[Artifact]]:
        """Return what each of these runs (32-byte ids) generated."""
        return reading.generated(self.graph, runs)

    def experiments(self, *, text: str | None = None) -> Sequence[Experiment]:
        """Return all experiments, by name."""
        nodes = self.graph.find(kinds=[NodeKind.EXPERIMENT], text=text)
        return sorted((Experiment(node.id, node.name or "") for node in nodes), key=lambda item: item.name)

    def experiment(self, name: str) -> Experiment:
        """Return an experiment by its name.

        Raises:
            NotFoundError: No run or artifact belongs to one of that name.
        """
        node = self.graph.get([named_id("experiment", name)])
        if not node:
            known = ", ".join(item.name for item in self.experiments()[:10])
            raise NotFoundError(f"there is no experiment {name!r}", hint=f"There are: {known or 'none yet'}.")
        return Experiment(next(iter(node)), name)

    def models_of(
        self,
        experiment: str,
        *,
        newest_first: bool = True,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Page:
        """Return the models that belong to an experiment, and those that its runs generated, as a page of `Artifact`.

        Raises:
            NotFoundError: There is no such experiment.
        """
        group = self.experiment(experiment).id
        return answers.models_of(self.graph, group, newest_first=newest_first, after=after, limit=limit)

    def aliases(self, name: str | None = None) -> Sequence[Alias]:
        """Return where the aliases of one name, or all, stand."""
        graph = self.graph
        moves = graph.find(kinds=[NodeKind.ALIAS], text=None if name is None else f"{name}@")
        found = reading.aliases(graph, moves)
        return [alias for alias in found if name in {None, alias.name} and alias.artifacts]

    def search(
        self,
        text: str | None = None,
        *,
        kinds: Collection[str] = (),
        where: str | None = None,
        newest_first: bool = True,
        after: Cursor | None = None,
        limit: int | None = 50,
    ) -> Page:
        """Find things by name, kind and value, as a page of artifacts, runs, evaluations and experiments.

        Args:
            text: Part of a name, A to Z in either case. Evaluations have none.
            kinds: Words: `model`, `dataset`, `run`, `evaluation`, `experiment`, …. When empty, all but evaluations;
                with `where`, models, runs and evaluations.
            where: Conditions on metrics and parameters, such as `accuracy > 0.9 and lr <= 0.1`; see
                `lin.lineage.filters`. A model has those of the run that made it and of its evaluations.
            newest_first: Whether to begin with the newest.
            after: Only what comes after this cursor.
            limit: At most so many. A page that is not full after some seconds (`lin.lineage.searching.SECONDS`)
                is `stopped`: it holds what was found so far, and `next` goes on. None asks for all, and waits.

        Raises:
            InvalidInputError: A kind does not exist, or the conditions cannot be read.
        """
        if text is not None and readable(text) != text:
            raise InvalidInputError(f"not a text: {text!r}", hint="Names are text in UTF-8.")
        return answers.search(
            self.graph, text=text, kinds=kinds, where=where, newest_first=newest_first, after=after, limit=limit
        )

    def detail(self, digest: Digest | None) -> Mapping[str, Any] | None:
        """Read an erasable detail blob (JSON); None where it was erased, is missing or never was.

        Raises:
            CorruptBlobError: Its bytes are not what they were.
            CorruptContentError: They are no detail.
        """
        if digest is None:
            return None
        try:
            document = json.loads(self.store.read(digest))
        except BlobNotFoundError:
            return None
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise CorruptContentError(f"the blob {digest} holds no detail: it is not a JSON object")
        document.pop(_SALT, None)  # it is there for the digest, and says nothing
        return document

    def put_detail(self, detail: Mapping[str, Any]) -> Digest:
        """Store what may be personal as an erasable blob, salted so that its digest gives nothing away."""
        return self.store.put_bytes(canonical.dumps({**detail, _SALT: secrets.token_hex(16)}))
