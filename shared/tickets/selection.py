"""What a list of tickets is asked for, once names are resolved and words such as `overdue` have become dates. Pure.

Dates are `YYYY-MM-DD` in the zone of the results, both ends included; `updated_since` is a moment in ISO 8601 with an
offset. `cursor` is opaque to everyone but the code that cuts pages: the place after the last row of a page.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFilters:
    """Which tickets are wanted; None, an empty tuple and False filter nothing, except that `completed` is wanted."""

    person_in_charge_id: str | None = None
    account_id: str | None = None
    category_id: str | None = None
    status_ids: tuple[str, ...] = ()
    completed: bool = True
    """Whether tickets in a completed status are wanted too."""
    due_from: str | None = None
    due_to: str | None = None
    received_from: str | None = None
    received_to: str | None = None
    completed_from: str | None = None
    completed_to: str | None = None
    updated_since: str | None = None
    search: str | None = None
    """Words, each somewhere in the ticket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketSelection:
    """One page of tickets: which tickets, in which order, and where the page begins (`cursor` wins over `offset`)."""

    filters: TicketFilters
    sort_by: str = "receptionDateTime"
    descends: bool = True
    limit: int = 20
    offset: int = 0
    cursor: str | None = None
    fields: tuple[str, ...] = ()
    """Columns that are shown, by the names of the API; some need single tickets where its lists lack them."""
