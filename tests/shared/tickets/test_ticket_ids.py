"""Ticket ids as people write them (T12): an exact id wins, a guess is never written to."""

from typing import Any, Final, cast

import pytest

from shared.api_client import APIClient
from shared.errors import InvalidInputError, NotFoundError
from shared.tickets.models import HistoryEntry, Rows, Ticket
from shared.tickets.ticket_ids import MAX_AROUND, Read, read_named, within_limit
from tests.kills import kills
from tests.shared.given import World

NO_API: Final = cast("APIClient", None)
CERTAIN: Final = {
    "case": "tck-0003",
    "fewer zeros": "TCK-3",
    "more zeros": "TCK-000003",
    "number sign": "#TCK-0003",
    "full width": "ＴＣＫ－０００３",
    "no hyphen": "TCK0003",
    "blank": "TCK 3",
    "underscore": "TCK_0003",
    "another hyphen": "TCK‑0003",
    "long vowel mark": "ＴＣＫー0003",
    "quotes": "「TCK-0003」",
    "invisible": "TCK-\u200b0003",
    "with its summary": "TCK-0003 (CSV import stops)",
    "URL": "https://tickets.example.com/tickets/TCK-0003",
    "URL with a query": "https://tickets.example.com/view?id=tck-3&tab=2",
    "link": "[TCK-0003](https://tickets.example.com/3)",
}
NUMBERS: Final = {
    "number": "3",
    "full width": "３",
    "number sign": "#3",
    "words": "Ticket 3",
    "Japanese": "チケット3番",
    "slip": "TKC-0003",
}


def reading(*ids: str) -> Read[Rows[HistoryEntry]]:
    """Return a reader of an API that has the tickets `ids`."""

    async def read(_: APIClient, ticket_id: str) -> tuple[Ticket, Rows[HistoryEntry]]:
        if ticket_id not in ids:
            raise NotFoundError(f"There is no ticket {ticket_id}.")
        return Ticket.model_validate({"id": ticket_id, "summary": f"Of {ticket_id}"}), Rows()

    return read


async def found(given: str, *ids: str, writes: bool = False) -> str:
    return (await read_named(reading(*ids), NO_API, given, writes=writes))[0].id


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize("given", CERTAIN.values(), ids=CERTAIN)
async def test_an_id_in_another_spelling_names_its_ticket_to_read_and_to_write(given: str, *, writes: bool) -> None:
    assert await found(given, "TCK-0003", "TCK-0030", "TCK-3000", writes=writes) == "TCK-0003"


@pytest.mark.parametrize("given", NUMBERS.values(), ids=NUMBERS)
async def test_a_number_alone_names_a_ticket_to_read_and_is_proposed_to_a_write(given: str) -> None:
    assert await found(given, "TCK-0003") == "TCK-0003"
    with pytest.raises(InvalidInputError) as caught:
        await found(given, "TCK-0003", writes=True)

    (problem,) = caught.value.problems
    assert problem.right == {"ticketId": "TCK-0003"}
    assert problem.allowed == ("TCK-0003 (Of TCK-0003)",)


@kills(
    "shared/tickets/ticket_ids.py", "        return await read(api, given)\n", "        raise NotFoundError(given)\n"
)
@pytest.mark.parametrize("given", ["TCK-3", "3", "tck-0003", "#3", "INC/7", " x", "TCK-0003 (a)", "TCK3", '"TCK-0003"'])
async def test_an_existing_id_of_any_shape_wins(given: str) -> None:
    assert await found(given, given, "TCK-0003", "TCK-0007", writes=True) == given


async def test_a_spelling_of_two_existing_ids_is_refused_with_both() -> None:
    for writes in (False, True):
        with pytest.raises(InvalidInputError) as caught:
            await found("tck-3", "TCK-3", "TCK-0003", writes=writes)
        assert caught.value.allowed == ("TCK-3 (Of TCK-3)", "TCK-0003 (Of TCK-0003)")


async def test_several_ids_are_answered_with_each_of_them() -> None:
    with pytest.raises(InvalidInputError) as caught:
        await found("TCK-0004, tck-3", "TCK-0003", "TCK-0004")

    assert caught.value.allowed == ("TCK-0003", "TCK-0004")


@pytest.mark.parametrize(
    "given",
    [
        "TCK-0031",
        "TCK-30003",
        "TCK-0003/history",
        "../TCK-0001/x",
        "INC-0003",
        "XTCK-0003",
        "-3",
        "3.5",
        "TCK",
        "#",
        "0",
    ],
)
async def test_what_is_another_id_names_no_ticket(given: str) -> None:
    with pytest.raises(NotFoundError):
        await found(given, "TCK-0003", "TCK-0001")


async def test_ids_of_another_shape_are_found_in_another_case_and_width() -> None:
    assert await found("inc-7a", "INC-7A", writes=True) == "INC-7A"
    assert await found("ＩＮＣ-7A", "inc-7a", writes=True) == "inc-7a"


def test_an_id_is_taken_out_of_a_longer_text_if_it_is_the_only_one() -> None:
    url = f"https://tickets.example.com/{'a' * 50}/TCK-0003"

    assert within_limit(url) == "TCK-0003"
    for other in ("TCK-3", f"TCK-3 TCK-4 {'a' * 50}", "a" * 60, f"TCK-3 {'a' * MAX_AROUND}", 3):
        assert within_limit(other) == other


async def test_a_write_goes_to_the_ticket_that_was_meant_and_is_recorded_for_it(existing: World) -> None:
    await existing.done("update_ticket", ticketId="tck-1", updatedById="user1", remarks="By another spelling")
    await existing.done("add_ticket_history", ticketId="ＴＣＫ－１", userId="user1", comment="By another width")
    refused, error = await existing.refused("update_ticket", ticketId=1, updatedById="user1", remarks="By a number")

    assert existing.wire.writes() == [("PUT", "/tickets/TCK-0001"), ("POST", "/tickets/TCK-0001/history")]
    events: Any = existing.trail
    assert [event.object for event in events.events[:2]] == ["TCK-0001", "TCK-0001"]
    assert "is a number alone, which is not enough to change a ticket" in refused
    assert error["field"] == "ticketId"
