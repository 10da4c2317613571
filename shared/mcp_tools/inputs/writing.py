"""The inputs of tools that write."""

from typing import Annotated, Any, Final, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

from shared.mcp_tools.arguments.choices import CLEARABLE, Clearable, Visibility
from shared.mcp_tools.arguments.lists import FILE, OBJECTS, WORDS
from shared.mcp_tools.inputs.base import (
    CALLER,
    DAY,
    DUPLICATE_HINT,
    KEY_HINT,
    Date,
    Flag,
    Hours,
    Key,
    LongProse,
    LongText,
    Minute,
    MoreHours,
    Named,
    PastDate,
    Prose,
    Reference,
    SinceEntry,
    TicketId,
    ToolInput,
)

_NOT_OF_TICKETS: Final = frozenset({
    *("ticketId", "updatedById", "comment", "visibility", "clear", "addEffortHours", "ifUnchangedSince"),
})  # fmt: skip


class NewAttachment(ToolInput):
    """A file stored elsewhere."""

    file_name: Annotated[Prose, Field(max_length=255)]
    file_url: Annotated[Prose, Field(max_length=2000)]


Attachment = Annotated[NewAttachment, FILE]


class CreateTicketInput(ToolInput):
    """Creates a ticket and reads it back. Ids are checked first. Never guess who asks or who works on it: ask."""

    reception_date_time: Minute | None = Field(
        None, description="When it came in, for example 2026-12-01 09:30 or 2026-12-01T09:30+09:00. Default: now."
    )
    requestor_id: Named = Field(description="Who asks, from get_users.")
    account_id: Named = Field(description="From get_accounts.")
    category_id: Named = Field(description="From get_categories.")
    category_detail_id: Named = Field(description="One of this category, from get_category_details.")
    request_channel_id: Named = Field(description="From get_request_channels.")
    summary: Prose = Field(max_length=200)
    description: LongProse
    person_in_charge_id: Named = Field(description="Who works on it, from get_users.")
    status_id: Named = Field(description="From get_statuses.")
    scheduled_completion_date: Date | None = Field(None, description=f"{DAY}.")
    completion_date: PastDate | None = Field(None, description="Give it with a completed status.")
    actual_effort_hours: Hours | None = Field(None, description="0 to 9999.9, one decimal.")
    response_category_id: Named | None = Field(None, description="From get_response_categories.")
    response_details: LongText | None = None
    has_defect: Flag = False
    external_ticket_id: Reference | None = None
    remarks: LongText | None = None
    attachments: Annotated[list[Attachment], OBJECTS, Field(max_length=20)] | None = Field(
        None, description="Not every ticket system stores them; the result says so."
    )
    idempotency_key: Key | None = Field(None, description=KEY_HINT)
    allow_duplicate: Flag = Field(False, description=DUPLICATE_HINT.format(10))

    @property
    def moving_reception(self) -> str:
        """The words of a reception time that mean another minute soon, such as `2 hours ago`; else empty."""
        return self._moving.get("receptionDateTime", "")


class OfTicket(ToolInput):
    """Base of what concerns one ticket."""

    ticket_id: TicketId


class ByUser(ToolInput):
    """Base of what is done as one user."""

    updated_by_id: Named | None = Field(None, description=f"Who makes the change, from get_users. {CALLER}")


class TicketChange(ToolInput):
    """The changes of one ticket, and the comment that goes with them."""

    comment: LongProse | None = Field(None, description="Goes to the history.")
    requestor_id: Named | None = None
    account_id: Named | None = None
    category_id: Named | None = Field(None, description="Give a categoryDetailId that fits.")
    category_detail_id: Named | None = None
    request_channel_id: Named | None = None
    summary: Annotated[Prose, Field(max_length=200)] | None = None
    description: LongProse | None = None
    person_in_charge_id: Named | None = None
    status_id: Named | None = None
    scheduled_completion_date: Date | None = None
    completion_date: PastDate | None = None
    actual_effort_hours: Hours | None = None
    add_effort_hours: MoreHours | None = Field(None, description="Added to actualEffortHours.")
    response_category_id: Named | None = None
    response_details: LongText | None = None
    has_defect: Flag | None = None
    external_ticket_id: Reference | None = None
    remarks: LongText | None = None
    clear: Annotated[list[Clearable], WORDS, Field(max_length=20)] | None = Field(None, description="Fields to empty.")
    visibility: Visibility | None = Field(None, description="Of the comment; public: for the requestor, too.")
    _nulls: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _remember_nulls(cls, arguments: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        model = handler(arguments)
        if isinstance(arguments, dict):
            fields = {info.alias for info in cls.model_fields.values()} - _NOT_OF_TICKETS
            model._nulls = tuple(  # noqa: SLF001 - its own
                name for name in arguments if name in fields and arguments[name] is None
            )
        return model

    @property
    def emptied(self) -> tuple[str, ...]:
        """The fields to clear, named in `clear` or sent as null."""
        named = (*(self.clear or ()), *(name for name in self._nulls if name in CLEARABLE))
        return tuple(dict.fromkeys(named))

    @property
    def cannot_be_empty(self) -> tuple[str, ...]:
        """The required fields that were sent as null."""
        return tuple(name for name in self._nulls if name not in CLEARABLE)

    @property
    def kept(self) -> tuple[str, ...]:
        """The fields of the ticket that were sent with an empty value, which neither changes nor clears them."""
        return tuple(name for name in self._left_empty if name not in {*_NOT_OF_TICKETS, *self.emptied})


class UpdateTicketInput(TicketChange, ByUser, OfTicket):
    """Changes the given fields of a ticket; the others stay. Says what changed, old and new, as read back.

    Refused when nothing would change and there is no comment. To complete a ticket give completionDate too.
    clear, or null as a value, empties a field.
    """

    if_unchanged_since: SinceEntry | None = Field(
        None, description="Newest history entry you read, or a moment; refused if anything came after."
    )


class AddHistoryInput(ToolInput):
    """Adds a comment to a ticket's history and checks that it was stored."""

    ticket_id: TicketId
    user_id: Named | None = Field(None, description=f"Who comments, from get_users. {CALLER}")
    comment: LongProse
    visibility: Visibility | None = None
    idempotency_key: Key | None = Field(None, description=KEY_HINT)
    allow_duplicate: Flag = Field(False, description=DUPLICATE_HINT.format(2))
