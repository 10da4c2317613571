"""A comment or a new name shows in the next search, in a tenant with many tickets."""

from typing import Any, Final

import pytest

from tests.scale.client import Caller, callers, list_path
from tests.scale.conftest import Large
from tests.scale.rows import tenant_named

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TENANT: Final = "half"
BUSY: Final = 0
"""The person in charge of most tickets."""


async def search(caller: Caller, words: str) -> list[str]:
    found: Any = await caller.get(list_path({"searchWords": words, "showCompleted": "true"}))
    return [row["ticketId"] for row in found["tickets"]]


async def test_a_comment_shows_in_the_next_search(large: Large) -> None:
    async with callers(large.address, Large.key(TENANT)) as (caller,):
        for words in ("Ｑuetzalcoatl", "ケツァルコアトル ﾋﾟﾗﾐｯﾄﾞ"):
            assert await search(caller, words) == []
            status, _ = await caller.send("POST", "/tickets/TCK-0777/history", {"userId": "user1", "comment": words})
            assert status == 201
            assert await search(caller, words.upper()) == ["TCK-0777"]


async def test_a_new_name_shows_in_the_next_search_and_the_old_one_no_more(large: Large) -> None:
    tickets = tenant_named(TENANT).tickets
    theirs = [one for one in tickets if BUSY in {one.person, one.requestor}]
    newest = [one.id for one in sorted(theirs, key=lambda one: (one.received, one.number), reverse=True)][:20]
    assert len(theirs) > 1_000, "more than are indexed again at once"
    async with callers(large.address, Large.key(TENANT)) as (caller,):
        for name, before in (("Zebulon Quixote", None), ("瀬分論 キホーテ", "Zebulon Quixote")):
            status, answer = await caller.send("PUT", f"/tickets/master/users/user{BUSY}", {"name": name})
            assert status == 200, answer
            assert await search(caller, name) == newest
            if before is not None:
                assert await search(caller, before) == []
