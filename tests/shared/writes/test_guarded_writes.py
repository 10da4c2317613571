"""Hours that are added, comments that are marked, and changes of what has changed since, over both ticket APIs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.concurrency import gather_all
from tests.kills import kills
from tests.shared.given import TICKET, World, does_it_but_drops, responses, text_of, world

ONE = {"ticketId": "TCK-0001", "updatedById": "user1"}
PATH = "/tickets/TCK-0001"


@pytest.fixture(params=["existing", "reference"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world(request.param, tmp_path) as opened:
        yield opened


async def hours(here: World) -> float:
    return float((await here.api.get(PATH))["actualEffortHours"] or 0)


async def history(here: World) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = await here.api.get(f"{PATH}/history")
    return entries


async def test_hours_are_added_to_those_of_the_ticket(here: World) -> None:
    await here.done("update_ticket", **ONE, actualEffortHours=2)

    done = await here.done("update_ticket", **ONE, addEffortHours="1h30m")

    assert done["changed"] == [{"field": "actualEffortHours", "old": "2", "new": "3.5"}]
    assert await hours(here) == 3.5


async def test_hours_that_two_add_at_once_are_both_there(reference: World) -> None:
    before = await hours(reference)

    async def other(inner: Any, request: Any) -> Any:
        await reference.api.put(PATH, {"addEffortHours": 2, "updatedById": "user3"})
        return await inner.handle_async_request(request)

    reference.wire.when("PUT", PATH, other)
    done = await reference.done("update_ticket", **ONE, addEffortHours=1.5)

    assert await hours(reference) == before + 3.5
    assert done["changed"] == [{"field": "actualEffortHours", "old": f"{before + 2:g}", "new": f"{before + 3.5:g}"}]
    assert any("Meanwhile" in note and "actualEffortHours" in note for note in done["notes"])


async def test_added_hours_without_an_answer_are_found_in_the_history(reference: World) -> None:
    reference.wire.when("PUT", PATH, does_it_but_drops)

    done = await reference.done("update_ticket", **ONE, addEffortHours=1.5)

    assert "did not confirm" in done["notes"][0]


@kills("shared/writes/verification.py", "and not isinstance(self.values[change.field_name], Increment)", "")
async def test_equal_hours_of_another_user_are_not_taken_for_ones_own(reference: World) -> None:
    await reference.done("get_statuses")

    async def only_the_other(inner: Any, request: Any) -> Any:
        await reference.api.put(PATH, {"addEffortHours": 1.5, "updatedById": "user3"})
        return await responses(400, {"error": "is refused"})(inner, request)

    reference.wire.when("PUT", PATH, only_the_other)
    text, _ = await reference.refused("update_ticket", **ONE, addEffortHours=1.5)

    assert "holds every given value" not in text


async def test_lost_hours_may_be_added_again_after_others_added_theirs(reference: World) -> None:
    async def lost(inner: Any, request: Any) -> Any:
        await reference.api.put(PATH, {"addEffortHours": 1.5, "updatedById": "user3"})
        return await responses(200, {"id": "TCK-0001", "message": "Updated"})(inner, request)

    reference.wire.when("PUT", PATH, lost)
    text, error = await reference.refused("update_ticket", **ONE, addEffortHours=1.5)

    assert error == {"kind": "not_stored", "effect": "nothing_changed"}
    assert text.endswith("Nothing was changed; repeat the call.")


async def test_an_api_that_cannot_add_hours_is_said_to_get_the_sum(existing: World) -> None:
    done = await existing.done("update_ticket", **ONE, addEffortHours=0.5)

    assert done["notes"][0].startswith("This ticket API cannot add hours: the sum is computed here")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"addEffortHours": 0}, "addEffortHours: must be more than 0"),
        ({"addEffortHours": 1, "actualEffortHours": 2}, "addEffortHours: is added to actualEffortHours, which is also"),
        ({"addEffortHours": 1, "clear": ["actualEffortHours"]}, "addEffortHours: is added to actualEffortHours"),
        ({"addEffortHours": 9999.9}, "and a ticket has at most 9999.9"),
        ({"visibility": "public", "statusId": "stat2"}, "visibility: is that of a comment, and no comment is given"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(here: World, more: dict[str, Any], said: str) -> None:
    await here.api.put(PATH, {"actualEffortHours": 1, "updatedById": "user1"})
    here.wire.sent.clear()

    text, error = await here.refused("update_ticket", **ONE, **more)

    assert said in text
    assert error["effect"] == "nothing_changed"
    assert here.wire.writes() == []


async def test_a_comment_is_public_only_if_it_is_sent_so(reference: World) -> None:
    comment = {"ticketId": "TCK-0001", "userId": "user1"}
    await reference.done("add_ticket_history", **comment, comment="For us.")
    public = await reference.done("add_ticket_history", **comment, comment="For you.", visibility="公開")
    await reference.done("update_ticket", **ONE, comment="For you, too.", visibility="PUBLIC", statusId="stat3")

    shown = [entry["visibility"] for entry in await history(reference)][:3]
    assert shown == ["public", "public", "internal"]
    assert public["entry"]["visibility"] == "public"


async def test_an_equal_comment_with_another_mark_is_another_comment(reference: World) -> None:
    comment = {"ticketId": "TCK-0001", "userId": "user1", "comment": "Done."}
    await reference.done("add_ticket_history", **comment)

    public = await reference.done("add_ticket_history", **comment, visibility="public")
    again = await reference.done("add_ticket_history", **comment, visibility="internal")

    assert "already" not in public
    assert again["already"].startswith("Already added")


async def test_an_api_without_marks_refuses_public_and_says_that_internal_means_nothing_there(existing: World) -> None:
    given = {"ticketId": "TCK-0001", "userId": "user1", "comment": "Hello"}
    text, _ = await existing.refused("add_ticket_history", **given, visibility="public")
    other, _ = await existing.refused("update_ticket", **ONE, comment="Hello", visibility="public", statusId="none")

    assert "visibility: this ticket API cannot mark a comment as public" in text
    assert "2 problems" in other
    assert existing.wire.writes() == []
    done = await existing.done("add_ticket_history", **given, visibility="internal")
    assert done["notes"] == ["This ticket API does not mark comments; who may read this one is not known here."]


async def test_a_mark_that_was_not_stored_is_said(reference: World) -> None:
    async def loses_the_mark(inner: Any, request: Any) -> Any:
        return await inner.handle_async_request(
            type(request)(
                "POST", request.url, headers=request.headers, content=request.content.replace(b"public", b"internal")
            )
        )

    reference.wire.when("POST", f"{PATH}/history", loses_the_mark)
    done = await reference.done(
        "add_ticket_history", ticketId="TCK-0001", userId="user1", comment="Hello", visibility="public"
    )

    assert "The comment was stored, but not as public." in done["notes"]


async def newest(here: World) -> str:
    return str((await history(here))[0]["id"])


async def test_a_change_of_what_was_read_is_made(here: World) -> None:
    await here.api.put(PATH, {"summary": "Before", "updatedById": "user3"})
    entry = await newest(here)

    done = await here.done("update_ticket", **ONE, summary="After", ifUnchangedSince=f"entry {entry}")

    assert done["changed"][0]["new"] == "After"
    assert ("notes" in done) is bool("cannot compare" in str(done.get("notes")))


@kills("shared/writes/ticket_update.py", "            if new:\n", "            if False:\n")
async def test_a_change_of_what_has_changed_since_is_refused_with_who_changed_what(here: World) -> None:
    await here.api.put(PATH, {"summary": "Before", "updatedById": "user3"})
    entry = await newest(here)
    await here.api.put(PATH, {"summary": "Between", "updatedById": "user3"})
    name = (await history(here))[0]["userName"]
    here.wire.sent.clear()

    for since in (entry, "2026-11-29T02:30Z", "0"):
        text, error = await here.refused("update_ticket", **ONE, summary="After", ifUnchangedSince=since)
        assert f"Meanwhile {name} (user3) changed summary: Before → Between." in text
        assert f"The newest history entry is {await newest(here)}." in text
        assert error == {"kind": "changed_meanwhile", "effect": "nothing_changed"}
    assert here.wire.writes() == []


async def test_a_later_moment_and_a_wrong_entry_are_told_apart(here: World) -> None:
    await here.api.put(PATH, {"summary": "Before", "updatedById": "user3"})

    text, error = await here.refused("update_ticket", **ONE, summary="After", ifUnchangedSince="999999")
    await here.done("update_ticket", **ONE, summary="After", ifUnchangedSince="2026-11-29T02:31Z")

    assert "is no entry of the history of TCK-0001" in text
    created = await here.done("create_ticket", **TICKET)
    text, _ = await here.refused(
        "update_ticket", **ONE | {"ticketId": created["ticketId"]}, summary="A", ifUnchangedSince="57"
    )
    assert f"ifUnchangedSince: {created['ticketId']} has no history; leave ifUnchangedSince out" in text
    assert error["field"] == "ifUnchangedSince"


async def test_a_change_in_the_moment_of_the_write_is_refused_by_the_api(reference: World) -> None:
    entry = await newest(reference)

    async def other(inner: Any, request: Any) -> Any:
        await reference.api.put(PATH, {"summary": "Between", "updatedById": "user3"})
        return await inner.handle_async_request(request)

    reference.wire.when("PUT", PATH, other)
    text, error = await reference.refused("update_ticket", **ONE, summary="After", ifUnchangedSince=entry)

    assert "changed summary" in text
    assert "Between" in text
    assert error == {"kind": "changed_meanwhile", "effect": "nothing_changed"}
    assert (await reference.api.get(PATH))["summary"] == "Between"


async def test_of_several_changes_that_were_read_at_once_one_is_made(reference: World) -> None:
    entry = await newest(reference)
    calls = [
        reference.call("update_ticket", **ONE, summary=f"By {number}", ifUnchangedSince=entry) for number in range(3)
    ]

    results = await gather_all(*calls)

    refused = [text_of(result) for result in results if result.is_error]
    assert len(refused) == 2
    assert all("has changed" in text for text in refused)
