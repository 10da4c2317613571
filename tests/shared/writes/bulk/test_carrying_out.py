"""Carrying out the changes of several tickets: what others do meanwhile, failures, cancelling, progress, audit."""

from typing import Any

import anyio
import pytest
from mcp import Client

from shared.concurrency import gather_all
from shared.writes.bulk import carrying_out
from tests.shared.given import Recorder, World, does_it_but_drops, drops, refuses, responses
from tests.shared.writes.bulk.given import (
    AS_USER,
    SEVEN,
    TO_ONE,
    call,
    comments,
    confirmed,
    first,
    in_charge,
    states,
    why,
)


async def token(here: World) -> str:
    shown: str = (await call(here, **TO_ONE))["confirm"]
    return shown


async def test_a_ticket_that_changes_in_the_moment_of_its_write_is_skipped_by_the_api(reference: World) -> None:
    reference.wire.when("PUT", "/tickets/TCK-0003", first(reference))

    done = await confirmed(reference, **TO_ONE)

    assert states(done) == {one: "skipped" if one == "TCK-0003" else "done" for one in SEVEN}
    assert "changed summary" in why(done, "TCK-0003")
    assert await comments(reference) == 6


async def test_a_ticket_that_changed_while_others_were_written_is_skipped(existing: World) -> None:
    confirm = await token(existing)
    existing.wire.when("PUT", "/tickets/TCK-0001", first(existing))

    done = await call(existing, **TO_ONE, confirm=confirm)

    assert states(done) == {one: "skipped" if one == "TCK-0003" else "done" for one in SEVEN}
    assert await comments(existing) == 6


async def test_the_same_token_again_writes_nothing_and_says_what_was_done(existing: World) -> None:
    confirm = await token(existing)
    await call(existing, **TO_ONE, confirm=confirm)
    existing.wire.sent.clear()

    again = await call(existing, **TO_ONE, confirm=confirm)

    assert again["counts"] == {"done before": 7}
    assert existing.wire.writes() == []
    assert await comments(existing) == 7


async def test_a_call_that_is_cancelled_ends_after_the_ticket_in_progress_and_can_be_continued(either: World) -> None:
    confirm = await token(either)
    assert isinstance(either.trail, Recorder)
    either.trail.events.clear()
    with anyio.CancelScope() as scope:

        async def is_given_up(inner: Any, request: Any) -> Any:
            scope.cancel()
            await anyio.lowlevel.checkpoint()
            return await inner.handle_async_request(request)

        either.wire.when("PUT", "/tickets/TCK-0003", is_given_up)
        await call(either, **TO_ONE, confirm=confirm)

    assert scope.cancelled_caught
    recorded = [(event.tool, event.object, event.outcome) for event in either.trail.events]
    assert recorded == [*(("update_tickets", one, "ok") for one in SEVEN[:3]), ("update_tickets", "", "cancelled")]
    assert await comments(either) == 3

    rest = await call(either, **TO_ONE, confirm=confirm)

    assert states(rest) == {one: "done before" if one in SEVEN[:3] else "done" for one in SEVEN}
    assert await comments(either) == 7


async def test_what_changed_after_a_part_was_done_is_skipped(reference: World) -> None:
    confirm = await token(reference)
    reference.wire.when("PUT", "/tickets/TCK-0002", refuses, always=True)
    await call(reference, **TO_ONE, confirm=confirm)
    reference.wire._rules.clear()
    await reference.api.put("/tickets/TCK-0005", {"summary": "By another", "updatedById": "user3"})

    rest = await call(reference, **TO_ONE, confirm=confirm)

    assert rest["counts"] == {"done before": 1, "done": 5, "skipped": 1}
    assert "By another" in why(rest, "TCK-0005")
    assert await comments(reference) == 6


async def test_a_failure_of_one_ticket_does_not_keep_the_others(existing: World) -> None:
    existing.wire.when("PUT", "/tickets/TCK-0002", responses(500, {"error": "An error occurred"}))

    done = await confirmed(existing, **TO_ONE)

    assert states(done) == {one: "failed" if one == "TCK-0002" else "done" for one in SEVEN}
    assert "Nothing was changed" in why(done, "TCK-0002")


@pytest.mark.parametrize(("act", "state"), [(refuses, "failed"), (drops, "unknown")])
async def test_where_the_api_is_down_the_rest_is_not_tried(existing: World, act: Any, state: str) -> None:
    confirm = await token(existing)
    existing.wire.when("PUT", "/tickets/TCK-0003", act)

    done = await call(existing, **TO_ONE, confirm=confirm)

    assert done["counts"] == {"done": 2, state: 1, "not tried": 4}
    assert "Stopped at TCK-0003" in done["stopped"]
    rest = await call(existing, **TO_ONE, confirm=confirm)
    assert rest["counts"] == {"done before": 2, "done": 5}
    assert await comments(existing) == 7


async def test_what_where_no_longer_finds_is_continued_by_the_ids_of_its_preview(either: World) -> None:
    found = {"where": {"personInChargeId": "user2", "open": True, "limit": 7}, "change": TO_ONE["change"]}
    shown = await call(either, **found)
    ids = [row[0] for row in shown["rows"]]
    either.wire.when("PUT", f"/tickets/{ids[1]}", refuses)

    done = await call(either, **found, confirm=shown["confirm"])
    again = await call(either, **found, confirm=shown["confirm"])
    rest = await call(either, ticketIds=ids, change=found["change"], confirm=shown["confirm"])

    said = "To go on with a call of which a part was done, give its ticketIds in place of where."
    assert done["stopped"].endswith(said)
    assert again["refused"].endswith(said)
    assert rest["counts"] == {"done before": 1, "done": len(ids) - 1}
    text, _ = await either.refused(
        "update_tickets",
        **AS_USER,
        **found | {"where": {"searchQuery": "nosuchwords"}},
        confirm="x",
    )
    assert said in text


async def test_a_lost_response_of_a_write_that_was_done_is_no_failure(existing: World) -> None:
    confirm = await token(existing)
    existing.wire.when("PUT", "/tickets/TCK-0003", does_it_but_drops)

    done = await call(existing, **TO_ONE, confirm=confirm)

    assert done["counts"] == {"done": 7}
    assert "did not confirm" in why(done, "TCK-0003")


async def test_an_api_that_is_down_from_the_start_is_an_error(existing: World) -> None:
    confirm = await token(existing)
    existing.wire.when("PUT", ".*", refuses, always=True)

    _, error = await existing.refused("update_tickets", **AS_USER, **TO_ONE, confirm=confirm)

    assert error == {"kind": "upstream_unavailable", "effect": "nothing_changed"}
    assert len(existing.wire.writes()) == 1


async def test_a_call_takes_only_so_long(existing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying_out, "RUN_S", 0.0)

    done = await confirmed(existing, **TO_ONE)

    assert done["counts"] == {"done": 1, "not tried": 6}
    assert done["stopped"] == "The time for one call was over; repeat this call to go on."


async def test_two_equal_calls_at_once_write_once(existing: World) -> None:
    confirm = await token(existing)

    results = await gather_all(*(call(existing, **TO_ONE, confirm=confirm) for _ in range(3)))

    assert sorted(next(iter(one["counts"])) for one in results) == ["done", "done before", "done before"]
    assert await comments(existing) == 7


async def test_the_client_hears_of_every_ticket(existing: World) -> None:
    confirm = await token(existing)
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with Client(existing.server) as client:
        await client.call_tool("update_tickets", {**AS_USER, **TO_ONE, "confirm": confirm}, progress_callback=hear)

    assert heard == [(place, 7, f"{place} of 7: {one} done") for place, one in enumerate(SEVEN, 1)]


async def test_every_ticket_and_the_call_are_in_the_audit(existing: World) -> None:
    existing.wire.when("PUT", "/tickets/TCK-0002", responses(500, {"error": "An error occurred"}))
    assert isinstance(existing.trail, Recorder)

    await confirmed(existing, **TO_ONE)

    previewed, *events = existing.trail.events
    assert previewed.outcome == "ok"
    assert [(event.object, event.outcome) for event in events] == [
        *((one, "not_stored" if one == "TCK-0002" else "ok") for one in SEVEN),
        ("", "ok"),
    ]
    assert {event.acting_as for event in events} == {"user4"}


async def test_hours_are_added_once_to_each(either: World) -> None:
    before = [float((await either.api.get(f"/tickets/{one}"))["actualEffortHours"] or 0) for one in SEVEN]
    change = {"ticketIds": SEVEN, "change": {"addEffortHours": 0.5}}
    confirm = (await call(either, **change))["confirm"]
    for _ in range(2):
        done = await call(either, **change, confirm=confirm)

    after = [float((await either.api.get(f"/tickets/{one}"))["actualEffortHours"] or 0) for one in SEVEN]
    assert after == [one + 0.5 for one in before]
    assert done["counts"] == {"done before": 7}


async def test_what_was_done_and_changed_again_by_others_counts_as_done(existing: World) -> None:
    confirm = await token(existing)
    await call(existing, **TO_ONE, confirm=confirm)
    await existing.api.put("/tickets/TCK-0004", {"personInChargeId": "user1", "updatedById": "user1"})

    again = await call(existing, **TO_ONE, confirm=confirm)

    assert again["counts"] == {"done before": 7}
    assert (await in_charge(existing))[3] == "user1"
