"""Find what a `lin://` address means: a ref, and a path inside its folder.

`flights@v2/2024/may.csv` is the file `2024/may.csv` of the folder `flights@v2`. A name may hold '/' itself, so without
an '@' the longest beginning that is known as a name is the ref.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

from lin.errors import InvalidInputError, NotFoundError
from lin.lineage.words import Shape
from lin.store.digest import Digest
from lin.store.folder import read_tree
from lin.store.tree import Mode, TreeEntry

from .records import Artifact, Content
from .repository import Repository

FRESH_SECONDS = 2.0
"""How long it is taken for granted what a ref means that can move: longer than a tool takes from looking to opening."""
_TREES = 1_000
"""Folders whose entries are kept; they can never change."""
_LINKS = 40
"""Symbolic links that are followed one after another, as Linux does."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an address means.

    Attributes:
        digest: Of the file's bytes or the folder's tree.
        size: In bytes.
        is_folder: Whether it is a folder.
        is_link: Whether it was reached by a symbolic link.
        is_executable: Whether it is a program.
        artifact: What it belongs to; None for bytes that were named by digest.
    """

    digest: Digest
    size: int
    is_folder: bool
    is_link: bool = False
    is_executable: bool = False
    artifact: Artifact | None = None


class Addresses:
    """Resolve addresses in one repository; safe from several threads."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._lock = Lock()
        self._fixed: OrderedDict[str, Target] = OrderedDict()
        self._moving: dict[str, tuple[float, Target]] = {}
        self._trees: OrderedDict[Digest, Mapping[str, TreeEntry]] = OrderedDict()

    def find(self, address: str) -> Target:
        """Return what an address means.

        Raises:
            NotFoundError: There is no such ref, or no such file in it.
            AmbiguousRefError: The ref means several things.
            InvalidInputError: The ref means something that holds no bytes, such as a run.
        """
        ref, path = self._split(address)
        return self._inside(self._ref(ref), path, address) if path else self._ref(ref)

    def entries(self, target: Target) -> Mapping[str, TreeEntry]:
        """Return a folder's entries by name."""
        with self._lock:
            found = self._trees.get(target.digest)
            if found is not None:
                self._trees.move_to_end(target.digest)
                return found
        found = {entry.name: entry for entry in read_tree(self._repository.store, target.digest)}
        with self._lock:
            self._trees[target.digest] = found
            while len(self._trees) > _TREES:
                self._trees.popitem(last=False)
        return found

    # ------------------------------------------------------------------------

    def _split(self, address: str) -> tuple[str, str]:
        head, at, rest = address.partition("@")
        if at:
            # A date in braces may hold no '/', so the first one ends the ref.
            suffix, _, path = rest.partition("/")
            return f"{head}@{suffix}", path
        if address.startswith("b3:"):
            ref, _, path = address.partition("/")
            return ref, path
        parts = address.split("/")
        for count in range(len(parts), 1, -1):
            try:
                self._ref("/".join(parts[:count]))
            except (NotFoundError, InvalidInputError):
                continue
            return "/".join(parts[:count]), "/".join(parts[count:])
        return parts[0], "/".join(parts[1:])

    def _ref(self, ref: str) -> Target:
        now = time.monotonic()
        with self._lock:
            fixed = self._fixed.get(ref)
            if fixed is not None:
                return fixed
            made, target = self._moving.get(ref, (0.0, None))
            if target is not None and now - made < FRESH_SECONDS:
                return target
        target, is_fixed = self._resolve(ref)
        with self._lock:
            if is_fixed:
                self._fixed[ref] = target
                while len(self._fixed) > _TREES:
                    self._fixed.popitem(last=False)
            else:
                self._moving = {name: known for name, known in self._moving.items() if now - known[0] < FRESH_SECONDS}
                self._moving[ref] = now, target
        return target

    def _resolve(self, ref: str) -> tuple[Target, bool]:
        """Return what a ref means, and whether it can never mean anything else."""
        try:
            found = self._repository.resolve(ref)
        except NotFoundError:
            # Files inside folders are no artifacts, but their bytes have a digest all the same.
            digest = _whole_digest(ref)
            if digest is None:
                raise
            return Target(digest, self._repository.store.size(digest), is_folder=False), True
        if isinstance(found, Artifact):
            is_fixed = ref in {found.label, str(found.id)}
            return Target(found.digest, found.size, found.shape == Shape.TREE, artifact=found), is_fixed
        if isinstance(found, Content):
            held = next((each for each in found.artifacts if each.shape == Shape.TREE), None)
            held = held or next(iter(found.artifacts), None)
            size = held.size if held else self._repository.store.size(found.digest)
            is_folder = held is not None and held.shape == Shape.TREE
            return Target(found.digest, size, is_folder, artifact=held), ref == str(found.digest)
        raise InvalidInputError(
            f"{ref!r} is {type(found).__name__.lower()}, which holds no bytes", hint="Name an artifact: name@v3."
        )

    def _inside(self, top: Target, path: str, address: str) -> Target:
        """Walk into a folder, following links inside it."""
        todo = [part for part in reversed(path.split("/")) if part not in {"", "."}]
        above: list[Target] = []
        here, linked, links = top, False, 0
        while todo:
            part = todo.pop()
            if part == "..":
                here = above.pop() if above else top
                continue
            entry = self.entries(here).get(part) if here.is_folder else None
            if entry is None:
                raise NotFoundError(
                    f"there is no {path!r} in {address.removesuffix(path).rstrip('/')}",
                    hint=f"List what is there: lin ls {address.removesuffix(path).rstrip('/')}",
                )
            if entry.mode is Mode.LINK:
                links += 1
                if links > _LINKS:
                    raise NotFoundError(f"too many symbolic links on the way to {address}")
                linked = linked or not todo
                todo.extend(reversed(self._repository.store.read(entry.digest).decode().split("/")))
                continue
            above.append(here)
            here = Target(
                entry.digest,
                entry.size,
                entry.mode is Mode.FOLDER,
                is_executable=entry.mode is Mode.EXECUTABLE,
                artifact=top.artifact,
            )
        return Target(here.digest, here.size, here.is_folder, linked, here.is_executable, top.artifact)


def _whole_digest(ref: str) -> Digest | None:
    try:
        return Digest.parse(ref)
    except InvalidInputError:
        return None
