"""`lin du`, `stats`, `rm`, `restore`, `hold`, `retain`, `gc`, `erase` and `repair` as their users meet them."""

import json

import pytest


def test_the_trash(inside, tmp_path):
    """What is thrown away is listed and taken back; a hold refuses; gc says why things stay."""
    (tmp_path / "inside/work/a.csv").write_text("1\n")
    inside("put", "a.csv")
    assert "a.csv@v1" in inside("rm", "a.csv", "--reason", "wrong").out
    assert "a.csv@v1" in inside("restore").out
    assert "1 artifact in the trash kept: thrown away lately" in inside("gc").out
    inside("restore", "a.csv@v1")
    assert inside("restore").out == ""
    inside("hold", "a.csv", "--reason", "audit")
    assert "lin hold --release a.csv@v1" in inside("rm", "a.csv", status=1).err
    assert json.loads(inside("hold", "--json").out)[0]["name"] == "a.csv"
    inside("hold", "--release", "a.csv")
    assert "not held" in inside("hold", "--release", "a.csv", status=3).err


def test_space_is_freed_in_two_steps(inside, tmp_path):
    """A dry run says what would be; --yes marks, and then frees."""
    (tmp_path / "inside/work/a.bin").write_bytes(bytes(range(256)) * 20)
    inside("put", "a.bin")
    inside("rm", "a.bin")
    options = ("--trash", "0s", "--grace", "0s")
    assert "add --yes" in inside("gc", *options).out
    assert json.loads(inside("gc", *options, "--yes", "--json").out)["doomed"] > 0
    assert json.loads(inside("gc", *options, "--yes", "--json").out)["freed"] > 0
    assert "1 blob thrown away" in inside("verify").out
    inside("get", "a.bin", "gone", status=3)


def test_erase(inside, tmp_path):
    """Only with --yes; then verify says that it was on purpose."""
    (tmp_path / "inside/work/a.csv").write_text("secret\n")
    inside("put", "a.csv")
    assert "would be erased" in inside("erase", "a.csv", "--reason", "asked to").out
    assert inside("cat", "a.csv").out == "secret\n"
    assert "1 blob erased" in inside("erase", "a.csv", "--reason", "asked to", "--yes").out
    assert "1 blob erased on purpose" in inside("verify").out
    inside("erase", "a.csv", status=2)


def test_what_content_takes(inside, tmp_path):
    """Tables for people, numbers for programs."""
    (tmp_path / "inside/work/a.csv").write_text("1\n" * 50)
    inside("put", "a.csv")
    inside("put", "a.csv", "--name", "b.csv")
    assert inside("du").out.splitlines()[0].split() == ["name", "versions", "size", "stored", "alone"]
    assert json.loads(inside("du", "--json").out)[0]["size"] == 100
    assert "2.0 times less" in inside("stats").out
    assert json.loads(inside("stats", "--json").out)["logical"] == 200


def test_retention(inside, tmp_path):
    """A rule says which would go, --yes throws them away."""
    for text in "1", "2", "3":
        (tmp_path / "inside/work/a.csv").write_text(text)
        inside("put", "a.csv")
    assert "2 artifacts would be thrown away" in inside("retain", "a*", "--last", "1").out
    assert "2 artifacts thrown away" in inside("retain", "a*", "--last", "1", "--yes").out
    assert len(json.loads(inside("restore", "--json").out)) == 2
    assert "rule" in inside("retain", "a*", status=2).err


@pytest.mark.parametrize("text", ["soon", "5", "-1d", "1y", "1.5h"])
def test_a_length_of_time(inside, text):
    """What is none is told, with how to write one."""
    assert "30d" in inside("gc", "--trash", text, status=2).err


def test_repair(inside, tmp_path):
    """A damaged pack is mended from a mirror; the exit status says whether all is well."""
    (tmp_path / "inside/work/a.csv").write_text("text\n")
    inside("put", "a.csv")
    inside("mirror", tmp_path / "mirror")
    (pack,) = (tmp_path / "inside/repo/.lin/objects/packs").iterdir()
    pack.unlink()
    inside("verify", status=1)
    assert "1 thing mended" in inside("repair", "--from", tmp_path / "mirror").out
    inside("verify")
    assert json.loads(inside("repair", "--from", tmp_path / "mirror", "--json").out)["mended"] == []
