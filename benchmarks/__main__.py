"""Run the benchmarks and print a table of medians: `python -m benchmarks [--smoke] [--only graph] [--json]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from . import graph, startup, store, tables
from .measuring import Folder, Row, Scenario, measure
from .table import show

SUITES: dict[str, Callable[..., Iterator[Scenario]]] = {
    "startup": startup.scenarios,
    "graph": graph.scenarios,
    "store": store.scenarios,
    "tables": tables.scenarios,
}
RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, object]:
    """Say what the figures were taken on, without naming the machine."""
    from lin import __version__  # noqa: PLC0415 - the arguments are parsed first

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "lin": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it still run?")
    parser.add_argument("--only", action="append", choices=sorted(SUITES), help="only this part; may be repeated")
    parser.add_argument("--runs", type=int, default=None, help="runs of each large measurement (5; 1 with --smoke)")
    parser.add_argument("--json", action="store_true", help="print one JSON document with every sample")
    parser.add_argument(
        "--nodes", type=int, action="append", help="of the graphs of the part `graph` (100,000 and 1,000,000)"
    )
    parser.add_argument(
        "--rows", type=int, action="append", help="of a large table of the part `tables`, on request only"
    )
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where to work: the disk that is measured")
    return parser.parse_args()


def main() -> None:
    """Measure, printing each scenario when it is done."""
    arguments = _arguments()
    runs = arguments.runs or (1 if arguments.smoke else 5)
    facts = machine()
    rows: list[Row] = []
    if not arguments.json:
        print(", ".join(f"{name} {value}" for name, value in facts.items()))
        print("Ratios are to the first line of each table.", flush=True)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as path:
        for name in arguments.only or SUITES:
            options: dict[str, object] = {}
            if name == "graph" and arguments.nodes:
                options = {"sizes": arguments.nodes}
            if name == "tables" and arguments.rows:
                options = {"rows": arguments.rows}
            for scenario in SUITES[name](Folder(Path(path)), smoke=arguments.smoke, **options):
                if arguments.json:
                    print(f"{scenario.title} …", file=sys.stderr, flush=True)
                taken = measure(scenario, runs)
                rows += taken
                if not arguments.json:
                    print(show(taken), flush=True)
    if arguments.json:
        json.dump({"machine": facts, "rows": [row.to_json() for row in rows]}, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
