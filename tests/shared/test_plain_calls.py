"""A server that checks plain calls once answers every call, whatever its handler returns, as the SDK's kernel does."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.runner import ServerRunner
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    Annotations,
    CallToolRequestParams,
    CallToolResult,
    ErrorData,
    ImageContent,
    InitializeRequestParams,
    InputRequiredResult,
    TextContent,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from shared.identity import Principal
from shared.plain_calls import check_plain_calls_once
from shared.wire_json import encode
from transport.dispatch.client_requests import ClientRequests
from transport.dispatch.context import Address, Caller, DispatchContext, SessionOutbound
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits

CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
PLAIN: dict[str, Any] = {"name": "tool", "arguments": {}}
TEXT = TextContent(type="text", text="hello")
HALF = "\ud800"
ODD: Any = 5
RESULTS: dict[str, Any] = {
    "text": CallToolResult(content=[TEXT, TextContent(type="text", text="こんにちは\u2028")]),
    "nothing": CallToolResult(content=[]),
    "error": CallToolResult(content=[TEXT], is_error=True),
    "structured": CallToolResult(content=[TEXT], structured_content={"a": None, "日": [1, float("nan"), {HALF: HALF}]}),
    "empty structure": CallToolResult(content=[TEXT], structured_content={}),
    "list": CallToolResult(content=[TEXT], structured_content=[1]),
    "model": CallToolResult(content=[TEXT], structured_content=TEXT),
    "values": CallToolResult(
        content=[], structured_content={"a": [date(2026, 1, 1), b"x", {5}], "b": TEXT, "c": {1: 2}}
    ),
    "no JSON": CallToolResult(content=[TEXT], structured_content={"a": object()}),
    "number as a name": CallToolResult(content=[TEXT], structured_content={5: 1}),
    "no type": CallToolResult(content=[TextContent.model_construct(type=ODD, text="a")]),
    "no list": CallToolResult.model_construct(content=ODD, is_error=False),
    "half a name": CallToolResult(content=[TEXT], structured_content={HALF: 1}),
    "half a text": CallToolResult(content=[TextContent.model_construct(type="text", text=HALF)]),
    "no text": CallToolResult(content=[TextContent.model_construct(type="text", text=ODD)]),
    "no content": CallToolResult.model_construct(content=[ODD], is_error=False),
    "no flag": CallToolResult.model_construct(content=[TEXT], is_error=ODD),
    "image": CallToolResult(content=[TEXT, ImageContent(type="image", data="aGk=", mime_type="image/png")]),
    "annotated": CallToolResult(content=[TEXT.model_copy(update={"annotations": Annotations(priority=1)})]),
    "meta": CallToolResult.model_validate({"content": [{"type": "text", "text": "a", "_meta": {}}], "_meta": {"a": 1}}),
    "asks": InputRequiredResult(input_requests={}, request_state="x"),
    "object": {"content": [{"type": "text", "text": "hello"}], "isError": False, "more": 1},
    "object without a flag": {"content": [{"type": "text", "text": "hello"}]},
    "empty object": {},
    "error data": ErrorData(code=5, message="no"),
    "None": None,
    "no result": "hello",
}
REQUESTS: dict[str, Any] = {
    "none": None,
    "no name": {"arguments": {}},
    "no text": {"name": 5, "arguments": {}},
    "half a name": {"name": HALF, "arguments": {}},
    "no object": {"name": "tool", "arguments": []},
    "null": {"name": "tool", "arguments": None},
    "half": {"name": "tool", "arguments": {HALF: 1}},
    "japanese": {"name": "tool", "arguments": {"日": HALF}},
    "more": PLAIN | {"task": {}, "_meta": {"progressToken": 1}},
}


class Rewrites:
    """Middleware that calls another tool."""

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        return await call_next(replace(ctx, params={**(ctx.params or {}), "name": "another"}))


def a_server(result: Any, called: list[Any]) -> Server[Any]:
    async def call(_: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> Any:
        called.append(params.model_dump())
        return result

    return Server("plain", on_call_tool=call)


async def response(
    server: Server[Any], params: Any, *, version: str, method: str = "tools/call", client: Any = CLIENT
) -> Any:
    """Return what is sent, or what is raised."""
    channel = ClientRequests(InMemoryBroker(Limits()))
    connection = Connection.for_loop(SessionOutbound(channel, Address("s")), protocol_version_hint=version)
    connection.client_params = client and InitializeRequestParams.model_validate(client)
    metadata = ServerMessageMetadata(request_context=Caller(Principal("me"), {}))
    context = DispatchContext(channel, Address("s"), "sse", metadata, 1)
    try:
        return encode(await ServerRunner(server, connection, {}).on_request(context, method, params))
    except MCPError as error:
        return error.error
    except Exception as error:  # noqa: BLE001 - whatever it is, both have to raise it
        return type(error)


async def both(result: Any, params: Any, *middlewares: Any, **how: Any) -> tuple[Any, Any]:
    """Return what the SDK's kernel answers, and what a server does that checks plain calls once."""
    called = list[Any](), list[Any]()
    sdk, ours = a_server(result, called[0]), a_server(result, called[1])
    sdk.middleware.extend(middlewares)
    ours.middleware.extend(middlewares)
    check_plain_calls_once(ours)
    responses = await response(sdk, params, **how), await response(ours, params, **how)
    assert called[0] == called[1]
    return responses


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("version", [*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS])
@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
async def test_every_result_is_what_the_kernel_makes_of_it(result: Any, version: str) -> None:
    sdk, ours = await both(result, PLAIN, version=version)
    assert ours == sdk


@pytest.mark.parametrize("params", REQUESTS.values(), ids=REQUESTS)
async def test_every_call_is_taken_or_refused_as_by_the_kernel(params: Any) -> None:
    sdk, ours = await both(RESULTS["text"], params, version="2025-11-25")
    assert ours == sdk


@pytest.mark.parametrize("method", ["tools/call", "tools/list", "no/such"])
async def test_before_initialize_and_for_other_methods_the_kernel_answers(method: str) -> None:
    sdk, ours = await both(RESULTS["text"], PLAIN, version="2025-11-25", method=method, client=None)
    assert isinstance(ours, ErrorData)
    assert ours == sdk


async def test_a_middleware_still_sees_and_changes_each_call() -> None:
    sdk, ours = await both(RESULTS["text"], PLAIN, Rewrites(), version="2025-11-25")
    assert ours == sdk
    called = list[Any]()
    late = a_server(RESULTS["text"], called)
    check_plain_calls_once(late)
    late.middleware.append(Rewrites())
    assert await response(late, PLAIN, version="2025-11-25") == sdk
    assert [one["name"] for one in called] == ["another"]
