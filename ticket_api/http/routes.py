"""The routes. Each function handles one request: open a transaction, do one thing, shape the response."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Table

from shared.storage.write_check import WriteCheck
from ticket_api import writes
from ticket_api.http.idempotent_writes import Key, write_once
from ticket_api.http.models.queries import DetailQuery, TicketQuery, UserQuery
from ticket_api.http.models.requests import NewTicket, TicketChange
from ticket_api.http.models.responses import (
    CategoryDetail,
    Choice,
    Health,
    Ready,
    ResponseCategory,
    Status,
    Ticket,
    TicketPage,
    TicketRow,
    TicketWritten,
    User,
)
from ticket_api.http.openapi import failures
from ticket_api.http.routing import NoQuery, ReadingRoute, TicketId, each, respond_in_tenant, writing
from ticket_api.http.serializers import shape_row, shape_ticket
from ticket_api.store import lists, master, tables, tickets
from ticket_api.store.connection import TenantConnection
from ticket_api.times import show_moment, wall_clock

open_routes = APIRouter(tags=["service"], dependencies=each)
ticket_routes = APIRouter(tags=["tickets"], dependencies=each, route_class=ReadingRoute)
master_routes = APIRouter(tags=["master data"], dependencies=each, prefix="/tickets/master", route_class=ReadingRoute)


@open_routes.get("/health", operation_id="health", responses=failures(400))
async def health(request: Request, _: NoQuery) -> Health:
    """Return that the service is running. Requires no key and does not use the database."""
    return Health(timestamp=show_moment(request.app.state.clock()), time_zone=request.app.state.zone_name)


@open_routes.get("/ready", operation_id="ready", responses=failures(400, 503, 507))
async def ready(request: Request, _: NoQuery) -> Ready:
    """Return whether the database accepts writes, as of the last ten seconds. Requires no key.

    Checked by a write that is rolled back; concurrent requests share one check.
    """
    check: WriteCheck = request.app.state.write_check
    await check.check()
    return Ready()


@ticket_routes.get(
    "/tickets",
    operation_id="listTickets",
    response_model=list[TicketRow] | TicketPage,
    responses=failures(400, 401, 503),
)
async def list_tickets(request: Request, query: Annotated[TicketQuery, Query()]) -> Response:
    """List tickets: filtered, sorted, one page; with `envelope=true` as an object that has the total too.

    Pages by `cursor` show every ticket that matches all the time and keeps its date exactly once, whatever else is
    written meanwhile; pages by `offset` may then repeat or skip tickets.
    """
    today = wall_clock(request.app.state.clock()).date()

    def read(db: TenantConnection) -> list[dict[str, Any]] | dict[str, Any]:
        page = lists.read_page(db, query)
        rows = [shape_row(row, today) for row in page.rows]
        if not query.envelope:
            return rows
        more = {"totalIsExact": page.total_is_exact, "nextCursor": page.next_cursor}
        return {"tickets": rows, "total": page.total, **more}

    return await respond_in_tenant(request, read)


@ticket_routes.get(
    "/tickets/{id}", operation_id="getTicket", response_model=Ticket, responses=failures(400, 401, 404, 503)
)
async def get_ticket(request: Request, ticket_id: TicketId, _: NoQuery) -> Response:
    """Return one ticket."""

    def read(db: TenantConnection) -> Ticket:
        row = tickets.read(db, ticket_id)
        if row is None:
            raise writes.ticket_not_found()
        return shape_ticket(row, tickets.read_attachments(db, ticket_id))

    return await respond_in_tenant(request, read)


@ticket_routes.post(
    "/tickets",
    operation_id="createTicket",
    status_code=201,
    response_model=TicketWritten,
    responses=failures(400, 401, 409, 413, 415, 503, 507),
    **writing,
)
async def create_ticket(request: Request, body: NewTicket, _: NoQuery, key: Key = None) -> Response:
    """Create a ticket. Its id is assigned: `TCK-` and at least four digits."""

    def create(db: TenantConnection, now: datetime) -> BaseModel:
        ticket_id = writes.create(db, body, now)
        return TicketWritten(id=ticket_id, message="Ticket created successfully")

    return await write_once(request, key, body, 201, create)


@ticket_routes.put(
    "/tickets/{id}",
    operation_id="updateTicket",
    response_model=TicketWritten,
    responses=failures(400, 401, 404, 409, 413, 415, 503, 507),
    **writing,
)
async def update_ticket(
    request: Request, ticket_id: TicketId, body: TicketChange, _: NoQuery, key: Key = None
) -> Response:
    """Change the fields that are sent and empty those named in `clear`; absent and null fields stay unchanged.

    The history records old and new values; the new value of an emptied field is null. A request that changes nothing
    and has no comment is refused.
    """

    def change(db: TenantConnection, now: datetime) -> BaseModel:
        writes.change(db, ticket_id, body, now)
        return TicketWritten(id=ticket_id, message="Ticket updated successfully")

    return await write_once(request, key, body, 200, change)


@master_routes.get("/users", operation_id="listUsers", response_model=list[User], responses=failures(400, 401, 503))
async def list_users(request: Request, query: Annotated[UserQuery, Query()]) -> Response:
    """List users by name."""
    return await respond_in_tenant(
        request, lambda db: [User.model_validate(row) for row in master.list_users(db, query.role)]
    )


@master_routes.get(
    "/category-details",
    operation_id="listCategoryDetails",
    response_model=list[CategoryDetail],
    responses=failures(400, 401, 503),
)
async def list_category_details(request: Request, query: Annotated[DetailQuery, Query()]) -> Response:
    """List category details in their order."""
    return await respond_in_tenant(
        request, lambda db: [CategoryDetail.model_validate(row) for row in master.list_details(db, query.category_id)]
    )


@master_routes.get(
    "/response-categories",
    operation_id="listResponseCategories",
    response_model=list[ResponseCategory],
    responses=failures(400, 401, 503),
)
async def list_response_categories(request: Request, _: NoQuery) -> Response:
    """List response categories in their order."""
    table = tables.response_categories
    return await respond_in_tenant(
        request, lambda db: [ResponseCategory.model_validate(row) for row in master.list_choices(db, table)]
    )


@master_routes.get(
    "/statuses", operation_id="listStatuses", response_model=list[Status], responses=failures(400, 401, 503)
)
async def list_statuses(request: Request, _: NoQuery) -> Response:
    """List statuses in their order, each with whether its tickets count as completed."""
    return await respond_in_tenant(
        request, lambda db: [Status.model_validate(row) for row in master.list_choices(db, tables.statuses)]
    )


def _list_of_choices(path: str, operation_id: str, table: Table, what: str) -> None:
    async def list_choices(request: Request, _: NoQuery) -> Response:
        return await respond_in_tenant(
            request, lambda db: [Choice.model_validate(row) for row in master.list_choices(db, table)]
        )

    master_routes.get(
        path,
        operation_id=operation_id,
        summary=f"List {what}",
        description=f"List {what} in their order.",
        response_model=list[Choice],
        responses=failures(400, 401, 503),
    )(list_choices)


_list_of_choices("/accounts", "listAccounts", tables.accounts, "accounts")
_list_of_choices("/categories", "listCategories", tables.categories, "categories")
_list_of_choices("/request-channels", "listRequestChannels", tables.request_channels, "request channels")
