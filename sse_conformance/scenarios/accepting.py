"""S1 and the caps of S10: what a 202 means, what happens to a request that comes twice, and what is never lost."""

import asyncio
from typing import Final

from sse_conformance.client import Client, NotConformingError
from sse_conformance.scenarios.expect import (
    METHOD_NOT_FOUND,
    MODERN,
    acknowledged,
    error_code,
    expect_202,
    expect_refusal,
    harmless_request,
    list_method,
    start_listening,
)
from sse_conformance.session import REVISION, initialize_params, open_session
from sse_conformance.verdict import Level, NotApplicableError, scenario

_BATCHING: Final = "2025-03-26"
_TRIES: Final = 5


@scenario(Level.PROMISE, "S1")
async def accepted_means_one_answer(client: Client) -> None:
    """A request is answered 202 over HTTP, and exactly once on the stream."""
    session = await open_session(client)
    requests = [session.next_request(method) for method in ("ping", "tools/list", "conformance/no-such-method")]
    for request in requests:
        expect_202(await session.post(request), f"The POST of {request['method']}")
    for request in requests:
        await session.respond(request["id"], request["method"])
    await session.settle()
    for request in requests:
        if (count := len(session.responses(request["id"]))) != 1:
            raise NotConformingError(f"{request['method']} was answered {count} times.")


@scenario(Level.PROMISE, "S1")
async def a_repeat_is_answered_again(client: Client) -> None:
    """Once a request was answered its id is free: the same id is a new request, with the same body or another."""
    session = await open_session(client, None)
    request = await harmless_request(session)
    other = {**session.next_request("ping"), "id": request["id"]}
    for times, one in enumerate((request, request, other, request), start=1):
        expect_202(await session.post(one), f"Request number {times} with the same id")
        await session.stream.until(
            lambda times=times: len(session.responses(request["id"])) >= times,  # type: ignore[misc]  # bound at once
            f"response number {times} with the same id",
        )
    await session.settle()
    if (count := len(session.responses(request["id"]))) != 4:
        raise NotConformingError(f"Four requests with the same id, one after the other, got {count} responses.")


@scenario(Level.PROMISE, "S1")
async def a_repeat_while_it_runs_runs_once(client: Client) -> None:
    """The same request, sent again while it runs, is taken and does not run a second time."""
    session = await open_session(client)
    request = await start_listening(session)
    expect_202(await session.post(request), "A repeat of a request that runs")
    await session.settle()
    if acknowledged(session) > 1:
        raise NotConformingError("A request that was sent twice ran twice.")


@scenario(Level.PROMISE, "S1")
async def a_reused_id_is_refused(client: Client) -> None:
    """While a request runs, another body under its id is refused with 400, and no response is sent on the stream."""
    session = await open_session(client)
    request = await start_listening(session)
    reply = await session.post({**session.next_request("tools/list"), "id": request["id"]})
    await session.settle()
    expect_refusal(reply, "Another request with a running id", 400)
    if session.responses(request["id"]):
        raise NotConformingError("The refused request was answered on the stream, where it resolves the running one.")


@scenario(Level.PROMISE, "S1")
async def initialized_counts_before_its_202(client: Client) -> None:
    """Once `initialized` is accepted, a request sent at once is served."""
    for _ in range(_TRIES):  # a server that is late loses this race sooner or later
        session = await open_session(client, None)
        method = list_method(await session.initialize())
        await session.notify("notifications/initialized")
        if "error" in await session.request(method):
            raise NotConformingError(f"{method} was answered with an error right after initialized was accepted.")
        await session.close()


@scenario(Level.PROMISE, "S1")
async def a_batch_is_served_where_agreed(client: Client) -> None:
    """Where 2025-03-26 was negotiated, each request of a batch is answered."""
    session = await open_session(client, None)
    if (await session.handshake(_BATCHING)).get("protocolVersion") != _BATCHING:
        raise NotApplicableError("The server does not speak 2025-03-26, the only revision with batches.")
    batch = [session.next_request("ping") for _ in range(3)]
    expect_202(await session.post(batch), "A batch in 2025-03-26")
    for request in batch:
        await session.respond(request["id"], "a ping of a batch")


@scenario(Level.PROMISE, "S1")
async def a_batch_is_refused_elsewhere(client: Client) -> None:
    """In other revisions a batch is refused with 400."""
    for revision in (REVISION, "2025-06-18"):
        session = await open_session(client, revision)
        reply = await session.post([session.next_request("ping")])
        expect_refusal(reply, f"A batch in {revision}", 400)
        await session.close()


@scenario(Level.PROMISE, "S1; revisions on this wire")
async def a_probe_for_2026_07_28_is_answered(client: Client) -> None:
    """`server/discover` gets a result or error -32601, and `initialize` works after it."""
    session = await open_session(client, None)
    response = await session.request("server/discover", MODERN)
    if "error" in response and error_code(response) != METHOD_NOT_FOUND:
        raise NotConformingError(f"server/discover was answered with error {error_code(response)!r}, not -32601.")
    await session.send(request := session.next_request("initialize", initialize_params(REVISION)))
    if "error" in await session.respond(request["id"], "initialize after server/discover"):
        raise NotConformingError("initialize after server/discover was answered with an error.")


@scenario(Level.PROMISE, "S1, S10")
async def every_202_gets_a_response_without_a_reader(client: Client) -> None:
    """More answers than a log holds, waiting for a client that is away: each comes, or an error in its place."""
    session = await open_session(client, None)
    method = list_method(await session.handshake())
    await session.settle()
    last = session.stream.messages[-1].event.id
    if not last:
        raise NotConformingError("Events have no ids, so a client cannot come again for its answers.")
    await session.close()
    requests = [session.next_request(method) for _ in range(280)]
    for some in (requests[at : at + 8] for at in range(0, len(requests), 8)):
        for reply in await asyncio.gather(*(session.post(request) for request in some)):
            expect_202(reply, "A POST on a session whose client is away")
    await session.open({"last-event-id": last})
    for request in requests:
        await session.respond(request["id"], f"{method}, sent while the client was away,")
    if any(len(session.responses(request["id"])) > 1 for request in requests):
        raise NotConformingError("A request sent while the client was away was answered more than once.")


@scenario(Level.PROMISE, "S10")
async def a_stopped_reader_costs_no_other_session(client: Client) -> None:
    """While one client takes nothing, its POSTs are answered and another client is served."""
    stopped, other = [await open_session(client) for _ in range(2)]
    stopped.stream.may_read.clear()
    for _ in range(8):
        await asyncio.gather(*(stopped.post(stopped.next_request("tools/list")) for _ in range(8)))
    await other.settle()
