"""Whatever is done in whatever order, a repository answers as a dict would."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lin.errors import NotFoundError
from lin.repository import Repository

NAMES = st.sampled_from(["a", "b", "dir/a", "deadbeef"])
ALIASES = st.sampled_from(["prod", "next"])
CONTENTS = st.sampled_from([b"", b"1", b"2", b"x" * 70_000])


class RepositoryMachine(RuleBasedStateMachine):
    """Put, tag, untag, get, close and lose the index, against plain lists of versions."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="lin-machine-"))
        self.before = {name: os.environ.get(name) for name in ("LIN_CONFIG", "LIN_CACHE")}
        os.environ.update(LIN_CONFIG=str(self.root / "config"), LIN_CACHE=str(self.root / "cache"))
        self.repository = Repository.init(self.root / "store")
        self.versions: dict[str, list[bytes]] = {}
        self.aliases: dict[tuple[str, str], int] = {}
        self.events = 0

    def teardown(self) -> None:
        self.repository.close()
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(self.root)

    def _wrote(self, events: int) -> None:
        self.events += events + (1 if self.events == 0 and events else 0)  # the first one brings the key

    @rule(name=NAMES, content=CONTENTS)
    def put(self, name: str, content: bytes) -> None:
        path = self.root / "file"
        path.write_bytes(content)
        known = self.versions.setdefault(name, [])
        same = {f"{n}@v{v}" for n, versions in self.versions.items() for v, c in enumerate(versions, 1) if c == content}
        added = not known or known[-1] != content
        result = self.repository.put(path, name=name)
        if added:
            known.append(content)
            self._wrote(1)
        assert (result.added, result.artifact.version) == (added, len(known))
        assert {artifact.label for artifact in result.same_bytes} == same - {result.artifact.label}

    @precondition(lambda self: any(self.versions.values()))
    @rule(data=st.data(), alias=ALIASES)
    def tag(self, data: st.DataObject, alias: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.versions)))
        version = data.draw(st.integers(1, len(self.versions[name])))
        moved = self.repository.tag(f"{name}@v{version}", alias)
        if self.aliases.get((name, alias)) != version:
            self._wrote(1)
        self.aliases[name, alias] = version
        assert [artifact.version for artifact in moved.artifacts] == [version]

    @rule(name=NAMES, alias=ALIASES)
    def untag(self, name: str, alias: str) -> None:
        if self.aliases.pop((name, alias), None) is None:
            with pytest.raises(NotFoundError):
                self.repository.untag(name, alias)
        else:
            self.repository.untag(name, alias)
            self._wrote(1)

    @rule(name=NAMES, version=st.integers(1, 4))
    def get(self, name: str, version: int) -> None:
        known = self.versions.get(name, [])
        target = self.root / "got"
        if version > len(known):
            with pytest.raises(NotFoundError):
                self.repository.get(f"{name}@v{version}", target, force=True)
        else:
            self.repository.get(f"{name}@v{version}", target, force=True)
            assert target.read_bytes() == known[version - 1]

    @rule(lost=st.booleans())
    def open_again(self, lost: bool) -> None:
        self.repository.close()
        if lost:
            shutil.rmtree(self.root / "cache", ignore_errors=True)
        self.repository = Repository.open(self.root / "store")

    @invariant()
    def names_are_known(self) -> None:
        newest = {artifact.name: artifact.version for artifact in self.repository.newest()}
        assert newest == {name: len(versions) for name, versions in self.versions.items() if versions}

    @invariant()
    def aliases_stand_where_they_were_put(self) -> None:
        standing = {(a.name, a.alias): [x.version for x in a.artifacts] for a in self.repository.aliases()}
        assert standing == {key: [version] for key, version in self.aliases.items()}

    @invariant()
    def the_log_holds_what_was_said(self) -> None:
        assert len(list(self.repository.log())) == self.events


RepositoryMachine.TestCase.settings = settings(
    settings.get_profile("lin"), max_examples=12, stateful_step_count=12, deadline=None
)
TestRepository = RepositoryMachine.TestCase
