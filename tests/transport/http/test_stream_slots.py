"""Streams of one principal are bounded, and every answer that stays open ends with the credential it was asked with."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx2
import pytest

from shared.identity import AuthProvider, Principal, Scope
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.transport.http_client import HttpClient, HTTPResponse, http_client
from tests.transport.http_client import call as calling
from tests.transport.people import People, Trail, key, person
from tests.transport.serving import Bench, bench, until
from tests.transport.sse_client import SseClient, open_stream, sse_session
from tests.transport.test_many_instances import instances
from tests.transport.test_streamable_http_stateless import LISTEN, PROGRESS, routing, said, tool
from transport.http import credential_recheck
from transport.http.credential_recheck import CredentialRecheck
from transport.http.event_stream import OpenStreams

FIRST, SECOND, OTHER = key("first"), key("second"), key("other")
AGAIN = {"last-event-id": f"{'x' * 43}::0"}
QUICK: dict[str, Any] = {"recheck_s": 0.02}


def people() -> People:
    """Return two keys of one person, and one of another."""
    return People(first=person("first"), second=person("second"), other=person("other", "other"))


async def refusal(url: str, headers: dict[str, str]) -> tuple[int, str, str | None]:
    """Open an SSE stream that has to be refused; return status, kind and when to come back."""
    async with (
        httpx2.AsyncClient(base_url=url, timeout=20) as http,
        http.stream("GET", "/sse", headers=headers) as response,
    ):
        said = {} if response.status_code == 200 else json.loads(await response.aread())["error"]["data"]
        return response.status_code, said.get("kind", ""), response.headers.get("retry-after")


@asynccontextmanager
async def standing(client: HttpClient) -> AsyncGenerator[HTTPResponse]:
    """Read the standalone stream of a session."""
    async with client.listen() as response:
        assert response.status == 200, response.body
        await response.until(lambda: response.retry_ms)
        yield response


# --------------------------------------------------------------------- how many


@pytest.mark.usefixtures("any_broker")
class TestHowMany:
    """The cap, on every kind of stream."""

    @kills("transport/http/event_stream.py", "if self.streams.counts[self.principal.key] >= most:", "if False:")
    async def test_one_stream_too_many_is_refused_until_another_one_ends(self) -> None:
        trail = Trail()
        offered = {"auth_provider": people(), "audit": trail}
        async with bench(max_streams_per_principal=2, more=offered) as at, http_client(at.url, FIRST) as client:
            async with sse_session(at.url, FIRST), standing(client):
                assert await refusal(at.url, SECOND) == (429, "too_many_streams", "5")
                assert at.transport.stats()["sessions"] == 2, "no session is opened for who is refused"
                async with http_client(at.url, SECOND) as more:
                    refused = await more.get()
                    assert (refused.status, refused.kind) == (429, "too_many_streams")
                    assert refused.headers["retry-after"] == "5"
                listening = await said(client.who(SECOND), LISTEN)
                assert (listening.status, listening.kind) == (429, "too_many_streams")
                assert listening.received[0]["id"] == "l"
                assert await client.call(1, "echo", text="calls are never refused") == "calls are never refused"
                async with sse_session(at.url, OTHER):
                    pass
            await until(lambda: not at.transport.stats()["streams"])
            async with sse_session(at.url, SECOND):
                pass
        first = trail.events[0]
        assert (first.action, first.outcome, first.detail) == ("request", "too_many_streams", "/sse")

    async def test_who_comes_again_has_twice_the_room_and_is_never_refused(self) -> None:
        async with (
            bench(max_streams_per_principal=1, more={"auth_provider": people()}) as at,
            AsyncExitStack() as stack,
        ):
            await stack.enter_async_context(sse_session(at.url, FIRST))
            http = await stack.enter_async_context(httpx2.AsyncClient(base_url=at.url, timeout=20))
            client, third = SseClient(http, FIRST), SseClient(http, FIRST)
            await stack.enter_async_context(open_stream(client, AGAIN))
            assert client.endpoint
            async with open_stream(third, AGAIN):
                await third.until(third.ended.is_set)
                assert (third.endpoint, third.retry_ms > 0) == ("", True), "a 200 asks the client to reconnect"

    async def test_streams_that_answer_calls_count_but_are_not_refused(self) -> None:
        async with bench(max_streams_per_principal=1, more={"auth_provider": people()}) as at:
            async with http_client(at.url, FIRST) as client, AsyncExitStack() as stack:
                for number in range(2):
                    await stack.enter_async_context(client.stream(calling(number, "read", gate="g")))
                await until(lambda: at.gates.ran["g"] == 2)
                message = tool("start_and_wait", PROGRESS, gate="g")
                exchange = await stack.enter_async_context(client.stream(message, **routing(message)))
                await exchange.said("notifications/progress")
                assert (await refusal(at.url, FIRST))[0] == 429
                at.gates.open["g"].set()
                await exchange.end()
            await until(lambda: not at.transport._streams.counts)

    async def test_who_resumes_the_stream_of_a_post_has_twice_the_room(self) -> None:
        offered = {"auth_provider": people()}
        async with bench(max_streams_per_principal=1, more=offered) as at, http_client(at.url, FIRST) as client:
            streamed = {"accept": "text/event-stream"}
            last = (await client.post(calling(1, "echo", text="x"), **streamed)).last_event_id
            async with sse_session(at.url, FIRST):
                assert (await client.get()).status == 429
                assert (await client.get(last)).status == 200

    async def test_what_was_refused_leaves_nothing_behind(self) -> None:
        async with bench(more={"auth_provider": people()}) as at, http_client(at.url, FIRST) as client:
            assert (await client.who({"mcp-session-id": "x" * 43}).get()).status == 404
            assert (await client.get(f"{client.session}:unknown:0")).status == 400
            await until(lambda: not at.transport._streams.principals())
            assert not at.transport._streams.counts


@pytest.mark.usefixtures("patience")
async def test_each_instance_counts_its_own_streams(broker_url: str) -> None:
    me = {"x-api-key": "key-me"}
    async with instances(broker_url, max_streams_per_principal=1) as (a, b):
        async with sse_session(a.url, me), sse_session(b.url, me):
            for at in (a, b):
                assert (await refusal(at.url, me))[:2] == (429, "too_many_streams")
        await until(lambda: not at_work(a, b))
        assert [at.transport._streams.counts for at in (a, b)] == [{}, {}], "no principal without streams is kept"


def at_work(*benches: Bench) -> int:
    return sum(at.transport.stats()["streams"] for at in benches)


# --------------------------------------------------------------------- for how long


@pytest.mark.usefixtures("any_broker")
class TestForHowLong:
    """A credential that is revoked takes its streams with it, and nothing else."""

    @kills(
        "transport/http/event_stream.py",
        "list(self._slots.get(principal, ()))",
        "[one for those in self._slots.values() for one in those]",
    )
    async def test_streams_of_a_revoked_credential_end_and_cannot_come_again(self) -> None:
        keys = people()
        async with bench(more=QUICK | {"auth_provider": keys}) as at, AsyncExitStack() as stack:
            client = await stack.enter_async_context(http_client(at.url, FIRST))
            stream = await stack.enter_async_context(standing(client))
            sse = await stack.enter_async_context(sse_session(at.url, FIRST))
            other = await stack.enter_async_context(sse_session(at.url, SECOND))
            keys.revoked.add("first")
            await stream.end()
            await sse.until(sse.ended.is_set)
            assert (await client.get()).status == 401
            assert (await refusal(at.url, FIRST | AGAIN))[:2] == (401, "unauthenticated")
            assert (await other.call("echo", text="x"))["isError"] is False, "another key of the same person"

    async def test_calls_of_its_sessions_go_on_for_whoever_holds_another_credential(self) -> None:
        keys = people()
        async with bench(more=QUICK | {"auth_provider": keys}) as at, http_client(at.url, FIRST) as client:
            async with client.stream(calling(1, "write", gate="g")) as response:
                await at.gates.reached["g"].wait()
                keys.revoked.add("first")
                await response.end()
            at.gates.open["g"].set()
            rest = await client.who(SECOND).get(response.last_event_id)
            assert rest.responses(1)[0]["result"]["isError"] is False
        assert at.gates.ran["g"] == 1

    async def test_requests_of_no_session_are_cancelled_and_told_why(self) -> None:
        keys = people()
        async with bench(more=QUICK | {"auth_provider": keys}) as at, http_client(at.url, FIRST, None) as client:
            silent = asyncio.create_task(said(client, tool("write", gate="silent")))
            message = tool("start_and_wait", PROGRESS, gate="talking")
            async with (
                client.stream(message, **routing(message)) as talking,
                client.stream(LISTEN, **routing(LISTEN)) as listening,
            ):
                await talking.said("notifications/progress")
                await listening.said("notifications/subscriptions/acknowledged")
                await at.gates.reached["silent"].wait()
                keys.revoked.add("first")
                response = await silent
                assert (response.status, response.kind, response.received[0]["id"]) == (401, "unauthenticated", 1)
                await talking.end()
                await listening.end()
                assert not talking.responses(1)
                async with asyncio.timeout(30):
                    await at.gates.cancelled["silent"].wait()
                    await at.gates.cancelled["talking"].wait()

    @kills(
        "transport/http/credential_recheck.py",
        'log.warning("credential_not_checked"',
        'return log.warning("credential_not_checked"',
    )
    async def test_a_provider_that_cannot_tell_changes_nothing(self) -> None:
        keys = people()
        with capture_logs() as logs:
            async with bench(more=QUICK | {"auth_provider": keys}) as at, sse_session(at.url, FIRST) as sse:
                keys.is_broken = True
                keys.revoked.add("first")
                asked = len(keys.asked)
                await until(lambda: len(keys.asked) >= asked + 2)
                assert not sse.ended.is_set()
                keys.is_broken = False
                await sse.until(sse.ended.is_set)
        assert {"credential_not_checked", "credential_ended"} <= {one["message"] for one in logs}
        assert "the store is away" not in str(logs)


@pytest.mark.usefixtures("patience")
@kills("transport/http/event_stream.py", "if self._is_cut or reader.ended or", "if reader.ended or")
async def test_a_key_revoked_on_one_instance_ends_its_stream_on_another_soon(broker_url: str) -> None:
    keys = people()
    async with (
        instances(broker_url, more={"auth_provider": keys, "recheck_s": 0.2}) as (a, b),
        sse_session(a.url, FIRST) as here,
        sse_session(b.url, FIRST) as there,
    ):
        keys.revoked.add("first")
        await here.until(here.ended.is_set, seconds=10)
        await there.until(there.ended.is_set, seconds=10)


async def test_a_credential_is_asked_for_once_however_many_answers_it_has_open() -> None:
    keys = people()
    streams = OpenStreams(most=100)
    for who in ("first", "first", "second"):
        streams.slot(keys.keys[who]).open(lambda: None)
    await CredentialRecheck(streams, keys).check()
    assert sorted(keys.asked) == ["first", "second"]


async def test_a_role_that_changed_ends_what_was_opened_before_and_nothing_since() -> None:
    class Changed(People):
        async def is_still_valid(self, principal: Principal) -> bool:
            return principal == self.keys["first"]

    before, since = person("first"), person("first", scopes={Scope.TICKETS_READ})
    streams, cut = OpenStreams(most=100), list[Principal]()
    for one in [since, *[before] * 8, *[since] * 8]:
        streams.slot(one).open(partial(cut.append, one))
    await CredentialRecheck(streams, Changed(first=since)).check()
    assert cut == [before] * 8


async def test_a_provider_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs(AuthProvider):
        async def authenticate(self, request: Any) -> Principal:
            raise NotImplementedError

        async def is_still_valid(self, principal: Principal) -> bool:
            await asyncio.Event().wait()
            return False

    monkeypatch.setattr(credential_recheck, "CHECK_S", 0.01)
    streams = OpenStreams(most=100)
    streams.slot(person("first")).open(lambda: pytest.fail("the provider has not said that it was revoked"))
    async with asyncio.timeout(30):
        await CredentialRecheck(streams, Hangs()).check()
