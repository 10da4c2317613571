"""What the messages and cancellation chapters of 2024-11-05 ask: JSON-RPC as it is, ids above all.

Source: modelcontextprotocol.io/specification/2024-11-05/basic/messages and …/basic/utilities/cancellation
"""

import asyncio
from typing import Any, Final

from sse_conformance.client import Client, NotConformingError
from sse_conformance.scenarios.expect import METHOD_NOT_FOUND, error_code, start_listening
from sse_conformance.session import PINGS_TO_SETTLE, Id, Session, open_session
from sse_conformance.verdict import Level, scenario

_RESPONSES: Final = "messages, Responses"
_CANCELLATION: Final = "utilities/cancellation"
_UNKNOWN_METHOD: Final = "conformance/no-such-method"
_QUIET_S: Final = 0.3
_IDS: Final[tuple[Id, ...]] = (7_001, "7002", "a-b_c.d", 0, 9_007_199_254_740_991, "ü — 七")


@scenario(Level.MUST, _RESPONSES)
async def answers_have_the_id_of_their_request(client: Client) -> None:
    """Strings stay strings and integers stay integers."""
    session = await open_session(client)
    for one in _IDS:
        await session.send({"jsonrpc": "2.0", "id": one, "method": "ping"})
        await session.respond(one, f"a ping with the id {one!r}")


@scenario(Level.MUST, _RESPONSES)
async def an_answer_is_a_result_or_an_error(client: Client) -> None:
    """Every message is JSON-RPC 2.0, and every answer has a result or an error, never both."""
    session = await open_session(client)
    for method in ("ping", "tools/list", _UNKNOWN_METHOD):
        await session.request(method)
    for one in session.stream.messages:
        if one.value.get("jsonrpc") != "2.0":
            raise NotConformingError("A message does not say that it is JSON-RPC 2.0.")
        if "method" not in one.value and ("result" in one.value) == ("error" in one.value):
            raise NotConformingError("An answer has both a result and an error, or neither.")


@scenario(Level.MUST, _RESPONSES)
async def error_codes_are_integers(client: Client) -> None:
    """An error has an integer code and a message."""
    error = await _error(await open_session(client))
    if type(error.get("code")) is not int:
        raise NotConformingError(f"The code of an error is {error.get('code')!r}, no integer.")
    if not isinstance(error.get("message"), str):
        raise NotConformingError("An error has no message.")


@scenario(Level.MUST, "messages: JSON-RPC 2.0, section 5.1")
async def unknown_method(client: Client) -> None:
    """An unknown method is answered with error -32601."""
    error = await _error(await open_session(client))
    if error.get("code") != METHOD_NOT_FOUND:
        raise NotConformingError(f"An unknown method was answered with error {error.get('code')!r}, not -32601.")


async def _error(session: Session) -> dict[str, Any]:
    error = (await session.request(_UNKNOWN_METHOD)).get("error")
    if not isinstance(error, dict):
        raise NotConformingError("An unknown method was not answered with an error.")
    return error


@scenario(Level.MUST, "messages, Notifications")
async def notifications_have_no_answer(client: Client) -> None:
    """An unknown notification is not answered, and disturbs nothing."""
    session = await open_session(client)
    await session.settle()
    seen = len(session.stream.messages)
    await session.notify("notifications/conformance/no-such-notification", {"a": 1})
    await session.settle()
    if sum("method" not in one.value for one in session.stream.messages[seen:]) > PINGS_TO_SETTLE:
        raise NotConformingError("A notification was answered.")


@scenario(Level.MUST, f"{_CANCELLATION}, Timing Considerations")
async def a_late_cancellation_disturbs_nothing(client: Client) -> None:
    """A cancellation that comes after the answer is taken, brings no further answer, and the session goes on."""
    session = await open_session(client)
    ping = session.next_request("ping")
    await session.send(ping)
    await session.respond(ping["id"], "ping")
    await session.notify("notifications/cancelled", {"requestId": ping["id"], "reason": "too late"})
    await session.settle()
    if len(session.responses(ping["id"])) > 1:
        raise NotConformingError("A cancellation that came too late brought a second answer.")


@scenario(Level.SHOULD, f"{_CANCELLATION}, Error Handling")
async def invalid_cancellations_are_ignored(client: Client) -> None:
    """Cancellations of unknown requests, and malformed ones, bring no error and end nothing."""
    session = await open_session(client)
    seen = len(session.stream.messages)
    await session.notify("notifications/cancelled", {"requestId": "no-such-request"})
    malformed: tuple[dict[str, Any], ...] = ({}, {"requestId": {"no": "id"}})
    for params in malformed:  # whether a POST of these is accepted, the text leaves open
        await session.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    await session.settle()
    if any(error_code(one.value) is not None for one in session.stream.messages[seen:]):
        raise NotConformingError("An invalid cancellation was answered with an error.")


@scenario(Level.PROMISE, f"S1; {_CANCELLATION} (SHOULD)")
async def a_cancelled_request_has_no_answer(client: Client) -> None:
    """A request that is cancelled while it runs is not answered."""
    session = await open_session(client)
    request = await start_listening(session)
    await session.notify("notifications/cancelled", {"requestId": request["id"]})
    await session.settle()
    await asyncio.sleep(_QUIET_S)  # that something does not come has no event to wait for
    if session.responses(request["id"]):
        raise NotConformingError("A cancelled request was answered.")
