"""The objects that the API returns."""

from typing import Annotated, Literal

from pydantic import Field

from ticket_api.http.models.base import ResponseModel
from ticket_api.http.models.features import FEATURES
from ticket_api.http.models.imports import RowProblem
from ticket_api.http.models.requests import Visibility


class Health(ResponseModel):
    """The service is running; says nothing about its database."""

    status: Literal["OK"] = "OK"
    timestamp: str
    time_zone: str | None = Field(
        description="Time zone of dates and of `receptionDateTime`, by its IANA name; null if this machine has none.",
        examples=["Asia/Tokyo"],
    )
    features: list[str] = Field(
        default=list(FEATURES),
        description="What clients may rely on here. "
        + " ".join(f"`{word}`: {promise}." for word, promise in FEATURES.items())
        + " More words may be added.",
    )


class Ready(ResponseModel):
    """The database accepts writes."""

    status: Literal["ready"] = "ready"


class User(ResponseModel):
    """A person who reports or works on tickets."""

    id: str
    name: str
    email: str
    role: str


class Choice(ResponseModel):
    """A row of a master table."""

    id: str
    name: str
    order_no: int


class Status(Choice):
    """A state of a ticket."""

    completed: bool = Field(description="Whether tickets in this status count as completed.")


class CategoryDetail(Choice):
    """A subcategory of a category."""

    category_id: str
    category_name: str


class ResponseCategory(Choice):
    """The kind of response a ticket received."""

    parent_category: str | None


class TicketRow(ResponseModel):
    """A ticket in a list."""

    ticket_id: str
    reception_date_time: str
    requestor_name: str
    account_name: str
    category_name: str
    category_detail_name: str
    summary: str
    person_in_charge_name: str
    status_name: str
    scheduled_completion_date: str | None
    remaining_days: int | None = Field(description="Days until due, negative if overdue; null if completed.")
    external_ticket_id: str | None
    completion_date: str | None
    updated_at: str = Field(description="When the ticket was last changed or commented on, or else created; UTC.")
    completed: bool = Field(description="Whether its status counts as completed.")
    requestor_id: str
    account_id: str
    category_id: str
    category_detail_id: str
    person_in_charge_id: str
    status_id: str


class TicketPage(ResponseModel):
    """One page of a list, how many tickets the whole list has, and where the next page begins."""

    tickets: list[TicketRow]
    total: int = Field(description="How many tickets match the filters, on all pages.")
    total_is_exact: bool = Field(description="If false, more than `total` tickets may match.")
    next_cursor: str | None = Field(
        description="For the parameter `cursor`: the place of the next page. Null if this is the last one."
    )


class Attachment(ResponseModel):
    """A file that is stored elsewhere."""

    id: int
    file_name: str
    file_url: str
    uploaded_at: str


class Ticket(ResponseModel):
    """One ticket with everything except its history."""

    id: str
    reception_date_time: str
    requestor_id: str
    requestor_name: str
    account_id: str
    account_name: str
    category_id: str
    category_name: str
    category_detail_id: str
    category_detail_name: str
    request_channel_id: str
    request_channel_name: str
    summary: str
    description: str
    person_in_charge_id: str
    person_in_charge_name: str
    status_id: str
    status_name: str
    scheduled_completion_date: str | None
    completion_date: str | None
    actual_effort_hours: str | None = Field(description="A string, as in the existing API.", examples=["3.5"])
    response_category_id: str | None
    response_category_name: str | None
    response_details: str | None
    has_defect: bool
    external_ticket_id: str | None
    remarks: str | None
    attachments: list[Attachment]


class ChangedField(ResponseModel):
    """One changed field; ids are replaced by names."""

    field_name: str
    old_value: str | None
    new_value: str | None


class HistoryEntry(ResponseModel):
    """A change or a comment of a user."""

    id: int
    timestamp: str
    user_id: str
    user_name: str
    comment: str | None
    visibility: Visibility = Field(description="Whether the comment is meant for the requestor too (`public`).")
    changed_fields: list[ChangedField]


class GroupKey(ResponseModel):
    """What the tickets of a group have in common."""

    by: str = Field(examples=["status"])
    id: str = Field(description="An id of the master data; of a week, its Monday.", examples=["stat1"])
    name: str = Field(description="Its name; of a week, for example 2026-W47 (ISO 8601).", examples=["New"])


class Measures(ResponseModel):
    """Numbers of tickets, as of now."""

    count: int
    open: int = Field(description="Tickets whose status does not count as completed.")
    overdue: int = Field(description="Open ones whose scheduled completion date has passed.")
    oldest_open: str | None = Field(description="The first `receptionDateTime` of an open one.")
    average_open_days: float | None = Field(
        description="How long ago open ones were received, on average: days with one decimal."
    )
    received: int | None = Field(description="Received in the period; null without `from` and `to`.")
    completed: int | None = Field(description="Completed in the period; null without `from` and `to`.")


class TicketGroup(Measures):
    """The tickets of one group."""

    keys: list[GroupKey] = Field(description="One for each name in `groupBy`, in its order.")


class Statistics(ResponseModel):
    """Numbers of tickets by group, the largest group first."""

    groups: list[TicketGroup]
    other: Measures | None = Field(description="All groups together that are beyond `limit`; null if there are none.")
    total: Measures


class HistoryPage(ResponseModel):
    """One page of a ticket's history, and where the next page begins."""

    entries: list[HistoryEntry]
    total: int = Field(description="How many entries lie between `since` and `until`, on all pages.")
    next_cursor: str | None = Field(
        description="For the parameter `before`: the place of the next page. Null if this is the last one."
    )


class Change(HistoryEntry):
    """An entry of the history of a ticket, which is named with it."""

    ticket_id: str
    summary: str = Field(description="The ticket's summary as it is now, like its account.")
    account_id: str
    account_name: str


class ChangePage(ResponseModel):
    """One page of what happened in all tickets, and where the next page begins."""

    changes: list[Change]
    next_cursor: str | None = Field(
        description="For the parameter `cursor`: the place of the next page, which may be there although this one has "
        "fewer entries than `limit`. Null if this is the last one.",
        examples=["57"],
    )


class TicketWritten(ResponseModel):
    """The ticket that was written."""

    id: str = Field(examples=["TCK-0051"])
    message: str


class HistoryWritten(ResponseModel):
    """The history entry that was written."""

    id: int
    message: str


class Failure(ResponseModel):
    """The reason of a failure, and what would be accepted."""

    error: str
    kind: str | None = Field(default=None, description="A word for programs, if the status is not specific enough.")
    newest_history_id: int | None = Field(
        default=None, description="With `kind` `changed_meanwhile`: the id of the newest entry of the ticket's history."
    )
    field: str | None = Field(default=None, description="The field, parameter or header at fault.")
    problems: list[RowProblem] | None = Field(
        default=None, description="With `kind` `faulty_rows`: every problem of every row of an import."
    )
    allowed: Annotated[list[str], Field(max_length=50)] | None = Field(
        default=None, description="The values accepted there, at most 50."
    )
