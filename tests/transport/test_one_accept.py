"""Clients that take JSON alone, or a stream alone (case C7): they get what they take, and lose nothing by it."""

import asyncio
import json
from typing import Any, Final

import httpx2
import pytest

from shared.identity import AuthenticationError, Principal
from shared.rate import Rate
from tests.transport.http_client import (
    ENVELOPE,
    HttpClient,
    HTTPResponse,
    call,
    cancelled,
    http_client,
    opening,
    text_of,
)
from tests.transport.serving import KeyPerPerson, bench, until
from tests.transport.test_streamable_http_stateless import LISTEN, modern, routing, tool
from transport.rate_limit import Rates

ME: Final = {"x-api-key": "key-me"}
JSON: Final = {"accept": "application/json"}
EVENTS: Final = {"accept": "text/event-stream"}
NEITHER: Final = ("text/html", "", "application/json;q=0, text/event-stream;q=0", "application/xml, text/plain")
PING: Final = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
NOTE: Final = {"jsonrpc": "2.0", "method": "notifications/initialized"}

any_broker = pytest.mark.usefixtures("any_broker")


def kind_of(response: HTTPResponse) -> tuple[int, str]:
    return response.status, response.headers.get("content-type", "").partition(";")[0]


# --------------------------------------------------------------------- JSON alone, in a session


@any_broker
@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_with_json_alone_a_whole_session_is_served_without_a_stream(version: str) -> None:
    async with bench() as at, http_client(at.url, ME | JSON, None) as client:
        opened = await client.post(opening(version))
        client.belong_to(opened.headers["mcp-session-id"], version)
        noted = await client.post(NOTE)
        called = await client.post(call(1, "echo", text="x"))
        again = await client.post(call(1, "echo", text="y"))
        unknown = await client.post({"jsonrpc": "2.0", "id": 2, "method": "no/such"})

        assert [kind_of(one) for one in (opened, called, again, unknown)] == [(200, "application/json")] * 4
        assert (noted.status, noted.body) == (202, b"")
        assert [text_of(one.received[0]) for one in (called, again)] == ["x", "y"]
        assert unknown.received[0]["error"]["code"] == -32601
        assert at.counter.total("streams_opened") == 0
        assert not at.transport.stats()["streams"]
        assert (await client.delete()).status == 204


@any_broker
async def test_a_batch_is_answered_with_an_array_of_all_responses() -> None:
    async with bench() as at, http_client(at.url, ME | JSON, "2025-03-26") as client:
        batch = [call(1, "echo", text="a"), NOTE, PING | {"id": "p"}, call(3, "report", {"progressToken": 1}, steps=2)]
        several = json.loads((await client.post(batch)).body)
        single = json.loads((await client.post([PING])).body)
        notes = await client.post([NOTE, NOTE])

    assert sorted(str(one["id"]) for one in several) == ["1", "3", "p"]
    assert all("result" in one for one in several)
    assert single == [{"jsonrpc": "2.0", "id": 1, "result": {}}]
    assert (notes.status, notes.body) == (202, b"")


@any_broker
async def test_the_responses_of_a_batch_together_are_bounded() -> None:
    async with bench() as at, http_client(at.url, ME | JSON, "2025-03-26") as client:
        answered = await client.post([call(n, "fill", size=150_000) for n in range(8)])
        alone = await client.post([call(9, "fill", size=450_000)])

    responses = json.loads(answered.body)
    kinds = [one.get("error", {}).get("data", {}).get("kind") for one in responses]
    assert {one["id"] for one in responses} == set(range(8))
    assert set(kinds) == {None, "result_lost"}
    assert len(answered.body) <= 1024 * 1024 + 8 * 1_000
    assert len(text_of(json.loads(alone.body)[0])) == 450_000


async def test_a_failed_initialize_is_an_error_and_leaves_no_session() -> None:
    failing = opening()
    failing["params"]["protocolVersion"] = 5
    async with bench() as at, http_client(at.url, ME | JSON, None) as client:
        failed = await client.post(failing)
        assert (kind_of(failed), failed.received[0]["error"]["code"]) == ((200, "application/json"), -32602)
        assert "mcp-session-id" not in failed.headers
        await until(lambda: not at.transport.stats()["sessions"])


@any_broker
async def test_what_comes_before_the_response_is_left_out_and_a_question_has_no_way_to_the_client() -> None:
    async with bench() as at, http_client(at.url, ME | JSON, elicitation={}) as client:
        reported = await client.post(call(1, "report", {"progressToken": "p"}, steps=3))
        asked = await client.post(call(2, "ask"))
        at.gates.open["g"].set()
        said = await client.post(call(3, "start_and_wait", {"progressToken": "q"}, gate="g"))
        closed = await client.post(call(4, "hang_up", gate="g"))

    assert [text_of(one.received[0]) for one in (reported, said, closed)] == ["done", "g", "g"]
    assert all(len(one.received) == 1 for one in (reported, asked, said, closed))
    assert "error" in asked.received[0], "there is no back channel, so nothing waits for an answer"


@any_broker
async def test_a_client_that_leaves_cancels_nothing_and_leaves_nothing_behind() -> None:
    async with bench() as at, http_client(at.url, ME | JSON) as client:
        left = asyncio.create_task(client.post(call(1, "write", gate="g")))
        await at.gates.reached["g"].wait()
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        await until(lambda: not at.transport.stats()["streams"])
        at.gates.open["g"].set()
        assert await client.call(2, "echo", text="still here") == "still here"
        assert not at.gates.cancelled["g"].is_set()
        assert at.gates.ran["g"] == 1


@any_broker
async def test_a_repeat_takes_the_response_over_and_the_first_one_is_told_so() -> None:
    async with bench() as at, http_client(at.url, ME | JSON) as client:
        for name, kind in (("write", "outcome_unknown"), ("read", "interrupted")):
            message = call(1, name, gate=name)
            first = asyncio.create_task(client.post(message))
            await at.gates.reached[name].wait()
            second = asyncio.create_task(client.post(message))
            told = await first
            at.gates.open[name].set()
            assert text_of((await second).received[0]) == name
            assert (told.status, told.received[0]["id"], told.kind) == (200, 1, kind)
            assert at.gates.ran[name] == 1


@any_broker
async def test_calls_that_do_not_end_by_themselves_are_answered_too() -> None:
    rates = Rates(*[Rate(1, 4)] * 4)
    async with bench(more={"rates": rates}, drain_s=0.1) as at, http_client(at.url, ME | JSON) as client:
        running = [asyncio.create_task(client.post(call(n, "write", gate=f"g{n}"))) for n in (1, 2)]
        await asyncio.gather(*(at.gates.reached[f"g{n}"].wait() for n in (1, 2)))
        await client.post(cancelled(1))
        assert (await running[0]).received[0]["error"]["code"] == -32800

        calls = [await client.post(call(n, "echo", text="x")) for n in range(8)]
        assert {kind_of(one) for one in calls} == {(200, "application/json")}
        assert calls[-1].received[0]["result"]["structuredContent"]["error"]["kind"] == "rate_limited"

        await at.transport.drain()
        assert (await running[1]).kind == "outcome_unknown"


@any_broker
async def test_the_end_of_the_session_and_the_longest_wait_are_told() -> None:
    async with bench() as at, http_client(at.url, ME | JSON) as client:
        running = asyncio.create_task(client.post(call(1, "write", gate="g")))
        await at.gates.reached["g"].wait()
        assert (await client.delete()).status == 204
        assert (await running).kind == "outcome_unknown"
    async with bench() as at, http_client(at.url, ME | JSON) as client:
        at.limit(stream_s=0.05)
        late = await client.post(call(1, "read", gate="g"))
        assert (late.kind, late.received[0]["id"]) == ("interrupted", 1)
        at.limit(stream_s=60.0)
        at.gates.open["g"].set()
        assert await client.call(1, "echo", text="x") == "x"


class Revocable(KeyPerPerson):
    """Its keys are valid until they are revoked."""

    def __init__(self) -> None:
        self.is_valid = True

    async def authenticate(self, request: Any) -> Principal:
        if not self.is_valid:
            raise AuthenticationError("revoked")
        return await super().authenticate(request)

    async def is_still_valid(self, principal: Principal) -> bool:
        return self.is_valid


@pytest.mark.parametrize("is_modern", [False, True])
async def test_a_revoked_credential_gets_401_and_no_response(is_modern: bool) -> None:
    provider = Revocable()
    more = {"auth_provider": provider, "recheck_s": 0.02}
    async with bench(more=more) as at, http_client(at.url, ME | JSON, None if is_modern else "2025-11-25") as client:
        message = tool("read", gate="g") if is_modern else call(1, "read", gate="g")
        running = asyncio.create_task(client.post(message, **(routing(message) if is_modern else {})))
        await at.gates.reached["g"].wait()
        provider.is_valid = False
        refused = await running
        assert (refused.status, refused.kind) == (401, "unauthenticated")
        assert bool(at.gates.cancelled["g"].is_set()) is is_modern


# --------------------------------------------------------------------- 2026-07-28, a stream alone, and neither


async def said(client: HttpClient, message: dict[str, Any], **headers: str) -> HTTPResponse:
    return await client.post(message, **(routing(message) | headers))


async def test_with_json_alone_a_request_of_2026_is_answered_with_json_however_long_it_takes() -> None:
    async with bench(heartbeat_s=0.01) as at, http_client(at.url, ME | JSON, None) as client:
        reported = await said(client, tool("report", ENVELOPE | {"progressToken": "p"}, steps=3))
        slow = asyncio.create_task(said(client, tool("read", gate="g")))
        await at.gates.reached["g"].wait()
        await asyncio.sleep(0.05)  # not synchronisation: longer than several heartbeats
        at.gates.open["g"].set()
        assert [kind_of(one) for one in (reported, await slow)] == [(200, "application/json")] * 2
        assert [text_of(one.received[0]) for one in (reported, await slow)] == ["done", "g"]

        listening = await said(client, LISTEN)
        assert (listening.status, listening.kind, listening.received[0]["id"]) == (406, "accept", "l")


async def test_with_a_stream_alone_a_response_is_a_stream_and_an_error_keeps_its_status() -> None:
    async with bench() as at, http_client(at.url, ME | EVENTS, None) as client:
        answered = await said(client, tool("echo", text="x"))
        failed = await said(client, modern("no/such"))
        opened = await client.post(opening())
        client.belong_to(opened.headers["mcp-session-id"])
        called = await client.post(call(1, "echo", text="y"))

    assert [kind_of(one) for one in (answered, opened, called)] == [(200, "text/event-stream")] * 3
    assert [text_of(one.received[-1]) for one in (answered, called)] == ["x", "y"]
    assert kind_of(failed) == (404, "application/json")


async def test_what_takes_neither_is_refused_and_counted_as_no_habit() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        for accept in NEITHER:
            for headers in ({"accept": accept}, {"accept": accept, **routing(tool("echo", text="x"))}):
                async with httpx2.AsyncClient() as http:
                    sent = client.headers | headers | {"content-type": "application/json"}
                    refused = await http.post(f"{at.url}/mcp", json=tool("echo", text="x"), headers=sent)
                assert (refused.status_code, refused.json()["error"]["data"]["kind"]) == (406, "accept")
        assert (await client.get(accept="application/json")).status == 406
        assert at.gates.ran["echo"] == 0
        assert at.counter.total("client_habits") == 0


async def test_several_lines_are_one_list_which_is_no_habit() -> None:
    async with bench() as at, http_client(at.url, ME) as client, httpx2.AsyncClient() as http:
        lines = [("accept", "application/json"), ("accept", "text/event-stream")]
        for accept in (lines, lines[::-1], [("accept", "text/html"), ("accept", "*/*;q=0.5")]):
            answered = await http.post(f"{at.url}/mcp", json=PING, headers=[*client.headers.items(), *accept])
            assert (answered.status_code, answered.headers["content-type"]) == (200, "application/json")
        assert at.counter.total("client_habits") == 0
