"""Pages of tickets over either ticket API without a server, and what they should be: computed from single tickets."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from shared.tickets.dates.ticket_calendar import TicketCalendar
from shared.tickets.features import FeatureReader
from shared.tickets.master_data import MasterData
from shared.tickets.selection import TicketFilters, TicketSelection
from shared.tickets.sorting import Page, id_key
from shared.tickets.ticket_pages import TicketPages
from shared.time_zones import zone_named
from tests.shared.given import TICKET, World, at_now

COMPLETED: Final = "stat4"
Ticket = Mapping[str, Any]


def pages_of(here: World, *, zone: str | None = None) -> TicketPages:
    """Return the pages of a world's ticket API, shown in `zone`."""
    features, master = FeatureReader(here.api), MasterData(here.api)
    shown = None if zone is None else zone_named(zone)
    calendar = TicketCalendar(features, master, completed=COMPLETED, zone=shown, clock=at_now)
    return TicketPages(here.api, features, master, calendar, completed_id=COMPLETED)


async def many(here: World, count: int) -> None:
    """Create tickets that mostly share their dates, statuses and categories with others; a third has no date."""
    for number in range(count):
        dates = {} if number % 3 == 0 else {
            "scheduledCompletionDate": f"2026-12-0{number % 4 + 1}", "completionDate": f"2026-11-2{number % 3}",
            "statusId": COMPLETED,
        }  # fmt: skip
        kind = {"categoryId": "cat2", "categoryDetailId": "catd4"} if number % 2 else {}
        await here.api.post(
            "/tickets",
            TICKET
            | {"statusId": f"stat{number % 2 + 1}", "receptionDateTime": f"2026-11-2{number % 7} 0{number % 5}:30"}
            | dates
            | kind,
        )


async def tickets_of(here: World) -> list[Ticket]:
    """Return every ticket, each with the moment of its last change as `updated`: else that of its reception."""
    rows = await here.api.get("/tickets", params={"limit": 200, "showCompleted": True})
    tickets = []
    for row in rows:
        ticket_id = row["ticketId"]
        ticket = await here.api.get(f"/tickets/{ticket_id}")
        history = await here.api.get(f"/tickets/{ticket_id}/history")
        received = f"{ticket['receptionDateTime']}+00:00"
        changed = row.get("updatedAt") or max((entry["timestamp"] for entry in history), default=received)
        tickets.append(ticket | {"ticketId": ticket_id, "updated": datetime.fromisoformat(changed)})
    return tickets


def in_order(tickets: list[Ticket], selection: TicketSelection, fits: Callable[[Ticket], bool]) -> list[str]:
    """Return the ids of the tickets that fit, in the order of `selection`, undated ones last."""
    field, reverse = selection.sort_by, selection.descends
    found = [ticket for ticket in tickets if fits(ticket)]
    dated = sorted((t for t in found if t[field]), key=lambda t: (t[field], id_key(t)), reverse=reverse)
    return [t["id"] for t in (*dated, *sorted((t for t in found if not t[field]), key=id_key, reverse=reverse))]


async def walked(pages: TicketPages, filters: TicketFilters, **rest: Any) -> AsyncIterator[Page]:
    """Yield the pages of a list to its end, each from the cursor of the one before."""
    cursor = None
    while True:
        page = await pages.page(TicketSelection(filters=filters, cursor=cursor, **rest))
        yield page
        cursor = page.next_cursor
        assert page.has_more is (cursor is not None) or page.notes
        if cursor is None:
            return


def ids(page: Page) -> list[str]:
    """Return the ids of the tickets of a page."""
    return [row["ticketId"] for row in page.rows]
