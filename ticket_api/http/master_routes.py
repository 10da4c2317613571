"""The routes that change master data: add, put and remove, the same for all seven kinds."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from ticket_api.administration import writes
from ticket_api.administration.kinds import KINDS, Kind
from ticket_api.http.administrators import Administrator, record
from ticket_api.http.fields import Id
from ticket_api.http.idempotent_writes import Key, write_once
from ticket_api.http.models.base import Nothing, RequestModel
from ticket_api.http.models.master import MasterWritten
from ticket_api.http.openapi import failures
from ticket_api.http.routing import NoQuery, each, writing
from ticket_api.store.connection import TenantConnection

routes: Final = APIRouter(tags=["master data"], dependencies=each, prefix="/tickets/master")
REFUSED: Final = (400, 401, 403, 409, 413, 415, 503, 507)
PutId = Annotated[Id, Path(alias="id", description="Of the row to change, or a new one for a row to add.")]
KnownId = Annotated[Id, Path(alias="id")]


async def _once(
    request: Request,
    key: str | None,
    body: RequestModel,
    status: int,
    work: Callable[[TenantConnection], tuple[str, str, str]],
) -> Response:
    """Do a write that returns an id, what was done and a message; audit it unless it was done by an earlier request."""
    done: list[tuple[str, str]] = []

    def write(db: TenantConnection, _: datetime) -> BaseModel:
        id_, outcome, message = work(db)
        done[:] = [(id_, outcome)]
        return MasterWritten(id=id_, message=message)

    response = await write_once(request, key, body, status, write)
    kind = request.scope["path"].split("/")[3]
    for id_, outcome in done:
        if outcome != "unchanged":
            await record(request, f"{kind}/{id_}", action=f"master_data_{outcome}")
    return response


def _add_routes(kind: Kind) -> None:
    one = kind.one
    name = "".join(word.capitalize() for word in one.split())
    new: Any = kind.new
    fields: Any = kind.fields

    async def add(request: Request, _: Administrator, body: new, __: NoQuery, key: Key = None) -> Response:
        def work(db: TenantConnection) -> tuple[str, str, str]:
            id_ = writes.add(db, kind, writes.values_of(body))
            return id_, "added", f"{one.capitalize()} added successfully"

        return await _once(request, key, body, 201, work)

    async def put(
        request: Request, _: Administrator, id_: PutId, body: fields, __: NoQuery, key: Key = None
    ) -> Response:
        def work(db: TenantConnection) -> tuple[str, str, str]:
            outcome = writes.put(db, kind, id_, writes.values_of(body))
            said = "has these values already" if outcome == "unchanged" else f"{outcome} successfully"
            return id_, outcome, f"{one.capitalize()} {said}"

        return await _once(request, key, body, 200, work)

    async def remove(request: Request, _: Administrator, id_: KnownId, __: NoQuery) -> Response:
        def work(db: TenantConnection) -> tuple[str, str, str]:
            writes.remove(db, kind, id_)
            return id_, "removed", f"{one.capitalize()} removed successfully"

        return await _once(request, None, Nothing(), 200, work)

    routes.post(
        f"/{kind.path}", operation_id=f"add{name}", summary=f"Add {kind.a}", status_code=201,
        description=f"Add {kind.a}. Without `id`, a name that another has (a person's e-mail address) is a 409 "
        "with the kind `exists`. Needs a key that may administer, as do the next two.",
        response_model=MasterWritten, responses=failures(*REFUSED), **writing,
    )(add)  # fmt: skip
    routes.put(
        f"/{kind.path}/{{id}}", operation_id=f"put{name}", summary=f"Add or change {kind.a}",
        description=f"Add the {one} if the id is new; else change the fields that are sent.",
        response_model=MasterWritten, responses=failures(*REFUSED), **writing,
    )(put)  # fmt: skip
    routes.delete(
        f"/{kind.path}/{{id}}", operation_id=f"remove{name}", summary=f"Remove {kind.a}",
        description=f"Remove {kind.a} that nothing refers to; else a 409 with the kind `in_use` says where it is used.",
        response_model=MasterWritten, responses=failures(400, 401, 403, 404, 409, 413, 503, 507),
    )(remove)  # fmt: skip


for _kind in KINDS.values():
    _add_routes(_kind)
