"""Move aliases: the names that stand for an artifact today and for another one tomorrow."""

from __future__ import annotations

from lin.errors import (
    NotFoundError,
)
from lin.lineage.admission import alias_heads
from lin.lineage.events import AliasMoved, EventId
from lin.lineage.graph import Graph
from lin.lineage.ledger import Draft

from . import reading, refs
from .looking import Looking
from .records import Alias, Artifact


class Tagging(Looking):
    """Aliases, by compare-and-swap on where they stood."""

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
