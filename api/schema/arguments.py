"""Arguments that several fields share, each described once."""

from __future__ import annotations

from typing import Annotated

import strawberry

from lin.lineage.words import ArtifactKind, RunStatus

from . import paging
from .words import ThingKind

Ref = Annotated[
    str,
    strawberry.argument(
        description="`name`, `name@v3`, `name@alias`, `name@{2026-03-01}`, an id, a digest, or a unique prefix of one."
    ),
]
First = Annotated[int, strawberry.argument(description=paging.FIRST)]
After = Annotated[str | None, strawberry.argument(description=paging.AFTER)]
Text = Annotated[str | None, strawberry.argument(description="Only those whose name holds this text, in any case.")]
Name = Annotated[str | None, strawberry.argument(description="Only those of exactly this name.")]
Kinds = Annotated[list[ArtifactKind] | None, strawberry.argument(description="Only these kinds; all when left out.")]
NewestFirst = Annotated[bool, strawberry.argument(description="Whether to begin with the newest.")]
Refs = Annotated[list[str] | None, strawberry.argument(description="Only these; each a ref. All when left out.")]
InExperiment = Annotated[str | None, strawberry.argument(description="Only those of the experiment of this name.")]
Statuses = Annotated[list[RunStatus] | None, strawberry.argument(description="Only these; all when left out.")]
AsOf = Annotated[
    str | None,
    strawberry.argument(
        description="As it was then: a day (to its end) or time, which stands for the events that claim to be from "
        "then or before; or a number of events from the beginning of the log. All that is nested in the field is as "
        "it was then, too."
    ),
]
Where = Annotated[
    str | None,
    strawberry.argument(
        description="Conditions on metrics and parameters: `accuracy > 0.9 and lr <= 0.1 and booster = trees`. A model "
        "has those of the run that made it and of its evaluations."
    ),
]
ThingKinds = Annotated[list[ThingKind] | None, strawberry.argument(description="Only these kinds; all when left out.")]
Metric = Annotated[str, strawberry.argument(description="The measurement's name.")]
AliasName = Annotated[str, strawberry.argument(description="The movable part: `prod` in `churn@prod`.")]
