"""Adds to the rows of a page what the lists of an API do not show, from the tickets themselves."""

from collections.abc import Collection
from datetime import UTC
from typing import Any

import anyio

from shared.api_client import APIClient
from shared.errors import UpstreamError
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.paging.single_tickets import DETAILS, READ_S, UPDATED_AT, SingleTickets, moment_of
from shared.tickets.sorting import Page, Row


async def with_details(api: APIClient, page: Page, fields: Collection[str], at: TicketTime) -> Page:
    """Return `page` with those of `fields` in its rows that need single tickets; a note says if they are missing.

    At most `READ_S` seconds; `updatedAt` is that of the newest history entry, or else the reception.
    """
    wanted = [name for name in fields if name in DETAILS]
    if not wanted or not isinstance(page.rows, list | tuple):
        return page
    rows = [row for row in page.rows if isinstance(row, dict) and row.get("ticketId")]
    ids = [row["ticketId"] for row in rows]
    tickets = SingleTickets(api)
    try:
        with anyio.fail_after(READ_S):
            facts = await tickets.facts(ids) if any(name != UPDATED_AT for name in wanted) else {}
            changed = await tickets.changed(ids) if UPDATED_AT in wanted else {}
    except (TimeoutError, UpstreamError):
        return page._replace(notes=(*page.notes, f"Not shown, as the tickets could not be read in time: {', '.join(wanted)}."))
    ...
