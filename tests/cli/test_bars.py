"""Progress bars."""

import os
import pty
import subprocess
import sys

from lin.cli import bars

WORK = """
import sys, time
from lin.cli import bars
bars.PATIENCE = {patience}
with bars.bar("evil\\n\\x1b]0;[red]name") as bar:
    assert (bar is not None) == {shown}
    if bar:
        bar(0, 100, 0, 2)
        bar(50, 100, 1, 2)
        print("rich" in sys.modules)
        bar(100, 100, 2, 2)
        bar(0, None, 0, None)
        bar(7, None, 1, None)
        bar(0, None, 3, 1234)
"""


def on_a_terminal(code):
    main, second = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-c", code],
        stderr=second,
        stdout=subprocess.PIPE,
        check=False,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(second)
    shown = b""
    try:
        while piece := os.read(main, 4096):
            shown += piece
    except OSError:  # the way a terminal without writers ends
        pass
    os.close(main)
    assert process.returncode == 0, shown
    return process.stdout.decode(), shown.decode()


def test_a_long_task_gets_a_bar():
    """The bar tells bytes and files, shows a hostile label as text, and is taken away in the end."""
    out, shown = on_a_terminal(WORK.format(patience=0, shown=True))
    assert out == "True\n"
    assert "evil\\n\\x1b]0;[red]name" in shown
    assert "50 B of 100 B  1 of 2" in shown
    assert "3 of 1,234" in shown
    assert "\x1b]0;" not in shown


def test_a_short_task_gets_none():
    """Nothing is drawn, and rich is not even imported, before it takes long enough to be wondered about."""
    assert on_a_terminal(WORK.format(patience=3600, shown=True)) == ("False\n", "")


def test_without_a_terminal_there_is_no_bar():
    """In a pipe or log file progress would be dirt."""
    code = WORK.format(patience=0, shown=False)
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stderr == ""


def test_a_finished_task_gives_the_terminal_back(monkeypatch):
    """The bar goes when all is done, so that the command of `lin run` has the terminal to itself."""

    class Drawn:
        stopped = 0

        def update(self, *_, **__):
            pass

        def stop(self):
            self.stopped += 1

    drawn = Drawn()
    monkeypatch.setattr(bars, "PATIENCE", 0)
    monkeypatch.setattr(bars, "_start", lambda _: (drawn, 0))
    bar = bars.Bar("x")
    bar(1, 2, 0, 1)
    assert drawn.stopped == 0
    bar(2, 2, 1, 1)
    assert drawn.stopped == 1
    bar(0, None, 1, 2)
    bar(0, None, 2, 2)
    assert drawn.stopped == 2
    bar(5, None, 1, None)
    bar.close()
    bar.close()
    assert drawn.stopped == 3
