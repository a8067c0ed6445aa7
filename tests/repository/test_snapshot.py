"""Snapshots: the code as it stood, and a user's git that nobody has touched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from lin import snapshot
from lin.commands import Input, Output, run_command
from lin.errors import ConflictError
from lin.lineage.words import ArtifactKind, Role
from lin.repository import Repository

Write = Callable[..., Path]
GitCommand = Callable[..., str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No interpreter is asked what it holds."""
    monkeypatch.setattr("lin.environment._ask", lambda _: None)


def take(
    repository: Repository,
    folder: Path | None = None,
    *,
    without: Collection[Path] = (),
    data: Collection[str] = (),
) -> tuple[snapshot.Snapshot, dict[str, bytes]]:
    """Take a snapshot and read what is in it."""
    found = snapshot.take(
        repository, folder or Path.cwd(), without=without, is_data=lambda path: path.name in set(data)
    )
    files = {}
    if found.stored.files or found.stored.digest:
        named = repository.put_stored(found.stored, name="taken", kind=ArtifactKind.CODE)
        for entry in repository.entries(named.artifact.label, recursive=True):
            if entry.mode != "d":
                files[entry.path] = repository.store.read(entry.digest)
    return found, files


def fingerprint(folder: Path) -> dict[str, Any]:
    """Return every file below a folder with bytes, times and inode."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (content, status.st_mtime_ns, status.st_ino, status.st_size, status.st_mode)
    return found


# ---------------------------------------------------------------------------- with git


def test_the_commit_and_its_files_are_taken(repository: Repository, git: Any, write: Write) -> None:
    """A clean work tree is what the commit says."""
    write("train.py", "fit()\n")
    write("lib/deep/model.py", "x")
    commit = git.commit()
    found, files = take(repository)
    assert (found.commit, found.dirty, found.project, found.warnings) == (commit, False, "work", ())
    assert files == {"train.py": b"fit()\n", "lib/deep/model.py": b"x"}


def test_work_in_progress_is_taken_as_it_stands(repository: Repository, git: Any, write: Write) -> None:
    """Changed, staged, untracked and deleted; ignored files are not."""
    write(".gitignore", "*.log\ncache/\n")
    for name in ("changed.py", "staged.py", "deleted.py", "moved.py", "same.py"):
        write(name, "old")
    commit = git.commit()
    write("changed.py", "new")
    write("staged.py", "new")
    git("add", "staged.py")
    Path("deleted.py").unlink()
    git("mv", "moved.py", "moved2.py")
    write("untracked.py", "new")
    write("noise.log")
    write("cache/x.py")
    found, files = take(repository)
    assert (found.commit, found.dirty) == (commit, True)
    assert files == {
        ".gitignore": b"*.log\ncache/\n",
        "changed.py": b"new",
        "staged.py": b"new",
        "moved2.py": b"old",
        "same.py": b"old",
        "untracked.py": b"new",
    }


@pytest.mark.parametrize("change", ["changed", "staged", "deleted", "untracked", "mode"])
def test_every_difference_makes_it_dirty(repository: Repository, git: Any, write: Write, change: str) -> None:
    """Each by itself."""
    path = write("train.py", "old")
    git.commit()
    assert not take(repository)[0].dirty
    if change == "deleted":
        path.unlink()
    elif change == "mode":
        path.chmod(0o755)
    else:
        write("other.py" if change == "untracked" else "train.py", "new")
    if change == "staged":
        git("add", "-A")
    assert take(repository)[0].dirty


def test_data_beside_the_code_does_not_make_it_dirty(repository: Repository, git: Any, write: Write) -> None:
    """Inputs, outputs and what earlier runs made are no part of the code, so they change nothing about it."""
    write("train.py")
    git.commit()
    write("in.csv", "1")
    write("out/model.bin", "2")
    write("earlier.bin", "3")
    found, files = take(repository, without=[Path("in.csv"), Path("out")], data=["earlier.bin"])
    assert (found.dirty, found.warnings, set(files)) == (False, (), {"train.py"})


def test_a_change_as_new_as_the_index_is_seen(repository: Repository, git: Any, write: Write) -> None:
    """A file rewritten within the index's own clock tick, at the same size: git looks twice, and so must we."""
    path = write("train.py", "old")
    git.commit()
    git("config", "core.trustctime", "false")
    moment = (1_700_000_000 * 10**9, 1_700_000_000 * 10**9)
    os.utime(path, ns=moment)
    git("update-index", "--refresh")
    os.utime(".git/index", ns=moment)
    write("train.py", "new")
    os.utime(path, ns=moment)
    assert take(repository)[0].dirty


def test_the_users_git_is_not_touched(repository: Repository, git: Any, write: Write) -> None:
    """Index, objects, refs, configuration: the same bytes, times and inodes, whatever the state of the work."""
    write("train.py", "old")
    write("other.py", "old")
    git.commit()
    write("train.py", "new")
    os.utime("other.py", ns=(1, 1))  # makes git want to refresh its index
    write("untracked.py")
    git("add", "-N", "untracked.py")
    before = fingerprint(Path(".git"))
    found, files = take(repository)
    assert found.dirty
    assert set(files) == {"train.py", "other.py", "untracked.py"}
    assert fingerprint(Path(".git")) == before


def test_a_lock_of_another_git_is_no_obstacle(repository: Repository, git: Any, write: Write) -> None:
    """While a commit or rebase holds `index.lock`."""
    write("train.py")
    git.commit()
    write(".git/index.lock", "")
    assert set(take(repository)[1]) == {"train.py"}


def test_from_a_subfolder_the_whole_project_is_taken(repository: Repository, git: Any, write: Write) -> None:
    """A script imports what lies beside its folder."""
    write("src/train.py")
    write("lib.py")
    commit = git.commit()
    found, files = take(repository, Path("src").absolute())
    assert (set(files), found.commit, found.project) == ({"src/train.py", "lib.py"}, commit, "work")


def test_before_the_first_commit_there_is_code_and_no_commit(repository: Repository, git: Any, write: Write) -> None:
    """Staged or not."""
    write("train.py")
    write("staged.py")
    git("add", "staged.py")
    found, files = take(repository)
    assert (found.commit, set(files), found.warnings) == (None, {"train.py", "staged.py"}, ())


def test_an_empty_repository_is_an_empty_tree(repository: Repository, git: Any) -> None:
    """Nothing there is nothing wrong."""
    found, files = take(repository)
    assert (found.commit, files, found.stored.files) == (None, {}, 0)


def test_a_detached_head_is_a_commit(repository: Repository, git: Any, write: Write) -> None:
    """Named by what is checked out."""
    write("train.py", "1")
    first = git.commit()
    write("train.py", "2")
    git.commit()
    git("checkout", "-q", "--detach", first)
    found, files = take(repository)
    assert (found.commit, files, found.dirty) == (first, {"train.py": b"1"}, False)


def test_a_linked_worktree_is_a_project_of_its_own(
    repository: Repository, git: Any, write: Write, tmp_path: Path
) -> None:
    """Its index lies elsewhere; it is read all the same, and left alone."""
    write("train.py", "1")
    git.commit()
    git("worktree", "add", "-q", str(tmp_path / "side"), "-b", "side")
    (tmp_path / "side/train.py").write_text("2")
    before = fingerprint(Path(".git"))
    found, files = take(repository, tmp_path / "side")
    assert (found.project, found.dirty, files) == ("side", True, {"train.py": b"2"})
    assert fingerprint(Path(".git")) == before


def test_a_submodule_is_named_and_left_out(repository: Repository, git: Any, write: Write, tmp_path: Path) -> None:
    """Its commit is part of the project's commit."""
    other = tmp_path / "other"
    other.mkdir()
    git("init", "-q", cwd=other)
    (other / "x.py").write_text("x")
    git.commit(cwd=other)
    write("train.py")
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")
    git.commit()
    found, files = take(repository)
    assert set(files) == {"train.py", ".gitmodules"}
    assert found.warnings == ("sub was left out of the code: a submodule",)
    (Path("sub") / "x.py").write_text("changed")
    assert take(repository)[0].dirty


def test_a_repository_within_the_work_is_named(repository: Repository, git: Any, write: Write) -> None:
    """Git offers it as a folder; its files are another project's."""
    write("train.py")
    git.commit()
    Path("inner").mkdir()
    git("init", "-q", cwd=Path("inner"))
    write("inner/x.py")
    found, files = take(repository)
    assert set(files) == {"train.py"}
    assert "inner/" in found.warnings[0]


def test_links_inside_are_kept_and_others_named(repository: Repository, git: Any, write: Write, tmp_path: Path) -> None:
    """Dangling, absolute, leaving, leaving and coming back, in a circle: each costs only itself."""
    write("lib/real.py", "x")
    Path("good.py").symlink_to("lib/real.py")
    Path("folder").symlink_to("lib")
    bad = {"dangling": "nowhere", "absolute": str(Path("lib/real.py").absolute()), "out": "../ada/gitconfig",
           "and_back": "../work/lib/real.py", "circle": "circle"}  # fmt: skip
    for name, target in bad.items():
        Path(name).symlink_to(target)
    git.commit()
    found, files = take(repository)
    assert files == {"lib/real.py": b"x", "good.py": b"lib/real.py", "folder": b"lib"}
    assert sorted(warning.split(" ")[0] for warning in found.warnings) == sorted(bad)


def test_a_folder_that_became_a_link_or_file_is_no_obstacle(repository: Repository, git: Any, write: Write) -> None:
    """What git still tracks below it is gone."""
    for name in ("one/a.py", "two/b.py", "real/a.py"):
        write(name)
    git.commit()
    for name in ("one/a.py", "two/b.py"):
        Path(name).unlink()
    Path("one").rmdir()
    Path("one").symlink_to("real")
    Path("two").rmdir()
    write("two", "a file")
    found, files = take(repository)
    assert set(files) == {"one", "two", "real/a.py"}
    assert found.warnings == ()


def test_large_untracked_files_are_data(repository: Repository, git: Any, write: Write) -> None:
    """Over 1 MiB; a tracked one is code, whatever its size."""
    write("tracked.bin", b"x" * (snapshot.MAX_UNTRACKED + 1))
    git.commit()
    write("edge.bin", b"x" * snapshot.MAX_UNTRACKED)
    write("large.bin", b"x" * (snapshot.MAX_UNTRACKED + 1))
    found, files = take(repository)
    assert set(files) == {"tracked.bin", "edge.bin"}
    assert found.warnings == ("large.bin was left out of the code: untracked and larger than 1 MiB",)


def test_many_files_left_out_are_counted(
    repository: Repository, git: Any, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of them are named."""
    monkeypatch.setattr(snapshot, "MAX_UNTRACKED", 3)
    for number in range(snapshot.MAX_NAMED + 5):
        write(f"{number}.bin", "large")
    found, _ = take(repository)
    assert len(found.warnings) == snapshot.MAX_NAMED + 1
    assert found.warnings[-1] == "5 more files were left out of the code"


def test_names_that_are_not_utf8_cost_only_themselves(repository: Repository, git: Any, write: Write) -> None:
    """They are named readably; a project that lies below such a folder is no problem."""
    project = Path(os.fsdecode(b"caf\xe9"))
    write(project / "train.py")
    write(project / os.fsdecode(b"na\xefve.py"))
    git("init", "-q", cwd=project)
    found, files = take(repository, project.absolute())
    assert set(files) == {"train.py"}
    assert found.warnings == ("na\\xefve.py was left out of the code: its name is not UTF-8",)
    found.project.encode()


def test_unreadable_files_cost_only_themselves(
    repository: Repository, git: Any, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The superuser reads everything, so who may read is told by hand."""
    write("train.py")
    write("secret.py")
    os.mkfifo("pipe")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "secret" not in str(path) and access(path, mode))
    found, files = take(repository)
    assert set(files) == {"train.py"}
    assert found.warnings == ("secret.py was left out of the code: not a readable file",)


def test_a_git_that_refuses_is_a_warning(
    repository: Repository, git: Any, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As for a work tree of another owner: the folder is taken, and why there is no commit is said."""
    write("train.py")
    git.commit()
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho fatal: detected dubious ownership >&2; exit 128\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    found, files = take(repository)
    assert (found.commit, set(files)) == (None, {"train.py"})
    assert "dubious ownership" in found.warnings[0]


# ---------------------------------------------------------------------------- without git


@pytest.mark.parametrize("installed", [True, False])
def test_outside_git_the_folders_small_files_are_taken(
    repository: Repository, write: Write, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    """Neither hidden folders nor environments; also where there is no git at all."""
    if not installed:
        monkeypatch.setenv("PATH", "/nowhere")
    for name in ("train.py", "lib/x.py", ".hidden/x.py", ".venv/x.py", "venv/x.py", "__pycache__/x.pyc", "data.csv"):
        write(name)
    write("large.bin", b"x" * (snapshot.MAX_UNTRACKED + 1))
    found, files = take(repository, data=["data.csv"])
    assert (found.commit, found.dirty, set(files)) == (None, True, {"train.py", "lib/x.py"})
    assert [warning.split(" ")[0] for warning in found.warnings] == ["large.bin"]


def test_a_folder_with_very_many_files_is_not_walked_to_its_end(
    repository: Repository, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lin run` in a home folder does not read a million files."""
    monkeypatch.setattr(snapshot, "MAX_FILES", 3)
    for number in range(10):
        write(f"{number}.py")
    looked_at: list[str] = []
    found = snapshot.take(
        repository,
        Path.cwd(),
        without=(),
        is_data=lambda path: bool(looked_at.append(path.name)),  # type: ignore[func-returns-value]
    )
    assert found.stored.files == len(looked_at) == 3
    assert "only the first 3 files" in found.warnings[0]


# ---------------------------------------------------------------------------- names and secrets


def test_a_project_in_the_home_folder_is_not_called_after_the_user(
    repository: Repository, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The home folder's name is the user's."""
    (home / "train.py").write_text("x")
    monkeypatch.chdir(home)
    assert take(repository)[0].project == "home"


@pytest.mark.parametrize(
    ("folder", "project"), [("a@b:{c}", "a_b__c_"), (" x ", "x"), ("x" * 255, "x" * 150), ("\u202e", "_")]
)
def test_a_folder_of_any_name_gives_a_usable_one(
    repository: Repository, write: Write, folder: str, project: str
) -> None:
    """So no code is lost for it."""
    write(f"{folder}/train.py")
    found, files = take(repository, Path(folder).absolute())
    assert (found.project, set(files)) == (project, {"train.py"})
    repository.put_stored(found.stored, name=f"{found.project}/code", kind=ArtifactKind.CODE)


def test_lins_own_keys_are_never_code(
    repository: Repository, git: Any, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the settings, the cache or the repository lie within the project."""
    write("train.py")
    for name in ("LIN_CONFIG", "LIN_CACHE"):
        monkeypatch.setenv(name, str(Path(name.lower()).absolute()))
    with Repository.init("nested") as nested:
        (Path("nested/.lin/.gitignore")).unlink()
        nested.put("train.py", name="x")
        _, files = take(nested)
    assert set(files) == {"train.py"}


# ---------------------------------------------------------------------------- in a run


def test_a_run_keeps_its_code_without_its_data(repository: Repository, git: Any, write: Write) -> None:
    """Inputs, outputs and the metrics file stay out; a config input is code."""
    for name in ("train.py", "data.csv", "config.yaml"):
        write(name, name)
    commit = git.commit()
    write("metrics.json", "{}")

    def run() -> Any:
        return run_command(
            repository,
            ["sh", "-c", "cat data.csv config.yaml > model.bin; date +%N >> model.bin"],
            inputs=[Input("data.csv", Role.TRAIN), Input("config.yaml", Role.CONFIG)],
            outputs=[Output("model.bin", ArtifactKind.MODEL)],
            metrics_file="metrics.json",
        )

    result = run()
    assert result.run.commit == commit
    (code,) = [use.artifact for use in result.used if use.role == Role.CODE]
    assert (code.name, code.kind, dict(code.attributes)) == ("work/code", "code", {"commit": commit, "dirty": False})
    assert [entry.path for entry in repository.entries(code.label)] == ["config.yaml", "train.py"]

    again = run()  # now model.bin is there, untracked and not ignored
    assert [use.artifact for use in again.used if use.role == Role.CODE] == [code]
    git("rm", "-q", "--cached", "config.yaml")
    write("train.py", "changed")
    (changed,) = [use.artifact for use in run().used if use.role == Role.CODE]
    assert changed.version == 2
    assert changed.attributes["dirty"] is True


def test_going_back_to_old_code_is_the_old_artifact(repository: Repository, git: Any, write: Write) -> None:
    """Runs go back and forth between states of the code; each is one artifact."""
    versions: list[int] = []
    for content in ("1", "2", "1"):
        write("train.py", content)
        if content == "1" and not versions:
            git.commit()
        result = run_command(repository, ["true"])
        versions += [use.artifact.version for use in result.used if use.role == Role.CODE]
    assert versions == [1, 2, 1]


def test_code_that_cannot_be_kept_stops_no_run(
    repository: Repository, git: Any, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changes while it is read, a full temporary folder: a warning."""
    write("train.py")
    for error in (ConflictError("changed while it was read"), OSError(28, "No space left on device")):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(snapshot, "put_path", fail)
        result = run_command(repository, ["true"])
        assert result.run.status == "succeeded"
        assert result.warnings[0].startswith("the code was not kept: ")


# ---------------------------------------------------------------------------- secrets


def test_untracked_secrets_are_left_out(repository: Repository, git: GitCommand, write: Write) -> None:
    """Files named as passwords and keys are stay out, with a warning each; what git tracks was the user's choice."""
    git("init")
    write("config/shared.pem", "public")
    git("add", ".")
    git("commit", "-m", "x")
    for name in (".env", ".env.local", "deploy.key", "id_ed25519"):
        write(name, "secret")
    write("environment.py", "code")
    found, files = take(repository)
    assert sorted(files) == ["config/shared.pem", "environment.py"]
    assert sorted(warning.split()[0] for warning in found.warnings) == [
        ".env",
        ".env.local",
        "deploy.key",
        "id_ed25519",
    ]
