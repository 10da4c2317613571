"""Servers whose responses are wrong: the fault of each, the scenario that finds it, and a part of its reason."""

import itertools
import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import Scope

from tests.sse_conformance.broken_server import Fault, Json
from tests.sse_conformance.faults import Case, asked, error, renamed, responses, without

SAME_ID: Final = "answers-have-the-id-of-their-request"
ONE_OBJECT: Final = "an-answer-is-one-object"
ONE_OF_TWO: Final = "an-answer-is-a-result-or-an-error"
CODES: Final = "error-codes-are-integers"
EVERY: Final = "every-request-is-answered"
SILENT: Final = "notifications-have-no-answer"
EMPTY_ARRAY: Final = b"event: message\ndata: []\n\n"


def in_array(which: Callable[[Json], bool]) -> Fault:
    """Wrap messages in a JSON array."""

    def event(_: Scope, event: bytes) -> bytes:
        head, data, rest = event.partition(b"data: ")
        if b"event: message" not in head or not which(json.loads(rest)):
            return event
        return head + data + json.dumps([json.loads(rest)]).encode() + b"\n\n"

    return Fault(event=event)


def lost(which: Callable[[Json], bool]) -> Fault:
    """Send no response where `which` is true."""
    return responses(lambda one: [] if which(one) else [one])


def twice(which: Callable[[Json], bool]) -> Fault:
    """Send a response twice where `which` is true."""
    return responses(lambda one: [one, one] if which(one) else [one])


def with_tools(which: Callable[[Json], bool]) -> Fault:
    """Send the result of tools/list instead where `which` is true."""
    return responses(lambda one: [{**one, "result": {"tools": []}} if which(one) else one])


def each_tenth(which: Callable[[Json], bool]) -> Callable[[Json], bool]:
    """Return whether it is the tenth, the twentieth … for which `which` is true."""
    seen = itertools.count(1)
    return lambda one: which(one) and next(seen) % 10 == 0


def from_the_fiftieth_on() -> Callable[[Json], bool]:
    seen = itertools.count(1)
    return lambda _: next(seen) >= 50


def answered(notification: str, answer: Json, *, later: int = 0) -> Fault:
    """Answer a notification with the next message of the server, or `later`."""
    waiting: list[int] = []

    def remember(sent: Json) -> Json:
        waiting.append(later)
        return sent

    def said(message: Json) -> list[Json]:
        due = [number for number in waiting if not number]
        waiting[:] = [number - 1 for number in waiting if number]
        return [message, *({"jsonrpc": "2.0", **answer} for _ in due)]

    return Fault(asked=asked(notification, remember).asked, said=said)


def posts_of_notifications(status: int, body: bytes) -> Fault:
    """Answer the POST of a notification like this."""
    is_notification = [False]

    def remember(sent: Any) -> Any:
        is_notification[0] = "id" not in sent
        return sent

    def refused(given: int, headers: MutableHeaders, said: bytes) -> tuple[int, bytes]:
        headers["content-type"] = "application/json"
        return (status, body) if is_notification[0] else (given, said)

    return Fault(asked=remember, refused=refused)


def is_text(one: Json) -> bool:
    return isinstance(one["id"], str)


def is_ping(one: Json) -> bool:
    return one.get("result") == {}


A_PONG: Final = b'{"jsonrpc":"2.0","id":null,"result":{}}'
# fmt: off
RESPONSE_CASES: Final = MappingProxyType({
    "ids-are-all-numbers": Case(SAME_ID, "has the id 7002",
        responses(lambda one: [{**one, "id": 7002}] if one["id"] == "7002" else [one])),
    "ids-are-all-texts": Case(SAME_ID, "has the id \"7001\"",
        responses(lambda one: [{**one, "id": str(one["id"])}] if one["id"] == 7001 else [one])),
    "ids-are-floats": Case(SAME_ID, "has the id 7001.0",
        responses(lambda one: [{**one, "id": 7001.0}] if one["id"] == 7001 else [one])),
    "errors-have-the-id-null": Case(ONE_OF_TWO, "One to no request came",
        responses(lambda one: [{**one, "id": None}] if "error" in one else [one])),
    "errors-have-no-id": Case(ONE_OF_TWO, "One to no request came",
        responses(lambda one: [without("id")(one)] if "error" in one else [one])),
    "everything-comes-in-an-array": Case(ONE_OBJECT, "came in an array",
        in_array(lambda _: True)),
    "errors-come-in-an-array": Case(ONE_OBJECT, "came in an array",
        in_array(lambda one: "error" in one)),
    "lists-come-in-an-array": Case(ONE_OBJECT, "came in an array",
        in_array(lambda one: "tools" in one.get("result", {}))),
    "initialize-is-answered-in-an-array": Case(ONE_OBJECT, "came in an array",
        in_array(lambda one: "serverInfo" in one.get("result", {}))),
    "later-revisions-use-arrays": Case(ONE_OBJECT, "In 2025-06-18",
        in_array(lambda one: "2025" in str(one))),
    "empty-arrays-come-as-well": Case(ONE_OBJECT, "came in an array: []",
        Fault(event=lambda _, event: event + (EMPTY_ARRAY if b"event: message" in event else b""))),
    "answers-are-results-and-errors": Case(ONE_OF_TWO, "both a result and",
        responses(lambda one: [{"error": {"code": 1, "message": ""}, "result": {}, **one}])),
    "answers-are-neither": Case(ONE_OF_TWO, "or neither",
        responses(lambda one: [without("result")(one)] if is_ping(one) else [one])),
    "results-are-lists": Case(ONE_OF_TWO, "A result is no object: []",
        responses(lambda one: [{**one, "result": []}] if is_ping(one) else [one])),
    "results-are-null": Case(ONE_OF_TWO, "A result is no object: null",
        responses(lambda one: [{**one, "result": None}] if is_ping(one) else [one])),
    "no-jsonrpc": Case(ONE_OF_TWO, "JSON-RPC 2.0, but null",
        responses(lambda one: [without("jsonrpc")(one)])),
    "jsonrpc-is-1.0": Case(ONE_OF_TWO, "JSON-RPC 2.0, but \"1.0\"",
        responses(lambda one: [{**one, "jsonrpc": "1.0"}])),
    "jsonrpc-is-a-number": Case(ONE_OF_TWO, "JSON-RPC 2.0, but 2.0",
        responses(lambda one: [{**one, "jsonrpc": 2.0}])),
    "a-request-has-a-result": Case(ONE_OF_TWO, "both a method and result",
        Fault(said=lambda one: [one, {"jsonrpc": "2.0", "method": "notifications/message", "result": {}}])),
    "error-codes-are-strings": Case(CODES, "no integer",
        error(code="-32601")),
    "error-codes-are-floats": Case(CODES, "-32601.5, no integer",
        error(code=-32601.5)),
    "error-codes-are-true": Case(CODES, "True, no integer",
        error(code=True)),
    "errors-have-no-message": Case(CODES, "no message",
        error(message=None)),
    "errors-are-texts": Case(CODES, "An error is no object: \"no\"",
        responses(lambda one: [{**one, "error": "no"}] if "error" in one else [one])),
    "unknown-methods-are-bad-params": Case("unknown-method", "-32602, not -32601",
        error(code=-32602)),
    "unknown-methods-succeed": Case("unknown-method", "not answered with an error",
        asked("conformance/no-such-method", renamed("ping"))),
    "each-tenth-id-is-unanswered": Case(EVERY, "Unanswered ids: 10, 20, 30",
        lost(lambda one: not is_text(one) and one["id"] % 10 == 0)),
    "each-tenth-request-is-unanswered": Case(EVERY, "Unanswered ids: 10,",
        lost(each_tenth(lambda _: True))),
    "each-tenth-text-is-unanswered": Case(EVERY, "Unanswered ids: \"conformance-",
        lost(each_tenth(is_text))),
    "each-tenth-error-is-unanswered": Case(EVERY, "Unanswered ids:",
        lost(each_tenth(lambda one: "error" in one))),
    "fifty-requests-are-answered": Case(EVERY, "and 11 more",
        lost(from_the_fiftieth_on())),
    "each-tenth-request-is-answered-twice": Case(EVERY, "was answered 2 times",
        twice(each_tenth(is_ping))),
    "each-tenth-result-is-of-another": Case(EVERY, "got the result of another request",
        with_tools(each_tenth(is_ping))),
    "unknown-notifications-are-answered": Case(SILENT, "no-such-notification was answered",
        answered("notifications/conformance/no-such-notification", {"id": 900, "result": {}})),
    "notifications-run-as-requests": Case(SILENT, "no-such-notification was answered",
        asked("notifications/conformance/no-such-notification", lambda sent: {**sent, "id": 900})),
    "initialized-is-answered": Case(SILENT, "notifications/initialized was answered",
        answered("notifications/initialized", {"id": None, "result": {}})),
    "cancelled-is-answered-with-an-error": Case(SILENT, "notifications/cancelled was answered",
        answered("notifications/cancelled", {"id": None, "error": {"code": -32600, "message": "no such request"}})),
    "progress-is-answered-without-an-id": Case(SILENT, "notifications/progress was answered",
        answered("notifications/progress", {"result": {}})),
    "changed-roots-are-answered-as-the-handshake": Case(SILENT, "roots/list_changed was answered",
        answered("notifications/roots/list_changed", {"id": 1, "result": {}})),
    "initialized-is-answered-late": Case(SILENT, "was answered",
        answered("notifications/initialized", {"id": 900, "result": {}}, later=3)),
    "notifications-are-answered-by-their-POST": Case(SILENT, "in the body of its POST",
        posts_of_notifications(202, A_PONG)),
    "notifications-are-refused": Case(SILENT, "was refused with 400",
        posts_of_notifications(400, A_PONG)),
})
# fmt: on
