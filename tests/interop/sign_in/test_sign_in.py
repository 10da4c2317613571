"""Clients that sign in at an organisation's own provider and use the tickets, with nothing but the server's address.

The provider and every client are programs of others, unchanged; browser.py does what a person does.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from auth.oauth.claims import LEEWAY_S
from tests.interop import environments
from tests.interop.drivers.common import reasons
from tests.interop.rows import PATHS, WIRES, Wire
from tests.interop.sign_in.browser import Person
from tests.interop.sign_in.clients import claude_code
from tests.interop.sign_in.deployment import JOHN, MARY, Deployment, own_provider
from tests.interop.sign_in.provider import ROBOT
from tests.interop.sign_in.rows import ROWS, SignIn
from tests.shared.given import TICKET

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(func_only=True),  # a set-up may have to install the clients first
    pytest.mark.xdist_group("sign_in"),
]
LIFE_S: Final = 3
"""Life of access tokens. A client may take longer for its calls: it then renews its token earlier."""
TALK_S: Final = 60.0
READ, WRITE = "tickets:read", "tickets:write"
INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A server and its provider. The tokens say that they expire earlier, by what the server tolerates."""
    environments.make()
    with own_provider(tmp_path_factory.mktemp("server"), life_s=LIFE_S, early_s=LEEWAY_S) as running:
        yield running


def events(deployed: Deployment, seen: int) -> list[dict[str, Any]]:
    """Return what has happened at the provider after `seen` events."""
    return deployed.provider.events()[seen:]


def ticket(row: SignIn) -> dict[str, str]:
    """Return a ticket that no other client creates."""
    return TICKET | {"summary": f"Signed in with {row}"}


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_client_signs_in_renews_its_token_and_asks_for_more_if_it_can(
    row: SignIn, deployed: Deployment, tmp_path: Path
) -> None:
    careful = Person(MARY, [[READ], [READ, WRITE]])
    seen = len(deployed.provider.events())

    async with asyncio.timeout(TALK_S), row.connect(f"{deployed.address}{row.path}", careful, tmp_path) as call:
        statuses, created = await call("get_statuses", {}), await call("create_ticket", ticket(row))
        renewed = len(deployed.provider.events())
        await asyncio.sleep(LIFE_S)  # until its token has expired
        again = await call("get_statuses", {})

    happened = events(deployed, seen)
    kinds = [event["event"] for event in happened]
    assert "stat1" in statuses[0]
    assert "stat1" in again[0]
    assert "refresh_token" in [event["event"] for event in events(deployed, renewed)]
    assert kinds.count("registered") == 1
    assert {event["resource"] for event in happened if event["event"] == "signed_in"} == {
        f"{deployed.address}{row.path}"
    }
    if row.refusal:
        assert created[1]
        assert row.refusal in created[0]
        assert kinds.count("signed_in") == 1
    else:
        assert not created[1]
        assert "Created ticket TCK-" in created[0]
        assert kinds.count("signed_in") == 2


@pytest.mark.parametrize("row", [row for row in ROWS if row.refusal], ids=str)
async def test_a_client_that_cannot_ask_for_more_writes_if_the_person_allows_it_at_once(
    row: SignIn, deployed: Deployment, tmp_path: Path
) -> None:
    person = Person(MARY, [[READ, WRITE]])

    async with asyncio.timeout(TALK_S), row.connect(f"{deployed.address}{row.path}", person, tmp_path) as call:
        created = await call("create_ticket", ticket(row))

    assert not created[1]
    assert "Created ticket TCK-" in created[0]


@pytest.mark.parametrize("wire", WIRES)
async def test_claude_code_signs_in_and_connects(wire: Wire, deployed: Deployment, tmp_path: Path) -> None:
    person = Person(MARY, [[READ, WRITE]])

    for arguments, shown in [
        (("add", "--transport", wire, "tickets", f"{deployed.address}{PATHS[wire]}"), "Added"),
        (("list",), "Needs authentication"),
        (("login", "tickets"), 'Authenticated with "tickets"'),
        (("list",), "Connected"),
    ]:
        assert shown in await asyncio.to_thread(claude_code, tmp_path, *arguments, person=person)


async def test_a_person_whose_address_the_provider_has_not_verified_is_linked_by_a_command(
    deployed: Deployment, tmp_path: Path
) -> None:
    row = ROWS[0]
    async with row.connect(f"{deployed.address}{row.path}", Person(JOHN, [[READ, WRITE]]), tmp_path) as call:
        assert "stat1" in (await call("get_statuses", {}))[0]

    stranger = Person("unknown", [[READ, WRITE]])
    with pytest.raises(ExceptionGroup) as refused:
        async with row.connect(f"{deployed.address}{row.path}", stranger, tmp_path):
            pass
    assert "identity add --issuer" in "".join(reasons(refused.value))


@pytest.mark.parametrize(
    ("resource", "accepted"),
    [("/mcp", {"/mcp"}), ("/sse", {"/sse"}), ("", {"/mcp", "/sse"}), (None, {"/mcp", "/sse"})],
    ids=["mcp", "sse", "both", "none asked for"],
)
async def test_a_program_acts_as_its_service_account_on_the_resources_that_its_token_is_for(
    deployed: Deployment, resource: str | None, accepted: set[str]
) -> None:
    asked = {"grant_type": "client_credentials", "scope": READ}
    if resource is not None:
        asked["resource"] = f"{deployed.address}{resource}"
    async with httpx2.AsyncClient(headers={"accept": "application/json, text/event-stream"}) as http:
        token = (await http.post(f"{deployed.provider.issuer}/token", auth=ROBOT, data=asked)).json()["access_token"]
        http.headers["authorization"] = f"Bearer {token}"
        served = {"/mcp": await http.post(f"{deployed.address}/mcp", json=INITIALIZE)}
        async with http.stream("GET", f"{deployed.address}/sse") as stream:
            served["/sse"] = stream

    assert {path for path, response in served.items() if response.status_code == 200} == accepted
    assert all(response.status_code in (200, 401) for response in served.values())
