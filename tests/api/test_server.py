"""The server as a process: it starts, answers, and stops when asked to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from urllib.request import Request, urlopen

import pytest

from lin.api.server import listen, serve, url_of
from lin.errors import ConflictError, InvalidInputError, PermissionDeniedError

PROGRAM = """
import sys
from lin.api.server import serve
serve(sys.argv[1], port=0, ready=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


@pytest.fixture
def process(world):
    command = [sys.executable, "-c", PROGRAM, world.repository.url]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield started
    if started.poll() is None:
        started.kill()
    started.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_from_start_to_stop(process, world, number):
    """The server tells its URL when it answers, stops on a signal, and its process ends well and said nothing."""
    url = process.stdout.readline().strip()
    request = Request(f"{url}/graphql", b'{"query": "{ repository { id } }"}', {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as reply:
        assert world.repository.id in reply.read().decode()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("stopped\n", "", 0)


def test_stops_with_open_connections(process):
    """Connections that are kept open do not keep the server from stopping."""
    port = int(process.stdout.readline().strip().rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(15) == b"HTTP/1.1 200 OK"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_port_in_use(world):
    """A port in use is an error that names the port and the way out."""
    with listen("127.0.0.1", 0, public=False) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=f"port {port} of 127.0.0.1 is in use") as caught:
            serve(world.repository, port=port)
    assert "another port" in caught.value.hint


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_addresses_need_a_token(world, host):
    """An address that others can reach is refused without a token, with the way out."""
    with pytest.raises(InvalidInputError, match="no token") as caught:
        serve(world.repository, host=host, port=0)
    assert "SSH tunnel" in caught.value.hint


def test_other_addresses_with_a_token():
    """With a token, any address of this machine will do; the URL is one that can be opened."""
    with listen("0.0.0.0", 0, public=True) as listener:
        assert url_of("0.0.0.0", listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "a" * 300, "ä" * 70])
def test_hosts_that_are_not_this_machine(world, host):
    """A host that is not this machine's is refused by name."""
    with pytest.raises(InvalidInputError) as caught:
        serve(world.repository, host=host, port=0, token="secret")
    assert host in str(caught.value)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_ports_have_bounds(world, port):
    """A number that is no port is refused."""
    with pytest.raises(InvalidInputError, match=str(port)):
        serve(world.repository, port=port)


def test_localhost_by_name():
    """`localhost` is loopback."""
    with listen("localhost", 0, public=False) as listener:
        assert url_of("localhost", listener).startswith("http://localhost:")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6():
    """IPv6 addresses stand in brackets in the URL."""
    try:
        listener = listen("::1", 0, public=False)
    except InvalidInputError:
        pytest.skip("this machine has no IPv6 loopback address")
    with listener:
        assert url_of("::1", listener).startswith("http://[::1]:")


def test_port_is_free_again(world):
    """A failed start leaves nothing behind: the port can be taken at once."""
    with listen("127.0.0.1", 0, public=False) as first:
        port = first.getsockname()[1]
    with listen("127.0.0.1", port, public=False):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use any port")
def test_privileged_port(world):
    """A port that this user may not use is refused as such."""
    with pytest.raises(PermissionDeniedError):
        serve(world.repository, port=80)
