"""The STDIO server as a process, line by line: what it writes to stdout, what ends it, what does not."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

import mcp_server
from shared.request_log import REQUEST_LINES
from shared.trace_context import TRACE
from tests.processes import API_KEY, ROOT, STDIO_DOOR, environment, sqlite, ticket_api
from tests.shared.given import TICKET, rows_of
from tests.slow_api import gated_api
from tests.stdio_door import WAIT_S, encoded, stdio_door

END_S: Final = 5.0
"""Half of what a call may still take after the end of input."""
NO_PASSWORD: Final = "hidden-in-the-tests"
SAMPLES: Final = "Ünïcödé, 文字化け, 🎫"


# --------------------------------------------------------------------- what is on stdout


async def test_stdout_has_only_messages_and_stderr_has_the_log(tmp_path: Path) -> None:
    async with stdio_door(tmp_path, MCP_LOG_LEVEL="DEBUG") as door:
        await door.initialize()
        listed = await door.request("tools/list")
        done = await door.call("get_statuses")
        mistake = await door.call("get_ticket_detail", ticketId="TCK-none")
        unknown = await door.request("tools/call", {"name": "delete_ticket", "arguments": {}})
        code, _, rest = await door.end_of_input()

    assert len(listed["result"]["tools"]) == 16
    assert done["isError"] is False
    assert mistake["isError"] is True
    assert unknown["error"]["code"] == -32602
    assert (code, rest) == (0, [])
    lines = [json.loads(line) for line in door.log().splitlines()]
    assert {"stdio_started", "stdio_ended"} <= {line["message"] for line in lines}
    requests = [line for line in lines if line["message"] in REQUEST_LINES]
    assert [(line["method"], line.get("tool"), line["outcome"]) for line in requests] == [
        ("initialize", None, "ok"),
        ("tools/list", None, "ok"),
        ("tools/call", "get_statuses", "ok"),
        ("tools/call", "get_ticket_detail", "not_found"),
        ("tools/call", None, "-32602"),
    ]
    assert {(line["wire"], line["revision"]) for line in requests[1:]} == {("stdio", "2025-11-25")}
    assert len({line[TRACE] for line in requests}) == 5


async def test_text_arrives_whole_both_ways_whatever_the_locale(tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    async with stdio_door(tmp_path, **plain) as door:
        await door.initialize()
        created = await door.call("create_ticket", **(TICKET | {"summary": SAMPLES, "description": SAMPLES}))
        found = await door.call("get_ticket_list", searchQuery="文字化け")

    assert created["isError"] is False
    assert [ticket["summary"] for ticket in rows_of(found["structuredContent"])] == [SAMPLES]
    assert SAMPLES in found["content"][0]["text"]


async def test_wrong_parameters_are_named(tmp_path: Path) -> None:
    async with stdio_door(tmp_path) as door:
        early = await door.request("tools/list")
        early_call = await door.request("tools/call", {"name": "get_users", "arguments": {}})
        without = await door.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
        await door.initialize()
        token = await door.request("tools/call", {"name": "get_users", "_meta": {"progressToken": None}})

    assert [one["error"]["code"] for one in (early, early_call, without, token)] == [-32602] * 4
    assert "Send initialize first" in early["error"]["message"]
    assert "Send initialize first" in early_call["error"]["message"]
    assert "params.clientInfo is missing" in without["error"]["message"]
    assert "params._meta.progressToken must be a string or an integer" in token["error"]["message"]


async def test_a_batch_is_taken_apart(tmp_path: Path) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": "a", "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/unknown", "params": {"text": SAMPLES}},
        {"jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": {"name": "get_statuses", "arguments": {}}},
    ]
    async with stdio_door(tmp_path) as door:
        await door.initialize("2025-03-26")
        await door.send(b"  " + encoded(batch))
        responses = {response["id"]: response["result"] for response in (await door.message(), await door.message())}

    assert responses["a"] == {}
    assert responses["b"]["isError"] is False


# --------------------------------------------------------------------- what ends it


async def test_the_end_of_stdin_ends_it_at_once(tmp_path: Path) -> None:
    async with stdio_door(tmp_path) as door:
        await door.initialize()
        await door.call("get_statuses")
        code, took, rest = await door.end_of_input()

    assert (code, rest) == (0, [])
    assert took < END_S
    assert "Traceback" not in door.log()


async def test_the_end_of_stdin_waits_for_a_call(tmp_path: Path) -> None:
    call = {"name": "get_statuses", "arguments": {}}
    async with (
        gated_api(lambda method, _: method == "GET") as api,
        stdio_door(tmp_path, MCP_API_BASE_URL=api.address, MCP_API_KEY=API_KEY) as door,
    ):
        await door.initialize()
        await door.send(encoded({"jsonrpc": "2.0", "id": "late", "method": "tools/call", "params": call}))
        await api.until_held(1)
        end = asyncio.create_task(door.end_of_input())
        api.opened.set()
        code, _, rest = await end

    assert code == 0
    assert [(response["id"], response["result"]["isError"]) for response in rest] == [("late", False)]
    assert "Traceback" not in door.log()


async def test_a_client_that_comes_and_goes_is_no_error(tmp_path: Path) -> None:
    async with stdio_door(tmp_path) as door:
        code, _, rest = await door.end_of_input()

    assert (code, rest) == (0, [])
    assert [json.loads(line)["message"] for line in door.log().splitlines()] == ["stdio_started", "stdio_ended"]


def test_a_client_that_reads_no_more_is_one_line_in_the_log(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as no_principal:
        done = subprocess.run(
            [sys.executable, *STDIO_DOOR], cwd=ROOT, env=environment(MCP_DATABASE_URL=sqlite(tmp_path)),
            input=b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n', stdout=no_principal, stderr=subprocess.PIPE,
            timeout=WAIT_S, check=False,
        )  # fmt: skip

    assert done.returncode == 0
    events = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert [event for event in events if event != "stdio_started"] == [
        "request_finished",
        "stdio_broken",
        "stdio_ended",
    ]


async def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    async with stdio_door(tmp_path) as door:
        await door.initialize()
        asked_at = time.monotonic()
        door.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(door.process.wait(), WAIT_S)
        took = time.monotonic() - asked_at

    assert took < END_S
    assert "Traceback" not in door.log()


# --------------------------------------------------------------------- settings, and an unavailable API


async def test_without_its_api_it_starts_and_works_as_soon_as_there_is_one(tmp_path: Path) -> None:
    with socket.socket() as place:  # bound, so that no other program listens there
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
        settings = {"MCP_API_BASE_URL": f"http://127.0.0.1:{port}", "MCP_API_KEY": API_KEY, "MCP_LOG_LEVEL": "DEBUG"}
        async with stdio_door(tmp_path, **settings) as door:
            await door.initialize()
            before = [await door.call("get_statuses"), await door.call("create_ticket", **TICKET)]
            place.close()
            with ticket_api(sqlite(tmp_path), PORT=str(port)):
                after = [await door.call("get_statuses"), await door.call("create_ticket", **TICKET)]
                code, _, _ = await door.end_of_input()

    for result in before:
        assert result["isError"] is True
        assert result["content"][0]["text"] == (
            "The ticket API cannot be reached. Nothing was changed; try again in a moment."
        )
    assert [result["isError"] for result in after] == [False, False]
    assert code == 0
    assert API_KEY not in door.log()


WRONG_ADDRESSES: Final[dict[str, tuple[dict[str, str], str]]] = {
    "a word for an address": (
        {"API_BASE_URL": NO_PASSWORD},
        "MCP_API_BASE_URL or API_BASE_URL must be an address that begins with http:// or https://, or embedded",
    ),
    "a password in an address": (
        {"MCP_API_BASE_URL": f"http://me:{NO_PASSWORD}@tickets.example"},
        "MCP_API_BASE_URL or API_BASE_URL must be an address without user, password",
    ),
    "a key for another machine over http": (
        {"API_BASE_URL": "http://tickets.example", "API_KEY": NO_PASSWORD},
        "it must begin with https:// (http:// only for a loopback or private address, if an operator explicitly allows",
    ),
    "a SOCKS proxy": (
        {"API_BASE_URL": "https://tickets.example", "ALL_PROXY": f"socks5://me:{NO_PASSWORD}@proxy.example"},
        "ALL_PROXY names a SOCKS proxy, which this server cannot use.",
    ),
}
WRONG_DATABASES: Final[dict[str, tuple[dict[str, str], str]]] = {
    "a database of another kind": (
        {"MCP_DATABASE_URL": f"oracle://me:{NO_PASSWORD}@127.0.0.1/tickets"},
        "MCP_DATABASE_URL: The database URL must begin with sqlite:// or postgresql://.",
    ),
    "a folder for a database": (
        {"MCP_DATABASE_URL": "sqlite:////tmp"},
        "The file of the database cannot be opened, read or written. Nothing was changed; the operator must check",
    ),
    "a database that is not there": (
        {"MCP_DATABASE_URL": f"postgresql://me:{NO_PASSWORD}@127.0.0.1:1/tickets"},
        "The ticket database cannot be opened. Check the database URL (MCP_DATABASE_URL)",
    ),
}


def expect_one_sentence(said: str, sentence: str) -> None:
    first, why = said.splitlines()
    assert first == "The ticket server cannot start."
    assert sentence in why
    assert not re.search(rf"Traceback|{NO_PASSWORD}", said)


@pytest.mark.parametrize(("settings", "sentence"), WRONG_ADDRESSES.values(), ids=WRONG_ADDRESSES)
def test_wrong_addresses_are_refused_before_anything_is_opened(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    assert mcp_server.main() == 2

    said = capsys.readouterr()
    assert said.out == ""
    expect_one_sentence(said.err, sentence)


@pytest.mark.parametrize(("settings", "sentence"), WRONG_DATABASES.values(), ids=WRONG_DATABASES)
async def test_wrong_settings_end_it_at_once_with_one_sentence(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    async with stdio_door(tmp_path, **settings) as door:
        code = await asyncio.wait_for(door.process.wait(), WAIT_S)
        out, _ = await door.process.communicate()

    assert (code, out) == (2, b"")
    expect_one_sentence(door.log(), sentence)
