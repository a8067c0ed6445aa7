"""The use cases: everything that can be done with a repository, one method each.

The command line, the API and the Python front door all go through this class, so they give the same
answers. Bytes go to the store first, then an event to the log, then the index follows: what the graph names
exists, and what is acknowledged is in the log.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from lin.errors import (
    BlobNotFoundError,
    ConflictError,
    CorruptContentError,
    InvalidInputError,
    LinError,
    NotFoundError,
)
from lin.lineage import canonical, questions
from lin.lineage.admission import alias_heads
from lin.lineage.apply import named_id
from lin.lineage.events import AliasMoved, ArtifactRecorded, EventId, Scalar
from lin.lineage.graph import ARTIFACT_KINDS, Cursor, Direction, Graph, NodeKind
from lin.lineage.index import catch_up, rebuild
from lin.lineage.ledger import Draft, Ledger
from lin.lineage.words import ArtifactKind, RunStatus, Shape
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.folder import Stored, digest_path, find_entry, get_path, put_path, read_tree, walk_tree
from lin.store.place import Place
from lin.store.scan import Ignore
from lin.store.statcache import StatCache
from lin.store.tree import MAX_NAME

from . import answers, checking, config, indexes, moments, reading, refs
from ._opening import Opened, create, open_existing
from .given import file_name, given_path, one_more, readable, scalars
from .progress import Progress, silent
from .reading import Found
from .records import (
    Advice,
    Alias,
    Artifact,
    Content,
    Evaluation,
    Experiment,
    Impact,
    IndexStatus,
    LogEntry,
    MetricsTable,
    Page,
    PutResult,
    Run,
    Trace,
    TreeEntry,
    Used,
    VerifyReport,
    Way,
)

if TYPE_CHECKING:
    from .differing import Diff

T = TypeVar("T")

_SALT = "salt"

__all__ = ["Found", "Progress", "Repository"]


class Repository:
    """A set of immutable files named by their content, one signed log, and an index over it."""

    def __init__(self, opened: Opened) -> None:
        self._place: Place = opened.place
        self._description = opened.description
        self._ledger: Ledger = opened.ledger
        self.notices = opened.notices
        self._cache = opened.cache
        self.store = BlobStore(opened.place)
        self._seen: StatCache | None = None

    # ------------------------------------------------------------------ opening

    @classmethod
    def init(cls, location: str | Path) -> Self:
        """Make a repository: in `.lin` inside a folder, or at a bucket's URL.

        Raises:
            ConflictError: There is one already.
        """
        return cls(create(config.target(location)))

    @classmethod
    def open(cls, location: str | Path | None = None) -> Self:
        """Open a repository.

        Args:
            location: A folder or bucket URL. None: `LIN_REPO`, else the nearest repository in this folder or one
                above it, else the user's own, which is made on first use.

        Raises:
            RepositoryNotFoundError: There is none at the place named.
            UnsupportedFormatError: A newer lin made it.
        """
        return cls(open_existing(location))

    def close(self) -> None:
        """Release files and connections."""
        if self._seen is not None:
            self._seen.close()
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it lies; holds no credentials."""
        return self._place.url

    @property
    def cache(self) -> Path:
        """This machine's folder for what can be deleted."""
        return self._cache

    @property
    def id(self) -> str:
        """32 hex digits, made with the repository."""
        return self._description.id

    @property
    def format(self) -> int:
        """The format version in `lin.json`."""
        return self._description.format

    @property
    def graph(self) -> Graph:
        """The index, after it has caught up with the log."""
        return self._ledger.answering()

    def record(self, build: Callable[[Draft, Graph], T]) -> T:
        """Write statements to the log; see `Ledger.record`."""
        return self._ledger.record(build)

    @property
    def seen(self) -> StatCache:
        """What files on this machine held when they were last read."""
        if self._seen is None:
            self._seen = StatCache(self._cache / "files.sqlite")
        return self._seen

    # ------------------------------------------------------------------ content

    def store_path(self, path: str | Path, *, progress: Progress | None = None) -> Stored:
        """Store a file or folder without recording it as anything.

        What lin itself keeps within a folder, this repository and keys among it, is no part of the folder.
        """
        where = given_path(path, "what to put")
        return put_path(self.store, where, progress=progress, ignore=self._not_own(where), cache=self.seen)

    @property
    def own_folders(self) -> Sequence[Path]:
        """Where lin itself keeps keys, indexes and this repository's files on this machine."""
        files = () if config.is_url(self.url) else (Path(self.url),)
        return (config.config_folder(), config.cache_folder(), *files)

    def _not_own(self, folder: Path) -> Ignore | None:
        real = os.path.realpath(folder)
        own = [os.path.realpath(each) for each in self.own_folders]
        if real in own:
            raise InvalidInputError(f"{folder} is lin's own and cannot be put", hint="Copy it with other means.")
        inside = {os.path.relpath(each, real).replace(os.sep, "/") for each in own if Path(each).is_relative_to(real)}
        return (lambda name, is_folder: is_folder and name in inside) if inside else None

    def put(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        kind: ArtifactKind = ArtifactKind.DATASET,
        experiment: str | None = None,
        attributes: Mapping[str, Scalar] | None = None,
        progress: Progress | None = None,
    ) -> PutResult:
        """Store a file or folder and record it as an artifact.

        When the newest version of that name holds these very bytes, nothing is added.

        Args:
            path: A file or folder.
            name: The file's name by default.
            kind: What it is.
            experiment: The experiment it belongs to.
            attributes: Small facts about it.
            progress: Told of bytes and files.

        Raises:
            NotFoundError: There is nothing at the path.
            InvalidInputError: It cannot be stored (a socket, a name that is not UTF-8, …), or not under that name.
            ConflictError: The file changed while it was read.
        """
        name = refs.check_name(name if name is not None else file_name(given_path(path, "what to put")))
        if experiment is not None:
            refs.check_name(experiment)
        stored = self.store_path(path, progress=progress)
        return self.put_stored(stored, name=name, kind=kind, experiment=experiment, attributes=attributes)

    def put_digest(
        self,
        digest: Digest,
        *,
        name: str,
        kind: ArtifactKind = ArtifactKind.DATASET,
        experiment: str | None = None,
        attributes: Mapping[str, Scalar] | None = None,
    ) -> PutResult:
        """Record content that is in the store already as an artifact; see `put`.

        Raises:
            BlobNotFoundError: The store does not hold it.
        """
        size = self.store.size(digest)
        # Bytes alone do not say whether they are a folder: what was recorded of them before does.
        known = reading.artifacts_with(self.graph, [digest.value])[digest.value]
        tree = next((a for a in known if a.shape == Shape.TREE), None)
        stored = Stored(digest, tree.shape, tree.size, tree.files) if tree else Stored(digest, Shape.BLOB, size, 1)
        return self.put_stored(stored, name=name, kind=kind, experiment=experiment, attributes=attributes)

    def put_stored(
        self,
        stored: Stored,
        *,
        name: str,
        kind: ArtifactKind,
        experiment: str | None = None,
        attributes: Mapping[str, Scalar] | None = None,
        reuse: bool = False,
    ) -> PutResult:
        """Record what is in the store as an artifact.

        Args:
            stored: What `store_path` returned.
            name: The artifact's name.
            kind: What it is.
            experiment: The experiment it belongs to.
            attributes: Small facts about it.
            reuse: Take any earlier version of that name, kind and these attributes with the same bytes, not only
                the newest: for code and environments, which runs go back and forth between.
        """
        refs.check_name(name)
        if experiment is not None:
            refs.check_name(experiment)
        facts = scalars("attribute", attributes or {})

        def build(draft: Draft, graph: Graph) -> PutResult:
            same = reading.artifacts_with(graph, [stored.digest.value])[stored.digest.value]
            newest = graph.max_version(name)
            for earlier in reversed(same):
                meant = (earlier.name, earlier.kind) == (name, kind) and (reuse or earlier.version == newest)
                told = attributes is None or dict(earlier.attributes) == facts
                if meant and told and experiment in {None, earlier.experiment}:
                    others = tuple(a for a in same if a.id != earlier.id)
                    return PutResult(earlier, added=False, same_bytes=others)
            recorded = ArtifactRecorded(
                kind=kind,
                name=name,
                version=newest + 1,
                digest=stored.digest,
                shape=Shape(stored.shape),
                size=stored.size,
                files=stored.files,
                experiment=experiment,
                attributes=facts,
            )
            return PutResult(drafted(draft, recorded), added=True, same_bytes=tuple(same))

        return self.record(build)

    def get(
        self, ref: str, destination: str | Path | None = None, *, force: bool = False, progress: Progress | None = None
    ) -> Path:
        """Write an artifact's content, verified, to `destination` (its name in this folder by default).

        An existing folder as destination means: into it, under the artifact's name.

        Returns:
            Where it was written.

        Raises:
            ConflictError: Something is there already and `force` is not set.
        """
        found = self.resolve(ref)
        if isinstance(found, Content):
            digest, shape, name = found.digest, self._shape(found), found.digest.hex
        else:
            artifact = refs.resolve_artifact(self.graph, ref)
            digest, shape, name = artifact.digest, artifact.shape, artifact.name
        name = _file_of(name, digest)
        target = Path(name) if destination is None else given_path(destination, "a destination")
        # A folder over a folder replaces it where that is asked for, but never the one that we are in.
        over = force and shape == Shape.TREE and not Path.cwd().is_relative_to(os.path.realpath(target))
        if destination is not None and target.is_dir() and not over:
            target = target / name
        return get_path(self.store, digest, shape, target, force=force, progress=progress)

    def digest_of(self, path: str | Path) -> Digest:
        """Return the digest of a file or folder on disk without storing it."""
        where = Path(path)
        return digest_path(where, ignore=self._not_own(where), cache=self.seen).digest

    def checkout(self, artifact: Artifact) -> Path:
        """Return a verified copy of an artifact's content in this machine's cache; it must not be changed."""
        path = self._cache / "checkouts" / artifact.digest.hex / _file_of(artifact.name, artifact.digest)
        while not self._is_copy(path, artifact.digest):
            # What is there was changed. Two processes may get it at once: the second one looks at the first one's.
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            with suppress(ConflictError):
                return get_path(self.store, artifact.digest, artifact.shape, path)
        return path

    def _is_copy(self, path: Path, digest: Digest) -> bool:
        try:
            return not path.is_symlink() and self.digest_of(path) == digest
        except LinError:  # nothing there, or what could not even be put
            return False

    def stream(self, ref: str, path: str | None = None) -> Iterator[bytes]:
        """Yield a file's verified bytes; `path` names a file inside a folder artifact.

        Raises:
            InvalidInputError: It is a folder.
            NotFoundError: The folder has no such file.
        """
        found = self.resolve(ref)
        holder = found if isinstance(found, Content) else refs.resolve_artifact(self.graph, ref)
        digest, shape = holder.digest, self._shape(holder)
        if path is not None:
            if shape != Shape.TREE:
                raise InvalidInputError(f"{ref} is a file, there is no {path!r} in it")
            entry = find_entry(self.store, digest, path)
            digest, shape = entry.digest, Shape.TREE if entry.mode == "d" else Shape.BLOB
        if shape == Shape.TREE:
            raise InvalidInputError(
                f"{path or ref} is a folder", hint=f"List it with `lin ls {ref}`, or write it with `lin get {ref}`."
            )
        return self.store.stream(digest)

    def entries(self, ref: str, *, recursive: bool = False) -> Sequence[TreeEntry]:
        """List a folder artifact; a file artifact is one entry."""
        found = self.resolve(ref)
        holder = found if isinstance(found, Content) else refs.resolve_artifact(self.graph, ref)
        if self._shape(holder) == Shape.BLOB:
            size = holder.size if isinstance(holder, Artifact) else self.store.size(holder.digest)
            return (TreeEntry(holder.name if isinstance(holder, Artifact) else "", "f", holder.digest, size),)
        if recursive:
            walked = list(walk_tree(self.store, holder.digest))
        else:
            walked = [(entry.name, entry) for entry in read_tree(self.store, holder.digest)]
        return tuple(TreeEntry(path, entry.mode, entry.digest, entry.size) for path, entry in walked)

    def _shape(self, holder: Artifact | Content) -> Shape:
        if isinstance(holder, Artifact):
            return holder.shape
        return Shape.TREE if any(a.shape == Shape.TREE for a in holder.artifacts) else Shape.BLOB

    # ------------------------------------------------------------------ looking up

    def resolve(self, ref: str) -> Found:
        """Find what a ref means: `name`, `name@v3`, `name@alias`, `name@{2026-03-01}`, an id or digest, or a prefix.

        Raises:
            NotFoundError: Nothing.
            AmbiguousRefError: Several things; lists them.
            InvalidInputError: It is not of a ref's form.
        """
        return refs.resolve(self.graph, ref)

    def artifact(self, ref: str) -> Artifact:
        """Find the one artifact that a ref means; a digest that several artifacts hold is ambiguous."""
        return refs.resolve_artifact(self.graph, ref)

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
            limit: At most so many.

        Raises:
            InvalidInputError: A kind does not exist, or the conditions cannot be read.
        """
        if text is not None and readable(text) != text:
            raise InvalidInputError(f"not a text: {text!r}", hint="Names are text in UTF-8.")
        return answers.search(
            self.graph, text=text, kinds=kinds, where=where, newest_first=newest_first, after=after, limit=limit
        )

    # ------------------------------------------------------------------ aliases

    def tag(self, ref: str, alias: str) -> Alias:
        """Point the alias `alias` of the artifact's name at it; moving it to where it stands changes nothing."""
        refs.check_alias(alias)
        artifact = self.artifact(ref)
        return self._move(artifact.name, alias, artifact)

    def untag(self, name: str, alias: str) -> Alias:
        """Take an alias away; its history stays.

        Raises:
            NotFoundError: There is none of that name.
        """
        standing = next((a for a in self.aliases(name) if a.alias == alias), None)
        if standing is None:
            raise NotFoundError(f"there is no alias {name}@{alias}", hint="`lin tag` lists aliases.")
        return self._move(name, alias, None)

    def _move(self, name: str, alias: str, artifact: Artifact | None) -> Alias:
        def build(draft: Draft, graph: Graph) -> Alias:
            heads = alias_heads(graph, name, alias)
            standing = reading.aliases(graph, heads)
            targets = (artifact,) if artifact else ()
            if standing and [a.id for a in standing[0].artifacts] == [a.id for a in targets]:
                return standing[0]
            previous = tuple(sorted(EventId(node.id) for node in heads))
            move = draft.add(AliasMoved(name, alias, artifact.id if artifact else None, previous))
            return Alias(name, alias, targets, (move,), draft.signed[-1].event.at)

        return self.record(build)

    def aliases(self, name: str | None = None) -> Sequence[Alias]:
        """Return where the aliases of one name, or all, stand."""
        graph = self.graph
        moves = graph.find(kinds=[NodeKind.ALIAS], text=None if name is None else f"{name}@")
        found = reading.aliases(graph, moves)
        return [alias for alias in found if name in {None, alias.name} and alias.artifacts]

    # ------------------------------------------------------------------ questions

    def trace(
        self,
        ref: str,
        *,
        direction: Direction = Direction.UP,
        depth: int | None = None,
        max_nodes: int | None = 10_000,
    ) -> Trace:
        """Return everything that made it (up) or stands on it (down), with the edges between. Reads no bytes.

        A digest means every artifact with those bytes; an experiment means everything in it.
        """
        graph = self.graph
        start = answers.starts(graph, refs.resolve(graph, ref))
        return answers.trace(graph, start, direction, depth=depth, max_nodes=max_nodes)

    def impact(self, ref: str, *, limit: int | None = 100) -> Impact:
        """Return how many models, evaluations and aliases stand on an artifact, and the first of them.

        Args:
            ref: A ref; a digest means every artifact with those bytes.
            limit: At most so many models and evaluations; `closure` downstream has all of them, in pages.
        """
        graph = self.graph
        return answers.impact(graph, answers.starts(graph, refs.resolve(graph, ref)), limit)

    def closure(
        self,
        ref: str,
        *,
        direction: Direction = Direction.UP,
        kinds: Collection[str] = (),
        depth: int | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        after: Cursor | None = None,
        limit: int | None = 100,
    ) -> Page:
        """Return everything that made it (up) or stands on it (down), counted, as a page in the order of creation.

        Args:
            ref: A ref; a digest means every artifact with those bytes, an experiment everything in it.
            direction: Which way.
            kinds: Words: artifact kinds and `run`, all of these when empty; downstream also `evaluation`.
            depth: At most so many links away.
            since: Only what was made then or later: a day (from its beginning) or a time. Ways lead through the rest.
            until: Only what was made then or earlier: a day (to its end) or a time.
            after: Only what comes after this cursor.
            limit: At most so many.

        Raises:
            InvalidInputError: A kind does not exist, or a time or depth cannot be read.
        """
        graph = self.graph
        return answers.closure(
            graph,
            answers.starts(graph, refs.resolve(graph, ref)),
            direction,
            kinds=kinds,
            depth=depth,
            since=moments.micros(since, end_of_day=False),
            until=moments.micros(until, end_of_day=True),
            after=after,
            limit=limit,
        )

    def path(self, one: str, other: str) -> Way | None:
        """Return a shortest way from one thing to another along which data flowed; None where there is none.

        If nothing leads from the first to the second, a way back is looked for and told as `backwards`.

        Args:
            one: A ref of an artifact, a run, an evaluation, or bytes by their digest.
            other: Likewise.
        """
        graph = self.graph
        return answers.path(graph, refs.resolve(graph, one), refs.resolve(graph, other))

    def training_path(self, ref: str | Path, model: str) -> Way | None:
        """Return a shortest way on which bytes came into a model by training; None if they did not.

        Args:
            ref: The bytes: a ref, or a file or folder on disk.
            model: A ref of a model.
        """
        graph = self.graph
        contents = self._contents(ref)
        found = questions.training_path(graph, contents, refs.resolve_artifact(graph, model).id.value)
        return None if found is None else answers.way(graph, found, next(iter(contents)))

    def leaks(
        self,
        model: str | None = None,
        *,
        experiment: str | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Page:
        """Return the evaluations of models on bytes that these models learned from, as a page of `Leak`.

        A model learned from everything that a run used as `train`, `input` or `base-model` on the way to it, directly
        or through derived data and other models. It is the bytes that count, whatever they were called.

        Args:
            model: A ref: only evaluations of this model.
            experiment: Only evaluations of the models of this experiment.
            after: Only what comes after this cursor.
            limit: At most so many.
        """
        graph = self.graph
        models: Collection[bytes] | None = None
        if model is not None:
            models = [refs.resolve_artifact(graph, model).id.value]
        if experiment is not None:
            members = questions.models_of(graph, self.experiment(experiment).id)
            models = members if models is None else [each for each in models if each in members]
        return answers.leaks(graph, models, after=after, limit=limit)

    def diff(self, old: str, new: str, *, patches: bool = False) -> Diff:
        """Compare two runs, or two models by the runs that made them.

        Args:
            old: A ref of a run or artifact.
            new: Likewise.
            patches: Also compare text files line by line.

        Raises:
            InvalidInputError: One of them is neither a run nor an artifact.
        """
        from .differing import diff  # noqa: PLC0415 - few questions compare files

        graph = self.graph
        found = [_one_artifact(graph, refs.resolve(graph, ref), ref) for ref in (old, new)]
        return diff(graph, self.store, *found, patches=patches)

    def as_of(self, moment: str | int | date, *, progress: Progress | None = None) -> Self:
        """Return this repository as it was, to be read only; close it as any other.

        Its graph is built from the events up to then alone, and kept in this machine's cache. Bytes, checkpoint and
        verification are the present ones.

        Args:
            moment: A number of events, counted from the beginning of the log; or a day (to its end) or time, which
                stands for the events that claim to be from then or before.
            progress: Told of the events read so far.

        Raises:
            InvalidInputError: It is none of these, or the log is shorter.
        """
        from lin.lineage.past import PastLedger  # noqa: PLC0415 - few look back

        ledger = PastLedger(self._ledger.log, self._cache, moments.past(moment), _counting(progress))
        return type(self)(Opened(self._place, self._description, ledger, self._cache, self.notices))

    def models_trained_on(
        self, ref: str | Path, *, transitive: bool = False, after: Cursor | None = None, limit: int | None = None
    ) -> Page:
        """Return the models trained on exactly these bytes, as a page of `TrainedModel`.

        Args:
            ref: A ref, or a file or folder on disk, which need not have been put. A ref wins.
            transitive: Also through derived datasets and base models.
            after: Only what comes after this cursor.
            limit: At most so many.

        Raises:
            NotFoundError: It is neither.
        """
        graph = self.graph
        return answers.models_trained_on(graph, self._contents(ref), transitive=transitive, after=after, limit=limit)

    def _contents(self, ref: str | Path) -> Collection[bytes]:
        path = given_path(ref, "a dataset")
        if isinstance(ref, str):
            try:
                found = self.resolve(ref)
            except (NotFoundError, InvalidInputError):
                if not path.exists():
                    raise
            else:
                if isinstance(found, (Artifact, Content)):
                    return [found.digest.value]
                raise InvalidInputError(f"{ref!r} is not an artifact, so nothing was trained on it")
        return [self.digest_of(path).value]

    def evaluations(
        self,
        *,
        models: Collection[bytes] = (),
        datasets: Collection[bytes] = (),
        experiment: str | None = None,
    ) -> Sequence[Evaluation]:
        """Return the evaluations that meet every condition given (ids of 32 bytes), oldest first."""
        group = self.experiment(experiment).id if experiment is not None else None
        return answers.evaluations(self.graph, models=models, datasets=datasets, experiment=group)

    def metrics(
        self, *, experiment: str | None = None, models: Sequence[str] = (), datasets: Sequence[str] = ()
    ) -> MetricsTable:
        """Return models × datasets with the newest evaluation of each pair; refs narrow it down."""
        rows = [self.artifact(ref).id.value for ref in models]
        columns = [self.artifact(ref).id.value for ref in datasets]
        return answers.table(self.evaluations(models=rows, datasets=columns, experiment=experiment))

    # ------------------------------------------------------------------ log and index

    def log(
        self, *, newest_first: bool = True, limit: int | None = None, kinds: Collection[str] = ()
    ) -> Iterator[LogEntry]:
        """Yield the events of the log; `kinds` are the words events carry (`artifact`, `run.started`, …).

        Raises:
            InvalidInputError: A kind does not exist.
        """
        moment = self._ledger.moment
        if moment is None:
            return checking.log_entries(self._ledger.log, newest_first=newest_first, limit=limit, kinds=kinds)
        entries = checking.log_entries(self._ledger.log, newest_first=newest_first, limit=None, kinds=kinds)
        return islice((entry for entry in entries if moment.includes(entry.position, entry.at)), limit)

    def checkpoint(self) -> str:
        """Return the log's signed checkpoint: a C2SP signed note."""
        return self._ledger.log.checkpoint().note.decode()

    def log_key(self) -> str:
        """Return the log's verifier key in signed-note form."""
        return self._description.key

    def verify(self, ref: str | None = None, *, progress: Progress | None = None) -> VerifyReport:
        """Check the log and every blob it names; with a ref, only that artifact's bytes.

        Problems are listed, not raised.
        """
        if ref is None:
            return checking.verify_all(self._place, self._ledger, self.store, progress or silent)
        found = self.resolve(ref)
        holder = found if isinstance(found, Content) else self.artifact(ref)
        return checking.verify_one(self.graph, self.store, holder.digest, self._shape(holder), progress or silent)

    def index_status(self) -> Sequence[IndexStatus]:
        """Say how far each index has followed the log, without making it catch up."""
        size = self._ledger.log.checkpoint().size
        events = self._ledger.position().size
        embedded = IndexStatus("sqlite", str(self._ledger.index), events, max(0, size - events))
        server = indexes.Server.chosen(self.id, config.config_folder())
        if server is None or self._ledger.server is None:
            return (embedded,)
        try:
            events = self._ledger.server.position().size
        except LinError as error:
            return (embedded, IndexStatus("neo4j", server.url, None, None, error.message))
        return (embedded, IndexStatus("neo4j", server.url, events, max(0, size - events)))

    def use_index(self, url: str, *, database: str | None = None, progress: Progress | None = None) -> IndexStatus:
        """Let a Neo4j server follow the log and answer questions from now on; `sqlite` goes back to the embedded graph.

        The whole log is replayed into it first. The choice is this user's; credentials come from `LIN_NEO4J_USER` and
        `LIN_NEO4J_PASSWORD`, or from `neo4j.json` in the config folder.

        Raises:
            InvalidInputError: The URL names no server, or the database holds something else.
            PermissionDeniedError: The credentials are wrong.
            BackendError: The server cannot be reached; the choice stays what it was.
        """
        keys = config.config_folder()
        if url == "sqlite":
            indexes.forget(self.id, keys)
            self._ledger.detach()
            return self.index_status()[0]
        chosen = indexes.Server(url, database)
        server = chosen.open(self.id, keys)
        try:
            catch_up(self._ledger.log, server, _counting(progress))
        except BaseException:
            server.close()
            raise
        chosen.choose(self.id, keys)
        self._ledger.attach(server, url, self.notices.append)
        return self.index_status()[-1]

    def rebuild_index(self, *, progress: Progress | None = None) -> IndexStatus:
        """Empty every index and make it again from the log; returns the one that answers."""
        told = _counting(progress)
        self._ledger.rebuild(told)
        if self._ledger.server is not None:
            rebuild(self._ledger.log, self._ledger.server, told)
        return self.index_status()[-1]

    def doctor(self) -> Sequence[Advice]:
        """Look for common trouble and say what to do about it."""
        return checking.doctor(self._place, self._ledger, self._description)


def _counting(progress: Progress | None) -> Callable[[int, int], None]:
    """Return what tells of events where bytes are not counted."""
    told = progress or silent
    return lambda done, total: told(0, None, done, total)


def _one_artifact(graph: Graph, found: Found, ref: str) -> Found:
    return refs.resolve_artifact(graph, ref) if isinstance(found, Content) else found


def drafted(draft: Draft, statement: ArtifactRecorded) -> Artifact:
    """Add an artifact to a draft and return its record."""
    identity = draft.add(statement)
    event = draft.signed[-1].event
    return Artifact(
        id=identity,
        kind=statement.kind,
        name=statement.name,
        version=statement.version,
        digest=statement.digest,
        shape=statement.shape,
        size=statement.size,
        files=statement.files,
        created=event.at,
        actor=event.actor,
        run=statement.run,
        path=statement.path,
        evidence=statement.evidence,
        experiment=statement.experiment,
        attributes=statement.attributes,
        detail=statement.detail,
    )


def _file_of(name: str, digest: Digest) -> str:
    """Return what the file of an artifact is called: names may hold '/', and others' events may hold any name."""
    last = name.rpartition("/")[2]
    if last in {"", ".", ".."} or "\0" in last or len(last.encode()) > MAX_NAME:
        return digest.hex
    return last
