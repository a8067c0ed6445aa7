"""Ways, leaks, differences, search, the past and pages, from the command line."""

import json
import sys

import pytest


def loads(answer):
    return json.loads(answer.out)


@pytest.fixture
def world(inside, tmp_path):
    """A dataset, a model trained on it and one tuned from that, the latter tested on what both learned from."""
    work = tmp_path / "inside/work"
    (work / "data.csv").write_text("1\n")
    (work / "test.csv").write_text("9\n")
    (work / "same.csv").write_text("1\n")
    inside("put", "data.csv", "test.csv", "same.csv")
    for name, lr, loss, uses in (
        ("base", 0.1, 0.5, "train=data.csv"),
        ("tuned", 0.2, 0.25, "base-model=base"),
    ):
        code = f"open('{name}', 'w').write('{name}'); print('{{\"loss\": {loss}}}')"
        inside(
            *("run", "--no-code", "--experiment", "e", "--param", f"lr={lr}", "--input", uses),
            *("--output", f"model={name}", "--", sys.executable, "-c", code),
        )
    inside(
        "eval",
        "tuned",
        "--no-code",
        "--on",
        "test.csv",
        "--on",
        "same.csv",
        "--",
        sys.executable,
        "-c",
        "print('{\"auc\": 1}')",
    )
    inside("tag", "tuned", "prod")
    return inside


def test_path(world):
    """A way is told step by step, a way back is said to be one, and no way is a no."""
    lines = world("path", "data.csv", "tuned").out.splitlines()
    assert lines[0].startswith("dataset data.csv@v1")
    assert [line.split()[1] for line in lines[1:]] == ["used", "generated", "used", "generated"]
    assert "  → used as base-model by run" in lines[3]
    back = world("path", "tuned", "data.csv").out.splitlines()
    assert back[0] == "none leads from tuned to data.csv, but one leads back:"
    assert back[1:] == lines
    assert world("path", "test.csv", "base", status=1).out == "no way leads from test.csv to base, nor back\n"
    document = loads(world("path", "data.csv", "base", "--json"))
    assert (document["type"], document["backwards"], len(document["edges"])) == ("way", False, 2)
    assert loads(world("path", "test.csv", "base", "--json", status=1)) is None
    world("path", "data.csv", "nowhere", status=3)


def test_leaks(world):
    """A leak is told with what was learned, and makes the exit status 1."""
    out = world("leaks", status=1).out
    told = out.splitlines()[1].split()
    assert told[:2] == ["tuned@v1", "same.csv@v1"]
    assert {"data.csv@v1", "auc=1"} <= set(told)
    assert world("leaks", "tuned", status=1).out == out
    assert world("leaks", "--experiment", "e", status=1).out == out
    assert world("leaks", "base").out == "no leak: no model was tested on what it learned from\n"
    (leak,) = loads(world("leaks", "--json", status=1))["items"]
    assert leak["evaluation"]["dataset"]["name"] == "same.csv"
    assert world("leaks", "nowhere", status=3).out == ""


def test_diff(world):
    """What differs is listed part by part, and text on demand line by line."""
    lines = world("diff", "base", "tuned").out.splitlines()
    assert lines[0].startswith("- model base@v1")
    assert "  lr  0.1 → 0.2" in lines
    assert "  loss  0.5 → 0.25" in lines
    assert any(line.startswith("  train  data.csv  v1 b3:") for line in lines)
    assert "  ~ tuned" in lines
    assert "    +tuned" in world("diff", "base", "tuned", "-p").out
    assert "nothing differs" in world("diff", "base", "base").out
    assert loads(world("diff", "base", "base", "--json"))["same"] is True
    assert "e is an experiment" in world("diff", "e", "base", status=2).err


def test_search(world):
    """Things are found by name, kind and value; nothing found is a no, and a bad filter is shown."""
    assert (
        world("search", "--kind", "model", "--where", "loss < 0.3 and auc = 1")
        .out.splitlines()[1]
        .startswith("tuned@v1")
    )
    assert [item["name"] for item in loads(world("search", "ata", "--json"))["items"]] == ["data.csv"]
    assert len(loads(world("search", "--kind", "evaluation", "--where", "auc > 0", "--json"))["items"]) == 2
    assert world("search", "zzz", status=1).out == "nothing found\n"
    error = world("search", "--where", "loss > high", status=2).err
    assert "at character 8: expected a number after >, found 'high'" in error
    assert "  loss > high\n         ^\n" in error
    assert "give TEXT, --kind or --where" in world("search", status=2).err


def test_lists_of_lineage(world):
    """A trace by kind or time is a list, counted; drawing and listing are not mixed."""
    lines = world("trace", "data.csv", "--down", "--kind", "model").out.splitlines()
    assert [line.split()[0] for line in lines] == ["what", "base@v1", "tuned@v1", "2"]
    assert loads(world("trace", "tuned", "--until", "2020-01-01", "--json")) == {
        "type": "page",
        "items": [],
        "total": 0,
        "stopped": False,
        "next": None,
    }
    assert loads(world("trace", "tuned", "--since", "2020-01-01", "--depth", "1", "--json"))["total"] == 1
    assert "--format is for drawing" in world("trace", "tuned", "-n", "1", "--format", "dot", status=2).err
    assert "not a date: 'soon'" in world("trace", "tuned", "--since", "soon", status=2).err


def test_explained_models(world):
    """A model is explained by a way on which the bytes came into it, never by holding them itself."""
    lines = world("models", "--trained-on", "data.csv", "--transitive", "--explain").out.splitlines()
    assert lines[0] == "base@v1  directly (train)"
    assert lines[1].startswith("  bytes b3:")
    assert any(line.startswith("tuned@v1  through others") for line in lines)
    (direct,) = loads(world("models", "--trained-on", "data.csv", "--explain", "--json"))
    assert [edge["relation"] for edge in direct["path"]["edges"]] == ["has content", "used", "generated"]


def test_impact_is_counted(world):
    """Impact counts everything, lists some of it, and says how to list the rest."""
    out = world("impact", "data.csv", "-n", "1").out
    assert "  … 1 of 2; all: lin trace data.csv --down --kind model" in out
    assert "tuned@prod" in out
    document = loads(world("impact", "data.csv", "-n", "1", "--json"))
    assert (document["model_count"], document["evaluation_count"], len(document["models"])) == (2, 2, 1)


@pytest.mark.parametrize(
    "verb",
    [
        ("trace", "tuned"),
        ("trace", "data.csv", "--down", "--kind", "run"),
        ("models", "--trained-on", "data.csv", "--transitive"),
        ("search", "--where", "loss > 0"),
        ("search", "--kind", "dataset"),
    ],
)
def test_pages(world, verb):
    """Pages, joined by their tokens, are the whole answer."""
    whole = loads(world(*verb, "-n", "100", "--json"))
    assert whole["next"] is None
    read, token = [], None
    while True:
        page = loads(world(*verb, "-n", "1", "--json", *(("--after", token) if token else ())))
        read += page["items"]
        assert len(page["items"]) == 1
        if (token := page["next"]) is None:
            break
    assert read == whole["items"]
    assert len(read) > 1
    said = world(*verb, "-n", "1").out.splitlines()[-1]
    assert "for the next: --after " in said


def test_tokens_of_other_questions(world):
    """A token of another question, verb or moment is refused, and so is what is no token."""
    token = loads(world("trace", "tuned", "-n", "1", "--json"))["next"]
    for other in (
        ("trace", "base"),
        ("trace", "tuned", "--down"),
        ("trace", "tuned", "--kind", "model"),
        ("trace", "tuned", "--as-of", "3"),
        ("models", "--trained-on", "tuned"),
        ("search", "tuned"),
        ("leaks",),
        ("runs",),
    ):
        assert "belongs to another question" in world(*other, "--after", token, status=2).err
    assert "not a page token: 'x'" in world("trace", "tuned", "--after", "x", status=2).err


def test_the_past(world):
    """Questions can be asked as of a number of events or a date."""
    size = len(loads(world("log", "--json")))
    assert world("ls", "--as-of", "0").out == ""
    assert "data.csv@v1" in world("ls", "--as-of", str(size)).out
    assert "no model was trained" in world("models", "--trained-on", "data.csv", "--as-of", "4", status=1).out
    assert world("runs", "--as-of", "2020-01-01").out == ""
    assert "tuned@v1" in world("trace", "tuned", "--as-of", "9999-12-31").out
    assert "no leak" in world("leaks", "--as-of", "2020-01-01").out
    assert loads(world("impact", "data.csv", "--as-of", "4", "--json"))["runs"] == 0
    assert "nothing is known as 'tuned'" in world("show", "tuned", "--as-of", "4", status=3).err
    assert f"the log holds {size} events" in world("ls", "--as-of", str(size + 1), status=2).err
    assert "neither a date nor a number" in world("ls", "--as-of", "soon", status=2).err
