"""What 2024-11-05 asks about notifications, which are not answered, and about cancellation, which is one.

Source: modelcontextprotocol.io/specification/2024-11-05/basic/messages and …/basic/utilities/cancellation
"""

import asyncio
import json
from types import MappingProxyType
from typing import Any, Final

from sse_conformance.client import Client, NotConformingError
from sse_conformance.scenarios.expect import error_code, start_listening
from sse_conformance.session import Session, open_session
from sse_conformance.verdict import Level, scenario

_CANCELLATION: Final = "utilities/cancellation"
_QUIET_S: Final = 0.3
_NOTIFICATIONS: Final = MappingProxyType(
    {
        "notifications/initialized": {},
        "notifications/cancelled": {"requestId": "no-such-request"},
        "notifications/progress": {"progressToken": "no-such-token", "progress": 1},
        "notifications/roots/list_changed": {},
        "notifications/conformance/no-such-notification": {"a": 1},
    }
)
"""In the order in which they are sent, with their parameters."""


@scenario(Level.MUST, "messages, Notifications")
async def notifications_have_no_answer(client: Client) -> None:
    """Notifications do not expect a response: known or unknown, none is answered, and none disturbs anything."""
    session = await open_session(client, None)
    await session.initialize()
    for method, params in _NOTIFICATIONS.items():
        reply = await session.post({"jsonrpc": "2.0", "method": method, "params": params})
        if not 200 <= reply.status < 300:
            raise NotConformingError(f"The notification {method} was refused with {reply.status}.")
        if _is_response(reply.body):
            raise NotConformingError(f"The notification {method} was answered in the body of its POST.")
        await session.settle()
        _expect_nothing_unasked(session, method)
    await asyncio.sleep(_QUIET_S)  # that something does not come has no event to wait for
    _expect_nothing_unasked(session, "that was sent some time ago")


def _expect_nothing_unasked(session: Session, notification: str) -> None:
    if found := session.unasked():
        answer = json.dumps(found[0].value)
        raise NotConformingError(f"The notification {notification} was answered: {answer[:80]}")


def _is_response(body: bytes) -> bool:
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and "jsonrpc" in value and not {"result", "error"}.isdisjoint(value)


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
