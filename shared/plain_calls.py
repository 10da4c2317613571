"""Plain tool calls of a session, checked once instead of twice, for servers whose tools are not ours.

The SDK's kernel checks a call by the model of its session's revision and by the one that the handler gets, and a result
by the one that the handler returned and by the one of the revision. A call of nothing but a name and arguments, and a
result of nothing but text, are the same to both. Everything else is left to the kernel.
"""

import re
from typing import Any, Final, TypeGuard

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, CallToolResult, ErrorData, TextContent
from mcp_types.methods import serialize_server_result
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

_CALL: Final = "tools/call"
_ASKED: Final = frozenset({"name", "arguments"})
_HALF: Final = re.compile("[\ud800-\udfff]")


def check_plain_calls_once(server: Server[Any]) -> None:
    """Have `server` check plain calls once: by a middleware behind all of its own, which see what they always saw."""
    if not any(type(one) is _PlainCalls for one in server.middleware):
        server.middleware.append(_PlainCalls(server))


class _PlainCalls:
    """Middleware that does for a plain call what the kernel would do after the last middleware."""

    def __init__(self, server: Server[Any]) -> None:
        self._server = server

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        entry = self._server.get_request_handler(_CALL)
        if not _is_plain(ctx) or entry is None or self._server.middleware[-1] is not self:
            return await call_next(ctx)
        result = await entry.handler(ctx, entry.params_type.model_validate(ctx.params, by_name=False))
        if isinstance(result, ErrorData):
            raise MCPError.from_error_data(result)
        return _plain_result(result) or _result(result, ctx.session.protocol_version)


def _is_plain(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether a request is a call that the models of all revisions accept, in a session that was initialized."""
    params, session = ctx.params, ctx.session
    if ctx.method != _CALL or params is None or params.keys() != _ASKED:
        return False
    if session.client_params is None or session.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS:
        return False
    name, arguments = params["name"], params["arguments"]
    return isinstance(name, str) and name.isascii() and _is_object(arguments)


def _plain_result(result: object) -> dict[str, Any] | None:
    """Return a result as the models of all revisions have it; None where that is for them to say."""
    if type(result) is not CallToolResult or result.meta is not None:
        return None
    content, is_error, structured = result.content, result.is_error, result.structured_content
    if not (isinstance(content, list) and isinstance(is_error, bool)):
        return None
    texts = [{"text": one.text, "type": "text"} for one in content if _is_text(one)]
    if len(texts) < len(content):
        return None
    plain: dict[str, Any] = {"content": texts, "isError": is_error}
    if structured is None:
        return plain
    value = to_jsonable_python(structured, by_alias=True, exclude_none=True)
    return plain | {"structuredContent": value} if _is_object(value) else None


def _is_object(value: object) -> bool:
    """Whether a value is an object, all of whose names are in whole characters."""
    return isinstance(value, dict) and all(map(str.isascii, value))


def _is_text(content: object) -> TypeGuard[TextContent]:
    """Whether a part of a result is text and nothing else, in whole characters."""
    if type(content) is not TextContent or content.annotations is not None or content.meta is not None:
        return False
    text = content.text
    return content.type == "text" and isinstance(text, str) and (text.isascii() or _HALF.search(text) is None)


def _result(result: object, version: str) -> dict[str, Any]:
    """Return a result as the model of revision `version` has it. Raises: MCPError."""
    if isinstance(result, BaseModel):
        result = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    elif not (result is None or isinstance(result, dict)):
        raise TypeError(f"The handler of {_CALL} returned {type(result).__name__}.")
    try:
        return serialize_server_result(_CALL, version, result or {})
    except ValidationError as error:
        raise MCPError(INTERNAL_ERROR, "Handler returned an invalid result") from error
