"""One ticket: its history by page and since a moment, its long texts by part (cases T20, T4), over both ticket APIs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from shared.localization import in_language
from tests.kills import kills
from tests.shared.given import TICKET, World, responses, text_of, world
from tests.shared.tickets.test_parts import bare

ENTRIES: Final = 45
SUNDAY: Final = "2026-11-29 02:30"
"""The minute of every new entry."""


@pytest.fixture(params=["existing", "reference"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world(request.param, tmp_path) as opened:
        yield opened


async def ticket(here: World, *comments: str, **values: Any) -> str:
    one = str((await here.api.post("/tickets", TICKET | values))["id"])
    for comment in comments:
        await here.api.post(f"/tickets/{one}/history", {"userId": "user2", "comment": comment})
    return one


async def read_back(here: World, one: str, **given: Any) -> list[dict[str, Any]]:
    """Return the entries of all pages, each page being what the one before named."""
    found: list[dict[str, Any]] = []
    for _ in range(ENTRIES):
        page = await here.done("get_ticket_detail", ticketId=one, **given)
        found += page["history"]
        if "nextBefore" not in page:
            return found
        given = given | {"before": page["nextBefore"]}
    raise AssertionError("the pages have no end")


@kills("shared/tickets/details.py", "return shown[-1].id if shown", "return shown[0].id if shown")
async def test_every_entry_of_a_long_history_is_reached_once(here: World) -> None:
    one = await ticket(here, *(f"Comment {number}" for number in range(ENTRIES)))

    found = await read_back(here, one)

    assert [entry["comment"] for entry in found] == [f"Comment {number}" for number in reversed(range(ENTRIES))]


async def test_long_comments_make_pages_shorter_and_every_entry_is_still_reached(here: World) -> None:
    one = await ticket(here, *(f"{number} " + "word " * 390 for number in range(9)))

    first = await here.call("get_ticket_detail", ticketId=one)
    found = await read_back(here, one)

    assert [entry["comment"].partition(" ")[0] for entry in found] == list("876543210")
    newest = (first.structured_content or {})["nextBefore"]
    assert f"History (the newest 4 of 9; before: {newest} shows older ones):" in text_of(first)


async def test_a_page_of_older_entries_says_where_it_is_and_repeats_no_ticket(here: World) -> None:
    one = await ticket(here, *map(str, range(30)))
    first = await here.done("get_ticket_detail", ticketId=one)

    result = await here.call("get_ticket_detail", ticketId=one, before=f"#{first['nextBefore']}")

    second = result.structured_content or {}
    assert second["ticket"] == {"id": one, "summary": TICKET["summary"]}
    assert second["historyTotal"] == 30
    assert second["isOlder"] is True
    assert "nextBefore" not in second
    assert f"**{one}** {TICKET['summary']}\n\nHistory (10 older ones of 30):\n- #" in text_of(result)


async def test_entries_before_the_oldest_are_said_to_be_none(here: World) -> None:
    one = await ticket(here, "Only this.")
    (entry,) = (await here.done("get_ticket_detail", ticketId=one))["history"]

    result = await here.call("get_ticket_detail", ticketId=one, before=entry["id"])

    assert "There are no older history entries; there are 1." in text_of(result)
    assert (result.structured_content or {})["history"] == []


@pytest.mark.parametrize("before", ["999999", "nothing", "h-1"])
async def test_an_entry_that_the_ticket_does_not_have_is_refused(here: World, before: str) -> None:
    one = await ticket(here, "Mine.")

    text, error = await here.refused("get_ticket_detail", ticketId=one, before=before)

    assert error["field"] == "before"
    assert "is no entry of this ticket's history" in text


async def test_an_entry_of_another_ticket_is_refused(here: World) -> None:
    one, other = await ticket(here, "Mine."), await ticket(here, "Theirs.")
    (theirs,) = (await here.done("get_ticket_detail", ticketId=other))["history"]

    _, error = await here.refused("get_ticket_detail", ticketId=one, before=theirs["id"])

    assert error["field"] == "before"


@pytest.mark.parametrize("since", ["today", "2026-11-29 02:00", "2026-11-29T11:30+09:00"])
@kills("shared/tickets/reading.py", "since is None or moment is None or moment >= since", "True")
async def test_only_entries_since_a_moment_are_shown(here: World, since: str) -> None:
    old = (await here.done("get_ticket_detail", ticketId="TCK-0001"))["historyTotal"]
    await here.api.post("/tickets/TCK-0001/history", {"userId": "user2", "comment": "New."})

    result = await here.call("get_ticket_detail", ticketId="TCK-0001", since=since)

    found = result.structured_content or {}
    assert old > 1
    assert [entry["comment"] for entry in found["history"]] == ["New."]
    assert found["historyTotal"] == 1
    assert set(found["ticket"]) == {"id", "summary"}
    assert f"History since {found['since']} (1):\n- #" in text_of(result)
    assert f" {SUNDAY} " in text_of(result)


async def test_pages_stay_within_a_time(here: World) -> None:
    await ticket(here)
    for number in range(25):
        await here.api.post("/tickets/TCK-0003/history", {"userId": "user2", "comment": str(number)})

    found = await read_back(here, "TCK-0003", since="2026-11-29")

    assert [entry["comment"] for entry in found] == [str(number) for number in reversed(range(25))]


async def test_a_quiet_ticket_has_no_history_since_a_moment(here: World) -> None:
    result = await here.call("get_ticket_detail", ticketId="TCK-0003", since="2026-11-29 02:30")

    assert "No history since 2026-11-29 02:30." in text_of(result)
    assert "nextBefore" not in (result.structured_content or {})


async def test_a_page_is_read_and_not_the_whole_history(reference: World) -> None:
    await reference.call("get_ticket_detail", ticketId="TCK-0001")

    reads = [path for _, path in reference.wire.sent if path.startswith("/tickets/TCK-0001")]
    assert sorted(reads) == ["/tickets/TCK-0001", "/tickets/TCK-0001/history"]


@pytest.mark.parametrize("page", [[], {"entries": []}, {"entries": [], "total": "3"}, {"total": 3}])
async def test_a_page_that_is_none_is_the_fault_of_the_ticket_api(reference: World, page: Any) -> None:
    reference.wire.when("GET", "/tickets/TCK-0001/history", responses(200, page))

    _, error = await reference.refused("get_ticket_detail", ticketId="TCK-0001")

    assert error["kind"] == "upstream_fault"


LONG: Final = "".join(f"{number:05} 長い文字列👩‍👧\r\n" for number in range(1_700))
"""25,500 characters: three parts of a description."""


async def test_reading_all_parts_gives_the_whole_text(here: World) -> None:
    one = await ticket(here, description=LONG, remarks="b" * 9_000, responseDetails="c" * 4_001)

    pages = [await here.done("get_ticket_detail", ticketId=one, part=part) for part in (1, 2, 3)]

    assert "".join(bare(page["ticket"].get("description", "")) for page in pages) == LONG
    assert "".join(bare(page["ticket"].get("remarks", "")) for page in pages) == "b" * 9_000
    assert "".join(bare(page["ticket"].get("responseDetails", "")) for page in pages) == "c" * 4_001
    assert [(page["part"], page["parts"]) for page in pages] == [(1, 3), (2, 3), (3, 3)]
    assert set(pages[2]["ticket"]) == {"id", "summary", "description", "remarks"}


async def test_a_text_that_is_cut_says_which_part_shows_the_rest(here: World) -> None:
    one = await ticket(here, description="a" * 15_000)

    first = await here.call("get_ticket_detail", ticketId=one)
    second = await here.call("get_ticket_detail", ticketId=one, part="2")

    assert "Part 1 of 2; part: 2 shows what follows in the texts that are cut." in text_of(first)
    assert "Part 2 of 2, the last." in text_of(second)
    assert "[cut at 12,000 of 15,000 characters" in text_of(second).replace("\\", "")
    assert "Status" not in text_of(second)


async def test_long_comments_are_read_by_part_too(here: World) -> None:
    comment = "".join(f"{number:04} " for number in range(1_000))
    one = await ticket(here, comment, "Short.", "d" * 2_001)

    pages = [await here.done("get_ticket_detail", ticketId=one, part=part) for part in (1, 2, 3)]

    assert "".join(bare(page["history"][-1]["comment"]) for page in pages) == comment
    assert [len(page["history"]) for page in pages] == [3, 2, 1]
    assert bare(pages[1]["history"][0]["comment"]) == "d"


async def test_a_part_that_no_text_has_is_refused_with_those_that_there_are(here: World) -> None:
    one = await ticket(here, description="a" * 15_000)

    for part in (3, 1_000):
        text, error = await here.refused("get_ticket_detail", ticketId=one, part=part)
        assert error["field"] == "part"
        assert "must be 1 to 2" in text
    text, _ = await here.refused("get_ticket_detail", ticketId="TCK-0001", part=2)
    assert "must be 1 to 1" in text


@pytest.mark.parametrize("part", [0, -1, "x", 1.5, 1_001, [1, 2]])
async def test_what_is_no_part_is_refused_before_anything_is_read(here: World, part: Any) -> None:
    _, error = await here.refused("get_ticket_detail", ticketId="TCK-0001", part=part)

    assert error["field"] == "part"
    assert not [path for _, path in here.wire.sent if path.startswith("/tickets/TCK")]


@pytest.mark.parametrize("part", [1, 2])
async def test_no_part_is_stored_as_if_it_were_the_text(here: World, part: int) -> None:
    one = await ticket(here, description="a" * 15_000)
    shown = (await here.done("get_ticket_detail", ticketId=one, part=part))["ticket"]["description"]

    _, error = await here.refused("update_ticket", ticketId=one, updatedById="user1", description=f"{shown}!")

    assert error["field"] == "description"
    assert (await here.api.get(f"/tickets/{one}"))["description"] == "a" * 15_000


async def test_the_parts_without_their_marks_can_be_written_back(here: World) -> None:
    one = await ticket(here, description=LONG)
    parts = [await here.done("get_ticket_detail", ticketId=one, part=part) for part in (1, 2, 3)]
    whole = "".join(bare(page["ticket"]["description"]) for page in parts)

    done = await here.done("update_ticket", ticketId=one, updatedById="user1", description=f"{whole}The end.")

    assert done["changed"] == [{"field": "description", "length": f"{len(LONG):,} → {len(LONG) + 8:,} characters"}]


async def test_where_a_detail_is_it_says_in_japanese_too(here: World) -> None:
    one = await ticket(here, *map(str, range(21)), description="a" * 15_000)

    with in_language("ja"):
        first = await here.call("get_ticket_detail", ticketId=one)
        before = (first.structured_content or {})["nextBefore"]
        second = await here.call("get_ticket_detail", ticketId=one, before=before, since="-3d")
        text, _ = await here.refused("get_ticket_detail", ticketId=one, before="nothing")

    assert f"履歴(21件中、最新の20件。before: {before} で古い履歴を表示):" in text_of(first)
    assert "2部分中の1番目です。" in text_of(first)
    assert "履歴、2026-11-26 00:00 以降(21件中、古いほうの1件):" in text_of(second)
    assert "このチケットの履歴にない項目です" in text
