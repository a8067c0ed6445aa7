"""Nested fields cost one question for all objects, not one each."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest

from lin.api.execution import Request
from lin.recording import Recording

NESTED = """{ models(first: 1000) { nodes {
  run { used { artifact { ref run { id } content { id } } } generated { ref } experiment { name } detail }
  experiment { name } content { artifacts { ref } } aliases { ref }
  evaluations { dataset { ref evaluationsOn { id } } run { name } } evaluationsOn { id } } } }"""


class Counting:
    """Count the calls that reach a repository."""

    def __init__(self, repository: Any) -> None:
        self._repository = repository
        self.calls: Counter[str] = Counter()
        self.threads: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        self.threads.add(threading.get_ident())
        return getattr(self._repository, name)


@pytest.fixture
def counting(world) -> Counting:
    return Counting(world.repository)


def test_nested_fields_are_asked_for_together(counting, make_asker):
    """A query over all models and all that belongs to them asks the repository once a level, not once a model."""
    answer = make_asker(counting)(NESTED)
    assert len(answer["models"]["nodes"]) == 2
    details = counting.calls.pop("detail")
    assert details == 2  # each is a file of its own
    assert counting.calls == {
        "artifacts": 1,
        "get_many": counting.calls["get_many"],
        "used": 1,
        "generated": 1,
        "experiments": 1,
        "aliases": 1,
        "evaluations": counting.calls["evaluations"],
    }
    assert counting.calls["get_many"] <= 5
    assert counting.calls["evaluations"] <= 3


def test_more_objects_cost_no_more_questions(make_repository, make_asker, tmp_path):
    """Five times as many models cost as many questions as one."""
    repository = make_repository()
    (tmp_path / "m").write_bytes(b"m")
    counts = []
    for models in (1, 4):
        for _ in range(models):
            with Recording.start(repository, name="r", folder=tmp_path) as run:
                run.save(tmp_path / "m", kind="model", name="m")
        counting = Counting(repository)
        make_asker(counting)(NESTED)
        counting.calls.pop("detail")
        counts.append(counting.calls)
    assert counts[0] == counts[1]


def test_plain_fields_ask_nothing_more(counting, make_asker):
    """What a page of artifacts holds by itself costs one question."""
    make_asker(counting)("{ models { nodes { id ref size digest kind attributes } pageInfo { endCursor } } }")
    assert counting.calls == {"artifacts": 1}


def test_a_request_stays_on_one_worker_thread(counting, make_asker):
    """Every question of a request comes from one thread, which is not the event loop's."""
    asker = make_asker(counting)
    asyncio.run(asker.engine.answer(Request(NESTED)))
    assert len(counting.threads) == 1
    assert threading.get_ident() not in counting.threads
