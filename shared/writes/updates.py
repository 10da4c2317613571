"""Updates an existing ticket, from sending the change to reporting its verified outcome.

The history decides (`shared.writes.verification`); the ticket's values afterwards decide only if the history has no
entry of this change. A ticket and its history are read by two requests, in the order that reveals a change in between.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from shared.api_client import APIClient, segment
from shared.errors import Effect, InvalidInputError, NotStoredError, OutcomeUnknownError, TicketChangedError
from shared.localization import localized
from shared.tickets.changes import added, changes, holds, readably_differing
from shared.tickets.models import HistoryEntry, Ticket
from shared.tickets.results import FieldChange
from shared.tickets.unreadable import unreadable_note
from shared.writes.by_feature.comment_visibility import marked_otherwise
from shared.writes.by_feature.expected import changed_error
from shared.writes.outcome import read_back, unclear, write_error
from shared.writes.verification import Evidence, Increment, SentWrite, author, examine, holds_value

READINGS: Final = 3
"""How many times a ticket that contradicts its history is read."""
COMMENT_MISSING: Final = "the comment is not in the history"
_NOT_CONFIRMED: Final = "The ticket API did not confirm this; reading it back shows that it was done."
_NO_ENTRY: Final = "The history has no entry of this change; reading it back shows that it was done."


@dataclass(frozen=True, slots=True)
class Update:
    """A change that is about to be sent.

    `given` has all values of the call, including those that the ticket already held; `body` is the request body.
    """

    before: Ticket
    known: Sequence[HistoryEntry]
    sent: SentWrite
    given: Mapping[str, Any]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """The outcome of an update that was stored."""

    ticket: Ticket
    changed: tuple[FieldChange, ...]
    notes: tuple[str, ...]


async def store(api: APIClient, update: Update) -> Stored:
    """Send `update` once and verify its outcome.

    Raises:
        NotStoredError: it was stored in part or not at all.
        OutcomeUnknownError: it may have been stored.
        TicketChangedError: the ticket has newer history entries than those that the update expects.
        InvalidInputError, UpstreamError: nothing was changed.
    """
    before, doubt = update.before, None
    try:
        await api.put(f"/tickets/{segment(before.id)}", update.body)
    except OutcomeUnknownError as error:
        doubt = error
    except TicketChangedError as refusal:
        raise await _changed_meanwhile(api, update) from refusal
    except InvalidInputError as refusal:
        raise await _refused(api, update, refusal) from refusal
    after, found = await _evidence(api, update, said=str(doubt or localized("The update was acknowledged")))
    if found.own is None:
        return _without_entry(update, after, found, doubt)
    lost = [
        *(_is(after, name) for name in sorted(found.missing)),
        *(
            localized("{name} was stored, and reads back as {value}", name=name, value=holds(after, name))
            for name in found.unexplained
        ),
        *([localized(COMMENT_MISSING)] if found.comment_missing else []),
    ]
    if lost:
        raise write_error(before.id, lost, doubt, partly=True, meanwhile=[*found.changed_again, *found.meanwhile])
    return Stored(
        after,
        found.changed,
        (
            *_proof(found, doubt),
            *found.changed_again,
            *_overtaken(update, after),
            *_rest(found),
            *_unreadable(after, found.own),
            *marked_otherwise(update.body.get("visibility"), found.own),
        ),
    )


async def _evidence(api: APIClient, update: Update, *, said: str) -> tuple[Ticket, Evidence]:
    """Read back until the ticket agrees with its history, at most `READINGS` times; a write may come between requests.

    Raises:
        OutcomeUnknownError: the ticket could not be read.
    """
    for _ in range(READINGS):
        after, entries = await read_back(api, update.before.id, said=said)
        found = examine(update.sent, before=update.before, known=update.known, after=after, entries=entries)
        if not found.unexplained:
            break
    return after, found


def _proof(found: Evidence, doubt: OutcomeUnknownError | None) -> tuple[str, ...]:
    """Say how this call's entry was identified, if the API did not confirm it."""
    if found.own is None:
        return ()
    who = author(found.own)
    if found.twins:
        note = localized(
            "{count} equal changes by {who} were made since the ticket was read; which of them is this call's cannot "
            "be determined.",
            count=found.twins + 1,
            who=who,
        )
        return (note,)
    if doubt is not None:
        note = localized(
            "The ticket API did not confirm this; the history shows this very change by {who}, so it was done. An "
            "equal change by the same user at the same time could not be told apart from it.",
            who=who,
        )
        return (note,)
    return ()


def _rest(found: Evidence) -> tuple[str, ...]:
    """Return what others did, apart from what `changed_again` already says."""
    return (*found.already, *found.meanwhile)


def _overtaken(update: Update, after: Ticket) -> tuple[str, ...]:
    """Say which values were not sent because the ticket held them, and have been changed since."""
    unsent = {name: value for name, value in update.given.items() if name not in update.sent.values}
    return tuple(
        localized(
            "{name} was as given when the ticket was read, so it was not sent; it was changed meanwhile and is now "
            "{value}.",
            name=name,
            value=holds(after, name),
        )
        for name in readably_differing(after, unsent)
    )


async def _refused(api: APIClient, update: Update, refusal: InvalidInputError) -> InvalidInputError:
    """Return the error for a refused update; the reference API refuses a change that another user has just made."""
    try:
        after, found = await _evidence(api, update, said=str(refusal))
    except OutcomeUnknownError:  # it cannot be read back, so the refusal stands
        return refusal
    if update.sent.comment is not None or found.set_by_others.keys() != update.sent.values.keys():
        return refusal
    text = localized("{held} Nothing was changed by this call; there is nothing to repeat.", held=_held(after, found))
    return InvalidInputError(text)


def _is(ticket: Ticket, name: str) -> str:
    return localized("{name} is {value}", name=name, value=holds(ticket, name))


async def _changed_meanwhile(api: APIClient, update: Update) -> TicketChangedError:
    """Return the error for an update that the API refused, because the history has entries it does not expect."""
    before, new = update.before, tuple[HistoryEntry, ...]()
    with suppress(OutcomeUnknownError):  # then it is not known what they are
        _, entries = await read_back(api, before.id, said=localized("The update was refused"))
        new = added(update.known, entries)
    return changed_error(before.id, new)


def _missing(after: Ticket, sent: SentWrite, found: Evidence) -> list[str]:
    """Return the fields that were sent and are not there; a sum that others have changed proves no addition."""
    return [
        name
        for name, value in sent.values.items()
        if not holds_value(after, name, value) or (isinstance(value, Increment) and name in found.touched)
    ]


def _unreadable(after: Ticket, own: HistoryEntry) -> Iterator[str]:
    """Yield notes on what could not be read back after an update that was stored."""
    if after.unreadable:
        yield unreadable_note(after.id, after.unreadable)
    if own.unreadable:
        yield unreadable_note(localized("history entry {entry}", entry=own.id), own.unreadable)


def _not_readable(after: Ticket, sent: SentWrite, found: Evidence) -> str:
    """Return in a few words what could have proved a write, and could not be read."""
    names = [name for name in sent.values if name in after.unreadable]
    if found.has_unreadable:
        names.append(localized("a new entry of the history"))
    return localized(", ").join(names)


def _held(after: Ticket, found: Evidence) -> str:
    """Say that a ticket holds the sent values, set by other changes than this call's."""
    whose = (localized("{name} (set by {who})", name=name, who=who) for name, who in found.set_by_others.items())
    said = localized(
        "Ticket {ticket_id} holds every given value by now, through other changes: {whose}.",
        ticket_id=after.id,
        whose=localized(", ").join(whose),
    )
    return localized(" ").join([said, *found.meanwhile])


def _without_entry(update: Update, after: Ticket, found: Evidence, doubt: OutcomeUnknownError | None) -> Stored:
    """Return the outcome of an update without an entry in the history, or raise it as an error."""
    sent, before = update.sent, update.before
    acknowledged = str(doubt or localized("The ticket API acknowledged this."))
    if what := _not_readable(after, sent, found):
        raise unclear(before.id, what, acknowledged)
    missing = _missing(after, sent, found)
    lost = [_is(after, name) for name in missing]
    if found.comment_alone:
        raise OutcomeUnknownError(
            localized(
                "{said} Read back from ticket {ticket_id}: {lost}. The history has only the comment, from this call or "
                "from an equal one by the same user. It may have been changed: check with "
                "get_ticket_detail(ticketId={ticket_id}) before you repeat this.",
                said=acknowledged,
                ticket_id=before.id,
                lost=localized("; ").join(lost),
            )
        )
    if sent.comment is not None:
        lost.append(localized(COMMENT_MISSING))
    if lost:
        own = sent.values.keys() - missing - found.touched - found.set_by_others.keys()
        would_overwrite = [name for name, value in sent.values.items() if not isinstance(value, Increment)]
        conflicts = sorted(found.touched & set(would_overwrite))
        raise write_error(before.id, lost, doubt, partly=bool(own), meanwhile=found.meanwhile, conflicts=conflicts)
    if found.set_by_others.keys() != sent.values.keys():
        changed = tuple(one for one in changes(before, after) if one.field in sent.values)
        how = localized(_NOT_CONFIRMED if doubt else _NO_ENTRY)
        return Stored(after, changed, (how, *_overtaken(update, after), *_rest(found)))
    held = _held(after, found)
    if doubt is None or doubt.settled:
        text = localized(
            "{said} The history has no entry of it. {held} Nothing was changed by this call; there is nothing to "
            "repeat.",
            said=acknowledged,
            held=held,
        )
        raise NotStoredError(text, effect=Effect.NOTHING_CHANGED)
    raise OutcomeUnknownError(
        localized(
            "{said} The history has no entry of it. {held} The ticket API may still be executing it. It may have been "
            "changed: check with get_ticket_detail(ticketId={ticket_id}) before you repeat this.",
            said=acknowledged,
            held=held,
            ticket_id=before.id,
        )
    )
