"""Wrong versions, encodings and parameters on every wire: the error names what is wrong and what would be right."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from tests.transport.http_client import HttpClient, http_client
from tests.transport.serving import Bench, bench
from tests.transport.sse_client import SseClient, initialize_params, sse_session

ME: Final = {"x-api-key": "key-me"}
SERVED: Final = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
ENVELOPE: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.fixture
async def server() -> AsyncIterator[Bench]:
    """A server with both wires."""
    async with bench() as served:
        yield served


@pytest.fixture
async def http(server: Bench) -> AsyncIterator[HttpClient]:
    """A session of Streamable HTTP."""
    async with http_client(server.url, ME) as client:
        yield client


@pytest.fixture
async def sse(server: Bench) -> AsyncIterator[SseClient]:
    """A session of HTTP+SSE."""
    async with sse_session(server.url, ME) as client:
        yield client


def ask(method: str, params: Any = None, request: object = 7) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": request, "method": method}
    return message if params is None else message | {"params": params}


# --------------------------------------------------------------------- versions


WRONG_VERSIONS: Final = (
    *("1900-01-01", "2027-01-01", "latest", "2025-11-25x", "2025-11-25;q=1", "[]", "v" * 500, "2025-1-1"),
)


async def test_a_version_that_is_not_served_is_named_with_those_that_are(http: HttpClient, sse: SseClient) -> None:
    for version in WRONG_VERSIONS:
        named = {"mcp-protocol-version": version}
        other = http.who(named)
        refused = [
            (await other.post(ask("ping"))).received[0],
            (await other.post({"jsonrpc": "2.0", "method": "notifications/initialized"})).received[0],
            (await other.post(ask("initialize", initialize_params()), **{"mcp-session-id": ""})).received[0],
            (await other.get()).received[0],
            (await other.delete()).received[0],
            (await sse.post(ask("ping"), **named)).json(),
            (await sse.http.get("/sse", headers={**ME, **named})).json(),
        ]

        for one in refused:
            assert one["error"]["code"] == -32022
            assert one["error"]["data"] == {"kind": "protocol_version", "supported": SERVED, "requested": version[:50]}
            assert one["error"]["message"].endswith(f"{', '.join(SERVED)}.")
        assert [one["id"] for one in refused] == [7, None, 7, None, None, 7, None]
    assert (await http.post(ask("ping"))).status == 200, "the session goes on"
    assert (await sse.request("ping"))["result"] == {}


async def test_a_version_that_is_served_passes(http: HttpClient, sse: SseClient) -> None:
    for version in (*SERVED[:-1], ""):
        assert (await http.post(ask("ping"), **{"mcp-protocol-version": version})).status == 200
        assert (await sse.post(ask("ping"), **{"mcp-protocol-version": version})).status_code == 202


async def test_an_envelope_of_another_version_is_refused_as_the_revision_says(http: HttpClient) -> None:
    other = ENVELOPE | {"io.modelcontextprotocol/protocolVersion": "2027-01-01"}
    headers = {"mcp-protocol-version": "2027-01-01", "mcp-method": "tools/list"}
    refused = (await http.post(ask("tools/list", {"_meta": other}), **headers)).received[0]

    assert (refused["id"], refused["error"]["code"]) == (7, -32022)
    assert refused["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2027-01-01"}
    assert "2026-07-28" in refused["error"]["message"]


# --------------------------------------------------------------------- encodings


async def test_a_body_in_a_content_coding_is_refused_by_its_name(http: HttpClient, sse: SseClient) -> None:
    body = gzip.compress(json.dumps(ask("ping")).encode())
    for encoding in ("gzip", "GZIP", "br", "deflate, gzip", "zstd", "x" * 500):
        headers = {"content-type": "application/json", "content-encoding": encoding}
        async with http.send("POST", headers, body) as response:
            await response.end()
        over_sse = await sse.http.post(sse.endpoint, content=body, headers={**ME, **headers})

        for status, accepted, said in (
            (response.status, response.headers["accept-encoding"], response.received[0]["error"]),
            (over_sse.status_code, over_sse.headers["accept-encoding"], over_sse.json()["error"]),
        ):
            assert (status, accepted, said["data"]) == (415, "identity", {"kind": "content_encoding"})
            assert f"without Content-Encoding: {encoding[:50].lower()}" in said["message"]


async def test_a_body_as_it_was_written_is_read(http: HttpClient, sse: SseClient) -> None:
    for encoding in ("identity", "Identity", ""):
        assert (await http.post(ask("ping"), **{"content-encoding": encoding})).status == 200
        assert (await sse.post(ask("ping"), **{"content-encoding": encoding})).status_code == 202


PING: Final = json.dumps(ask("ping", {"n": 1})).encode()
WRONG_BODIES: Final = (
    (PING.decode().encode("utf-16"), None, "UTF-16"),
    (b"", None, "empty"),
    (b"id=7&method=ping", None, "not valid JSON"),
    (PING.replace(b"1}", b"[" * 3_000 + b"]" * 3_000 + b"}"), 7, "3,002 deep"),
    (PING.replace(b"1}", b"1" * 5_000 + b"}"), 7, "5,000 digits"),
    (PING.replace(b"7", b"7" * 5_000), None, "5,000 digits"),
    (PING.replace(b"1}", b"NaN}"), 7, "no NaN"),
    (PING[:-1], 7, "not valid JSON"),
    (PING.replace(b"ping", rb"\ud83d"), 7, "half a surrogate pair"),
)


async def test_a_body_is_refused_for_its_real_reason(http: HttpClient, sse: SseClient) -> None:
    for body, request_id, reason in WRONG_BODIES:
        for status, said in await posted(http, sse, body):
            assert (status, said["id"], said["error"]["data"]) == (400, request_id, {"kind": "malformed"})
            assert reason in said["error"]["message"]


async def test_a_byte_order_mark_is_no_reason(http: HttpClient, sse: SseClient) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(ask("ping")).encode()

    assert [said["result"] for _, said in await posted(http, sse, body)] == [{}, {}]


async def posted(http: HttpClient, sse: SseClient, body: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Post `body` on both wires; return the status and the response of each."""
    typed = {"content-type": "application/json; charset=utf-8"}
    async with http.send("POST", typed, body) as response:
        await response.end()
    over_sse = await sse.http.post(sse.endpoint, content=body, headers={**ME, **typed})
    said = over_sse.json() if over_sse.status_code != 202 else await sse.response(7)
    return [(response.status, response.received[-1]), (over_sse.status_code, said)]


# --------------------------------------------------------------------- parameters

META: Final = "params._meta.progressToken must be a string or an integer"
OF_INITIALIZE: Final = "params.capabilities must be an object; params.clientInfo.version is missing"
PARAMETERS: Final[list[tuple[str, Any, str]]] = [
    ("tools/call", {"name": "echo", "_meta": {"progressToken": None}}, META),
    ("tools/call", {"name": "echo", "_meta": {"progressToken": 1.5}}, META),
    ("tools/call", {"name": "echo", "_meta": []}, "params._meta must be an object"),
    ("tools/call", {"arguments": {}}, "params.name is missing"),
    ("tools/call", {"name": 5, "arguments": []}, "params.arguments must be an object; params.name must be a string"),
    ("tools/call", None, "params is missing"),
    ("tools/list", {"cursor": 5}, "params.cursor must be a string"),
    ("prompts/get", {"name": "x", "arguments": {"a": 5}}, "params.arguments.a must be a string"),
    ("resources/read", {}, "params.uri is missing"),
    ("completion/complete", {"ref": {"type": "secret"}, "argument": {}}, "type must be 'ref/prompt' or 'ref/resource'"),
    ("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}}, "params.clientInfo is missing"),
    ("initialize", {"protocolVersion": 5, "capabilities": [], "clientInfo": {"name": "secret"}}, OF_INITIALIZE),
    ("initialize", None, "params is missing"),
]


async def test_wrong_parameters_are_named_with_what_is_right(http: HttpClient, sse: SseClient) -> None:
    for number, (method, params, problem) in enumerate(PARAMETERS, 100):
        message = ask(method, params, number)
        received = [(await http.post(message)).received[-1]]
        await sse.post(message)
        received.append(await sse.response(number))

        for one in received:
            assert (one["id"], one["error"]["code"]) == (number, -32602)
            assert problem in one["error"]["message"]
            assert "secret" not in one["error"]["message"]


EARLY: Final = {"tools/list": {}, "prompts/list": {}, "tools/call": {"name": "read"}, "resources/list": {}}


async def test_a_session_that_is_not_initialized_is_told_so(server: Bench) -> None:
    async with sse_session(server.url, ME, initialize=False) as client:
        said = [(await client.request(method, params))["error"] for method, params in EARLY.items()]

    assert {one["code"] for one in said} == {-32602}
    assert all("Send initialize first" in one["message"] for one in said)


async def test_wrong_parameters_of_requests_without_a_session_are_named(http: HttpClient) -> None:
    params = {"cursor": 5, "_meta": ENVELOPE}
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list", "mcp-session-id": ""}
    response = await http.post(ask("tools/list", params), **headers)

    assert response.status == 400
    assert response.received[0]["error"]["message"] == "Invalid request parameters: params.cursor must be a string."


async def test_each_request_of_a_batch_has_its_own_error(server: Bench) -> None:
    async with http_client(server.url, ME, "2025-03-26") as client:
        batch = [ask("ping", request=1), ask("tools/call", {"name": 5}, 2), ask("tools/list", {"cursor": 5}, 3)]
        response = await client.post(batch)

    said = {one["id"]: one.get("error", {}).get("message", "") for one in response.received}
    assert said[1] == ""
    assert "params.name must be a string" in said[2]
    assert "params.cursor must be a string" in said[3]
