"""The process that a put leaves behind: it works off a repository's notes about tables, and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from lin.errors import LinError

from .repository import Repository


def main(arguments: Sequence[str]) -> int:
    """Work off the notes of the repository named; what fails stays noted for the next worker."""
    with suppress(OSError, AttributeError):
        os.nice(10)  # whoever put something has better to do with this machine
    try:
        with Repository.open(arguments[0]) as repository:
            repository.work_off()
    except (LinError, OSError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
