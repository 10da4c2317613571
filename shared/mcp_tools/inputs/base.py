"""What all tool inputs share: the types of their fields, and their base.

Names, parameters and defaults are a promise to existing prompts. `null` for an optional argument counts as absent,
because models send it; numbers sent as text, and text sent as numbers, are converted. The schemas contain no `null`,
because some model APIs refuse `anyOf`. Whether an id exists is checked later, against master data.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic.alias_generators import to_camel

from shared.localization import localized
from shared.mcp_tools.arguments import values
from shared.mcp_tools.arguments.habits import FreeText, Reading, a_text
from shared.tickets.dates.moments import AmbiguousError, DateValue, read_day, read_minute, read_since, read_until
from shared.tickets.dates.ticket_time import TicketTime
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
CALLER: Final = "Defaults to the calling user, where that is known."
DAY: Final = "YYYY-MM-DD, today or +3d"
KEY_HINT: Final = "Your own key for this one request: it is done once in 24 hours, however often you repeat it."
_ENTRY: Final = re.compile(r"(?:entry\s*)?#?(\d{1,19})", re.ASCII | re.IGNORECASE)
"""A history entry's id where it is a number, also as results show it: `entry 57`."""
_WORD_ID: Final = re.compile(r"[\w.:-]{1,50}")
DUPLICATE_HINT: Final = "true: do it again, even if an equal call did it in the last {} minutes."


def _reader(read: Callable[[str, TicketTime], DateValue]) -> Callable[[object, ValidationInfo], str]:
    """Return a function that replaces a text by the day or moment that it names at the time of the call."""

    def validate(given: object, info: ValidationInfo) -> str:
        text = values.words(given, info)
        reading = info.context if isinstance(info.context, Reading) else None
        value = read(text, TicketTime.of_machine() if reading is None else reading.at)
        if reading is not None:
            name = to_camel((info.field_name or "").rstrip("_"))  # `from_` is from
            if value.note:
                reading.say(localized("{text}.", text=f"{name}: {value.note}"))
            if value.moving:
                reading.moving[name] = value.moving
        return value.text

    return validate


def _read_by(read: Callable[[str, TicketTime], DateValue]) -> BeforeValidator:
    return BeforeValidator(_reader(read))


def _entry_or_moment(given: object, info: ValidationInfo) -> str:
    """Return the id of a history entry as it is, and anything else as a moment, if it is one."""
    text = str(values.identifier(given, info))
    if found := _ENTRY.fullmatch(text):
        return found[1]
    try:
        return _reader(read_since)(text, info)
    except AmbiguousError:
        raise
    except ValueError:
        if _WORD_ID.fullmatch(text):
            return text
        raise


def _without_note(read: Callable[[str, TicketTime], DateValue]) -> Callable[[str, TicketTime], DateValue]:
    return lambda text, at: replace(read(text, at), note="")


def _storable(text: str) -> str:
    if not is_whole(text):
        raise ValueError(localized("must not contain U+0000 or half a surrogate pair"))
    return text


def _not_blank(example: Callable[[], str] | None = None) -> Callable[[str], str]:
    def checked(text: str) -> str:
        if visible(text).strip():
            return text
        if example is not None:
            raise ValueError(localized("must not be empty, for example {example}", example=example()))
        raise ValueError(localized("must not be empty"))

    return checked


AS_TEXT: Final = WithJsonSchema({"type": "string"})
"""In the schema a text without its limit, which no id reaches: a model pays for each word."""
Word = Annotated[str, AfterValidator(_storable), BeforeValidator(values.text)]
Text = Annotated[Word, FreeText(may_be_blank=True)]
Prose = Annotated[Word, AfterValidator(_not_blank(a_text)), FreeText(may_be_blank=False)]
LongText = Annotated[Text, Field(max_length=MAX_TEXT)]
LongProse = Annotated[Prose, Field(max_length=MAX_TEXT)]
TicketId = Annotated[
    Word,
    AfterValidator(_not_blank(lambda: "TCK-0001")),
    Field(max_length=MAX_ID),
    BeforeValidator(within_limit),
    BeforeValidator(values.identifier),
    AS_TEXT,
]
Named = Annotated[
    Word, AfterValidator(_not_blank()), Field(max_length=MAX_NAMED), BeforeValidator(values.identifier), AS_TEXT
]
"""An id of master data, or a name, which is resolved to one later."""
Statuses = Annotated[
    tuple[Named, ...],
    Field(max_length=MAX_STATUSES),
    BeforeValidator(values.several),
    AS_TEXT,  # model APIs know no unions
]
Cursor = Annotated[Word, Field(max_length=MAX_CURSOR), BeforeValidator(values.cursor), AS_TEXT]
Reference = Annotated[Text, Field(max_length=50)]
Date = Annotated[str, _read_by(read_day)]
PastDate = Annotated[str, _read_by(partial(read_day, past=True))]
Minute = Annotated[str, _read_by(read_minute)]
Since = Annotated[str, _read_by(read_since)]
ShownDate = Annotated[str, _read_by(_without_note(partial(read_day, past=True)))]
ShownSince = Annotated[str, _read_by(_without_note(read_since))]
ShownUntil = Annotated[str, _read_by(_without_note(read_until))]
"""Days and moments that the result shows as they were read, so that no note has to."""
SinceEntry = Annotated[str, BeforeValidator(_entry_or_moment)]
"""The id of a history entry, or a moment in UTC as `read_since` returns it."""
Hours = Annotated[float, Field(ge=0, le=values.MAX_HOURS), BeforeValidator(values.hours)]
MoreHours = Annotated[float, BeforeValidator(values.more_hours)]
Flag = Annotated[bool, BeforeValidator(values.flag)]
Key = Annotated[str, Field(max_length=values.MAX_KEY, pattern=r"^[!-~]+$"), BeforeValidator(values.key)]


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


def no_arguments(description: str) -> type[ToolInput]:
    """Return the input of a tool without arguments; `description` is the tool's."""
    return create_model("NoArguments", __base__=ToolInput, __doc__=description)
