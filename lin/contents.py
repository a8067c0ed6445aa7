"""Put content in and get it out: files, folders and what is recorded of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lin.errors import (
    ConflictError,
    InvalidInputError,
    LinError,
)
from lin.lineage.events import ArtifactRecorded, Scalar
from lin.lineage.graph import ARTIFACT_KINDS, Graph
from lin.lineage.ledger import Draft
from lin.lineage.words import ArtifactKind, Shape
from lin.store.digest import Digest
from lin.store.folder import Stored, digest_path, find_entry, get_path, put_path, read_tree, walk_tree
from lin.store.scan import Ignore
from lin.store.tree import MAX_NAME

from . import reading, refs
from .given import file_name, given_path, scalars
from .looking import Looking
from .progress import Progress
from .records import Artifact, Content, PutResult, TreeEntry


class Contents(Looking):
    """Bytes, and the artifacts that give them a meaning."""

    def store_path(self, path: str | Path, *, like: str | None = None, progress: Progress | None = None) -> Stored:
        """Store a file or folder without recording it as anything.

        What lin itself keeps within a folder, this repository and keys among it, is no part of the folder.

        Args:
            path: What to store.
            like: A name whose newest version it may resemble: what both have in common is kept once.
            progress: Told of bytes and files.
        """
        where = given_path(path, "what to put")
        return put_path(
            self.store,
            where,
            progress=progress,
            ignore=self._not_own(where),
            cache=self.seen,
            like=None if like is None else self._newest(like),
        )

    def _newest(self, name: str) -> Digest | None:
        try:
            found = self.graph.find(kinds=ARTIFACT_KINDS, name=name, newest_first=True, limit=1)
        except LinError:
            return None  # an index that does not answer is no reason not to store
        return reading.artifact(found[0]).digest if found else None

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
        stored = self.store_path(path, like=name, progress=progress)
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
