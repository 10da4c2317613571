"""Whether a ticket is as its reader knows it: by the newest history entry that was read, or since a moment.

An API with the feature `expected-history` compares once more as it writes, so nothing can come in between. Elsewhere
the history is read just before the write.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from shared.errors import InvalidInputError, Problem, TicketChangedError
from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.models import HistoryEntry
from shared.writes.verification import author, chronological, done_meanwhile

NO_ENTRY: Final = "0"
"""Stands for the newest entry of a history without entries."""
MAX_SAID: Final = 5
"""Entries that an error describes."""
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def newest_id(history: Sequence[HistoryEntry]) -> str:
    """Return the id of the newest entry, `NO_ENTRY` for an empty history."""
    return chronological(history)[-1].id if history else NO_ENTRY


def entries_since(ticket_id: str, history: Sequence[HistoryEntry], since: str) -> tuple[HistoryEntry, ...]:
    """Return the entries that are newer than `since`, oldest first.

    An entry without a readable time counts as newer than any moment.

    Args:
        ticket_id: the ticket.
        history: all of its history.
        since: the id of an entry, `NO_ENTRY`, or a moment in UTC.

    Raises:
        InvalidInputError: `since` is the id of no entry of this history.
    """
    timeline = chronological(history)
    if _MOMENT.fullmatch(since):
        moment = datetime.fromisoformat(since)
        return tuple(entry for entry in timeline if (at := _time_of(entry)) is None or at >= moment)
    ids = [entry.id for entry in timeline]
    if since in ids:
        return tuple(timeline[ids.index(since) + 1 :])
    if since == NO_ENTRY:
        return tuple(timeline)
    if not timeline:
        text = localized("{ticket} has no history; leave ifUnchangedSince out, or give a moment", ticket=ticket_id)
        raise InvalidInputError.of([Problem("ifUnchangedSince", text)])
    text = localized(
        "is no entry of the history of {ticket}, whose newest entry is {newest}",
        ticket=ticket_id,
        newest=newest_id(history),
    )
    raise InvalidInputError.of([Problem("ifUnchangedSince", text)])


def changed_error(ticket_id: str, new: Sequence[HistoryEntry]) -> TicketChangedError:
    """Return the error for a ticket with the entries `new`, which its reader does not know; empty: they are unknown."""
    said = localized(
        "Ticket {ticket} has changed. {said} Nothing was changed by this call; repeat it only if it is still right.",
        ticket=one_line(ticket_id),
        said=what_changed(new),
    )
    newest = [localized("The newest history entry is {newest}.", newest=new[-1].id)] if new else []
    return TicketChangedError(localized(" ").join([said, *newest]))


def what_changed(new: Sequence[HistoryEntry]) -> str:
    """Return sentences on the newest of the entries `new`; empty: they could not be read."""
    if not new:
        return localized("Who did this could not be read.")
    said = [sentence for entry in new[-MAX_SAID:] for sentence in done_meanwhile(entry) or [_empty(entry)]]
    if len(new) > MAX_SAID:
        said.append(localized("Before that there are {count} more entries.", count=len(new) - MAX_SAID))
    return localized(" ").join(said)


def only_checked_before() -> str:
    """Say that a change in the moment of a write would not have been noticed."""
    return localized(
        "This ticket API cannot compare as it writes: that nothing had changed was checked just before the write."
    )


def _empty(entry: HistoryEntry) -> str:
    return localized("Meanwhile {who} added an entry without changes.", who=author(entry))


def _time_of(entry: HistoryEntry) -> datetime | None:
    try:
        at = datetime.fromisoformat(entry.timestamp or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
