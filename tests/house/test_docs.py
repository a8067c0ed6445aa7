"""The documentation: links lead somewhere, and commands that it shows exist."""

from __future__ import annotations

import re
import shlex

from lin.cli.verbs import SECTIONS

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _pages(root, tracked):
    return [path for path in tracked if path.endswith(".md") and not path.startswith("tests/")]


def _anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ +(.+?)\s*$", text, re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in titles)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip()) for title in plain}


def test_relative_links_resolve(root, tracked):
    """Every relative link of a tracked page leads to a file that is there, and to a heading that is in it."""
    broken = []
    for page in _pages(root, tracked):
        text = FENCE.sub("", (root / page).read_text())
        for link in LINK.findall(text):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (root / page).parent / path if path else root / page
            if not target.exists():
                broken.append(f"{page}: {link}")
            elif anchor and target.suffix == ".md" and anchor not in _anchors(target.read_text()):
                broken.append(f"{page}: {link}: no such heading")
    assert broken == []


def _commands(text: str):
    for language, body in FENCE.findall(text):
        if language not in {"console", "sh", "bash", "shell"}:
            continue
        for line in body.replace("\\\n", " ").splitlines():
            if not line.removeprefix("$ ").startswith("lin "):
                continue
            words = shlex.split(line.removeprefix("$ "), comments=True)
            yield words[1:]


def test_every_command_shown_is_one_that_lin_has(root, tracked):
    """Pages show no verb that the command line lacks."""
    verbs = {verb for section in SECTIONS.values() for verb in section}
    shown = {
        (page, words[0])
        for page in _pages(root, tracked)
        for words in _commands((root / page).read_text())
        if words and not words[0].startswith("-")
    }
    assert shown, "no page shows a command"
    assert {(page, verb) for page, verb in shown if verb not in verbs} == set()


def test_the_test_command_of_the_readme_is_what_ci_runs(root):
    """README names `make test`, and `.ci/run` runs just that."""
    assert re.search(r"^make test$", (root / "README.md").read_text(), re.MULTILINE)
    assert re.search(r"^step test make (--no-print-directory )?test$", (root / ".ci" / "run").read_text(), re.MULTILINE)


def test_every_page_is_in_the_navigation(root, tracked):
    """A page that no one can reach is not documentation."""
    navigation = (root / "mkdocs.yml").read_text()
    pages = {path.removeprefix("docs/") for path in tracked if path.startswith("docs/") and path.endswith(".md")}
    assert {page for page in pages if page not in navigation} == set()


def test_decision_records_are_numbered_without_gaps(root, tracked):
    """ADRs are 0001, 0002, … and each says its status."""
    records = sorted(path for path in tracked if re.match(r"docs/adr/\d{4}-", path))
    assert [int(path[9:13]) for path in records] == list(range(1, len(records) + 1))
    assert [path for path in records if "Status:" not in (root / path).read_text()] == []
