"""Standard output: closed pipes, full disks, colours."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from lin.cli import output

SAY_MUCH = (
    "from lin.cli import output; output.prepare()\nfor n in range(100_000): output.say('x' * 100)\noutput.flush()\n"
)


def python(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)


def test_a_reader_that_leaves_is_no_error():
    """When the reader of the pipe has gone, the rest goes nowhere and the exit status is that of the answer."""
    reader, writer = os.pipe()
    code = "from lin.cli import output\nprint(output.say('a'), end='')\n" + SAY_MUCH + "raise SystemExit(7)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.close(reader)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (7, b"")


def test_bytes_end_with_their_reader():
    """`emit` says when nobody reads any more, so that a long answer can end early."""
    reader, writer = os.pipe()
    code = (
        "import sys\nfrom lin.cli import output\ncount = 0\n"
        "while output.emit(b'x' * 100_000): count += 1\nsys.stderr.write(str(count))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert int(err) < 100


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error(tmp_path):
    """An answer that could not be written is reported, and not as a bug."""
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "lin", "version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert process.returncode == 1
    assert process.stderr == "lin: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("closed", ["1", "2", "12"])
def test_closed_streams_are_no_error(closed):
    """A daemon may call lin with standard output or error closed."""
    redirections = " ".join(f"{stream}>&-" for stream in closed)
    command = f'("$0" -m lin version {redirections}); echo status $?'
    process = subprocess.run(["/bin/sh", "-c", command, sys.executable], capture_output=True, text=True, check=True)
    assert "status 0" in process.stdout
    assert process.stderr == ""


def test_a_locale_without_a_tree_gets_ascii():
    """With an encoding that has no lines, trees are drawn in ASCII and other characters as escapes."""
    code = "from lin.cli import output; output.prepare(); output.say('└─ a → 数')"
    process = python(code, env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"})
    assert (process.stdout, process.stderr) == ("`- a > \\u6570\n", "")


def test_documents_hold_only_ascii(capsys):
    """A name in a JSON document cannot act on a terminal, and bytes that are not UTF-8 do no harm."""
    output.document({"name": "\x9b2J\udcff數"})
    output.documents(iter([{"a": 1}, {"b": "\x1b"}]))
    text = capsys.readouterr().out
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text[text.index("[") :]) == [{"a": 1}, {"b": "\x1b"}]


def test_an_empty_array_is_one():
    """No items still make a document."""
    assert json.loads(python("from lin.cli import output; output.documents([])").stdout) == []


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_only_where_they_are_wanted(environment, coloured):
    """Colours appear on a terminal, and not with NO_COLOR or on a dumb one."""
    main, second = pty.openpty()
    code = "from lin.cli import output; output.say(output.styled('x', 'red'))"
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run([sys.executable, "-c", code], stdout=second, env={**kept, **environment}, check=True)
    os.close(second)
    shown = os.read(main, 100)
    os.close(main)
    assert (b"\x1b[31m" in shown) == coloured
    assert b"x" in shown


def test_no_colours_in_a_pipe():
    """What goes to a program is plain."""
    assert python("from lin.cli import output; output.say(output.styled('x', 'red'))").stdout == "x\n"


def test_standard_output_can_be_kept_for_the_answer():
    """Meanwhile, what this process and its children print goes to standard error."""
    code = (
        "import os, subprocess\nfrom lin.cli import output\n"
        "with output.standard_output_kept():\n"
        "    print('from python')\n    subprocess.run(['echo', 'from a child'])\n"
        "output.say('answer')\n"
    )
    process = python(code)
    assert process.stdout == "answer\n"
    assert sorted(process.stderr.splitlines()) == ["from a child", "from python"]
