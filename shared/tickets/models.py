"""Types of what the ticket API sends; they accept both the existing API and the reference API.

Fields have the API's camelCase names on the wire and snake_case names here. Unknown fields are ignored, missing ones
are `None`; hours may be text or a number; a date in a change may be a JavaScript date. A value that fits no type is a
fault of the API, never of the caller. Source of the shapes: docs of the ticket API, kept in `ticket_api/`.
"""

import json
import re
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from shared.errors import UpstreamFaultError
from shared.markdown import encodable
from shared.telemetry import get_logger

log = get_logger(__name__)

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_JAVASCRIPT_DATE: Final = re.compile(
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ({'|'.join(_MONTHS)}) (\d\d) (\d{{4}}) \d\d:\d\d:\d\d GMT[+-]\d{{4}}(?: \(.*\))?"
)


def _plain(value: object) -> object:
    """Return a changed value in readable form: `2026-12-01`, not `Tue Dec 01 2026 00:00:00 GMT+0000 (…)`."""
    if value is None:
        return None
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    date = _JAVASCRIPT_DATE.fullmatch(value)
    if date is None:
        return value
    month, day, year = date.groups()
    return f"{year}-{_MONTHS.index(month) + 1:02}-{day}"


class Shape(BaseModel):
    """Base of all types that come from the API."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, extra="ignore", frozen=True, coerce_numbers_to_str=True
    )

    @model_validator(mode="before")
    @classmethod
    def _can_be_sent_on(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        return {name: encodable(value) if isinstance(value, str) else value for name, value in sent.items()}


class MasterItem(Shape):
    """An account, a category, a status or a request channel."""

    id: str
    name: str


class User(MasterItem):
    """A user that tickets can refer to."""

    email: str | None = None
    role: str | None = None


class CategoryDetail(MasterItem):
    """A category detail, and the one category it belongs to."""

    category_id: str
    category_name: str | None = None


class ResponseCategory(MasterItem):
    """How a ticket was answered."""

    parent_category: str | None = None


class TicketRow(Shape):
    """One row of a list: names without ids."""

    ticket_id: str
    reception_date_time: str | None = None
    requestor_name: str | None = None
    account_name: str | None = None
    category_name: str | None = None
    category_detail_name: str | None = None
    summary: str | None = None
    person_in_charge_name: str | None = None
    status_name: str | None = None
    scheduled_completion_date: str | None = None
    remaining_days: int | None = None
    external_ticket_id: str | None = None


class Attachment(Shape):
    """A file of a ticket, stored at its URL."""

    file_name: str | None = None
    file_url: str | None = None
    uploaded_at: str | None = None


class Ticket(Shape):
    """One ticket without its history. `reception_date_time` is in the API server's time zone."""

    id: str
    reception_date_time: str | None = None
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
    scheduled_completion_date: str | None = None
    completion_date: str | None = None
    actual_effort_hours: float | None = None
    response_category_id: str | None = None
    response_category_name: str | None = None
    response_details: str | None = None
    has_defect: bool | None = None
    external_ticket_id: str | None = None
    remarks: str | None = None
    attachments: tuple[Attachment, ...] | None = None


class ChangedField(Shape):
    """One field of one change."""

    field_name: str
    old_value: Annotated[str | None, BeforeValidator(_plain)] = None
    new_value: Annotated[str | None, BeforeValidator(_plain)] = None


class HistoryEntry(Shape):
    """One comment, one change, or both. `timestamp` is ISO 8601, UTC."""

    id: str
    timestamp: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    comment: str | None = None
    changed_fields: tuple[ChangedField, ...] | None = None


ShapeT = TypeVar("ShapeT", bound=Shape)


def parse_one(shape: type[ShapeT], value: Any) -> ShapeT:
    """Return `value`, JSON from the API, as `shape`.

    Raises:
        UpstreamFaultError: it does not fit.
    """
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        log.error(
            "api_answer_does_not_fit", shape=shape.__name__, fields=sorted({str(e["loc"]) for e in error.errors()})
        )
        raise UpstreamFaultError(
            "The ticket API returned a response that does not fit the request. "
            "This is a fault of the ticket API, not of the request."
        ) from None


def parse_many(shape: type[ShapeT], value: Any) -> tuple[ShapeT, ...]:
    """Return `value`, a JSON array from the API, as a tuple of `shape`.

    Raises:
        UpstreamFaultError: it is not an array, or a row does not fit.
    """
    if not isinstance(value, list):
        parse_one(shape, None)
    return tuple(parse_one(shape, row) for row in value)
