"""Similar tickets are found by what they are about, on both ticket APIs; others are not listed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import httpx2
import pytest

from shared.api_client import APIClient
from shared.localization import in_language
from shared.tickets.features import SEARCH_WORDS
from shared.tickets.paging import windows
from shared.tickets.similar import pool
from shared.tickets.similar.likeness import weights_of
from shared.tickets.similar.words import words_of
from shared.wire_json import encode
from tests.kills import kills
from tests.o200k import o200k
from tests.shared.given import TICKET, World, drops, responses, rows_of, text_of, world

MATTERS: Final = (
    ("Elevator buttons stick on floor nine", "acc1"),
    ("Kiosk rejects coffee vouchers", "acc2"),
    ("会議室の予約が二重になる", "acc2"),
    ("ｽｷｬﾅｰの紙詰まり", "acc1"),
    ("勤怠の打刻が取り込めない", "acc3"),
)
TOKENS: Final = 300


@pytest.fixture(params=["existing", "reference"])
async def filled(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Either ticket API, with tickets of the matters above after its own samples."""
    async with world(request.param, tmp_path) as here:
        for summary, account in MATTERS:
            await here.api.post("/tickets", TICKET | {"summary": summary, "accountId": account})
        yield here


async def found(here: World, **arguments: Any) -> list[dict[str, Any]]:
    return rows_of(await here.done("find_similar_tickets", **arguments))


@pytest.mark.parametrize(
    ("text", "matter", "words"),
    [
        ("Hello, an elevator on the ninth floor has a sticky button. Thanks!", 0, "elevator, floor, button"),
        ("VOUCHER for coffee is rejected", 1, "voucher, coffee, rejected"),
        ("お世話になっております。予約した会議室が重なっています。", 2, "予約, 会議室"),
        ("スキャナーに紙がつまる", 3, "スキャナー"),
        ("勤怠データの取り込みに失敗", 4, "勤怠, 取り込"),
    ],
    ids=["sentence", "other forms", "greeting", "other width", "other ending"],
)
async def test_a_text_finds_the_ticket_of_its_matter(filled: World, text: str, matter: int, words: str) -> None:
    first = (await found(filled, text=text))[0]

    assert first["summary"] == MATTERS[matter][0]
    assert {*first["why"].partition(": ")[2].split(", ")} == {*words.split(", ")}


async def test_a_ticket_finds_others_of_its_matter_but_not_itself(filled: World) -> None:
    again = {"summary": "Buttons of the elevator stick", "description": "Floor nine again.", "accountId": "acc1"}
    created = await filled.api.post("/tickets", TICKET | again)

    first, *_ = rows = await found(filled, ticketId=created["id"])

    assert created["id"] not in {row["ticketId"] for row in rows}
    assert first["summary"] == MATTERS[0][0]
    assert first["why"].startswith("same account and category, 5 words: ")


@kills("shared/tickets/similar/likeness.py", '"account": 0.3', '"account": 0.0')
async def test_tickets_of_the_account_come_first(filled: World) -> None:
    for account in ("acc1", "acc2", "acc3"):
        await filled.api.post("/tickets", TICKET | {"summary": "Badge reader blinks", "accountId": account})

    for account in ("acc2", "acc1", "acc3"):
        first, *others = await found(filled, text="badge reader blinks", accountId=account)

        assert first["why"] == "same account, 3 words: badge, reader, blinks"
        assert [row["why"] for row in others] == ["3 words: badge, reader, blinks"] * 2


async def test_another_matter_is_not_listed_and_the_answer_says_what_was_looked_for(filled: World) -> None:
    result = await filled.call("find_similar_tickets", text="Espresso machine leaks brown water", accountId="acc2")

    assert rows_of(result.structured_content or {}) == []
    said = text_of(result)
    assert said.startswith("No similar tickets.")
    assert "for: espresso, machine, leaks, brown, water." in said
    has_words = await filled.tools._system.features.has(SEARCH_WORDS)
    assert ("This ticket API cannot search descriptions, so they were not compared." in said) is not has_words


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "Give either text or ticketId."),
        ({"text": "a", "ticketId": "TCK-0001"}, "Give either text or ticketId."),
        ({"text": "?! 12"}, "text: has no word to look for; describe the matter in some words."),
        ({"ticketId": "TCK-9999"}, "There is no ticket TCK-9999; get_ticket_list finds ids."),
        ({"text": "printer", "accountId": "acc-none"}, "accountId: no such id or name. Allowed: "),
    ],
)
async def test_a_call_without_one_subject_is_refused(either: World, arguments: dict[str, Any], says: str) -> None:
    text, _ = await either.refused("find_similar_tickets", **arguments)

    assert text.startswith(says)


async def test_descriptions_and_comments_count_where_the_api_searches_them(reference: World) -> None:
    new = {"summary": "Trouble in Osaka", "description": "The turnstile beeps twice."}
    created = await reference.api.post("/tickets", TICKET | new)
    path = f"/tickets/{created['id']}/history"
    await reference.api.post(path, {"userId": "user2", "comment": "Its gyroscope was replaced."})

    assert [row["ticketId"] for row in await found(reference, text="turnstile beeping")] == [created["id"]]
    assert [row["ticketId"] for row in await found(reference, text="gyroscope")] == [created["id"]]


async def test_a_word_that_many_tickets_have_does_not_hide_an_old_ticket_with_others(
    reference: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "OF_EACH", 3)
    old = await reference.api.post("/tickets", TICKET | {"summary": "Turnstile gyroscope beeps"})
    for number in range(5):
        await reference.api.post("/tickets", TICKET | {"summary": f"Turnstile {number}", "accountId": "acc2"})
        await reference.api.post("/tickets", TICKET | {"summary": f"Gyroscope {number}", "accountId": "acc2"})

    assert (await found(reference, text="gyroscope of a turnstile"))[0]["ticketId"] == old["id"]
    assert (await found(reference, text="turnstile", accountId="acc1"))[0]["ticketId"] == old["id"]


async def test_more_tickets_than_a_window_holds_are_searched_by_the_api(
    existing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 5)

    result = await existing.call("find_similar_tickets", text="在庫画面が表示されない")

    assert [row["ticketId"] for row in rows_of(result.structured_content or {})] == ["TCK-0003"]
    assert "Not all tickets could be compared: 5 were" in text_of(result)


async def test_a_search_text_goes_to_the_api_with_its_wildcards_escaped(
    existing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 5)
    asked: list[str] = []

    async def noted(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        asked.extend(parse_qs(request.url.query.decode()).get("searchQuery", ()))
        return await inner.handle_async_request(request)

    existing.wire.when("GET", "/tickets", noted, always=True)
    await existing.done("find_similar_tickets", text="100%_full \\ disk% " * 200)

    assert asked == ["100", "full", "disk"]


@kills("shared/tickets/similar/pool.py", "[:MAX_ASKED]", "")
async def test_a_whole_mail_takes_few_requests_and_says_how_much_was_read(either: World) -> None:
    mail = "\n".join(f"Line {number} about topic{number} and matter{number}" for number in range(900))
    await either.done("get_ticket_list", limit=1)
    either.wire.sent.clear()

    result = await either.call("find_similar_tickets", text=mail, accountId="acc1")

    assert "Compared: the first 2,000 characters." in text_of(result)
    assert len(either.wire.sent) <= 7 + 1 + pool.MAX_ASKED + 1


async def test_what_the_api_cannot_answer_is_an_error_and_not_an_empty_list(either: World) -> None:
    either.wire.when("GET", "/tickets", drops, always=True)

    text, error = await either.refused("find_similar_tickets", text="printer")

    assert error["kind"] == "upstream_unavailable"
    assert "Nothing was changed" in text


@pytest.mark.parametrize("rows", [[], [{}, {"ticketId": ""}, 5], {"tickets": 1}])
async def test_odd_answers_find_nothing(reference: World, rows: Any) -> None:
    reference.wire.when("GET", "/tickets", responses(json=rows), always=True)

    assert await found(reference, text="printer") == []


async def test_ticket_text_stays_data(filled: World) -> None:
    await filled.api.post("/tickets", TICKET | {"summary": "Turnstile | [x](http://a.example) <b>`\n# Head"})

    text = text_of(await filled.call("find_similar_tickets", text="turnstile"))

    assert "\\|" in text
    assert "\n# Head" not in text
    assert "<b>" not in text


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_five_tickets_take_few_tokens_in_both_forms(filled: World, tmp_path: Path, language: Any) -> None:
    words = (
        "電子帳票の検収仕訳と原価管理の連携仕様の変更申請"
        if language == "ja"
        else "Turnstile gyroscope maintenance calibration"
    )
    for number in range(5):
        summary = f"{words} {number} " + ("発送遅延" if language == "ja" else "overheating ") * 10
        await filled.api.post("/tickets", TICKET | {"summary": summary})
    ticket = await filled.api.post("/tickets", TICKET | {"summary": words, "description": "発送 overheating"})

    with in_language(language):
        results = [
            await filled.call("find_similar_tickets", text=words),
            await filled.call("find_similar_tickets", ticketId=ticket["id"]),
        ]

    counted = await o200k(
        [one for made in results for one in (text_of(made), encode(made.structured_content).decode())], tmp_path
    )
    assert [len(rows_of(made.structured_content or {})) for made in results] == [5, 5]
    assert max(counted[::2]) <= TOKENS
    assert all(json <= 1.25 * text for text, json in zip(counted[::2], counted[1::2], strict=True))


async def test_a_word_that_the_api_does_not_count_is_a_common_one() -> None:
    def respond(request: httpx2.Request) -> httpx2.Response:
        sought = request.url.params.get("searchWords", "")
        total = {"": 40_000, "zeppelin": 50}.get(sought, 50)
        rows = [{"ticketId": f"{sought}-{n}", "summary": sought} for n in range(2)]
        return httpx2.Response(200, json={"tickets": rows, "total": total, "totalIsExact": sought != "network"})

    rare, common = words_of("zeppelin network")
    async with APIClient("http://api", transport=httpx2.MockTransport(respond)) as api:
        found = await pool.searched(api, (rare, common), None)

    assert found.times == {rare: 50, common: 4_000}
    assert weights_of(found.times, found.total)[rare] > 2 * weights_of(found.times, found.total)[common]
