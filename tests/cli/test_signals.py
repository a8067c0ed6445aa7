"""Ctrl-C and readers that leave."""

import json
import os
import signal
import subprocess
import sys

import pytest

READY = "import sys, time; print('ready', flush=True); time.sleep(600)"


def start(lin, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "lin", *arguments],
        cwd=lin.folder,
        env=lin.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_interrupts_a_run_which_is_recorded(lin):
    """The terminal's signal reaches lin and the command; lin stays to record the run and ends with 130."""
    process = start(lin, "run", "--no-code", "--", sys.executable, "-c", READY)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "lin: run " in err
    assert "interrupted after " in err
    assert "/cli/" not in err, "the only traceback is the command's own"
    (run,) = json.loads(lin("runs", "--json").out)
    assert (run["status"], run["exit_status"]) == ("interrupted", 130)
    assert lin("verify").out.startswith("ok: ")


def test_a_killed_command_is_recorded(lin):
    """SIGKILL of the command is an interruption, and the exit status says by which signal."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert "interrupted" in lin("run", "--no-code", "--", sys.executable, "-c", code, status=137).err
    assert json.loads(lin("runs", "--json").out)[0]["status"] == "interrupted"


def test_ctrl_c_ends_a_server(lin):
    """`lin serve` tells where it answers, and ends quietly."""
    pytest.importorskip("strawberry")
    process = start(lin, "serve", "--port", "0")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode in {0, 130}
    assert (out, "Traceback" in err) == ("", False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("cat", "big"),
        ("log",),
        ("log", "--json"),
        ("trace", "big", "--json"),
        ("ls", "-r", "folder"),
        ("show", "big"),
        ("--help",),
    ],
    ids=" ".join,
)
def test_a_reader_that_leaves_is_no_error(lin, arguments):
    """`lin … | head` ends quietly, whatever is left of the answer."""
    lin.write("big", b"x" * 5_000_000)
    for number in range(5):
        lin.write(f"folder/{number}", str(number))
    lin("put", "big", "folder")
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "lin", *arguments],
        cwd=lin.folder,
        env=lin.environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, b"")


def test_findings_count_even_if_nobody_reads_them(lin):
    """The exit status of `verify` does not depend on who reads its answer."""
    lin.write("file", "content")
    lin("put", "file")
    for blob in (lin.home / "repository").rglob("objects/*/*"):
        blob.unlink()
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "lin", "verify"], cwd=lin.folder, env=lin.environment, stdout=writer, check=False
    )
    os.close(writer)
    assert process.returncode == 1


def test_a_run_keeps_its_status_even_if_nobody_reads_about_it(lin):
    """With standard error's reader gone, `lin run` still ends with the command's status."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "lin", "run", "--no-code", "--", "sh", "-c", "exit 42"],
        cwd=lin.folder,
        env=lin.environment,
        stderr=writer,
        check=False,
    )
    os.close(writer)
    assert process.returncode == 42
