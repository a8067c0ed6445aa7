"""What bad input gets: a message with the value and the way out, the right exit status, and nothing half-written."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest


@pytest.fixture
def work(inside, tmp_path):
    folder = tmp_path / "inside/work"
    (folder / "data.csv").write_text("a,b\n")
    inside("put", "data.csv")
    return folder


def untouched(inside):
    """Nothing was recorded beyond the first put, and the repository is sound."""
    assert inside("ls").out.count("\n") == 2
    assert inside("verify").out.startswith("ok: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "nope"),
        ("get", "nope"),
        ("cat", "nope"),
        ("ls", "nope"),
        ("trace", "nope"),
        ("impact", "nope"),
        ("verify", "nope"),
        ("tag", "nope", "prod"),
        ("tag", "--delete", "nope@prod"),
        ("tag", "--delete", "data.csv@nope"),
        ("show", "data.csv@v9"),
        ("show", "data.csv@nope"),
        ("show", "data.csv@{2020-01-01}"),
        ("show", "b3:" + "0" * 64),
        ("show", "0" * 64),
        ("show", "0" * 12),
        ("models", "--trained-on", "nope"),
        ("metrics", "--model", "nope"),
        ("metrics", "--on", "nope"),
        ("runs", "--experiment", "nope"),
        ("run", "--input", "train=nope", "--", "true"),
        ("eval", "nope", "--on", "data.csv", "--", "true"),
        ("eval", "data.csv", "--on", "nope", "--", "true"),
        ("put", "nope"),
        ("--repo", "nope", "ls"),
    ],
    ids=" ".join,
)
def test_what_does_not_exist_is_3(inside, work, arguments):
    """An unknown ref, path, version, alias, digest, id, experiment or repository: the message names it."""
    err = inside(*arguments, status=3).err
    assert err.startswith("lin: ")
    typed = next(word for word in arguments if word.startswith(("train=", "nope", "b3:", "000", "data.csv@")))
    assert typed.partition("=")[2] or typed.partition("@")[2].strip("{}") or typed[:12] in err
    assert len(err.splitlines()) > 1, "there is a way out"
    untouched(inside)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "data.csv@"),
        ("show", "data.csv@{yesterday}"),
        ("show", "b3:zz"),
        ("put", ""),
        ("put", "data.csv", "--name", ""),
        ("put", "data.csv", "--name", "a@b"),
        ("put", "data.csv", "--name", "\x1b[2Jevil"),
        ("put", "data.csv", "--name", "two\nlines"),
        ("put", "data.csv", "--name", "x" * 1000),
        ("put", "/dev/null"),
        ("tag", "data.csv", "v3"),
        ("tag", "data.csv", "two words"),
        ("tag", "data.csv", "\x1b[31m"),
        ("cat", "data.csv", "../data.csv"),
        ("run", "--", ""),
    ],
    ids=ascii,
)
def test_what_cannot_be_used_is_2(inside, work, arguments):
    """Refs, names, aliases and paths that are none are refused with the form they should have."""
    err = inside(*arguments, status=2).err
    assert err.startswith("lin: ")
    assert err.isprintable() or "\x1b" not in err
    untouched(inside)


def test_an_ambiguous_ref_lists_what_it_could_mean(inside, work):
    """Exit status 4, and candidates that can be typed instead, in text and in JSON."""
    (work / "copy.csv").write_text("a,b\n")
    (put,) = json.loads(inside("put", "copy.csv", "--json").out)
    digest = put["artifact"]["digest"]
    assert inside("show", digest).out.count("data.csv@v1") == 1
    err = inside("tag", digest, "prod", status=4).err
    candidates = [line.strip() for line in err.splitlines()[1:]]
    assert "data.csv@v1" in candidates
    assert "copy.csv@v1" in candidates
    error = json.loads(inside("tag", digest, "prod", "--json", status=4).err)["error"]
    assert error["kind"] == "ambiguous"
    assert sorted(error["candidates"]) == ["copy.csv@v1", "data.csv@v1"]


@pytest.mark.parametrize("what", ["socket", "pipe", "dangling", "outside"])
def test_a_folder_that_cannot_be_kept_whole_is_refused(inside, work, what):
    """A socket, a named pipe, a link to nothing: the message names it, and nothing of the folder is recorded."""
    folder = work / "folder"
    folder.mkdir()
    (folder / "a").write_text("1")
    odd = folder / what
    if what == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            os.chdir(folder)
            listener.bind(what)
            os.chdir(work)
    elif what == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to("nowhere" if what == "dangling" else "/etc/passwd")
    err = inside("put", "folder", status=2).err
    assert what in err
    untouched(inside)


def test_a_name_that_is_not_utf8_is_refused_readably(lin):
    """The message shows the odd byte as an escape; with --name a file can be kept nevertheless."""
    path = os.fsencode(lin.folder) + b"/caf\xe9.csv"
    with open(path, "wb") as file:  # noqa: PTH123 - a path of bytes
        file.write(b"1")
    err = lin("put", b"caf\xe9.csv", status=2).err
    assert "caf" in err
    assert "xe9" in err or "udce9" in err
    assert "--name" in err
    assert lin("put", b"caf\xe9.csv", "--name", "cafe.csv").out.startswith("cafe.csv@v1  ")
    (lin.folder / "folder").mkdir()
    os.rename(path, os.fsencode(lin.folder) + b"/folder/caf\xe9.csv")  # noqa: PTH104 - a path of bytes
    assert "caf\\xe9.csv" in lin("put", "folder", status=2).err
    assert lin("verify").out.startswith("ok: ")


def test_an_unreadable_file_is_named(lin):
    """What the user may not read cannot be put, alone or in a folder."""
    lin.write("folder/secret", "1").as_posix()
    (lin.folder / "folder/secret").chmod(0)
    prefix = []
    if os.geteuid() == 0:
        # Root may read everything, until these capabilities are taken away.
        if shutil.which("setpriv") is None:
            pytest.skip("root can read everything, and there is no setpriv to change that")
        drop = "-dac_override,-dac_read_search"
        prefix = ["setpriv", "--bounding-set", drop, "--inh-caps", drop, "--"]
    for path in ("folder/secret", "folder"):
        process = subprocess.run(
            [*prefix, sys.executable, "-m", "lin", "put", path],
            cwd=lin.folder,
            env=lin.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 1, process.stderr
        assert process.stderr.startswith("lin: ")
        assert "folder/secret" in process.stderr
    assert lin("ls").out == ""
    assert lin("verify").out.startswith("ok: ")


def test_a_repository_of_a_newer_format_is_left_alone(inside, work, tmp_path):
    """An older lin says that a newer one is needed, for reading and for writing."""
    (described,) = (tmp_path / "inside/repo").rglob("lin.json")
    content = json.loads(described.read_text())
    (name,) = (key for key, value in content.items() if key in {"format", "version"} and isinstance(value, int))
    described.write_text(json.dumps({**content, name: 99}))
    before = sorted(path.name for path in described.parent.rglob("*"))
    for arguments in (("ls",), ("put", "data.csv"), ("verify",), ("doctor",)):
        err = inside(*arguments, status=1).err
        assert "99" in err
        assert "newer" in err
    assert sorted(path.name for path in described.parent.rglob("*")) == before


def test_what_is_there_is_not_overwritten(inside, work):
    """`get` keeps a file that is there, and replaces it with --force; a second `init` changes nothing."""
    (work / "data.csv").write_text("changed")
    assert "data.csv is there already" in inside("get", "data.csv", status=1).err
    assert (work / "data.csv").read_text() == "changed"
    assert "--force" in inside("get", "data.csv", status=1).err
    inside("get", "data.csv", "--force")
    assert (work / "data.csv").read_text() == "a,b\n"
    assert "already" in inside("init", os.environ["LIN_REPO"], status=1).err
    untouched(inside)


def test_a_file_in_the_way_of_a_folder(inside, work):
    """A destination below a file cannot be made."""
    assert "data.csv" in inside("get", "data.csv", "data.csv/below", status=1).err


def test_a_wrong_byte_is_never_data(inside, work, tmp_path):
    """`cat` fails at a corrupt blob, `get` leaves nothing, and `verify` names it with exit status 1."""
    digest = json.loads(inside("show", "data.csv", "--json").out)["digest"].removeprefix("b3:")
    packs = (path for path in (tmp_path / "inside/repo").rglob("objects/packs/*"))
    (pack,) = (path for path in packs if bytes.fromhex(digest) in path.read_bytes())
    pack.write_bytes(b"?" + pack.read_bytes()[1:])
    assert "cat" not in inside("cat", "data.csv", status=1).out
    assert "digest" in inside("cat", "data.csv", status=1).err
    inside("get", "data.csv", "back", status=1)
    assert not (work / "back").exists()
    assert [path.name for path in work.iterdir()] == ["data.csv"]
    report = inside("verify", status=1).out
    assert digest[:12] in report
    assert "2 findings" in report  # the blob, and the pack that it lies in
    assert pack.name in report
    assert json.loads(inside("verify", "--json", status=1).out)["ok"] is False
    pack.unlink()
    assert "missing" in inside("verify", status=1).out


def test_earlier_paths_stay_when_a_later_one_fails(inside, work):
    """What was recorded is said, also as JSON, before the error."""
    (work / "first").write_text("1")
    answer = inside("put", "first", "nope", "data.csv", "--json", status=3)
    assert [put["artifact"]["name"] for put in json.loads(answer.out)] == ["first"]
    assert json.loads(answer.err)["error"]["kind"] == "not_found"
    assert inside("put", "nope", "--json", status=3).out == ""


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (["no-such-command"], 127, "no-such-command"),
        (["./data.csv"], 126, "data.csv"),
        (["sh", "-c", "exit 42"], 42, "(exit 42)"),
        (["sh", "-c", "kill -9 $$"], 137, "interrupted"),
        (["sh", "-c", "kill -TERM $$"], 143, "(exit 143)"),
    ],
)
def test_a_command_that_fails_is_recorded_as_such(inside, work, command, status, message):
    """`lin run` ends with the command's own status, and the run says how it ended."""
    err = inside("run", "--no-code", "--", *command, status=status).err
    assert message in err
    (run,) = json.loads(inside("runs", "--json").out)
    assert run["status"] in {"failed", "interrupted"}
    assert run["exit_status"] == status
    assert inside("verify").out.startswith("ok: ")


def test_what_a_command_did_not_write_is_a_warning(inside, work):
    """A declared output or metrics file that is missing does not fail the run."""
    arguments = ("run", "--no-code", "--output", "model=nope", "--metrics", "nope.json", "--", "true")
    err = inside(*arguments).err
    assert "lin:   warning: output nope: the command did not write it" in err
    assert "lin:   warning: metrics file nope.json: the command did not write it" in err


def test_a_port_in_use_is_said(inside, work):
    """`lin serve` names the port and the way out, and refuses the world without a token."""
    pytest.importorskip("strawberry")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        err = inside("serve", "--port", port, status=1).err
    assert f"port {port}" in err
    assert "in use" in err
    assert "token" in inside("serve", "--host", "0.0.0.0", "--port", "0", status=2).err
    assert "nowhere.invalid" in inside("serve", "--host", "nowhere.invalid", status=2).err
