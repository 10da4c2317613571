"""The same message scripts through the SDK's own loop and through our dispatcher: the alarm at each SDK upgrade.

Only these differences are intended: a crash of a handler is -32603 without its text here (code 0 with the text in the
SDK), one session may mix the two eras here (the SDK locks a connection to the first one), and "Invalid request
parameters" has the reason here.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from shared.counting import BoundedLabels
from shared.identity import Principal
from tests.kills import kills
from tests.transport.gated_server import gated_server
from tests.transport.sse_client import initialize_params
from transport import sse
from transport.dispatch.client_requests import ClientRequests
from transport.dispatch.context import Caller
from transport.dispatch.dispatcher import Dispatcher, RunningCalls
from transport.dispatch.inbox import Inbox
from transport.dispatch.policy import AccessPolicy
from transport.dispatch.sdk_kernel import SDKKernel, lowlevel
from transport.dispatch.usage import Usage
from transport.jsonrpc import parse
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits, SessionRecord, new_session_id

Message = dict[str, Any]
Ask = Callable[[Message], Awaitable[Message | None]]

REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "1999-01-01"]
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def ask(method: str, params: Any = None, request_id: Any = 1) -> Message:
    message = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return message if params is None else message | {"params": params}


def note(method: str, params: Any = None) -> Message:
    return {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}


REQUESTS: list[Message] = [
    ask("ping"),
    ask("tools/list"),
    ask("tools/list", {"cursor": "nonsense"}),
    ask("tools/list", {"cursor": 5}),
    ask("tools/call", {"name": "echo", "arguments": {"text": "hello"}}),
    ask("tools/call", {"name": "echo", "arguments": {"text": 5}}),
    ask("tools/call", {"name": "echo", "arguments": {}}),
    ask("tools/call", {"name": "echo"}),
    ask("tools/call", {"name": "nothing", "arguments": {}}),
    ask("tools/call", {"arguments": {}}),
    ask("tools/call"),
    ask("prompts/list"),
    ask("prompts/get", {"name": 5}),
    ask("resources/list"),
    ask("resources/templates/list"),
    ask("resources/read", {"uri": "test://nothing"}),
    ask("resources/read", {}),
    ask("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"}}),
    ask("logging/setLevel", {"level": "info"}),
    ask("resources/subscribe", {"uri": "test://x"}),
    ask("no/such/method"),
    ask("server/discover"),
    ask("ping", request_id="text id"),
    ask("ping", {"_meta": {"progressToken": "p"}}),
]


@asynccontextmanager
async def sdk_loop() -> AsyncGenerator[Ask]:
    """Use the SDK's own dual-era loop."""
    server = lowlevel(gated_server()[0])
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](10)
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage](10)

    async def say(message: Message) -> Message | None:
        await to_server.send(SessionMessage(jsonrpc_message_adapter.validate_python(message)))
        if "id" not in message:
            return None
        while True:
            response = (await from_server.receive()).message
            said: Message = response.model_dump(by_alias=True, mode="json", exclude_unset=True)
            if "method" not in said:
                return said

    async with server.lifespan(server) as state, anyio.create_task_group() as tasks:

        async def loop() -> None:
            await serve_dual_era_loop(server, from_client, to_client, lifespan_state=state)

        tasks.start_soon(loop)
        try:
            with anyio.fail_after(20):
                yield say
        finally:
            tasks.cancel_scope.cancel()
    for stream in (to_server, from_client, to_client, from_server):
        stream.close()


def a_dispatcher(broker: InMemoryBroker, limits: Limits) -> tuple[SDKKernel, Inbox, Dispatcher]:
    channel, names = ClientRequests(broker), BoundedLabels(1)
    kernel = SDKKernel(gated_server()[0], channel, usage=Usage(), tenants=names, counter=None)
    running, policy = RunningCalls(), AccessPolicy()
    inbox = Inbox(kernel, broker, channel, calls=running, bus=None, counter=None)
    dispatcher = Dispatcher(kernel, broker, channel, inbox, policy=policy, running=running, limits=limits)
    return kernel, inbox, dispatcher


async def submit(dispatcher: Dispatcher, session: SessionRecord, message: Message) -> None:
    inbound, _ = parse(json.dumps(message).encode())
    submitted = await dispatcher.submit(session.id, inbound, Caller(Principal("me"), {}), sse.WIRE)
    if submitted.call is not None:
        await dispatcher.respond(submitted.call)


@asynccontextmanager
async def our_dispatcher(*, forgetful: bool) -> AsyncGenerator[Ask]:
    """Ask our dispatcher; a forgetful one has to rebuild its kernel from the session's record for every message."""
    limits = Limits()
    broker = InMemoryBroker(limits)
    kernel, inbox, dispatcher = a_dispatcher(broker, limits)
    session = SessionRecord(id=new_session_id(), owner=("default", "me"), wire="sse")
    await broker.open(session)
    stream = await broker.attach(session.id)
    assert stream is not None

    async def say(message: Message) -> Message | None:
        if forgetful:
            inbox.on_session_ended(session.id)
        await submit(dispatcher, session, message)
        if "id" not in message:
            return None
        while True:
            for event in await stream.events():
                said: Message = json.loads(event.text())
                if "method" not in said:
                    return said

    async with kernel.run(), inbox.run(), dispatcher.run():
        with anyio.fail_after(20):
            yield say


async def both(script: list[Message], *, forgetful: bool) -> tuple[list[Message | None], list[Message | None]]:
    """Return the responses of each to every message of `script`, with ids made unique."""
    numbered = [
        message | {"id": f"{n}-{message['id']}" if isinstance(message["id"], str) else n}
        if "id" in message
        else message
        for n, message in enumerate(script)
    ]
    async with sdk_loop() as sdk, our_dispatcher(forgetful=forgetful) as ours:
        return [await sdk(message) for message in numbered], [as_the_sdk(await ours(message)) for message in numbered]


def as_the_sdk(response: Message | None) -> Message | None:
    """Return a response of ours without what it says beyond the SDK's three words of invalid parameters."""
    text, colon, problems = ((response or {}).get("error") or {}).get("message", "").partition(": ")
    if response is None or not colon or text != "Invalid request parameters":
        return response
    assert problems
    return response | {"error": response["error"] | {"message": text}}


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_handshake_session_answers_as_the_sdks_own_loop(revision: str, forgetful: bool) -> None:
    opening = [ask("initialize", initialize_params(revision)), note("notifications/initialized")]
    sdk, ours = await both(opening + REQUESTS, forgetful=forgetful)
    assert ours == sdk


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: f"{message['method']}")
async def test_before_initialize_the_answers_are_the_sdks(message: Message) -> None:
    sdk, ours = await both([message], forgetful=False)
    assert ours == sdk


@pytest.mark.parametrize(
    "params", [None, {}, {"protocolVersion": 5}, initialize_params() | {"capabilities": 1}, {"clientInfo": {}}]
)
async def test_a_malformed_initialize_fails_as_in_the_sdk_and_can_be_repeated(params: Any) -> None:
    script = [ask("initialize", params), ask("initialize", initialize_params()), ask("ping")]
    sdk, ours = await both(script, forgetful=False)
    assert ours == sdk


async def test_initialized_alone_opens_the_gate_as_in_the_sdk() -> None:
    sdk, ours = await both([note("notifications/initialized"), ask("tools/list")], forgetful=True)
    assert ours == sdk


@pytest.mark.parametrize("forgetful", [False, True])
async def test_the_modern_era_answers_as_the_sdks_own_loop(forgetful: bool) -> None:
    script = [message | {"params": {**message.get("params", {}), "_meta": ENVELOPE}} for message in REQUESTS]
    sdk, ours = await both(script, forgetful=forgetful)
    assert ours == sdk


@pytest.mark.parametrize(
    "changed",
    [
        {"io.modelcontextprotocol/protocolVersion": "2027-01-01"},
        {"io.modelcontextprotocol/protocolVersion": 5},
        {"io.modelcontextprotocol/clientCapabilities": None},
        {"io.modelcontextprotocol/clientInfo": 5},
    ],
)
async def test_a_faulty_envelope_is_refused_as_in_the_sdk(changed: Message) -> None:
    opening = ask("tools/list", {"_meta": ENVELOPE})
    sdk, ours = await both([opening, ask("tools/list", {"_meta": ENVELOPE | changed})], forgetful=False)
    assert ours == sdk


async def test_a_crash_shows_nothing_of_itself_here() -> None:
    script = [ask("initialize", initialize_params()), ask("prompts/get", {"name": "broken"})]
    sdk, ours = await both(script, forgetful=False)
    assert "secret" not in json.dumps(ours)
    assert ours[1] is not None
    assert sdk[1] is not None
    assert ours[1]["error"] == {"code": -32603, "message": "Internal server error"}


async def test_a_probe_of_one_era_does_not_lock_the_session_to_it() -> None:
    script = [
        ask("server/discover", {"_meta": ENVELOPE}),
        ask("initialize", initialize_params()),
        ask("tools/list", {"_meta": ENVELOPE}),
        ask("tools/list"),
    ]
    _, ours = await both(script[:2], forgetful=False)
    async with our_dispatcher(forgetful=False) as say:
        responses = [await say(message | {"id": n}) for n, message in enumerate(script)]
    assert ours[0] is not None
    assert all(response is not None and "result" in response for response in responses)


async def test_a_session_rebuilt_from_its_record_still_knows_its_client() -> None:
    async with our_dispatcher(forgetful=True) as say:
        await say({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()})
        response = await say(ask("tools/call", {"name": "which_client", "arguments": {}}) | {"id": 2})
    assert response is not None
    assert response["result"]["content"][0]["text"] == initialize_params()["clientInfo"]["name"]


@kills(
    "transport/dispatch/dispatcher.py",
    "await self._running.end_of(call)\n\n    async def _finish",
    "pass\n\n    async def _finish",
)
async def test_initialize_has_taken_effect_when_its_post_returns() -> None:
    limits = Limits()
    broker = InMemoryBroker(limits)
    kernel, inbox, dispatcher = a_dispatcher(broker, limits)
    session = SessionRecord(id=new_session_id(), owner=("default", "me"), wire="sse")
    await broker.open(session)
    async with kernel.run(), inbox.run(), dispatcher.run():
        await submit(dispatcher, session, ask("initialize", initialize_params()))
        assert session.version == "2025-11-25"
