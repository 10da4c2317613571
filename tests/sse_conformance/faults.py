"""The parts of faults; cases.py has the table of faults."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import Scope

from tests.sse_conformance.broken_server import Fault, Json


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, the scenario that finds it, and a part of the reason that the scenario gives."""

    scenario: str
    reason: str
    fault: Fault


# ---- small parts from which faults are composed


def replaced(old: bytes, new: bytes) -> Fault:
    """Replace `old` by `new` in every event."""
    return Fault(event=lambda _, event: event.replace(old, new))


def on_endpoint(change: Callable[[bytes], bytes]) -> Fault:
    """Change the `endpoint` event."""
    return Fault(event=lambda _, event: change(event) if event.startswith(b"event: endpoint") else event)


def header(method: str, name: str, value: str | None) -> Fault:
    """Remove a header from requests with that method, or replace its value."""

    async def before(scope: Scope) -> None:
        headers = MutableHeaders(scope=scope)
        if scope["method"] == method:
            del headers[name]
            if value is not None:
                headers[name] = value

    return Fault(before=before)


def status(wrong: dict[int, int], says: bytes | None = None) -> Fault:
    """Change the status of responses, and the body of refusals if given."""
    return Fault(
        refused=lambda status, _, body: (wrong.get(status, status), body if says is None or status < 400 else says)
    )


def result(change: Callable[[Json], Json]) -> Fault:
    """Change every result."""
    return responses(lambda one: [{**one, "result": change(one["result"])} if "result" in one else one])


def responses(change: Callable[[Json], list[Json]]) -> Fault:
    """Change every response."""
    return Fault(said=lambda message: [message] if "method" in message else change(message))


def asked(method: str, change: Callable[[Json], Json]) -> Fault:
    """Change messages with that method before they are served."""
    return Fault(asked=lambda sent: change(sent) if isinstance(sent, dict) and sent.get("method") == method else sent)


def without(name: str) -> Callable[[Json], Json]:
    """Return a function that removes one member."""
    return lambda value: {key: one for key, one in value.items() if key != name}


def renamed(method: str) -> Callable[[Json], Json]:
    """Return a function that changes the method of a message."""
    return lambda message: {**message, "method": method}


def error(**members: Any) -> Fault:
    """Replace members of errors."""
    return responses(lambda one: [{**one, "error": {**one["error"], **members}} if "error" in one else one])


# ---- faults with state


def agrees_to_anything() -> Fault:
    revision: list[str] = []

    def remember(sent: Any) -> Any:
        if sent.get("method") == "initialize":
            revision.append(sent["params"]["protocolVersion"])
        return sent

    agreed = result(lambda one: {**one, "protocolVersion": revision[-1]} if "serverInfo" in one else one)
    return Fault(asked=remember, said=agreed.said)


def with_another_revision(wanted: str, given: str) -> Fault:
    def change(sent: Json) -> Json:
        params = sent["params"]
        return {**sent, "params": {**params, "protocolVersion": given}} if params["protocolVersion"] == wanted else sent

    return asked("initialize", change)


def answered_twice_in_the_end() -> Fault:
    """The fourth response with one id comes twice."""
    seen: Counter[Any] = Counter()

    def change(one: Json) -> list[Json]:
        seen[one["id"]] += 1
        return [one, one] if seen[one["id"]] == 4 else [one]

    return responses(change)


def answers_what_is_refused() -> Fault:
    """A request that is refused is answered all the same, with the next message on the stream."""
    waiting: list[Any] = []

    def ask(sent: Any) -> Any:
        if isinstance(sent, dict) and sent.get("method") == "tools/list":
            waiting.append(sent["id"])
        return sent

    def said(message: Json) -> list[Json]:
        return [message, *({"jsonrpc": "2.0", "id": waiting.pop(), "result": {}} for _ in list(waiting))]

    return Fault(asked=ask, said=said)


def answered_once() -> Fault:
    """Drop a second response to the same id."""
    seen: set[Any] = set()

    def change(one: Json) -> list[Json]:
        if one["id"] in seen:
            return []
        seen.add(one["id"])
        return [one]

    return responses(change)


def another_id_each_time() -> Fault:
    count = itertools.count(900)
    return asked("subscriptions/listen", lambda sent: {**sent, "id": next(count)})


def answers_what_was_cancelled() -> Fault:
    cancelled: list[Any] = []

    def change(sent: Json) -> Json:
        cancelled.append(sent["params"]["requestId"])
        return sent

    def said(message: Json) -> list[Json]:
        late = [{"jsonrpc": "2.0", "id": cancelled.pop(), "result": {}}] if cancelled else []
        return [message, *late]

    return Fault(asked=asked("notifications/cancelled", change).asked, said=said)


def one_client_at_a_time() -> Fault:
    """Let POSTs of all sessions but a run's first wait forever, once the first has sent many."""
    posts: list[bytes] = []

    async def before(scope: Scope) -> None:
        if scope["method"] == "POST":
            posts.append(scope["query_string"])
            if len(posts) > 20 and scope["query_string"] != posts[0]:
                await asyncio.Event().wait()

    return Fault(before=before)


def no_initialize_after_coming_again() -> Fault:
    return asked("initialize", lambda sent: sent if sent["id"] == 1 else renamed("no-such-method")(sent))


def first_404_differs() -> Fault:
    seen: list[int] = []

    def refused(status: int, headers: MutableHeaders, body: bytes) -> tuple[int, bytes]:
        if status == 404 and not seen:
            seen.append(status)
            return 404, body + b" "
        return status, body

    return Fault(refused=refused)


async def everybody_is_alice(scope: Scope) -> None:
    MutableHeaders(scope=scope)["x-api-key"] = "key-alice"


async def refuse_what_it_never_issued(scope: Scope) -> int | None:
    return 404 if (b"last-event-id", b"no-such-event") in scope["headers"] else None


def last_event_id(change: Callable[[int], int]) -> Fault:
    """Assume that a reconnecting client has read up to another event."""

    async def before(scope: Scope) -> None:
        headers = MutableHeaders(scope=scope)
        if seen := headers.get("last-event-id"):
            session, _, number = seen.rpartition(":")
            headers["last-event-id"] = f"{session}:{change(int(number))}"

    return Fault(before=before)


def size_is_only_declared() -> Fault:
    def refused(status: int, _: MutableHeaders, body: bytes) -> tuple[int, bytes]:
        return (202 if next(count) else 413, body) if status == 413 else (status, body)

    count = itertools.count()
    return Fault(refused=refused)


def no_allow(status: int, headers: MutableHeaders, body: bytes) -> tuple[int, bytes]:
    del headers["allow"]
    return status, body


def ping_or_nothing(scope: Scope, event: bytes) -> bytes:
    """Send a reconnecting client a ping, and never an endpoint."""
    if b"mcp-protocol-version" in dict(scope["headers"]) and b"event: endpoint" in event:
        return b'event: message\ndata: {"jsonrpc":"2.0","id":"p","method":"ping"}\n\n'
    return event


def ping_again(cancelled: Json) -> Json:
    return {"jsonrpc": "2.0", "id": cancelled["params"]["requestId"], "method": "ping"}


def lose_pongs(sent: Any) -> Any:
    return {**sent, "id": "of-no-request"} if "result" in sent else sent


def pongs_are_refused() -> Fault:
    pongs: list[Any] = []

    def asked(sent: Any) -> Any:
        pongs.extend([sent] if "result" in sent else [])
        return sent

    return Fault(asked=asked, refused=lambda status, _, body: (400, body) if pongs else (status, body))


def as_html(headers: MutableHeaders) -> None:
    headers["content-type"] = "text/html"
