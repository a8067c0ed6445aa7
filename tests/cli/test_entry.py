"""The entry point: help, errors and exit statuses."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import click
import pytest

from lin import __version__, errors
from lin.cli import entry, text, verbs
from lin.cli.session import Session

CONTEXT = click.Context(entry.lin, info_name="lin")

ERRORS = [
    (errors.NotFoundError("nothing is called 'x'", hint="`lin ls` lists names."), 3),
    (errors.RepositoryNotFoundError("no repository at /x"), 3),
    (errors.BlobNotFoundError("gone"), 3),
    (errors.InvalidInputError("not a ref: ''"), 2),
    (errors.AmbiguousRefError("'b3:1' means 2 things", candidates=("a@v1", "b\n@v2")), 4),
    (errors.UnsafePathError("../x leaves its folder"), 2),
    (errors.UnsupportedFormatError("format 9"), 1),
    (errors.CorruptBlobError("bytes are wrong"), 1),
    (errors.ConflictError("it is there already"), 1),
    (errors.ReadOnlyError("read only"), 1),
    (errors.BackendError("the disk failed"), 1),
    (errors.RunFailedError("failed", exit_status=42), 42),
    (errors.PermissionDeniedError("no"), 1),
]


@pytest.fixture
def failing(monkeypatch):
    """Make every verb that opens a repository meet an error."""

    def fail(error):
        @contextmanager
        def repository(_):
            if error:
                raise error
            yield

        monkeypatch.setattr(Session, "repository", repository)

    return fail


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda value: getattr(value, "kind", value))
def test_each_error_has_its_message_and_exit_status(failing, capsys, error, status):
    """A person reads what went wrong, the candidates and the way out, on standard error."""
    failing(error)
    assert entry.run(["checkpoint"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == f"lin: {error.message}"
    assert all(f"  {text.plain(candidate)}" in err.splitlines() for candidate in getattr(error, "candidates", ()))
    assert error.hint in err


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda value: getattr(value, "kind", value))
def test_with_json_an_error_is_a_document(failing, capsys, error, status):
    """A program reads the same on standard error, as one JSON document."""
    failing(error)
    assert entry.run(["checkpoint", "--json"]) == status
    out, err = capsys.readouterr()
    document = {"kind": error.kind, "message": error.message, "hint": error.hint}
    if hasattr(error, "candidates"):
        document["candidates"] = list(error.candidates)
    assert out == ""
    assert json.loads(err) == {"error": document}


def test_what_lin_did_not_expect_is_called_a_bug(failing, capsys, monkeypatch):
    """No traceback without being asked for one."""
    failing(ZeroDivisionError("division by zero"))
    monkeypatch.delenv("LIN_DEBUG", raising=False)
    assert entry.run(["checkpoint"]) == 1
    assert capsys.readouterr().err == (
        "lin: this is a bug in lin: ZeroDivisionError: division by zero\n"
        "  Set LIN_DEBUG=1 to see where it happened, and please report it.\n"
    )
    monkeypatch.setenv("LIN_DEBUG", "1")
    assert entry.run(["checkpoint"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interruption_says_nothing(failing, capsys):
    """Ctrl-C ends with 130 and without a word."""
    failing(KeyboardInterrupt())
    assert entry.run(["checkpoint"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pt"], "there is no verb 'pt'"),
        (["x\x1b[2J"], "there is no verb 'x\\x1b[2J'"),
        (["put"], "Missing argument"),
        (["put", "a", "--kind", "cat"], "'cat' is not one of"),
        (["put", "a", "b", "--name", "c"], "--name names one thing"),
        (["put", "a", "--attribute", "x"], "NAME=VALUE"),
        (["ls", "--frobnicate"], "No such option"),
        (["ls", "-r"], "-r needs a REF"),
        (["ls", "a", "--kind", "model"], "a REF is one already"),
        (["run"], "Missing argument"),
        (["run", "--input", "nonsense=x", "--", "true"], "nonsense"),
        (["run", "--param", "lr=1", "--param", "lr=2", "--", "true"], "twice"),
        (["eval", "m", "--", "true"], "--on"),
        (["trace", "m", "--depth", "-1"], "-1"),
        (["trace", "m", "--format", "svg"], "svg"),
        (["models"], "--trained-on"),
        (["tag", "--delete", "churn"], "NAME@ALIAS"),
        (["tag", "x", "--delete", "churn@prod"], "no REF"),
        (["log", "-n", "0"], "0"),
        (["serve", "--port", "70000"], "70000"),
        (["completion", "tcsh"], "tcsh"),
        (["index", "shred"], "shred"),
    ],
)
def test_a_command_line_that_cannot_be_used_is_2(capsys, failing, arguments, message):
    """Usage errors name the offending value before any repository is opened, in text and in JSON."""
    failing(AssertionError("opened"))
    assert entry.run(arguments) == 2
    assert message in capsys.readouterr().err
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    assert entry.run([*arguments[:cut], "--json", *arguments[cut:]]) == 2
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["kind"] in {"usage", "invalid_input"}


def test_a_mistyped_verb_is_answered_with_those_like_it(capsys):
    """The hint names verbs that are spelled alike."""
    assert entry.run(["verfy"]) == 2
    assert "Did you mean verify?" in capsys.readouterr().err


def test_repo_after_the_verb_is_explained(capsys):
    """The most likely slip gets an answer of its own."""
    assert entry.run(["ls", "--repo", "x"]) == 2
    assert "--repo stands before the verb" in capsys.readouterr().err


def test_json_meant_for_the_command_is_not_ours(capsys):
    """What stands after two dashes belongs to the command."""
    assert entry.run(["run", "--frobnicate", "--", "cmd", "--json"]) == 2
    assert capsys.readouterr().err.startswith("lin: ")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_verb(capsys, arguments):
    """`lin` alone helps as well."""
    assert entry.run(arguments) == 0
    out = capsys.readouterr().out
    assert [verb for verb in verbs.VERBS if f"\n  {verb} " not in out] == []
    assert "Examples:\n  lin put data.csv" in out


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_every_verb_teaches(capsys, verb):
    """Each verb's help has a sentence, a paragraph, and an example that begins with `lin` and the verb."""
    command = entry.lin.get_command(CONTEXT, verb)
    assert command is not None
    assert command.name == verb
    summary, _, more = (command.help or "").partition("\n\n")
    assert summary == verbs.VERBS[verb].summary
    assert len(more) > 40
    assert entry.run([verb, "--help"]) == 0
    examples = capsys.readouterr().out.partition("Examples:\n")[2].splitlines()
    assert any(f" {verb}" in line and "lin" in line for line in examples)


@pytest.mark.parametrize("verb", [verb for verb in verbs.VERBS if verb not in {"cat", "serve", "completion", "index"}])
def test_every_answer_can_be_had_as_json(verb):
    """All verbs but those whose answer is bytes, a server or a script take --json."""
    command = entry.lin.get_command(CONTEXT, verb)
    assert command is not None
    assert any("--json" in parameter.opts for parameter in command.params)


def test_help_loads_nothing_heavy():
    """`lin --help` imports click and the group, but no verb, repository, cryptography, database or rich."""
    code = (
        "import sys; from lin.cli.entry import run; assert run(['--help']) == 0; assert run(['nope']) == 2\n"
        "print(*sorted(sys.modules), sep='\\n')"
    )
    # Coverage itself loads a database.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout
    loaded = set(listed.splitlines())
    assert "click" in loaded
    heavy = {"lin.repository", "lin.store.digest", "lin.records", "cryptography", "sqlite3", "rich", "fsspec", "blake3"}
    assert heavy & loaded == set()
    assert {name for name in loaded if name.startswith("lin.cli.")} == {
        f"lin.cli.{name}" for name in ("entry", "failure", "output", "session", "text", "verbs")
    }


def test_the_version_is_the_packages(capsys):
    """`lin --version` and `lin version` agree."""
    assert entry.run(["--version"]) == 0
    assert capsys.readouterr().out == f"lin {__version__}\n"
    assert entry.run(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"lin {__version__} (Python 3.")
    assert entry.run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lin"] == __version__


def test_a_server_without_its_packages_says_how_to_get_them(capsys, failing, monkeypatch):
    """`lin serve` of the base installation names the extra to install."""
    failing(AssertionError("opened"))

    def missing(name):
        raise ModuleNotFoundError("No module named 'strawberry'", name="strawberry")

    monkeypatch.setattr("lin.cli.serving.import_module", missing)
    assert entry.run(["serve"]) == 2
    err = capsys.readouterr().err
    assert "'strawberry'" in err
    assert "pip install 'lin-store[server]'" in err
