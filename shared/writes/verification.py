"""Verifies one write against a ticket's history: pure comparisons of entries with what was sent.

The caller's own new history entry proves a write, not the ticket's values afterwards: another user may have changed
the same field a moment later, or another field at the same time. Changes by others are reported separately.
Entries show a reference as its id or its name, depending on the ticket API; both are accepted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.changes import FIELDS, same
from shared.tickets.models import ChangedField, HistoryEntry, Ticket
from shared.tickets.results import FieldChange, field_change

AUTOMATIC: Final = "completionDate"
"""The field that a ticket API may change by itself when a status is sent."""


@dataclass(frozen=True, slots=True)
class Increment:
    """Hours that the ticket API adds; `total` is the sum if nothing else changes it."""

    hours: float
    total: float

    def made(self, change: ChangedField) -> bool:
        """Whether `change` added these hours, whatever was there before."""
        old, new = _number(change.old_value or "0"), _number(change.new_value)
        return old is not None and new is not None and round(new - old, 1) == self.hours


@dataclass(frozen=True, slots=True)
class SentWrite:
    """One write to an existing ticket.

    `values` is keyed by the API's field names, with None for a cleared field; `names` has the names of the ids in it.
    """

    user_id: str
    values: Mapping[str, Any]
    comment: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def totals(self) -> dict[str, Any]:
        """Return the values, with sums in place of increments."""
        return {name: value.total if isinstance(value, Increment) else value for name, value in self.values.items()}

    def wrote(self, change: ChangedField) -> bool:
        """Whether a change in an entry fits this write."""
        name, value = change.field_name, change.new_value
        if name not in self.values:
            return False
        given = self.values[name]
        if isinstance(given, Increment):
            return given.made(change)
        if isinstance(given, bool):
            return str(value).lower() == str(given).lower()
        if isinstance(given, int | float):
            return _number(value) == float(given)
        return same(value, given) or (name in self.names and same(value, self.names[name]))

    def was_set_by(self, change: ChangedField) -> bool:
        """Whether a change in another entry set the value that this write sent; of added hours that is never known."""
        return self.wrote(change) and not isinstance(self.values[change.field_name], Increment)

    def fits(self, entry: HistoryEntry) -> bool:
        """Whether an entry has the user and the comment of this write, and no other changes."""
        return (
            entry.user_id in {None, self.user_id}
            and same(entry.comment, self.comment)
            and all(self.wrote(one) or self._fills_in(one) for one in entry.changed_fields or ())
        )

    def _fills_in(self, change: ChangedField) -> bool:
        return change.field_name == AUTOMATIC and "statusId" in self.values and AUTOMATIC not in self.values


@dataclass(slots=True)
class Evidence:
    """What the history says about one write."""

    own: HistoryEntry | None = None
    """The entry of this write."""
    twins: int = 0
    """Number of equal entries by the same user besides `own`; any of them may be this write's."""
    comment_missing: bool = False
    comment_alone: bool = False
    """Whether an entry by the same user has the comment and no changes; it may be another call's."""
    changed: tuple[FieldChange, ...] = ()
    """Changes of this write, with old and new values from the history."""
    already: list[str] = field(default_factory=list)
    """Sentences on fields that already held the sent value when the write arrived, set by another entry."""
    missing: list[str] = field(default_factory=list)
    """Fields that were sent but are not in `own`."""
    changed_again: list[str] = field(default_factory=list)
    """Sentences on what was changed again after this write."""
    unexplained: list[str] = field(default_factory=list)
    """Fields that `own` set but the ticket does not hold, although no later entry changed them."""
    meanwhile: list[str] = field(default_factory=list)
    """Sentences on what other entries did since the ticket was read."""
    touched: set[str] = field(default_factory=set)
    """Fields that those entries changed."""
    has_unreadable: bool = False
    """Whether a new entry besides `own` could be this write's, but cannot be read in full."""
    set_by_others: dict[str, str] = field(default_factory=dict)
    """Fields that another entry last set to the sent value, with that entry's author."""


def examine(
    sent: SentWrite, *, before: Ticket, known: Iterable[HistoryEntry], after: Ticket, entries: Sequence[HistoryEntry]
) -> Evidence:
    """Return what the history proves about a write.

    Args:
        sent: the write.
        before: the ticket as read before the write.
        known: the history as read before the write.
        after: the ticket as read after the write.
        entries: the history as read after the write.
    """
    known_ids = {entry.id for entry in known}
    timeline = chronological(entries)
    new = [entry for entry in timeline if entry.id not in known_ids]
    own = [entry for entry in new if _is_own(entry, sent)]
    own = own or [entry for entry in new if _is_overtaken(entry, sent, timeline)]
    found = Evidence()
    if not own and sent.comment is not None:
        found.comment_alone = any(_is_own(entry, SentWrite(sent.user_id, {}, sent.comment)) for entry in new)
    if not own and sent.comment is not None and sent.values:
        without_comment = SentWrite(sent.user_id, sent.values, None, sent.names)
        own = [entry for entry in new if _is_own(entry, without_comment)]
        found.comment_missing = bool(own) and not is_unclear(own[-1])
    if own:
        found.own, found.twins = own[-1], len(own) - 1
        _describe_own(found, own[-1], sent, timeline, before=before, after=after)
    for name in sent.values:
        last = last_change(timeline, name)
        if last is not None and last[0] not in own and sent.was_set_by(last[1]):
            found.set_by_others[name] = author(last[0])
    others = [entry for entry in new if entry not in own]
    found.has_unreadable = any(is_unclear(entry) for entry in others)
    for entry in others:
        found.touched.update(one.field_name for one in entry.changed_fields or ())
        found.meanwhile += done_meanwhile(entry)
    return found


def chronological(entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Return `entries`, which APIs send newest first, oldest first; by id if all ids are numbers."""
    oldest_first = list(reversed(entries))
    if all(entry.id.isdecimal() and entry.id.isascii() for entry in oldest_first):
        oldest_first.sort(key=lambda entry: int(entry.id))
    return oldest_first


def author(entry: HistoryEntry) -> str:
    """Return the author of an entry, for a sentence."""
    who = entry.user_name or entry.user_id
    named = f"{entry.user_name} ({entry.user_id})" if entry.user_name and entry.user_id else who
    return one_line(named[:200]) if named else localized("an unnamed user")


def last_change(entries: Iterable[HistoryEntry], name: str) -> tuple[HistoryEntry, ChangedField] | None:
    """Return the last of `entries` (oldest first) that changed the field `name`, and that change."""
    found = None
    for entry in entries:
        for change in entry.changed_fields or ():
            if change.field_name == name:
                found = entry, change
    return found


def is_unclear(entry: HistoryEntry) -> bool:
    """Whether what an entry says was done cannot be read in full."""
    return any(name.startswith(("comment", "changedFields")) for name in entry.unreadable)


def changed_since(history: Sequence[HistoryEntry], names: Iterable[str]) -> list[str]:
    """Return sentences on those fields `names` of a new ticket that were changed after its creation."""
    changes = (last_change(chronological(history), name) for name in names)
    return [
        localized(
            "{name} was stored, and changed since by {author}: {change}.",
            name=change.field_name,
            author=author(entry),
            change=_arrow(change),
        )
        for entry, change in filter(None, changes)
    ]


def _is_own(entry: HistoryEntry, sent: SentWrite) -> bool:
    return sent.fits(entry) and (bool(entry.changed_fields) or not sent.values)


def _is_overtaken(entry: HistoryEntry, sent: SentWrite, timeline: Sequence[HistoryEntry]) -> bool:
    """Whether an entry has only the comment, because earlier entries of others had already set every value."""
    if sent.comment is None or not _is_own(entry, SentWrite(sent.user_id, {}, sent.comment)):
        return False
    earlier = timeline[: timeline.index(entry)]
    set_before = [last_change(earlier, name) for name in sent.values]
    return all(last is not None and sent.was_set_by(last[1]) for last in set_before)


def _describe_own(
    found: Evidence,
    own: HistoryEntry,
    sent: SentWrite,
    timeline: Sequence[HistoryEntry],
    *,
    before: Ticket,
    after: Ticket,
) -> None:
    place = timeline.index(own)
    earlier, later = timeline[:place], timeline[place + 1 :]
    own_changes = {one.field_name: one for one in own.changed_fields or ()}
    tickets = (after, before)
    order = [*(name for name in FIELDS if name in own_changes), *(name for name in own_changes if name not in FIELDS)]
    found.changed = tuple(
        field_change(
            name,
            labelled(name, own_changes[name].old_value, sent, *tickets),
            labelled(name, own_changes[name].new_value, sent, *tickets),
        )
        for name in order
    )
    for name in order:
        again = last_change(later, name)
        if again is not None:
            found.changed_again.append(_changed_again(name, *again, sent, tickets))
        elif name in sent.values and name in FIELDS and _lacks_value(after, name, _set(own_changes[name], sent)):
            found.unexplained.append(name)
    for name in sent.values.keys() - own_changes.keys():
        set_before = last_change(earlier, name)
        if set_before is not None and sent.was_set_by(set_before[1]):
            found.already.append(
                localized(
                    "{name} already held this value when the change arrived, set by {author}.",
                    name=name,
                    author=author(set_before[0]),
                )
            )
        elif not is_unclear(own) or _lacks_value(after, name, sent.values[name]):
            found.missing.append(name)


def _set(change: ChangedField, sent: SentWrite) -> object:
    """Return the value that a write has set, by its entry: of hours that were added, their sum."""
    value = sent.values[change.field_name]
    return _number(change.new_value) if isinstance(value, Increment) else value


def _lacks_value(ticket: Ticket, name: str, value: object) -> bool:
    return name not in ticket.unreadable and not holds_value(ticket, name, value)


def holds_value(ticket: Ticket, name: str, value: object) -> bool:
    """Whether `ticket` holds `value` in the field that the API calls `name`; None means an empty field."""
    wanted = value.total if isinstance(value, Increment) else value
    return same(getattr(ticket, FIELDS[name]), wanted)


def labelled(name: str, value: str | None, sent: SentWrite, *tickets: Ticket) -> str | None:
    """Return a value of a history entry for readers: a reference as `name (id)` if both are known."""
    if value is None or value == "":
        return None
    own = FIELDS.get(name, "")
    if isinstance(sent.values.get(name), bool) or own == "has_defect":
        shown = {"true": localized("yes"), "false": localized("no")}
        return shown.get(value.lower(), value)
    if own == "actual_effort_hours" and (number := _number(value)) is not None:
        return f"{number:g}"
    if not own.endswith("_id") or own == "external_ticket_id":
        return value
    pairs = [(getattr(one, f"{own.removesuffix('_id')}_name", None), getattr(one, own)) for one in tickets]
    if isinstance(given := sent.values.get(name), str) and name in sent.names:
        pairs.insert(0, (sent.names[name], given))
    return next(
        (f"{label} ({identifier})" for label, identifier in pairs if label and value in {label, identifier}), value
    )


def _changed_again(
    name: str, entry: HistoryEntry, change: ChangedField, sent: SentWrite, tickets: tuple[Ticket, ...]
) -> str:
    said = field_change(
        name, labelled(name, change.old_value, sent, *tickets), labelled(name, change.new_value, sent, *tickets)
    )
    return localized(
        "{name} was stored, and changed again by {author}: {change}. Do not repeat this call.",
        name=name,
        author=author(entry),
        change=said.arrow(),
    )


def done_meanwhile(entry: HistoryEntry) -> list[str]:
    """Return sentences on what an entry of another write did."""
    said = [
        localized(
            "Meanwhile {author} changed {name}: {change}.",
            author=author(entry),
            name=one_line(one.field_name[:50]),
            change=_arrow(one),
        )
        for one in entry.changed_fields or ()
    ]
    if entry.comment and entry.comment.strip():
        said.append(localized("Meanwhile {author} added a comment.", author=author(entry)))
    return said


def _arrow(change: ChangedField) -> str:
    """Return a change by another write as `old → new`."""
    name, nothing = change.field_name, SentWrite("", {})
    return field_change(
        name, labelled(name, change.old_value, nothing), labelled(name, change.new_value, nothing)
    ).arrow()


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None
