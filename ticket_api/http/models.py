"""The shapes of requests and responses: the source of validation and of the OpenAPI document.

Names are in snake case in Python, on the wire as in the existing API. Unknown names are refused: ignoring a filter
silently would return the wrong tickets.
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from ticket_api.http.fields import (
    Day,
    FileName,
    FileUrl,
    Hours,
    Id,
    Minute,
    QueryTruth,
    QueryWhole,
    Reference,
    Remark,
    SearchText,
    SearchWords,
    Summary,
    Text,
    refuse,
)


class ResponseModel(BaseModel):
    """An object that the API returns."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class RequestModel(BaseModel):
    """An object that a client sends; unknown names are refused with the list of known ones."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _know_every_name(cls, sent: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for name in sent if isinstance(sent, dict) else ():
            if name not in known:
                raise PydanticCustomError(
                    "unknown_name", "{field} is unknown", {"field": str(name)[:100], "allowed": known}
                )
        return sent


class Nothing(RequestModel):
    """The query of a path that accepts no parameters."""


class TicketQuery(RequestModel):
    """Filters, order and page of a ticket list."""

    person_in_charge_id: Id | None = Field(default=None, description="Only tickets of this user.")
    account_id: Id | None = Field(default=None, description="Only tickets of this account.")
    status_id: Id | None = Field(
        default=None, description="Only tickets in this status. A completed status also needs `showCompleted=true`."
    )
    scheduled_completion_date_from: Day | None = Field(default=None, description="Due on this day or later.")
    scheduled_completion_date_to: Day | None = Field(default=None, description="Due on this day or earlier.")
    show_completed: QueryTruth = Field(default=False, description="Also tickets whose status counts as completed.")
    search_query: SearchText | None = Field(
        default=None,
        description="Part of the summary, the account's name or the requestor's name. Case and full or half width "
        "are ignored; `%` and `_` are ordinary characters.",
    )
    search_words: SearchWords | None = Field(
        default=None,
        description="Up to 10 words in any order, each in the summary, the description, the id, the external id, or "
        "the name of the account, the requestor or the person in charge. Case, width and kind of kana are ignored.",
        examples=["login vpn"],
    )
    sort_by: Literal["receptionDateTime", "scheduledCompletionDate", "completionDate"] = Field(
        default="receptionDateTime", description="Tickets without this date come last in both directions."
    )
    sort_order: Literal["asc", "desc"] = Field(default="desc", description="Ties are broken by the ticket's number.")
    limit: QueryWhole = Field(default=20, ge=1, le=200)
    offset: QueryWhole = Field(default=0, ge=0, le=1_000_000)


class UserQuery(RequestModel):
    """Filter of users."""

    role: Reference | None = Field(default=None, description="Only users with exactly this role.")


class DetailQuery(RequestModel):
    """Filter of category details."""

    category_id: Id | None = Field(default=None, description="Only details of this category.")


class NewAttachment(RequestModel):
    """A file that is stored elsewhere."""

    file_name: FileName
    file_url: FileUrl = Field(examples=["https://files.example.com/1/screenshot.png"])


class TicketFields(RequestModel):
    """The fields shared by creating and updating. A field that is absent or null has no effect."""

    scheduled_completion_date: Day | None = None
    completion_date: Day | None = Field(
        default=None,
        description="If the status becomes a completed one and this is absent, today is used. If a ticket leaves "
        "a completed status and this is absent, the date is cleared.",
    )
    actual_effort_hours: Hours | None = None
    response_category_id: Id | None = None
    response_details: Remark | None = None
    external_ticket_id: Reference | None = None
    remarks: Remark | None = None


class NewTicket(TicketFields):
    """A ticket to create."""

    reception_date_time: Minute | None = Field(
        default=None,
        description="In the server's time zone; a time with an offset is converted to it. Default: now.",
    )
    requestor_id: Id = Field(examples=["user1"])
    account_id: Id = Field(examples=["acc1"])
    category_id: Id = Field(examples=["cat1"])
    category_detail_id: Id = Field(examples=["catd1"], description="Must belong to the category.")
    request_channel_id: Id = Field(examples=["ch1"])
    summary: Summary = Field(examples=["Cannot sign in after the password was changed"])
    description: Text = Field(examples=["Since this morning the sign-in page says that the account is locked."])
    person_in_charge_id: Id = Field(examples=["user2"])
    status_id: Id = Field(examples=["stat1"])
    has_defect: StrictBool | None = Field(default=None, description="Default: false.")
    attachments: list[NewAttachment] | None = Field(default=None, max_length=20)


CLEARABLE: Final = {field.alias or name: name for name, field in TicketFields.model_fields.items()}
"""The optional fields of a ticket, from their name on the wire to their name here."""


def _names_to_clear(sent: Any) -> tuple[str, ...]:
    """Return the fields named in `sent`, in a fixed order."""
    if not isinstance(sent, list):
        raise refuse("must be a list of field names", allowed=list(CLEARABLE))
    if len(sent) > len(CLEARABLE):
        raise refuse(f"must have at most {len(CLEARABLE)} entries", allowed=list(CLEARABLE))
    for name in sent:
        if not isinstance(name, str) or name not in CLEARABLE:
            raise refuse("can only name fields that may be empty", allowed=list(CLEARABLE))
    if len(set(sent)) < len(sent):
        raise refuse("names a field more than once", allowed=list(CLEARABLE))
    return tuple(name for alias, name in CLEARABLE.items() if alias in sent)


ClearedFields = Annotated[
    tuple[str, ...],
    BeforeValidator(_names_to_clear),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": list(CLEARABLE)},
            "uniqueItems": True,
            "maxItems": len(CLEARABLE),
            "examples": [["scheduledCompletionDate"]],
        }
    ),
]


class TicketChange(TicketFields):
    """The changes to a ticket, their author and a comment."""

    updated_by_id: Id = Field(examples=["user2"], description="The user shown in the history.")
    comment: Text | None = Field(default=None, examples=["The customer confirmed."])
    requestor_id: Id | None = None
    account_id: Id | None = None
    category_id: Id | None = None
    category_detail_id: Id | None = Field(default=None, description="Must belong to the category.")
    request_channel_id: Id | None = None
    summary: Summary | None = None
    description: Text | None = None
    person_in_charge_id: Id | None = None
    status_id: Id | None = Field(default=None, examples=["stat2"])
    has_defect: StrictBool | None = None
    clear: ClearedFields | None = Field(
        default=None,
        exclude_if=lambda names: not names,  # an empty list is the same request as one from before `clear` existed
        description="Fields to empty. A field cannot be given a value and be emptied in one request; a null beside its "
        "name here has no effect. A `completionDate` that is emptied stays empty, whatever the status becomes.",
    )

    @model_validator(mode="after")
    def _say_one_thing_of_each_field(self) -> Self:
        for alias, name in CLEARABLE.items():
            if name in (self.clear or ()) and getattr(self, name) is not None:
                raise refuse("is given a value and is named in clear: send one of the two", field=alias)
        return self


class NewComment(RequestModel):
    """A comment for a ticket's history."""

    user_id: Id = Field(examples=["user2"])
    comment: Text = Field(examples=["Called back; waiting for the log file."])

    @model_validator(mode="before")
    @classmethod
    def _need_both(cls, sent: Any) -> Any:
        if isinstance(sent, dict) and not (sent.get("userId") and sent.get("comment")):
            missing = "comment" if sent.get("userId") else "userId"
            raise PydanticCustomError("both_needed", "User ID and comment are required", {"field": missing})
        return sent


FEATURES: Final = (
    "attachments", "clear", "completion-date", "idempotency-key", "readiness", "search-literal", "search-words",
    "total-order",
)  # fmt: skip
"""What this API offers and others of the same shape may not, one word each; docs/ticket-api.md has their promises."""


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
        description="What clients may rely on here. `attachments`: a new ticket's attachments are stored and shown. "
        "`clear`: PUT empties the fields named in `clear`. `completion-date`: a completed status sets an empty "
        "completion date to today, leaving it clears the date. `idempotency-key`: a write that is repeated "
        "with its `Idempotency-Key` is done once. `readiness`: `GET /ready` shows whether the database accepts "
        "writes. `search-literal`: `%` and `_` are ordinary characters in "
        "`searchQuery`. `search-words`: `searchWords` finds words in any order. `total-order`: `sortOrder` is "
        "honoured, ties are broken by the ticket's number, tickets "
        "without the date come last. More words may be added.",
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
    changed_fields: list[ChangedField]


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
    field: str | None = Field(default=None, description="The field, parameter or header at fault.")
    allowed: Annotated[list[str], Field(max_length=50)] | None = Field(
        default=None, description="The values accepted there, at most 50."
    )
