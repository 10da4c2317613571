"""Reports on a write are true even when two people work at once (cases T1, T2), over both ticket APIs."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.kills import kills
from tests.shared.given import (
    TICKET,
    Act,
    World,
    does_it_but_drops,
    does_it_but_responds,
    drops,
    refuses,
    responses,
    text_of,
    world,
)

ONE = "/tickets/TCK-[0-9]+"
ME, THEM = "user1", "user2"


@pytest.fixture(params=["existing", "reference"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world(request.param, tmp_path) as opened:
        yield opened


async def ticket(here: World, **values: Any) -> str:
    """Create a ticket without the tools; return its id."""
    return str((await here.api.post("/tickets", TICKET | values))["id"])


def then(here: World, ticket_id: str, **values: Any) -> Act:
    """Execute the request, then let a colleague change the ticket at once."""

    async def act(inner: Any, request: Any) -> Any:
        response = await inner.handle_async_request(request)
        await here.api.put(f"/tickets/{ticket_id}", {"updatedById": THEM, **values})
        return response

    return act


def first(here: World, ticket_id: str, act: Act | None = None, *, by: str = THEM, **values: Any) -> Act:
    """Let a colleague change the ticket just before the request is executed."""

    async def both(inner: Any, request: Any) -> Any:
        await here.api.put(f"/tickets/{ticket_id}", {"updatedById": by, **values})
        return await (act or _does_it)(inner, request)

    return both


async def _does_it(inner: Any, request: Any) -> Any:
    return await inner.handle_async_request(request)


async def them(here: World) -> str:
    users = await here.api.get("/tickets/master/users")
    return next(f"{user['name']} ({THEM})" for user in users if user["id"] == THEM)


# T1: a value that is overwritten a moment later was stored


@kills("shared/writes/verification.py", "if again is not None:", "if False:")
@pytest.mark.parametrize(
    ("mine", "theirs", "shown"),
    [
        ({"remarks": "mine"}, {"remarks": "theirs"}, "mine → theirs"),
        ({"summary": "Mine"}, {"summary": "Theirs"}, "Mine → Theirs"),
        ({"actualEffortHours": 3}, {"actualEffortHours": 4.5}, "3 → 4.5"),
        ({"hasDefect": True}, {"hasDefect": False}, "yes → no"),
        (
            {"scheduledCompletionDate": "2026-12-24"},
            {"scheduledCompletionDate": "2026-12-25"},
            "2026-12-24 → 2026-12-25",
        ),
        ({"externalTicketId": "A-1"}, {"externalTicketId": "B-2"}, "A-1 → B-2"),
        ({"personInChargeId": "user3"}, {"personInChargeId": "user4"}, "(user3) → "),
        ({"statusId": "stat2"}, {"statusId": "stat3"}, "(stat2) → "),
    ],
)
async def test_a_change_that_a_colleague_overwrote_was_stored_and_is_not_to_be_repeated(
    here: World, mine: dict[str, Any], theirs: dict[str, Any], shown: str
) -> None:
    one = await ticket(here)
    here.wire.when("PUT", ONE, then(here, one, **theirs))

    result = await here.call("update_ticket", ticketId=one, updatedById=ME, **mine)

    assert not result.is_error, text_of(result)
    (name,) = mine
    notes = result.structured_content["notes"] if result.structured_content else []
    (said,) = [
        note for note in notes if note.startswith(f"{name} was stored, and changed again by {await them(here)}: ")
    ]
    assert shown in said
    assert said.endswith("Do not repeat this call.")
    assert "Nothing was changed" not in text_of(result)
    assert "do not repeat" in text_of(result).casefold()


@pytest.mark.parametrize("act", [does_it_but_drops, does_it_but_responds(500, {"error": "x"})])
async def test_without_a_response_the_history_is_the_proof(here: World, act: Act) -> None:
    one = await ticket(here)

    async def overtaken(inner: Any, request: Any) -> Any:
        try:
            return await act(inner, request)
        finally:
            await here.api.put(f"/tickets/{one}", {"updatedById": THEM, "remarks": "theirs"})

    here.wire.when("PUT", ONE, overtaken)

    done = await here.done("update_ticket", ticketId=one, updatedById=ME, remarks="mine", comment="Why")

    assert done["changed"] == [{"field": "remarks", "new": "mine"}]
    assert "did not confirm this; the history shows this very change" in done["notes"][0]
    assert "could not be told apart from it" in done["notes"][0]
    assert "changed again by" in done["notes"][1]


# T2: concurrent changes by others are reported separately


async def test_what_a_colleague_changed_at_the_same_time_is_not_called_mine(here: World) -> None:
    one = await ticket(here, actualEffortHours=1)
    here.wire.when("PUT", ONE, first(here, one, actualEffortHours=3))

    done = await here.done("update_ticket", ticketId=one, updatedById=ME, personInChargeId="user3")

    assert [change["field"] for change in done["changed"]] == ["personInChargeId"]
    assert f"Meanwhile {await them(here)} changed actualEffortHours: 1 → 3." in done["notes"]


async def test_the_old_value_is_the_one_that_was_really_replaced(here: World) -> None:
    one = await ticket(here, remarks="old")
    here.wire.when("PUT", ONE, first(here, one, remarks="theirs"))

    done = await here.done("update_ticket", ticketId=one, updatedById=ME, remarks="mine")

    assert done["changed"] == [{"field": "remarks", "old": "theirs", "new": "mine"}]
    assert f"Meanwhile {await them(here)} changed remarks: old → theirs." in done["notes"]


async def test_a_comment_of_a_colleague_is_said_apart(here: World) -> None:
    one = await ticket(here)
    here.wire.when("PUT", ONE, first(here, one, comment="I am at it"))

    done = await here.done("update_ticket", ticketId=one, updatedById=ME, remarks="mine", comment="Me too")

    assert f"Meanwhile {await them(here)} added a comment." in done["notes"]
    assert done["comment"] == "Me too"


async def test_a_value_that_was_there_and_was_changed_meanwhile_is_said_not_to_have_been_sent(here: World) -> None:
    one = await ticket(here, remarks="as wished")
    here.wire.when("PUT", ONE, first(here, one, remarks="otherwise"))

    done = await here.done("update_ticket", ticketId=one, updatedById=ME, remarks="as wished", actualEffortHours=2)

    assert [change["field"] for change in done["changed"]] == ["actualEffortHours"]
    assert any(
        note.startswith("remarks was as given when the ticket was read, so it was not sent") for note in done["notes"]
    )


# A value that a colleague set first


async def test_a_value_that_a_colleague_set_first_is_not_claimed(here: World) -> None:
    one = await ticket(here)
    here.wire.when("PUT", ONE, first(here, one, remarks="both"))

    done = await here.done("update_ticket", ticketId=one, updatedById=ME, remarks="both", actualEffortHours=2)

    assert done["changed"] == [{"field": "actualEffortHours", "new": "2"}]
    assert f"remarks already held this value when the change arrived, set by {await them(here)}." in done["notes"]


@kills("shared/writes/verification.py", "entry.user_id in {None, self.user_id}", "True")
async def test_a_change_that_a_colleague_made_first_changes_nothing_and_says_so(here: World) -> None:
    one = await ticket(here)
    here.wire.when("PUT", ONE, first(here, one, remarks="both"))

    text, error = await here.refused("update_ticket", ticketId=one, updatedById=ME, remarks="both")

    assert error["effect"] == "nothing_changed"
    assert f"Meanwhile {await them(here)} changed remarks: (empty) → both." in text
    assert "there is nothing to repeat" in text


# Equal changes of one user


async def test_equal_changes_of_one_user_are_said_not_to_be_told_apart(here: World) -> None:
    one = await ticket(here)

    async def twice(inner: Any, request: Any) -> Any:
        await here.api.put(f"/tickets/{one}", {"updatedById": ME, "remarks": "x"})
        await here.api.put(f"/tickets/{one}", {"updatedById": THEM, "remarks": "y"})
        return await inner.handle_async_request(request)

    here.wire.when("PUT", ONE, twice)

    done = await here.done("update_ticket", ticketId=one, updatedById=ME, remarks="x")

    assert "2 equal changes by" in done["notes"][0]
    assert "cannot be determined" in done["notes"][0]


# Not stored, while a colleague wrote


@kills("shared/writes/outcome.py", "if conflicts:", "if False:")
@pytest.mark.parametrize("act", [responses(500, {"error": "x"}), responses(200, {"id": "TCK-0001", "message": "ok"})])
async def test_a_failed_change_does_not_advise_to_overwrite_a_colleague(here: World, act: Act) -> None:
    one = await ticket(here)
    here.wire.when("PUT", ONE, first(here, one, act, remarks="theirs"))

    text, error = await here.refused("update_ticket", ticketId=one, updatedById=ME, remarks="mine")

    assert error == {"kind": "not_stored", "effect": "nothing_changed"}
    assert f"Meanwhile {await them(here)} changed remarks: (empty) → theirs." in text
    assert "Repeating it would overwrite what others set in remarks" in text
    assert "repeat the call" not in text


async def test_a_change_that_may_still_come_is_not_called_undone_nor_done(here: World) -> None:
    one = await ticket(here)
    here.wire.when("PUT", ONE, first(here, one, drops, remarks="mine"))

    text, error = await here.refused("update_ticket", ticketId=one, updatedById=ME, remarks="mine")

    assert error == {"kind": "outcome_unknown", "effect": "unknown"}
    assert "The history has no entry of it. Ticket" in text
    assert f"holds every given value by now, through other changes: remarks (set by {await them(here)})." in text


def once_read(here: World, one: str, **values: Any) -> Act:
    """Respond, then let a colleague change the ticket at once."""

    async def act(inner: Any, request: Any) -> Any:
        response = await inner.handle_async_request(request)
        await here.api.put(f"/tickets/{one}", {"updatedById": THEM, **values})
        return response

    return act


async def test_a_colleague_who_writes_while_it_is_read_back_is_no_contradiction(here: World) -> None:
    """Ticket and history are read by two requests; a change in between must not look like a loss."""
    one = await ticket(here)

    async def arm(inner: Any, request: Any) -> Any:
        here.wire.when("GET", f"{ONE}(/history)?", once_read(here, one, remarks="theirs"))
        return await inner.handle_async_request(request)

    here.wire.when("PUT", ONE, arm)

    done = await here.done("update_ticket", ticketId=one, updatedById=ME, remarks="mine")

    assert done["changed"] == [{"field": "remarks", "new": "mine"}]
    assert f"changed again by {await them(here)}" in done["notes"][0]


@kills("shared/writes/updates.py", "READINGS: Final = 3", "READINGS: Final = 1")
async def test_a_late_write_that_arrives_while_it_is_read_back_is_found(here: World) -> None:
    """Its entry is in the history, but the ticket that was read before does not hold it: both are read again."""
    one = await ticket(here)
    late: list[Any] = []

    async def not_yet(inner: Any, request: Any) -> Any:
        late.append(request)
        here.wire.when("GET", ONE, then_arrive)
        return await drops(inner, request)

    async def then_arrive(inner: Any, request: Any) -> Any:
        response = await inner.handle_async_request(request)
        await inner.handle_async_request(late.pop())
        return response

    here.wire.when("PUT", ONE, not_yet)

    done = await here.done("update_ticket", ticketId=one, updatedById=ME, remarks="mine")

    assert done["changed"] == [{"field": "remarks", "new": "mine"}]
    assert "did not confirm this; the history shows this very change" in done["notes"][0]


@kills(
    "shared/tickets/reading.py",
    'history = await api.get(f"{path',
    'ticket, history = await api.get(path), await api.get(f"{path',
)
async def test_a_colleague_who_writes_while_the_ticket_is_read_first_is_not_overwritten(here: World) -> None:
    one = await ticket(here)

    async def then_fail(inner: Any, request: Any) -> Any:
        response = await once_read(here, one, remarks="theirs")(inner, request)
        here.wire.when("PUT", ONE, responses(500, {"error": "x"}))
        return response

    here.wire.when("GET", f"{ONE}(/history)?", then_fail)

    text, _ = await here.refused("update_ticket", ticketId=one, updatedById=ME, remarks="mine")

    assert "Repeating it would overwrite what others set in remarks" in text


async def test_a_refused_change_that_cannot_be_read_back_is_still_a_refused_one(here: World) -> None:
    async def refused_and_down(_: Any, request: Any) -> Any:
        here.wire.when("GET", ".*", refuses, always=True)
        return await responses(400, {"error": "x", "field": "remarks"})(_, request)

    here.wire.when("PUT", ONE, refused_and_down)

    text, error = await here.refused("update_ticket", ticketId="TCK-0001", updatedById=ME, remarks="mine")

    assert error["effect"] == "nothing_changed"
    assert "The ticket API refused the value of remarks." in text


async def test_a_comment_alone_is_not_taken_for_a_change(here: World) -> None:
    one = await ticket(here)

    async def only_the_comment(inner: Any, request: Any) -> Any:
        await here.api.post(f"/tickets/{one}/history", {"userId": ME, "comment": "c"})
        return await responses(500, {"error": "x"})(inner, request)

    here.wire.when("PUT", ONE, only_the_comment)

    text, error = await here.refused("update_ticket", ticketId=one, updatedById=ME, remarks="mine", comment="c")

    assert error == {"kind": "outcome_unknown", "effect": "unknown"}
    assert "from this call or from an equal one by the same user" in text


# Creating and commenting


async def test_a_new_ticket_that_a_colleague_changed_at_once_was_created_as_sent(here: World) -> None:
    async def renames(inner: Any, request: Any) -> Any:
        response = await inner.handle_async_request(request)
        await response.aread()
        await here.api.put(f"/tickets/{response.json()['id']}", {"updatedById": THEM, "summary": "Renamed"})
        return response

    here.wire.when("POST", "/tickets", renames)

    done = await here.done("create_ticket", **TICKET)

    (said,) = [note for note in done["notes"] if note.startswith("summary was stored")]
    assert said == f"summary was stored, and changed since by {await them(here)}: {TICKET['summary']} → Renamed."


async def test_an_equal_comment_of_the_same_user_is_not_taken_for_certain(here: World) -> None:
    one = await ticket(here)

    async def only_the_other_is_stored(inner: Any, request: Any) -> Any:
        await here.api.post(f"/tickets/{one}/history", {"userId": ME, "comment": "Same words"})
        return await drops(inner, request)

    here.wire.when("POST", f"{ONE}/history", only_the_other_is_stored)

    done = await here.done("add_ticket_history", ticketId=one, userId=ME, comment="Same words")

    assert "An equal comment by the same user at the same time could not be told apart from it." in done["notes"][0]


# T5: all problems of a call at once


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ({"categoryId": "cat2", "categoryDetailId": "catd1"}, {"categoryDetailId", "updatedById"}),
        ({"categoryDetailId": "catd99", "statusId": "stat99"}, {"categoryDetailId", "statusId", "updatedById"}),
        ({"categoryId": "cat2", "completionDate": "soon"}, {"categoryDetailId", "completionDate", "updatedById"}),
        ({"clear": ["remarks"], "remarks": "x"}, {"remarks", "updatedById"}),
        (
            {"remarks": "… [cut at 12,000 of 15,000 characters]", "statusId": "x"},
            {"remarks", "statusId", "updatedById"},
        ),
    ],
)
async def test_everything_that_is_wrong_with_an_update_is_said_at_once(
    here: World, arguments: dict[str, Any], fields: set[str]
) -> None:
    one = await ticket(here)

    _, error = await here.refused("update_ticket", ticketId=one, **arguments)

    assert {problem["field"] for problem in error["problems"]} == fields


async def test_everything_that_is_wrong_with_a_comment_is_said_at_once(here: World) -> None:
    _, error = await here.refused("add_ticket_history", ticketId="TCK-0001", comment="  ")

    assert {problem["field"] for problem in error["problems"]} == {"comment", "userId"}


# U12: a client that shows only structuredContent shows the sentence

FAILURES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "not found": ("get_ticket_detail", {"ticketId": "TCK-9999"}),
    "one problem": ("get_ticket_list", {"limit": 0}),
    "several problems": ("get_ticket_list", {"limit": 0, "offset": -1}),
    "missing": ("get_ticket_detail", {}),
    "nothing to do": ("update_ticket", {"ticketId": "TCK-0001", "updatedById": "user1"}),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_every_failure_has_its_sentence_in_structured_content(here: World, case: str) -> None:
    tool, arguments = FAILURES[case]

    result = await here.call(tool, **arguments)

    assert result.is_error
    error = (result.structured_content or {})["error"]
    assert error["message"].endswith("Nothing was changed.")
    assert len(error["message"]) > 30
