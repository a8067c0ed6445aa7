"""A lineage graph like that of a busy team: few datasets used by most, many used once, long fine-tuning chains.

It is made in batches, so that a graph of ten million nodes needs no memory for all of them, and it is the same one for
the same arguments. Every model is evaluated once, on a dataset drawn as those for training are: so some were
trained on what they were tested on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate

from lin.lineage.graph import Batch, Edge, EdgeKind, Node, NodeId, NodeKind

GENERATIONS = 50
"""Models in one fine-tuning chain."""
START = 1_700_000_000_000_000
TICK = 1_000


def node_id(number: int) -> NodeId:
    """Return the id of the node made as the `number`-th."""
    return sha256(b"%d" % number).digest()


@dataclass(slots=True)
class Lineage:
    """A graph that is made while it is read, and the nodes in it that questions are asked about.

    Attributes:
        size: About how many nodes it has, besides the evaluations.
        seed: Of the generator.
        nodes: How many nodes there are, once it was read.
        edges: How many edges.
        datasets: By popularity, the most used one first, by their numbers (`node_id`).
        uses: How many trainings use each dataset directly.
        models: In the order they were made, by their numbers.
        last_of_chain: The youngest model of a chain of `GENERATIONS`, by its number.
    """

    size: int
    seed: int = 0
    nodes: int = 0
    edges: int = 0
    datasets: list[int] = field(default_factory=list)
    uses: list[int] = field(default_factory=list)
    models: list[int] = field(default_factory=list)
    last_of_chain: int = -1

    def batches(self, size: int = 20_000) -> Iterator[Batch]:
        """Make it, and yield it in batches of about `size` nodes, each with the edges that come with them."""
        maker = _Maker(self, random.Random(self.seed))
        for _ in maker.steps():
            if len(maker.made) >= size:
                yield maker.take()
        yield maker.take()

    def rank(self, uses: int) -> int:
        """Return the rank of the dataset whose number of direct uses is nearest to this."""
        return min(range(len(self.uses)), key=lambda rank: abs(self.uses[rank] - uses))


class _Maker:
    def __init__(self, lineage: Lineage, source: random.Random) -> None:
        self._lineage = lineage
        self._random = source
        self.made: list[Node] = []
        self._linked: list[Edge] = []
        lineage.nodes = lineage.edges = 0
        lineage.datasets, lineage.uses, lineage.models, lineage.last_of_chain = [], [], [], -1

    def take(self) -> Batch:
        first = self._lineage.nodes - len(self.made)
        events = [(node.id, first + at) for at, node in enumerate(self.made)]
        batch = Batch(self.made, self._linked, events)
        self.made, self._linked = [], []
        return batch

    def steps(self) -> Iterator[None]:
        """Make one thing after the other."""
        lineage = self._lineage
        codes = []
        for index in range(max(1, lineage.size // 500)):
            codes.append(self._artifact(NodeKind.CODE, f"code-{index}"))
            yield
        number = max(10, lineage.size // 40)
        for index in range(number):
            lineage.datasets.append(self._artifact(NodeKind.DATASET, f"dataset-{index}"))
            yield
        lineage.uses = [0] * number
        # Like Zipf's law, and steeper: the first is used in a quarter of all trainings.
        weights = list(accumulate(rank**-1.25 for rank in range(1, number + 1)))
        chain: list[int] = []
        while lineage.nodes - len(lineage.models) < lineage.size:
            run = self._node(NodeKind.RUN, f"train-{len(lineage.models)}")
            train, test, held_out = self._random.choices(range(number), cum_weights=weights, k=3)
            self._link(self._random.choice(codes), EdgeKind.USED_CODE, run)
            self._link(lineage.datasets[train], EdgeKind.USED_TRAIN, run)
            self._link(lineage.datasets[test], EdgeKind.USED_TEST, run)
            lineage.uses[train] += 1
            # A fifth of the models are steps of chains, each on top of the one before.
            fine_tuned = self._random.random() < 0.2
            if fine_tuned and chain:
                self._link(chain[-1], EdgeKind.USED_BASE_MODEL, run)
            model = self._artifact(NodeKind.MODEL, f"model-{len(lineage.models) % 1_000}", run)
            self._evaluate(model, lineage.datasets[held_out], run)
            lineage.models.append(model)
            if fine_tuned:
                chain.append(model)
                if len(chain) == GENERATIONS:
                    lineage.last_of_chain = model
                    chain = []
            yield
        if lineage.last_of_chain < 0:
            lineage.last_of_chain = lineage.models[-1]

    def _evaluate(self, model: int, dataset: int, run: int) -> None:
        evaluation = self._node(NodeKind.EVALUATION, None)
        self._link(model, EdgeKind.EVALUATED, evaluation)
        self._link(dataset, EdgeKind.EVALUATED_ON, evaluation)
        self._link(run, EdgeKind.EVALUATED_BY, evaluation)

    def _artifact(self, kind: NodeKind, name: str, run: int | None = None) -> int:
        artifact = self._node(kind, name)
        content = self._node(NodeKind.CONTENT, None)
        self._link(content, EdgeKind.HAS_CONTENT, artifact)
        if run is not None:
            self._link(run, EdgeKind.GENERATED, artifact)
        return artifact

    def _node(self, kind: NodeKind, name: str | None) -> int:
        number = self._lineage.nodes
        self._lineage.nodes += 1
        this, created = node_id(number), START + number * TICK
        facets = {}
        if kind.is_artifact:
            facets["artifact"] = {"at": str(created), "event": this.hex(), "name": name, "size": 1_000}
        self.made.append(Node(this, kind, name, created, facets))
        return number

    def _link(self, source: int, kind: EdgeKind, target: int) -> None:
        self._lineage.edges += 1
        self._linked.append(Edge(node_id(source), kind, node_id(target)))
