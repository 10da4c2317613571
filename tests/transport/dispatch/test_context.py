"""Questions of the server to a client: who may answer, and what happens when no client does."""

import asyncio
import json
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.message import ServerMessageMetadata

from shared.identity import Principal
from transport.dispatch.client_requests import ClientRequests
from transport.dispatch.context import Address, Caller, DispatchContext, SessionOutbound
from transport.sessions.broker import InstanceMessage, StreamReader
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import SessionRecord, new_session_id

ME = ("default", "me")


def response(session: str, request: Any, result: dict[str, Any] | None = None) -> InstanceMessage:
    return InstanceMessage("answered", session, ME, request, {"result": result or {}})


def progress(session: str, params: dict[str, Any]) -> InstanceMessage:
    return InstanceMessage("progressed", session, ME, params["progressToken"], params)


async def a_channel() -> tuple[ClientRequests, str, StreamReader]:
    broker = InMemoryBroker()
    session = SessionRecord(id=new_session_id(), owner=ME, wire="sse")
    await broker.open(session)
    stream = await broker.attach(session.id)
    assert stream is not None
    return ClientRequests(broker), session.id, stream


async def sent(stream: StreamReader) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        return [json.loads(event.text()) for event in await stream.events()]


async def test_a_question_no_one_answers_ends_and_is_withdrawn() -> None:
    channel, session, stream = await a_channel()
    with pytest.raises(MCPError, match="did not answer ping in time"):
        await channel.send_request(Address(session), "ping", None, {"timeout": 0.01})
    asked, withdrawn = await sent(stream)
    assert withdrawn["params"]["requestId"] == asked["id"]


async def test_a_question_that_must_not_be_withdrawn_is_not() -> None:
    channel, session, stream = await a_channel()
    with pytest.raises(MCPError):
        await channel.send_request(Address(session), "ping", None, {"timeout": 0.01, "cancel_on_abandon": False})
    assert len(await sent(stream)) == 1


async def test_two_instances_never_ask_under_the_same_id() -> None:
    ids = set()
    for _ in range(2):
        channel, session, stream = await a_channel()
        question = asyncio.create_task(channel.send_request(Address(session), "ping", None, None))
        (asked,) = await sent(stream)
        ids.add(asked["id"])
        await channel.on_message(response(session, asked["id"], {"ok": True}))
        assert await question == {"ok": True}
    assert len(ids) == 2


async def test_a_session_that_ends_fails_the_question() -> None:
    channel, session, stream = await a_channel()
    question = asyncio.create_task(channel.send_request(Address(session), "ping", None, None))
    await sent(stream)
    channel.close(session)
    with pytest.raises(MCPError, match="Connection closed"):
        await question


async def test_late_forged_and_anonymous_answers_find_no_one() -> None:
    channel, session, _ = await a_channel()
    for request_id in ("1:1", None, 5):
        await channel.forward(response(session, request_id))
        await channel.on_message(response(session, request_id))


async def test_progress_reaches_whoever_asked_for_it_and_no_one_else() -> None:
    channel, session, stream = await a_channel()
    reported: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reported.append((progress, total, message))
        if progress == 3:
            raise RuntimeError("a faulty callback")

    question = asyncio.create_task(
        channel.send_request(Address(session), "ping", {"_meta": {"a": 1}}, {"on_progress": on_progress})
    )
    (asked,) = await sent(stream)
    token = asked["params"]["_meta"]["progressToken"]
    assert asked["params"]["_meta"]["a"] == 1
    await channel.forward(progress(session, {"progressToken": token, "progress": 1, "total": 3, "message": "one"}))
    await channel.forward(progress(session, {"progressToken": token, "progress": 2, "total": "x", "message": 5}))
    await channel.forward(progress(session, {"progressToken": token, "progress": "x"}))
    await channel.forward(progress("another session", {"progressToken": token, "progress": 9}))
    await channel.forward(progress(session, {"progressToken": 5, "progress": 9}))
    await channel.forward(progress(session, {"progressToken": token, "progress": 3}))
    await channel.forward(response(session, asked["id"]))
    await question
    assert reported == [(1, 3, "one"), (2, None, None), (3, None, None)]


async def test_an_exchange_that_is_over_says_nothing_more() -> None:
    channel, session, stream = await a_channel()
    metadata = ServerMessageMetadata(request_context=Caller(Principal("someone"), {}))
    context = DispatchContext(channel, Address(session), "sse", metadata, can_ask=True)
    await context.notify("notifications/x", None)
    context.closed = True
    await context.notify("notifications/late", None)
    with pytest.raises(NoBackChannelError):
        await context.send_raw_request("ping", None)
    assert [one["method"] for one in await sent(stream)] == ["notifications/x"]


async def test_an_session_outbound_speaks_outside_of_any_request() -> None:
    channel, session, stream = await a_channel()
    outbound = SessionOutbound(channel, Address(session))
    await outbound.notify("notifications/tools/list_changed", None)
    question = asyncio.create_task(outbound.send_raw_request("ping", None))
    note, asked = await sent(stream) + await sent(stream)
    await channel.forward(response(session, asked["id"]))
    await question
    assert note["method"] == "notifications/tools/list_changed"


async def test_a_client_is_recognised_by_the_session_at_which_it_answers_and_by_no_other_principals() -> None:
    channel, session, _ = await a_channel()
    pinged: list[dict[str, Any]] = []

    async def write(message: bytes) -> None:
        pinged.append(json.loads(message))
        await channel.forward(
            InstanceMessage("answered", "foreign", ("default", "you"), pinged[0]["id"], {"result": {}})
        )
        await channel.forward(response(session, pinged[0]["id"]))

    assert await channel.recognise(ME, write) == session
    assert pinged[0]["method"] == "ping"
