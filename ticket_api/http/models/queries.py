"""The parameters of paths that read."""

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from ticket_api.cursors import MAX_CURSOR, Place, parse_place
from ticket_api.http.fields import (
    Day,
    DayOrMinuteFrom,
    DayOrMinuteTo,
    Id,
    Moment,
    QueryEntry,
    QueryLimit,
    QueryTruth,
    QueryWhole,
    Reference,
    SearchText,
    SearchWords,
    refuse,
)
from ticket_api.http.models.base import RequestModel

MOST_STATUSES: Final = 20
ENTRIES_A_PAGE: Final = 50
_GROUPS: Final = "status|category|personInCharge|account|requestChannel|week"


class TicketFilters(RequestModel):
    """Which tickets are wanted: those to which every filter applies. An unknown id finds nothing."""

    person_in_charge_id: Id | None = Field(default=None, description="Only tickets of this user.")
    account_id: Id | None = Field(default=None, description="Only tickets of this account.")
    category_id: Id | None = Field(default=None, description="Only tickets of this category.")
    requestor_id: Id | None = Field(default=None, description="Only tickets that this user requested.")
    status_id: list[Id] = Field(
        default=[],
        max_length=MOST_STATUSES,
        description="Only tickets in this status; repeat it for several. A completed status also needs "
        "`showCompleted=true`.",
    )
    reception_date_time_from: DayOrMinuteFrom | None = Field(default=None, description="Received then or later.")
    reception_date_time_to: DayOrMinuteTo | None = Field(
        default=None, description="Received then or earlier; a day includes all of it."
    )
    scheduled_completion_date_from: Day | None = Field(default=None, description="Due on this day or later.")
    scheduled_completion_date_to: Day | None = Field(default=None, description="Due on this day or earlier.")
    completion_date_from: Day | None = Field(default=None, description="Completed on this day or later.")
    completion_date_to: Day | None = Field(default=None, description="Completed on this day or earlier.")
    updated_at_from: Moment | None = Field(default=None, description="Last changed or commented on then or later.")
    updated_at_to: Moment | None = Field(
        default=None, description="Last changed or commented on then or earlier, to the millisecond."
    )
    show_completed: QueryTruth = Field(default=False, description="Also tickets whose status counts as completed.")
    search_query: SearchText | None = Field(
        default=None,
        description="Part of the summary, the account's name or the requestor's name. Case, full or half width and "
        "kind of kana are ignored; `%` and `_` are ordinary characters.",
    )
    search_words: SearchWords | None = Field(
        default=None,
        description="Up to 10 words in any order, each in the summary, the description, a comment of the history, the "
        "id, the external id, or the name of the account, the requestor or the person in charge. Case, width and kind "
        "of kana are ignored. Of a ticket's comments, the newest are searched, up to 20,000 characters.",
        examples=["login vpn"],
    )


class TicketQuery(TicketFilters):
    """Filters, order and page of a ticket list."""

    sort_by: Literal["receptionDateTime", "scheduledCompletionDate", "completionDate"] = Field(
        default="receptionDateTime", description="Tickets without this date come last in both directions."
    )
    sort_order: Literal["asc", "desc"] = Field(default="desc", description="Ties are broken by the ticket's number.")
    limit: QueryWhole = Field(default=20, ge=1, le=200)
    offset: QueryWhole = Field(default=0, ge=0, le=1_000_000)
    cursor: str | None = Field(
        default=None,
        max_length=MAX_CURSOR,
        description="The `nextCursor` of a page: the page after it. It needs the same `sortBy` and `sortOrder`, and "
        "no `offset`; filters may differ.",
        examples=["rd:2026-11-20T03:04/TCK-0042"],
    )
    envelope: QueryTruth = Field(
        default=False, description="Respond with an object that has the total and the cursor of the next page."
    )

    @model_validator(mode="after")
    def _begin_at_one_place(self) -> Self:
        if self.cursor is None:
            return self
        if self.offset:
            raise refuse("cannot be given together with cursor: each says where the page begins", field="offset")
        try:
            parse_place(self.cursor, self.sort_by, self.sort_order)
        except ValueError:
            raise refuse(
                "must be the nextCursor of a page with the same sortBy and sortOrder", field="cursor"
            ) from None
        return self

    @property
    def place(self) -> Place | None:
        """The place after which the page begins, or None if `offset` says where."""
        return None if self.cursor is None else parse_place(self.cursor, self.sort_by, self.sort_order)


class StatisticsQuery(TicketFilters):
    """Which tickets are counted, by what they are grouped, and the period of `received` and `completed`."""

    show_completed: QueryTruth = Field(
        default=True, description="Also tickets whose status counts as completed; unlike lists, by default."
    )
    group_by: str | None = Field(
        default=None,
        pattern=rf"^({_GROUPS})(,({_GROUPS}))?$",
        description="One group or two, separated by a comma. A `week` is that of the reception, from Monday.",
        examples=["status", "personInCharge,week"],
    )
    from_day: Day | None = Field(default=None, alias="from", description="The first day of the period.")
    to_day: Day | None = Field(default=None, alias="to", description="The last day of the period.")
    limit: QueryWhole = Field(default=50, ge=1, le=200, description="How many groups are shown, the largest first.")

    @model_validator(mode="after")
    def _be_clear(self) -> Self:
        if len(set(self.groups)) < len(self.groups):
            raise refuse("names a group twice", field="groupBy")
        if self.from_day is not None and self.to_day is not None and self.to_day < self.from_day:
            raise refuse("is before from", field="to")
        return self

    @property
    def groups(self) -> list[str]:
        """The names in `group_by`."""
        return self.group_by.split(",") if self.group_by else []

    @property
    def has_period(self) -> bool:
        """Whether `received` and `completed` are counted."""
        return self.from_day is not None or self.to_day is not None


class InTime(RequestModel):
    """A range of moments, both included."""

    since: Moment | None = Field(default=None, description="Recorded at this moment or later.")
    until: Moment | None = Field(
        default=None, description="Recorded at this moment or earlier, to the millisecond; not before `since`."
    )

    @model_validator(mode="after")
    def _run_forward(self) -> Self:
        if self.since is not None and self.until is not None and self.until < self.since:
            raise refuse("is before since", field="until")
        return self


class HistoryQuery(InTime):
    """A page of a ticket's history."""

    before: QueryEntry | None = Field(
        default=None,
        description="The `id` of an entry of this ticket: only the entries that follow it, which are older.",
    )
    limit: QueryLimit | None = Field(
        default=None,
        description=f"Default: all entries; with `envelope=true` {ENTRIES_A_PAGE}.",
    )
    envelope: QueryTruth = Field(
        default=False, description="Respond with an object that has the total and the place of the next page."
    )

    @property
    def most(self) -> int | None:
        """How many entries a page has at most, or None for all."""
        return ENTRIES_A_PAGE if self.limit is None and self.envelope else self.limit


class ChangeQuery(InTime):
    """A page of what happened in all tickets."""

    user_id: Id | None = Field(default=None, description="Only entries by this user.")
    account_id: Id | None = Field(default=None, description="Only entries of tickets that are now of this account.")
    person_in_charge_id: Id | None = Field(
        default=None, description="Only entries of tickets of which this user is now in charge."
    )
    ticket_id: Id | None = Field(default=None, description="Only entries of this ticket.")
    limit: QueryWhole = Field(default=ENTRIES_A_PAGE, ge=1, le=200)
    cursor: QueryEntry | None = Field(
        default=None,
        description="The `nextCursor` of a page, or the `id` of the last entry that was read: only later entries.",
        examples=["57"],
    )


class UserQuery(RequestModel):
    """Filter of users."""

    role: Reference | None = Field(default=None, description="Only users with exactly this role.")


class DetailQuery(RequestModel):
    """Filter of category details."""

    category_id: Id | None = Field(default=None, description="Only details of this category.")
