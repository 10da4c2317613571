"""An odd value in an answer of the ticket API costs its field, and a write that it hides is not called failed (U1)."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.kills import kills
from tests.shared.given import TICKET, Act, World, rows_of, text_of, world

NAN = float("nan")
ONE = "/tickets/TCK-[0-9]+"
HISTORY = f"{ONE}/history"
LISTS = ("users", "accounts", "categories", "category-details", "statuses", "request-channels", "response-categories")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world("existing", tmp_path) as opened:
        yield opened


@pytest.fixture
async def reference(tmp_path: Path) -> AsyncIterator[World]:
    async with world("reference", tmp_path) as opened:
        yield opened


def altered(change: Callable[[Any], Any]) -> Act:
    """Let the API execute the request; `change` alters its JSON in place, or returns another."""

    async def act(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        response = await inner.handle_async_request(request)
        value = json.loads(await response.aread())
        body = json.dumps(change(value) or value).encode()
        return httpx2.Response(response.status_code, content=body, request=request)

    return act


def every(**values: Any) -> Act:
    """Set `values` in the answer, or in each of its rows."""

    def change(found: Any) -> None:
        for row in found if isinstance(found, list) else [found]:
            row.update(values)

    return altered(change)


def first(**values: Any) -> Act:
    """Set `values` in the first row of the answer."""

    def change(found: Any) -> None:
        rows = found["tickets"] if isinstance(found, dict) else found
        rows[0].update(values)

    return altered(change)


@pytest.mark.parametrize("odd", ["", 2.5, NAN, "1,5", True, [], {"days": 3}, 10**30], ids=str)
async def test_an_odd_row_stays_in_the_list_without_its_odd_value(here: World, odd: Any) -> None:
    here.wire.when("GET", "/tickets", first(remainingDays=odd), always=True)

    result = await here.call("get_ticket_list", limit=2)

    said = str(result.structured_content)
    assert not result.is_error
    assert len((result.structured_content or {})["rows"]) == 2
    assert "remainingDays could not be read" in said
    assert text_of(result).count("remainingDays could not be read.") == 1


async def test_the_notes_on_odd_rows_are_bounded(here: World) -> None:
    here.wire.when("GET", "/tickets", every(remainingDays="soon", statusName=[]), always=True)

    page = await here.done("get_ticket_list", limit=17)

    assert len(page["rows"]) == 17
    odd = [note for note in page["notes"] if "could not be read" in note]
    assert len(odd) == 6
    assert odd[0].endswith(": statusName, remainingDays could not be read.")
    assert odd[-1] == "There are values that could not be read in these and 12 more."


NAMELESS: tuple[Any, ...] = ("", True, [], NAN)
NO_IDS: tuple[Any, ...] = (None, "TCK-0001", [], {"summary": "no id"}, {"ticketId": ""}, {"ticketId": ["T"]})


@pytest.mark.parametrize("order", ["receptionDateTime", "scheduledCompletionDate", "completionDate"])
async def test_rows_without_an_id_are_left_out_of_a_list_with_a_note(here: World, order: str) -> None:
    here.wire.when("GET", "/tickets", altered(lambda rows: [*NO_IDS, *rows]), always=True)

    page = await here.done("get_ticket_list", limit=3, sortBy=order)

    assert len(page["rows"]) == 3
    assert page["notes"][-1] == "6 rows were left out, because the ticket API sent no id with them."


async def test_a_row_without_an_id_is_left_out_of_a_page_as_the_api_cut_it(reference: World) -> None:
    reference.wire.when("GET", "/tickets", first(ticketId=None, remainingDays=""), always=True)

    page = await reference.done("get_ticket_list", limit=3)

    assert (len(page["rows"]), page["hasMore"]) == (2, True)
    assert page["notes"] == ["1 row was left out, because the ticket API sent no id with it."]


async def test_a_list_in_which_no_row_has_an_id_is_a_fault(here: World) -> None:
    here.wire.when("GET", "/tickets", altered(lambda rows: [{"error": "x"}] * len(rows)), always=True)

    _, error = await here.refused("get_ticket_list")

    assert error["kind"] == "upstream_fault"


@pytest.mark.parametrize(
    ("name", "odd"), [*((name, None) for name in LISTS), *(("users", odd) for odd in NAMELESS)], ids=str
)
async def test_a_master_row_without_a_readable_name_goes_by_its_id(here: World, name: str, odd: Any) -> None:
    here.wire.when("GET", f"/tickets/master/{name}", first(name=odd), always=True)

    shown = await here.done(f"get_{name.replace('-', '_')}")

    item = rows_of(shown)[0]
    assert item["name"] == item["id"]
    assert shown["notes"] == [f"{item['id']}: name could not be read."]


async def test_one_user_without_a_name_stops_neither_creates_nor_updates_nor_filters_by_name(here: World) -> None:
    here.wire.when("GET", "/tickets/master/users", first(name=None), always=True)

    created = await here.done("create_ticket", **TICKET)
    await here.done("update_ticket", ticketId=created["ticketId"], updatedById="user2", remarks="new")
    await here.done("add_ticket_history", ticketId=created["ticketId"], userId="user2", comment="Called back.")
    statuses = await here.done("get_statuses")
    await here.done("get_ticket_list", statusId=rows_of(statuses)[0]["name"])


@pytest.mark.parametrize(
    ("field", "odd", "named"),
    [
        ("actualEffortHours", "", "actualEffortHours"),
        ("actualEffortHours", "1,5", "actualEffortHours"),
        ("actualEffortHours", NAN, "actualEffortHours"),
        ("actualEffortHours", "Infinity", "actualEffortHours"),
        ("hasDefect", "maybe", "hasDefect"),
        ("summary", {"text": "nested"}, "summary"),
        ("remarks", ["a", "b"], "remarks"),
        ("statusName", False, "statusName"),
        ("completionDate", 1_796_083_200_000, "completionDate"),
        ("attachments", "[]", "attachments"),
        ("attachments", {}, "attachments"),
        ("attachments", [None], "attachments[0]"),
        ("attachments", [{"fileName": "a.png"}, {"fileName": []}], "attachments[1].fileName"),
    ],
    ids=lambda one: None if isinstance(one, str) else type(one).__name__,
)
async def test_a_ticket_with_an_odd_value_is_shown_without_it(here: World, field: str, odd: Any, named: str) -> None:
    here.wire.when("GET", ONE, every(**{field: odd}))

    shown = await here.done("get_ticket_detail", ticketId="TCK-0001")

    assert shown["notes"] == [f"TCK-0001: {named} could not be read."]
    assert shown["ticket"]["id"] == "TCK-0001"


async def test_extra_and_missing_fields_need_no_note(here: World) -> None:
    here.wire.when("GET", ONE, altered(lambda found: {"id": found["id"], "colour": "red", "nested": [{"a": NAN}]}))

    shown = await here.done("get_ticket_detail", ticketId="TCK-0001")

    assert shown["ticket"] == {"id": "TCK-0001"}
    assert "notes" not in shown


@pytest.mark.parametrize("odd", [None, "", [], {}, True], ids=str)
async def test_a_ticket_without_an_id_cannot_be_read(here: World, odd: Any) -> None:
    here.wire.when("GET", ONE, every(id=odd))

    _, error = await here.refused("get_ticket_detail", ticketId="TCK-0001")

    assert (error["kind"], error["effect"]) == ("upstream_fault", "nothing_changed")


async def test_a_history_with_odd_entries_is_shown(here: World) -> None:
    odd: list[Any] = [
        None,
        {"id": 901, "timestamp": 5, "comment": {"a": 1}},
        {"timestamp": "2026-11-20T10:00:00.000Z", "comment": "no id"},
        {"id": 902, "changedFields": [{"fieldName": None}, {"fieldName": "remarks", "oldValue": NAN, "newValue": "x"}]},
    ]
    here.wire.when("GET", HISTORY, altered(lambda rows: odd + rows))

    shown = await here.done("get_ticket_detail", ticketId="TCK-0001")

    assert [one.get("comment") for one in shown["history"][:3]] == [None, "no id", None]
    assert shown["notes"] == [
        "1 row was left out, because the ticket API sent no id with it.",
        "history entry 901: timestamp, comment could not be read.",
        "history entry 2026-11-20 10:00: id could not be read.",
        "history entry 902: changedFields[0], changedFields[1].oldValue could not be read.",
    ]


# --- writes: what cannot be read back is neither success nor failure


async def test_a_new_ticket_whose_value_reads_back_oddly_was_created(here: World) -> None:
    here.wire.when("GET", ONE, every(actualEffortHours="1,5", attachments=[None]))

    created = await here.done(
        "create_ticket",
        **TICKET,
        actualEffortHours=1.5,
        attachments=[{"fileName": "a", "fileUrl": "https://x.example/a"}],
    )

    said = " ".join(created["notes"])
    assert "actualEffortHours: could not be read back, so it is not known whether this was stored as given." in said
    assert "whether its attachments were stored could not be read: a." in said


@pytest.mark.parametrize("odd", ["1,5", "", [], NAN], ids=str)
async def test_an_update_that_the_history_proves_is_done_whatever_reads_back(here: World, odd: Any) -> None:
    here.wire.when("GET", ONE, every(actualEffortHours=odd), always=True)

    updated = await here.done("update_ticket", ticketId="TCK-0001", updatedById="user1", actualEffortHours=7.5)

    assert [one["new"] for one in updated["changed"] if one["field"] == "actualEffortHours"] == ["7.5"]
    assert "TCK-0001: actualEffortHours could not be read." in updated["notes"]


@kills("shared/writes/updates.py", "if what := _not_readable(after, sent, found):", "if what := '':")
async def test_an_update_without_proof_whose_value_cannot_be_read_back_is_unknown(here: World) -> None:
    here.wire.when("GET", HISTORY, altered(lambda _: [{"id": 1}]), always=True)
    here.wire.when("GET", ONE, every(actualEffortHours="1,5"), always=True)

    said, error = await here.refused("update_ticket", ticketId="TCK-0001", updatedById="user1", actualEffortHours=1.5)

    assert (error["kind"], error["effect"]) == ("outcome_unknown", "unknown")
    assert "actualEffortHours could not be read. It may have been changed: check" in said


async def test_a_field_that_cannot_be_read_is_cleared_all_the_same(here: World) -> None:
    await here.done("update_ticket", ticketId="TCK-0001", updatedById="user1", remarks="old")
    here.wire.when("GET", ONE, every(remarks={"text": "old"}))

    await here.done("update_ticket", ticketId="TCK-0001", updatedById="user1", clear=["remarks"])

    assert not (await here.api.get("/tickets/TCK-0001"))["remarks"]


@pytest.mark.parametrize("odd", [{"comment": {"text": "hi"}}, {"comment": ["hi"]}, {"comment": True}], ids=str)
async def test_a_comment_in_an_entry_that_cannot_be_read_is_unknown(here: World, odd: dict[str, Any]) -> None:
    before = await here.api.get("/tickets/TCK-0001/history")
    hides = altered(lambda rows: [*({**row, **odd} for row in rows[: len(rows) - len(before)]), *before])
    here.wire.when("GET", HISTORY, hides, always=True)

    _, error = await here.refused("add_ticket_history", ticketId="TCK-0001", userId="user1", comment="Called back.")
    _, also = await here.refused("update_ticket", ticketId="TCK-0001", updatedById="user1", comment="And more.")
    both = await here.done("update_ticket", ticketId="TCK-0001", updatedById="user1", comment="Last.", remarks="x")

    assert (error["kind"], error["effect"]) == (also["kind"], also["effect"]) == ("outcome_unknown", "unknown")
    assert both["notes"][-1].endswith(": comment could not be read.")


async def test_a_comment_is_found_in_a_history_without_ids(here: World) -> None:
    here.wire.when("GET", HISTORY, every(id=None), always=True)

    added = await here.done("add_ticket_history", ticketId="TCK-0001", userId="user1", comment="Called back.")

    assert added["entry"]["comment"] == "Called back."
