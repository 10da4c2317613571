"""The parameters of paths that read."""

from typing import Literal

from pydantic import Field

from ticket_api.http.fields import Day, Id, QueryTruth, QueryWhole, Reference, SearchText, SearchWords
from ticket_api.http.models.base import RequestModel


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
