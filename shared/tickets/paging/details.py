"""Adds to the rows of a page what the lists of an API do not show, from the tickets themselves."""

from collections.abc import Sequence
from datetime import UTC, datetime

from shared.api_client import APIClient
from shared.errors import UpstreamError
from shared.localization import localized
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.paging.single_tickets import DETAILS, UPDATED_AT, SingleTickets, in_time, moment_of
from shared.tickets.sorting import Page, Row


async def with_details(api: APIClient, page: Page, fields: Sequence[str], at: TicketTime) -> Page:
    """Return `page` with those of `fields` in its rows that only single tickets show; a note says if they are missing.

    Reading takes at most `READ_S` seconds. A ticket was updated at its newest history entry, or else when it was
    received.
    """
    wanted = [name for name in fields if name in DETAILS]
    ids = [row["ticketId"] for row in page.rows if isinstance(row, dict) and "ticketId" in row] if wanted else []
    tickets = SingleTickets(api)
    try:
        with in_time():
            facts = await tickets.facts(ids if wanted != [UPDATED_AT] else ())
            changed = await tickets.changed(ids if UPDATED_AT in wanted else ())
    except (TimeoutError, UpstreamError):
        missing = localized(
            "The tickets could not all be read in time, so these columns are empty: {columns}.",
            columns=localized(", ").join(wanted),
        )
        return page._replace(notes=(*page.notes, missing))
    rows = [
        {**row, **facts.get(row["ticketId"], {}), UPDATED_AT: _updated_at(row, changed.get(row["ticketId"]), at)}
        if isinstance(row, dict) and row.get("ticketId") in ids
        else row
        for row in page.rows
    ]
    return page._replace(rows=rows)


def _updated_at(row: Row, changed: datetime | None, at: TicketTime) -> str | None:
    moment = changed or moment_of(row.get("receptionDateTime"), at.api_zone or at.zone)
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")
