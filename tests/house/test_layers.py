"""The tree is the architecture: links, imports and layers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FOLDERS = ("store", "lineage", "api", "cli")


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_is_a_subpackage_through_a_tracked_link(root, tracked, folder):
    """`lin/<folder>` is a tracked symbolic link to `../<folder>`."""
    assert tracked[f"lin/{folder}"] == "120000"
    assert (root / "lin" / folder).readlink() == Path(f"../{folder}")
    assert f"{folder}/__init__.py" in tracked


def _imports(source: str):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.level, node.module or ""


def _broken(path: str, source: str) -> list[str]:
    """Return what in a module breaks the two rules for imports."""
    folder = path.split("/", 1)[0]
    depth = path.count("/")
    broken = []
    for line, level, module in _imports(source):
        top = module.split(".", 1)[0]
        inside = module.split(".")[:2] == ["lin", folder]
        if level == 0 and top in FOLDERS:
            broken.append(f"{path}:{line}: imports {module!r}, which is a second copy of lin.{module}")
        elif level == 0 and folder in FOLDERS and inside and depth == 1:
            # Deeper down it is the full name or a chain of dots, and the full name is easier to read.
            broken.append(f"{path}:{line}: imports {module!r} by its full name from inside {folder}/")
        elif level > depth:
            broken.append(f"{path}:{line}: a relative import leaves {folder}/")
    return broken


def test_imports_inside_a_folder_are_relative_and_between_folders_through_lin(root, tracked):
    """No module imports a folder as a top-level package, or its own folder by its full name."""
    modules = [path for path in tracked if path.endswith(".py") and path.split("/", 1)[0] in {*FOLDERS, "lin"}]
    assert len(modules) > len(FOLDERS)
    assert [line for path in modules for line in _broken(path, (root / path).read_text())] == []


def test_tests_and_scripts_import_the_folders_through_lin(root, tracked):
    """Outside the package, too, `import store` would make a second copy."""
    scripts = [path for path in tracked if path.endswith(".py") and path.startswith(("tests/", "demo/", "benchmarks/"))]
    wrong = [
        f"{path}:{line}: {module}"
        for path in scripts
        for line, level, module in _imports((root / path).read_text())
        if level == 0 and module.split(".", 1)[0] in FOLDERS
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("store/blobs.py", "import store.digest"),
        ("store/blobs.py", "from store.digest import Digest"),
        ("store/blobs.py", "from lin.store.digest import Digest"),
        ("store/blobs.py", "def f():\n    from ..lineage import words"),
        ("lin/repository.py", "from lineage import words"),
    ],
)
def test_the_check_of_imports_finds_what_it_looks_for(path, source):
    """Each forbidden form of an import is found, also inside a function."""
    assert _broken(path, source)


def test_the_layers_hold(root):
    """import-linter finds no import from a lower layer to a higher one."""
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed here")
    done = subprocess.run([linter, "--no-cache"], check=False, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
