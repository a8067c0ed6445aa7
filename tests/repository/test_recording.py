"""Recordings: a run that Python code tells about as it happens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from lin.errors import BackendError, InvalidInputError, LinError, NotFoundError
from lin.lineage.events import MAX_PATH, MAX_USES, RunFinished, Use
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus
from lin.recording import Recording
from lin.repository import Repository

Write = Callable[..., Path]


@pytest.fixture
def start(repository: Repository) -> Callable[..., Recording]:
    def begin(name: str = "fit.py", **options: Any) -> Recording:
        return Recording.start(repository, name=name, experiment="e", **options)

    return begin


Start = Callable[..., Recording]


# ---------------------------------------------------------------------------- how it ends


def test_a_block_that_ends_well_succeeded(start: Start) -> None:
    """While it runs it is running; afterwards its metrics are known."""
    with start(parameters={"depth": 3}) as run:
        assert (run.record.status, run.record.finished) == (RunStatus.RUNNING, None)
        run.log_metrics(loss=0.5)
        run.log_metrics({"loss": 0.25, "auc": 1})
        assert run.record.metrics == {}
    assert (run.record.status, run.record.exit_status) == (RunStatus.SUCCEEDED, None)
    assert run.record.metrics == {"loss": 0.25, "auc": 1}
    assert run.record.parameters == {"depth": 3}


def ended_by(run: Recording, error: BaseException) -> None:
    with run:
        run.log_metrics(step=1)
        raise error


@pytest.mark.parametrize(
    ("error", "end", "text"),
    [
        (ValueError("too deep \udcff"), (RunStatus.FAILED, None), "ValueError: too deep \\udcff"),
        (KeyboardInterrupt(), (RunStatus.INTERRUPTED, None), "KeyboardInterrupt: "),
        (SystemExit(3), (RunStatus.FAILED, 3), "SystemExit: 3"),
        (SystemExit("gave up"), (RunStatus.FAILED, None), "SystemExit: gave up"),
        (SystemExit(0), (RunStatus.SUCCEEDED, 0), None),
        (SystemExit(), (RunStatus.SUCCEEDED, 0), None),
    ],
)
def test_a_block_that_ends_early_says_how(
    start: Start, error: BaseException, end: tuple[RunStatus, int | None], text: str | None
) -> None:
    """The error passes on; what was measured until then stays; `sys.exit()` is a way to succeed."""
    run = start()
    with pytest.raises(type(error)) as caught:
        ended_by(run, error)
    assert caught.value is error
    assert (run.record.status, run.record.exit_status) == end
    assert run.record.metrics == {"step": 1}
    detail = run._repository.detail(run.record.outcome)
    assert (detail["error"] if detail else None) == text


def test_only_the_first_end_counts(start: Start) -> None:
    """A run that was ended by hand is not ended again by its block."""
    with start() as run:
        run.finish(RunStatus.FAILED, exit_status=2)
        run.finish(RunStatus.SUCCEEDED)
    assert (run.record.status, run.record.exit_status) == (RunStatus.FAILED, 2)


def test_the_blocks_own_error_is_what_its_user_sees(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its record fails; an end that could not be recorded otherwise is an error."""

    def broken(*_: object, **__: object) -> None:
        raise BackendError("the disk is gone")

    run = start()
    monkeypatch.setattr(run._repository, "record", broken)
    with pytest.raises(ValueError, match="mine"):
        ended_by(run, ValueError("mine"))
    with pytest.raises(BackendError), run:
        pass


def test_an_end_that_failed_can_be_tried_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is marked as done that is not."""
    run = start()
    with monkeypatch.context() as patch:
        patch.setattr(run._repository, "record", lambda _: (_ for _ in ()).throw(BackendError("full")))
        with pytest.raises(BackendError):
            run.finish()
    run.finish()
    assert run.record.status == RunStatus.SUCCEEDED


# ---------------------------------------------------------------------------- metrics


def test_numpys_numbers_are_numbers(start: Start) -> None:
    """Scalars of any width, and arrays of one; not-a-number is kept as text."""
    numpy = pytest.importorskip("numpy")
    with start() as run:
        run.log_metrics(
            a=numpy.float32(0.5), b=numpy.int64(3), c=numpy.bool_(True), d=numpy.array([2.0]), e=float("nan"),
            f=numpy.float64("-inf"), g=numpy.str_("x"), h=2**53,
        )  # fmt: skip
    assert run.record.metrics == {
        "a": 0.5, "b": 3, "c": True, "d": 2.0, "e": "NaN", "f": "-Infinity", "g": "x", "h": str(2**53),
    }  # fmt: skip


def test_what_is_no_measurement_is_refused_and_nothing_of_it_kept(start: Start) -> None:
    """Lists, None, arrays, objects, and more than an event can hold."""
    numpy = pytest.importorskip("numpy")
    with start() as run:
        for value in ([1], None, numpy.arange(3), object(), {"a": 1}, b"x", 1j):
            with pytest.raises(InvalidInputError, match="metric 'bad'") as caught:
                run.log_metrics(good=1, bad=value)  # type: ignore[arg-type]
            assert "run.save" in caught.value.hint
        with pytest.raises(InvalidInputError, match="an event holds at most"):
            run.log_metrics({f"{number:0100}": 1 for number in range(1000)})
        with pytest.raises(InvalidInputError):
            run.log_metrics({"\ud800": 1})
        run.log_metrics(kept=1)
    assert run.record.metrics == {"kept": 1}
    assert run.record.status == RunStatus.SUCCEEDED


def test_as_many_metrics_as_are_noted_can_be_recorded(start: Start) -> None:
    """What `log_metrics` lets through fits into the log, whatever letters it is made of."""
    with start() as run:
        count = 0
        with suppress(InvalidInputError):
            while count < 10_000:
                run.log_metrics({f'"\\\x01é✓{count:0180}': count for count in range(count, count + 20)})
                count += 20
    assert len(run.record.metrics) == count
    assert 50 < count < 10_000


# ---------------------------------------------------------------------------- uses


def test_what_is_used_is_linked_and_read_from_where_it_says(repository: Repository, start: Start, write: Write) -> None:
    """A path is read where it is; an artifact or ref from a verified copy."""
    old = repository.put(write("data.csv", "old")).artifact
    write("data.csv", "new")
    with start() as run:
        assert run.use("data.csv", role="train") == Path("data.csv")
        assert run.use(old, role=Role.TEST).read_text() == "old"
        assert run.use("data.csv@v1", role="validation").read_text() == "old"
        assert run.use(write("base.bin", "m"), role="base-model") == Path("base.bin")
        assert run.use(write("settings.yaml", "s"), role="config") == Path("settings.yaml")
        assert run.use(write("other.csv", "o")) == Path("other.csv")
    uses = [
        (u.role, u.artifact.label, u.artifact.kind, u.path, u.evidence)
        for u in repository.used([run.id.value])[run.id.value]
    ]
    assert uses == [
        ("input", "other.csv@v1", "dataset", "other.csv", Evidence.DECLARED),
        ("train", "data.csv@v2", "dataset", "data.csv", Evidence.DECLARED),
        ("test", "data.csv@v1", "dataset", None, Evidence.DECLARED),
        ("validation", "data.csv@v1", "dataset", None, Evidence.DECLARED),
        ("config", "settings.yaml@v1", "file", "settings.yaml", Evidence.DECLARED),
        ("base-model", "base.bin@v1", "model", "base.bin", Evidence.DECLARED),
    ]


def test_a_folder_can_be_used(repository: Repository, start: Start, write: Write) -> None:
    """As one artifact, by path or by ref."""
    write("images/a.png", "1")
    with start() as run:
        run.use("images", role="train")
        copy = run.use("images@v1")
    assert (copy / "a.png").read_text() == "1"
    assert copy != Path("images")


def test_bytes_that_are_known_stand_for_the_artifact_that_has_them(
    repository: Repository, start: Start, write: Write
) -> None:
    """The newest of its own name, else the newest of any; nothing is put again."""
    first = repository.put(write("data.csv", "1")).artifact
    second = repository.put(write("copy.csv", "1")).artifact
    events = len(list(repository.log()))
    with start() as run:
        run.use("data.csv", role="train")
        run.use(write("third.csv", "1"), role="test")
    uses = {use.role: use.artifact for use in repository.used([run.id.value])[run.id.value]}
    assert uses == {Role.TRAIN: first, Role.TEST: second}
    assert len(list(repository.log())) == events + 4
    assert len(repository.artifacts().items) == 2


def test_more_uses_than_an_event_holds_make_several(repository: Repository, write: Write) -> None:
    """Nothing is lost, and nothing is half there."""
    data = repository.put(write("data.csv")).artifact
    uses = [Use(data.id, Role.INPUT, Evidence.DECLARED, f"{number}/{'é' * 190}") for number in range(2 * MAX_USES + 20)]
    run = Recording.start(repository, name="x", uses=uses)
    assert len(list(repository.log(kinds=["run.used"]))) == 3
    assert {use.path for use in repository.used([run.id.value])[run.id.value]} == {use.path for use in uses}


def test_a_missing_use_is_said_and_not_recorded(repository: Repository, start: Start) -> None:
    """A path that is not there, a ref that means nothing, a role there is not, no path at all."""
    with start() as run:
        for source, role, error in (
            (Path("nowhere.csv"), "train", NotFoundError),
            ("nowhere.csv", "train", NotFoundError),
            ("nowhere.csv", "trian", InvalidInputError),
            ("", "train", InvalidInputError),
        ):
            with pytest.raises(error):
                run.use(source, role=role)
    assert repository.used([run.id.value]) == {}
    assert run.record.status == RunStatus.SUCCEEDED


def test_paths_are_told_from_the_runs_folder(repository: Repository, write: Write, tmp_path: Path) -> None:
    """Inside it relatively, also when it was reached through a link; outside only the name; cut at the head."""
    outside = tmp_path / "outside.csv"
    outside.write_text("x")
    write("sub/data.csv")
    (tmp_path / "link").symlink_to(Path.cwd())
    deep = Path("d" * 200) / ("e" * 200) / "data.csv"
    write(deep)
    write("sub/run/x")
    with Recording.start(repository, name="x", folder=Path.cwd()) as run:
        for role, path in {
            Role.INPUT: outside, Role.TRAIN: Path("sub/../sub/data.csv"), Role.TEST: tmp_path / "link/sub/data.csv",
            Role.VALIDATION: deep, Role.CONFIG: Path.cwd(),
        }.items():  # fmt: skip
            run.use(path, role=role)
    paths = {use.role: use.path for use in repository.used([run.id.value])[run.id.value]}
    assert paths.pop(Role.VALIDATION) == "…" + str(deep)[-(MAX_PATH - 3) :]
    assert paths == {
        Role.INPUT: "outside.csv", Role.TRAIN: "sub/data.csv", Role.TEST: "sub/data.csv", Role.CONFIG: ".",
    }  # fmt: skip


# ---------------------------------------------------------------------------- what it makes


def test_what_a_run_makes_is_generated_by_it(repository: Repository, start: Start, write: Write) -> None:
    """With kind, name, attributes and where it was written."""
    with start() as run:
        model = run.save(write("out/m.bin", "m"), kind="model", name="churn", attributes={"trees": 10})
        report = run.save("out", kind=ArtifactKind.REPORT)
    assert (model.label, model.kind, model.path, model.run) == ("churn@v1", "model", "out/m.bin", run.id)
    assert (model.experiment, model.attributes, model.evidence) == ("e", {"trees": 10}, Evidence.DECLARED)
    assert (report.label, report.shape, report.path) == ("out@v1", "tree", "out")
    assert repository.generated([run.id.value])[run.id.value] == [model, report]
    assert [node.label for node in repository.trace("churn").nodes] == ["churn@v1", run.id.short]


def test_what_cannot_be_saved_is_said(start: Start, write: Write) -> None:
    """A missing file, a kind there is not, an unusable name, an unusable fact."""
    path = write("m.bin")
    with start() as run:
        bad: list[tuple[str | Path, dict[str, Any]]] = [
            ("nowhere", {}),
            (path, {"kind": "modell"}),
            (path, {"name": "a@b"}),
            (path, {"attributes": {"a": [1]}}),
            ("", {}),
        ]
        for source, options in bad:
            with pytest.raises(LinError):
                run.save(source, **options)
    assert run._repository.artifacts().items == ()


def test_a_run_can_measure_a_model_on_data(repository: Repository, start: Start, write: Write) -> None:
    """Evaluations by hand; only models can be evaluated."""
    data = repository.put(write("data.csv")).artifact
    with start() as run:
        model = run.save(write("m.bin"), kind="model")
        identity = run.evaluated(model, data, {"auc": float("nan")})
        with pytest.raises(InvalidInputError, match="not a model"):
            run.evaluated(data, model, {"auc": 1})
    (evaluation,) = repository.evaluations(experiment="e")
    assert (evaluation.id, evaluation.metrics, evaluation.run) == (identity, {"auc": "NaN"}, run.id)


# ---------------------------------------------------------------------------- beginnings


def test_a_run_that_cannot_be_recorded_does_not_begin(repository: Repository) -> None:
    """Bad names and settings are told at once, and leave no event."""
    bad: list[dict[str, Any]] = [{"experiment": "a@b"}, {"parameters": {"a": [1]}}, {"parameters": {"a": "\ud800"}}]
    for options in bad:
        with pytest.raises(InvalidInputError):
            Recording.start(repository, name="x", **options)
    assert list(repository.log()) == []


def test_a_user_without_a_name_can_record(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user nobody has entered."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    run = start()
    detail = run._repository.detail(run.record.detail)
    assert detail is not None
    assert detail["user"] == ""


def test_runs_that_begin_alike_are_two(start: Start) -> None:
    """Even within one microsecond."""
    assert len({start().id for _ in range(5)}) == 5


def test_two_threads_record_two_runs(repository: Repository, write: Write) -> None:
    """Each has its own uses, metrics and end."""
    barrier = Barrier(2)
    runs: dict[str, Recording] = {}
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            barrier.wait(30)
            with Recording.start(repository, name=name, experiment="e") as run:
                runs[name] = run
                for step in range(5):
                    run.use(write(f"{name}{step}", f"{name}{step}"), role="train")
                    run.save(f"{name}{step}", name="shared", kind="model")
                run.log_metrics(name=name)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for name, run in runs.items():
        assert run.record.metrics == {"name": name}
        uses = repository.used([run.id.value])[run.id.value]
        assert sorted(use.artifact.name for use in uses) == [f"{name}{step}" for step in range(5)]
    assert sorted(a.version for a in repository.artifacts(name="shared").items) == list(range(1, 11))
    assert repository.verify().ok


def test_a_run_ended_elsewhere_is_not_ended_twice(start: Start, repository: Repository) -> None:
    """The log takes one end of a run; the second one is refused and says so."""
    run = start()
    repository.record(lambda draft, _: draft.add(RunFinished(run.id, RunStatus.FAILED)))
    with pytest.raises(InvalidInputError, match="finished already"):
        run.finish()
    assert run.record.status == RunStatus.FAILED
