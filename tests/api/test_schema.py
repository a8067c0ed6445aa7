"""The tracked schema, and what every part of it owes its readers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import graphql
import pytest

import lin.api
from lin.api.schema import print_schema, schema
from lin.lineage import words

TRACKED = Path(lin.api.__file__).resolve().with_name("schema.graphql")
OURS = [type_ for name, type_ in schema._schema.type_map.items() if not name.startswith("__")]


def test_tracked_schema_is_the_codes():
    """`api/schema.graphql` is what the code says; if not: `python -m lin.api.schema > api/schema.graphql`."""
    assert TRACKED.read_text(encoding="utf-8") == print_schema()


def test_printing_is_a_command():
    """`python -m lin.api.schema` prints the schema."""
    printed = subprocess.run([sys.executable, "-m", "lin.api.schema"], capture_output=True, check=True, text=True)
    assert printed.stdout == print_schema()


def test_tracked_schema_is_valid():
    """The tracked file is a valid schema by itself."""
    assert not graphql.validate_schema(graphql.build_schema(TRACKED.read_text(encoding="utf-8")))


@pytest.mark.parametrize("type_", OURS, ids=lambda type_: type_.name)
def test_everything_is_described(type_):
    """Every type, field, argument and enum value says what it is."""
    assert type_.description or type_.name in {"Boolean", "Float", "ID", "Int", "String", "JSON"}
    for name, field in getattr(type_, "fields", {}).items():
        assert field.description, f"{type_.name}.{name}"
        for argument, details in getattr(field, "args", {}).items():
            assert details.description, f"{type_.name}.{name}({argument}:)"


@pytest.mark.parametrize(
    "word", [words.ArtifactKind, words.Role, words.Evidence, words.RunStatus, words.Shape], ids=lambda w: w.__name__
)
def test_words_are_the_same(word):
    """GraphQL's enums hold exactly lin's words."""
    type_ = schema._schema.type_map[word.__name__]
    assert isinstance(type_, graphql.GraphQLEnumType)
    assert {name: str(value.value) for name, value in type_.values.items()} == {m.name: m.value for m in word}


def test_nodes_are_nodes():
    """Whatever has an id implements `Node`."""
    node = schema._schema.type_map["Node"]
    assert isinstance(node, graphql.GraphQLInterfaceType)
    names = {type_.name for type_ in schema._schema.get_possible_types(node)}
    assert names == {"Artifact", "Run", "Experiment", "Evaluation", "Content"}
