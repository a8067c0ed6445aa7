#!/usr/bin/env python3
"""Start and stop object stores on this machine, to try lin on them or to test it: S3, Azure and Google.

    scripts/servers/server.py install s3|azure|google|all     builds or fetches what is missing
    scripts/servers/server.py start s3 --home DIR [--port N]  returns when it answers; prints how to reach its bucket
    scripts/servers/server.py stop --home DIR

s3 is versitygw (needs Go), azure is azurite (needs Node.js with npm), google is fake-gcs-server (needs Go) behind
`google_xml.py`. Programs go to .tools/servers of this repository, or --programs, once; everything else is under --home.
They listen on loopback only. What `start` prints can be given to a shell: eval "$(scripts/servers/server.py start …)".
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime as dt
import fcntl
import hashlib
import hmac
import http
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = {
    "s3": ("github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
    "google": ("github.com/fsouza/fake-gcs-server", "v1.56.1"),
}
AZURITE = "3.35.0"
BUCKET = "lin"
ACCESS, SECRET = "lin-test-access", "lin-test-secret"
ACCOUNT = "devstoreaccount1"
# Public and the same in every emulator of Azure's storage.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class ServerError(Exception):
    """Say what is missing or failed."""


def program(name: str, programs: Path) -> Path:
    """Return where a server's program lies, whether or not it is there; its version is part of the path."""
    if name == "azure":
        return programs / f"azurite-{AZURITE}" / "node_modules" / ".bin" / "azurite-blob"
    module, version = MODULES[name]
    return programs / f"{name}-{version}" / module.rpartition("/")[2]


def install(name: str, programs: Path) -> None:
    """Build or fetch a server's program, unless it is there; waits for another process that does it."""
    programs.mkdir(parents=True, exist_ok=True)
    with (programs / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = program(name, programs)
        if target.exists():
            return
        with tempfile.TemporaryDirectory(dir=programs) as folder:
            if name == "azure":
                home = programs / f"azurite-{AZURITE}"
                options = ["--no-audit", "--no-fund", "--loglevel=error", f"azurite@{AZURITE}"]
                _call(["npm", "install", "--prefix", folder, *options])
            else:
                module, version = MODULES[name]
                home = target.parent
                _call(["go", "install", f"{module}@{version}"], {"GOBIN": folder})
            Path(folder).rename(home)
            Path(folder).mkdir()  # for the block to remove


def _call(command: list[str], environment: dict[str, str] | None = None) -> None:
    if shutil.which(command[0]) is None:
        raise ServerError(f"{command[0]} is not installed")
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        raise ServerError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def start(
    name: str, home: Path, port: int, programs: Path, *, until_exit_of: int | None, seconds: float
) -> dict[str, str]:
    """Start a server, wait until it answers, and make its bucket; return the environment that reaches it."""
    if running(home):
        raise ServerError(f"a server is already running in {home}")
    # One that is being installed by another process is waited for.
    programs.mkdir(parents=True, exist_ok=True)
    with (programs / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    if not program(name, programs).exists():
        log = programs / f"{name}.log"
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        raise ServerError(f"{name} is not installed; {Path(sys.argv[0]).name} install {name} does it\n{said}".rstrip())
    home.mkdir(parents=True, exist_ok=True)
    log = home / "server.log"
    keeper = [sys.executable, __file__, "keep", name, "--home", str(home), "--port", str(port)]
    keeper += ["--programs", str(programs)]
    keeper += ["--until-exit-of", str(until_exit_of)] if until_exit_of else []
    with log.open("ab") as output:
        process = subprocess.Popen(
            keeper, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + seconds
    while True:
        try:
            _make_bucket(name, home, port)
            return environment(name, port)
        except (urllib.error.URLError, OSError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                process.terminate()
                said = log.read_text(errors="replace")[-2000:]
                raise ServerError(f"it did not start ({error}):\n{said}") from error
        time.sleep(0.05)


def environment(name: str, port: int) -> dict[str, str]:
    """Return the variables that lead to a server's bucket."""
    if name == "s3":
        return {
            "LIN_TEST_S3": f"s3://{BUCKET}",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }
    if name == "azure":
        fields = {
            "DefaultEndpointsProtocol": "http",
            "AccountName": ACCOUNT,
            "AccountKey": ACCOUNT_KEY,
            "BlobEndpoint": f"http://127.0.0.1:{port}/{ACCOUNT}",
        }
        text = ";".join(f"{field}={value}" for field, value in fields.items())
        return {"LIN_TEST_AZURE": f"az://{BUCKET}", "AZURE_STORAGE_CONNECTION_STRING": text}
    return {
        "LIN_TEST_GOOGLE": f"gs://{BUCKET}",
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # for gcsfs, which else asks for what the server lacks
    }


def _make_bucket(name: str, home: Path, port: int) -> None:
    """Make the bucket unless it is there; raises `OSError` while the server does not answer."""
    if name == "s3":  # a bucket is a folder there
        (home / "data" / BUCKET).mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(urllib.error.HTTPError):  # it answers, if only that it wants a signature
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{BUCKET}", timeout=5).close()
        return
    if name == "azure":
        url = f"http://127.0.0.1:{port}/{ACCOUNT}/{BUCKET}?restype=container"
        request = urllib.request.Request(url, method="PUT", headers=_signed(f"/{ACCOUNT}/{BUCKET}\nrestype:container"))
    else:
        url = f"http://127.0.0.1:{port}/storage/v1/b?project=lin"
        body = json.dumps({"name": BUCKET}).encode()
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.CONFLICT:  # else it is there
            raise


def _signed(resource: str) -> dict[str, str]:
    """Return the headers of an empty PUT to Azure, signed with the account's key."""
    now = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    own = f"x-ms-date:{now}\nx-ms-version:2021-08-06\n"
    text = "PUT" + "\n" * 12 + f"{own}/{ACCOUNT}{resource}"
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
    return {
        "x-ms-date": now,
        "x-ms-version": "2021-08-06",
        "Content-Length": "0",
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
    }


def keep(name: str, home: Path, port: int, programs: Path, until_exit_of: int | None) -> None:
    """Run a server as a child, and end with it, when told to, or when another process has ended."""
    path, data = str(program(name, programs)), home / "data"
    data.mkdir(parents=True, exist_ok=True)
    commands = {
        "s3": [[path, "--quiet", "--port", f"127.0.0.1:{port}", "posix", str(data)]],
        "azure": [
            [path, "--silent", "--disableTelemetry", "--skipApiVersionCheck"],
            ["--blobPort", str(port), "--location", str(data)],
        ],
        "google": [[sys.executable, str(HERE / "google_xml.py"), str(port), path, str(data)]],
    }[name]
    secrets = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}
    command = [part for parts in commands for part in parts]
    child = subprocess.Popen(command, cwd=data, stdin=subprocess.DEVNULL, env={**os.environ, **secrets})
    (home / "server.pid").write_text(str(child.pid), encoding="ascii")
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            child.wait(0.5)
        except subprocess.TimeoutExpired:
            if until_exit_of is not None:
                try:
                    os.kill(until_exit_of, 0)
                except ProcessLookupError:
                    child.terminate()
        else:
            return


def running(home: Path) -> int | None:
    """Return the id of the process that serves this home; None where none does."""
    try:
        pid = int((home / "server.pid").read_text(encoding="ascii"))
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def stop(home: Path, seconds: float) -> None:
    """Let the server end, and wait for it."""
    pid = running(home)
    deadline = time.monotonic() + seconds
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    while running(home) is not None:
        if time.monotonic() > deadline:
            raise ServerError(f"process {pid} does not end")
        time.sleep(0.02)
    (home / "server.pid").unlink(missing_ok=True)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["install", "start", "stop", "keep"])
    parser.add_argument("name", nargs="?", choices=["s3", "azure", "google", "all"])
    parser.add_argument("--home", type=Path, help="folder of the server's data and log")
    parser.add_argument("--port", type=int, default=7070)
    parser.add_argument("--programs", type=Path, default=HERE.parents[1] / ".tools" / "servers")
    parser.add_argument("--until-exit-of", type=int, metavar="PID", help="end when this process does")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait")
    options = parser.parse_args()
    programs = options.programs.resolve()
    names = ["s3", "azure", "google"] if options.name == "all" else [options.name]
    try:
        if options.action == "install" and options.name:
            for name in names:
                install(name, programs)
        elif options.action == "stop" and options.home:
            stop(options.home.resolve(), options.timeout)
        elif options.name in {"s3", "azure", "google"} and options.home:
            home = options.home.resolve()
            if options.action == "keep":
                keep(options.name, home, options.port, programs, options.until_exit_of)
            else:
                ends = options.until_exit_of
                found = start(options.name, home, options.port, programs, until_exit_of=ends, seconds=options.timeout)
                print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.items()))
        else:
            parser.error("name a server, and for start and stop its --home")
    except ServerError as error:
        print(f"{options.name or 'server'}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
