"""JSON-RPC messages as bytes: what may come in, and the errors that transports themselves send. Pure.

Every JSON-RPC message that leaves over HTTP is made by `encode`.

Source: JSON-RPC 2.0; MCP base protocol, whose request ids are strings or integers and never null. The SDK's parser
reads any other id as "no id", which would turn a request into a notification without a response, so ids are checked
here first.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import to_json

from shared import json_body
from shared.bounds import has_more_values, holds_more_values
from shared.json_body import MAX_NAME, MalformedMessageError, is_id
from shared.wire_json import encode

REQUEST_CANCELLED: Final = -32800  # as the SDK's Streamable HTTP server says it; the number is LSP's
MAX_RESPONSE_BYTES: Final = 1024 * 1024
MAX_BATCH: Final = 100
MAX_VALUES: Final = 200_000
"""Values in one body: a list of empty lists takes 25 times its bytes in memory."""
MAX_VALUES_BESIDE_ARGUMENTS: Final = 10_000
"""Values in one message, the arguments of a call left out: these are for the tool to judge."""

ClientMessage = JSONRPCNotification | JSONRPCResponse | JSONRPCError
"""What a client sends that is no request."""


class Inbound(NamedTuple):
    """One message of a POST."""

    message: JSONRPCMessage
    digest: bytes
    """By which a repeat of the same request is recognised."""
    is_modern: bool
    """Whether it carries the envelope of 2026-07-28; `initialize` never does, whatever its parameters say."""


def parse(body: bytes) -> tuple[list[Inbound], bool]:
    """Return the messages in `body`, and whether they came as a batch.

    Raises:
        MalformedMessageError: not JSON, more values than `MAX_VALUES`, not JSON-RPC 2.0, an unusable id, an empty or
            oversized batch.
    """
    if has_more_values(body, MAX_VALUES):
        raise MalformedMessageError(f"The body holds more than {MAX_VALUES:,} JSON values, which is the most.")
    value = json_body.read(body)
    if not isinstance(value, list):
        return [_inbound(value)], False
    if not 1 <= len(value) <= MAX_BATCH:
        raise MalformedMessageError(f"A batch holds 1 to {MAX_BATCH} messages, not {len(value)}.")
    messages = [_inbound(one) for one in value]
    ids = [one.message.id for one in messages if isinstance(one.message, JSONRPCRequest)]
    if len({(type(one), one) for one in ids}) < len(ids):
        raise MalformedMessageError("Two requests of one batch have the same id.")
    return messages, True


def _inbound(value: object) -> Inbound:
    if not isinstance(value, dict):
        raise MalformedMessageError("A JSON-RPC message is a JSON object.")
    try:
        _check(value)
        digest = sha256(_distinct(value)).digest()
        message = _message(value)
    except MalformedMessageError as error:
        error.request_id = json_body.readable_id(value.get("id"))
        raise
    return Inbound(message, digest, _is_modern(value))


def _check(value: Mapping[str, Any]) -> None:
    """Pass a message of sizes that are accepted, with an id that can be kept. Raises: MalformedMessageError."""
    if "id" in value and not is_id(value["id"]) and not _responds_to_the_unreadable(value):
        raise MalformedMessageError(
            f"The id of a request must be a string or an integer, of at most {MAX_NAME} characters."
        )
    if len(str(value.get("method", ""))) > MAX_NAME:
        raise MalformedMessageError(f"The name of a method has at most {MAX_NAME} characters.")
    if holds_more_values(_without_arguments(value), MAX_VALUES_BESIDE_ARGUMENTS):
        raise MalformedMessageError(
            f"A message holds at most {MAX_VALUES_BESIDE_ARGUMENTS:,} JSON values beside the arguments of a call."
        )


def _distinct(value: Mapping[str, Any]) -> bytes:
    """Return a message as bytes that no other message has.

    Raises:
        MalformedMessageError: text has half a surrogate pair, and not in the arguments, which are for a tool to judge.
    """
    try:
        return to_json(value)
    except ValueError:
        pass
    try:
        to_json(_without_arguments(value))
    except ValueError:
        raise MalformedMessageError(
            "Text of the message holds half a surrogate pair (one of \\ud800 to \\udfff alone). Send whole characters."
        ) from None
    return json.dumps(value).encode()


def _message(value: Mapping[str, Any]) -> JSONRPCMessage:
    try:
        return jsonrpc_message_adapter.validate_python(value)
    except ValidationError:
        raise MalformedMessageError(_why_no_message(value)) from None


def _why_no_message(value: Mapping[str, Any]) -> str:
    if value.get("jsonrpc") != "2.0":
        return 'Not a JSON-RPC 2.0 message: it needs "jsonrpc": "2.0".'
    if "method" in value and not isinstance(value["method"], str):
        return 'Not a JSON-RPC 2.0 message: its "method" must be a string.'
    if "method" in value and not isinstance(value.get("params", {}), dict):
        return 'Not a JSON-RPC 2.0 message: its "params" must be an object.'
    return 'Not a JSON-RPC 2.0 message: it needs a "method" (or a "result" or an "error").'


def _is_modern(message: Mapping[str, Any]) -> bool:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta and message.get("method") != "initialize"


def _without_arguments(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message without the arguments of its call."""
    params = message.get("params")
    if not isinstance(params, dict):
        return message
    return {**message, "params": {name: value for name, value in params.items() if name != "arguments"}}


def _responds_to_the_unreadable(value: Mapping[str, Any]) -> bool:
    """An error response to a message without a readable id is the one place where JSON-RPC allows null."""
    return value["id"] is None and "error" in value


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


LOOK_FIRST: Final = (
    "Look at what it would have changed before you repeat it, and repeat it with the same idempotencyKey."
)


def interrupted(request_id: RequestId | None, *, writes: bool) -> bytes:
    """Return the response to a call that the server could not finish."""
    if writes:
        text = f"The server stopped while it worked on this: it may have been done. {LOOK_FIRST}"
        return error(request_id, INTERNAL_ERROR, text, {"kind": "outcome_unknown"})
    text = "The server stopped while it worked on this. Nothing was changed; ask again."
    return error(request_id, INTERNAL_ERROR, text, {"kind": "interrupted"})


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
