"""Dates a result: every moment in one zone, and as of when and for which user it is. Pure."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic.alias_generators import to_camel

from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.models import PLAIN, MasterItem, Shape, ShapeT, TicketRow
from shared.tickets.results import Result

ResultT = TypeVar("ResultT", bound=Result)

_SHOWN: Final[Mapping[str, Callable[[TicketTime, str], str]]] = MappingProxyType({
    "reception_date_time": TicketTime.shown_minute,
    "timestamp": TicketTime.shown_moment,
    "updated_at": TicketTime.shown_moment,
    "uploaded_at": TicketTime.shown_moment,
})  # fmt: skip
"""How each field that holds a moment is converted."""
_MOMENT_COLUMNS: Final = frozenset(map(to_camel, _SHOWN))
UNKNOWN: Final = "unknown"


def dated(result: ResultT, at: TicketTime, caller: MasterItem | None, *, is_named: bool) -> ResultT:
    """Return `result` as of `at`, with its moments in the zone of `at` and the caller's user.

    If that user is not known, it says so, unless `is_named`: a write named a user, and says who it is recorded as.
    """
    who = f"{caller.name} ({caller.id})" if caller is not None else None if is_named else UNKNOWN
    return _in_zone(result, at).model_copy(update={"as_of": at.as_of, "acting_user": who})


def dated_row(row: TicketRow, at: TicketTime, completed: Collection[str], shown: Collection[str]) -> TicketRow:
    """Return `row` with its moments in the zone of `at`, and the calendar days until it is due, none once completed.

    It says whether it is completed if it did, or if the names of completed statuses are known.

    Args:
        row: the row as the ticket API sent it; the reference API sends no days for completed tickets.
        at: the time of the call.
        completed: names of the statuses that mean completed, empty if not known.
        shown: the columns that are shown, by the API's names; moments of others are left as they are.
    """
    is_completed = row.completed
    if is_completed is None and completed and row.status_name is not None:
        is_completed = row.status_name in completed
    due = None if row.remaining_days is None or is_completed else row.scheduled_completion_date
    days = {"remaining_days": at.days_left(due) if due else None, "completed": is_completed}
    moments = _moments(row, at) if not _MOMENT_COLUMNS.isdisjoint(shown) else {}
    changed = {name: value for name, value in (moments | days).items() if value != row.__dict__[name]}
    return row.model_copy(update=changed) if changed else row


def _in_zone(shape: ShapeT, at: TicketTime) -> ShapeT:
    changed: dict[str, Any] = {}
    for name, value in shape.__dict__.items():
        if isinstance(value, str):
            if name in _SHOWN:
                changed[name] = _SHOWN[name](at, value)
        elif isinstance(value, tuple):
            if value and isinstance(value[0], Shape):
                changed[name] = tuple(_in_zone(one, at) for one in value)
        elif not isinstance(value, PLAIN) and isinstance(value, Shape):
            changed[name] = _in_zone(value, at)
    return shape.model_copy(update=changed) if changed else shape


def _moments(shape: Shape, at: TicketTime) -> dict[str, Any]:
    """Return the moments of `shape` itself in the zone of `at`, by the names of their fields."""
    moments = ((name, shape.__dict__.get(name)) for name in _SHOWN)
    return {name: _SHOWN[name](at, value) for name, value in moments if isinstance(value, str)}
