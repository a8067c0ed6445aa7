"""Completing by columns gives what graphql-core gives, for whatever is selected and whatever the values are."""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lin.api import execution, lists
from lin.api.schema import tracing
from lin.api.schema.words import Relation, ThingKind
from lin.lineage.words import Evidence, Role, RunStatus

NODE: dict[str, Any] = {
    "id": "a",
    "kind": ThingKind.MODEL,
    "name": "n",
    "ref": "n@v1",
    "distance": 1,
    "created_at": "2026-01-01T00:00:00.000000Z",
    "version": 1,
    "digest": "b3:00",
    "size": 5_000_000_000,
    "status": None,
    "commit": None,
}
EDGE: dict[str, Any] = {
    "source": "a",
    "target": "b",
    "relation": Relation.USED,
    "role": Role.TRAIN,
    "paths": ["data.csv"],
    "evidence": [Evidence.DECLARED, Evidence.OBSERVED],
}
NODE_FIELDS = ["id", "kind", "name", "ref", "distance", "createdAt", "version", "digest", "size", "status", "commit"]
EDGE_FIELDS = ["source", "target", "relation", "role", "paths", "evidence"]


class Stranger(Enum):
    OTHER = "other"


class Text(str):
    __slots__ = ()


NUMBERS = [7, -1, 2**31, -(2**31), 2**53, 2**70, 1.5, float("inf"), True]
TEXTS = ["x", "", b"x", Text("t"), [], ["x"], [None], ("x",)]
WORDS = [Stranger.OTHER, ThingKind.RUN, Role.BASE_MODEL, RunStatus.FAILED, Evidence.IMPORTED, [Evidence.OBSERVED]]
ODD = [None, object, *NUMBERS, *TEXTS, *WORDS]


def things(type_, ordinary):
    changed = st.fixed_dictionaries({}, optional=dict.fromkeys(ordinary, st.sampled_from(ODD)))
    return st.lists((st.just({}) | changed).map(lambda change: type_(**{**ordinary, **change})), max_size=4)


def selections(fields):
    field = st.sampled_from([*fields, "__typename"])
    shapes = st.sampled_from(
        ["{0}", "{0}", "{0}", "{1}: {0}", "{0} @skip(if: false)", "{0} @include(if: $no)", "... {{ {0} }}"]
    )
    return st.lists(st.tuples(shapes, field, st.sampled_from("abcd")), min_size=1, max_size=6).map(
        lambda chosen: " ".join(shape.format(name, f"{alias}_{name}") for shape, name, alias in chosen)
    )


def answer(engine: execution.Engine, text: str) -> str:
    response = engine.execute(execution.Request(text, {"no": False}))
    for error in response.get("errors", ()):
        error["extensions"].pop("id", None)
        error["extensions"].pop("hint", None)
    return json.dumps(response, default=repr)  # text, since to Python True is 1


@pytest.fixture(scope="module")
def engine():
    engine = execution.Engine(None, lambda *_: None)  # type: ignore[arg-type]
    yield engine
    engine.close()


@settings(max_examples=300)
@given(
    things(tracing.TraceNode, NODE),
    things(tracing.TraceEdge, EDGE),
    selections(NODE_FIELDS),
    selections(EDGE_FIELDS),
)
def test_columns_are_graphql_cores(engine, nodes, edges, of_nodes, of_edges):
    """Data and errors are equal both ways, for random selections of random values, wrong ones included."""
    assert_equal_both_ways(engine, nodes, edges, f"nodes {{ {of_nodes} }} edges {{ {of_edges} }}")


def test_columns_know_every_odd_value(engine):
    """For every field and every odd value, beside an ordinary row, data and errors are equal both ways."""
    for value in ODD:
        for name, attribute in zip(NODE_FIELDS, NODE, strict=True):
            rows = [tracing.TraceNode(**NODE), tracing.TraceNode(**{**NODE, attribute: value})]
            assert_equal_both_ways(engine, rows, [], f"nodes {{ {name} }}")
        for name, attribute in zip(EDGE_FIELDS, EDGE, strict=True):
            links = [tracing.TraceEdge(**EDGE), tracing.TraceEdge(**{**EDGE, attribute: value})]
            assert_equal_both_ways(engine, [], links, f"edges {{ {name} }}")


def assert_equal_both_ways(engine, nodes, edges, fields):
    trace = tracing.Trace(roots=[], nodes=nodes, edges=edges, total_nodes=0, truncated=False, reason=None, unseen=[])
    text = f'query($no: Boolean!) {{ trace(ref: "x") {{ {fields} unseen @include(if: $no) }} }}'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "trace", lambda *_: trace)
        by_columns = answer(engine, text)
        patch.setattr(lists, "FLAT", frozenset())
        assert by_columns == answer(engine, text)


@pytest.mark.parametrize(("name", "fields"), [("nodes", NODE_FIELDS), ("edges", EDGE_FIELDS)])
def test_ordinary_traces_go_by_columns(ask, monkeypatch, name, fields):
    """Whatever fields of a trace are selected, its lists are completed by columns."""
    taken = []
    slow = lists.rows

    def spy(*arguments):
        result = slow(*arguments)
        taken.append(len(result))
        return result

    monkeypatch.setattr(lists, "rows", spy)
    trace = ask(f'{{ trace(ref: "train", direction: DOWN) {{ {name} {{ {" ".join(fields)} }} }} }}')["trace"]
    assert taken == [len(trace[name])]
    assert taken[0] > 1


def test_flat_types_are_flat():
    """The types completed by columns have no resolvers."""
    for name in lists.FLAT:
        assert dataclasses.is_dataclass(getattr(tracing, name))
        definition = getattr(tracing, name).__strawberry_definition__
        assert all(field.base_resolver is None for field in definition.fields)
