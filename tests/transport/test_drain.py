"""S6 on one instance: streams stay open until their calls have responses."""

import asyncio

from tests.kills import kills
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.serving import bench
from tests.transport.sse_client import sse_session

ME, YOU = {"x-api-key": "key-me"}, {"x-api-key": "key-you"}


@kills("transport/dispatch/dispatcher.py", "with anyio.move_on_after(grace_s):", "with anyio.move_on_after(0):")
async def test_a_drain_lets_calls_finish_and_then_ends_their_streams() -> None:
    async with bench() as at, sse_session(at.url, ME) as busy, sse_session(at.url, YOU) as idle:
        await busy.post(call(7, "write", gate="g"))
        await at.gates.reached["g"].wait()
        drain = asyncio.create_task(at.transport.drain())
        await idle.until(idle.ended.is_set)
        refused = await idle.http.get("/sse", headers=ME)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert not busy.ended.is_set()
        at.gates.open["g"].set()
        await busy.until(busy.ended.is_set)
        await drain
        assert busy.responses(7)[0]["result"]["content"][0]["text"] == "g"


@kills(
    "transport/dispatch/dispatcher.py",
    "return jsonrpc.interrupted(call.request.id, writes=call.attempt.writes)",
    "return None",
)
@kills(
    "transport/dispatch/sdk_kernel.py", 'if request.method != "tools/call":\n            return False', "return False"
)
async def test_a_drain_answers_what_cannot_finish() -> None:
    async with bench(drain_s=0.1) as at, sse_session(at.url, ME) as client:
        await client.post(call("w", "write", gate="w"))
        await client.post(call("r", "read", gate="r"))
        await at.gates.reached["w"].wait()
        await at.gates.reached["r"].wait()
        await at.transport.drain()
        await client.until(client.ended.is_set)
        kinds = {name: client.responses(name)[0]["error"]["data"]["kind"] for name in ("w", "r")}
        assert kinds == {"w": "outcome_unknown", "r": "interrupted"}


async def test_during_a_drain_only_sessions_with_calls_in_flight_may_send() -> None:
    async with bench() as at, sse_session(at.url, ME) as busy, sse_session(at.url, YOU) as idle:
        await busy.post(call("w", "write", gate="w"))
        await at.gates.reached["w"].wait()
        drain = asyncio.create_task(at.transport.drain())
        await idle.until(idle.ended.is_set)
        refused = await idle.post(call("late", "write", gate="late"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"]["data"]["kind"] == "draining"
        assert (await busy.call("echo", text="still served"))["isError"] is False
        at.gates.open["w"].set()
        await drain
        await busy.until(busy.ended.is_set)
        assert busy.responses("w")
        assert at.gates.ran["late"] == 0
