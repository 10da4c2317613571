"""What a principal may not ask for is refused with the scope it lacks, and nothing of it is run or recorded."""

from collections.abc import Mapping
from typing import Any

import pytest

from shared.errors import TicketServerError
from shared.identity import InsufficientScopeError, Principal, Role, Scope
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
    """Return what a transport needs for a viewer, an agent, and two who signed in with a token that only reads."""
    people = People(
        viewer=person("viewer", scopes=READS),
        agent=person("agent", "agent"),
        signed_in=person("signed_in", scopes=READS, proof="oauth", role=Role.AGENT),
        signed_in_viewer=person("signed_in_viewer", scopes=READS, proof="oauth", role=Role.VIEWER),
    )
    return {"auth_provider": people, "required_scope": required, "challenge": challenge, **more}


def challenge(path: str, error: TicketServerError, principal: Principal | None) -> str | None:
    """Ask for a scope where a further token can have it."""
    if isinstance(error, InsufficientScopeError) and principal is not None and principal.may_ask_for(error.scope):
        return f"Bearer {path} {error.scope.value}"
    return None


@kills("transport/dispatch/dispatcher.py", "(wire.own_streams or", "(False or")
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


async def test_who_signed_in_is_challenged_to_ask_for_what_the_role_permits() -> None:
    async with bench(more=offered()) as at, http_client(at.url, key("signed_in")) as client:
        refused = await client.post(calling(1, "write", gate="g"))
        assert (refused.status, refused.headers["www-authenticate"]) == (403, "Bearer /mcp tickets:write")
        assert "this access token does not have. Nothing was changed; sign in again" in str(refused.received)
    async with bench(more=offered()) as at, http_client(at.url, key("signed_in_viewer")) as client:
        refused = await client.post(calling(1, "write", gate="g"))
        assert (refused.status, refused.received[0]["error"]["data"]) == (403, LACKS)
        assert "www-authenticate" not in refused.headers


@kills("transport/dispatch/dispatcher.py", "or access.may_ask)", "or False)")
async def test_over_sse_the_post_of_who_may_ask_for_more_is_403_and_the_id_stays_free() -> None:
    async with bench(more=offered()) as at, sse_session(at.url, key("signed_in")) as client:
        refused = await client.post(call("x", "write", gate="g"))
        assert (refused.status_code, refused.headers["www-authenticate"]) == (403, "Bearer /messages tickets:write")
        assert (refused.json()["id"], refused.json()["error"]["data"]) == ("x", LACKS)
        assert (await client.post(call("x", "echo", text="free"))).status_code == 202
        assert (await client.response("x"))["result"]["isError"] is False
        assert not at.gates.ran["g"]
        assert at.counter.total("http_refusals", status="403", kind="insufficient_scope", tenant="default") == 1


async def test_over_sse_a_batch_of_who_may_ask_for_more_is_refused_whole() -> None:
    async with bench(more=offered()) as at, sse_session(at.url, key("signed_in"), initialize=False) as client:
        await client.initialize("2025-03-26")
        refused = await client.post([call("x", "echo", text="x"), call("y", "write", gate="g")])
        assert (refused.status_code, refused.json()["id"]) == (403, "y")
        assert (await client.post(call("x", "echo", text="free"))).status_code == 202
        assert (await client.response("x"))["result"]["isError"] is False


async def test_over_sse_the_role_of_who_signed_in_is_no_matter_of_the_post() -> None:
    async with bench(more=offered()) as at, sse_session(at.url, key("signed_in_viewer")) as client:
        assert (await client.post(call("x", "write", gate="g"))).status_code == 202
        assert (await client.response("x"))["error"]["data"] == LACKS


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
