"""`lin run` and `lin eval`: what a command used, made and measured, and how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lin.commands import CommandResult, Input, Output, evaluate_command, footprint, metrics_in, run_command, title
from lin.errors import AmbiguousRefError, InvalidInputError, NotFoundError, ReadOnlyError
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus
from lin.repository import Repository

Python = Callable[..., "subprocess.Popen[bytes]"]
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No interpreter is asked what it holds: that takes longer than most tests here."""
    monkeypatch.setattr("lin.environment._ask", lambda _: ("CPython", "3.11.0", []))


def run(repository: Repository, script: str, **options: Any) -> CommandResult:
    return run_command(repository, ["sh", "-c", script], **{"code": False, **options})


# ---------------------------------------------------------------------------- the whole way


def test_a_run_says_what_it_used_made_and_measured(repository: Repository, write: Write) -> None:
    """Inputs by role and path, outputs by kind, parameters, metrics, times, status."""
    write("data/train.csv", "1")
    result = run(
        repository,
        'echo "{\\"loss\\": 0.5, \\"steps\\": 3}"; mkdir -p out; cp data/train.csv out/model.bin; echo report > r.md',
        experiment="delays",
        name="fit",
        inputs=[Input("data/train.csv", Role.TRAIN)],
        outputs=[Output("out/model.bin", ArtifactKind.MODEL, "churn"), Output("r.md", ArtifactKind.REPORT)],
        parameters={"depth": 3, "lr": 0.1, "fast": True, "loss": "mse"},
    )
    record = result.run
    assert (record.name, record.experiment, record.status, record.exit_status) == ("fit", "delays", "succeeded", 0)
    assert record.parameters == {"depth": 3, "lr": 0.1, "fast": True, "loss": "mse"}
    assert record.metrics == {"loss": 0.5, "steps": 3}
    assert record.finished is not None
    assert record.seconds is not None
    assert record.seconds >= 0
    assert result.warnings == ()
    uses = {(use.role, use.artifact.label, use.path, use.evidence) for use in result.used}
    assert uses == {
        (Role.TRAIN, "train.csv@v1", "data/train.csv", Evidence.DECLARED),
        (Role.ENVIRONMENT, "environment@v1", None, Evidence.OBSERVED),
    }
    made = {(a.label, a.kind, a.path, a.run, a.experiment) for a in result.generated}
    assert made == {
        ("churn@v1", ArtifactKind.MODEL, "out/model.bin", record.id, "delays"),
        ("r.md@v1", ArtifactKind.REPORT, "r.md", record.id, "delays"),
    }
    assert repository.run(str(record.id)) == record
    assert [item.model.label for item in repository.models_trained_on("data/train.csv").items] == ["churn@v1"]
    assert repository.verify().ok


def test_what_may_be_personal_is_in_the_details(repository: Repository, write: Write) -> None:
    """The command line, the folder and the last lines printed are kept, erasably."""
    result = run(repository, "echo one; echo two; exit 3")
    started, ended = repository.detail(result.run.detail), repository.detail(result.run.outcome)
    assert started is not None
    assert ended is not None
    assert started["command"] == ["sh", "-c", "echo one; echo two; exit 3"]
    assert started["folder"] == str(Path.cwd())
    assert ended["tail"] == ["one", "two"]


@pytest.mark.parametrize(
    ("script", "status", "exit_status"),
    [
        ("echo x > out; exit 3", RunStatus.FAILED, 3),
        ("echo x > out; kill -KILL $$", RunStatus.INTERRUPTED, 137),
        ("echo x > out; kill -TERM $$", RunStatus.INTERRUPTED, 143),
        ("echo x > out; kill -INT $$", RunStatus.INTERRUPTED, 130),
    ],
)
def test_a_run_that_did_not_succeed_is_recorded_without_outputs(
    repository: Repository, script: str, status: RunStatus, exit_status: int
) -> None:
    """Its end and its metrics are; what it left behind is nobody's claim."""
    result = run(repository, 'echo "{\\"step\\": 1}";' + script, outputs=[Output("out")])
    assert (result.run.status, result.run.exit_status, result.generated) == (status, exit_status, ())
    assert result.run.metrics == {"step": 1}
    assert repository.runs(statuses=[status]).items == (result.run,)
    assert repository.verify().ok


@pytest.mark.parametrize(("program", "exit_status"), [("no-such-program", 127), ("./plain", 126)])
def test_a_command_that_cannot_start_is_recorded_as_failed(
    repository: Repository, write: Write, program: str, exit_status: int
) -> None:
    """With the status a shell would give, and why."""
    write("plain")
    result = run_command(repository, [program], code=False)
    assert (result.run.status, result.run.exit_status) == (RunStatus.FAILED, exit_status)
    detail = repository.detail(result.run.outcome)
    assert detail is not None
    assert program in detail["error"]


def test_the_command_knows_its_run(repository: Repository) -> None:
    """`LIN_RUN` holds the id, for what it starts itself."""
    result = run(repository, 'echo "$LIN_RUN" > id')
    assert Path("id").read_text().strip() == str(result.run.id)


# ---------------------------------------------------------------------------- inputs


def test_a_run_is_linked_to_the_one_whose_output_it_reads(repository: Repository, write: Write) -> None:
    """Nobody has to say so: the bytes do."""
    write("raw.csv", "raw")
    first = run(repository, "tr a-z A-Z < raw.csv > clean.csv", inputs=[Input("raw.csv")],
                outputs=[Output("clean.csv", ArtifactKind.DATASET)])  # fmt: skip
    second = run(repository, "cp clean.csv model", inputs=[Input("clean.csv", Role.TRAIN)],
                 outputs=[Output("model", ArtifactKind.MODEL)])  # fmt: skip
    (clean,) = first.generated
    assert [use.artifact for use in second.used if use.role == Role.TRAIN] == [clean]
    labels = {node.label for node in repository.trace("model").nodes}
    assert {"model@v1", "clean.csv@v1", "raw.csv@v1", first.run.label, second.run.label} <= labels


def test_equal_bytes_from_two_runs_are_two_artifacts_and_one_blob(repository: Repository) -> None:
    """Each run made its own; the content is shared, and lineage does not run in a circle."""
    results = [run(repository, "echo same > out", outputs=[Output("out", ArtifactKind.MODEL)]) for _ in range(2)]
    (one,), (two,) = results[0].generated, results[1].generated
    assert (one.label, two.label, one.digest) == ("out@v1", "out@v2", two.digest)
    assert (one.run, two.run) == (results[0].run.id, results[1].run.id)
    assert [digest for digest, _ in repository.store.list()].count(one.digest) == 1
    assert results[0].run.label not in {node.label for node in repository.trace("out@v2").nodes}


def test_inputs_can_be_refs(repository: Repository, write: Write) -> None:
    """A path on disk wins over a ref that reads the same."""
    old = repository.put(write("data.csv", "old")).artifact
    repository.put(write("data.csv", "new"))
    repository.tag("data.csv@v1", "golden")
    result = run(repository, "true", inputs=[Input("data.csv@golden", Role.TEST), Input(f"b3:{old.digest.hex}")])
    assert [(u.role, u.artifact.label, u.path) for u in result.used if u.role != Role.ENVIRONMENT] == [
        (Role.INPUT, "data.csv@v1", None),
        (Role.TEST, "data.csv@v1", None),
    ]
    write("data.csv@golden", "a file of that name")
    with pytest.raises(InvalidInputError, match="not a usable name"):
        run(repository, "true", inputs=[Input("data.csv@golden")])


@pytest.mark.parametrize("missing", ["nowhere.csv", "data.csv@v9", "nobody@prod", "b3:abcdef"])
def test_a_missing_input_stops_everything_before_it_begins(repository: Repository, write: Write, missing: str) -> None:
    """Not even the inputs that are there are recorded, and the command does not run."""
    write("good.csv")
    with pytest.raises(NotFoundError) as caught:
        run(repository, "touch ran", inputs=[Input("good.csv"), Input(missing)])
    assert f"There is no file {missing!r} either" in caught.value.hint
    assert list(repository.log()) == []
    assert not Path("ran").exists()


def test_an_ambiguous_input_stops_everything_too(repository: Repository, write: Write) -> None:
    """Which of two artifacts a run used is not for lin to guess."""
    one = repository.put(write("one", "same")).artifact
    repository.put(write("two", "same"))
    with pytest.raises(AmbiguousRefError):
        run(repository, "touch ran", inputs=[Input(str(one.digest))])
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"outputs": [Output("a:b")]}, "not a usable name"),
        ({"outputs": [Output("")]}, "not a path"),
        ({"inputs": [Input("")]}, "not a path"),
        ({"metrics_file": ""}, "not a path"),
        ({"experiment": "a@b"}, "not a usable name"),
        ({"parameters": {"layers": [1, 2]}}, "'layers'"),
        ({"parameters": {"text": "x" * 70_000}}, "65535"),
    ],
)
def test_what_cannot_be_recorded_is_said_before_the_work(
    repository: Repository, write: Write, options: dict[str, Any], error: str
) -> None:
    """And not after hours of it."""
    with pytest.raises(InvalidInputError, match=error):
        run(repository, "touch ran", **options)
    assert not Path("ran").exists()
    assert repository.runs().items == ()
    for command in ([], [""]):
        with pytest.raises(InvalidInputError, match="no command"):
            run_command(repository, command)


def test_declared_forms_are_parsed(write: Write) -> None:
    """`[ROLE=]PATH|REF` and `[KIND[:NAME]=]PATH`; a file whose name holds `=` is a file."""
    assert Input.parse("train=data.csv@v1") == Input("data.csv@v1", Role.TRAIN)
    assert Input.parse("data.csv") == Input("data.csv", Role.INPUT)
    assert Input.parse(str(write("a=b.csv"))) == Input("a=b.csv", Role.INPUT)
    assert Output.parse("model:churn=out/m.bin") == Output("out/m.bin", ArtifactKind.MODEL, "churn")
    assert Output.parse("model=m=1.bin") == Output("m=1.bin", ArtifactKind.MODEL)
    assert Output.parse("m.bin") == Output("m.bin", ArtifactKind.FILE)
    for text in ("trian=x", "train=", "=x"):
        with pytest.raises(InvalidInputError):
            Input.parse(text)
    for text in ("modle=x", "model=", "=x", "model:a@b=x"):
        with pytest.raises(InvalidInputError):
            Output.parse(text)


# ---------------------------------------------------------------------------- outputs


def test_an_output_that_was_not_written_is_a_warning(repository: Repository, write: Write) -> None:
    """Neither one that is missing nor one that was there before is claimed; the others are."""
    write("old", "from before")
    Path("folder").mkdir()
    write("folder/a", "from before")
    result = run(repository, "echo x > new", outputs=[Output(name) for name in ("missing", "old", "folder", "new")])
    assert [artifact.name for artifact in result.generated] == ["new"]
    assert [warning.split(":")[0] for warning in result.warnings] == ["output missing", "output old", "output folder"]
    assert result.run.status == RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    "change", ["echo x >> folder/a", "touch folder/sub/new", "rm folder/a", "cp -p folder/a b; mv b folder/a"]
)
def test_a_folder_is_an_output_when_anything_in_it_changed(repository: Repository, write: Write, change: str) -> None:
    """A file written, added, removed or replaced."""
    write("folder/a", "from before")
    write("folder/sub/b")
    result = run(repository, change, outputs=[Output("folder", ArtifactKind.MODEL)])
    assert [artifact.shape for artifact in result.generated] == ["tree"]
    assert result.generated[0].digest == repository.digest_of("folder")


def test_rewriting_the_same_bytes_is_writing(repository: Repository, write: Write) -> None:
    """The command made it, though it came out as before."""
    write("out", "same\n")
    result = run(repository, "echo same > out", outputs=[Output("out")])
    assert [artifact.name for artifact in result.generated] == ["out"]


def test_an_output_that_cannot_be_kept_loses_neither_the_run_nor_the_others(repository: Repository) -> None:
    """It is a warning; the run has ended as it did."""
    result = run(repository, "mkfifo pipe; echo x > new", outputs=[Output("pipe"), Output("new")])
    assert [artifact.name for artifact in result.generated] == ["new"]
    assert len(result.warnings) == 1
    assert "named pipe" in result.warnings[0]
    assert result.run.status == RunStatus.SUCCEEDED


def test_footprints_tell_nothing_from_something(write: Write) -> None:
    """Nothing there, a file, an empty folder and a folder with a dangling link all differ."""
    write("file")
    Path("empty").mkdir()
    Path("linked").mkdir()
    Path("linked/dangling").symlink_to("nowhere")
    prints = [footprint(Path(name)) for name in ("missing", "file", "empty", "linked")]
    assert prints[0] is None
    assert len(set(map(repr, prints))) == 4


# ---------------------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"a": 1, "b": 0.5, "c": true}', {"a": 1, "b": 0.5, "c": True}),
        ('  {"metrics": {"a": 1}, "epoch": "x"}  ', {"a": 1}),
        ('{"metrics": 3}', {}),
        ('{"metrics": "x", "a": 1}', {}),
        ('{"a": "text"}', {}),
        ('{"a": null}', {}),
        ('{"a": {"b": 1}}', {}),
        ("{}", {}),
        ("[1]", {}),
        ("1", {}),
        ("{not json}", {}),
        ('{"a": 1', {}),
        ("{" * 5000 + "}" * 5000, {}),
        ('{"a": ' + "9" * 5000 + "}", {}),
        ("", {}),
    ],
)
def test_metrics_are_lines_of_json_numbers(line: str, found: dict[str, Any]) -> None:
    """Everything else is just output."""
    assert metrics_in(line) == found


def test_numbers_that_json_lacks_are_kept_as_text(repository: Repository) -> None:
    """NaN, infinities and integers beyond 2**53; what came later counts."""
    lines = [
        '{"a": 1}',
        '{"a": NaN, "b": -Infinity}',
        '{"c": 9007199254740993}',
        "{broken",
        '{"metrics": {"d": 1e400}}',
    ]
    Path("lines").write_text("\n".join(lines))
    result = run(repository, "cat lines")
    assert result.run.metrics == {"a": "NaN", "b": "-Infinity", "c": "9007199254740993", "d": "Infinity"}


@pytest.mark.parametrize(
    ("content", "metrics", "warning"),
    [
        ('{"auc": 0.5}', {"auc": 0.5}, None),
        ('{"metrics": {"auc": 0.5}}', {"auc": 0.5}, None),
        ("{broken", {}, "Expecting"),
        ("[]", {}, "no JSON object"),
        ("\udcff", {}, "decode"),
    ],
)
def test_metrics_are_read_from_a_file_too(
    repository: Repository, content: str, metrics: dict[str, Any], warning: str | None
) -> None:
    """One that cannot be read is a warning; the run stands."""
    Path("source").write_bytes(os.fsencode(content))
    result = run(repository, "cp source metrics.json", metrics_file="metrics.json")
    assert result.run.metrics == metrics
    assert result.run.status == RunStatus.SUCCEEDED
    if warning is None:
        assert result.warnings == ()
    else:
        assert warning in result.warnings[0]


@pytest.mark.parametrize("old", [True, False])
def test_a_metrics_file_of_an_earlier_run_is_not_this_ones(repository: Repository, write: Write, old: bool) -> None:
    """One that the command did not write is left aside, with a warning."""
    if old:
        write("metrics.json", '{"auc": 0.9}')
    result = run(repository, 'echo "{\\"auc\\": 0.1}"', metrics_file="metrics.json")
    assert result.run.metrics == {"auc": 0.1}
    assert "did not write it" in result.warnings[0]


@pytest.mark.parametrize(
    "script",
    [
        """i=0; while [ $i -lt 400 ]; do printf '{"%s-%d": 1}\\n' "$NAME" $i; i=$((i+1)); done""",
        """echo '{"\\ud800": 1}'""",
    ],
    ids=["many", "surrogate"],
)
def test_metrics_that_no_event_can_hold_lose_no_run(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """They are left out with a warning; outputs and end are recorded."""
    monkeypatch.setenv("NAME", "x" * 150)
    result = run(repository, script + "; echo x > out", outputs=[Output("out")])
    assert (result.run.status, result.run.metrics) == (RunStatus.SUCCEEDED, {})
    assert [artifact.name for artifact in result.generated] == ["out"]
    assert "the metrics were not recorded" in result.warnings[0]
    assert repository.verify().ok


# ---------------------------------------------------------------------------- interrupted


RUN = """
import sys
from lin.commands import Output, run_command
from lin.repository import Repository
with Repository.open(sys.argv[1]) as repository:
    result = run_command(repository, ["sh", "-c", sys.argv[2]], outputs=[Output("out")], code=False)
sys.exit(result.run.exit_status)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_recorded_as_such(
    repository: Repository, tmp_path: Path, python: Python, number: signal.Signals
) -> None:
    """It is handed on; lin waits for the command, and has the command's status."""
    process = python(RUN, tmp_path / "store", "echo x > out; echo go; exec sleep 60")
    assert process.stdout is not None
    assert process.stdout.readline() == b"go\n"
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    (record,) = repository.runs().items
    assert (record.status, record.exit_status) == (RunStatus.INTERRUPTED, 128 + number)
    assert record.finished is not None


def test_a_run_whose_lin_was_killed_stays_running(repository: Repository, tmp_path: Path, python: Python) -> None:
    """Nobody was there to say how it ended; the log is sound."""
    process = python(RUN, tmp_path / "store", "echo $$; exec sleep 60")
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait(60)
    os.kill(child, signal.SIGKILL)
    (record,) = repository.runs().items
    assert (record.status, record.finished, record.exit_status, record.seconds) == (RunStatus.RUNNING, None, None, None)
    assert repository.verify().ok
    assert repository.runs(statuses=[RunStatus.SUCCEEDED]).items == ()


def test_an_error_of_lins_own_while_the_command_runs_is_an_interrupted_run(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error passes, and the run does not stay running."""

    def fail(_: str) -> None:
        raise MemoryError("too much")

    monkeypatch.setattr("lin.commands.metrics_in", fail)
    with pytest.raises(MemoryError):
        run(repository, "echo x; exec sleep 60")
    (record,) = repository.runs().items
    assert record.status == RunStatus.INTERRUPTED
    detail = repository.detail(record.outcome)
    assert detail is not None
    assert "too much" in detail["error"]


def test_an_interrupt_while_results_are_stored_still_records_the_end(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command had succeeded, so that is what the run says; what was not stored is not claimed."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lin.recording.Recording.save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(repository, 'echo "{\\"a\\": 1}"; echo x > out', outputs=[Output("out")])
    (record,) = repository.runs().items
    assert (record.status, record.exit_status, record.metrics) == (RunStatus.SUCCEEDED, 0, {"a": 1})


def test_without_the_right_to_write_nothing_is_started(repository: Repository, home: Path) -> None:
    """A run that could not be recorded does not run; the error says what is missing."""
    for key in (home / "lin-config/logs").iterdir():
        key.unlink()
    with pytest.raises(ReadOnlyError, match="no private key") as caught:
        run(repository, "touch ran")
    assert "lin serve" in caught.value.hint
    assert not Path("ran").exists()


# ---------------------------------------------------------------------------- evaluations


@pytest.fixture
def model(repository: Repository, write: Write) -> Any:
    write("train.csv", "train")
    result = run(repository, "cp train.csv m.bin", inputs=[Input("train.csv", Role.TRAIN)],
                 outputs=[Output("m.bin", ArtifactKind.MODEL)], experiment="delays")  # fmt: skip
    Path("m.bin").unlink()
    return result.generated[0]


def test_a_model_is_measured_on_each_dataset(repository: Repository, write: Write, model: Any) -> None:
    """One run and one evaluation for each; placeholders and variables name verified copies."""
    write("easy.csv", "1")
    hard = repository.put(write("hard.csv", "22")).artifact
    Path("hard.csv").unlink()
    script = (
        'cmp "$1" "$LIN_MODEL" && cmp "$2" "$LIN_DATASET" && echo "{\\"size\\": $(wc -c < "$2")}"; echo "$1" >> log'
    )
    evaluations, results = evaluate_command(
        repository,
        "m.bin@v1",
        ["easy.csv", "hard.csv@v1"],
        ["sh", "-c", script, "sh", "{model}", "{dataset}"],
        code=False,
    )
    assert [(e.model.label, e.dataset.label, e.metrics) for e in evaluations] == [
        ("m.bin@v1", "easy.csv@v1", {"size": 1}),
        ("m.bin@v1", "hard.csv@v1", {"size": 2}),
    ]
    assert [e.run for e in evaluations] == [result.run.id for result in results]
    assert {result.run.experiment for result in results} == {"delays"}
    assert {use.role for use in results[1].used} == {Role.INPUT, Role.TEST, Role.ENVIRONMENT}
    table = repository.metrics(experiment="delays")
    cell = table.cell(model, hard)
    assert cell == evaluations[1]
    assert table.metrics == ("size",)
    assert len(set(Path("log").read_text().split())) == 1
    assert repository.models_trained_on("easy.csv").items == ()


def test_a_dataset_that_fails_does_not_stop_the_others(repository: Repository, write: Write, model: Any) -> None:
    """It has a failed run and no evaluation."""
    names = [str(write(name, name)) for name in ("a", "bad", "b")]
    script = 'grep -q bad "{dataset}" && exit 4; echo "{\\"auc\\": 1}"'
    evaluations, results = evaluate_command(repository, "m.bin@v1", names, ["sh", "-c", script], code=False)
    assert [e.dataset.name for e in evaluations] == ["a", "b"]
    assert [result.run.exit_status for result in results] == [0, 4, 0]


def test_an_evaluation_without_metrics_is_none(repository: Repository, write: Write, model: Any) -> None:
    """The run is recorded, with a warning."""
    evaluations, (result,) = evaluate_command(repository, "m.bin@v1", [str(write("a"))], ["true"], code=False)
    assert evaluations == ()
    assert "no metrics" in result.warnings[0]
    assert result.run.status == RunStatus.SUCCEEDED


def test_an_interrupt_stops_the_datasets_that_follow(repository: Repository, write: Write, model: Any) -> None:
    """Whoever pressed Ctrl-C meant all of them; what was measured stays."""
    names = [str(write(name, name)) for name in ("a", "stop", "b")]
    script = 'grep -q stop "{dataset}" && kill -INT $$; echo "{\\"auc\\": 1}"'
    evaluations, results = evaluate_command(repository, "m.bin@v1", names, ["sh", "-c", script], code=False)
    assert [e.dataset.name for e in evaluations] == ["a"]
    assert [result.run.status for result in results] == [RunStatus.SUCCEEDED, RunStatus.INTERRUPTED]


def test_what_cannot_be_evaluated_is_said_before_anything_runs(
    repository: Repository, write: Write, model: Any
) -> None:
    """No dataset, a missing one, a model that is none."""
    write("data.csv")
    repository.put("data.csv")
    events = len(list(repository.log()))
    command = ["sh", "-c", "touch ran"]
    with pytest.raises(InvalidInputError, match="no dataset"):
        evaluate_command(repository, "m.bin@v1", [], command, code=False)
    with pytest.raises(NotFoundError):
        evaluate_command(repository, "m.bin@v1", ["data.csv", "nowhere"], command, code=False)
    with pytest.raises(NotFoundError):
        evaluate_command(repository, "nowhere", ["data.csv"], command, code=False)
    with pytest.raises(InvalidInputError, match="not a usable name"):
        evaluate_command(repository, "m.bin@v1", ["data.csv"], command, experiment="a@b", code=False)
    with pytest.raises(InvalidInputError, match="is a dataset, not a model"):
        evaluate_command(repository, "data.csv@v1", ["data.csv"], command, code=False)
    assert not Path("ran").exists()
    assert len(list(repository.log())) == events


def test_a_model_on_disk_is_taken_for_the_model_it_is(repository: Repository, write: Write, model: Any) -> None:
    """Also where the same bytes are recorded as something else; unknown bytes are put as a model."""
    write("train.csv", "train")  # the bytes of the model, too, and the newer artifact
    repository.put("train.csv", name="m.bin")
    write("m.bin", "train")
    write("other.bin", "other")
    command = ["echo", '{"auc": 1}']
    evaluations, _ = evaluate_command(repository, "m.bin", [str(write("a"))], command, code=False)
    assert evaluations[0].model == model
    evaluations, _ = evaluate_command(repository, "other.bin", ["a"], command, code=False)
    assert evaluations[0].model.kind == ArtifactKind.MODEL


# ---------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "train.py", "--fast"], "train.py"),
        (["/usr/bin/python3.11", "-u", "/home/ada/train.py"], "train.py"),
        (["python", "-W", "ignore", "-X", "dev", "train.py"], "train.py"),
        (["python", "-m", "pkg.train", "x"], "pkg.train"),
        (["python", "-c", "print(1)", "x"], "python"),
        (["python", "-cprint(1)", "x"], "python"),
        (["python", "-", "x"], "python"),
        (["python"], "python"),
        (["python", "-m"], "python"),
        (["/home/ada/bin/fit", "x"], "fit"),
        (["/"], "command"),
    ],
)
def test_runs_are_named_after_their_script(command: list[str], name: str) -> None:
    """Never after the folder it lies in."""
    assert title(command) == name


def test_a_script_whose_name_is_no_text_runs_too(repository: Repository) -> None:
    """Its name is recorded readably."""
    script = Path(os.fsdecode(b"caf\xe9.sh"))
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    result = run_command(repository, [f"./{script}"], code=False)
    assert (result.run.name, result.run.status) == ("caf\\udce9.sh", RunStatus.SUCCEEDED)


def test_results_are_json(repository: Repository) -> None:
    """What `--json` prints."""
    document = json.loads(json.dumps(run(repository, "true").to_json()))
    assert document["type"] == "commandresult"
    assert document["run"]["status"] == "succeeded"
