"""The inputs of tools that count tickets and that list what changed in them."""

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from shared.localization import localized
from shared.mcp_tools.arguments import values
from shared.mcp_tools.arguments.choices import Group
from shared.mcp_tools.arguments.lists import bounded, parts_of
from shared.mcp_tools.inputs.base import (
    Cursor,
    Flag,
    Named,
    ShownDate,
    ShownSince,
    ShownUntil,
    Statuses,
    TicketId,
    ToolInput,
)

MOST_GROUPS: Final = 2
_BETWEEN: Final = str.maketrans(dict.fromkeys("、，×/&+;\n", ","))


def _listed(value: object, info: ValidationInfo) -> list[Any]:
    """Return the groups of a list, or of a text with commas between."""
    listed: Any = values.several(value, info)
    return bounded([part for one in listed for part in (_parts(one) if isinstance(one, str) else [one])])


def _parts(text: str) -> list[str]:
    return [part for part in map(str.strip, parts_of(text.translate(_BETWEEN).replace(" and ", ","))) if part]


def _distinct(groups: tuple[str, ...]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(groups))
    if not 1 <= len(distinct) <= MOST_GROUPS:
        raise values.WrongValueError(
            localized("must be one group or two"), right=",".join(distinct[:MOST_GROUPS]) or None
        )
    return distinct


Groups = Annotated[
    tuple[Group, ...], BeforeValidator(_listed), AfterValidator(_distinct), WithJsonSchema({"type": "string"})
]


class _InPeriod(ToolInput):
    """Base of inputs with a period."""

    ends: ClassVar[tuple[str, str]]
    """The arguments that begin and end it."""

    @model_validator(mode="wrap")
    @classmethod
    def _runs_forward(cls, arguments: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        model = handler(arguments)
        given, (first, last) = model.given(), cls.ends
        if first in given and last in given and given[first] > given[last]:
            right = {first: arguments[last], last: arguments[first]}  # as written: a day begins and ends
            text = localized("{first} must not be after {last}", first=first, last=last)
            raise values.WrongValueError(text, right=right)
        return model


class TicketReportInput(_InPeriod):
    """Counts tickets by group: all, open, overdue, how old; under 300 tokens, however many there are."""

    one_or_more = frozenset({"groupBy", "statusId"})
    ends = ("from", "to")

    group_by: Groups = Field(
        ("status",),
        json_schema_extra={"default": "status"},
        description="One or two of status, category, person, account, channel, week (of reception).",
    )
    from_: ShownDate | None = Field(
        None, alias="from", description="Also count those received and completed from this day on."
    )
    to: ShownDate | None = None
    mine: Flag = False
    open: Flag = False
    person_in_charge_id: Named | None = None
    account_id: Named | None = None
    category_id: Named | None = None
    status_id: Statuses | None = None


class TicketChangesInput(_InPeriod):
    """Lists what changed in all tickets since a moment: one row per ticket, old → new; with ticketId, each entry."""

    ends = ("since", "until")

    since: ShownSince = Field(description="A minute, a day, monday or -3d.")
    until: ShownUntil | None = None
    user_id: Named | None = Field(None, description="Only what this person did; me is you.")
    person_in_charge_id: Named | None = None
    account_id: Named | None = None
    ticket_id: TicketId | None = None
    cursor: Cursor | None = Field(None, description="nextCursor of the page before.")
