"""Every entry of a long list of master data can be reached, by page or by a query (case T8)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.shared.given import World, responses, rows_of, text_of, world

MANY: Final[list[dict[str, Any]]] = [{"id": f"acc{n}", "name": f"Customer {n:03}", "orderNo": n} for n in range(1, 307)]
ACCOUNTS: Final[list[dict[str, Any]]] = [
    *MANY,
    {"id": "acc307", "name": "株式会社ハヤテ"},
    {"id": "acc308", "name": "Söhne & Co. KG"},
]
PEOPLE: Final = [
    {"id": "user1", "name": "大久保 悠", "email": "okubo@example.com", "role": "support"},
    {"id": "user3", "name": "Tomas Okoro", "email": "t.okoro@example.com", "role": "agent"},
    {"id": "user4", "name": "Hana Whitfield", "email": "hana@example.com", "role": "agent"},
]


@pytest.fixture
async def many(tmp_path: Path) -> AsyncIterator[World]:
    """A ticket API with 308 accounts."""
    async with world("existing", tmp_path) as here:
        here.wire.when("GET", "/tickets/master/accounts", responses(200, ACCOUNTS), always=True)
        here.wire.when("GET", "/tickets/master/users", responses(200, PEOPLE), always=True)
        yield here


def ids(page: dict[str, Any]) -> list[str]:
    return [one["id"] for one in rows_of(page)]


async def test_all_of_a_long_list_are_reached_by_the_next_offset(many: World) -> None:
    first = await many.call("get_accounts")
    page = first.structured_content
    assert page is not None
    assert text_of(first).startswith("Entries 1 to 200 of 308. Next offset 200.")
    assert (page["total"], page["nextOffset"]) == (308, 200)

    rest = await many.done("get_accounts", offset=page["nextOffset"])

    assert ids(page) + ids(rest) == [one["id"] for one in ACCOUNTS]
    assert "nextOffset" not in rest


async def test_a_limit_makes_smaller_pages(many: World) -> None:
    page = await many.done("get_accounts", limit=3, offset=303)
    text = text_of(await many.call("get_accounts", offset=400))

    assert ids(page) == ["acc304", "acc305", "acc306"]
    assert page["nextOffset"] == 306
    assert text.startswith("No entries at this offset; there are 308.")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("customer 042", ["acc42"]),
        ("042  ＣＵＳＴＯＭＥＲ", ["acc42"]),
        ("acc308", ["acc308"]),
        ("㈱ﾊﾔﾃ", ["acc307"]),
        ("はやて", ["acc307"]),
        ("sohne", ["acc308"]),
        ("Söhne", ["acc308"]),
    ],
    ids=["words", "wide", "id", "company", "kana", "accent", "as it is"],
)
async def test_a_query_finds_words_as_people_write_them(many: World, query: str, found: list[str]) -> None:
    assert ids(await many.done("get_accounts", query=query)) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("okoro", ["user3"]),
        ("okoro tomas", ["user3"]),
        ("大久保悠さん", ["user1"]),
        ("hana@example.com", ["user4"]),
        ("agent", ["user3", "user4"]),
        ("ag okoro", ["user3"]),
    ],
    ids=["word", "turned", "title", "address", "role", "parts"],
)
async def test_people_are_found_by_name_address_and_role(many: World, query: str, found: list[str]) -> None:
    assert ids(await many.done("get_users", query=query)) == found


async def test_a_query_and_a_role_are_both_applied(many: World) -> None:
    page = await many.done("get_users", query="example.com", role="support")

    assert ids(page) == ["user1"]


async def test_a_query_that_finds_nothing_names_the_nearest(many: World) -> None:
    page = await many.done("get_users", query="Tomas Okora")

    assert (page["rows"], page["total"]) == ([], 0)
    assert page["notes"][0].startswith("None of 3 has all words of “Tomas Okora”. Nearest: user3 (Tomas Okoro), ")


@pytest.mark.parametrize("arguments", [{"limit": 0}, {"limit": -3}, {"offset": -1}], ids=str)
async def test_wrong_pages_are_refused_with_the_argument(many: World, arguments: dict[str, Any]) -> None:
    _, error = await many.refused("get_accounts", **arguments)

    assert error["field"] in arguments


async def test_a_wrong_account_is_answered_with_the_nearest_five(many: World) -> None:
    text, error = await many.refused("get_ticket_list", accountId="Custmer 123")

    assert error["allowed"][0] == "acc123 (Customer 123)"
    assert error["allowed"][-1] == "and 303 more, see get_accounts"
    assert len(error["allowed"]) == 6
    assert len(text) < 4 * 120
