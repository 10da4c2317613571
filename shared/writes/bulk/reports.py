"""Makes results of planned and of written tickets: what is the same for all is said once. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.labels import field_label
from shared.tickets.parts import beginning, cut
from shared.tickets.results import MAX_CELL, FieldChange, shortened
from shared.writes.bulk.carrying_out import Ended, Run
from shared.writes.bulk.planned import CheckedChanges, PlannedTicket
from shared.writes.bulk.result import TicketState, TicketsUpdated
from shared.writes.bulk.wanted import ALL_ALIKE
from shared.writes.notes import unsaid

MAX_SUMMARY: Final = 40
MAX_CHANGE: Final = 400
MAX_WHY: Final = 400
_MAX_OWN_COMMENT: Final = 100


def preview(
    tickets: Sequence[PlannedTicket],
    changes: CheckedChanges,
    token: str,
    *,
    notes: Iterable[str] = (),
    refused: str = "",
) -> TicketsUpdated:
    """Return what would become of `tickets`; `refused` says why the token that came was not accepted."""
    ended = [_planned(one) for one in tickets]
    would = [one for one in ended if one.state is TicketState.WOULD_CHANGE]
    common, shared = _common(would), _shared_notes(would)
    has_fields = any(one.changed for one in would)
    alike = {one.ticket.wanted.change.comment for one in would if one.ticket.wanted.place == ALL_ALIKE} - {None}
    return _result(
        ended,
        [
            _Row(_summary(one.ticket), _planned_cell(one, common, has_fields=has_fields), _why(one, shared))
            for one in ended
        ],
        changes,
        changed=common or None,
        preview=True,
        refused=refused or None,
        confirm=token if would else None,
        comment=cut(alike.pop() or "", MAX_CELL) if alike else None,
        notes=(*notes, *shared.values()),
    )


def report(run: Run, changes: CheckedChanges, *, notes: Iterable[str] = ()) -> TicketsUpdated:
    """Return what became of all tickets."""
    done = [one for one in run.ended if one.state is TicketState.DONE]
    common, shared = _common(done), _shared_notes(done)
    return _result(
        run.ended,
        [_Row(None, _said(_own(one, common)), _why(one, shared)) for one in run.ended],
        changes,
        changed=common or None,
        commented=True if any(one.ticket.wanted.change.comment for one in done) else None,
        stopped=run.stopped or None,
        notes=(*notes, *shared.values()),
    )


class _Row(NamedTuple):
    """What is said of one ticket beside its id and its state."""

    summary: str | None
    change: str | None
    why: str | None


def _planned(ticket: PlannedTicket) -> Ended:
    if ticket.planned is None:
        return Ended(ticket, ticket.state, notes=(ticket.why,))
    return Ended(ticket, ticket.state, ticket.planned.changes(), ticket.planned.notes)


def _result(
    ended: Sequence[Ended], said: Sequence[_Row], changes: CheckedChanges, *, notes: tuple[str, ...], **more: object
) -> TicketsUpdated:
    states = [str(one.state) for one in ended]
    rows: list[dict[str, str | None]] = [
        {"ticketId": one.ticket.ticket_id, "state": state, **row._asdict()}
        for one, state, row in zip(ended, states, said, strict=True)
    ]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    if len(set(states)) == 1:
        columns.remove("state")
    shown = {"updatedById", *(change.field for one in ended for change in one.changed)}
    return TicketsUpdated.model_validate({
        "columns": columns,
        "rows": [[row[name] for name in columns] for row in rows],
        "counts": {state: states.count(state) for state in dict.fromkeys(states)},
        "recordedAs": shortened(changes.author, MAX_CELL),
        "notes": (*unsaid(changes.notes, shown), *notes),
        **more,
    })  # fmt: skip


def _common(ended: Sequence[Ended]) -> tuple[FieldChange, ...]:
    """Return the fields that have the same value in all tickets afterwards.

    The old value is a word where it differs. A ticket that held the given value before counts as well.
    """
    first: dict[str, FieldChange] = {}
    for one in ended:
        for change in one.changed:
            first.setdefault(change.field, change)
    found = []
    for field, change in first.items():
        same = [other for one in ended for other in one.changed if other.field == field]
        held = [one for one in ended if all(other.field != field for other in one.changed)]
        if any((other.new, other.length) != (change.new, change.length) for other in same):
            continue
        if not all(_was_given(one, field) for one in held):
            continue
        is_old = not held and all(other.old == change.old for other in same)
        found.append(change if is_old else change.model_copy(update={"old": localized("(various)")}))
    return tuple(found)


def _was_given(ended: Ended, field: str) -> bool:
    """Whether the one change of all tickets gives this field, which a ticket held already."""
    planned = ended.ticket.planned
    return planned is not None and ended.ticket.wanted.place == ALL_ALIKE and field in planned.update.given


def _own(ended: Ended, common: Sequence[FieldChange]) -> list[str]:
    """Return what changes in one ticket, apart from what is the same for all."""
    fields = {one.field for one in common}
    return [
        localized("{label}: {value}", label=field_label(one.field), value=one.arrow())
        for one in ended.changed
        if one.field not in fields
    ]


def _planned_cell(ended: Ended, common: Sequence[FieldChange], *, has_fields: bool) -> str | None:
    """Return what would change in one ticket, with old values that are not the same for all.

    `has_fields`: whether a field would change in any of them.
    """
    if ended.state is not TicketState.WOULD_CHANGE:
        return None
    by_field = {one.field: one for one in common}
    differ = [one for one in ended.changed if one.field in by_field and by_field[one.field].old != one.old]
    several = sum(one.old == localized("(various)") for one in common) > 1
    said = []
    for one in differ:
        was = localized("was {old}", old=one_line(one.old or "") or localized("(empty)"))
        said.append(localized("{label}: {value}", label=field_label(one.field), value=was) if several else was)
    said += _own(ended, common)
    own = ended.ticket.wanted
    if own.place != ALL_ALIKE and own.change.comment:
        said.append(localized("comment: {comment}", comment=one_line(cut(own.change.comment, _MAX_OWN_COMMENT))))
    elif has_fields and not ended.changed:
        said.append(localized("only the comment"))
    return _said(said)


def _said(parts: Sequence[str]) -> str | None:
    return cut(localized("; ").join(parts), MAX_CHANGE) or None


def _summary(ticket: PlannedTicket) -> str | None:
    return beginning(one_line(ticket.summary), MAX_SUMMARY) or None


def _shared_notes(ended: Sequence[Ended]) -> dict[str, str]:
    """Return the notes that several tickets have, with what is said of each: without ids where all of them have it."""
    tickets: dict[str, list[str]] = {}
    for one in ended:
        for note in one.notes:
            tickets.setdefault(note, []).append(one.ticket.ticket_id)
    return {
        note: note if len(ids) == len(ended) else f"{', '.join(ids)}: {note}"
        for note, ids in tickets.items()
        if len(ids) > 1 or len(ended) == 1
    }


def _why(ended: Ended, shared: Collection[str]) -> str | None:
    return cut(localized(" ").join(note for note in ended.notes if note not in shared), MAX_WHY) or None
