"""Packages that only some formats need."""

from __future__ import annotations

import importlib
from typing import Any

from lin.errors import NotATableError


def need(module: str, extra: str, what: str) -> Any:
    """Import a module that an extra brings.

    Raises:
        NotATableError: It is not installed; says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise NotATableError(
            f"reading {what} as tables needs a package that is not here: {error}",
            hint=f"Install it: pip install 'lin-store[{extra}]'; then: lin tables identify",
        ) from error
