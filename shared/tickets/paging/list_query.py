"""What a ticket API is asked for when a list is selected: what it must be able to do, and its parameters. Pure."""

from datetime import date, datetime, time
from typing import Final

from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.features import (
    CATEGORY_FILTER,
    CURSOR,
    DATE_RANGES,
    SEARCH_WORDS,
    SEVERAL_STATUSES,
    TOTAL_ORDER,
)
from shared.tickets.search.terms import SearchTerms
from shared.tickets.selection import TicketFilters, TicketSelection

Query = dict[str, str | int | bool | tuple[str, ...]]
RECEPTION: Final = "receptionDateTime"
COMPLETION: Final = "completionDate"
_LAST_MINUTE: Final = time(23, 59)


def needed(selection: TicketSelection) -> frozenset[str]:
    """Return the features that an API needs to cut this page itself."""
    wanted = selection.filters
    ranges = (wanted.received_from, wanted.received_to, wanted.completed_from, wanted.completed_to)
    needs = {
        TOTAL_ORDER: True,
        SEARCH_WORDS: wanted.search is not None,
        SEVERAL_STATUSES: len(wanted.status_ids) > 1,
        CATEGORY_FILTER: wanted.category_id is not None,
        DATE_RANGES: any((*ranges, wanted.updated_since)),
        CURSOR: selection.cursor is not None,
    }
    return frozenset(feature for feature, is_needed in needs.items() if is_needed)


def query_of(filters: TicketFilters, *, completed_id: str) -> Query:
    """Return the parameters that every ticket API knows; the other filters are computed in `narrowing`.

    Several statuses without the one that means completed are those of tickets that are not completed.
    """
    (status, *others) = filters.status_ids or (None,)
    given = {
        "personInChargeId": filters.person_in_charge_id,
        "accountId": filters.account_id,
        "statusId": None if others else status,
        "scheduledCompletionDateFrom": filters.due_from,
        "scheduledCompletionDateTo": filters.due_to,
        "showCompleted": filters.completed and not (others and completed_id not in filters.status_ids),
    }
    return {name: value for name, value in given.items() if value is not None}


def fetch_order(selection: TicketSelection) -> str:
    """Return by which date a window is fetched: one that is filtered here comes first, so that its range is whole."""
    wanted = selection.filters
    if selection.sort_by == COMPLETION or wanted.completed_from or wanted.completed_to:
        return COMPLETION
    return RECEPTION if wanted.received_from or wanted.received_to else selection.sort_by


def own_query(selection: TicketSelection, terms: SearchTerms | None, at: TicketTime) -> Query:
    """Return the parameters of a page that the API cuts itself, without `limit`."""
    wanted = selection.filters
    given = {
        "personInChargeId": wanted.person_in_charge_id,
        "accountId": wanted.account_id,
        "categoryId": wanted.category_id,
        "statusId": wanted.status_ids or None,
        "scheduledCompletionDateFrom": wanted.due_from,
        "scheduledCompletionDateTo": wanted.due_to,
        "receptionDateTimeFrom": wanted.received_from and _minute(wanted.received_from, time.min, at),
        "receptionDateTimeTo": wanted.received_to and _minute(wanted.received_to, _LAST_MINUTE, at),
        "completionDateFrom": wanted.completed_from,
        "completionDateTo": wanted.completed_to,
        "updatedAtFrom": wanted.updated_since,
        "showCompleted": wanted.completed,
        "searchWords": " ".join(terms.words) if terms is not None else None,
        "sortBy": selection.sort_by,
        "sortOrder": "desc" if selection.descends else "asc",
        "cursor": selection.cursor,
        "offset": None if selection.cursor is not None else selection.offset,
    }
    return {name: value for name, value in given.items() if value is not None}


def _minute(day: str, clock: time, at: TicketTime) -> str:
    """Return a minute of a day in the zone shown, on the ticket API's clock."""
    return at.stored(datetime.combine(date.fromisoformat(day), clock, tzinfo=at.zone))
