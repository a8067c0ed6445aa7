"""The page about GraphQL: its examples run, its tables hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lin.api import app, documents, execution
from lin.api.schema import context, paging, tracing
from lin.errors import LinError, RunFailedError
from lin.recording import Recording

PAGE = (Path(__file__).parents[2] / "docs" / "graphql.md").read_text(encoding="utf-8")
URL = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_python_examples_run(client, capsys):
    """The Python of the page, run from top to bottom as a notebook would, asks a running server and prints answers."""
    pytest.importorskip("requests")
    namespace: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block.replace(URL, client.url), "graphql.md", "exec"), namespace)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["delay-model@v1 directly", "delay-model@v2 directly"]
    assert lines[2].startswith("b3:")
    assert "'auc': 0.1" in lines[3]
    assert lines[4] == "5 artifacts"


def test_queries_run(own_world, make_asker):
    """Every query of the page is answered without an error, and with something."""
    with Recording.start(own_world.repository, name="test.py", folder=own_world.folder) as run:
        run.evaluated(own_world.models[0], own_world.datasets["train"], {"auc": 1.0})  # there is a leak to be found
    ask = make_asker(own_world.repository)
    queries = blocks("graphql")
    assert len(queries) == 18
    for query in queries:
        variables = {"digest": str(own_world.datasets["train"].digest)} if "$digest" in query else {}
        for name, answer in ask(query, **variables).items():
            assert answer, name
            assert answer.get("nodes", True) if isinstance(answer, dict) else answer


def test_every_code_is_explained():
    """The table of errors has every kind that a use case can raise, and the API's own."""

    def tree(error: type[LinError]) -> set[str]:
        return {error.kind.upper()}.union(
            *(tree(child) for child in error.__subclasses__() if child is not RunFailedError)
        )

    told = set(re.findall(r"`([A-Z_]+)`", PAGE.partition("## Errors")[2].partition("## Limits")[0]))
    assert told == (tree(LinError) - {"ERROR"}) | {"INVALID_QUERY", "TIMEOUT", "INTERNAL"}


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("body", f"{app.MAX_BODY // 2**20} MiB"),
        ("tokens of a query", f"{documents.MAX_TOKENS:,}"),
        ("depth (fields in fields)", f"{documents.MAX_DEPTH:,}"),
        ("aliases", f"{documents.MAX_ALIASES:,}"),
        ("fields, fragments expanded", f"{documents.MAX_FIELDS:,}"),
        ("nodes of a trace", f"{tracing.MOST_NODES:,}"),
        ("items of a page", f"{paging.LARGEST:,}"),
        ("items of all lists of an answer", f"{context.MAX_ITEMS:,}"),
        ("time for a request", f"{execution.SECONDS:g} s"),
    ],
)
def test_limits_are_the_codes(what, limit):
    """The table of limits says what the code does."""
    assert f"| {what} | {limit} |" in PAGE
