"""JSON-RPC messages as they come in over any wire: which may be served, and why another one may not. Pure.

Needs the standard library alone, as `shared.json_body` does. What passes here passes the SDK's own models of messages.

Source: JSON-RPC 2.0; MCP base protocol, whose request ids are strings or integers and never null. The SDK's parser
reads any other id as "no id", which would turn a request into a notification without a response, so ids are checked
here first.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared import json_body
from shared.bounds import has_more_values, holds_more_values
from shared.json_body import MAX_NAME, MalformedMessageError, is_id

INTERNAL_ERROR: Final = -32603
MAX_BATCH: Final = 100
MAX_VALUES: Final = 200_000
"""Values in one text: a list of empty lists takes 25 times its bytes in memory."""
MAX_VALUES_BESIDE_ARGUMENTS: Final = 10_000
"""Values in one message, the arguments of a call left out: these are for the tool to judge."""
LOOK_FIRST: Final = (
    "Look at what it would have changed before you repeat it, and if it had an idempotencyKey, use it again."
)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""How half a surrogate pair, or a whole one, is written in JSON: UTF-8 itself has no such bytes."""

Message = dict[str, Any]
"""A message that may be served: a request, a notification or a response."""


@dataclass(slots=True)
class JSONRPCRequest:
    """A request that passed; the SDK's model of one would check again what `read` did."""

    id: str | int
    method: str
    params: dict[str, Any] | None = None


def read(body: bytes) -> tuple[Sequence[Message | MalformedMessageError], bool]:
    """Return the messages in `body`, each or why it may not be served, and whether they came as a batch.

    Raises:
        MalformedMessageError: not JSON, more values than `MAX_VALUES`, an empty or oversized batch.
    """
    if has_more_values(body, MAX_VALUES):
        raise MalformedMessageError(f"The message holds more than {MAX_VALUES:,} JSON values, which is the most.")
    value = json_body.read(body)
    # Each value has a byte of its own, so what a short body may hold need not be counted.
    is_plain = len(body) <= MAX_VALUES_BESIDE_ARGUMENTS and _HALF.search(body) is None
    if not isinstance(value, list):
        return [_checked(value, is_plain=is_plain)], False
    if not 1 <= len(value) <= MAX_BATCH:
        raise MalformedMessageError(f"A batch holds 1 to {MAX_BATCH} messages, not {len(value)}.")
    return [_checked(one, is_plain=is_plain) for one in value], True


def refusals(error: MalformedMessageError) -> list[Message]:
    """Return the responses to a text that may not be served: one for each id in it, or one without an id."""
    body = {"code": error.code, "message": str(error), "data": {"kind": error.kind}}
    return [{"jsonrpc": "2.0", "id": one, "error": body} for one in (error.request_id, *error.further_ids)]


def interruption(*, writes: bool) -> Message:
    """Return the error for a call that the server could not finish."""
    if writes:
        text = f"The server stopped while it worked on this: it may have been done. {LOOK_FIRST}"
        return {"code": INTERNAL_ERROR, "message": text, "data": {"kind": "outcome_unknown"}}
    text = "The server stopped while it worked on this. Nothing was changed; ask again."
    return {"code": INTERNAL_ERROR, "message": text, "data": {"kind": "interrupted"}}


def without_arguments(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message without the arguments of its call."""
    params = message.get("params")
    if not isinstance(params, dict):
        return message
    return {**message, "params": {name: value for name, value in params.items() if name != "arguments"}}


def _checked(value: object, *, is_plain: bool) -> Message | MalformedMessageError:
    if not isinstance(value, dict):
        return MalformedMessageError("A JSON-RPC message is a JSON object.")
    problem = _problem_of_names(value) or (None if is_plain else _problem_of_contents(value)) or _problem(value)
    if problem is None:
        return value
    error = MalformedMessageError(problem)
    error.request_id = json_body.readable_id(value.get("id"))
    return error


def _problem_of_names(value: Mapping[str, Any]) -> str | None:
    """Return why the id or the method of a message cannot be kept."""
    if "id" in value and not is_id(value["id"]) and not _responds_to_the_unreadable(value):
        return f"The id of a request must be a string or an integer, of at most {MAX_NAME} characters."
    if len(str(value.get("method", ""))) > MAX_NAME:
        return f"The name of a method has at most {MAX_NAME} characters."
    return None


def _problem_of_contents(value: Mapping[str, Any]) -> str | None:
    """Return that there are too many values, or half a surrogate pair; in the arguments of a call, a tool judges it."""
    judged = without_arguments(value)
    if holds_more_values(judged, MAX_VALUES_BESIDE_ARGUMENTS):
        return f"A message holds at most {MAX_VALUES_BESIDE_ARGUMENTS:,} JSON values beside the arguments of a call."
    try:
        json.dumps(judged, ensure_ascii=False).encode()
    except ValueError:
        return (
            "Text of the message holds half a surrogate pair (one of \\ud800 to \\udfff alone). Send whole characters."
        )
    return None


def _problem(value: Mapping[str, Any]) -> str | None:
    """Return why an object is no request, no notification and no response."""
    wanted: str | None = None
    if value.get("jsonrpc") != "2.0":
        wanted = 'it needs "jsonrpc": "2.0"'
    elif "method" in value:
        params = value.get("params")
        if not isinstance(value["method"], str):
            wanted = 'its "method" must be a string'
        elif not (params is None or isinstance(params, dict)):
            wanted = 'its "params" must be an object'
    elif "id" not in value or not ("result" in value or "error" in value):
        wanted = 'it needs a "method" (or an "id" and a "result" or an "error")'
    else:
        wanted = _wanted_of_response(value)
    return f"Not a JSON-RPC 2.0 message: {wanted}." if wanted else None


def _wanted_of_response(value: Mapping[str, Any]) -> str | None:
    if "result" in value:
        return None if isinstance(value["result"], dict) else 'its "result" must be an object'
    match value["error"]:
        case {"code": bool()}:
            pass
        case {"code": int(), "message": str()}:
            return None
    return 'its "error" must be an object with an integer "code" and a text "message"'


def _responds_to_the_unreadable(value: Mapping[str, Any]) -> bool:
    """An error response to a message without a readable id is the one place where JSON-RPC allows null."""
    return value["id"] is None and "error" in value and not value.keys() & {"method", "result"}
