"""The inputs of tools that find tickets."""

from typing import Annotated, Final, Self

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from shared.localization import localized
from shared.mcp_tools.arguments import values
from shared.mcp_tools.arguments.choices import Column, SortBy, SortOrder
from shared.mcp_tools.arguments.lists import WORDS
from shared.mcp_tools.inputs.base import (
    DAY,
    MAX_DAYS,
    MAX_LIMIT,
    MAX_OFFSET,
    Cursor,
    Date,
    Flag,
    Named,
    PastDate,
    Prose,
    Since,
    Statuses,
    ToolInput,
)
from shared.tickets.columns import DEFAULT_COLUMNS, TICKET_COLUMNS

_LIMIT: Final = values.whole(
    1, MAX_LIMIT, cut=lambda: localized("limit: a page has at most {most} rows.", most=MAX_LIMIT)
)


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
    scheduled_completion_date_from: Date | None = Field(None, description=f"Due on or after: {DAY}.")
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
            said = (localized("{first} must not be after {last}", first=first, last=last) for first, last in wrong)
            text = localized("; ").join(said)
            raise values.WrongValueError(text, right=right)
        return self


_RANGES: Final = (
    ("scheduledCompletionDateFrom", "scheduledCompletionDateTo"),
    ("receivedFrom", "receivedTo"),
    ("completedFrom", "completedTo"),
)
