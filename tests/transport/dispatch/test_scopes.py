"""What a principal may not ask for is refused with the scope it lacks, and nothing of it is run or recorded."""

from collections.abc import Mapping
from typing import Any

import pytest

from shared.identity import Scope
from tests.kills import kills
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.http_client import call as calling
from tests.transport.http_client import http_client
from tests.transport.people import People, Trail, key, person
from tests.transport.serving import bench
from tests.transport.sse_client import sse_session
from tests.transport.test_streamable_http_stateless import said, tool

pytestmark = pytest.mark.usefixtures("any_broker")

READS = frozenset({Scope.TICKETS_READ})
VIEWER, AGENT = key("viewer"), key("agent")
LACKS = {"kind": "insufficient_scope", "scope": "tickets:write"}


def required(method: str, params: Mapping[str, Any] | None) -> Scope | None:
    """Say that the tool `write` writes."""
    return Scope.TICKETS_WRITE if method == "tools/call" and (params or {}).get("name") == "write" else None


def offered(**more: Any) -> dict[str, Any]:
    """Return what a transport needs for a viewer, an agent, and a viewer who signed in."""
    people = People(
        viewer=person("viewer", scopes=READS),
        agent=person("agent", "agent"),
        signed_in=person("signed_in", scopes=READS, proof="oauth"),
    )
    return {"auth_provider": people, "required_scope": required, **more}


@kills("transport/dispatch/dispatcher.py", "is not None and wire.own_streams:", "is None and wire.own_streams:")
@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_over_streamable_http_it_is_403_and_the_session_goes_on(version: str) -> None:
    async with bench(more=offered()) as at, http_client(at.url, VIEWER, version) as client:
        refused = await client.post(calling(7, "write", gate="g"))
        assert (refused.status, refused.received[0]["id"]) == (403, 7)
        assert refused.received[0]["error"]["data"] == LACKS
        assert "write needs the scope tickets:write" in refused.received[0]["error"]["message"]
        assert "www-authenticate" not in refused.headers, "a key cannot be exchanged for more scopes"
        assert await client.call(7, "echo", text="the id is free") == "the id is free"
        assert not at.gates.ran["g"]
        assert at.counter.total("http_refusals", status="403", kind="insufficient_scope", tenant="default") == 1


async def test_in_2026_07_28_it_is_403_as_well() -> None:
    async with bench(more=offered()) as at, http_client(at.url, VIEWER, None) as client:
        refused = await said(client, tool("write", gate="g"))
        assert (refused.status, refused.received[0]["error"]["data"]) == (403, LACKS)
        assert (await said(client, tool("echo", text="x"))).status == 200
        at.gates.open["g"].set()
        assert (await said(client.who(AGENT), tool("write", gate="g"))).status == 200
        assert at.gates.ran["g"] == 1


async def test_who_signed_in_is_challenged_to_ask_for_more() -> None:
    async with bench(more=offered()) as at, http_client(at.url, key("signed_in")) as client:
        refused = await client.post(calling(1, "write", gate="g"))
        challenge = 'Bearer error="insufficient_scope", scope="tickets:write"'
        assert (refused.status, refused.headers["www-authenticate"]) == (403, challenge)


async def test_a_batch_with_one_such_request_is_refused_whole() -> None:
    async with bench(more=offered()) as at, http_client(at.url, VIEWER, "2025-03-26") as client:
        refused = await client.post([calling(1, "echo", text="x"), calling(2, "write", gate="g")])
        assert (refused.status, refused.received[0]["id"]) == (403, 2)
        assert not at.gates.ran


@kills("transport/dispatch/policy.py", "None if self._required_scope is None else", "None if True else")
async def test_over_sse_it_is_the_one_answer_because_clients_do_not_survive_a_refused_post() -> None:
    trail = Trail()
    async with bench(more=offered(audit=trail)) as at, sse_session(at.url, VIEWER) as client:
        assert (await client.post(call("x", "write", gate="g"))).status_code == 202
        assert (await client.response("x"))["error"]["data"] == LACKS
        assert (await client.post(call("y", "write", tool("write")["params"]["_meta"], gate="g"))).status_code == 202
        assert (await client.response("y"))["error"]["data"] == LACKS
        assert (await client.call("echo", text="x"))["isError"] is False
        assert not at.gates.ran["g"]
        assert at.counter.total("mcp_requests", outcome="insufficient_scope", tenant="default") == 2
        (event,) = trail.events
        assert (event.action, event.outcome, event.tool) == ("tool_call", "insufficient_scope", "write")
        assert (event.detail, event.request_id) == ("tickets:write", "x")
