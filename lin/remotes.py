"""Which other repositories this user knows by a name, and where a repository was last found.

The names are this user's and this machine's, so they lie in the user's config folder, one file a repository.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from lin.errors import ConflictError, InvalidInputError, NotFoundError
from lin.store.faults import os_errors

DEFAULT = "origin"
"""What `clone` calls the repository that it cloned, and what is meant where no remote is named."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Remotes:
    """What one repository's user calls others.

    Attributes:
        names: Locations, by the name that the user gave them.
        met: Where each repository that was pulled from or pushed to was last found, by its id.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    met: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, repository: str, config: Path) -> Self:
        """Read what is known beside a repository (its id); nothing at first.

        Raises:
            InvalidInputError: The file is not what lin writes.
        """
        path = _file(repository, config)
        try:
            document = json.loads(path.read_bytes())
            return cls(*({str(k): str(v) for k, v in document[part].items()} for part in ("names", "met")))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidInputError(f"{path} is not a list of remotes: {error}", hint="Mend or delete it.") from error

    def save(self, repository: str, config: Path) -> None:
        """Write it, in one step."""
        path = _file(repository, config)
        with os_errors("write", path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
            draft.replace(path)

    def locate(self, remote: str | None) -> str:
        """Return the location that a name stands for; what is no name is a location itself.

        Raises:
            NotFoundError: None was given, and there is no `origin`.
        """
        if remote is None and DEFAULT not in self.names:
            raise NotFoundError(
                "no remote was named, and there is none called origin",
                hint="Name a folder or URL, or remember one: lin remote add origin URL",
            )
        return self.names.get(remote or DEFAULT, remote or DEFAULT)

    def add(self, name: str, location: str) -> Self:
        """Give a location a name.

        Raises:
            InvalidInputError: It is not usable as a name.
            ConflictError: It is taken.
        """
        if not _NAME.fullmatch(name):
            raise InvalidInputError(
                f"not a usable name for a remote: {name!r}", hint="A letter, then letters, digits, '.', '_' or '-'."
            )
        if self.names.get(name, location) != location:
            raise ConflictError(
                f"{name} stands for {self.names[name]} already", hint=f"Take it away first: lin remote remove {name}"
            )
        return type(self)({**self.names, name: location}, self.met)

    def remove(self, name: str) -> Self:
        """Forget a name.

        Raises:
            NotFoundError: There is none.
        """
        if name not in self.names:
            raise NotFoundError(f"there is no remote {name!r}", hint="`lin remote` lists them.")
        return type(self)({key: value for key, value in self.names.items() if key != name}, self.met)

    def meet(self, repository: str, location: str) -> Self:
        """Remember where a repository was found."""
        return type(self)(self.names, {**self.met, repository: location})


def _file(repository: str, config: Path) -> Path:
    return config / "remotes" / f"{repository}.json"
