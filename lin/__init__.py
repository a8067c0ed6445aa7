"""lin: a content-addressed artifact store and lineage graph for machine learning.

::

    import lin

    lin.put("flights.csv")
    with lin.run(experiment="delays") as run:
        data = run.use("flights.csv", role="train")
        ...
        run.log_metrics(accuracy=0.93)
        run.save("model.joblib", kind="model")
    lin.trace("model.joblib")

Everything is imported on first use, so `import lin` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import LinError
    from .lineage.words import ArtifactKind, Role, RunStatus
    from .recording import Recording
    from .repository import Repository
    from .sdk import artifact, get, open_repository, put, run, trace
    from .store.digest import Digest

__version__ = "0.1.0"

__all__ = [
    "ArtifactKind",
    "Digest",
    "LinError",
    "Recording",
    "Repository",
    "Role",
    "RunStatus",
    "__version__",
    "artifact",
    "get",
    "open_repository",
    "put",
    "run",
    "trace",
]

_HOMES = {
    "ArtifactKind": ".lineage.words",
    "Digest": ".store.digest",
    "LinError": ".errors",
    "Recording": ".recording",
    "Repository": ".repository",
    "Role": ".lineage.words",
    "RunStatus": ".lineage.words",
    "artifact": ".sdk",
    "get": ".sdk",
    "open_repository": ".sdk",
    "put": ".sdk",
    "run": ".sdk",
    "trace": ".sdk",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
