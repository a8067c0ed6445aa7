"""Share with other repositories: push, pull, mirror, and bytes that are elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lin.errors import BlobNotFoundError, LinError
from lin.lineage.graph import NodeId
from lin.store.digest import Digest

from . import answers, config, refs
from ._opening import open_existing
from .contents import Contents
from .progress import Progress, silent
from .records import Artifact, Content, Exchange, Mirrored
from .remotes import Remotes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .session import Session


class Sharing(Contents):
    """What repositories take over from one another."""

    def pull(
        self,
        remote: str | Path | Session | None = None,
        refs: Sequence[str] = (),
        *,
        content: bool = True,
        dry: bool = False,
        progress: Progress | None = None,
    ) -> Exchange:
        """Take over what another repository holds and this one lacks.

        Args:
            remote: A folder, URL or remembered name; `origin` by default.
            refs: Only what these mean there, with everything that made it. All when empty.
            content: Also the bytes; without, only what is known of them.
            dry: Change nothing, only count.
            progress: Told of bytes and blobs.

        Raises:
            CorruptLogError: The other history was rewritten since it was seen last.
            RepositoryNotFoundError: There is none.
        """
        from .exchanging import Taking, meet  # noqa: PLC0415 - few share

        with self._remote(remote) as there:
            meet(self, there)
            taking = Taking(there, self, content, dry, progress or silent)
            return taking.part(_starts(there, refs)) if refs else taking.all()

    def push(
        self,
        remote: str | Path | Session | None = None,
        refs: Sequence[str] = (),
        *,
        content: bool = True,
        dry: bool = False,
        progress: Progress | None = None,
    ) -> Exchange:
        """Let another repository take over what this one holds; arguments and errors as for `pull`.

        Raises:
            ReadOnlyError: This user does not hold the key of the other log.
        """
        from .exchanging import Taking, meet  # noqa: PLC0415 - few share

        with self._remote(remote) as there:
            meet(self, there)
            if not dry:
                meet(there, self)
            taking = Taking(self, there, content, dry, progress or silent)
            return taking.part(_starts(self, refs)) if refs else taking.all()

    def mirror(self, location: str | Path, *, progress: Progress | None = None) -> Mirrored:
        """Make or bring up to date an exact copy of this repository: the same files, log and id.

        Args:
            location: A folder or bucket URL, where nothing is yet or a mirror of this repository.
            progress: Told of bytes and files.

        Raises:
            ConflictError: Something else is there.
            CorruptLogError: The mirror tells another history.
        """
        from .mirroring import mirror  # noqa: PLC0415 - few mirror

        found = config.locate(location) if _is_there(location) else None
        target = found[0] if found else config.target(self.remotes.names.get(str(location), location))
        return mirror(self.place, self.journal, target, progress or silent)

    def get(
        self, ref: str, destination: str | Path | None = None, *, force: bool = False, progress: Progress | None = None
    ) -> Path:
        """Write an artifact's content to disk, as `Contents.get` does; say where bytes are that are not here."""
        try:
            return super().get(ref, destination, force=force, progress=progress)
        except BlobNotFoundError as error:
            found = self.resolve(ref)
            if isinstance(found, Artifact | Content) and (places := self.whereabouts(found.digest)):
                hint = f"They are in {' and '.join(places)}. Bring them: lin get --fetch {ref}"
                raise BlobNotFoundError(f"the bytes of {ref} are not in {self.url}", hint=hint) from error
            raise

    def fetch(self, ref: str, *, progress: Progress | None = None) -> Exchange:
        """Bring the bytes of an artifact from a repository that was met before and has them.

        Raises:
            BlobNotFoundError: None has.
        """
        from .exchanging import Taking  # noqa: PLC0415 - few share

        holder = refs.resolve_artifact(self.graph, ref)
        for location in self._known():
            with self._met(location) as there:
                if there is not None and there.store.has(holder.digest):
                    return Taking(there, self, progress=progress or silent).bytes_of([(holder.digest, holder.shape)])
        raise BlobNotFoundError(
            f"no repository that is known here has the bytes of {holder.label} ({holder.digest})",
            hint="Name one that has them: lin pull URL " + holder.label,
        )

    def whereabouts(self, digest: Digest) -> Sequence[str]:
        """Return the locations of repositories met before that hold a blob; those that do not answer are left out."""
        found = []
        for location in self._known():
            with self._met(location) as there:
                if there is not None and there.store.has(digest):
                    found.append(location)
        return found

    # ------------------------------------------------------------------ remotes

    @property
    def remotes(self) -> Remotes:
        """What this user calls other repositories."""
        return Remotes.load(self.id, config.config_folder())

    @remotes.setter
    def remotes(self, changed: Remotes) -> None:
        changed.save(self.id, config.config_folder())

    def _known(self) -> Iterable[str]:
        remotes = self.remotes
        return dict.fromkeys((*remotes.names.values(), *remotes.met.values()))

    @contextmanager
    def _met(self, location: str) -> Iterator[Self | None]:
        try:
            there = type(self)(open_existing(location))
        except LinError:
            yield None
            return
        with there:
            yield there

    @contextmanager
    def _remote(self, remote: str | Path | Session | None) -> Iterator[Session]:
        if remote is not None and not isinstance(remote, str | Path):
            yield remote
            return
        location = self.remotes.locate(None if remote is None else str(remote))
        with type(self)(open_existing(location)) as there:
            yield there
            where = location if config.is_url(location) else str(Path(location).expanduser().absolute())
            remotes = self.remotes
            if remotes.met.get(there.id) != where and there.id != self.id:
                self.remotes = remotes.meet(there.id, where)


def _is_there(location: str | Path) -> bool:
    try:
        return config.locate(location) is not None
    except LinError:
        return False


def _starts(session: Session, chosen: Sequence[str]) -> Collection[NodeId]:
    graph = session.graph
    return [node for ref in chosen for node in answers.starts(graph, refs.resolve(graph, ref))]
