"""The line of each request: one, whatever the wire and however it ended, with ids, numbers and fixed words."""

from typing import Any, Final

import pytest

from shared.identity import OAUTH, Principal
from shared.json_rpc import JSONRPCRequest
from shared.request_log import RequestLog
from shared.telemetry import LABELS, LogContext, add_fields, get_logger
from shared.trace_context import SAMPLED, SPAN, TRACE
from tests.captured_logs import capture_logs
from tests.transport.http_client import MODERN, cancelled, http_client
from tests.transport.http_client import call as calling
from tests.transport.serving import bench, until
from tests.transport.sse_client import sse_session
from tests.transport.test_streamable_http_stateless import said, tool

ANYONE: Final = Principal("me")
ME: Final = {"x-api-key": "key-me"}
TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID: Final = "00f067aa0ba902b7"
PARENT: Final = f"00-{TRACE_ID}-{SPAN_ID}-01"
REQUEST_LINES: Final = {"tool_call_finished", "read_finished", "request_finished"}


def finished(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in logs if line["message"] in REQUEST_LINES]


# --------------------------------------------------------------------- over each wire


async def test_over_sse_each_request_leaves_one_line() -> None:
    with capture_logs() as logs:
        async with bench() as at, sse_session(at.url, ME) as client:
            await client.call("echo", text="confidential")

    opened, line = finished(logs)
    assert (opened["message"], opened["method"], opened["outcome"]) == ("request_finished", "initialize", "ok")
    assert isinstance(line.pop("request_id"), int)
    assert line.pop("duration_ms") >= 0
    assert line.pop("bytes") > len("confidential")
    assert len(line.pop(TRACE)) == 32
    assert line == {
        "severity": "INFO",
        "message": "tool_call_finished",
        "tenant": "default",
        "principal": "me",
        "key": "key-me",
        "session": client.endpoint.partition("session_id=")[2][:8],
        "wire": "sse",
        "revision": "2025-11-25",
        "client": "test",
        "method": "tools/call",
        "outcome": "ok",
        LABELS: {"tenant": "default"},
    }
    assert "confidential" not in str(logs)


async def test_over_streamable_http_each_request_of_a_session_leaves_one_line() -> None:
    with capture_logs() as logs:
        async with bench() as at, http_client(at.url, ME) as client:
            await client.call(7, "echo", text="x")
            await client.post({"jsonrpc": "2.0", "id": 8, "method": "prompts/get", "params": {"name": "unknown"}})
            await client.post({"jsonrpc": "2.0", "id": 9, "method": "made/up"})

    _, call, read, unknown = finished(logs)
    for line in (call, read, unknown):
        assert (line["wire"], line["revision"], line["client"]) == ("streamable_http", "2025-11-25", "test")
        assert (line["principal"], line["session"]) == ("me", client.session[:8])
    assert [one["request_id"] for one in (call, read, unknown)] == [7, 8, 9]
    assert (read["message"], read["method"], read["outcome"]) == ("read_finished", "prompts/get", "-32602")
    assert (unknown["message"], unknown["method"]) == ("request_finished", "other"), "no word of the client's choice"


async def test_a_request_without_a_session_leaves_a_line_that_names_its_client_even_if_it_fails() -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "modern", "version": "1"},
    }
    with capture_logs() as logs:
        async with bench() as at, http_client(at.url, ME, None) as client:
            await said(client, tool("echo", meta, text="x"))
            await said(client, tool("unknown", meta))

    served, refused = finished(logs)
    for line in (served, refused):
        assert (line["revision"], line["client"], line["principal"]) == (MODERN, "modern", "me")
        assert "session" not in line
    assert served["outcome"] == "ok"


async def test_a_cancelled_call_leaves_its_line_as_well() -> None:
    with capture_logs() as logs:
        async with bench() as at, http_client(at.url, ME) as client, client.stream(calling(5, "read", gate="a")):
            await at.gates.reached["a"].wait()
            await client.post(cancelled(5))
            await until(lambda: len(finished(logs)) == 2)

    line = finished(logs)[1]
    assert (line["request_id"], line["outcome"], line["bytes"]) == (5, "cancelled", 0)


# --------------------------------------------------------------------- its fields


def request(method: str = "tools/call", request_id: int | str = 1, **params: Any) -> JSONRPCRequest:
    return JSONRPCRequest(id=request_id, method=method, params=params)


def line_of(request: JSONRPCRequest, principal: Principal = ANYONE, **headers: str) -> dict[str, Any]:
    """Return the line of a request that was answered; `_` in the name of a header is `-`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with capture_logs() as logs, RequestLog(request, principal, sent, wire="sse") as log:
        log.response = b"{}", None
    [line] = logs
    return line


def test_the_key_is_named_by_its_public_id_and_a_token_is_not() -> None:
    assert line_of(request(), Principal("me", proof="api_key", credential="tk_1"))["key"] == "tk_1"
    assert "key" not in line_of(request(), Principal("me", proof=OAUTH, credential="idn_1"))


def test_a_line_belongs_to_the_trace_of_its_request() -> None:
    by_header = line_of(request(), traceparent=PARENT)
    assert (by_header[TRACE], by_header[SPAN], by_header[SAMPLED]) == (TRACE_ID, SPAN_ID, True)
    assert line_of(request(), traceparent=f"{PARENT[:-2]}00").get(SAMPLED) is None

    by_envelope = line_of(request(_meta={"traceparent": PARENT}))
    assert (by_envelope[TRACE], by_envelope[SPAN]) == (TRACE_ID, SPAN_ID)

    by_google = line_of(request(), x_cloud_trace_context=f"{TRACE_ID}/255;o=1")
    assert (by_google[TRACE], by_google[SPAN], by_google[SAMPLED]) == (TRACE_ID, f"{255:016x}", True)

    without_span = line_of(request(), x_cloud_trace_context=TRACE_ID)
    assert without_span[TRACE] == TRACE_ID
    assert SPAN not in without_span


def test_the_operation_that_the_client_traces_counts_more_than_the_hop_in_front() -> None:
    line = line_of(request(_meta={"traceparent": PARENT}), traceparent=f"00-{'1' * 32}-{'2' * 16}-00")

    assert (line[TRACE], line[SPAN], line[SAMPLED]) == (TRACE_ID, SPAN_ID, True)


@pytest.mark.parametrize(
    "said", ["", "nonsense", f"ff{PARENT[2:]}", f"00-{'0' * 32}-{SPAN_ID}-01", f"00-{TRACE_ID}-{'0' * 16}-01"]
)
def test_a_request_without_a_trace_has_one_of_its_own(said: str) -> None:
    first, second = line_of(request(), traceparent=said), line_of(request(), traceparent=said)

    assert first[TRACE] != second[TRACE]
    assert len(first[TRACE]) == 32
    assert not {SPAN, SAMPLED} & {*first}


@pytest.mark.parametrize("meta", [None, [], "x", {"traceparent": 5}, {"traceparent": "confidential"}])
def test_nothing_else_of_the_envelope_is_read_as_a_trace(meta: object) -> None:
    assert "confidential" not in str(line_of(request(_meta=meta)))


def test_a_long_id_is_cut() -> None:
    assert len(line_of(request(request_id="x" * 10_000))["request_id"]) == 100


@pytest.mark.parametrize(
    ("noted", "code", "outcome"),
    [
        (None, None, "ok"),
        (None, -32602, "-32602"),
        ("not_found", None, "not_found"),
        ("insufficient_scope", -32600, "insufficient_scope"),
        ("ok", -32603, "-32603"),
    ],
)
def test_the_outcome_is_the_best_word_that_is_known(noted: str | None, code: int | None, outcome: str) -> None:
    with capture_logs() as logs, RequestLog(request(), ANYONE, {}, wire="sse") as log:
        if noted is not None:
            assert add_fields({"tool": "get_statuses", "outcome": noted})
        log.response = b"{}", code

    assert logs[0]["outcome"] == outcome
    assert logs[0].get("tool") == (None if noted is None else "get_statuses")


def test_what_is_logged_meanwhile_has_the_fields_of_the_request_and_those_around_it() -> None:
    with capture_logs() as logs, LogContext(tenant="acme"):
        with RequestLog(request(), ANYONE, {}, wire="sse", session="abcdefghijk"):
            get_logger("x").warning("meanwhile")
        get_logger("x").warning("after")

    meanwhile, finished, after = logs
    for line in (meanwhile, finished):
        assert (line["tenant"], line["session"], line["request_id"]) == ("acme", "abcdefgh", 1)
    assert finished["outcome"] == "cancelled", "it has no response"
    assert (after["tenant"], after.get("session"), after.get("request_id")) == ("acme", None, None)
