"""Types of what the ticket API sends; they accept both the existing API and the reference API.

Fields have the API's camelCase names on the wire and snake_case names here. Unknown fields are ignored, missing ones
are `None`; hours may be text or a number; a date in a change may be a JavaScript date. A value of another type costs
its field, not its row: `unreadable` names it. A row without an id cannot be used. None of that is the caller's fault.
Source of the shapes: docs of the ticket API, kept in `ticket_api/`.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError
from pydantic.alias_generators import to_camel

from shared.errors import UpstreamFaultError
from shared.localization import localized
from shared.telemetry import get_logger

log = get_logger(__name__)

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_JAVASCRIPT_DATE: Final = re.compile(
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ({'|'.join(_MONTHS)}) (\d\d) (\d{{4}}) \d\d:\d\d:\d\d GMT[+-]\d{{4}}(?: \(.*\))?"
)


_MOST_DAYS: Final = 1_000_000
_NOT_FINITE: Final = object()
"""Stands for NaN and infinity, which pydantic would take as the texts `nan` and `inf`."""


def _plain(value: object) -> object:
    """Return a changed value in readable form: `2026-12-01`, not `Tue Dec 01 2026 00:00:00 GMT+0000 (…)`."""
    if value is None or value is _NOT_FINITE:
        return value
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    date = _JAVASCRIPT_DATE.fullmatch(value)
    if date is None:
        return value
    month, day, year = date.groups()
    return f"{year}-{_MONTHS.index(month) + 1:02}-{day}"


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is blank")
    return text


Visible = Annotated[str, AfterValidator(_not_blank)]
"""A text that is not blank."""
Moment = Annotated[str, Strict()]
"""A date or time, never a number."""
Whole = Annotated[int, Field(ge=-_MOST_DAYS, le=_MOST_DAYS), BeforeValidator(_no_truth_value)]
Hours = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_no_truth_value)]


PLAIN: Final = (str, int, float, type(None))
"""Types of values that are no shape; to be looked at first, since to recognise a shape takes ten times as long."""


class Shape(BaseModel):
    """Base of all types that come from the API."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, extra="ignore", frozen=True, coerce_numbers_to_str=True
    )
    lists: ClassVar[Mapping[str, type["Shape"]]] = MappingProxyType({})
    """The fields that are lists of shapes, by the API's names."""
    stand_ins: ClassVar[Mapping[str, Callable[[Mapping[str, Any]], object]]] = MappingProxyType({})
    """What a row has instead of an unreadable value in a field that it cannot do without."""
    _unreadable: ClassVar[tuple[str, ...]] = ()
    """Of each shape its own, where it has one: a private attribute would cost every shape as much as its fields."""

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The API's names of the fields whose values could not be read, such as `attachments[0].fileName`."""
        return self._unreadable

    def lacking(self, names: Iterable[str]) -> Self:
        """Return this shape, with `names` as what could not be read of it."""
        self.__dict__["_unreadable"] = tuple(names)
        return self


class MasterItem(Shape):
    """An account, a category, a status or a request channel. Without a readable name it goes by its id."""

    stand_ins = MappingProxyType({"name": lambda sent: sent.get("id")})

    id: Visible
    name: Visible


class User(MasterItem):
    """A user that tickets can refer to."""

    email: str | None = None
    role: str | None = None


class Status(MasterItem):
    """A status of tickets. `completed`, whether it ends them, is not said by the existing API."""

    completed: bool | None = None


class CategoryDetail(MasterItem):
    """A category detail, and the one category it belongs to."""

    category_id: str | None = None
    category_name: str | None = None


class ResponseCategory(MasterItem):
    """How a ticket was answered."""

    parent_category: str | None = None


class TicketRow(Shape):
    """One row of a list: names without ids."""

    ticket_id: Visible
    reception_date_time: Moment | None = None
    requestor_name: str | None = None
    account_name: str | None = None
    category_name: str | None = None
    category_detail_name: str | None = None
    summary: str | None = None
    person_in_charge_name: str | None = None
    status_name: str | None = None
    scheduled_completion_date: Moment | None = None
    remaining_days: Whole | None = None
    external_ticket_id: str | None = None
    completion_date: Moment | None = None
    updated_at: Moment | None = None
    completed: bool | None = None
    requestor_id: str | None = None
    account_id: str | None = None
    category_id: str | None = None
    category_detail_id: str | None = None
    person_in_charge_id: str | None = None
    status_id: str | None = None


class Attachment(Shape):
    """A file of a ticket, stored at its URL."""

    file_name: str | None = None
    file_url: str | None = None
    uploaded_at: Moment | None = None


class Ticket(Shape):
    """One ticket without its history. `reception_date_time` is in the API server's time zone."""

    lists = MappingProxyType({"attachments": Attachment})

    id: Visible
    reception_date_time: Moment | None = None
    requestor_id: str | None = None
    requestor_name: str | None = None
    account_id: str | None = None
    account_name: str | None = None
    category_id: str | None = None
    category_name: str | None = None
    category_detail_id: str | None = None
    category_detail_name: str | None = None
    request_channel_id: str | None = None
    request_channel_name: str | None = None
    summary: str | None = None
    description: str | None = None
    person_in_charge_id: str | None = None
    person_in_charge_name: str | None = None
    status_id: str | None = None
    status_name: str | None = None
    scheduled_completion_date: Moment | None = None
    completion_date: Moment | None = None
    actual_effort_hours: Hours | None = None
    response_category_id: str | None = None
    response_category_name: str | None = None
    response_details: str | None = None
    has_defect: bool | None = None
    external_ticket_id: str | None = None
    remarks: str | None = None
    attachments: tuple[Attachment, ...] | None = None


class ChangedField(Shape):
    """One field of one change."""

    field_name: Visible
    old_value: Annotated[str | None, BeforeValidator(_plain)] = None
    new_value: Annotated[str | None, BeforeValidator(_plain)] = None


def _digest(sent: Mapping[str, Any]) -> str:
    """Return an id for an entry without one: the same at every reading, so that a new entry is known as new."""
    return f"no-id-{hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()[:12]}"


def _public_only(value: object) -> object:
    return None if value == "internal" else value


class HistoryEntry(Shape):
    """One comment, one change, or both. `timestamp` is ISO 8601, UTC; `visibility` is `public` or absent."""

    lists = MappingProxyType({"changedFields": ChangedField})
    stand_ins = MappingProxyType({"id": _digest})

    id: Visible
    timestamp: Moment | None = None
    user_id: str | None = None
    user_name: str | None = None
    comment: str | None = None
    changed_fields: tuple[ChangedField, ...] | None = None
    visibility: Annotated[str | None, BeforeValidator(_public_only)] = None


ShapeT = TypeVar("ShapeT", bound=Shape)


class Rows(tuple[ShapeT, ...]):  # noqa: SLOT001 - a tuple can have no other slots
    """The rows of a list that have an id. `left_out` counts the others."""

    left_out: int = 0


def parse_one(shape: type[ShapeT], value: Any) -> ShapeT:
    """Return `value`, JSON from the API, as `shape`.

    Raises:
        UpstreamFaultError: it is no object, or has no id.
    """
    row = _read(shape, value)
    if row is None:
        raise _does_not_fit(shape)
    if row.unreadable:
        log.warning("api_answer_does_not_fit", shape=shape.__name__, fields=sorted(row.unreadable), rows=1)
    return row


def parse_many(shape: type[ShapeT], value: Any) -> Rows[ShapeT]:
    """Return `value`, a JSON array from the API, as rows of `shape`.

    Raises:
        UpstreamFaultError: it is not an array, or no row has an id.
    """
    if not isinstance(value, list):
        raise _does_not_fit(shape)
    rows = Rows([row for row in [_read(shape, one) for one in value] if row is not None])
    if value and not rows:
        raise _does_not_fit(shape)
    rows.left_out = len(value) - len(rows)
    odd = [row for row in rows if row.unreadable]
    if odd or rows.left_out:
        fields = sorted({re.sub(r"\[\d+\]", "", name) for row in odd for name in row.unreadable})
        log.warning(
            "api_answer_does_not_fit", shape=shape.__name__, fields=fields, rows=len(odd), left_out=rows.left_out
        )
    return rows


def _does_not_fit(shape: type[Shape]) -> UpstreamFaultError:
    log.error("api_answer_does_not_fit", shape=shape.__name__)
    return UpstreamFaultError(
        localized(
            "The ticket API returned a response that does not fit the request. "
            "This is a fault of the ticket API, not of the request."
        )
    )


def _read(shape: type[ShapeT], value: Any) -> ShapeT | None:
    """Return `value` as `shape`, without what cannot be read; None without an id."""
    if not isinstance(value, dict):
        return None
    try:
        return shape.model_validate(_finite(shape, value))
    except ValidationError:
        return _read_in_part(shape, value)


def _finite(shape: type[Shape], sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was sent with `_NOT_FINITE` for NaN and infinity."""
    changed: dict[str, Any] = {}
    if float in map(type, sent.values()):
        changed = {
            name: _NOT_FINITE for name, value in sent.items() if isinstance(value, float) and not math.isfinite(value)
        }
    for name, part in shape.lists.items():
        if isinstance(parts := sent.get(name), list):
            changed[name] = [_finite(part, one) if isinstance(one, dict) else one for one in parts]
    return {**sent, **changed} if changed else sent


def _read_in_part(shape: type[ShapeT], value: Mapping[str, Any]) -> ShapeT | None:
    kept, unreadable = dict(_finite(shape, value)), list[str]()
    for name, part in shape.lists.items():
        if isinstance(sent := value.get(name), list):
            parts = [_read(part, one) for one in sent]
            kept[name] = [one for one in parts if one is not None]
            for place, one in enumerate(parts):
                unreadable += (
                    [f"{name}[{place}]"] if one is None else [f"{name}[{place}].{own}" for own in one.unreadable]
                )
    try:
        row = shape.model_validate(kept)
    except ValidationError as error:
        odd = list(dict.fromkeys(str(one["loc"][0]) for one in error.errors()))
        for name in odd:
            kept.pop(name, None)
            if name in shape.stand_ins:
                kept[name] = shape.stand_ins[name](value)
        try:
            row = shape.model_validate(kept)
        except ValidationError:
            return None
        unreadable += odd
    return row.lacking(unreadable)
