"""The GraphQL schema: one module a noun, every field described.

`api/schema.graphql` is the tracked copy; after a change, write it again:

    python -m lin.api.schema > api/schema.graphql

Within a major version no field, argument or enum value is taken away.
"""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig

from lin.api.documents import DocumentCache
from lin.api.lists import ColumnContext

from .context import Context
from .mutation import Mutation
from .nodes import Artifact, Content, Evaluation, Experiment, Run
from .query import Query
from .words import SCALARS

HEADER = "# lin's GraphQL API. Written by `python -m lin.api.schema > api/schema.graphql`; do not edit.\n\n"


class LinSchema(strawberry.Schema):
    """A schema that leaves the reporting of errors to `lin.api.failures`."""

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Log nothing: what is expected goes to the client, what is not is logged with an id elsewhere."""


schema = LinSchema(
    query=Query,
    mutation=Mutation,
    types=[Artifact, Run, Experiment, Evaluation, Content],
    extensions=[DocumentCache],
    execution_context_class=ColumnContext,
    config=StrawberryConfig(scalar_map=SCALARS),
)


def print_schema() -> str:
    """Return the schema in GraphQL's schema language, as `api/schema.graphql` holds it."""
    return f"{HEADER}{schema.as_str()}\n"


__all__ = ["Context", "print_schema", "schema"]
