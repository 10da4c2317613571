"""`MCP_TICKET_USER` says who sits at this machine: over STDIO, and on loopback without keys. Else it is refused."""

from pathlib import Path
from typing import Any, Final

import pytest
from mcp import Client
from pydantic import SecretStr

from shared.config import CloudSettings, StdioSettings
from shared.identity import ANONYMOUS, Principal
from tests.shared.given import Recorder, World, rows_of, text_of
from ticket_service import TicketService

KEY: Final = "k" * 40


@pytest.fixture
async def mine(existing: World) -> World:
    existing.tools.ticket_user = "user3"
    return existing


async def name_of(existing: World, user_id: str) -> str:
    """Return the name of a user."""
    return str(next(one["name"] for one in rows_of(await existing.done("get_users")) if one["id"] == user_id))


@pytest.mark.parametrize("caller", [None, ANONYMOUS], ids=["stdio", "loopback"])
async def test_writes_are_recorded_as_the_user_of_this_machine(mine: World, caller: Principal | None) -> None:
    mine.principal = caller

    added = await mine.done("add_ticket_history", ticketId="TCK-0001", comment="Looked at it.")
    changed = await mine.done("update_ticket", ticketId="TCK-0002", remarks="Mine.")

    assert added["recordedAs"]["id"] == changed["recordedAs"]["id"] == "user3"
    assert isinstance(mine.trail, Recorder)
    assert [event.acting_as for event in mine.trail.events] == ["user3", "user3"]
    assert added["actingUser"] == f"{await name_of(mine, 'user3')} (user3)"


async def test_another_user_may_still_be_named(mine: World) -> None:
    added = await mine.done("add_ticket_history", ticketId="TCK-0001", userId="user1", comment="For a colleague.")

    assert added["recordedAs"]["id"] == "user1"


@pytest.mark.parametrize("given", ["name", "email", "full width"])
async def test_it_may_be_a_name_or_an_address(existing: World, given: str) -> None:
    user = next(one for one in rows_of(await existing.done("get_users")) if one["id"] == "user3")
    existing.tools.ticket_user = {"name": user["name"], "email": user["email"].upper(), "full width": "ｕｓｅｒ３"}[
        given
    ]

    page = await existing.done("get_ticket_list", mine=True)

    assert page["actingUser"] == f"{user['name']} (user3)"
    assert {row["personInChargeName"] for row in rows_of(page)} == {user["name"]}


@pytest.mark.parametrize("word", ["me", "自分"], ids=["english", "japanese"])
async def test_me_is_that_user_wherever_a_person_is_taken(mine: World, word: str) -> None:
    listed = await mine.done("get_ticket_list", personInChargeId=word)
    changed = await mine.done("update_ticket", ticketId="TCK-0002", requestorId=word, comment="Asked by me.")
    users = rows_of(await mine.done("get_users", query=word))

    name = await name_of(mine, "user3")
    assert {row["personInChargeName"] for row in rows_of(listed)} == {name}
    assert changed["recordedAs"]["id"] == "user3"
    assert (await mine.api.get("/tickets/TCK-0002"))["requestorId"] == "user3"
    assert [user["id"] for user in users] == ["user3"]


async def test_a_wrong_name_is_said_by_every_result_and_refused_by_writes(existing: World) -> None:
    existing.tools.ticket_user = "Not A User"

    read = await existing.call("get_ticket_list", limit=1)
    text, error = await existing.refused("add_ticket_history", ticketId="TCK-0001", comment="Who am I?")
    _, mine = await existing.refused("get_ticket_list", mine=True)

    said = "The setting MCP_TICKET_USER is “Not A User”, which names no user of the ticket system; nearest: "
    assert not read.is_error
    assert said in text_of(read)
    assert "Nothing was changed" not in text_of(read)  # the note comes with writes, too
    assert text.startswith(said)
    assert "Set it to an id from get_users and start this server again. Nothing was changed." in text
    assert error["kind"] == mine["kind"] == "ticket_user_unknown"
    assert existing.wire.writes() == []


async def test_a_user_who_was_just_added_is_found(existing: World) -> None:
    await existing.done("get_users")
    await existing.done("get_ticket_list", personInChargeId="user1")  # the lists are held from now on
    existing.tools.ticket_user = "user3"

    assert (await existing.done("get_ticket_list", mine=True))["rows"]


@pytest.mark.parametrize(
    "given",
    [
        {"mcp_api_key": SecretStr(KEY)},
        {"identity_keys": (SecretStr(KEY),)},
        {"mcp_api_key": SecretStr(KEY), "host": "0.0.0.0", "allowed_hosts": ("a.example",)},  # noqa: S104 - refused
    ],
    ids=["key", "identity", "everyone"],
)
def test_it_is_refused_where_callers_differ(env: pytest.MonkeyPatch, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="MCP_TICKET_USER would make every caller the same person"):
        CloudSettings(ticket_user="user3", **given)


def test_it_is_read_by_stdio_and_on_loopback_without_keys(env: pytest.MonkeyPatch) -> None:
    env.setenv("MCP_TICKET_USER", " user3 ")

    assert StdioSettings().ticket_user == "user3"
    assert CloudSettings(allow_anonymous=True).ticket_user == "user3"


async def test_the_setting_reaches_the_tools(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 'tickets.sqlite3').as_posix()}"
    service = TicketService(StdioSettings(ticket_user="user3", database_url=SecretStr(url)))

    async with service.run(), Client(service.server) as client:
        result = await client.call_tool("get_ticket_list", {"mine": True, "limit": 1})

    assert "(user3)" in (result.structured_content or {})["actingUser"]
