"""What the Tab key offers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def known(inside, tmp_path):
    """A repository with names worth completing, and some that no shell should see."""
    work = tmp_path / "inside/work"
    for name in ("data.csv", "churn", "$(reboot)", "two words", "-rf"):
        (work / "file").write_text(name)
        inside("put", "file", "--name", name)
    (work / "file").write_text("second")
    inside("put", "file", "--name", "churn", "--experiment", "telco")
    inside("tag", "churn@v1", "prod")
    inside("run", "--no-code", "--experiment", "telco", "--", "true")
    return inside


@pytest.fixture
def tab(known, monkeypatch):
    """Ask as a shell's script does."""

    def ask(line, shell="bash"):
        with monkeypatch.context() as m:
            m.setenv("_LIN_COMPLETE", f"{shell}_complete")
            m.setenv("COMP_LINE", line)
            m.setenv("COMP_POINT", str(len(os.fsencode(line))))
            m.setenv("COMP_WORDS", line)
            m.setenv(
                "COMP_CWORD", str(len(line.split()) - (not line.endswith(" "))) if shell == "zsh" else line.split()[-1]
            )
            return known().out.split("\n")[:-1] if shell != "bash" else known().out.split()

    return ask


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lin ver", ["plain,verify", "plain,version"]),
        ("lin show ch", ["plain,churn"]),
        ("lin show churn@", ["plain,prod", "plain,v2", "plain,v1"]),
        ("lin show churn@p", ["plain,prod"]),
        ("lin trace data.csv@", ["plain,v1"]),
        ("lin show ", ["plain,churn", "plain,data.csv", "plain,environment"]),
        ("lin tag --delete ", ["plain,churn@prod"]),
        ("lin runs --experiment t", ["plain,telco"]),
        ("lin run --input tr", ["plain,train="]),
        ("lin run --input train=d", ["file,d"]),
        ("lin run --input ch", ["plain,churn"]),
        ("lin run --output mo", ["plain,model="]),
        ("lin put da", ["file,da"]),
        ("lin trace churn --format d", ["plain,dot"]),
        ("lin index r", ["plain,rebuild"]),
        ("lin --repo /nowhere show ", []),
        ("lin show 'ch", ["plain,churn"]),
    ],
)
def test_bash(tab, line, offered):
    """Verbs, values, names, aliases, versions, experiments, roles, kinds; nothing a shell would interpret."""
    assert tab(line) == offered


def test_zsh_gets_whole_words(tab):
    """In zsh a ref is one word."""
    assert "churn@prod" in tab("lin show churn@", "zsh")


def test_a_damaged_repository_offers_nothing(tab, tmp_path):
    """A completion never fails."""
    for path in (tmp_path / "inside/repo").rglob("lin.json"):
        path.write_text("{")
    assert tab("lin show ch") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_accepted_by_their_shell(inside, shell):
    """`lin completion` prints a script that its shell can read."""
    script = inside("completion", shell).out
    assert "_LIN_COMPLETE" in script
    if shutil.which(shell):
        check = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
        assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_itself_completes_a_ref(known):
    """Bash, with its own word breaks, offers what stands after the `@`."""
    script = known("completion", "bash").out
    ask = (
        f"{script}\nCOMP_LINE='lin show churn@p'; COMP_POINT=${{#COMP_LINE}}; _lin_completion lin; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    bin_folder = Path(sys.executable).parent
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    answer = subprocess.run(
        ["bash", "-c", ask], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}
    )
    assert answer.stdout == "prod\n"
