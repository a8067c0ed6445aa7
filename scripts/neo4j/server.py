#!/usr/bin/env python3
"""Start and stop a Neo4j 5.26 Community server on this machine, with nothing but Java 17 or later and Maven.

    scripts/neo4j/server.py start --home DIR [--port 7687]    returns when it answers, and prints its address
    scripts/neo4j/server.py stop --home DIR

Everything it writes is under --home, but for the libraries: Maven fetches them once (116 MB) into the user's cache
folder, or --libraries. It listens on loopback only. The user is neo4j, the password is read from the environment's
LIN_NEO4J_PASSWORD, and without one the server asks for none.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSION = "5.26.20"  # as in pom.xml
OPENS = ("java.nio", "java.io", "sun.nio.ch", "java.lang")
SETTINGS = """\
server.bolt.enabled=true
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.memory.pagecache.size={pagecache}
dbms.security.auth_enabled={auth}
dbms.security.auth_lock_time=0s
dbms.usage_report.enabled=false
"""


class StartError(Exception):
    """Say what is missing or failed."""


def default_libraries() -> Path:
    """Return the folder in the user's cache where the libraries lie."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lin" / f"neo4j-{VERSION}"


def fetch(libraries: Path) -> Path:
    """Let Maven fetch the libraries, and compile `Server.java`, unless that was done; return the classes' folder."""
    source = HERE / "Server.java"
    classes = libraries / f"server-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not libraries.exists():
        goal = ["dependency:copy-dependencies", "-DoutputDirectory={}"]
        _make(libraries, ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), *goal])
    if not classes.exists():
        _make(classes, ["javac", "-cp", f"{libraries}/*", "-d", "{}", str(source)])
    return classes


def _make(folder: Path, command: list[str]) -> None:
    """Run a command that makes a folder, beside its place: it is there as a whole or not at all."""
    if shutil.which(command[0]) is None:
        raise StartError(f"{command[0]} is not installed; Maven and a JDK of version 17 or later are needed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = Path(name) / "made"
        _call([part.format(made) for part in command])
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # else someone else was faster
                raise


def _call(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise StartError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def start(options: argparse.Namespace) -> None:
    """Start the server in the background and wait until it answers."""
    home, libraries = options.home.resolve(), options.libraries.resolve()
    if running(home):
        raise StartError(f"a server is already running in {home}")
    if shutil.which("java") is None:
        raise StartError("java is not installed; version 17 or later is needed")
    classes = fetch(libraries)
    home.mkdir(parents=True, exist_ok=True)
    settings = SETTINGS.format(
        port=options.port,
        pagecache=options.pagecache,
        auth="true" if "LIN_NEO4J_PASSWORD" in os.environ else "false",
    )
    (home / "neo4j.conf").write_text(settings, encoding="utf-8")
    command = ["java", f"-Xmx{options.heap}", "-XX:+UseSerialGC", *options.java_option]
    command += [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENS]
    command += ["-cp", f"{classes}:{libraries}/*", "Server", str(home)]
    command += [str(options.until_exit_of)] if options.until_exit_of else []
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=home, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    (home / "server.pid").write_text(str(process.pid), encoding="ascii")
    deadline = time.monotonic() + options.timeout
    while b"ready\n" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise StartError(f"it did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def running(home: Path) -> int | None:
    """Return the id of the process that serves this home; None where none does."""
    try:
        pid = int((home / "server.pid").read_text(encoding="ascii"))
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def stop(home: Path, seconds: float) -> None:
    """Let the server finish what it does, and wait for its end."""
    pid = running(home)
    deadline = time.monotonic() + seconds
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    while running(home) is not None:
        if time.monotonic() > deadline:
            raise StartError(f"process {pid} does not end")
        time.sleep(0.1)
    (home / "server.pid").unlink(missing_ok=True)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("--home", type=Path, required=True, help="folder of the server's data, settings and log")
    parser.add_argument("--port", type=int, default=7687)
    parser.add_argument("--heap", default="512m", help="of the JVM")
    parser.add_argument("--pagecache", default="64m", help="memory for pages of the graph's files")
    parser.add_argument("--java-option", action="append", default=[], help="for the JVM; may be given several times")
    parser.add_argument("--libraries", type=Path, default=default_libraries(), help="folder of the fetched libraries")
    parser.add_argument("--until-exit-of", type=int, metavar="PID", help="end when this process does")
    parser.add_argument("--timeout", type=float, default=120, help="seconds to wait")
    options = parser.parse_args()
    try:
        if options.action == "stop":
            stop(options.home.resolve(), options.timeout)
        else:
            start(options)
            print(f"bolt://127.0.0.1:{options.port}")
    except StartError as error:
        print(f"Neo4j: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
