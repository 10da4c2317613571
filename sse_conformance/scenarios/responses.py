"""What the messages chapter of 2024-11-05 asks of responses: JSON-RPC as it is, ids above all.

Source: modelcontextprotocol.io/specification/2024-11-05/basic/messages, and jsonrpc.org/specification
"""

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any, Final

from sse_conformance.client import Client, NotConformingError
from sse_conformance.scenarios.expect import METHOD_NOT_FOUND, UNKNOWN_METHOD, declared_lists, error_code, talk
from sse_conformance.session import REVISION, Id, Session, open_session
from sse_conformance.verdict import Level, scenario

_RESPONSES: Final = "messages, Responses"
_RPC: Final = "messages: JSON-RPC 2.0, section 5"
_LATER: Final = "2025-06-18"
_IDS: Final[tuple[Id, ...]] = (7_001, "7002", "a-b_c.d", 0, 9_007_199_254_740_991, "ü — 七")
_ROUNDS: Final = (1,) * 32 + (16,) * 2
"""How many requests are sent at once, one round after the other."""
_SHOWN: Final = 5


@scenario(Level.MUST, _RESPONSES)
async def answers_have_the_id_of_their_request(client: Client) -> None:
    """A response has the ID of its request: strings stay strings and integers stay integers."""
    session = await open_session(client)
    for one in _IDS:
        await session.send({"jsonrpc": "2.0", "id": one, "method": "ping"})
        await session.respond(one, f"a ping with the id {one!r}")


@scenario(Level.MUST, _RPC)
async def an_answer_is_one_object(client: Client) -> None:
    """The response to a request is a single JSON object; only a batch of requests may be answered with an array."""
    for revision in (REVISION, _LATER):
        session = await open_session(client, revision)
        await talk(session)
        for event in session.stream.named("message"):
            if event.data.lstrip().startswith("["):
                raise NotConformingError(f"In {revision}, a message came in an array: {event.data[:60]}…")
        await session.close()


@scenario(Level.MUST, _RESPONSES)
async def an_answer_is_a_result_or_an_error(client: Client) -> None:
    """Every message is JSON-RPC 2.0. A response has a result, which is an object, or an error, never both."""
    session = await open_session(client)
    await talk(session)
    for one in session.stream.messages:
        if fault := _fault_of(one.value):
            raise NotConformingError(fault)


def _fault_of(message: Mapping[str, Any]) -> str:
    if message.get("jsonrpc") != "2.0":
        return f"A message does not say that it is JSON-RPC 2.0, but {json.dumps(message.get('jsonrpc'))}."
    if "method" in message:
        answers = message.keys() & {"result", "error"}
        return f"A message has both a method and {answers.pop()}." if answers else ""
    if ("result" in message) == ("error" in message):
        return "An answer has both a result and an error, or neither."
    if not isinstance(message.get("result", {}), dict):
        return f"A result is no object: {json.dumps(message['result'])[:60]}"
    if "id" not in message:
        return "An answer has no id."
    return ""


@scenario(Level.MUST, _RESPONSES)
async def error_codes_are_integers(client: Client) -> None:
    """An error has an integer code and a message."""
    session = await open_session(client)
    await talk(session)
    for error in (one.value["error"] for one in session.stream.messages if "error" in one.value):
        if not isinstance(error, dict):
            raise NotConformingError(f"An error is no object: {json.dumps(error)[:60]}")
        if type(error.get("code")) is not int:
            raise NotConformingError(f"The code of an error is {error.get('code')!r}, no integer.")
        if not isinstance(error.get("message"), str):
            raise NotConformingError("An error has no message.")


@scenario(Level.MUST, "messages: JSON-RPC 2.0, section 5.1")
async def unknown_method(client: Client) -> None:
    """An unknown method is answered with error -32601."""
    response = await (await open_session(client)).request(UNKNOWN_METHOD)
    if not isinstance(response.get("error"), dict):
        raise NotConformingError("An unknown method was not answered with an error.")
    if (code := error_code(response)) != METHOD_NOT_FOUND:
        raise NotConformingError(f"An unknown method was answered with error {code!r}, not -32601.")


@scenario(Level.MUST, _RPC)
async def every_request_is_answered(client: Client) -> None:
    """The server replies to each request with one response, to many requests at once as well."""
    session = await open_session(client, None)
    listed = declared_lists(await session.handshake())[:1]
    methods = ("ping", UNKNOWN_METHOD, *listed)
    requests = [session.next_request(methods[number % len(methods)]) for number in range(sum(_ROUNDS))]
    for number, request in enumerate(requests):
        if number % 4 == 3:
            request["id"] = f"conformance-{request['id']}"
    left = iter(requests)
    for size in _ROUNDS:
        await asyncio.gather(*(session.send(request) for request in itertools.islice(left, size)))
    await _expect_all(session, requests)
    await session.settle()
    for request in requests:
        found = session.responses(request["id"])
        what = f"The {request['method']} with the id {json.dumps(request['id'])}"
        if len(found) > 1:
            raise NotConformingError(f"{what} was answered {len(found)} times.")
        if _is_of_another(request["method"], found[0].value.get("result")):
            raise NotConformingError(f"{what} got the result of another request.")


async def _expect_all(session: Session, requests: list[dict[str, Any]]) -> None:
    ids = [json.dumps(one["id"]) for one in requests]

    def unanswered() -> list[str]:
        answered = {json.dumps(one.value.get("id")) for one in session.stream.messages if "method" not in one.value}
        return [shown for shown in ids if shown not in answered]

    try:
        await session.stream.until(lambda: not unanswered(), f"a response to each of {len(requests)} requests")
    except NotConformingError as reason:
        left = unanswered()
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        raise NotConformingError(f"{reason} Unanswered ids: {', '.join(left[:_SHOWN])}{more}.") from None


def _is_of_another(method: str, result: object) -> bool:
    if result is None:  # an error, which may be an answer to anything
        return False
    if method == "ping":
        return result != {}
    return method == UNKNOWN_METHOD or not isinstance(result, dict) or method.partition("/")[0] not in result
