"""A search finds all words in any order, as people write them, and says what it searched (cases T17 and U9)."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import httpx2
import pytest

from shared.tickets.paging import windows
from shared.tickets.search.terms import SearchTerms
from tests.shared.given import TICKET, World, responses, rows_of, text_of, world

SUMMARIES: Final = (
    "VPN login fails on the new laptop",
    "Reset of a password for the login page",
    "ﾌﾟﾘﾝﾀｰが印刷しない",
    "Discount of 250% shown",
    "Discount of 2500 shown",
    "File a_b is missing",
    "File axb is missing",
)


@pytest.fixture(params=["existing", "reference"])
async def filled(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Either ticket API, with tickets of the summaries above, and one of another person with an external id."""
    async with world(request.param, tmp_path) as here:
        for summary in SUMMARIES:
            await here.api.post("/tickets", TICKET | {"summary": summary})
        await here.api.post(
            "/tickets", TICKET | {"summary": "Elsewhere", "externalTicketId": "EXT-77", "personInChargeId": "user3"}
        )
        yield here


def summaries(page: dict[str, Any]) -> list[str]:
    return [row["summary"] for row in rows_of(page)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("VPN login fails", [0]),
        ("fails vpn LOGIN", [0]),
        ("password login", [1]),
        ("  login  ", [1, 0]),
        ('"VPN login"', [0]),
        ("“login”", [1, 0]),
        ("ＶＰＮ　login", [0]),
        ("プリンター", [2]),
        ("ぷりんたー 印刷", [2]),
        ("250%", [3]),
        ("a_b", [5]),
        ("laptop, login!", [0]),
    ],
    ids=[
        "words",
        "order",
        "apart",
        "blanks",
        "quoted",
        "curly",
        "wide",
        "kana",
        "hiragana",
        "percent",
        "underscore",
        "marks",
    ],
)
async def test_all_words_are_found_in_any_order_and_spelling(filled: World, query: str, found: list[int]) -> None:
    page = await filled.done("get_ticket_list", searchQuery=query)

    assert sorted(summaries(page)) == sorted(SUMMARIES[one] for one in found)


async def test_ids_external_ids_and_the_person_in_charge_are_found(filled: World) -> None:
    newest = rows_of(
        await filled.done("get_ticket_list", searchQuery="ext-77", fields=["ticketId", "personInChargeName"])
    )[0]
    number = int(newest["ticketId"].removeprefix("TCK-"))
    person = newest["personInChargeName"].split()[0]

    for query in (newest["ticketId"], newest["ticketId"].lower(), f"TCK-{number}", f"#{number}", f"{person} elsewhere"):
        page = await filled.done("get_ticket_list", searchQuery=query)
        assert [row["ticketId"] for row in rows_of(page)] == [newest["ticketId"]], query


async def test_pages_of_a_search_cover_it_once(filled: World) -> None:
    first = await filled.done("get_ticket_list", searchQuery="shown discount", limit=1)
    second = await filled.done("get_ticket_list", searchQuery="shown discount", limit=1, offset=first["nextOffset"])

    assert sorted(summaries(first) + summaries(second)) == [SUMMARIES[3], SUMMARIES[4]]
    assert not second["hasMore"]


@pytest.mark.parametrize(
    "query", ["vpn paswword laptop", "VPN login succeeds", "プリンターが壊れた"], ids=["typo", "word", "kana"]
)
async def test_a_search_that_finds_nothing_names_what_was_searched_and_the_nearest(filled: World, query: str) -> None:
    page = await filled.done("get_ticket_list", searchQuery=query)

    searched, nearest = page["notes"][-2:]
    assert page["rows"] == []
    assert searched.startswith("Searched for “")
    assert "person in charge, ticket id or external id" in searched
    named = re.findall(r"TCK-\d+ \(([^)]*)\)", nearest)
    assert 1 <= len(named) <= 3
    assert named[0] == (SUMMARIES[2] if "プ" in query else SUMMARIES[0])


async def test_nearest_tickets_are_named_whatever_the_other_filters(filled: World) -> None:
    page = await filled.done("get_ticket_list", searchQuery="VPN login fails", statusId="Completed")
    ticket = await filled.done("get_ticket_list", searchQuery="TCK-0001", personInChargeId="user8", statusId="stat2")

    assert SUMMARIES[0] in page["notes"][-1]
    assert "TCK-0001 (" in ticket["notes"][-1]


async def test_a_ticket_with_one_of_the_words_in_a_comment_is_near(reference: World) -> None:
    await reference.done("add_ticket_history", ticketId="TCK-0003", userId="user1", comment="Ask Zaphod77.")

    page = await reference.done("get_ticket_list", searchQuery="qqqqzzzz zaphod77")

    assert page["rows"] == []
    assert page["notes"][-1].startswith("Nearest of all tickets: TCK-0003 (")


async def test_nothing_alike_is_said(filled: World) -> None:
    page = await filled.done("get_ticket_list", searchQuery="qqqqzzzz")

    assert page["notes"][-1] == "No other ticket is like it."


async def test_words_of_a_description_are_found_where_the_api_can(filled: World) -> None:
    page = await filled.done("get_ticket_list", searchQuery="update since vpn")

    if page["rows"]:
        assert summaries(page) == [SUMMARIES[0]]
    else:
        assert "cannot search descriptions" in page["notes"][-2]


async def test_more_than_ten_words_are_cut_with_a_note(filled: World) -> None:
    page = await filled.done("get_ticket_list", searchQuery="login " + " ".join("abcdefghijkl"))

    assert page["notes"][0] == "Searched for the first 10 words, not for the 3 after them."


def searched(here: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which each `searchQuery` that is sent is added."""
    sent: list[str] = []
    inner = here.wire.handle_async_request

    async def note(request: httpx2.Request) -> httpx2.Response:
        sent.extend(parse_qs(request.url.query.decode()).get("searchQuery", []))
        return await inner(request)

    monkeypatch.setattr(here.wire, "handle_async_request", note)
    return sent


async def test_wildcards_are_escaped_for_the_existing_api(existing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = searched(existing, monkeypatch)

    for query in ("250%", "a_b", "C:\\x"):
        await existing.done("get_ticket_list", searchQuery=query)

    assert sent == [r"250\%", r"a\_b", r"C:\\x"]


@pytest.mark.parametrize("answer", ["everything", "nothing"])
async def test_an_api_that_does_not_honour_escapes_is_named(existing: World, answer: str) -> None:
    await existing.api.post("/tickets", TICKET | {"summary": SUMMARIES[3]})
    rows = await existing.api.get("/tickets", params={"showCompleted": True, "limit": 200})

    async def act(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        if "searchQuery" not in parse_qs(request.url.query.decode()):
            return await inner.handle_async_request(request)
        return httpx2.Response(200, json=rows if answer == "everything" else [], request=request)

    existing.wire.when("GET", "/tickets", act, always=True)
    page = await existing.done("get_ticket_list", searchQuery="250%")

    assert summaries(page) == [SUMMARIES[3]]
    assert page["notes"][0].startswith("This ticket API does not take")


async def test_beyond_the_window_the_api_searches_for_the_longest_word(
    existing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 20)
    await existing.api.post("/tickets", TICKET | {"summary": SUMMARIES[1], "receptionDateTime": "2001-01-01 08:00"})
    sent = searched(existing, monkeypatch)

    page = await existing.done("get_ticket_list", searchQuery="login password reset")

    assert SUMMARIES[1] in summaries(page)
    assert sent == ["password"]
    assert page["notes"][-1].startswith("Of more than 20 tickets, the first 20 were searched in summary")


@pytest.mark.parametrize("query", ["common rare1", "rare1 common"])
async def test_beyond_the_window_the_word_of_fewer_tickets_is_searched_in_any_order(
    existing: World, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 20)
    for number in range(22):
        await existing.api.post("/tickets", TICKET | {"summary": f"commons {number}"})
    await existing.api.post("/tickets", TICKET | {"summary": "Rare1 common", "receptionDateTime": "2001-01-01 08:00"})

    page = await existing.done("get_ticket_list", searchQuery=query)
    none = await existing.call("get_ticket_list", searchQuery="common other9")

    assert summaries(page) == ["Rare1 common"]
    assert text_of(none).startswith("No tickets were found.")
    assert "no ticket that was searched has every word in its summary" in text_of(none)


async def test_where_every_word_is_of_many_tickets_it_is_said_that_not_all_were_searched(
    existing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 20)
    for number in range(22):
        await existing.api.post("/tickets", TICKET | {"summary": f"common {number}"})

    page = await existing.done("get_ticket_list", searchQuery="common")

    assert "not all others, only for “common” in summary" in page["notes"][-1]


async def test_an_api_that_refuses_a_large_page_searches_itself(existing: World) -> None:
    await existing.api.post("/tickets", TICKET | {"summary": SUMMARIES[3]})

    async def act(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        if int(parse_qs(request.url.query.decode())["limit"][0]) > 200:
            return await responses(400, {"error": "limit"})(inner, request)
        return await inner.handle_async_request(request)

    existing.wire.when("GET", "/tickets", act, always=True)
    page = await existing.done("get_ticket_list", searchQuery=" 250% ")

    assert summaries(page) == [SUMMARIES[3]]
    assert "as one piece" in page["notes"][0]


def test_terms_fit_what_an_api_takes() -> None:
    assert len(" ".join(SearchTerms.of(("㍿" * 19 + " ") * 10).words)) <= 200
    assert SearchTerms.of("?").words == ("?",)
    assert SearchTerms.of("TCK 3 login").words == ("tck", "3", "login")
