"""Every line over STDIO is answered, the last ones too: the real program, and its wire alone where it has to wait."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp_types import CallToolResult, JSONRPCRequest, JSONRPCResponse

from shared import stdio_wire
from tests.captured_logs import capture_logs
from tests.javascript import node
from tests.kills import kills
from tests.processes import ROOT, STDIO_DOOR, environment, sqlite
from tests.shared.given import TICKET
from tests.stdio_door import WAIT_S, StdioDoor, encoded, stdio_door
from tests.stdio_lines import LINES, PING, message, pretty
from tests.transport.sse_client import initialize_params

FIRST: Final = (
    encoded({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize_params("2025-03-26")}),
    encoded({"jsonrpc": "2.0", "method": "notifications/initialized"}),
)


def call(request_id: str | int, tool: str, **arguments: Any) -> bytes:
    return message(request_id, "tools/call", params={"name": tool, "arguments": arguments})


def seen(response: dict[str, Any]) -> tuple[Any, int | None]:
    return response["id"], response.get("error", {}).get("code")


async def answered(door: StdioDoor, line: bytes, count: int) -> list[tuple[Any, int | None]]:
    """Send a line and then a ping; return the responses to the line, of which `count` are expected."""
    await door.send(line, message("mark"))
    found: list[tuple[Any, int | None]] = []
    while len(found) <= count or ("mark", None) not in found:  # a call may take longer than a ping
        found.append(seen(await door.message()))
    found.remove(("mark", None))
    return found


# --------------------------------------------------------------------- what cannot be served


async def test_every_line_is_answered_and_the_session_goes_on(tmp_path: Path) -> None:
    refused = 0
    async with stdio_door(tmp_path) as door:
        for begins in (b"\xef\xbb\xbf" + FIRST[0], pretty(FIRST[0])):
            await door.send(begins)
            assert (await door.message())["result"]["protocolVersion"] == "2025-03-26"
        await door.send(FIRST[1])
        for name, line in LINES.items():
            responses = await answered(door, line.sent, len(line.responses))
            assert Counter(responses) == Counter(line.responses), name
            refused += any(code in {-32700, -32600} for _, code in responses)
        await door.send(pretty(PING).rpartition(b"\n")[0])  # and nothing after it
        assert seen(await door.message()) == (7, -32700)
        code, _, rest = await door.end_of_input()

    assert (code, rest) == (0, [])
    lines = [json.loads(line) for line in door.log().splitlines()]
    assert len([line for line in lines if line["message"] == "stdio_message_refused"]) >= refused
    assert "Traceback" not in door.log()
    assert len(door.log()) < 100_000


async def test_bytes_that_are_not_utf_8_change_nothing(tmp_path: Path) -> None:
    async with stdio_door(tmp_path) as door:
        await door.initialize()
        await door.call("get_statuses")  # the first result also says whose tickets these are
        before = await door.call("get_ticket_list", limit=1)
        for broken in (b"\xff", b"\xe3\x81", b"\xc0\x80", b"\xed\xa0\xbd", "é".encode("latin-1"), "表".encode("cp932")):
            for tool, arguments in (
                ("create_ticket", TICKET),
                ("update_ticket", {"ticketId": "TCK-0001", "updatedById": "user1"}),
                ("add_ticket_history", {"ticketId": "TCK-0001", "userId": "user1", "comment": "x"}),
            ):
                sent = call(7, tool, **arguments, remarks="HERE").replace(b"HERE", b"\x41" + broken)
                await door.send(sent)
                response = await door.message()
                assert seen(response) == (7, -32700)
                assert "not valid UTF-8" in response["error"]["message"]
        after = await door.call("get_ticket_list", limit=1)

    assert after["structuredContent"]["rows"] == before["structuredContent"]["rows"]


@pytest.mark.parametrize("sdk", ["v1", pytest.param("v2", marks=pytest.mark.long)])
async def test_the_typescript_client_gets_an_answer_where_it_ran_into_its_time_out(
    node_modules: Path, tmp_path: Path, sdk: str
) -> None:
    given = {
        "nodeModules": str(node_modules),
        "sdk": sdk,
        "stdio": {
            "command": sys.executable,
            "args": [str(ROOT / STDIO_DOOR[0])],
            "env": environment(MCP_DATABASE_URL=sqlite(tmp_path)),
        },
        "calls": [("get_ticket_list", {"searchQuery": "\ud83d"}), ("get_statuses", {})],
    }
    done = await node(str(ROOT / "tests" / "clients" / "talk.mjs"), json.dumps(given))
    refused, found = json.loads(done.stdout)["results"]

    assert "half a surrogate pair" in refused["content"][0]["text"]
    assert not found.get("isError")


# --------------------------------------------------------------------- the end of input


@kills("shared/stdio_wire.py", "await client.settle(end_s)", "pass")
def test_what_was_read_before_the_end_of_input_is_answered(tmp_path: Path) -> None:
    sent = (
        *FIRST, b"nonsense", call(1, "create_ticket", **TICKET), call("2", "get_ticket_list"),
        message(3, "resources/list"), message(4, "tools/steal"), call(5, "get_users"),
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, *STDIO_DOOR], cwd=ROOT, env=environment(MCP_DATABASE_URL=sqlite(tmp_path)),
        input=b"\n".join(sent), capture_output=True, timeout=WAIT_S, check=True,
    )  # fmt: skip
    responses = {response["id"]: response for response in map(json.loads, done.stdout.splitlines())}

    assert {one: response.get("error", {}).get("code") for one, response in responses.items()} == {
        0: None, None: -32700, 1: None, "2": None, 3: None, 4: -32601, 5: None,
    }  # fmt: skip
    assert responses[1]["result"]["structuredContent"]["ticketId"]
    assert b"Traceback" not in done.stderr


class Wire:
    """The wire alone, with a server whose tool `waits` until it is cancelled."""

    def __init__(self, end_s: float) -> None:
        self.running = asyncio.Event()
        stdin, self._to = os.pipe()
        received, stdout = os.pipe()
        self._received = os.fdopen(received, "rb")
        server: Server[Any] = Server("test", on_call_tool=self._wait)
        self._served = asyncio.ensure_future(
            stdio_wire.serve(
                server, writes=lambda request: request.id == "write", stdin=stdin, stdout=stdout, end_s=end_s
            )
        )

    async def _wait(self, _: Any, __: Any) -> CallToolResult:
        self.running.set()
        await asyncio.Event().wait()
        raise AssertionError

    def send(self, *lines: bytes) -> None:
        """Send lines."""
        os.write(self._to, b"".join(line + b"\n" for line in lines))

    def leave(self) -> None:
        """Read no more."""
        self._received.close()

    async def message(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = json.loads(await asyncio.to_thread(self._received.readline))
        return message

    async def ended(self) -> None:
        """Wait until it has ended."""
        await asyncio.wait_for(self._served, WAIT_S)
        os.close(self._to)

    async def end(self) -> list[dict[str, Any]]:
        """End the input; return what was sent since the last message."""
        os.close(self._to)
        await asyncio.wait_for(self._served, WAIT_S)
        with self._received as received:
            return [json.loads(line) for line in received.read().splitlines()]


async def test_a_call_that_does_not_end_is_answered_by_what_may_have_been_done() -> None:
    wire = Wire(end_s=0.05)
    wire.send(*FIRST, call("read", "x"), call("write", "x"), message(7))
    first, ping = await wire.message(), await wire.message()
    responses = {response["id"]: response for response in await wire.end()}

    assert (first["id"], "result" in first) == (0, True)
    assert (ping["id"], ping["result"]) == (7, {})
    assert set(responses) == {"read", "write"}
    assert responses["read"]["error"]["data"] == {"kind": "interrupted"}
    assert responses["write"]["error"]["data"] == {"kind": "outcome_unknown"}


async def test_an_id_may_be_used_again_as_soon_as_its_response_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read, written = os.pipe()
    in_progress, goes_on = threading.Event(), threading.Event()

    def write_all(descriptor: int, line: bytes) -> None:
        os.write(descriptor, line)
        in_progress.set()
        assert goes_on.wait(WAIT_S)

    monkeypatch.setattr(stdio_wire, "_write_all", write_all)
    client = stdio_wire._Client(written, lambda _: False, on_gone=lambda: None)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            client.waits_for(JSONRPCRequest(jsonrpc="2.0", id="same", method="ping"))
            response = JSONRPCResponse(jsonrpc="2.0", id="same", result={})
            tasks.create_task(client.send(SessionMessage(response)))
            await asyncio.to_thread(in_progress.wait, WAIT_S)
        while not client._line.statistics().tasks_waiting:  # noqa: ASYNC110 - the lock announces nothing
            await asyncio.sleep(0)
        goes_on.set()
        await client.settle(WAIT_S)
    os.close(written)
    with os.fdopen(read, "rb") as received:
        assert [json.loads(line) for line in received] == 2 * [{"jsonrpc": "2.0", "id": "same", "result": {}}]


async def test_the_end_does_not_wait_for_what_the_client_cancelled() -> None:
    wire = Wire(end_s=10 * WAIT_S)
    wire.send(*FIRST, call("read", "x"))
    await wire.running.wait()
    wire.send(
        json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "read"}}).encode()
    )

    assert [response["id"] for response in await wire.end()] == [0]


@pytest.mark.parametrize("sent", [b"nonsense", PING, FIRST[0]], ids=["nonsense", "a request", "initialize"])
async def test_whatever_is_sent_a_client_that_reads_no_more_ends_it(sent: bytes) -> None:
    wire = Wire(end_s=10 * WAIT_S)
    wire.leave()
    with capture_logs() as logs:
        wire.send(sent)
        await wire.ended()

    assert [line["message"] for line in logs if line["message"] == "stdio_broken"] == ["stdio_broken"]


# --------------------------------------------------------------------- by hand


async def test_on_a_terminal_it_says_what_it_waits_for_and_how_to_end_it(tmp_path: Path) -> None:
    keyboard, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *STDIO_DOOR, cwd=ROOT, env=environment(MCP_DATABASE_URL=sqlite(tmp_path)),
        stdin=terminal, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(terminal)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.timeout(WAIT_S):
            said = await process.stderr.readuntil(b"ends it.\n")
            os.write(keyboard, b"help\n")
            response = json.loads(await process.stdout.readline())
            os.write(keyboard, b"\x04")
            rest = await process.stderr.read()
            code = await process.wait()
    finally:
        os.close(keyboard)
        if process.returncode is None:
            process.kill()
        await process.wait()

    assert b"waits for an MCP client" in said
    assert b"Ctrl-C or Ctrl-D" in said
    assert seen(response) == (None, -32700)
    assert code == 0
    assert b"Traceback" not in said + rest
