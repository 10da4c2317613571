"""What became of a write: the read-back, and the one verdict that it allows.

An acknowledgement is no proof, and a missing one is no refusal. So a write is judged by what reads back: all of it is
there, none of it is, or some of it is. Where the API may still be at work, "none" is no verdict yet.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio

from shared.api_client import APIClient
from shared.errors import Effect, NotFoundError, NotStoredError, OutcomeUnknownError, UpstreamError
from shared.tickets.models import HistoryEntry, Ticket, TicketRow, parse_many
from shared.tickets.reading import read_after_write

LOOK_S: Final = 4.0
"""Seconds for finding out what became of a write, on top of those that the write itself took."""


async def read_back(api: APIClient, ticket_id: str, *, said: str) -> tuple[Ticket, tuple[HistoryEntry, ...]]:
    """Return the ticket as it is after a write; `said` is what the API's answer to the write amounts to.

    Raises:
        OutcomeUnknownError: it could not be read.
    """
    try:
        with anyio.fail_after(LOOK_S):
            return await read_after_write(api, ticket_id)
    except (UpstreamError, NotFoundError, TimeoutError):
        raise OutcomeUnknownError(
            f"{said.rstrip('.')}; ticket {ticket_id} could not be read afterwards. It may have been changed: look with "
            f"get_ticket_detail(ticketId={ticket_id}) before you repeat this."
        ) from None


def write_error(
    ticket_id: str,
    lost: Sequence[str],
    doubt: OutcomeUnknownError | None,
    *,
    partly: bool,
    meanwhile: Sequence[str] = (),
    conflicts: Sequence[str] = (),
) -> NotStoredError | OutcomeUnknownError:
    """Return the error that a write to an existing ticket deserves when `lost` does not read back as written.

    Args:
        ticket_id: which ticket.
        lost: each loss in a few words.
        doubt: the missing response, if the write has none.
        partly: whether anything did change.
        meanwhile: sentences on what others changed since the ticket was read.
        conflicts: the fields of the write that others changed since: repeating it would overwrite them.
    """
    what = "; ".join(lost)
    others = "".join(f" {sentence}" for sentence in meanwhile)
    if partly:
        return NotStoredError(
            f"Only part of this was stored in ticket {ticket_id}. It was changed, but read back: {what}.{others} "
            "Look with get_ticket_detail, then send only what is missing.",
            effect=Effect.CHANGED,
        )
    if doubt is not None and not doubt.settled:
        return OutcomeUnknownError(
            f"{doubt} Read back a moment later from ticket {ticket_id}: {what}.{others} The ticket API may still be at "
            f"work. It may have been changed: look with get_ticket_detail(ticketId={ticket_id}) before you repeat this."
        )
    said = doubt or "The ticket API acknowledged this without storing it."
    advice = "Nothing was changed; repeat the call."
    if conflicts:
        advice = (
            "Nothing was changed by this call. Repeating it would overwrite what others set in "
            f"{', '.join(conflicts)}: look with get_ticket_detail(ticketId={ticket_id}) first."
        )
    return NotStoredError(
        f"{said} Read back from ticket {ticket_id}: {what}.{others} {advice}", effect=Effect.NOTHING_CHANGED
    )


def created_otherwise(ticket_id: str, lost: Sequence[str]) -> NotStoredError:
    """Return the error of a ticket that was created but does not read back as it was sent."""
    return NotStoredError(
        f"Ticket {ticket_id} was created, but the ticket API stored it otherwise: {'; '.join(lost)}. It was changed, "
        "so do not create it again; mend it with update_ticket.",
        effect=Effect.CHANGED,
    )


async def perhaps_created(api: APIClient, body: Mapping[str, Any], doubt: OutcomeUnknownError) -> OutcomeUnknownError:
    """Return what can be said about a ticket that may have been created: recent ones that look like it, if any."""
    found = await _look_alikes(api, str(body["summary"]), str(body["receptionDateTime"]))
    seen = (
        f"Such a ticket exists: {', '.join(found)}. It may be this one or an older one; look with get_ticket_detail."
        if found
        else "No such ticket was found a moment later, but the ticket API may still be at work."
    )
    return OutcomeUnknownError(
        f"{doubt} {seen} It may have been changed, that is, the ticket may have been created: look with "
        "get_ticket_list, its summary as searchQuery, before you repeat this; repeat it with the same idempotencyKey.",
        settled=doubt.settled,
    )


async def _look_alikes(api: APIClient, summary: str, received: str) -> list[str]:
    try:
        with anyio.fail_after(LOOK_S):
            response = await api.get("/tickets", params={"searchQuery": summary, "showCompleted": True, "limit": 20})
            rows = parse_many(TicketRow, response)
    except (UpstreamError, TimeoutError):
        return []
    return [row.ticket_id for row in rows if (row.summary, row.reception_date_time) == (summary, received)]
