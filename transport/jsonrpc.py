"""JSON-RPC messages as bytes: what may come in, and the errors that transports themselves send. Pure.

Every JSON-RPC message that leaves over HTTP is made by `encode`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from mcp_types import JSONRPCRequest as SDKRequest

from shared import json_rpc
from shared.json_body import MalformedMessageError
from shared.json_rpc import LOOK_FIRST, JSONRPCRequest, Message
from shared.wire_json import encode

REQUEST_CANCELLED: Final = -32800  # as the SDK's Streamable HTTP server says it; the number is LSP's
MAX_RESPONSE_BYTES: Final = 1024 * 1024

ClientMessage = JSONRPCNotification | JSONRPCResponse | JSONRPCError
"""What a client sends that is no request."""


@dataclass(slots=True)
class Inbound:
    """One message of a POST."""

    message: ClientMessage | JSONRPCRequest
    value: Message
    """It, as it was read."""
    is_modern: bool
    """Whether it carries the envelope of 2026-07-28; `initialize` never does, whatever its parameters say."""


def parse(body: bytes) -> tuple[list[Inbound], bool]:
    """Return the messages in `body`, and whether they came as a batch.

    Raises:
        MalformedMessageError: see `json_rpc.read`; one of its messages may not be served, or two have the same id.
    """
    values, is_batch = json_rpc.read(body)
    if not is_batch:
        return [_inbound(values[0])], False
    messages = [_inbound(one) for one in values]
    ids = [one.message.id for one in messages if isinstance(one.message, JSONRPCRequest)]
    if len({(type(one), one) for one in ids}) < len(ids):
        raise MalformedMessageError("Two requests of one batch have the same id.")
    return messages, True


def _inbound(value: Message | MalformedMessageError) -> Inbound:
    if isinstance(value, MalformedMessageError):
        raise value
    return Inbound(_model(value), value, _is_modern(value))


def _model(value: Message) -> ClientMessage | JSONRPCRequest:
    """Return a message as what it is, which shows in its members."""
    if "error" in value or "method" not in value:
        model = jsonrpc_message_adapter.validate_python(value)
        return JSONRPCRequest(model.id, model.method, model.params) if isinstance(model, SDKRequest) else model
    if "id" in value:
        return JSONRPCRequest(value["id"], value["method"], value.get("params"))
    return JSONRPCNotification(jsonrpc="2.0", method=value["method"], params=value.get("params"))


def _is_modern(message: Mapping[str, Any]) -> bool:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta and message.get("method") != "initialize"


def notification(method: str, params: Mapping[str, Any] | None) -> bytes:
    """Return a notification."""
    return encode({"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})})


def request(request_id: RequestId, method: str, params: Mapping[str, Any] | None) -> bytes:
    """Return a request of the server to the client."""
    return encode(
        {"jsonrpc": "2.0", "id": request_id, "method": method, **({} if params is None else {"params": params})}
    )


def result(request_id: RequestId, value: Mapping[str, Any]) -> bytes:
    """Return the response to a request."""
    return encode({"jsonrpc": "2.0", "id": request_id, "result": value})


def error(request_id: RequestId | None, code: int, text: str, data: object = None) -> bytes:
    """Return an error response; `data` is left out when it is None."""
    body = {"code": code, "message": text, **({} if data is None else {"data": data})}
    return encode({"jsonrpc": "2.0", "id": request_id, "error": body})


def refusal(
    kind: str, text: str, *, code: int = INVALID_REQUEST, request_id: RequestId | None = None, **about: object
) -> bytes:
    """Return a refusal: an error response whose `data.kind` programs can act on; `about` stands beside it."""
    return error(request_id, code, text, {"kind": kind, **about})


def failed_call(request_id: RequestId, text: str, said: Mapping[str, Any], *, is_modern: bool) -> bytes:
    """Return the result of a tool that did not run; `said` is for programs what `text` is for models."""
    value = {"content": [{"type": "text", "text": text}], "structuredContent": {"error": said}, "isError": True}
    return result(request_id, value | ({"resultType": "complete"} if is_modern else {}))


def interrupted(request_id: RequestId | None, *, writes: bool) -> bytes:
    """Return the response to a call that the server could not finish."""
    return encode({"jsonrpc": "2.0", "id": request_id, "error": json_rpc.interruption(writes=writes)})


def busy(request_id: RequestId, *, is_stopping: bool) -> bytes:
    """Return the response to a request of a session for which there is no room."""
    text = "Too many calls of this session are running. Nothing was changed; wait for some of them."
    if is_stopping:
        text = "The server is stopping. Nothing was changed; ask again in a moment."
    return refusal("busy", text, code=INTERNAL_ERROR, request_id=request_id)


def cancelled(request_id: RequestId | None) -> bytes:
    """Return the response to a call that its client cancelled, where a stream has to end with one."""
    return error(request_id, REQUEST_CANCELLED, "Request cancelled", {"kind": "cancelled"})


def result_lost(request_id: RequestId | None, *, writes: bool) -> bytes:
    """Return what replaces a response that waited too long for its reader and was evicted."""
    if writes:
        text = f"This was carried out, but its answer was not read in time and is gone. {LOOK_FIRST}"
    else:
        text = "The answer was not read in time and is gone. Nothing was changed; ask again."
    return error(request_id, INTERNAL_ERROR, text, {"kind": "result_lost"})


def too_large(request_id: RequestId, method: str, size: int) -> bytes:
    """Return what is sent instead of a response over `MAX_ANSWER_BYTES`."""
    text = (
        f"The answer has {size:,} bytes; {MAX_RESPONSE_BYTES:,} are the most that is sent. "
        "Ask for less: a smaller limit, a narrower filter, or one item instead of many."
    )
    if method != "tools/call":
        return error(request_id, INTERNAL_ERROR, text, {"kind": "result_lost"})
    said = {"error": {"kind": "result_lost", "message": text}}
    return result(request_id, {"content": [{"type": "text", "text": text}], "structuredContent": said, "isError": True})
