"""The command line: parse, one call of a use case, render.

`main` is what the `lin` command calls. Each verb lives in a module of its own that is imported when the
verb is used, so that `lin --help` costs little more than click.
"""

from __future__ import annotations

from .entry import main

__all__ = ["main"]
