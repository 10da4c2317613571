"""The paths. Each function is one request: open one transaction, do one thing, shape the answer."""

from collections import Counter
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Table
from starlette.exceptions import HTTPException

from ticket_api import tables, writes
from ticket_api.errors import BadInputError
from ticket_api.fields import Id
from ticket_api.models import (
    CategoryDetail,
    Choice,
    DetailQuery,
    Health,
    HistoryEntry,
    HistoryWritten,
    NewComment,
    NewTicket,
    Nothing,
    ResponseCategory,
    Ticket,
    TicketChange,
    TicketQuery,
    TicketRow,
    TicketWritten,
    User,
    UserQuery,
)
from ticket_api.once import Key, write_once
from ticket_api.openapi import failures
from ticket_api.shaping import shape_entry, shape_row, shape_ticket
from ticket_api.store import history, master, tickets
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import Tenants
from ticket_api.times import show_moment, utc_now, wall_clock

MAX_PARAMETERS: Final = 50
NoQuery = Annotated[Nothing, Query()]
TicketId = Annotated[Id, Path(alias="id", description="For example TCK-0001.", examples=["TCK-0001"])]


def _reading(request: Request) -> AbstractAsyncContextManager[TenantConnection]:
    """Give a transaction of the tenant whose request it is."""
    tenants: Tenants = request.app.state.tenants
    return tenants.reading(request.state.tenant)


def _json_only(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415)


def _few_and_once(request: Request) -> None:
    """Refuse queries before FastAPI looks at them, which takes quadratic time for names that it does not know."""
    names = [name for name, _ in request.query_params.multi_items()]
    if len(names) > MAX_PARAMETERS:
        raise BadInputError(f"A query has at most {MAX_PARAMETERS} parameters, not {len(names):,}.")
    for name, times in Counter(names).items():
        if times > 1:
            raise BadInputError(f"{name[:100]} is given more than once", field=name[:100])


each = [Depends(_few_and_once)]
open_routes = APIRouter(tags=["service"], dependencies=each)
ticket_routes = APIRouter(tags=["tickets"], dependencies=each)
master_routes = APIRouter(tags=["master data"], dependencies=each, prefix="/tickets/master")
writing: dict[str, Any] = {"dependencies": [Depends(_json_only)]}


@open_routes.get("/health", operation_id="health", responses=failures(400))
async def health(_: NoQuery) -> Health:
    """Tell that the service is up. Needs no key and touches no database."""
    return Health(timestamp=show_moment(utc_now()))


@ticket_routes.get("/tickets", operation_id="listTickets", responses=failures(400, 401, 503))
async def list_tickets(request: Request, query: Annotated[TicketQuery, Query()]) -> list[TicketRow]:
    """List tickets: filtered, in order, one page."""
    today = wall_clock(request.app.state.clock()).date()
    async with _reading(request) as db:
        return [shape_row(row, today) for row in await tickets.search(db, query)]


@ticket_routes.get("/tickets/{id}", operation_id="getTicket", responses=failures(400, 401, 404, 503))
async def get_ticket(request: Request, ticket_id: TicketId, _: NoQuery) -> Ticket:
    """Read one ticket."""
    async with _reading(request) as db:
        row = await tickets.read(db, ticket_id)
        if row is None:
            raise writes.ticket_not_found()
        return shape_ticket(row, await tickets.read_attachments(db, ticket_id))


@ticket_routes.post(
    "/tickets",
    operation_id="createTicket",
    status_code=201,
    response_model=TicketWritten,
    responses=failures(400, 401, 409, 413, 415, 503),
    **writing,
)
async def create_ticket(request: Request, body: NewTicket, _: NoQuery, key: Key = None) -> Response:
    """Create a ticket. Its id is assigned: `TCK-` and at least four digits."""

    async def create(db: TenantConnection, now: datetime) -> BaseModel:
        ticket_id = await writes.create(db, body, now)
        return TicketWritten(id=ticket_id, message="Ticket created successfully")

    return await write_once(request, key, body, 201, create)


@ticket_routes.put(
    "/tickets/{id}",
    operation_id="updateTicket",
    response_model=TicketWritten,
    responses=failures(400, 401, 404, 409, 413, 415, 503),
    **writing,
)
async def update_ticket(
    request: Request, ticket_id: TicketId, body: TicketChange, _: NoQuery, key: Key = None
) -> Response:
    """Change the fields that are sent; absent and null fields stay. The history records old and new values.

    A request that changes nothing and has no comment is refused.
    """

    async def change(db: TenantConnection, now: datetime) -> BaseModel:
        await writes.change(db, ticket_id, body, now)
        return TicketWritten(id=ticket_id, message="Ticket updated successfully")

    return await write_once(request, key, body, 200, change)


@ticket_routes.get("/tickets/{id}/history", operation_id="getHistory", responses=failures(400, 401, 404, 503))
async def get_history(request: Request, ticket_id: TicketId, _: NoQuery) -> list[HistoryEntry]:
    """Read a ticket's history, newest first."""
    async with _reading(request) as db:
        if not await tickets.exists(db, ticket_id):
            raise writes.ticket_not_found()
        entries = await history.of_ticket(db, ticket_id)
        return [shape_entry(entry, changed) for entry, changed in entries]


@ticket_routes.post(
    "/tickets/{id}/history",
    operation_id="addHistory",
    status_code=201,
    response_model=HistoryWritten,
    responses=failures(400, 401, 404, 409, 413, 415, 503),
    **writing,
)
async def add_history(request: Request, ticket_id: TicketId, body: NewComment, _: NoQuery, key: Key = None) -> Response:
    """Add a comment to a ticket's history."""

    async def comment(db: TenantConnection, now: datetime) -> BaseModel:
        history_id = await writes.comment(db, ticket_id, body, now)
        return HistoryWritten(id=history_id, message="History added successfully")

    return await write_once(request, key, body, 201, comment)


@master_routes.get("/users", operation_id="listUsers", responses=failures(400, 401, 503))
async def list_users(request: Request, query: Annotated[UserQuery, Query()]) -> list[User]:
    """List users by name."""
    async with _reading(request) as db:
        return [User.model_validate(row) for row in await master.list_users(db, query.role)]


@master_routes.get("/category-details", operation_id="listCategoryDetails", responses=failures(400, 401, 503))
async def list_category_details(request: Request, query: Annotated[DetailQuery, Query()]) -> list[CategoryDetail]:
    """List category details in their order."""
    async with _reading(request) as db:
        rows = await master.list_details(db, query.category_id)
        return [CategoryDetail.model_validate(row) for row in rows]


@master_routes.get("/response-categories", operation_id="listResponseCategories", responses=failures(400, 401, 503))
async def list_response_categories(request: Request, _: NoQuery) -> list[ResponseCategory]:
    """List response categories in their order."""
    async with _reading(request) as db:
        rows = await master.list_choices(db, tables.response_categories)
        return [ResponseCategory.model_validate(row) for row in rows]


def _list_of_choices(path: str, operation_id: str, table: Table, what: str) -> None:
    async def list_choices(request: Request, _: NoQuery) -> list[Choice]:
        async with _reading(request) as db:
            return [Choice.model_validate(row) for row in await master.list_choices(db, table)]

    master_routes.get(
        path,
        operation_id=operation_id,
        summary=f"List {what}",
        description=f"List {what} in their order.",
        responses=failures(400, 401, 503),
    )(list_choices)


_list_of_choices("/accounts", "listAccounts", tables.accounts, "accounts")
_list_of_choices("/categories", "listCategories", tables.categories, "categories")
_list_of_choices("/statuses", "listStatuses", tables.statuses, "statuses")
_list_of_choices("/request-channels", "listRequestChannels", tables.request_channels, "request channels")
