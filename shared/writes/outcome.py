"""Determines the outcome of a write from its read-back.

An acknowledgement is no proof of success, and a missing one no proof of failure. So what reads back decides: all of the
write, none of it, or part of it. While the API may still be executing the write, "none" is not conclusive.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio

from shared.api_client import APIClient
from shared.errors import Effect, NotFoundError, NotStoredError, OutcomeUnknownError, UpstreamError
from shared.localization import localized
from shared.tickets.models import HistoryEntry, Ticket, TicketRow, parse_many
from shared.tickets.reading import read_after_write

LOOK_S: Final = 4.0
"""Seconds for reading back the outcome of a write, after the time the write itself took."""
_STOPS: Final = ".。"


def id_in(response: object) -> str | None:
    """Return the id in the response to a write, if it has one."""
    return str(response["id"]) if isinstance(response, dict) and response.get("id") else None


async def read_back(api: APIClient, ticket_id: str, *, said: str) -> tuple[Ticket, tuple[HistoryEntry, ...]]:
    """Return the ticket after a write; `said` is a sentence on the API's response to the write.

    Raises:
        OutcomeUnknownError: the ticket could not be read.
    """
    try:
        with anyio.fail_after(LOOK_S):
            return await read_after_write(api, ticket_id)
    except (UpstreamError, NotFoundError, TimeoutError):
        raise OutcomeUnknownError(
            localized(
                "{said}; ticket {ticket_id} could not be read afterwards. It may have been changed: check with "
                "get_ticket_detail(ticketId={ticket_id}) before you repeat this.",
                said=said.rstrip(_STOPS),
                ticket_id=ticket_id,
            )
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
    """Return the error for a write to an existing ticket that does not read back as sent.

    Args:
        ticket_id: the ticket.
        lost: a few words for each part that does not read back.
        doubt: the missing response, if the write got none.
        partly: whether anything did change.
        meanwhile: sentences on what others changed since the ticket was read.
        conflicts: fields of the write that others have changed since, which repeating it would overwrite.
    """
    read = {
        "ticket_id": ticket_id,
        "what": localized("; ").join(lost),
        "others": localized(" ").join(("", *meanwhile)),
    }
    if partly:
        text = localized(
            "Only part of this was stored in ticket {ticket_id}. It was changed, but read back: {what}.{others} Check "
            "with get_ticket_detail, then send only what is missing.",
            **read,
        )
        return NotStoredError(text, effect=Effect.CHANGED)
    if doubt is not None and not doubt.settled:
        return OutcomeUnknownError(
            localized(
                "{doubt} Read back a moment later from ticket {ticket_id}: {what}.{others} The ticket API may still be "
                "executing it. It may have been changed: check with get_ticket_detail(ticketId={ticket_id}) before "
                "you repeat this.",
                doubt=doubt,
                **read,
            )
        )
    said = str(doubt or localized("The ticket API acknowledged this without storing it."))
    advice = localized("Nothing was changed; repeat the call.")
    if conflicts:
        advice = localized(
            "Nothing was changed by this call. Repeating it would overwrite what others set in {conflicts}: check with "
            "get_ticket_detail(ticketId={ticket_id}) first.",
            conflicts=localized(", ").join(conflicts),
            ticket_id=ticket_id,
        )
    text = localized(
        "{said} Read back from ticket {ticket_id}: {what}.{others} {advice}", said=said, advice=advice, **read
    )
    return NotStoredError(text, effect=Effect.NOTHING_CHANGED)


def unclear(ticket_id: str, what: str, said: str) -> OutcomeUnknownError:
    """Return the error for a write that could have been done, but `what` shows it could not be read.

    Args:
        ticket_id: the ticket.
        what: a few words for what could not be read.
        said: a sentence on the API's response to the write.
    """
    return OutcomeUnknownError(
        localized(
            "{said}. Read back from ticket {ticket_id}, {what} could not be read. It may have been changed: check with "
            "get_ticket_detail(ticketId={ticket_id}) before you repeat this.",
            said=said.rstrip(_STOPS),
            ticket_id=ticket_id,
            what=what,
        )
    )


def created_otherwise(ticket_id: str, lost: Sequence[str]) -> NotStoredError:
    """Return the error for a ticket that was created but does not read back as sent."""
    return NotStoredError(
        localized(
            "Ticket {ticket_id} was created, but the ticket API stored it differently: {lost}. It was changed, so do "
            "not create it again; correct it with update_ticket.",
            ticket_id=ticket_id,
            lost=localized("; ").join(lost),
        ),
        effect=Effect.CHANGED,
    )


async def perhaps_created(api: APIClient, body: Mapping[str, Any], doubt: OutcomeUnknownError) -> OutcomeUnknownError:
    """Return the error for a ticket that may have been created; it names tickets that look like it, if any."""
    found = await _look_alikes(api, str(body["summary"]), body.get("receptionDateTime"))
    seen = localized("No such ticket was found a moment later, but the ticket API may still be executing the call.")
    if found:
        seen = localized(
            "Such a ticket exists: {tickets}. It may be this one or an older one; check with get_ticket_detail.",
            tickets=localized(", ").join(found),
        )
    return OutcomeUnknownError(
        localized(
            "{doubt} {seen} It may have been changed, that is, the ticket may have been created: check with "
            "get_ticket_list, its summary as searchQuery, before you repeat this; if it had an idempotencyKey, use it "
            "again.",
            doubt=doubt,
            seen=seen,
        ),
        settled=doubt.settled,
    )


async def _look_alikes(api: APIClient, summary: str, received: str | None) -> list[str]:
    try:
        with anyio.fail_after(LOOK_S):
            response = await api.get("/tickets", params={"searchQuery": summary, "showCompleted": True, "limit": 20})
            rows = parse_many(TicketRow, response)
    except (UpstreamError, TimeoutError):
        return []
    return [row.ticket_id for row in rows if row.summary == summary and received in {None, row.reception_date_time}]
