"""Renders a ticket with its history."""

from collections.abc import Iterable
from typing import Final

from shared.localization import localized
from shared.markdown import inline, quote
from shared.mcp_tools.render.blocks import (
    People,
    beside,
    block,
    change,
    document,
    fact,
    facts,
    long,
    text,
)
from shared.tickets import results
from shared.tickets.labels import field_label
from shared.tickets.models import Attachment, HistoryEntry, Ticket

_BRIEF: Final = frozenset({
    *("statusId", "personInChargeId", "requestorId", "accountId", "categoryId", "categoryDetailId", "requestChannelId"),
    *("scheduledCompletionDate", "completionDate", "actualEffortHours", "responseCategoryId", "hasDefect"),
})  # fmt: skip
"""Fields whose values are names, dates, numbers or truth values, so that no user's text stands beside others."""


def ticket_detail(detail: results.TicketDetail) -> str:
    """Render a ticket and its history, or the part of them that was asked for."""
    ticket, people = detail.ticket, People()
    return document(
        f"**{inline(ticket.id)}** {inline(ticket.summary or '')}".rstrip(),
        ticket_facts(ticket, people),
        ticket_texts(ticket),
        _parts(detail),
        _history(detail, people),
        notes=detail.notes,
    )


def ticket_facts(ticket: Ticket, people: People) -> str:
    """Render what is short of a ticket, apart from its id and summary: a list of facts.

    Master data goes by its name, which every tool takes; people and accounts, who may share one, have their ids too.
    """
    effort = None if ticket.actual_effort_hours is None else f"{ticket.actual_effort_hours:g} h"
    channel = text(ticket.request_channel_name or ticket.request_channel_id)
    received = ", ".join(filter(None, (text(ticket.reception_date_time), channel)))
    return facts(
        fact("statusId", text(ticket.status_name or ticket.status_id)),
        fact("personInChargeId", people.named(ticket.person_in_charge_name, ticket.person_in_charge_id)),
        beside(
            fact("requestorId", people.named(ticket.requestor_name, ticket.requestor_id)),
            fact("accountId", people.named(ticket.account_name, ticket.account_id)),
        ),
        fact("categoryId", _category(ticket)),
        fact("receptionDateTime" if ticket.reception_date_time else "requestChannelId", received),
        beside(
            fact("scheduledCompletionDate", text(ticket.scheduled_completion_date)),
            fact("completionDate", text(ticket.completion_date)),
            fact("actualEffortHours", effort),
            fact("hasDefect", localized("yes") if ticket.has_defect else None),
        ),
        fact("responseCategoryId", None if _has_details(ticket) else _response_category(ticket)),
        fact("externalTicketId", text(ticket.external_ticket_id)),
    )


def _category(ticket: Ticket) -> str | None:
    names = (ticket.category_name or ticket.category_id, ticket.category_detail_name or ticket.category_detail_id)
    return " / ".join(inline(name) for name in names if name) or None


def _response_category(ticket: Ticket) -> str | None:
    return text(ticket.response_category_name or ticket.response_category_id)


def _has_details(ticket: Ticket) -> bool:
    return bool(ticket.response_details and ticket.response_details.strip())


def ticket_texts(ticket: Ticket) -> str:
    """Render the long texts and the attachments of a ticket."""
    return document(
        long("description", ticket.description),
        long("responseDetails", ticket.response_details, beside=_response_category(ticket)),
        long("remarks", ticket.remarks),
        block(field_label("attachments"), attachments(ticket)),
    )


def attachments(ticket: Ticket) -> str:
    """Render the attachments of a ticket: a line for each, with the time of upload if the ticket is older."""
    return "\n".join(
        "- " + " ".join(inline(part) for part in _of_attachment(one, ticket) if part)
        for one in ticket.attachments or ()
    )


def _of_attachment(one: Attachment, ticket: Ticket) -> Iterable[str | None]:
    yield from (one.file_name, one.file_url)
    yield None if one.uploaded_at == ticket.reception_date_time else one.uploaded_at


def _parts(detail: results.TicketDetail) -> str:
    if detail.part is None or detail.parts is None:
        return ""
    if detail.part == detail.parts:
        return localized("Part {part} of {parts}, the last.", part=detail.part, parts=detail.parts)
    return localized(
        "Part {part} of {parts}; part: {following} shows what follows in the texts that are cut.",
        part=detail.part,
        parts=detail.parts,
        following=detail.part + 1,
    )


def _history(detail: results.TicketDetail, people: People) -> str:
    if not detail.history and (detail.part or 1) > 1:
        return ""
    if not detail.history:
        return _no_history(detail)
    entries = "\n".join(history_entry(entry, people) for entry in detail.history)
    return block(_heading(detail), entries)


def _no_history(detail: results.TicketDetail) -> str:
    if detail.is_older:
        return localized("There are no older history entries; there are {total}.", total=detail.history_total)
    if detail.since is not None:
        return localized("No history since {since}.", since=inline(detail.since))
    return localized("No history.")


def _heading(detail: results.TicketDetail) -> str:
    """Return the heading of the history: how many entries there are, which are shown, and where older ones are."""
    shown, total = len(detail.history), detail.history_total
    since = "" if detail.since is None else localized(" since {since}", since=inline(detail.since))
    if detail.is_older:
        which = localized("{shown} older of {total}", shown=shown, total=total)
    elif shown < total:
        which = localized("the newest {shown} of {total}", shown=shown, total=total)
    else:
        which = str(total)
    older = detail.next_before
    more = "" if older is None else localized("; before: {entry} shows older ones", entry=inline(older))
    return localized("History{since} ({which}{more})", since=since, which=which, more=more)


def history_entry(entry: HistoryEntry, people: People) -> str:
    """Render one entry: id, time, user, whether its comment is public, what changed, comment."""
    who = people.named(entry.user_name, entry.user_id) or localized("an unnamed user")
    changed = [
        (one.field_name, change(one.field_name, one.old_value, one.new_value)) for one in entry.changed_fields or ()
    ]
    head = " ".join(filter(None, (f"#{inline(entry.id)}", text(entry.timestamp), who)))
    public = localized("public") if entry.visibility == "public" else None
    brief = beside(head, public, *(said for field, said in changed if field in _BRIEF))
    typed = [f"\n  - {said}" for field, said in changed if field not in _BRIEF]
    comment = f"\n{quote(entry.comment)}" if entry.comment and entry.comment.strip() else ""
    return f"- {brief}{''.join(typed)}{comment}"
