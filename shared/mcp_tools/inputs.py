"""Tool inputs: one model per tool holds its schema, its validation and the descriptions that the model reads.

Names, parameters and defaults are a promise to existing prompts. `null` for an optional argument counts as absent,
because models send it; numbers sent as text, and text sent as numbers, are converted. The schemas contain no `null`,
because some model APIs refuse `anyOf`. Whether an id exists is checked later, against master data.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic.alias_generators import to_camel

from shared.mcp_tools.arguments import values
from shared.mcp_tools.arguments.choices import CLEARABLE, Clearable, Column, SortBy, SortOrder
from shared.mcp_tools.arguments.habits import A_TEXT, FreeText, Reading
from shared.mcp_tools.arguments.lists import FILE, OBJECTS, WORDS
from shared.tickets.columns import DEFAULT_COLUMNS, TICKET_COLUMNS
from shared.tickets.dates.moments import DateValue, read_day, read_minute, read_since
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.master_pages import MAX_MASTER, Selection
from shared.tickets.ticket_ids import MAX_ID, within_limit
from shared.visible_text import is_whole, visible

MAX_LIMIT: Final = 100
MAX_OFFSET: Final = 1_000_000
MAX_TEXT: Final = 50_000
MAX_DAYS: Final = 3_650
MAX_STATUSES: Final = 20
MAX_CURSOR: Final = 200
MAX_NAMED: Final = 200
"""Characters of an id or name, for example `user4 (Hana Whitfield, hana.whitfield@example.com, support)`."""
_CALLER: Final = "Defaults to the calling user, where that is known."
_DAY: Final = "YYYY-MM-DD, today or +3d"
_KEY_HINT: Final = "Your own key for this one request: it is done once in 24 hours, however often you repeat it."
_DUPLICATE_HINT: Final = "true: do it again, even if an equal call did it in the last {} minutes."


def _read_by(read: Callable[[str, TicketTime], DateValue]) -> BeforeValidator:
    """Return a validator that replaces a text by the day or moment that it names at the time of the call."""

    def validate(given: object, info: ValidationInfo) -> str:
        text = values.words(given, info)
        reading = info.context if isinstance(info.context, Reading) else None
        value = read(text, TicketTime.of_machine() if reading is None else reading.at)
        if reading is not None:
            name = to_camel(info.field_name or "")
            if value.note:
                reading.say(f"{name}: {value.note}.")
            if value.moving:
                reading.moving[name] = value.moving
        return value.text

    return BeforeValidator(validate)


def _storable(text: str) -> str:
    if not is_whole(text):
        raise ValueError("must not contain U+0000 or half a surrogate pair")
    return text


def _not_blank(example: str) -> Callable[[str], str]:
    def checked(text: str) -> str:
        if not visible(text).strip():
            raise ValueError(f"must not be empty{example}")
        return text

    return checked


_AS_TEXT: Final = WithJsonSchema({"type": "string"})
"""In the schema a text without its limit, which no id reaches: a model pays for each word."""
Word = Annotated[str, AfterValidator(_storable), BeforeValidator(values.text)]
Text = Annotated[Word, FreeText(may_be_blank=True)]
Prose = Annotated[Word, AfterValidator(_not_blank(f", for example {A_TEXT}")), FreeText(may_be_blank=False)]
LongText = Annotated[Text, Field(max_length=MAX_TEXT)]
LongProse = Annotated[Prose, Field(max_length=MAX_TEXT)]
TicketId = Annotated[
    Word,
    AfterValidator(_not_blank(", for example TCK-0001")),
    Field(max_length=MAX_ID),
    BeforeValidator(within_limit),
    BeforeValidator(values.identifier),
    _AS_TEXT,
]
Named = Annotated[
    Word, AfterValidator(_not_blank("")), Field(max_length=MAX_NAMED), BeforeValidator(values.identifier), _AS_TEXT
]
"""An id of master data, or a name, which is resolved to one later."""
Statuses = Annotated[
    tuple[Named, ...],
    Field(max_length=MAX_STATUSES),
    BeforeValidator(values.several),
    _AS_TEXT,  # model APIs know no unions
]
Cursor = Annotated[Word, Field(max_length=MAX_CURSOR), BeforeValidator(values.cursor), _AS_TEXT]
Reference = Annotated[Text, Field(max_length=50)]
Date = Annotated[str, _read_by(read_day)]
PastDate = Annotated[str, _read_by(partial(read_day, past=True))]
Minute = Annotated[str, _read_by(read_minute)]
Since = Annotated[str, _read_by(read_since)]
Hours = Annotated[float, Field(ge=0, le=values.MAX_HOURS), BeforeValidator(values.hours)]
Flag = Annotated[bool, BeforeValidator(values.flag)]
Key = Annotated[str, Field(max_length=values.MAX_KEY, pattern=r"^[!-~]+$"), BeforeValidator(values.key)]
_LIMIT: Final = values.whole(1, MAX_LIMIT, cut=f"limit: a page has at most {MAX_LIMIT} rows.")
_MASTER_LIMIT: Final = values.whole(1, MAX_MASTER, cut=f"limit: a page has at most {MAX_MASTER} entries.")
_NOT_OF_TICKETS: Final = frozenset({"ticketId", "updatedById", "comment", "clear"})


class ToolInput(BaseModel):
    """Base of all tool inputs; the docstring of each subclass is its tool's description."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, coerce_numbers_to_str=True)

    one_or_more: ClassVar[frozenset[str]] = frozenset()
    """Arguments that are one value in the schema and also take a list."""
    _left_empty: tuple[str, ...] = PrivateAttr(())
    """Arguments that were sent with an empty value and count as absent."""
    _moving: dict[str, str] = PrivateAttr(default_factory=dict)
    """The words of moments that mean another minute soon, by argument."""

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, arguments: Any) -> Any:
        if not isinstance(arguments, dict):
            return arguments
        return {name: value for name, value in arguments.items() if value is not None}

    @classmethod
    def read(cls, arguments: Mapping[str, Any], reading: Reading) -> Self:
        """Return `arguments` as this input. Raises: ValidationError."""
        given = cls.model_validate(dict(arguments), context=reading)
        given._left_empty = reading.empty  # noqa: SLF001 - its own
        given._moving = reading.moving  # noqa: SLF001
        return given

    @property
    def named(self) -> frozenset[str]:
        """The arguments that the caller gave, by the API's field names."""
        fields = type(self).model_fields
        return frozenset(str(fields[name].alias) for name in self.model_fields_set)

    def given(self) -> dict[str, Any]:
        """Return the arguments that were given or have a default, keyed by the API's field names."""
        return self.model_dump(by_alias=True, exclude_none=True)


class TicketListInput(ToolInput):
    """Lists tickets, one table row each; about 40 tokens a row. Says how many match and how to get the next page."""

    one_or_more = frozenset({"statusId"})

    mine: Flag = Field(False, description="Only tickets you are in charge of.")
    open: Flag = Field(False, description="Only those not completed.")
    overdue: Flag = Field(False, description="Only open ones due before today.")
    due_within: Annotated[int, BeforeValidator(values.days(MAX_DAYS))] | None = Field(
        None, description="Only open ones due today or in so many days."
    )
    person_in_charge_id: Named | None = Field(None, description="Id from get_users, or me.")
    account_id: Named | None = Field(None, description="Id from get_accounts.")
    category_id: Named | None = Field(None, description="Id from get_categories.")
    status_id: Statuses | None = Field(None, description="Ids from get_statuses, with commas between.")
    scheduled_completion_date_from: Date | None = Field(None, description=f"Due on or after: {_DAY}.")
    scheduled_completion_date_to: Date | None = Field(None, description="Due on or before.")
    received_from: PastDate | None = Field(None, description="Received on or after.")
    received_to: PastDate | None = None
    completed_from: PastDate | None = Field(None, description="Completed on or after.")
    completed_to: PastDate | None = None
    updated_since: Since | None = Field(None, description="Created or changed since: a minute, a day or -3d.")
    show_completed: Flag = Field(True, description="Include completed tickets.")
    search_query: Annotated[Prose, Field(max_length=200)] | None = Field(
        None,
        description="Words in any order, each in summary, names or ids; where the ticket API can, also in "
        "description and comments.",
    )
    sort_by: SortBy = "receptionDateTime"
    sort_order: SortOrder = Field("desc", description="desc: latest first. Tickets without the date come last.")
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(_LIMIT)] = Field(
        20, description=f"Rows, 1 to {MAX_LIMIT}."
    )
    cursor: Cursor | None = Field(None, description="nextCursor of the page before, with the same arguments.")
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET), BeforeValidator(values.whole(0, MAX_OFFSET))] = Field(
        0, description="Rows to skip; pages by offset may repeat rows."
    )
    fields: Annotated[list[Column], WORDS, Field(max_length=len(TICKET_COLUMNS))] | None = Field(
        None, exclude=True, description=f"Columns, in this order; by default the first {len(DEFAULT_COLUMNS)}."
    )

    @model_validator(mode="after")
    def _ranges_run_forward(self) -> Self:
        given = self.given()
        wrong = [one for one in _RANGES if given.keys() >= {*one} and given[one[0]] > given[one[1]]]
        if wrong:
            right = {name: given[other] for first, last in wrong for name, other in ((first, last), (last, first))}
            text = "; ".join(f"{first} must not be after {last}" for first, last in wrong)
            raise values.WrongValueError(text, right=right)
        return self


_RANGES: Final = (
    ("scheduledCompletionDateFrom", "scheduledCompletionDateTo"),
    ("receivedFrom", "receivedTo"),
    ("completedFrom", "completedTo"),
)


class TicketDetailInput(ToolInput):
    """Shows one ticket: all fields, names with ids, and its newest history entries. Usually 500 to 3,000 tokens."""

    ticket_id: TicketId = Field(description="From get_ticket_list, for example TCK-0001.")


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
    scheduled_completion_date: Date | None = Field(None, description=f"{_DAY}.")
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
    idempotency_key: Key | None = Field(None, description=_KEY_HINT)
    allow_duplicate: Flag = Field(False, description=_DUPLICATE_HINT.format(10))

    @property
    def moving_reception(self) -> str:
        """The words of a reception time that mean another minute soon, such as `2 hours ago`; else empty."""
        return self._moving.get("receptionDateTime", "")


class UpdateTicketInput(ToolInput):
    """Changes the given fields of a ticket; the others stay. Says what changed, old and new, as read back.

    Refused when nothing would change and there is no comment. To complete a ticket give completionDate too.
    clear, or null as a value, empties a field.
    """

    ticket_id: TicketId
    updated_by_id: Named | None = Field(None, description=f"Who makes the change, from get_users. {_CALLER}")
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
    response_category_id: Named | None = None
    response_details: LongText | None = None
    has_defect: Flag | None = None
    external_ticket_id: Reference | None = None
    remarks: LongText | None = None
    clear: Annotated[list[Clearable], WORDS, Field(max_length=20)] | None = Field(None, description="Fields to empty.")
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


class AddHistoryInput(ToolInput):
    """Adds a comment to a ticket's history and checks that it was stored."""

    ticket_id: TicketId
    user_id: Named | None = Field(None, description=f"Who comments, from get_users. {_CALLER}")
    comment: LongProse
    idempotency_key: Key | None = Field(None, description=_KEY_HINT)
    allow_duplicate: Flag = Field(False, description=_DUPLICATE_HINT.format(2))


class PagedListInput(ToolInput):
    """Base of the inputs of lists that may be long."""

    query: Named | None = Field(None, description="Only those with these words in name, id or e-mail, in any order.")
    limit: Annotated[int, Field(ge=1, le=MAX_MASTER), BeforeValidator(_MASTER_LIMIT)] = Field(
        MAX_MASTER, description=f"Rows of one page, 1 to {MAX_MASTER}."
    )
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET), BeforeValidator(values.whole(0, MAX_OFFSET))] = Field(
        0, description="Rows to skip: nextOffset of the page before."
    )

    @property
    def selection(self) -> Selection:
        """What of the list is wanted."""
        return Selection(self.query, self.limit, self.offset)


class AccountsInput(PagedListInput):
    """Lists accounts (customers): id and name."""


class UsersInput(PagedListInput):
    """Lists people: id, name, e-mail, role."""

    role: Annotated[Word, Field(max_length=50)] | None = Field(None, description="Only this role.")


class CategoryDetailsInput(PagedListInput):
    """Lists category details with the category that each belongs to."""

    category_id: Named | None = Field(None, description="Only of this category.")


def no_arguments(description: str) -> type[ToolInput]:
    """Return the input of a tool without arguments; `description` is the tool's."""
    return create_model("NoArguments", __base__=ToolInput, __doc__=description)
