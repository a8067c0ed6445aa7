"""Parse and validate queries once, within limits that hold before any of the costly rules runs.

Parsing and validating is most of what a small query costs, and clients send the same few texts again
and again, so both results are kept by text. The limits bound the work that a query can cause: they are counted with
every fragment expanded, but each fragment is counted once, so that a chain of fragments that
doubles at each link is refused in linear time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    specified_rules,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

MAX_TOKENS = 2_000
MAX_DEPTH = 12
"""Fields inside fields, introspection aside."""
MAX_ALIASES = 30
MAX_FIELDS = 1_000
MAX_NESTING = 60
"""Selections inside selections of any sort: what recursion must survive."""
CACHED = 256
"""Documents."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A document with what is wrong with it."""

    document: DocumentNode
    errors: tuple[GraphQLError, ...]


@dataclass(frozen=True, slots=True)
class Weight:
    """How much a selection asks for, fragments expanded."""

    depth: int = 0
    aliases: int = 0
    fields: int = 0


@lru_cache(maxsize=CACHED)
def checked(schema: GraphQLSchema, text: str) -> Checked:
    """Parse and validate a query.

    Raises:
        GraphQLError: It is not GraphQL, or has too many tokens, or nests too deeply to be read.
    """
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
    except RecursionError as error:
        raise GraphQLError("the query is nested too deeply to be read") from error
    errors = exceeded(document) or validate_document(schema, document, tuple(specified_rules))
    return Checked(document, tuple(errors))


def exceeded(document: DocumentNode) -> list[GraphQLError]:
    """Say which limits a document exceeds."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    known: dict[str, Weight] = {}
    try:
        weights = [_weigh(operation.selection_set, fragments, known, 0) for operation in operations]
    except RecursionError:
        return [GraphQLError(f"the query is nested more than {MAX_NESTING} levels deep")]
    found = (
        (max((w.depth for w in weights), default=0), MAX_DEPTH, "levels deep"),
        (sum(w.aliases for w in weights), MAX_ALIASES, "aliases"),
        (sum(w.fields for w in weights), MAX_FIELDS, "fields"),
    )
    return [
        GraphQLError(f"the query is too large: {count} {what}, where {limit:,} are allowed")
        for count, limit, what in found
        if count > limit
    ]


def _weigh(
    selection: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], known: dict[str, Weight], nesting: int
) -> Weight:
    if nesting > MAX_NESTING:
        raise RecursionError
    depth = aliases = fields = below = 0
    inner = Weight()
    for node in selection.selections:
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name not in known and name in fragments:
                known[name] = Weight()  # a fragment that spreads itself is refused by validation
                known[name] = _weigh(fragments[name].selection_set, fragments, known, nesting + 1)
            inner = known.get(name, Weight())
            below = inner.depth
        elif isinstance(node, FieldNode):
            inner = _weigh(node.selection_set, fragments, known, nesting + 1) if node.selection_set else Weight()
            fields += 1
            aliases += node.alias is not None
            # Introspection is deep by nature; validation has a rule of its own for it.
            below = 0 if node.name.value.startswith("__") else inner.depth + 1
        elif isinstance(node, InlineFragmentNode):
            inner = _weigh(node.selection_set, fragments, known, nesting + 1)
            below = inner.depth
        depth = max(depth, below)
        aliases += inner.aliases
        fields += inner.fields
    return Weight(depth, aliases, fields)


class DocumentCache(SchemaExtension):
    """Take the document and its errors from the cache instead of parsing and validating again."""

    _errors: tuple[GraphQLError, ...] = ()

    def on_parse(self) -> Iterator[None]:
        """Put the parsed document in place."""
        context = self.execution_context
        found = checked(context.schema._schema, context.query or "")  # noqa: SLF001 (the extension point has no other way)
        context.graphql_document = found.document
        self._errors = found.errors
        yield

    def on_validate(self) -> Iterator[None]:
        """Put the document's errors in place, which keeps Strawberry from validating."""
        self.execution_context.pre_execution_errors = list(self._errors)
        yield
