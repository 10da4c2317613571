"""The token of a preview: it binds a call to the tickets, their newest history entries, the changes and the user.

It is a digest and no secret: who may confirm may also write without a preview. Nothing is kept, so that any instance
accepts it. Its first part stands for the call, then each ticket has a part, in the order of their ids, so that a ticket
that has changed since can be named; and of a call that was interrupted, what it did can be found in the histories.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.tickets.changes import FIELDS
from shared.tickets.models import HistoryEntry
from shared.writes.bulk.planned import CheckedChanges, PlannedTicket
from shared.writes.bulk.wanted import Wanted
from shared.writes.by_feature.added_hours import FIELD as HOURS
from shared.writes.by_feature.expected import NO_ENTRY, newest_id
from shared.writes.repeats import meaning
from shared.writes.verification import Increment, SentWrite, chronological

_CALL: Final = 8
_TICKET: Final = 4
"""Characters of the parts, of 62 each: 47 and 23 bits."""
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a token says of the tickets of a call: which have changed since, and which the call has changed itself."""

    fits: bool
    """Whether it is of the same tickets, changes and acting user."""
    changed: dict[str, tuple[HistoryEntry, ...]]
    """By ticket id, the entries since the preview; none, if they could not be found."""
    done: frozenset[str]
    """Ids of tickets whose newer entries have what the call writes."""


def token_of(tickets: Sequence[PlannedTicket], changes: CheckedChanges) -> str:
    """Return the token of a preview of `tickets`."""
    call = _call_part(tickets, changes)
    return call + "".join(_ticket_part(call, one.ticket_id, newest_id(one.history)) for one in _in_order(tickets))


def confirmed_by(token: str, tickets: Sequence[PlannedTicket], changes: CheckedChanges) -> Confirmed:
    """Return what `token` says of `tickets` as they are now."""
    call, parts = token[:_CALL], token[_CALL:]
    if call != _call_part(tickets, changes) or len(parts) != _TICKET * len(tickets):
        return Confirmed(fits=False, changed={}, done=frozenset())
    changed: dict[str, tuple[HistoryEntry, ...]] = {}
    done = set[str]()
    for place, one in enumerate(_in_order(tickets)):
        part = parts[place * _TICKET : (place + 1) * _TICKET]
        if part == _ticket_part(call, one.ticket_id, newest_id(one.history)):
            continue
        new = _since(one, call, part)
        if _has_done(new, one, changes):
            done.add(one.ticket_id)
        else:
            changed[one.ticket_id] = new
    return Confirmed(fits=True, changed=changed, done=frozenset(done))


def _has_done(new: Sequence[HistoryEntry], ticket: PlannedTicket, changes: CheckedChanges) -> bool:
    """Whether `new` entries have all that the change of a ticket writes; others may have changed it again."""
    sent = _written(ticket.wanted, changes)
    if ticket.planned is None or not any(sent.fits(one) and (one.comment or one.changed_fields) for one in new):
        return False
    left = {name for name, value in ticket.planned.update.sent.values.items() if not isinstance(value, Increment)}
    return left <= {change.field_name for entry in new for change in entry.changed_fields or ()}


def _written(wanted: Wanted, changes: CheckedChanges) -> SentWrite:
    """Return all that a change may write, whatever its ticket holds."""
    checked, change = changes.by_place[wanted.place], wanted.change
    values: dict[str, Any] = {name: value for name, value in checked.values.items() if name in FIELDS}
    values |= dict.fromkeys(change.emptied)
    if change.add_effort_hours is not None:
        values[HOURS] = Increment(change.add_effort_hours, 0)
    names = {name: item.name for name, item in checked.items.items()}
    return SentWrite(changes.author.id, values, change.comment, names)


def _since(ticket: PlannedTicket, call: str, part: str) -> tuple[HistoryEntry, ...]:
    """Return the entries after the one that was the newest at the preview."""
    timeline = chronological(ticket.history)
    for place, entry_id in reversed(list(enumerate([NO_ENTRY, *(entry.id for entry in timeline)]))):
        if part == _ticket_part(call, ticket.ticket_id, entry_id):
            return tuple(timeline[place:])
    return ()


def _in_order(tickets: Sequence[PlannedTicket]) -> list[PlannedTicket]:
    return sorted(tickets, key=lambda one: one.ticket_id)


def _call_part(tickets: Sequence[PlannedTicket], changes: CheckedChanges) -> str:
    changed = [[one.ticket_id, _words(one.wanted, changes)] for one in _in_order(tickets)]
    return _digest(_CALL, [changes.author.id, changed])


def _ticket_part(call: str, ticket_id: str, newest: str) -> str:
    return _digest(_TICKET, [call, ticket_id, newest])


def _words(wanted: Wanted, changes: CheckedChanges) -> Any:
    """Return a change with ids in place of names."""
    values = changes.by_place[wanted.place].values
    given = {name: value for name, value in values.items() if name != "ticketId"}
    return meaning({**given, "clear": sorted(wanted.change.emptied)})


def _digest(length: int, value: Any) -> str:
    number = int.from_bytes(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest())
    text = ""
    for _ in range(length):
        number, rest = divmod(number, len(_DIGITS))
        text += _DIGITS[rest]
    return text
