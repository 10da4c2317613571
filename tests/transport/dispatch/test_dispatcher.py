"""What a call may do while it runs, seen by a client over the SSE wire: ask back, report, be cancelled, fail."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from mcp_types import RequestId

from tests.kills import kills
from tests.transport.serving import Bench, bench
from tests.transport.sse_client import SseClient, initialize_params, sse_session
from transport.sessions.memory import InMemoryBroker

pytestmark = pytest.mark.usefixtures("any_broker")

ME = {"x-api-key": "key-me"}
YOU = {"x-api-key": "key-you"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def call(request_id: Any, tool: str, meta: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if meta is not None:
        params["_meta"] = meta
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def cancelled(request_id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}


async def with_elicitation(client: SseClient) -> None:
    params = initialize_params() | {"capabilities": {"elicitation": {}}}
    await client.request("initialize", params)
    await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"})


async def question(client: SseClient) -> dict[str, Any]:
    await client.until(lambda: any(one.get("method") == "elicitation/create" for one in client.received))
    return next(one for one in client.received if one.get("method") == "elicitation/create")


async def test_a_tool_asks_the_client_and_gets_its_answer() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        await with_elicitation(client)
        await client.post(call("a", "ask"))
        asked = await question(client)
        accepted = {"action": "accept", "content": {"colour": "blue"}}
        await client.post({"jsonrpc": "2.0", "id": asked["id"], "result": accepted})
        response = await client.response("a")
        assert '"blue"' in response["result"]["content"][0]["text"]


async def test_the_clients_error_reaches_the_tool() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        await with_elicitation(client)
        await client.post(call("a", "ask"))
        asked = await question(client)
        await client.post({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -1, "message": "no"}})
        response = await client.response("a")
        assert "error" in response or response["result"]["isError"]


@kills(
    "transport/dispatch/client_requests.py",
    "message.session == self.session if self.session is not None",
    "True if True",
)
async def test_another_session_cannot_answer_for_this_one() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client, sse_session(at.url, YOU) as other:
        await with_elicitation(client)
        await client.post(call("a", "ask"))
        asked = await question(client)
        forged = {"action": "accept", "content": {"colour": "forged"}}
        await other.post({"jsonrpc": "2.0", "id": asked["id"], "result": forged})
        genuine = {"action": "accept", "content": {"colour": "genuine"}}
        await client.post({"jsonrpc": "2.0", "id": asked["id"], "result": genuine})
        response = await client.response("a")
        assert "genuine" in response["result"]["content"][0]["text"]


async def test_a_question_is_withdrawn_when_its_call_is_cancelled() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        await with_elicitation(client)
        await client.post(call("a", "ask"))
        asked = await question(client)
        await client.post(cancelled("a"))
        await client.until(lambda: any(one.get("method") == "notifications/cancelled" for one in client.received))
        withdrawn = next(one for one in client.received if one.get("method") == "notifications/cancelled")
        assert withdrawn["params"]["requestId"] == asked["id"]


async def test_progress_arrives_in_order_when_it_was_asked_for() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.post(call("a", "report", {"progressToken": "p"}, steps=3))
        await client.response("a")
        reported = [one["params"] for one in client.received if one.get("method") == "notifications/progress"]
        assert [(one["progressToken"], one["progress"]) for one in reported] == [("p", 0), ("p", 1), ("p", 2)]


async def test_no_progress_is_sent_unasked() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.call("report", steps=3)
        assert not [one for one in client.received if "method" in one]


@pytest.mark.parametrize(("sent", "named"), [(7, 7), ("x", "x"), (7, "7")])
async def test_a_cancelled_call_ends_and_stays_unanswered(sent: Any, named: Any) -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.post(call(sent, "write", gate="g"))
        await at.gates.reached["g"].wait()
        await client.post(cancelled(named))
        await at.gates.cancelled["g"].wait()
        await client.call("echo", text="later")
        assert not client.responses(sent)


@pytest.mark.parametrize("request_id", ["unknown", None, {}, True])
async def test_cancelling_what_does_not_run_does_nothing(request_id: Any) -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        assert (await client.post(cancelled(request_id))).status_code == 202
        assert (await client.call("echo", text="x"))["isError"] is False


async def test_a_cancellation_of_what_can_be_no_request_is_not_looked_up() -> None:
    class Observed(InMemoryBroker):
        async def running(self, session: str, request: RequestId) -> Sequence[str]:
            looked_up.append(request)
            return await super().running(session, request)

    looked_up: list[RequestId] = []
    async with bench(broker=Observed()) as at, sse_session(at.url, ME) as client:
        await client.post(cancelled("x" * 201))
        await client.post(cancelled("unknown"))
        await client.call("echo", text="x")
        assert looked_up == ["unknown"]


async def test_one_session_cannot_cancel_anothers_call() -> None:
    async with bench() as at, sse_session(at.url, ME) as mine, sse_session(at.url, YOU) as yours:
        await mine.post(call(7, "write", gate="g"))
        await at.gates.reached["g"].wait()
        await yours.post(cancelled(7))
        await yours.call("echo", text="x")
        at.gates.open["g"].set()
        assert (await mine.response(7))["result"]["isError"] is False


async def test_a_session_with_too_many_running_calls_is_told_so_per_call() -> None:
    async with bench(max_running_calls=2) as at, sse_session(at.url, ME) as client:
        for name in ("a", "b"):
            await client.post(call(name, "write", gate="g"))
        await client.post(call("c", "write", gate="g"))
        response = await client.response("c")
        assert response["error"]["data"] == {"kind": "busy"}
        at.gates.open["g"].set()
        await asyncio.gather(client.response("a"), client.response("b"))
        assert at.gates.ran["g"] == 2


async def test_an_oversized_initialize_is_refused() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        padded = initialize_params() | {"padding": "x" * 20_000}
        response = await client.request("initialize", padded)
        assert response["error"]["code"] == -32602


async def test_a_failed_initialize_leaves_the_session_as_it_was() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        assert "error" in await client.request("initialize", {"protocolVersion": 5})
        assert (await client.call("echo", text="x"))["isError"] is False


async def test_a_client_that_opens_with_discover_is_served_without_a_handshake() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        found = await client.request("server/discover", {"_meta": ENVELOPE})
        assert found["result"]["supportedVersions"] == ["2026-07-28"]
        await client.post(call("a", "echo", ENVELOPE, text="modern"))
        assert (await client.response("a"))["result"]["content"][0]["text"] == "modern"


async def test_a_subscription_ends_with_its_result_when_the_server_drains() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        listen = {"notifications": {"toolsListChanged": True}, "_meta": ENVELOPE}
        await client.post({"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": listen})
        await client.until(lambda: any("acknowledged" in one.get("method", "") for one in client.received))
        await at.transport.drain()
        assert "result" in await client.response("l")


@kills("transport/dispatch/sdk_kernel.py", 'message="Internal server error")', "message=str(exc))")
async def test_a_crash_in_a_handler_shows_nothing_of_itself_and_is_counted() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        response = await client.request("prompts/get", {"name": "broken"})
        assert response["error"] == {"code": -32603, "message": "Internal server error"}
        assert at.counter.total("mcp_requests", method="prompts/get", outcome="-32603") == 1
        assert at.counter.total("mcp_requests", method="initialize", outcome="ok") == 1


async def test_methods_no_one_knows_are_counted_under_one_label() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.request("made/up")
        assert at.counter.total("mcp_requests", method="other") == 1


async def progress_for(client: SseClient, token: str) -> None:
    await client.post(
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}}
    )


async def test_progress_for_no_one_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await progress_for(client, "no-such-session")
        await served(at, client)


async def served(at: Bench, client: SseClient) -> None:
    assert (await client.call("echo", text="x"))["isError"] is False
    assert at.gates.ran["echo"] >= 1


@kills("transport/dispatch/dispatcher.py", "call.context.cancel()", "pass")
async def test_a_cancelled_call_is_silent_even_when_its_handler_ignores_the_cancellation() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.post(call("s", "stubborn", gate="g"))
        await at.gates.reached["g"].wait()
        await client.post(cancelled("s"))
        await at.gates.cancelled["g"].wait()
        await client.call("echo", text="later")
        assert not client.responses("s")
