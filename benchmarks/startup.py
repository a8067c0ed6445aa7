"""How long it takes before lin does anything, and to put a small file: what is paid hundreds of times a day."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count

from .lin_command import LIN, Lin
from .measuring import Contender, Folder, Sample, Scenario, command

GOAL_HELP = 0.1
GOAL_PUT = 0.25


def scenarios(folder: Folder, *, smoke: bool) -> Iterator[Scenario]:
    """Yield what is measured of starting."""
    here = folder.path
    runs = 3 if smoke else 20
    lin = Lin.fresh(folder.fresh("startup"))
    table = lin.folder / "small.csv"
    number = count()

    def put_new() -> Sample:
        table.write_text(f"id,value\n{next(number)},1\n")
        return lin("put", table)

    def put_same() -> Sample:
        return lin("put", table)

    put_new()
    yield Scenario(
        "start",
        [
            Contender("python -c pass", lambda: command(sys.executable, "-c", "pass", cwd=here)),
            Contender("python -c 'import click'", lambda: command(sys.executable, "-c", "import click", cwd=here)),
            Contender("lin --help", lambda: command(LIN, "--help", cwd=here)),
            Contender("lin version", lambda: command(LIN, "version", cwd=here)),
        ],
        goal=GOAL_HELP,
        goal_for="lin --help",
        runs=runs,
    )
    yield Scenario(
        "put a small file",
        [
            Contender("python -c pass", lambda: command(sys.executable, "-c", "pass", cwd=here)),
            Contender("lin put small.csv (new)", put_new),
            Contender("lin put small.csv (unchanged)", put_same),
        ],
        goal=GOAL_PUT,
        goal_for="lin put small.csv (new)",
        runs=runs,
    )
