"""The routes of histories: of one ticket, and of all tickets together."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from ticket_api import writes
from ticket_api.http.idempotent_writes import Key, write_once
from ticket_api.http.models.queries import ChangeQuery, HistoryQuery
from ticket_api.http.models.requests import NewComment
from ticket_api.http.models.responses import ChangePage, HistoryEntry, HistoryPage, HistoryWritten
from ticket_api.http.openapi import failures
from ticket_api.http.routing import NoQuery, ReadingRoute, TicketId, each, respond_in_tenant, writing
from ticket_api.http.serializers import shape_change, shape_entry
from ticket_api.store import changes, history, tickets
from ticket_api.store.connection import TenantConnection

history_routes = APIRouter(tags=["tickets"], dependencies=each, route_class=ReadingRoute)


@history_routes.get(
    "/tickets/changes", operation_id="listChanges", response_model=ChangePage, responses=failures(400, 401, 503)
)
async def list_changes(request: Request, query: Annotated[ChangeQuery, Query()]) -> Response:
    """List the history entries of all tickets, oldest first: in the order in which they were recorded, that of `id`.

    Clocks differ, so `timestamp` may be a little out of this order. A client that goes on at the last `id` misses
    nothing. The creation of a ticket is no entry: list tickets by reception for those.
    """

    def read(db: TenantConnection) -> ChangePage:
        page = changes.find(db, query)
        shown = [shape_change(ticket, *entry) for ticket, entry in changes.read(db, page.ids)]
        return ChangePage(changes=shown, next_cursor=None if page.next is None else str(page.next))

    return await respond_in_tenant(request, read)


@history_routes.get(
    "/tickets/{id}/history",
    operation_id="getHistory",
    response_model=list[HistoryEntry] | HistoryPage,
    responses=failures(400, 401, 404, 503),
)
async def get_history(request: Request, ticket_id: TicketId, query: Annotated[HistoryQuery, Query()]) -> Response:
    """Return a ticket's history, newest first: all of it, or a page."""

    def read(db: TenantConnection) -> list[HistoryEntry] | HistoryPage:
        if not tickets.exists(db, ticket_id):
            raise writes.ticket_not_found()
        entries = [shape_entry(*entry) for entry in history.of_ticket(db, ticket_id, query)]
        page = entries[: query.most]
        if not query.envelope:
            return page
        total = history.count(db, ticket_id, query)
        has_more = len(entries) > len(page)
        return HistoryPage(entries=page, total=total, next_cursor=str(page[-1].id) if has_more else None)

    return await respond_in_tenant(request, read)


@history_routes.post(
    "/tickets/{id}/history",
    operation_id="addHistory",
    status_code=201,
    response_model=HistoryWritten,
    responses=failures(400, 401, 404, 409, 413, 415, 503, 507),
    **writing,
)
async def add_history(request: Request, ticket_id: TicketId, body: NewComment, _: NoQuery, key: Key = None) -> Response:
    """Add a comment to a ticket's history."""

    def comment(db: TenantConnection, now: datetime) -> BaseModel:
        history_id = writes.comment(db, ticket_id, body, now)
        return HistoryWritten(id=history_id, message="History added successfully")

    return await write_once(request, key, body, 201, comment)
