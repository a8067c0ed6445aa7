"""The changes that can be made over the network; each may be sent twice without harm.

Bytes do not travel here: they are put with `lin put` (or by any client of the store), and recorded by digest.
"""

from __future__ import annotations

from typing import Annotated

import strawberry

from lin import records
from lin.lineage.words import ArtifactKind
from lin.store import digest as digests

from .arguments import AliasName, Ref
from .context import Info
from .fields import resolved
from .nodes import Alias, Artifact
from .words import Digest, Facts


@strawberry.type(description="What came of a put.")
class PutResult:
    """What came of a put."""

    artifact: Artifact = strawberry.field(description="The artifact that now stands for what was put.")
    added: bool = strawberry.field(
        description="False when the newest version of that name held these very bytes already: nothing changed."
    )
    same_bytes: list[Artifact] = strawberry.field(description="Other artifacts with the same bytes, oldest first.")

    @classmethod
    def of(cls, record: records.PutResult) -> PutResult:
        """Present a put's result."""
        return cls(
            artifact=Artifact.of(record.artifact),
            added=record.added,
            same_bytes=[Artifact.of(artifact) for artifact in record.same_bytes],
        )


@strawberry.type(description="What can be changed. Sending the same change twice does no harm.")
class Mutation:
    """What can be changed."""

    @resolved("Record content that is in the store already as an artifact.")
    def put_digest(
        self,
        info: Info,
        *,
        digest: Annotated[Digest, strawberry.argument(description="Of the content.")],
        name: Annotated[str, strawberry.argument(description="The name its versions share.")],
        kind: Annotated[ArtifactKind, strawberry.argument(description="What it is to people.")] = ArtifactKind.DATASET,
        experiment: Annotated[
            str | None, strawberry.argument(description="The name of the experiment it belongs to.")
        ] = None,
        attributes: Annotated[Facts | None, strawberry.argument(description="Small facts about it.")] = None,
    ) -> PutResult:
        """Put by digest."""
        return PutResult.of(
            info.context.repository.put_digest(
                digests.Digest.parse(digest), name=name, kind=kind, experiment=experiment, attributes=attributes
            )
        )

    @resolved("Point an alias of the artifact's name at the artifact.")
    def tag(self, info: Info, ref: Ref, alias: AliasName) -> Alias:
        """Move an alias."""
        return Alias.of(info.context.repository.tag(ref, alias))

    @resolved("Take an alias away; its history stays.")
    def untag(
        self,
        info: Info,
        *,
        name: Annotated[str, strawberry.argument(description="The artifacts' name: `churn` in `churn@prod`.")],
        alias: AliasName,
    ) -> Alias:
        """Take an alias away."""
        return Alias.of(info.context.repository.untag(name, alias))
