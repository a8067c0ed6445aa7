"""Traces for Graphviz and Mermaid."""

import re
import shutil
import subprocess

import pytest

from lin.cli.diagrams import dot, mermaid
from lin.lineage.events import EventId
from lin.lineage.words import ArtifactKind, Role, RunStatus

HOSTILE = [
    'quote"; evil [label="x',
    "back\\slash\\",
    "new\nline",
    "<script>alert(1)</script>",
    "a & b &amp; &#34;",
    "`markdown`",
    "]) --> n9",
    "\x1b[31m",
    b"\xff".decode("utf-8", "surrogateescape"),
    "%% comment",
    "end",
    "#quot;",
    "|pipe|",
    "",
]


@pytest.fixture
def hostile(drawn):
    run = drawn.r('run"<b>', RunStatus.FAILED)
    for name in HOSTILE:
        drawn.used(drawn.a(name), run, Role.TRAIN, f"p/{name}")
    drawn.made(run, drawn.a("model", ArtifactKind.MODEL))
    drawn.made(EventId(bytes(32)), drawn.id("model"))
    return drawn.trace(drawn.id("model"), unseen=(EventId(bytes(32)),), truncated="depth")


def test_dot_says_each_node_and_edge_once(drawn):
    """Arrows point the way data flows, also when the question was what made it."""
    model, run, data = drawn.a("model", ArtifactKind.MODEL), drawn.r("run"), drawn.a("data")
    drawn.made(run, model)
    drawn.used(data, run, Role.TRAIN, "d.csv")
    text = "\n".join(dot(drawn.trace(model)))
    assert f'"{data}" -> "{run}" [label="train: d.csv"];' in text
    assert f'"{run}" -> "{model}" [label="generated"];' in text
    assert text.count(" -> ") == 2


def test_dot_keeps_hostile_names_inside_their_quotes(hostile):
    """Outside of quotes stands only what lin wrote."""
    for line in dot(hostile):
        assert line.isprintable()
        outside = re.sub(r'"(\\.|[^"\\])*"', "", line)
        assert re.fullmatch(r"[A-Za-z0-9_=,;{}\[\]\->. ]*|  // .*", outside), line


@pytest.mark.service
def test_graphviz_draws_hostile_names(hostile, require_service):
    """Graphviz accepts the graph and shows every name as it is written."""
    program = shutil.which("dot") or require_service("dot", "install graphviz")
    text = "\n".join(dot(hostile)).encode()
    drawn = subprocess.run([program, "-Tplain"], input=text, capture_output=True, check=True, timeout=60)
    assert drawn.stderr == b""
    assert drawn.stdout.count(b"\nnode ") == len(HOSTILE) + 3
    image = subprocess.run([program, "-Tsvg"], input=text, capture_output=True, check=True, timeout=60).stdout.decode()
    assert "&lt;script&gt;" in image
    assert "<script" not in image
    assert "a &amp; b &amp;amp; &amp;#34;@v1" in image


def test_mermaid_follows_its_grammar(hostile):
    """Every line is a node, an edge, a class or a comment, and no label holds a character that ends it."""
    lines = "\n".join(mermaid(hostile)).splitlines()
    label = r'"(?:[^"<>`&|\[\]{}()]|<br>)*"'
    grammar = re.compile(
        rf"flowchart LR|  n\d+\[{label}\]|  n\d+\(\[{label}\]\)|  n\d+ -->\|{label}\| n\d+"
        r"|  classDef root stroke-width:3px|  class n\d+(,n\d+)* root|  %% .*"
    )
    for line in lines:
        assert grammar.fullmatch(line), line
    assert sum(" -->" in line for line in lines) == len(hostile.edges)


def test_an_empty_trace_is_still_a_diagram(drawn):
    """One lone artifact is one node."""
    lone = drawn.a("lone")
    assert sum("label=" in line for line in dot(drawn.trace(lone))) == 1
    assert sum("lone" in line for line in mermaid(drawn.trace(lone))) == 1
