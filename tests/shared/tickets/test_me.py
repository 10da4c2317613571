"""`me` in place of a person is the acting user, where that is known (case T6)."""

from pathlib import Path

import pytest

from shared.errors import InvalidInputError
from shared.identity import Principal, Tenant
from shared.tickets.acting_user import ToolCall
from shared.tickets.master_data import MasterData
from shared.tickets.references import check
from tests.shared.given import TICKET, World, rows_of, world

KNOWN = Principal("a", Tenant("default"), ticket_user="user3")


@pytest.mark.parametrize("me", ["me", "ME", "自分", " myself "], ids=["me", "case", "japanese", "blanks"])
async def test_me_is_the_caller(existing: World, me: str) -> None:
    existing.principal = KNOWN

    page = await existing.done("get_ticket_list", personInChargeId=me, fields=["personInChargeName"])
    name = next(user["name"] for user in rows_of(await existing.done("get_users")) if user["id"] == "user3")

    assert page["rows"]
    assert {row["personInChargeName"] for row in rows_of(page)} == {name}


async def test_me_is_the_acting_user_of_the_call(existing: World) -> None:
    made = await existing.done("create_ticket", **TICKET)

    await existing.done("update_ticket", ticketId=made["ticketId"], updatedById="user5", personInChargeId="me")

    assert (await existing.api.get(f"/tickets/{made['ticketId']}"))["personInChargeId"] == "user5"


async def test_me_is_refused_where_the_caller_is_not_known(existing: World) -> None:
    _, error = await existing.refused("get_ticket_list", personInChargeId="me")
    _, acting = await existing.refused("add_ticket_history", ticketId="TCK-0001", userId="me", comment="Hello")

    assert (error["field"], acting["field"]) == ("personInChargeId", "userId")
    assert existing.wire.writes() == []


async def test_me_is_no_account(tmp_path: Path) -> None:
    async with world("existing", tmp_path) as here:
        with pytest.raises(InvalidInputError, match="no such id or name"):
            await check(MasterData(here.api), {"accountId": "me"}, ToolCall())
