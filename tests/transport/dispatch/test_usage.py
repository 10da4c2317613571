"""S11: use is counted by wire, revision and client; whatever clients send, labels stay few, short and clean."""

import asyncio
import json
from typing import Any, Final

import pytest

from shared.counting import TallyCounter
from shared.json_rpc import JSONRPCRequest
from tests.captured_logs import capture_logs
from tests.transport.serving import bench, until
from tests.transport.sse_client import initialize_params, sse_session
from transport.dispatch.usage import MAX_NAMES, Usage, name_of, revision_of
from transport.sessions.session import SessionRecord

ME: Final = {"x-api-key": "key-me"}
REVISION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_KEY: Final = "io.modelcontextprotocol/clientInfo"
ENVELOPE: Final = {
    REVISION_KEY: "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    CLIENT_KEY: {"name": "modern", "version": "1"},
}


def session(name: Any = "probe", version: str | None = "2025-11-25") -> SessionRecord:
    params = {"clientInfo": {"name": name, "version": "1"}}
    return SessionRecord(id="s" * 43, owner=("default", "me"), wire="sse", version=version, client_params=params)


def request(method: str = "tools/list", **params: Any) -> JSONRPCRequest:
    return JSONRPCRequest(id=1, method=method, params=params)


def logged(logs: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    """Return what was logged as `event`, without what every line has."""
    return [
        {name: value for name, value in one.items() if name not in {"message", "severity"}}
        for one in logs
        if one["message"] == event
    ]


# --------------------------------------------------------------------- what is counted


async def test_a_session_is_counted_once_by_wire_revision_and_client() -> None:
    with capture_logs() as logs:
        async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
            await client.request("initialize", initialize_params("2025-03-26"))
            for _ in range(3):
                await client.request("ping")
            labels = {"wire": "sse", "revision": "2025-03-26", "client": "test"}
            counted = at.counter.total("mcp_clients"), at.counter.total("mcp_clients", **labels)

    assert counted == (1, 1)
    [initialized] = logged(logs, "session_initialized")
    assert initialized.items() >= {**labels, "principal": "me"}.items()
    assert logged(logs, "usage") == [{**labels, "sessions": 1, "requests": 4}]


async def test_a_refused_initialize_is_nobodys_session() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        response = await client.request("initialize", {"protocolVersion": 1})

        assert "error" in response
        assert at.counter.total("mcp_clients") == 0


async def test_a_request_without_a_session_is_counted_by_what_it_says_itself() -> None:
    with capture_logs() as logs:
        async with bench() as at, sse_session(at.url, ME) as client:
            for _ in range(2):
                await client.request("tools/list", {"_meta": ENVELOPE})
            counted = at.counter.total("mcp_clients", wire="sse", revision="2026-07-28", client="modern")

    assert counted == 2
    assert {"wire": "sse", "revision": "2026-07-28", "client": "modern", "sessions": 0, "requests": 2} in logged(
        logs, "usage"
    )
    assert len(logged(logs, "session_initialized")) == 1, "requests initialize nothing"


def test_a_session_that_no_one_initialized_here_is_someone_unknown() -> None:
    usage, no_principal = Usage(), SessionRecord(id="s" * 43, owner=("default", "me"), wire="sse")
    with capture_logs() as logs:
        usage.client_of(no_principal).requests += 1
        usage.report()

    assert logged(logs, "usage") == [
        {"wire": "sse", "revision": "unknown", "client": "unknown", "sessions": 0, "requests": 1}
    ]


async def test_each_stream_is_logged_because_a_client_may_hold_one_and_ask_nothing() -> None:
    with capture_logs() as logs:
        async with bench() as at, sse_session(at.url, ME) as client:
            [opened] = logged(logs, "stream_opened")

    assert opened["session"] == client.endpoint.partition("session_id=")[2][:8]
    assert opened["wire"] == "sse"


# --------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"name": "claude-ai"}, "claude-ai"),
        ({"name": " Visual Studio Code "}, "Visual Studio Code"),
        ({"name": "x" * 1_000_000}, "x" * 40),
        ({"name": "a\nb\x1b[31m\u200bé"}, "a?b?[31m??"),
        ({"name": "チケット"}, "????"),
        ({"name": "\ud800"}, "?"),
        ({"name": "  "}, "unknown"),
        ({"name": 7}, "unknown"),
        ({}, "unknown"),
        (None, "unknown"),
        (["name"], "unknown"),
    ],
)
def test_a_name_is_a_short_printable_word_whatever_was_sent(info: Any, name: str) -> None:
    assert name_of(info) == name


@pytest.mark.parametrize(
    ("version", "revision"),
    [
        ("2024-11-05", "2024-11-05"),
        ("2026-07-28", "2026-07-28"),
        ("2099-01-01", "other"),
        (None, "unknown"),
        ([], "other"),
    ],
)
def test_a_revision_is_one_that_is_known(version: Any, revision: str) -> None:
    assert revision_of(version) == revision


def test_the_number_of_names_is_bounded() -> None:
    counter = TallyCounter()
    usage = Usage(counter)
    for number in range(3 * MAX_NAMES):
        usage.initialized(session(f"client {number}"))
    usage.initialized(session("client 0"))

    names = {dict(labels)["client"] for _, labels in counter.tally}
    assert len(names) == MAX_NAMES + 1
    assert counter.total("mcp_clients", client="other") == 2 * MAX_NAMES
    assert counter.total("mcp_clients", client="client 0") == 2, "a name that is known stays known"


def test_nothing_but_the_labels_is_logged() -> None:
    secret = "tkt_live_abc"
    usage = Usage(TallyCounter())
    with capture_logs() as logs:
        initialized = session()
        initialized.client_params = {**(initialized.client_params or {}), "token": secret}
        usage.initialized(initialized)
        called = request("tools/call", _meta=ENVELOPE | {"x": secret}, arguments={"password": secret})
        usage.stands_alone(usage.client_alone(called, wire="sse"))
        usage.report()

    assert len(logs) == 3
    assert secret not in json.dumps(logs)


# --------------------------------------------------------------------- when


def test_a_summary_has_what_happened_since_the_last_one_and_nothing_says_nothing() -> None:
    usage = Usage()
    with capture_logs() as logs:
        usage.report()
        usage.client_of(session()).requests += 1
        usage.report()
        usage.report()
        usage.client_of(session()).requests += 1
        usage.report()

    assert [line["requests"] for line in logged(logs, "usage")] == [1, 1]


async def test_summaries_come_from_time_to_time_and_at_the_end() -> None:
    usage = Usage()
    with capture_logs() as logs:
        async with usage.run(every_s=0.01):
            usage.client_of(session()).requests += 1
            await until(lambda: len(logged(logs, "usage")) == 1)
        async with usage.run(every_s=3600):
            usage.client_of(session()).requests += 1
        assert len(logged(logs, "usage")) == 2
    assert len(asyncio.all_tasks()) == 1
