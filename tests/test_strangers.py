"""What clients without a key can do to the server and to the ticket API alone, with few file descriptors."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import httpx2
import pytest

from shared.http.protocol import HEAD_S
from tests.processes import API_KEY, HTTP_DOOR, KEY, TICKET_API, sqlite, started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit of open files")
FILES: Final = 64
SILENT: Final = 120
LIMITED: Final = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (%d, %d))
sys.path.insert(0, ".")
name = sys.argv.pop()
run = runpy.run_path if name.endswith(".py") else runpy.run_module
sys.argv = [name]
run(name, run_name="__main__")
"""
PROGRAMS: Final = {"the server": HTTP_DOOR, "the ticket API": TICKET_API}
GET: Final = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n"


@pytest.fixture(scope="module", params=list(PROGRAMS))
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A program that may open only a few files."""
    folder: Path = tmp_path_factory.mktemp("strangers")
    program = ("-c", LIMITED % (FILES, FILES), *PROGRAMS[request.param])
    keys = {"MCP_MCP_API_KEY": KEY, "MCP_API_KEY": API_KEY}
    with started(program, PORT="0", MCP_DATABASE_URL=sqlite(folder), **keys) as (url, _):
        yield url


def connect(address: str) -> socket.socket:
    url = httpx2.URL(address)
    return socket.create_connection((url.host, url.port), timeout=5)


def all_of(connection: socket.socket) -> bytes:
    """Return everything received until the server closes."""
    read = bytearray()
    try:
        while part := connection.recv(65_536):
            read += part
    except ConnectionError:
        pass
    return bytes(read)


def test_more_silent_connections_than_files_lock_no_client_out(address: str) -> None:
    with ExitStack() as stack:
        for number in range(SILENT):
            silent = stack.enter_context(connect(address))
            if number % 2:
                silent.sendall(GET)
        for path, status in (("/health", 200), ("/tickets", None)):
            responded = httpx2.get(f"{address}{path}", timeout=HEAD_S / 2)  # before a silent one is given up
            assert status is None or responded.status_code == status


@pytest.mark.parametrize("start", [GET, GET + b"a: ", b"GET /"])
def test_a_head_without_end_is_answered_431(address: str, start: bytes) -> None:
    with connect(address) as stranger:
        with suppress(ConnectionError):  # the server may have closed before the last byte
            stranger.sendall(start + (b"a: b\r\n" * 20_000 if start == GET else b"a" * 120_000))
        said = all_of(stranger)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["kind"] == "head_too_large"


def test_pipelined_requests_beyond_two_close_the_connection(address: str) -> None:
    with connect(address) as stranger:
        stranger.sendall((GET + b"\r\n") * 1000)
        assert all_of(stranger) == b""


@pytest.mark.parametrize("path", ["/health", "/tickets", "/mcp"])
def test_a_body_without_end_is_not_waited_for(address: str, path: str) -> None:
    with connect(address) as stranger:
        stranger.sendall(f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\n".encode())
        assert stranger.recv(12) in {b"HTTP/1.1 401", b"HTTP/1.1 404", b"HTTP/1.1 405"}
