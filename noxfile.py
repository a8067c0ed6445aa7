"""Run the checks in environments of their own: `nox` for all, `nox -s tests-3.12` for one.

`make` and `.ci/run` use one environment and are faster; this is for trying several Pythons. What a Python on
this machine lacks is skipped, never downloaded.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "tests", "docs", "wheel"]

PYTHONS = ["3.11", "3.12", "3.13"]


def install(session: nox.Session, *groups: str, extras: tuple[str, ...] = ()) -> None:
    """Install lin, these dependency groups and these extras, in the versions of the lock."""
    chosen = [f"--group={group}" for group in groups] + [f"--extra={extra}" for extra in extras]
    session.run_install(
        "uv",
        "sync",
        "--frozen",
        "--no-default-groups",
        *chosen,
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location, "UV_PYTHON_DOWNLOADS": "never"},
        external=True,
    )


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Check style, formatting and the layers."""
    install(session, "lint", extras=("server",))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


@nox.session(python=PYTHONS[0])
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright."""
    install(session, "types", "test", extras=("server",))
    session.run("mypy")
    session.run("pyright", "--pythonpath", str(Path(session.bin) / "python"))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after `--` go to pytest."""
    install(session, "dev", extras=("server",))
    session.run("pytest", *(session.posargs or ["-n", "auto"]))


@nox.session(python=PYTHONS[0])
def soak(session: nox.Session) -> None:
    """Work on one repository for a minute, be killed at random, and meet every fault at every call."""
    install(session, "test")
    seconds = session.env.get("LIN_SOAK_SECONDS") or "60"
    session.run(
        "pytest",
        "-s",
        "tests/lineage/test_soak.py",
        "tests/repository/test_gc_soak.py",
        "tests/repository/test_faults.py",
        "tests/repository/test_keeping.py::test_content_put_again_while_it_goes_stays",
        env={"LIN_SOAK_SECONDS": seconds, "LIN_FAULTS": "all", "LIN_ROUNDS": "1000"},
    )


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """Build the documentation, warnings as errors."""
    install(session, "docs", extras=("server",))
    session.run("mkdocs", "build", "--strict")


@nox.session(python=PYTHONS)
def wheel(session: nox.Session) -> None:
    """Install the built wheel alone, and start the command."""
    folder = Path(session.create_tmp())
    for old in folder.glob("*.whl"):
        old.unlink()
    session.run_install("uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), external=True)
    (built,) = folder.glob("*.whl")
    session.install(str(built))
    session.run("lin", "version")
