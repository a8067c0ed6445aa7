"""The tools that lin is measured beside, each behind the same few calls.

borg, restic, git-annex and git-lfs are found on the PATH. dvc, mlflow and oxen are Python packages that do not get on
with one another; `python -m benchmarks.peers FOLDER` installs each into an environment of its own there, and
`LIN_BENCH_PEERS` names that folder. What is not there is left out, and said to be.
"""

# What each call does is said once, in `Peer`.
# ruff: noqa: D102

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .lin_command import LIN, Lin
from .measuring import Sample, command

PACKAGES = {"dvc": "dvc", "mlflow": "mlflow-skinny", "oxen": "oxenai"}
VARIABLE = "LIN_BENCH_PEERS"
_GIT = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def python_of(name: str) -> Path | None:
    """Return the interpreter of a peer's environment, if there is one."""
    folder = os.environ.get(VARIABLE)
    path = Path(folder, name, "bin", "python") if folder else None
    return path if path is not None and path.exists() else None


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def copy(source: Path, target: Path) -> None:
    """Copy a file or folder over what is there, until it is on the disk: no later sync may pay for it."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    elif target.exists() or target.is_symlink():
        target.unlink()
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)
    subprocess.run(["sync", "-f", str(target.parent)], check=True)


@dataclass(slots=True)
class Peer:
    """A repository of one tool, and its commands.

    Attributes:
        folder: Everything is in it.
        source: What `put` keeps.
    """

    folder: Path
    source: Path = Path()

    name: ClassVar[str]
    verifies: ClassVar[bool] = True

    @classmethod
    def missing(cls) -> str:
        """Say why it cannot be measured; empty if it can."""
        return "" if shutil.which(cls.name) else f"{cls.name} is not installed"

    def make(self) -> None:
        """Make an empty repository."""

    def take(self, source: Path) -> None:
        """Get ready to put something; not measured."""
        self.source = source

    def put(self) -> Sample:
        """Keep it."""
        raise NotImplementedError

    def get(self, target: Path) -> Sample | None:
        """Write what was put last into a new folder; None where the tool has nothing like it."""
        del target
        return None

    def size(self) -> int:
        """Return the bytes that the repository takes."""
        return size_of(self.folder / "repository")

    def environment(self) -> Mapping[str, str]:
        """Return the variables that keep it in its folder."""
        return {"HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")}

    def call(self, *words: str | Path, cwd: Path | None = None) -> Sample:
        """Run one of its commands."""
        return command(*words, cwd=cwd or self.folder, env=self.environment())


class LinPeer(Peer):
    """lin, measured as the others are."""

    name = "lin"

    @classmethod
    def missing(cls) -> str:
        return "" if LIN.exists() else "lin is not installed here"

    def make(self) -> None:
        self.folder.rmdir()
        Lin.fresh(self.folder)

    def put(self) -> Sample:
        return Lin(self.folder, tables=False)("put", self.source)

    def get(self, target: Path) -> Sample | None:
        return Lin(self.folder, tables=False)("get", self.source.name, target)


class Borg(Peer):
    """borg, without encryption, and else as it comes."""

    name = "borg"
    number: ClassVar[int] = 0

    def environment(self) -> Mapping[str, str]:
        yes = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
        return {**super().environment(), **yes, "BORG_BASE_DIR": str(self.folder)}

    def make(self) -> None:
        self.call("borg", "init", "-e", "none", "repository")

    def put(self) -> Sample:
        Borg.number += 1
        repository = self.folder / "repository"
        return self.call("borg", "create", f"{repository}::{Borg.number}", self.source.name, cwd=self.source.parent)

    def get(self, target: Path) -> Sample | None:
        target.mkdir()
        return self.call("borg", "extract", f"{self.folder / 'repository'}::{Borg.number}", cwd=target)


class Restic(Peer):
    """restic as it comes."""

    name = "restic"

    def environment(self) -> Mapping[str, str]:
        return {
            **super().environment(),
            "RESTIC_PASSWORD": "x",
            "RESTIC_REPOSITORY": str(self.folder / "repository"),
            "RESTIC_CACHE_DIR": str(self.folder / "cache"),
        }

    def make(self) -> None:
        self.call("restic", "init")

    def put(self) -> Sample:
        return self.call("restic", "-q", "backup", self.source.name, cwd=self.source.parent)

    def get(self, target: Path) -> Sample | None:
        return self.call("restic", "-q", "restore", "latest", "--target", target)


class InTree(Peer):
    """A tool that keeps what lies in its own working tree."""

    def take(self, source: Path) -> None:
        self.source = source
        copy(source, self.tree / source.name)

    @property
    def tree(self) -> Path:
        """The working tree."""
        return self.folder / "tree"

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), **_GIT}

    def git(self, *words: str) -> Sample:
        """Run git in the working tree."""
        return self.call("git", *words, cwd=self.tree)

    def make(self) -> None:
        self.tree.mkdir()
        self.git("init", "-q")

    def both(self, script: str, *words: str | Path) -> Sample:
        """Run a line of shell in the working tree."""
        return self.call("sh", "-ec", script, "sh", *words, cwd=self.tree)


class GitAnnex(InTree):
    """git-annex: put is add and commit, get is from a clone."""

    name = "git-annex"

    def make(self) -> None:
        super().make()
        self.git("annex", "init", "-q", "a")

    def take(self, source: Path) -> None:
        subprocess.run(["chmod", "-R", "u+w", str(self.tree)], check=True)
        super().take(source)

    def put(self) -> Sample:
        return self.both('git annex add -q "$1"; git commit -q -m x || true', self.source.name)

    def get(self, target: Path) -> Sample | None:
        self.call("git", "clone", "-q", self.tree, target)
        self.call("git", "-C", target, "annex", "init", "-q", "b")
        try:
            return self.call("git", "-C", target, "annex", "get", "-q", ".")
        finally:
            subprocess.run(["chmod", "-R", "u+w", str(target)], check=True)

    def size(self) -> int:
        return size_of(self.tree / ".git")


class GitLfs(InTree):
    """git-lfs: put is add and commit, get a clone."""

    name = "git-lfs"
    verifies = False

    def make(self) -> None:
        super().make()
        self.git("lfs", "install", "--local")
        (self.tree / ".gitattributes").write_text("* filter=lfs diff=lfs merge=lfs -text\n")
        (self.folder / ".gitconfig").write_text(
            '[filter "lfs"]\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n'
            "\tprocess = git-lfs filter-process\n\trequired = true\n"
        )

    def put(self) -> Sample:
        return self.both('git add "$1"; git commit -q -m x || true', self.source.name)

    def get(self, target: Path) -> Sample | None:
        return self.call("git", "clone", "-q", f"file://{self.tree}", target)

    def size(self) -> int:
        return size_of(self.tree / ".git")


class _InPython:
    @classmethod
    def missing(cls) -> str:
        name = cls.name  # type: ignore[attr-defined]
        return "" if python_of(name) else f"{VARIABLE} names no folder with {name}"


class Dvc(_InPython, InTree):
    """dvc: put is add, get is a checkout of what was taken away."""

    name = "dvc"
    verifies = False

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(self.folder / "site")}

    def dvc(self, *words: str) -> Sample:
        """Run dvc."""
        return self.call(str(python_of(self.name)), "-m", "dvc", *words, cwd=self.tree)

    def make(self) -> None:
        super().make()
        self.dvc("init", "-q")

    def put(self) -> Sample:
        return self.dvc("add", "-q", self.source.name)

    def get(self, target: Path) -> Sample | None:
        (self.tree / self.source.name).rename(target)
        return self.dvc("checkout", "-q", "--force")

    def size(self) -> int:
        return size_of(self.tree / ".dvc")


class Mlflow(_InPython, Peer):
    """mlflow: put is one run with an artifact, get its download."""

    name = "mlflow"
    verifies = False

    def environment(self) -> Mapping[str, str]:
        store = f"file://{self.folder / 'runs'}"
        return {**super().environment(), "MLFLOW_TRACKING_URI": store, "MLFLOW_ALLOW_FILE_STORE": "true"}

    @classmethod
    def missing(cls) -> str:
        return "" if python_of(cls.name) else f"{VARIABLE} names no folder with {cls.name}"

    def make(self) -> None:
        (self.folder / "repository").mkdir()

    def put(self) -> Sample:
        what = "log_artifacts" if self.source.is_dir() else "log_artifact"
        script = (
            "import mlflow, sys\nif not mlflow.get_experiment_by_name('e'):\n"
            "    mlflow.create_experiment('e', artifact_location=sys.argv[2])\n"
            "mlflow.set_experiment('e')\nwith mlflow.start_run() as run:\n"
            f"    mlflow.{what}(sys.argv[1])\nopen('run', 'w').write(run.info.run_id)"
        )
        return self.call(str(python_of(self.name)), "-c", script, self.source, self.folder / "repository")

    def get(self, target: Path) -> Sample | None:
        script = (
            "import mlflow, sys\nmlflow.artifacts.download_artifacts(run_id=open('run').read(), dst_path=sys.argv[1])"
        )
        target.mkdir()
        return self.call(str(python_of(self.name)), "-c", script, target)


class Oxen(_InPython, InTree):
    """oxen: put is add and commit."""

    name = "oxen"

    def oxen(self, script: str, *words: str) -> Sample:
        """Run a script with its package."""
        return self.call(str(python_of(self.name)), "-c", f"import sys, oxen\n{script}", *words, cwd=self.tree)

    def make(self) -> None:
        self.tree.mkdir()
        self.oxen("oxen.user.config_user('a', 'a@example.org')\noxen.init('.')")

    def put(self) -> Sample:
        script = "repo = oxen.Repo('.')\nrepo.add(sys.argv[1])\ntry:\n    repo.commit('x')\nexcept Exception: pass"
        return self.oxen(script, self.source.name)

    def size(self) -> int:
        return size_of(self.tree / ".oxen")


ALL: tuple[type[Peer], ...] = (LinPeer, Borg, Restic, GitAnnex, GitLfs, Dvc, Mlflow, Oxen)


def main() -> None:
    """Install the Python packages, each into an environment of its own."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m benchmarks.peers FOLDER   (then set {VARIABLE}=FOLDER)")
    for name, package in PACKAGES.items():
        folder = Path(sys.argv[1], name)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", package], check=True)
        print(f"{name}: {folder}")
    for program in ("borg", "restic", "git-annex", "git-lfs"):
        print(f"{program}: {shutil.which(program) or 'not found'}")
    print("Debian has the last four: apt-get install borgbackup restic git-annex git-lfs")


if __name__ == "__main__":
    main()
