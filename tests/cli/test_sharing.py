"""`lin push`, `pull`, `clone`, `mirror` and `remote` as their users meet them."""

import json


def test_a_tour_of_sharing(lin, tmp_path):
    """Clone, work on both sides, pull and push; each says what moved, in words and in JSON."""
    lin.write("a.csv", "1\n")
    lin("put", "a.csv")
    there = tmp_path / "there"
    told = lin("clone", lin.environment["LIN_REPO"], str(there))
    assert "made a repository" in told.out
    assert "1 blob (2 B) taken over" in told.out
    assert json.loads(lin("--repo", str(there), "remote", "--json").out)[0]["name"] == "origin"
    assert lin("--repo", str(there), "pull").out == "nothing new\n"
    lin.write("b.csv", "22\n")
    lin("--repo", str(there), "put", "b.csv")
    dry = lin("--repo", str(there), "push", "--dry-run").out
    assert "would be given" in dry
    assert json.loads(lin("--repo", str(there), "push", "--json").out)["bytes"] == 3
    assert lin("cat", "b.csv").out == "22\n"
    assert lin("verify").out.startswith("ok")


def test_bytes_that_stayed_elsewhere(lin, tmp_path):
    """A get says where they are, and brings them with --fetch."""
    lin.write("a.csv", "1\n")
    lin("put", "a.csv")
    here = str(tmp_path / "here")
    lin("clone", "--no-content", lin.environment["LIN_REPO"], here)
    missing = lin("--repo", here, "get", "a.csv", "got.csv", status=3)
    assert "lin get --fetch a.csv" in missing.err
    lin("--repo", here, "get", "--fetch", "a.csv", "got.csv")
    assert (lin.folder / "got.csv").read_text() == "1\n"


def test_what_meets_is_told(lin, tmp_path):
    """A version that two artifacts have and an alias in two places are remarks beside the answer."""
    there = str(tmp_path / "there")
    lin("init", there)
    for repo, text in ((lin.environment["LIN_REPO"], "1\n"), (there, "2\n")):
        lin.write("a.csv", text)
        lin("--repo", repo, "put", "a.csv")
        lin("--repo", repo, "tag", "a.csv", "prod")
    told = lin("pull", there).err
    assert "a.csv@prod stands in several places" in told
    assert "two artifacts a.csv@v1" in told


def test_a_mirror(lin, tmp_path):
    """It is made, brought up to date, and another repository is never overwritten."""
    lin.write("a.csv", "1\n")
    lin("put", "a.csv")
    mirror = str(tmp_path / "mirror")
    assert "copied" in lin("mirror", mirror).out
    assert json.loads(lin("mirror", mirror, "--json").out)["files"] == 0
    lin("--repo", mirror, "verify")
    other = str(tmp_path / "other")
    lin("init", other)
    assert "not a mirror" in lin("mirror", other, status=1).err


def test_remotes(lin):
    """Names are added, listed, refused and removed."""
    lin("remote", "add", "team", "s3://team/lineage")
    assert "s3://team/lineage" in lin("remote").out
    assert "team" in lin("remote", "add", "team", "elsewhere", status=1).err
    lin("remote", "remove", "team")
    assert json.loads(lin("remote", "--json").out) == []
    assert "`lin remote` lists them" in lin("remote", "remove", "team", status=3).err
    assert "origin" in lin("push", status=3).err
