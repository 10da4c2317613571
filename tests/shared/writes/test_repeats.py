"""A model that repeats a call gets the result of the first; nothing is done twice unless requested."""

from dataclasses import replace
from typing import Any, Final

import pytest

from shared.counting import TallyCounter
from shared.identity import Principal, Tenant
from shared.tools import TicketTools
from shared.writes.recent_writes import MemoryRecentWrites
from shared.writes.repeats import digest, meaning
from tests.kills import kills
from tests.shared.given import (
    TICKET,
    World,
    at_now,
    refuses,
    responses,
    text_of,
)
from tests.shared.repeated import COMMENT, FILES, FULL, HISTORY_PATH, Clock, comments, tickets, tools_of


@pytest.fixture
def here(either: World) -> World:
    return either


# --------------------------------------------------------------------- by content


@kills("shared/writes/repeats.py", "if earlier is None:", "if True:")
async def test_a_ticket_that_is_created_three_times_is_one_and_the_result_says_so(here: World, clock: Clock) -> None:
    first = await here.done("create_ticket", **TICKET)
    clock.now += 40

    for _ in range(2):
        result = await here.call("create_ticket", **TICKET)
        said = f"Already created 40 s ago as {first['ticketId']}; allowDuplicate: true makes another."
        assert text_of(result).startswith(said)
        assert result.structured_content is not None
        assert result.structured_content["already"] == said
        assert result.structured_content["ticket"] == first["ticket"]

    assert await tickets(here) == 1
    assert len(here.wire.writes()) == 1


async def test_a_comment_that_is_added_twice_is_one_entry_and_the_result_says_so(here: World, clock: Clock) -> None:
    first = await here.done("add_ticket_history", **COMMENT)
    clock.now += 40

    result = await here.call("add_ticket_history", **COMMENT)

    said = "Already added 40 s ago to TCK-0001; allowDuplicate: true adds another."
    assert text_of(result).startswith(said)
    assert result.structured_content == first | {"already": said}
    assert await comments(here) == 1


@pytest.mark.parametrize(
    ("tool", "call", "window_s"), [("create_ticket", TICKET, 600), ("add_ticket_history", COMMENT, 120)]
)
async def test_what_is_said_again_later_is_meant(
    here: World, clock: Clock, tool: str, call: dict[str, Any], window_s: float
) -> None:
    await here.done(tool, **call)
    clock.now += window_s - 1
    assert "already" in await here.done(tool, **call)
    clock.now += 2

    assert "already" not in await here.done(tool, **call)
    assert await (tickets(here) if tool == "create_ticket" else comments(here)) == 2


async def test_a_duplicate_that_is_meant_is_made(here: World) -> None:
    await here.done("create_ticket", **TICKET)
    await here.done("add_ticket_history", **COMMENT)

    assert "already" not in await here.done("create_ticket", **TICKET, allowDuplicate=True)
    assert "already" not in await here.done("add_ticket_history", **COMMENT, allowDuplicate="true")
    assert "already" in await here.done("create_ticket", **TICKET, allowDuplicate=False)
    assert (await tickets(here), await comments(here)) == (2, 2)


SAME: Final[tuple[dict[str, Any], ...]] = (
    {"requestorId": "Lucia Brandvold"},
    {"summary": "Cafe\u0301 door: C:\\temp is 100% full, see_log "},
    {"description": "First line \r\nSecond line\r\n"},
    {"externalTicketId": 4711},
    {"actualEffortHours": "3.0"},
    {"remarks": None, "hasDefect": False, "responseDetails": " "},
    {"attachments": FILES[::-1]},
    {"attachments": [{"fileUrl": one["fileUrl"], "fileName": one["fileName"]} for one in FILES]},
)


async def test_the_same_said_otherwise_is_the_same(here: World) -> None:
    users = await here.api.get("/tickets/master/users")
    call: dict[str, Any] = FULL | {"attachments": FILES}
    (name,) = (user["name"] for user in users if user["id"] == call["requestorId"])
    await here.done("create_ticket", **call)

    for other in SAME:
        said = call | other | ({"requestorId": name} if "requestorId" in other else {})
        assert "already" in await here.done("create_ticket", **dict(reversed(said.items()))), other
    assert await tickets(here, FULL["summary"]) == 1


async def test_a_comment_with_blanks_around_is_the_same(here: World) -> None:
    await here.done("add_ticket_history", **COMMENT)

    for comment in ("Called back; waits for parts. \n", " Called back; waits for parts."):
        assert "already" in await here.done("add_ticket_history", **COMMENT | {"comment": comment})


OTHERS: Final[tuple[dict[str, Any], ...]] = (
    {"summary": "Screen stays Dark"},
    {"description": "Since the  update."},
    {"accountId": "acc2"},
    {"receptionDateTime": "2026-11-20 09:31"},
    {"hasDefect": True},
    {"actualEffortHours": 0},
    {"externalTicketId": "1"},
    {"attachments": FILES[:1]},
)


async def test_a_ticket_that_differs_in_any_argument_is_another(here: World) -> None:
    for other in ({}, *OTHERS):
        assert "already" not in await here.done("create_ticket", **TICKET | other), other


async def test_a_comment_elsewhere_by_another_or_of_other_words_is_another(here: World) -> None:
    for other in ({}, {"ticketId": "TCK-0002"}, {"userId": "user2"}, {"comment": "Called back"}):
        assert "already" not in await here.done("add_ticket_history", **COMMENT | other), other


@kills("shared/writes/repeats.py", "owner = _LOCAL if call.principal is None else call.principal.key", "owner = _LOCAL")
async def test_principals_and_organisations_do_not_share_what_they_wrote(here: World) -> None:
    callers = [None, Principal("a"), Principal("b"), Principal("a", Tenant("acme"))]
    for summary, key in (("By words", {}), ("By key", {"idempotencyKey": "create-1"})):
        for is_repeat in (False, True):
            for here.principal in callers:
                created = await here.done("create_ticket", **TICKET | {"summary": summary}, **key)
                assert ("already" in created) is is_repeat
        assert await tickets(here, summary) == len(callers)


async def test_an_update_is_never_taken_for_a_repeat(here: World) -> None:
    change = {"ticketId": "TCK-0001", "updatedById": "user1", "comment": "Same words"}
    for _ in range(2):
        await here.done("update_ticket", **change)

    assert await comments(here, "Same words") == 2


async def test_a_repeat_shows_the_ticket_as_it_is_now(here: World) -> None:
    first = await here.done("create_ticket", **TICKET)
    await here.done("update_ticket", ticketId=first["ticketId"], updatedById="user1", remarks="New", hasDefect=True)

    again = await here.done("create_ticket", **TICKET)

    assert again["ticket"]["hasDefect"] is True
    (note,) = again["notes"]
    assert note.startswith("hasDefect was stored, and changed since by ")


async def test_a_repeat_whose_ticket_cannot_be_read_says_both(here: World) -> None:
    first = await here.done("create_ticket", **TICKET)
    here.wire.when("GET", f"/tickets/{first['ticketId']}", responses(404, {"error": "Ticket not found"}))
    gone, error = await here.refused("create_ticket", **TICKET)
    assert error == {"kind": "not_found", "effect": "nothing_changed"}
    here.wire.when("GET", f"/tickets/{first['ticketId']}.*", refuses, always=True)
    unread, error = await here.refused("create_ticket", **TICKET)

    assert error == {"kind": "upstream_unavailable", "effect": "nothing_changed"}
    for text in (gone, unread):
        assert text.startswith(f"Already created 0 s ago as {first['ticketId']}; allowDuplicate")
        assert text.endswith("Nothing was changed by this call.")


async def test_a_repeated_comment_that_cannot_be_read_says_both(here: World) -> None:
    await here.done("add_ticket_history", **COMMENT)

    async def goes_down(inner: Any, request: Any) -> Any:
        here.wire.when("GET", HISTORY_PATH, refuses, always=True)
        return await inner.handle_async_request(request)

    here.wire.when("GET", HISTORY_PATH, goes_down)
    text, error = await here.refused("add_ticket_history", **COMMENT)

    assert error == {"kind": "upstream_unavailable", "effect": "nothing_changed"}
    assert text.startswith("Already added 0 s ago to TCK-0001; ")


# --------------------------------------------------------------------- by key


@pytest.mark.parametrize(("tool", "call"), [("create_ticket", TICKET), ("add_ticket_history", COMMENT)])
async def test_a_key_does_a_thing_once_a_day_and_a_repeat_says_that_it_is_one(
    here: World, clock: Clock, tool: str, call: dict[str, Any]
) -> None:
    await here.done(tool, **call, idempotencyKey="k-1")
    clock.now += 3 * 3600

    for meant in (False, True):
        again = await here.done(tool, **call, idempotencyKey="k-1", allowDuplicate=meant)
        assert again["already"].startswith(("Already created 3 h ago as TCK-", "Already added 3 h ago to TCK-0001"))
        assert ", with this idempotencyKey; another key and allowDuplicate: true " in again["already"]

    assert len(here.wire.writes()) == 1


@pytest.mark.parametrize("other", [("create_ticket", TICKET | {"summary": "Other"}), ("add_ticket_history", COMMENT)])
async def test_a_key_with_other_arguments_is_a_conflict(here: World, other: tuple[str, dict[str, Any]]) -> None:
    await here.done("create_ticket", **TICKET, idempotencyKey="k-1")
    tool, call = other

    text, error = await here.refused(tool, **call, idempotencyKey="k-1")

    assert error == {"kind": "conflict", "effect": "nothing_changed"}
    assert text == "This idempotencyKey was already used with other arguments. Nothing was changed; use a new key."
    assert len(here.wire.writes()) == 1


async def test_two_keys_mean_two_tickets_and_one_key_beside_none_does_not(here: World) -> None:
    for key in ("k-1", "k-2"):
        assert "already" not in await here.done("create_ticket", **TICKET, idempotencyKey=key)
    assert "already" in await here.done("create_ticket", **TICKET)

    await here.done("add_ticket_history", **COMMENT)
    again = await here.done("add_ticket_history", **COMMENT, idempotencyKey="k-3")
    assert again["already"] == "Already added 0 s ago to TCK-0001; allowDuplicate: true adds another."
    assert (await tickets(here), await comments(here)) == (2, 1)


async def test_a_key_whose_call_changed_nothing_is_free(here: World) -> None:
    here.wire.when("POST", "/tickets", refuses)
    await here.refused("create_ticket", **TICKET, idempotencyKey="k-1")

    assert "already" not in await here.done("create_ticket", **TICKET | {"summary": "Other"}, idempotencyKey="k-1")


async def test_a_key_that_only_the_reference_api_remembers_does_a_thing_once(reference: World) -> None:
    """Without a broker, a restart forgets what was written; the ticket API still gets the same keys."""
    for tool, call in (("create_ticket", TICKET), ("add_ticket_history", COMMENT)):
        first = await reference.done(tool, **call, idempotencyKey=f"k-{tool}")
        restarted = replace(reference, tools=TicketTools(reference.api, clock=at_now), counter=TallyCounter())
        assert await restarted.done(tool, **call, idempotencyKey=f"k-{tool}") == first

    assert (await tickets(reference), await comments(reference)) == (1, 1)


# --------------------------------------------------------------------- instances, and what is compared


async def test_another_instance_that_shares_what_is_remembered_knows_it(here: World, clock: Clock) -> None:
    writes = MemoryRecentWrites(clock)
    one = replace(here, tools=tools_of(here, writes), counter=TallyCounter())
    other = replace(here, tools=tools_of(here, writes), counter=TallyCounter())
    await one.done("create_ticket", **TICKET)

    assert "already" in await other.done("create_ticket", **TICKET)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "x\r\ny \n", "b": 3}, {"b": 3.0, "a": "x\ny"}),
        ({"a": "é"}, {"a": "e\u0301", "b": None}),
        ({"a": ""}, {}),
        ({"a": False}, {"a": None}),
        ({"a": [{"x": 1, "y": 2}, {"x": 3}]}, {"a": [{"x": 3}, {"y": 2, "x": 1}]}),
    ],
)
def test_what_is_stored_the_same_means_the_same(one: object, other: object) -> None:
    assert digest(meaning(one)) == digest(meaning(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 0}, {}),
        ({"a": True}, {"a": 1}),
        ({"a": "1"}, {"a": 1}),
        ({"a": "x  y"}, {"a": "x y"}),
        ({"a": "Ａ"}, {"a": "A"}),
        ({"a": "x", "b": "y"}, {"a": "y", "b": "x"}),
        ({"a": " x\ny"}, {"a": "x\n y"}),
    ],
)
def test_what_is_stored_otherwise_means_something_else(one: object, other: object) -> None:
    assert digest(meaning(one)) != digest(meaning(other))
