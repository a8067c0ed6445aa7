"""What is tracked: no machine's paths, the licence, GraphiQL's files as they were published."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

BINARY = (".png", ".ico", ".woff2", ".svg", ".gz")
VENDORED = "api/static/graphiql/"
# In pieces, so that this file does not hold what it looks for.
HERE = re.compile(r"(?<![\w.])/" + "work/" + r"|(?<![\w.])/" + "root/|" + "bash" + "_jobs")
# Tests speak of the folders of people that there are not.
MACHINE = re.compile(f"{HERE.pattern}|/" + "home/[a-z]|/" + "Users/[A-Za-z]|C:" + r"\\Users")


def _texts(root, tracked):
    for path, mode in tracked.items():
        if mode != "120000" and not path.endswith(BINARY) and not path.startswith(VENDORED):
            yield path, (root / path).read_text(encoding="utf-8")


def test_no_tracked_file_names_a_machines_folders(root, tracked):
    """A path that exists on one machine only says nothing to a reader and breaks elsewhere."""
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in _texts(root, tracked)
        if path != "uv.lock"
        for number, line in enumerate(text.splitlines(), 1)
        if (HERE if path.startswith("tests/") else MACHINE).search(line)
    ]
    assert found == []


def test_the_check_of_paths_finds_one():
    """The expression matches what it is meant to find."""
    assert MACHINE.search("open('/" + "home/anna/data.csv')")
    assert not MACHINE.search("a folder of its own, work/flights.csv")


def test_the_lock_names_one_index(root):
    """A lock that mixes indexes, or points at files on one machine, installs nowhere else."""
    text = (root / "uv.lock").read_text()
    assert len(set(re.findall(r'registry = "(https://[^"]+)"', text))) == 1
    assert 'registry = "http://' not in text
    assert "file://" not in text


def test_the_licence_is_apache_2_0(root):
    """The full text is there."""
    text = (root / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def _vendored(root):
    table = (root / VENDORED / "README.md").read_text()
    return re.findall(r"\| `([^`|]+)` \| `(sha384-[^`]+)` \|", table)


def test_every_file_of_graphiql_is_what_its_table_says(root):
    """The integrity values in the table are those of the files, and no file lacks one."""
    table = dict(_vendored(root))
    files = {path.name: path.read_bytes() for path in (root / VENDORED).iterdir() if path.suffix in {".js", ".css"}}
    digests = {
        name: "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode() for name, data in files.items()
    }
    assert len(digests) == 7
    assert table == digests


def test_graphiql_is_the_version_that_strawberrys_page_loads(root):
    """The files are byte for byte those that the locked Strawberry's page names by their integrity values."""
    strawberry = pytest.importorskip("strawberry")
    page = (root / strawberry.__path__[0] / "static" / "graphiql.html").read_text()
    assert set(re.findall(r'integrity="([^"]+)"', page)) == {digest for _, digest in _vendored(root)}
