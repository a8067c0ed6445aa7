"""A lineage graph like that of a busy team: few datasets used by most, many used once, long fine-tuning chains."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from lin.lineage.graph import Batch, Edge, EdgeKind, Node, NodeId, NodeKind

GENERATIONS = 50
"""Models in one fine-tuning chain."""
NODES_A_RUN = 3
"""A training makes a run, a model and the model's content."""


@dataclass(slots=True)
class Lineage:
    """A graph, and the nodes in it that questions are asked about.

    Attributes:
        nodes: All of them.
        edges: All of them.
        datasets: By popularity, the most used one first.
        uses: How many trainings use each dataset directly.
        models: In the order they were made.
        last_of_chain: The youngest model of a chain of `GENERATIONS`.
    """

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    datasets: list[NodeId] = field(default_factory=list)
    uses: list[int] = field(default_factory=list)
    models: list[NodeId] = field(default_factory=list)
    last_of_chain: NodeId = b""

    def batches(self, size: int = 5_000) -> Iterator[Batch]:
        """Yield everything in batches: all nodes before the edges."""
        for start in range(0, len(self.nodes), size):
            part = self.nodes[start : start + size]
            yield Batch(part, (), [(node.id, start + index) for index, node in enumerate(part)])
        for start in range(0, len(self.edges), size):
            yield Batch((), self.edges[start : start + size])


def build(size: int, seed: int = 0) -> Lineage:
    """Make a graph of about `size` nodes; the same one for the same arguments."""
    return _Maker(size, random.Random(seed)).make()


class _Maker:
    def __init__(self, size: int, source: random.Random) -> None:
        self._size = size
        self._random = source
        self._made = Lineage()
        self._clock = 1_700_000_000_000_000

    def make(self) -> Lineage:
        made = self._made
        codes = [self._artifact(NodeKind.CODE, f"code-{index}") for index in range(max(1, self._size // 500))]
        number = max(10, self._size // 40)
        for index in range(number):
            made.datasets.append(self._artifact(NodeKind.DATASET, f"dataset-{index}"))
        made.uses = [0] * number
        # Zipf's law: the second is used half as often as the first, the third a third as often, …
        weights = [1 / rank for rank in range(1, number + 1)]
        chain: list[NodeId] = []
        while len(made.nodes) < self._size:
            run = self._node(NodeKind.RUN, f"train-{len(made.models)}")
            self._link(self._random.choice(codes), EdgeKind.USED_CODE, run)
            train, test = self._random.choices(range(number), weights, k=2)
            self._link(made.datasets[train], EdgeKind.USED_TRAIN, run)
            self._link(made.datasets[test], EdgeKind.USED_TEST, run)
            made.uses[train] += 1
            # A fifth of the models are steps of chains, each on top of the one before.
            fine_tuned = self._random.random() < 0.2
            if fine_tuned and chain:
                self._link(chain[-1], EdgeKind.USED_BASE_MODEL, run)
            model = self._artifact(NodeKind.MODEL, f"model-{len(made.models) % 1_000}", run)
            made.models.append(model)
            if fine_tuned:
                chain.append(model)
                if len(chain) == GENERATIONS:
                    made.last_of_chain = model
                    chain = []
        made.last_of_chain = made.last_of_chain or made.models[-1]
        return made

    def _artifact(self, kind: NodeKind, name: str, run: NodeId | None = None) -> NodeId:
        artifact = self._node(kind, name)
        content = self._node(NodeKind.CONTENT, None)
        self._link(content, EdgeKind.HAS_CONTENT, artifact)
        if run is not None:
            self._link(run, EdgeKind.GENERATED, artifact)
        return artifact

    def _node(self, kind: NodeKind, name: str | None) -> NodeId:
        this = sha256(b"%d" % len(self._made.nodes)).digest()
        self._clock += 1_000
        facets = {}
        if kind.is_artifact:
            facets["artifact"] = {"at": str(self._clock), "event": this.hex(), "name": name, "size": 1_000}
        self._made.nodes.append(Node(this, kind, name, self._clock, facets))
        return this

    def _link(self, source: NodeId, kind: EdgeKind, target: NodeId) -> None:
        self._made.edges.append(Edge(source, kind, target))
