"""The preview of a change of several tickets, and its token."""

from typing import Any, Final

import pytest

from shared.identity import Principal
from shared.writes.bulk import planned
from shared.writes.recent_writes import MemoryRecentWrites
from tests.kills import kills
from tests.shared.given import World, hangs, refuses, text_of
from tests.shared.repeated import tools_of
from tests.shared.writes.bulk.given import AS_USER, SEVEN, TO_ONE, call, comments, confirmed, in_charge, states, why


async def test_a_preview_writes_nothing_and_says_what_would_change(either: World) -> None:
    before = await in_charge(either)

    shown = await call(either, **TO_ONE)

    assert either.wire.writes() == []
    assert shown["preview"] is True
    assert shown["counts"] == {"would change": 7}
    assert [change["field"] for change in shown["changed"]] == ["personInChargeId"]
    assert await in_charge(either) == before
    assert before.count("user5") < 7


async def test_what_is_confirmed_is_what_is_done(either: World) -> None:
    done = await confirmed(either, **TO_ONE)

    assert done["counts"] == {"done": 7}
    assert await in_charge(either) == ["user5"] * 7
    assert await comments(either) == 7
    assert [method for method, _ in either.wire.writes()] == ["PUT"] * 7


async def test_a_ticket_that_holds_everything_already_is_not_written(existing: World) -> None:
    change = {"ticketIds": SEVEN, "change": {"personInChargeId": "user5"}}
    await existing.api.put("/tickets/TCK-0002", {"personInChargeId": "user5", "updatedById": "user1"})
    existing.wire.sent.clear()

    done = await confirmed(existing, **change)

    assert states(done)["TCK-0002"] == "has it already"
    assert ("PUT", "/tickets/TCK-0002") not in existing.wire.writes()
    assert await in_charge(existing) == ["user5"] * 7


async def test_nothing_to_do_has_no_token(existing: World) -> None:
    await confirmed(existing, **TO_ONE)

    shown = await call(existing, ticketIds=SEVEN, change={"personInChargeId": "user5"})

    assert shown["counts"] == {"has it already": 7}
    assert "confirm" not in shown


@kills("shared/writes/bulk/bulk_update.py", "if not confirmed.changed or confirmed.done:", "if True:")
async def test_a_ticket_that_changed_since_the_preview_stops_everything(either: World) -> None:
    token = (await call(either, **TO_ONE))["confirm"]
    await either.api.put("/tickets/TCK-0003", {"summary": "By another", "updatedById": "user3"})
    either.wire.sent.clear()

    shown = await call(either, **TO_ONE, confirm=token)

    assert either.wire.writes() == []
    assert "TCK-0003: Meanwhile" in shown["refused"]
    assert "By another" in shown["refused"]
    assert shown["confirm"] != token
    assert (await call(either, **TO_ONE, confirm=shown["confirm"]))["counts"] == {"done": 7}


OTHERS: Final[tuple[dict[str, Any], ...]] = (
    {"change": {"personInChargeId": "user5", "comment": "Handed over!"}},
    {"change": {"personInChargeId": "user3", "comment": "Handed over."}},
    {"ticketIds": SEVEN[:6]},
    {"ticketIds": [*SEVEN, "TCK-0008"]},
    {"updatedById": "user1"},
)


async def test_a_token_is_of_these_tickets_changes_and_user_alone(existing: World) -> None:
    token = (await call(existing, **TO_ONE))["confirm"]

    for other in OTHERS:
        shown = await call(existing, **TO_ONE | other, confirm=token)
        assert "is no token of these tickets" in shown["refused"]
    assert existing.wire.writes() == []


async def test_a_token_counts_on_every_instance_and_for_the_same_words_in_another_order(reference: World) -> None:
    token = (await call(reference, **TO_ONE))["confirm"]
    reference.tools = tools_of(reference, MemoryRecentWrites())
    same = {
        "ticketIds": ", ".join(reversed(SEVEN)),
        "change": '{"comment": "Handed over.", "personInCharge_id": "user5"}',
    }

    assert (await call(reference, **same, confirm=token))["counts"] == {"done": 7}


async def test_one_change_for_each_ticket(either: World) -> None:
    changes = [
        {"ticketId": "TCK-0001", "summary": "First"},
        {"ticketId": "tck-2", "comment": "Second", "scheduledCompletionDate": None},
        {"ticketId": "TCK-9999", "summary": "None"},
    ]

    done = await confirmed(either, changes=changes)

    assert states(done) == {"TCK-0001": "done", "TCK-0002": "done", "TCK-9999": "cannot"}
    assert "There is no ticket TCK-9999" in why(done, "TCK-9999")
    assert (await either.api.get("/tickets/TCK-0001"))["summary"] == "First"


async def test_the_tickets_of_a_list_are_changed(either: World) -> None:
    shown = await call(either, where={"accountId": "acc1", "limit": 2}, change={"comment": "Hello"})

    assert len(shown["rows"]) == 2
    done = await call(
        either, where={"accountId": "acc1", "limit": 2}, change={"comment": "Hello"}, confirm=shown["confirm"]
    )
    assert done["counts"] == {"done": 2}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"ticketIds": SEVEN}, "Give change"),
        ({"change": {"statusId": "stat2"}}, "Give one of ticketIds, where and changes"),
        ({"ticketIds": SEVEN, "where": {"mine": True}, "change": {"statusId": "stat2"}}, "Give one of ticketIds"),
        ({"changes": [{"ticketId": "TCK-0001"}], "change": {"statusId": "stat2"}}, "Give change or changes"),
        ({"ticketIds": ["TCK-0001"] * 51, "change": {"statusId": "stat2"}}, "must have at most 50 items"),
        ({"where": {"searchQuery": "no such words"}, "change": {"statusId": "stat2"}}, "where: no ticket fits it"),
        ({"where": {"status": "stat1"}, "change": {"statusId": "stat2"}}, "where.status: is not an argument"),
        ({"ticketIds": SEVEN, "change": {"statusId": "none"}}, "change.statusId: no such id or name"),
        ({"ticketIds": SEVEN, "change": "the status"}, "change: must be an object with fields"),
        (
            {"changes": [{"ticketId": "TCK-0001", "summary": "A"}, {"ticketId": "tck-1", "summary": "B"}]},
            "changes.1.ticketId: TCK-0001 has a change already, in changes.0",
        ),
        (
            {"changes": [{"ticketId": "TCK-0001", "statusId": "x"}, {"ticketId": "TCK-0002", "accountId": "x"}]},
            "2 problems",
        ),
    ],
)
async def test_what_cannot_be_meant_is_refused(existing: World, arguments: dict[str, Any], said: str) -> None:
    text, error = await existing.refused("update_tickets", **AS_USER | arguments)

    assert said in text
    assert error["kind"] == "invalid_input"
    assert existing.wire.writes() == []


async def test_more_than_fifty_tickets_are_refused_with_their_number(reference: World) -> None:
    for number in range(3):
        await reference.done("create_ticket", **NEW | {"summary": f"New {number}"})

    text, _ = await reference.refused(
        "update_tickets", **AS_USER, where={"showCompleted": True}, change={"comment": "A"}
    )

    assert "where: 53 tickets fit it, and one call changes at most 50" in text


NEW = {
    "requestorId": "user6", "accountId": "acc1", "categoryId": "cat1", "categoryDetailId": "catd1",
    "requestChannelId": "ch1", "description": "Since.", "personInChargeId": "user2", "statusId": "stat1",
}  # fmt: skip


async def test_the_correction_of_a_name_keeps_its_value(existing: World) -> None:
    result = await existing.call("update_tickets", **AS_USER, ticketIds=["TCK-0001"], change={"status": "stat2"})

    assert '"change": {"statusId": "stat2"}' in text_of(result)


async def test_turned_round_days_are_corrected_beside_the_other_filters(existing: World) -> None:
    where = {"mine": True, "receivedFrom": "2026-11-20", "receivedTo": "2026-11-01"}

    result = await existing.call("update_tickets", **AS_USER, where=where, change={"statusId": "stat2"})

    assert '"mine": true, "receivedFrom": "2026-11-01", "receivedTo": "2026-11-20"' in text_of(result)


async def test_an_api_that_is_down_or_slow_is_an_error(existing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    existing.wire.when("GET", "/tickets/TCK-0001/history", refuses, always=True)
    text, error = await existing.refused("update_tickets", **AS_USER | TO_ONE)
    assert error == {"kind": "upstream_unavailable", "effect": "nothing_changed"}

    existing.wire.when("GET", "/tickets/TCK-0002/history", hangs, always=True)
    monkeypatch.setattr(planned, "READ_S", 0.05)
    text, error = await existing.refused("update_tickets", **AS_USER, ticketIds=SEVEN[1:], change={"comment": "A"})
    assert error == {"kind": "upstream_unavailable", "effect": "nothing_changed"}
    assert "Reading 6 tickets took longer than 0.05 s. Nothing was changed" in text


async def test_a_preview_speaks_japanese(reference: World) -> None:
    reference.principal, reference.headers = Principal("shared"), {"accept-language": "ja"}

    text = text_of(await reference.call("update_tickets", **AS_USER | TO_ONE))

    assert text.startswith("プレビューです。まだ何も書き込んでいません。7件のうち7件が変更されます。")
