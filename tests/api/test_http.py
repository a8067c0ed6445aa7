"""The web application over real sockets: what it answers, what it refuses."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from lin.api import app
from lin.api.guard import checked_token
from lin.errors import BackendError, InvalidInputError, RepositoryNotFoundError

JSON = {"Content-Type": "application/json"}
TOKEN = "a-token-of-some-length"
ASK = json.dumps({"query": "{ repository { id } }"}).encode()


def head(length: int) -> bytes:
    lines = ("POST /graphql HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def test_query(client, world):
    """A query is answered as JSON that nothing may keep."""
    reply = client.query("query($f: Int!) { models(first: $f) { nodes { ref } } }", f=1)
    assert reply.status == 200
    assert reply.json == {"data": {"models": {"nodes": [{"ref": "delay-model@v2"}]}}}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"


def test_what_others_write_is_seen(own_world, start_server, tmp_path):
    """What another process records while the server runs is in its next answer."""
    client = start_server(own_world.repository)
    query = '{ artifacts(name: "late") { totalCount } }'
    assert client.query(query).json["data"]["artifacts"]["totalCount"] == 0
    (tmp_path / "late").write_text("late")
    program = "import sys; from lin.repository import Repository\nRepository.open(sys.argv[1]).put(sys.argv[2])"
    subprocess.run([sys.executable, "-c", program, own_world.repository.url, tmp_path / "late"], check=True)
    assert client.query(query).json["data"]["artifacts"]["totalCount"] == 1


def test_errors_of_a_query_are_answers(client):
    """A query with an error was answered: status 200, as GraphQL over HTTP wants it of this content type."""
    reply = client.query('{ artifact(ref: "nope") { id } }')
    assert (reply.status, reply.code) == (200, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"query": 1}',
        b'{"query": "  "}',
        b'[{"query": "{ repository { id } }"}]',
        b'{"query": "{ repository { id } }", "variables": []}',
        b'{"query": "{ repository { id } }", "operationName": 1}',
        b"[" * 100_000,
        b'{"query": "\\ud800"}',
    ],
)
def test_bodies_that_are_no_request(client, body):
    """A body that is no GraphQL request is refused with the way out."""
    reply = client.send("POST", "/graphql", body, JSON)
    assert (reply.status, reply.code) == (400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_only_json(client, content_type):
    """Content types that a form of another site could send are refused."""
    reply = client.send("POST", "/graphql", ASK, {"Content-Type": content_type} if content_type else {})
    assert (reply.status, reply.code) == (415, "INVALID_INPUT")


def test_charset_is_no_matter(client):
    """A content type may carry a charset."""
    assert client.send("POST", "/graphql", ASK, {"Content-Type": "Application/JSON; charset=utf-8"}).status == 200


def test_large_body_is_refused_unread(client):
    """A body of 10 MB is refused by its declared length, before it is sent."""
    parts = urlsplit(client.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(head(10_000_000))
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_large_body_without_a_length_is_refused(client):
    """A body that comes in pieces is refused when it has grown too large."""
    parts = urlsplit(client.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    pieces = iter([b" " * 65_536] * 17)
    connection.request("POST", "/graphql", pieces, JSON, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_body_within_the_limit(client):
    """A body of just under the limit is read."""
    assert client.send("POST", "/graphql", ASK + b" " * (app.MAX_BODY - len(ASK)), JSON).status == 200


def test_body_that_never_comes(world, start_server):
    """A client that declares a body and sends none is answered when the time is up."""
    client = start_server(world.repository, seconds=0.2)
    parts = urlsplit(client.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        head = (
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(client, method):
    """Other methods are not allowed."""
    assert client.send(method, "/graphql", b"", JSON).status == 405


def test_queries_are_not_asked_by_get(client, world):
    """A GET is answered with the page and never executes a query."""
    reply = client.get("/graphql?query=%7Brepository%7Bid%7D%7D")
    assert reply.headers["content-type"].startswith("text/html")
    assert world.repository.id not in reply.body.decode()


def test_slow_request_is_cut(world, start_server):
    """A request that takes too long is answered with an error, and the server goes on answering others."""
    release = threading.Event()

    class Slow(type(world.repository)):  # type: ignore[misc]
        def __init__(self):
            pass

        def aliases(self, name=None):
            release.wait(30)
            return ()

        @property
        def id(self):
            return "0" * 32

        url, format = "slow", 0

    client = start_server(Slow(), seconds=0.2)
    try:
        reply = client.query("{ aliases { ref } }")
        assert (reply.status, reply.code) == (200, "TIMEOUT")
        assert client.query("{ repository { id } }").json["data"]["repository"]["id"] == "0" * 32
        assert client.get("/livez").status == 200
    finally:
        release.set()


def test_many_at_once(client):
    """Requests from many threads at once are all answered."""
    query = "{ models { nodes { ref run { used { artifact { ref } } } evaluations { metrics } } } }"
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: client.query(query).body, range(40)))
    assert len(set(replies)) == 1
    assert b"errors" not in replies[0]


# ---------------------------------------------------------------------------- pages


def test_page_comes_from_here(client):
    """The page and all it loads are served by lin, and its policy allows nothing else."""
    reply = client.get("/graphql")
    text = reply.body.decode()
    assert "http:" not in text
    assert "https:" not in text
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    sources = [line.split('"')[1] for line in text.splitlines() if line.strip().startswith(("src=", 'href="/'))]
    assert len(sources) >= 6
    for source in sources:
        assert client.get(source).status == 200, source


def test_start_leads_to_the_page(client):
    """The root leads to the page."""
    reply = client.get("/")
    assert (reply.status, reply.headers["location"]) == (307, "/graphql")


def test_schema_is_served(client):
    """The schema can be downloaded."""
    assert b"type Query" in client.get("/schema.graphql").body


@pytest.mark.parametrize(
    "path", ["/nope", "/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/"]
)
def test_nothing_else_is_served(client, path):
    """No file outside the static folder can be had."""
    assert client.get(path).status == 404


def test_health(client):
    """The server says that it lives, and how far its index is behind."""
    assert client.get("/livez").body == b"ok\n"
    reply = client.get("/readyz")
    assert (reply.status, reply.json["ready"], reply.json["indexes"][0]["behind"]) == (200, True, 0)


def test_not_ready(world, start_server, monkeypatch, capsys):
    """A repository that cannot be read makes the server not ready, with the kind of error and without its text."""

    def fail():
        raise BackendError("the disk of /home/someone is gone")

    monkeypatch.setattr(world.repository, "index_status", fail)
    reply = start_server(world.repository).get("/readyz")
    assert (reply.status, reply.json) == (503, {"ready": False, "code": "BACKEND"})
    assert "the disk of" in capsys.readouterr().err


def test_faults_are_logged_with_their_id(world, start_server, monkeypatch, capsys):
    """What a client may not see is in the log, under the id that the client got."""

    def explode(name=None):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(world.repository, "aliases", explode)
    reply = start_server(world.repository).query("{ aliases { ref } }")
    assert b"secret" not in reply.body
    logged = capsys.readouterr().err
    assert reply.json["errors"][0]["extensions"]["id"] in logged
    assert "ZeroDivisionError" in logged


def test_quiet_by_default(world, start_server, capsys):
    """Requests that go well are not logged."""
    client = start_server(world.repository)
    client.query("{ repository { id } }")
    client.get("/graphql")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


# ---------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8000"])
def test_loopback_names(client, host):
    """Without a token, any loopback name is answered to."""
    assert client.send("POST", "/graphql", ASK, {**JSON, "Host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[", "0.0.0.0"]
)
@pytest.mark.parametrize("path", ["/graphql", "/livez"])
def test_rebinding(client, host, path):
    """Without a token, a name that was made to mean this machine is refused."""
    assert client.send("POST" if path == "/graphql" else "GET", path, ASK, {**JSON, "Host": host}).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_other_sites(client, headers):
    """Requests from pages of other sites, other ports included, are refused."""
    reply = client.query("{ repository { id } }", headers=headers)
    assert (reply.status, reply.code) == (403, "PERMISSION")
    assert "access-control-allow-origin" not in reply.headers


def test_own_page(client):
    """Requests from the server's own page are answered."""
    headers = {"Origin": client.url, "Sec-Fetch-Site": "same-origin"}
    assert client.query("{ repository { id } }", headers=headers).status == 200


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "Bearer \xe4\xf6"],
)
def test_wrong_token(world, start_server, header):
    """A missing or wrong token is refused, and the answer says how to send one."""
    headers = {} if header is None else {"Authorization": header}
    reply = start_server(world.repository, token=TOKEN).query("{ repository { id } }", headers=headers)
    assert (reply.status, reply.code) == (401, "PERMISSION")
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in reply.body.decode()


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
def test_right_token(world, start_server, header):
    """The right token is answered to under any host name."""
    client = start_server(world.repository, token=TOKEN)
    assert client.query("{ repository { id } }", headers={"Authorization": header, "Host": "lin.example"}).status == 200


def test_page_needs_no_token(world, start_server):
    """The page, which holds nothing of the repository, is served to whoever will be asked for the token."""
    client = start_server(world.repository, token=TOKEN)
    assert client.get("/graphql").status == 200
    assert client.get("/livez").status == 200


@pytest.mark.parametrize("token", ["", " ", "a b", "tökén", "a\n"])
def test_unusable_tokens(token):
    """A token that no header could carry is refused at once."""
    with pytest.raises(InvalidInputError, match="token"):
        checked_token(token)


def test_location_is_opened(world, start_server):
    """The application opens a repository by its location."""
    assert start_server(world.repository.url).query("{ repository { id } }").json["data"]["repository"] == {
        "id": world.repository.id
    }


def test_location_without_a_repository(tmp_path):
    """A location that holds no repository is an error at once, not at the first request."""
    with pytest.raises(RepositoryNotFoundError):
        app.create_app(tmp_path / "none")
