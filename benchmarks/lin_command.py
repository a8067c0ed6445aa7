"""The `lin` of this environment, with a repository, keys and caches of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from .measuring import Sample, command

LIN = Path(sys.executable).with_name("lin")


@dataclass(frozen=True, slots=True)
class Lin:
    """A repository in a folder, and the command that works on it."""

    folder: Path

    @classmethod
    def fresh(cls, folder: Path) -> Lin:
        """Make a repository; not part of what is measured."""
        folder.mkdir(parents=True)
        lin = cls(folder)
        lin("init", folder / "repository")
        return lin

    def __call__(self, *arguments: str | Path) -> Sample:
        """Run a command of lin."""
        places = {"LIN_REPO": "repository", "LIN_CONFIG": "config", "LIN_CACHE": "cache"}
        env = {variable: str(self.folder / name) for variable, name in places.items()}
        return command(LIN, *arguments, cwd=self.folder, env=env)
