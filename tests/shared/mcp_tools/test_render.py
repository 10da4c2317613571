"""Results as Markdown: complete, bounded, and unbreakable by ticket text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Effect, InvalidInputError, NotStoredError, OutcomeUnknownError, Problem, TicketServerError
from shared.mcp_tools import render
from shared.tickets import results
from shared.tickets.columns import TICKET_COLUMNS
from shared.tickets.master_lists import USERS
from shared.tickets.master_pages import MAX_MASTER, master_page
from shared.tickets.models import TicketRow, User

ANY = st.one_of(st.none(), st.text(st.one_of(st.characters(), st.sampled_from("|`\n\r<[\\#-"))))


def page(*rows: TicketRow, offset: int = 0, has_more: bool = False, total: int | None = None) -> results.TicketPage:
    following = offset + len(rows) if has_more else None
    return results.TicketPage(
        columns=TICKET_COLUMNS,
        rows=results.row_cells(rows, TICKET_COLUMNS),
        offset=offset,
        returned=len(rows),
        has_more=has_more,
        next_offset=following,
        total=total,
    )


@given(
    st.lists(
        st.builds(TicketRow, ticketId=st.text().filter(str.strip), summary=ANY, requestor_name=ANY, category_name=ANY),
        min_size=1,
    )
)
def test_every_ticket_is_exactly_one_row_of_the_table(rows: list[TicketRow]) -> None:
    lines = [line for line in render.ticket_page(page(*rows)).split("\n") if line.startswith("|")]

    assert len(lines) == len(rows) + 2
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {len(TICKET_COLUMNS) + 1}


def test_a_page_says_where_it_is_and_where_the_next_one_starts() -> None:
    row = TicketRow(ticket_id="TCK-0021", remaining_days=0)

    assert render.ticket_page(page(row, offset=20, has_more=True)).startswith(
        "Tickets 21 to 21. There are more: next offset 21."
    )
    assert render.ticket_page(page(row, total=1)).startswith("Tickets 1 to 1 of 1. There are no more.")
    assert "| 0 |" in render.ticket_page(page(row))
    assert render.ticket_page(page(total=0)) == "No tickets match."
    assert render.ticket_page(page(offset=40)) == "No tickets at this offset."


def test_where_not_every_ticket_was_looked_at_nothing_says_that_there_are_no_others() -> None:
    row = TicketRow(ticket_id="TCK-0021")
    last_of_window = page(row, total=2_000, has_more=True).model_copy(update={"offset": None, "next_offset": None})

    assert render.ticket_page(page()) == "No tickets were found."
    assert render.ticket_page(page(row)).startswith("Tickets 1 to 1. No more were found.")
    assert render.ticket_page(last_of_window).startswith("The next 1 of 2000 tickets. There are more.\n")


def test_a_hundred_rows_of_absurd_text_are_still_bounded() -> None:
    texts = TicketRow.model_fields.keys() - {"remaining_days", "completed"}
    row = TicketRow.model_validate(dict.fromkeys(texts, "x" * 500))

    text = render.ticket_page(page(*[row] * 100))

    assert len(text) < 130_000


def test_a_long_master_list_says_how_much_of_it_is_shown() -> None:
    people = [User(id=f"user{number}", name="Ada | Co", role="support") for number in range(500)]

    text = render.master_page(master_page(USERS, people))
    assert text.startswith("Entries 1 to 200 of 500. Next offset 200.\n\n| Id | Name | E-mail | Role |")
    assert r"| user1 | Ada \| Co |  | support |" in text
    assert len(text.splitlines()) == 4 + MAX_MASTER
    assert render.master_page(master_page(USERS, [])) == "No entries."


@pytest.mark.parametrize(
    "error",
    [
        InvalidInputError("limit: too large."),
        InvalidInputError.of([Problem("a", "is missing"), Problem("b", "is no date")]),
        NotStoredError("Half. It was changed, look.", effect=Effect.CHANGED),
        NotStoredError("Nothing was changed; repeat.", effect=Effect.NOTHING_CHANGED),
        OutcomeUnknownError("No answer."),
        TicketServerError("Boom."),
    ],
)
def test_a_failure_says_exactly_one_thing_about_what_happened(error: TicketServerError) -> None:
    text = render.failure(render.sentence(error))

    said = {effect: text.casefold().count(words.rstrip(".").casefold()) for effect, words in render.EFFECTS.items()}
    assert said == {effect: int(effect == error.effect) for effect in Effect}


def test_names_in_a_failure_cannot_break_its_text() -> None:
    text = render.failure(render.sentence(InvalidInputError("No such id. Allowed: acc1 (<b>|`x`).")))

    assert text == r"No such id. Allowed: acc1 (&lt;b&gt;\|\`x\`). Nothing was changed."
