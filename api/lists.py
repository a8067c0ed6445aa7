"""Complete long lists of plain rows column by column.

graphql-core completes a value field by field, at some microseconds each: for the ten thousand nodes of a large trace
that is most of the time. Where a list holds nothing but plain attributes of one type that was made for it, each
selected field is read as a column and checked as a whole. Whatever is out of the ordinary (a fragment, a directive, a
null where none may be, a value of another type) is left to graphql-core, so that answers and errors are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    SelectionNode,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

FLAT = frozenset({"TraceNode", "TraceEdge"})
"""Types whose lists are completed this way."""
TEXT = frozenset({"String", "ID", "Time", "Digest"})
NUMBER = frozenset({"Int", "ByteCount"})
LARGEST = {"Int": 2**31 - 1, "ByteCount": 2**53 - 1}

Column = Callable[[Sequence[Any]], Sequence[Any]]


class UnusualError(Exception):
    """Say that graphql-core has to complete this list."""


class ColumnContext(StrawberryGraphQLCoreExecutionContext):
    """Execute as Strawberry does, but for long lists of plain rows."""

    # The parameters after `result` differ between the versions of graphql-core that Strawberry may bring along.
    def complete_list_value(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, return_type: GraphQLList[Any], field_details_list: Any, info: Any, path: Any, result: Any, *rest: Any
    ) -> Any:
        """Complete a list by columns if it can be done, else as graphql-core does; count its items first."""
        if type(result) is list:
            info.context.spend(len(result))
        item = return_type.of_type.of_type if isinstance(return_type.of_type, GraphQLNonNull) else None
        if (
            isinstance(item, GraphQLObjectType)
            and item.name in FLAT
            and type(result) is list
            and len(field_details_list) == 1
        ):
            field = field_details_list[0]
            selected = (field if isinstance(field, FieldNode) else field.node).selection_set
            try:
                return rows(item, selected.selections if selected else (), result)
            except UnusualError:
                pass
        return super().complete_list_value(return_type, field_details_list, info, path, result, *rest)


def rows(type_: GraphQLObjectType, selections: Sequence[SelectionNode], items: Sequence[Any]) -> list[dict[str, Any]]:
    """Return what was selected of each item.

    Raises:
        UnusualError: Something is not plain.
    """
    columns: dict[str, Sequence[Any]] = {}
    for node in selections:
        if not isinstance(node, FieldNode) or node.directives or node.arguments:
            raise UnusualError
        name, key = node.name.value, node.alias.value if node.alias else node.name.value
        if name == "__typename":
            columns[key] = [type_.name] * len(items)
            continue
        field = type_.fields[name]
        definition = field.extensions["strawberry-definition"]
        if definition.base_resolver is not None:
            raise UnusualError
        columns[key] = _completed(field.type, list(map(attrgetter(definition.python_name), items)))
    keys = tuple(columns)
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _completed(type_: Any, values: Sequence[Any]) -> Sequence[Any]:
    if not isinstance(type_, GraphQLNonNull):
        present = [value for value in values if value is not None]
        if len(present) == len(values):
            return _leaves(type_, values)
        completed = iter(_leaves(type_, present))
        return [None if value is None else next(completed) for value in values]
    return _leaves(type_.of_type, values)


def _leaves(type_: Any, values: Sequence[Any]) -> Sequence[Any]:
    kinds = set(map(type, values))
    if isinstance(type_, GraphQLList):
        if kinds <= {list}:
            return [list(_completed(type_.of_type, value)) if value else [] for value in values]
    elif isinstance(type_, GraphQLEnumType):
        names = {member.value: name for name, member in type_.values.items()}
        try:
            return [names[value.value] for value in values]
        except (AttributeError, KeyError) as error:
            raise UnusualError from error
    elif isinstance(type_, GraphQLScalarType):
        if type_.name in TEXT and kinds <= {str}:
            return values
        limit = LARGEST.get(type_.name, 0)
        if type_.name in NUMBER and kinds <= {int} and all(-limit <= value <= limit for value in values):
            return values
    raise UnusualError
