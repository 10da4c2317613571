"""Reads what changed from `GET /tickets/changes` of a ticket API that has it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from shared.api_client import APIClient
from shared.concurrency import gather_all
from shared.errors import InvalidInputError
from shared.tickets.activity.entries import MOST_RECEIVED, ChangeRequest, FoundEntries, TicketEntry, leading
from shared.tickets.dates.ticket_calendar import TicketCalendar
from shared.tickets.models import HistoryEntry, Shape, Visible, parse_many, parse_one
from shared.tickets.paging.cursor import not_a_cursor
from shared.tickets.sorting import Row
from shared.tickets.unreadable import left_out_notes

_PAGE: Final = 200
_PAGES: Final = 5
"""Pages that one call follows: with a rare filter, most are almost empty."""
_CURSOR: Final = "entry:"
"""Before the API's own cursor, a number, so that it stays a text wherever JSON is written."""
_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)
_Query = dict[str, str | int | bool]


class ChangeFeed:
    """The changes of one ticket API; `calendar` knows its clock."""

    def __init__(self, api: APIClient, calendar: TicketCalendar) -> None:
        self._api = api
        self._calendar = calendar

    async def read(self, request: ChangeRequest) -> FoundEntries:
        """Return a page.

        Raises:
            InvalidInputError: the cursor is not valid.
            UpstreamError: the API failed.
        """
        if request.cursor is not None or request.user_id is not None:
            return await self._changes(request)
        found, (rows, total) = await gather_all(self._changes(request), self._received(request))
        return FoundEntries(found.entries, found.next_cursor, rows, total, found.notes)

    async def _changes(self, request: ChangeRequest) -> FoundEntries:
        query = _query(request) | {"limit": _PAGE}
        entries, cursor, notes = list[TicketEntry](), _number(request.cursor), list[str]()
        for _ in range(_PAGES):
            sent = query | ({} if cursor is None else {"cursor": cursor})
            page = parse_one(_Page, await self._api.get("/tickets/changes", params=sent))
            changes = parse_many(_Change, page.changes)
            notes += left_out_notes(changes.left_out)
            entries += [TicketEntry(one.ticket_id, one.summary or "", one) for one in changes]
            cursor = page.next_cursor
            kept, is_cut = leading(entries)
            if is_cut:
                return FoundEntries(kept, f"{_CURSOR}{kept[-1].entry.id}", notes=tuple(notes))
            if cursor is None:
                break
        return FoundEntries(entries, cursor and f"{_CURSOR}{cursor}", notes=tuple(notes))

    async def _received(self, request: ChangeRequest) -> tuple[tuple[Row, ...], int | None]:
        at = await self._calendar.time()
        query: dict[str, Any] = {
            "receptionDateTimeFrom": at.stored(request.since),
            "receptionDateTimeTo": None if request.until is None else at.stored(request.until),
            "personInChargeId": request.person_in_charge_id,
            "accountId": request.account_id,
            "showCompleted": True,
            "sortOrder": "asc",
            "limit": MOST_RECEIVED,
            "envelope": True,
        }
        response = await self._api.get("/tickets", params={name: one for name, one in query.items() if one is not None})
        page = parse_one(_Received, response)
        return tuple(row for row in page.tickets if row.get("ticketId")), page.total


def _number(cursor: str | None) -> str | None:
    """Return the API's own cursor. Raises: InvalidInputError: ours is not valid."""
    if cursor is None:
        return None
    number = cursor.removeprefix(_CURSOR)
    if number == cursor or _NUMBER.fullmatch(number) is None:
        raise InvalidInputError.of([not_a_cursor()])
    return number


def _query(request: ChangeRequest) -> _Query:
    given = {
        "since": _moment(request.since),
        "until": None if request.until is None else _moment(request.until),
        "userId": request.user_id,
        "personInChargeId": request.person_in_charge_id,
        "accountId": request.account_id,
    }
    return {name: value for name, value in given.items() if value is not None}


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Change(HistoryEntry):
    ticket_id: Visible
    summary: str | None = None


class _Page(Shape):
    changes: list[Mapping[str, Any]]
    next_cursor: str | None = None


class _Received(Shape):
    tickets: list[Mapping[str, Any]]
    total: int | None = None
