"""Plain tool calls of a session, checked once instead of twice, for servers whose tools are not ours.

The SDK's kernel checks a call by the model of its session's revision and by the one that the handler gets, and a result
by the one that the handler returned and by the one of the revision. A call of nothing but a name and arguments, and a
result of nothing but text, are the same to both. Everything else is left to the kernel.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, ErrorData
from mcp_types.methods import serialize_server_result
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import BaseModel, ValidationError

_CALL: Final = "tools/call"
_ASKED: Final = frozenset({"name", "arguments"})
_SAID: Final = frozenset({"content", "isError", "structuredContent", "resultType"})
"""Of these, `resultType` is of 2026-07-28 alone."""
_TEXT: Final = frozenset({"type", "text"})
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
        value = _value(result)
        return _plain_result(value) or _result(value, ctx.session.protocol_version)


def _is_plain(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether a request is a call that the models of all revisions accept, in a session that was initialized."""
    params, session = ctx.params, ctx.session
    if ctx.method != _CALL or params is None or params.keys() != _ASKED:
        return False
    if session.client_params is None or session.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS:
        return False
    name, arguments = params["name"], params["arguments"]
    return isinstance(name, str) and name.isascii() and isinstance(arguments, dict) and all(map(str.isascii, arguments))


def _value(result: object) -> dict[str, Any]:
    """Return what a handler returned as JSON has it."""
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    if result is None or isinstance(result, dict):
        return result or {}
    raise TypeError(f"The handler of {_CALL} returned {type(result).__name__}.")


def _plain_result(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a result as each revision has it; None where that is for its model to say."""
    content, is_error, structured = map(value.get, ("content", "isError", "structuredContent"), ((), None, {}))
    if not (value.keys() <= _SAID and isinstance(content, list) and all(map(_is_text, content))):
        return None
    if not (isinstance(is_error, bool) and isinstance(structured, dict) and all(map(str.isascii, structured))):
        return None
    plain = {"content": [{"text": one["text"], "type": "text"} for one in content], "isError": is_error}
    return plain | {"structuredContent": structured} if "structuredContent" in value else plain


def _is_text(content: object) -> bool:
    """Whether a part of a result is text and nothing else, in whole characters."""
    if not isinstance(content, dict) or content.keys() != _TEXT or content["type"] != "text":
        return False
    text = content["text"]
    return isinstance(text, str) and (text.isascii() or _HALF.search(text) is None)


def _result(value: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return a result as revision `version` has it. Raises: MCPError."""
    try:
        return serialize_server_result(_CALL, version, value)
    except ValidationError as error:
        raise MCPError(INTERNAL_ERROR, "Handler returned an invalid result") from error
