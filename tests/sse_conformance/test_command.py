"""The command reports its results, and its exit code is what a script needs."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from typing import Final

import pytest
import pytest_asyncio
from starlette.types import Scope

from sse_conformance.__main__ import main
from sse_conformance.scenarios.transport import own_address
from tests.captured_logs import capture_logs
from tests.sse_conformance.broken_server import Fault, broken_servers
from tests.sse_conformance.faults import header, status
from tests.sse_conformance.origin_cases import accepting

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY: Final = "key-alice"
"""A credential, which must not appear in the output."""
clients: Final[list[object]] = []
"""The address and port of the client of each request to the server `noted`."""


async def note(scope: Scope) -> None:
    clients.append(scope["client"])


FAULTS: Final = {
    "none": Fault(),
    "noted": Fault(before=note),
    "must": header("GET", "origin", None),
    "should": header("GET", "x-api-key", KEY),
    "promise": status({202: 200}),
    "domain": accepting(lambda origin, _: origin.endswith("example.com")),
}
LOOKED_AT: Final = ("origin-is-validated-on-get", "authentication", "accepted-means-one-answer")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncGenerator[str]:
    """The address of the servers. They run in this process; only the command writes to stdout."""
    with capture_logs():
        async with broken_servers(FAULTS) as address:
            yield address


async def command(*arguments: str) -> int:
    """Run the command in the process of the servers."""
    return await asyncio.to_thread(main, arguments)


@pytest.mark.parametrize(
    ("fault", "counted", "code"),
    [
        ("none", (), 0),
        ("none", ("--promises",), 0),
        ("must", (), 1),
        ("should", ("--promises",), 0),
        ("promise", (), 0),
        ("promise", ("--promises",), 1),
    ],
)
async def test_the_exit_code_says_whether_what_counts_passed(
    address: str, fault: str, counted: tuple[str, ...], code: int
) -> None:
    only = [part for name in LOOKED_AT for part in ("--only", name)]

    assert await command(f"{address}/{fault}/sse", "--header", f"X-Api-Key: {KEY}", *only, *counted) == code


async def test_the_table_has_a_line_for_each_scenario_and_the_reason(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await command(f"{address}/must/sse", "--header", f"x-api-key: {KEY}", "--only", "origin-*", "--only", "sigterm")

    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines() if line] == [
        "origin-is-validated-on-get",
        "origin-is-validated-on-post",
        "sigterm",
        "MUST",
        "promise",
    ]
    assert "FAILED  A GET with a foreign Origin was served." in said
    assert "MUST    1 passed, 1 failed, 0 not applicable" in said
    assert KEY not in said


async def test_origins_that_resemble_a_given_one_are_tried(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = (f"{address}/domain/sse", "--header", f"x-api-key: {KEY}", "--only", "a-*-is-foreign")

    assert await command(*run) == 0
    assert await command(*run, "--origin", "https://app.example.com") == 1
    assert "A GET with the Origin https://attackerexample.com was served" in capsys.readouterr().out


async def test_json_has_an_object_for_each_scenario(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    await command(f"{address}/none/sse", "--header", f"x-api-key: {KEY}", "--only", "a-comment-*", "--json")

    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "a-comment-within-20-s",
            "level": "promise",
            "source": "S5",
            "result": "not applicable",
            "why": "It takes about 20 s: add --slow.",
        }
    ]


@pytest.mark.parametrize(
    ("path", "arguments", "reason"),
    [
        ("none/sse", (), "(401). Add --header"),
        ("no/such/endpoint", (), "nothing at that URL (404)"),
        ("none/sse", ("--header", "x-api-key"), "written 'name: value'"),
        ("none/sse", ("--origin", "app.example.com"), "written like https://app.example.com"),
        ("none/sse", ("--origin", "https://[::"), "written like https://app.example.com"),
        ("none/sse", ("--only", "no-such-*"), "No scenario has that name"),
    ],
)
async def test_what_cannot_start_ends_with_2(
    address: str, path: str, arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await command(f"{address}/{path}", *arguments) == 2

    assert reason in capsys.readouterr().err


async def test_no_request_comes_on_the_connection_of_another(address: str) -> None:
    """A server may close a connection after any response: a request on its way then would count as a fault."""
    await command(f"{address}/noted/sse", "--header", f"x-api-key: {KEY}", "--only", "a-foreign-origin-is-403")

    assert len(clients) > 4
    assert len(set(clients)) == len(clients)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/sse", "file:///etc/hosts", "http://[::"])
async def test_a_server_that_cannot_be_reached_ends_with_2(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as held:  # bound and not listening: no other program can have the port
        held.bind(("127.0.0.1", 0))
        assert await command(url.format(port=held.getsockname()[1])) == 2

    assert "The server cannot be reached" in capsys.readouterr().err


async def test_the_address_of_this_machine_is_not_loopback() -> None:
    assert own_address() is None or not str(own_address()).startswith("127.")
