"""Traces over GraphQL: flat, complete, and never silently cut."""

from __future__ import annotations

import pytest

from lin import records
from lin.api.schema import tracing
from lin.api.schema.words import Direction
from lin.lineage.events import EventId

TRACE = """query($ref: String!, $direction: Direction! = UP, $depth: Int, $maxNodes: Int! = 1000) {
  trace(ref: $ref, direction: $direction, depth: $depth, maxNodes: $maxNodes) {
    root roots nodes { id kind name ref distance createdAt version digest size status commit }
    edges { source target relation role paths evidence } totalNodes truncated reason unseen
  }
}"""


def refs(trace):
    return {node["ref"]: node["distance"] for node in trace["nodes"]}


def test_upstream(ask, world):
    """A model's trace up leads through its run to the exact bytes that it was trained on."""
    trace = ask(TRACE, ref="delay-model@v1")["trace"]
    run = world.runs[0]
    assert refs(trace) == {"delay-model@v1": 0, run[:12]: 1, "train@v1": 2}
    assert trace["root"] == trace["roots"][0] == str(world.models[0].id)
    assert [node["kind"] for node in trace["nodes"]] == ["MODEL", "RUN", "DATASET"]
    assert trace["nodes"][2]["digest"] == str(world.datasets["train"].digest)
    assert trace["nodes"][1]["status"] == "SUCCEEDED"
    assert (trace["totalNodes"], trace["truncated"], trace["reason"], trace["unseen"]) == (3, False, None, [])
    links = {(e["source"], e["target"]): (e["relation"], e["role"]) for e in trace["edges"]}
    assert links == {
        (str(world.datasets["train"].id), run): ("USED", "TRAIN"),
        (run, str(world.models[0].id)): ("GENERATED", None),
    }


def test_downstream(ask, world):
    """A dataset's trace down leads to both models."""
    trace = ask(TRACE, ref="train", direction="DOWN")["trace"]
    assert {"delay-model@v1", "delay-model@v2"} <= refs(trace).keys()


def test_both_ways(ask, world):
    """Both ways around a run show what it used and what it made, the root once."""
    trace = ask(TRACE, ref=world.runs[0], direction="BOTH")["trace"]
    assert refs(trace) == {world.runs[0][:12]: 0, "train@v1": 1, "delay-model@v1": 1}
    assert [node["distance"] for node in trace["nodes"]] == [0, 1, 1]
    assert trace["totalNodes"] == 3
    assert len(trace["edges"]) == 2


@pytest.mark.parametrize(
    ("limits", "reason", "nodes"),
    [({"depth": 1}, "DEPTH", 2), ({"maxNodes": 2}, "NODES", 2), ({"depth": 0}, "DEPTH", 1)],
)
def test_cuts_are_told(ask, limits, reason, nodes):
    """A trace that leaves something out says so and why, and keeps what is nearest."""
    trace = ask(TRACE, ref="delay-model@v1", **limits)["trace"]
    assert (trace["truncated"], trace["reason"], len(trace["nodes"])) == (True, reason, nodes)
    shown = {node["id"] for node in trace["nodes"]}
    assert all({edge["source"], edge["target"]} <= shown for edge in trace["edges"])


def test_both_ways_are_cut_as_one(ask, world):
    """The limit on nodes holds for both ways together."""
    trace = ask(TRACE, ref=world.runs[0], direction="BOTH", maxNodes=2)["trace"]
    assert (len(trace["nodes"]), len(trace["edges"]), trace["totalNodes"]) == (2, 1, 3)
    assert trace["reason"] == "NODES"


def test_a_digest_has_every_artifact_as_root(ask, own_world, make_asker, tmp_path):
    """The trace of bytes begins at every artifact that holds them."""
    own_world.repository.put(own_world.folder / "train.csv", name="copy")
    trace = make_asker(own_world.repository)(TRACE, ref=str(own_world.datasets["train"].digest))["trace"]
    assert {"train@v1": 0, "copy@v1": 0}.items() <= refs(trace).items()
    assert len(trace["roots"]) == 2


@pytest.mark.parametrize("limits", [{"depth": -1}, {"maxNodes": 0}, {"maxNodes": 10_001}, {"maxNodes": -5}], ids=str)
def test_limits_are_checked(ask, limits):
    """Limits out of range are refused with their value."""
    error = ask.error(TRACE, ref="train", **limits)
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert str(next(iter(limits.values()))) in error["message"]


def test_cycles_are_joined(world):
    """Where a cycle makes something lie both up and down, it is shown once, at its lesser distance."""
    a, b, c = world.repository.artifacts(limit=3).items

    def part(*distances: tuple[records.Artifact, int]) -> records.Trace:
        return records.Trace((a.id,), "up", tuple(n for n, _ in distances), (), {n.id: d for n, d in distances}, 3)

    class Cyclic:
        def trace(self, ref, *, direction, depth, max_nodes):
            return part((a, 0), (b, 1), (c, 2)) if direction.value == "up" else part((a, 0), (c, 1), (b, 2))

    joined = tracing.trace(Cyclic(), "a", Direction.BOTH, None, 10)  # type: ignore[arg-type]
    assert {node.id: node.distance for node in joined.nodes} == {str(a.id): 0, str(b.id): 1, str(c.id): 1}
    assert joined.total_nodes == 3


def test_unseen_ids_are_told(world):
    """Ids whose events are missing here are listed."""
    (artifact,) = world.repository.artifacts(limit=1).items
    missing = EventId(b"\x07" * 32)

    class Partial:
        def trace(self, ref, *, direction, depth, max_nodes):
            return records.Trace((artifact.id,), "up", (artifact,), (), {artifact.id: 0}, 2, None, (missing,))

    assert tracing.trace(Partial(), "a", Direction.UP, None, 10).unseen == [str(missing)]  # type: ignore[arg-type]
