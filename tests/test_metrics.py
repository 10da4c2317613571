"""What `GET /metrics` of a started server says is what its clients counted: each request once, however it ended."""

import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from prometheus_client.parser import text_string_to_metric_families

from shared.metrics.table import METRICS
from shared.server import VERSION
from tests.debian import search_path
from tests.processes import KEY, OPERATOR_KEY, http_door
from tests.transport.http_client import ENVELOPE, MODERN, Message, call, http_client, opening
from tests.transport.sse_client import initialize_params, sse_session

AS_OPERATOR: Final = {"x-api-key": OPERATOR_KEY}
AS_CLIENT: Final = {"x-api-key": KEY}
OPERATIONS: Final = METRICS["operations"]
Series = tuple[str, ...]
"""The labels of `OPERATIONS`, in their order."""

OK: Final = [{"name": "get_statuses", "arguments": {}}] * 12
FAILING: Final = [
    {"name": "get_ticket_detail", "arguments": {"ticketId": "TCK-9999"}},
    {"name": "get_ticket_detail", "arguments": {}},
    {"name": "eat_tickets", "arguments": {}},
]
CALLS: Final = [*OK, *FAILING]
OTHERS: Final = ["ping", "tools/list", "made/up", "prompts/get"]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve without limits of rates that these tests would reach."""
    folder = tmp_path_factory.mktemp("metrics")
    rates = ("READS", "WRITES", "TENANT_READS", "TENANT_WRITES")
    with http_door(folder, K_REVISION="tickets-00007-abc", **{f"MCP_{one}_PER_MINUTE": "60000" for one in rates}) as (
        address,
        _,
    ):
        yield address


def scraped(address: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Return the samples of `GET /metrics`, by name and labels."""
    response = httpx2.get(f"{address}/metrics", headers=AS_OPERATOR)
    samples: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            samples.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return samples


def operations(address: str) -> Counter[Series]:
    """Return how many durations each series of `OPERATIONS` has."""
    counts = scraped(address).get(f"{OPERATIONS.prometheus}_count", {})
    return Counter(
        {tuple(dict(labels)[label] for label in OPERATIONS.labels): int(count) for labels, count in counts.items()}
    )


def error_of(response: Message) -> str:
    """Return the word for how a request ended, as its client can tell; empty if it succeeded."""
    if "error" in response:
        error, data = response["error"], response["error"].get("data")
        return str(data["kind"] if isinstance(data, dict) and "kind" in data else error["code"])
    return str(response["result"]["structuredContent"]["error"]["kind"]) if response["result"].get("isError") else ""


def tool_of(method: str, params: Mapping[str, Any]) -> str:
    """Return the label of the tool that is called."""
    if method != "tools/call":
        return ""
    return "other" if params["name"] == "eat_tickets" else str(params["name"])


class Tally:
    """What a client counted."""

    def __init__(self) -> None:
        self.counts: Counter[Series] = Counter()

    def add(self, method: str, params: Mapping[str, Any], revision: str, wire: str, response: Message) -> None:
        """Count a request and its response."""
        word = method if method != "made/up" else "other"
        self.counts[word, tool_of(method, params), revision, wire, error_of(response)] += 1


@asynccontextmanager
async def counting(address: str) -> AsyncIterator[Tally]:
    """Compare what is counted inside with what the server counts meanwhile."""
    before, tally = operations(address), Tally()
    yield tally
    counted = operations(address)
    counted.subtract(before)
    assert +counted == tally.counts
    assert counted.total() == tally.counts.total()


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield requests of every outcome."""
    for params in CALLS:
        yield "tools/call", params
    for method in OTHERS:
        yield method, {"name": "eat_tickets"} if method == "prompts/get" else {}


# --------------------------------------------------------------------- sums


@pytest.mark.parametrize("revision", [one for one in HANDSHAKE_PROTOCOL_VERSIONS if one > "2024-11-05"])
async def test_streamable_http_counts_what_its_clients_count(door: str, revision: str) -> None:
    async with counting(door) as tally, http_client(door, AS_CLIENT, None) as client:
        opened = await client.post(opening(revision))
        client.belong_to(opened.headers["mcp-session-id"], revision)
        tally.add("initialize", {}, revision, "streamable_http", opened.received[0])
        for number, (method, params) in enumerate(requests()):
            response = await client.post({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            tally.add(method, params, revision, "streamable_http", response.responses(number)[0])


@pytest.mark.parametrize("revision", HANDSHAKE_PROTOCOL_VERSIONS)
async def test_sse_counts_what_its_clients_count(door: str, revision: str) -> None:
    async with counting(door) as tally, sse_session(door, AS_CLIENT, initialize=False) as client:
        tally.add("initialize", {}, revision, "sse", await client.request("initialize", initialize_params(revision)))
        for method, params in requests():
            tally.add(method, params, revision, "sse", await client.request(method, params))


@pytest.mark.parametrize("wire", ["streamable_http", "sse"])
async def test_requests_without_a_session_are_counted_by_their_envelope(door: str, wire: str) -> None:
    async with counting(door) as tally:
        for number, (method, given) in enumerate(requests()):
            params = {**given, "_meta": ENVELOPE}
            if wire == "sse":
                async with sse_session(door, AS_CLIENT, initialize=False) as client:
                    response = await client.request(method, params)
            else:
                async with http_client(door, AS_CLIENT | {"mcp-protocol-version": MODERN}, None) as http:
                    named = {"mcp-method": method} | ({"mcp-name": given["name"]} if "name" in given else {})
                    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                    response = (await http.post(message, **named)).received[0]
            tally.add(method, params, MODERN, wire, response)


async def test_what_is_refused_before_it_runs_is_counted_as_well(door: str) -> None:
    async with counting(door) as tally, http_client(door, AS_CLIENT) as client:
        tally.counts["initialize", "", "2025-11-25", "streamable_http", ""] += 1
        message = call(1, "get_statuses")
        unknown = await client.who({"mcp-session-id": "x" * 43}).post(message)
        tally.add("tools/call", message["params"], "2025-11-25", "streamable_http", unknown.received[0])
        alone = client.who({"mcp-session-id": "", "mcp-protocol-version": MODERN})
        mismatched = await alone.post(call(2, "get_users", ENVELOPE), **{"mcp-method": "ping"})
        tally.add("tools/call", {"name": "get_users"}, MODERN, "streamable_http", mismatched.received[0])

    assert unknown.status == 404
    assert mismatched.status == 400


async def test_what_never_was_a_request_of_mcp_is_not_counted_as_one(door: str) -> None:
    async with counting(door):
        for headers, content in ((AS_CLIENT, b"{"), ({"x-api-key": "wrong"}, b"{}"), (AS_CLIENT, b"[]")):
            httpx2.post(f"{door}/mcp", headers={"content-type": "application/json", **headers}, content=content)

    refused = scraped(door)["ticket_server_http_refusals_total"]
    assert sum(refused.values()) >= 3


# --------------------------------------------------------------------- what else is shown


async def test_own_time_and_the_ticket_apis_add_up_to_the_calls(door: str) -> None:
    async with http_client(door, AS_CLIENT) as client:
        for number in range(20):
            await client.call(number, "get_ticket_detail", ticketId="TCK-0001")
    found = scraped(door)

    calls = sum(found["ticket_server_tool_calls_total"].values())
    assert calls == sum(found["ticket_server_own_duration_seconds_count"].values()) >= 20
    requested = sum(found["ticket_server_api_requests_total"].values())
    assert requested == sum(found["http_client_request_duration_seconds_count"].values()) >= 20
    own, apis, whole = (
        sum(found[f"{name}_sum"].values())
        for name in (
            "ticket_server_own_duration_seconds",
            "http_client_request_duration_seconds",
            "mcp_server_operation_duration_seconds",
        )
    )
    assert 0 < own < whole
    assert apis > 0


def test_the_build_the_process_and_the_limits_are_shown(door: str) -> None:
    found = scraped(door)

    [build] = found["ticket_server_build_info"]
    assert dict(build) | {"python": ""} == {"version": VERSION, "revision": "tickets-00007-abc", "python": ""}
    assert found["ticket_server_sessions_limit"] == {frozenset(): 1000}
    assert found["ticket_server_instance_calls_in_flight"] == {frozenset(): 0}
    assert found["process_resident_memory_bytes"][frozenset()] > 10_000_000
    assert found["process_cpu_seconds_total"][frozenset()] > 0
    assert found["process_open_fds"][frozenset()] > 3
    assert found["ticket_server_limits_reached_total"][frozenset({("limit", "sessions")})] == 0
    assert "ticket_server_broker_up" not in found, "there is no broker"


def test_everything_that_is_shown_is_in_the_table(door: str) -> None:
    response = httpx2.get(f"{door}/metrics", headers=AS_OPERATOR)
    text = response.text.splitlines()
    shown = [line.split()[2] for line in text if line.startswith("# TYPE")]

    assert len(shown) == len(set(shown))
    assert set(shown) <= {metric.prometheus for metric in METRICS.values()}
    assert not [line for line in text if "_created" in line]


@pytest.mark.debian("promtool")
def test_promtool_finds_nothing_to_complain_about_but_says_so_of_a_planted_mistake(door: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool", path=search_path())
    assert promtool is not None
    text = httpx2.get(f"{door}/metrics", headers=AS_OPERATOR).text
    planted = text.replace(
        "# TYPE ticket_server_tool_calls_total counter", "# TYPE ticket_server_tool_calls_total gauge"
    )
    (tmp_path / "planted").write_text(planted, "utf-8")

    ran = [
        subprocess.run(
            [promtool, "check", "metrics"], input=one, capture_output=True, text=True, check=False, timeout=30
        )
        for one in (text, planted)
    ]

    assert planted != text
    assert (ran[0].returncode, ran[0].stdout + ran[0].stderr) == (0, "")
    assert ran[1].returncode != 0
