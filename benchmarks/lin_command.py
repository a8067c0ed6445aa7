"""The `lin` of this environment, with a repository, keys and caches of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from .measuring import Sample, command

LIN = Path(sys.executable).with_name("lin")


@dataclass(frozen=True, slots=True)
class Lin:
    """A repository in a folder, and the command that works on it.

    Attributes:
        folder: Where all of it lies.
        tables: Whether a put looks for tables afterwards. That process would run beside whoever is measured next.
    """

    folder: Path
    tables: bool = True

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
        env |= {} if self.tables else {"LIN_TABLES": "off"}
        return command(LIN, *arguments, cwd=self.folder, env=env)
