"""The tools over both ticket APIs: what each promises with either."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest

from shared.identity import Principal
from tests.shared.given import TICKET, World, rows_of, text_of, world

KINDS: tuple[Literal["existing", "reference"], ...] = ("existing", "reference")


@pytest.fixture(params=KINDS)
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world(request.param, tmp_path) as opened:
        yield opened


async def test_pages_follow_each_other_without_gap_or_overlap(here: World) -> None:
    first = await here.done("get_ticket_list", limit=7)
    second = await here.done("get_ticket_list", limit=7, offset=first["nextOffset"])
    both = await here.done("get_ticket_list", limit=14)

    assert first["returned"] == 7
    assert first["hasMore"]
    assert first["rows"] + second["rows"] == both["rows"]


async def test_the_last_page_knows_that_it_is_the_last(here: World) -> None:
    everything = await here.done("get_ticket_list", limit=100)
    exactly = await here.done("get_ticket_list", limit=everything["returned"])
    beyond = await here.call("get_ticket_list", offset=everything["returned"])

    for page in (everything, exactly):
        assert not page["hasMore"]
        assert "nextOffset" not in page
    assert text_of(beyond).startswith("No tickets at this offset.\n")


async def test_completed_tickets_are_listed_by_default_and_left_out_on_request(here: World) -> None:
    everything = await here.done("get_ticket_list", limit=100)
    open_ones = await here.done("get_ticket_list", limit=100, showCompleted=False)

    statuses = {row["statusName"] for row in rows_of(everything)}
    assert statuses - {row["statusName"] for row in rows_of(open_ones)} == {"Completed"}


async def test_filters_narrow_the_list(here: World) -> None:
    ticket = (await here.done("get_ticket_detail", ticketId="TCK-0002"))["ticket"]

    page = await here.done(
        "get_ticket_list",
        personInChargeId=ticket["personInChargeId"],
        accountId=ticket["accountId"],
        statusId=ticket["statusId"],
        scheduledCompletionDateFrom=ticket["scheduledCompletionDate"],
        scheduledCompletionDateTo=ticket["scheduledCompletionDate"],
        searchQuery=ticket["summary"][:12],
        limit=100,
    )

    assert "TCK-0002" in [row["ticketId"] for row in rows_of(page)]
    assert {row["personInChargeName"] for row in rows_of(page)} == {ticket["personInChargeName"]}


async def test_a_list_has_six_columns_or_those_that_were_asked_for_in_their_order(here: World) -> None:
    plain = await here.call("get_ticket_list", limit=2)
    wide = await here.call("get_ticket_list", limit=2, fields=["externalTicketId", "Due", "ticket_id", "dueDate"])

    shown = plain.structured_content or {}
    assert shown["columns"] == [
        *("ticketId", "summary", "statusName", "personInChargeName", "scheduledCompletionDate", "remainingDays"),
    ]
    assert [len(row) for row in shown["rows"]] == [6, 6]
    assert "| Ticket | Summary | Status | In charge | Due | Days left |" in text_of(plain)
    assert (wide.structured_content or {})["columns"] == ["externalTicketId", "scheduledCompletionDate", "ticketId"]
    assert "| External id | Due | Ticket |" in text_of(wide)

    here.principal, here.headers = Principal("ann"), {"accept-language": "ja"}
    japanese = text_of(await here.call("get_ticket_list", limit=2, fields="チケット、件名、期限、完了"))
    assert "| チケット | 件名 | 期限 | 完了 |" in japanese
    text = text_of(await here.call("update_ticket", ticketId="TCK-0001", updatedById="user1", clear=["備考"]))
    assert '"clear": ["remarks"]' in text


async def test_another_word_for_what_is_looked_for_is_answered_with_the_right_one(here: World) -> None:
    for tool, right in (("get_users", "query"), ("get_accounts", "query"), ("find_similar_tickets", "text")):
        text = text_of(await here.call(tool, search="printer"))
        assert f'Call again with: `{{"{right}": "printer"}}`' in text


@pytest.mark.parametrize("given", ["[]", [], None, '["ticketId", "summary"]', "Ticket, title"])
async def test_fields_may_be_empty_or_text(here: World, given: Any) -> None:
    columns = (await here.done("get_ticket_list", limit=1, fields=given))["columns"]

    assert columns[:2] == ["ticketId", "summary"]
    assert len(columns) == (2 if given and given != "[]" else 6)


@pytest.mark.parametrize(
    ("given", "proposed"),
    [
        ("statusNames", "statusName"),
        ("priority", "ticketId"),
        ("categry", "categoryName"),
        ("ｓｕｍｍａｒｙx", "summary"),
        ("scheduledCompletion", "scheduledCompletionDate"),
    ],
)
async def test_a_field_that_no_list_has_is_answered_with_those_that_look_like_it(
    here: World, given: str, proposed: str
) -> None:
    text, error = await here.refused("get_ticket_list", fields=["ticketId", given])

    assert error["field"] == "fields.1"
    assert proposed in error["allowed"]
    assert proposed in text


async def test_a_person_is_found_by_exact_name_and_the_result_says_which_id_that_is(here: World) -> None:
    users = rows_of(await here.done("get_users"))
    name, identifier = users[0]["name"], users[0]["id"]

    by_name = await here.done("get_ticket_list", personInChargeId=f" {name.upper()} ")
    by_id = await here.done("get_ticket_list", personInChargeId=identifier)

    assert by_name["rows"] == by_id["rows"]
    assert by_name["notes"] == [f"personInChargeId: “{name}” is {identifier}."]
    assert "notes" not in by_id


@pytest.mark.parametrize("query", ["%", "_", "100%", "\\", "'", '"', ";--", "（株）", "", "x" * 200])
async def test_no_search_text_breaks_the_search(here: World, query: str) -> None:
    await here.done("get_ticket_list", searchQuery=query)


async def test_a_ticket_comes_with_its_history(here: World) -> None:
    detail = await here.done("get_ticket_detail", ticketId="TCK-0001")

    assert detail["ticket"]["id"] == "TCK-0001"
    assert detail["historyTotal"] == len(detail["history"])
    assert detail["historyTotal"] > 0
    stamps = [entry["timestamp"] for entry in detail["history"]]
    assert stamps == sorted(stamps, reverse=True)


async def test_an_unknown_ticket_is_not_found_though_its_history_might_look_empty(here: World) -> None:
    text, error = await here.refused("get_ticket_detail", ticketId="TCK-9999")

    assert text == "There is no ticket TCK-9999; get_ticket_list finds ids. Nothing was changed."
    assert error == {"kind": "not_found", "effect": "nothing_changed"}


@pytest.mark.parametrize(
    "ticket_id", ["../users", "master/users", "a b?c#d", "チケット", "%2e%2e", "..", "TCK-0001/history"]
)
async def test_an_id_never_becomes_another_path(here: World, ticket_id: str) -> None:
    _, error = await here.refused("get_ticket_detail", ticketId=ticket_id)

    assert error["kind"] in {"not_found", "invalid_input"}


async def test_a_new_ticket_is_read_back_and_shown(here: World) -> None:
    created = await here.done("create_ticket", **TICKET, actualEffortHours="1.5", hasDefect="true", remarks=None)

    ticket = (await here.done("get_ticket_detail", ticketId=created["ticketId"]))["ticket"]
    assert {name: ticket[name] for name in TICKET} == TICKET
    assert ticket["actualEffortHours"] == 1.5
    assert ticket["hasDefect"] is True
    assert "remarks" not in ticket
    assert created["ticket"].items() <= ticket.items()
    assert created["ticket"]["id"] == created["ticketId"]


async def test_difficult_text_comes_back_as_it_was_sent(here: World) -> None:
    text = "一行目\n二行目 | `code` <b>&amp;</b> 😀\n" + "長い" * 4_000

    created = await here.done("create_ticket", **TICKET | {"description": text})

    shown = await here.done("get_ticket_detail", ticketId=created["ticketId"])
    assert shown["ticket"]["description"] == text


async def test_an_update_says_what_changed_from_old_to_new(here: World) -> None:
    made = await here.done("create_ticket", **TICKET)
    names = {status["id"]: status["name"] for status in rows_of(await here.done("get_statuses"))}

    updated = await here.done(
        "update_ticket",
        ticketId=made["ticketId"],
        updatedById="user2",
        statusId="stat2",
        summary=TICKET["summary"],
        scheduledCompletionDate="2026-12-24",
        comment="Started.",
    )

    assert updated["changed"] == [
        {"field": "statusId", "old": f"{names['stat1']} (stat1)", "new": f"{names['stat2']} (stat2)"},
        {"field": "scheduledCompletionDate", "new": "2026-12-24"},
    ]
    assert updated["comment"] == "Started."
    history = (await here.done("get_ticket_detail", ticketId=made["ticketId"]))["history"]
    assert [entry["comment"] for entry in history if "comment" in entry] == ["Started."]


async def test_hours_and_defects_are_shown_as_people_write_them(here: World) -> None:
    made = await here.done("create_ticket", **TICKET)

    updated = await here.done(
        "update_ticket",
        ticketId=made["ticketId"],
        updatedById="user2",
        actualEffortHours=2,
        hasDefect=True,
        remarks="one\ntwo",
    )

    assert updated["changed"] == [
        {"field": "actualEffortHours", "new": "2"},
        {"field": "hasDefect", "old": "no", "new": "yes"},
        {"field": "remarks", "new": "one\ntwo"},
    ]


async def test_an_update_that_changes_nothing_is_refused_before_it_is_sent(here: World) -> None:
    made = await here.done("create_ticket", **TICKET)
    here.wire.sent.clear()

    text, error = await here.refused(
        "update_ticket", ticketId=made["ticketId"], updatedById="user2", statusId="stat1", summary=TICKET["summary"]
    )

    assert "already holds every given value" in text
    assert text.endswith("Nothing was changed.")
    assert error["kind"] == "invalid_input"
    assert here.wire.writes() == []


async def test_a_comment_alone_is_a_change(here: World) -> None:
    updated = await here.done("update_ticket", ticketId="TCK-0001", updatedById="user2", comment="Only this.")

    assert updated["changed"] == []
    assert updated["comment"] == "Only this."


async def test_a_comment_is_shown_as_it_stands_in_the_history(here: World) -> None:
    added = await here.done("add_ticket_history", ticketId="TCK-0001", userId="user2", comment="Called back.")

    assert added["entry"]["comment"] == "Called back."
    assert added["entry"]["userId"] == "user2"
    assert added["entry"].items() <= (await here.done("get_ticket_detail", ticketId="TCK-0001"))["history"][0].items()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("update_ticket", {"updatedById": "user1", "statusId": "stat2"}),
        ("add_ticket_history", {"userId": "user1", "comment": "Hello"}),
    ],
)
async def test_nothing_is_written_to_a_ticket_that_does_not_exist(
    here: World, tool: str, arguments: dict[str, str]
) -> None:
    _, error = await here.refused(tool, ticketId="TCK-9999", **arguments)

    assert error["kind"] == "not_found"
    assert here.wire.writes() == []


async def test_all_wrong_references_are_named_at_once_with_what_is_allowed(here: World) -> None:
    wrong = TICKET | {"requestorId": "user99", "accountId": "acc99", "statusId": "stat99"}

    text, error = await here.refused("create_ticket", **wrong)

    assert [problem["field"] for problem in error["problems"]] == ["requestorId", "accountId", "statusId"]
    assert "stat4 (Completed)" in text
    assert text.endswith("Nothing was changed.")
    assert here.wire.writes() == []


async def test_form_and_references_are_refused_together(here: World) -> None:
    wrong = TICKET | {"statusId": "stat99", "completionDate": "2026-02-30", "colour": "red"}
    del wrong["summary"]

    _, error = await here.refused("create_ticket", **wrong)

    assert {problem["field"] for problem in error["problems"]} == {"statusId", "completionDate", "colour", "summary"}


async def test_a_detail_of_another_category_is_refused_with_those_that_fit(here: World) -> None:
    details = rows_of(await here.done("get_category_details"))
    foreign = next(one["id"] for one in details if one["categoryId"] != "cat1")
    fitting = [one["id"] for one in details if one["categoryId"] == "cat1"]

    _, created = await here.refused("create_ticket", **TICKET | {"categoryDetailId": foreign})
    made = await here.done("create_ticket", **TICKET)
    _, updated = await here.refused(
        "update_ticket", ticketId=made["ticketId"], updatedById="user1", categoryDetailId=foreign
    )
    _, moved = await here.refused("update_ticket", ticketId=made["ticketId"], updatedById="user1", categoryId="cat2")

    assert created["field"] == updated["field"] == moved["field"] == "categoryDetailId"
    assert [label.split()[0] for label in created["allowed"]] == fitting
    assert "cat2" not in str(updated["allowed"])


async def test_category_and_detail_move_together(here: World) -> None:
    made = await here.done("create_ticket", **TICKET)
    details = rows_of(await here.done("get_category_details", categoryId="cat2"))

    updated = await here.done(
        "update_ticket",
        ticketId=made["ticketId"],
        updatedById="user1",
        categoryId="cat2",
        categoryDetailId=details[0]["name"],
    )

    assert {one["categoryId"] for one in details} == {"cat2"}
    assert [change["field"] for change in updated["changed"]] == ["categoryId", "categoryDetailId"]
    assert updated["changed"][1]["new"] == f"{details[0]['name']} ({details[0]['id']})"
    assert "notes" not in updated  # the body says which detail was meant


async def test_every_master_list_has_ids_and_names(here: World) -> None:
    for tool in (
        "get_users",
        "get_accounts",
        "get_categories",
        "get_category_details",
        "get_statuses",
        "get_request_channels",
        "get_response_categories",
    ):
        result = await here.done(tool)
        assert result["total"] == len(result["rows"]) > 0
        assert all(item["id"] and item["name"] for item in rows_of(result))


async def test_people_are_filtered_by_role(here: World) -> None:
    all_users = rows_of(await here.done("get_users"))
    role = all_users[0]["role"]

    some = rows_of(await here.done("get_users", role=role.upper()))
    all_of_them = await here.done("get_users", role="Person in Charge")

    assert some == [user for user in all_users if user["role"] == role]
    assert rows_of(all_of_them) == all_users
    assert all_of_them["notes"][0].startswith("role: no user has the role “Person in Charge”, so all are shown. Roles:")
    assert role in all_of_them["notes"][0]


async def test_an_unknown_category_is_refused_instead_of_shown_as_empty(here: World) -> None:
    _, error = await here.refused("get_category_details", categoryId="cat99")

    assert error["field"] == "categoryId"


async def test_calls_are_counted_by_tool_and_outcome(here: World) -> None:
    await here.done("get_statuses")
    await here.refused("get_ticket_detail", ticketId="TCK-9999")

    assert here.counter.total("tool_calls", tool="get_statuses", outcome="ok") == 1
    assert here.counter.total("tool_calls", tool="get_ticket_detail", outcome="not_found") == 1
