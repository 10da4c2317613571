"""What the routes share: the checks before each request, its parameters, and reading in a transaction of its tenant."""

from collections import Counter
from collections.abc import Callable, Coroutine
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from ticket_api.errors import BadInputError
from ticket_api.http.fields import Id
from ticket_api.http.models.base import Nothing
from ticket_api.http.models.queries import MOST_STATUSES
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import TenantDatabase

MAX_PARAMETERS: Final = 50
REPEATABLE: Final = MappingProxyType({"statusId": MOST_STATUSES})
"""How often a parameter may be given; all others once."""
NAMED: Final = frozenset({"/tickets/stats", "/tickets/changes", "/tickets/import"})
"""Paths that look like those of tickets."""
T = TypeVar("T")
NoQuery = Annotated[Nothing, Query()]
TicketId = Annotated[Id, Path(alias="id", description="For example TCK-0001.", examples=["TCK-0001"])]


async def read_in_tenant(request: Request, work: Callable[[TenantConnection], T]) -> T:
    """Return what `work` reads in a transaction of the request's tenant."""
    tenants: TenantDatabase = request.app.state.tenants
    return await tenants.read(request.state.tenant, work)


async def respond_in_tenant(request: Request, read: Callable[[TenantConnection], Any]) -> Response:
    """Return as JSON what `read` returns in a transaction of the request's tenant: the route's model, or its fields.

    FastAPI would validate it again, which takes longer than reading it.
    """
    body = await read_in_tenant(request, lambda db: to_json(read(db)))
    return Response(body, media_type="application/json")


async def _json_only(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415)


async def _few_and_once(request: Request) -> None:
    """Refuse queries before FastAPI processes them, which takes quadratic time for unknown names."""
    names = [name for name, _ in request.query_params.multi_items()]
    if len(names) > MAX_PARAMETERS:
        raise BadInputError(f"A query has at most {MAX_PARAMETERS} parameters, not {len(names):,}.")
    for name, times in Counter(names).items():
        if times > (most := REPEATABLE.get(name, 1)):
            often = "once" if most == 1 else f"{most} times"
            raise BadInputError(f"{name[:100]} is given more than {often}", field=name[:100])


async def _no_name_of_a_path(request: Request) -> None:
    """Refuse methods that `/tickets/stats` and its like do not support, but the path of a ticket does."""
    if request.scope["path"] in NAMED and request.path_params.get("id") is not None:
        raise HTTPException(405)


each: Final = [Depends(_no_name_of_a_path), Depends(_few_and_once)]
"""The dependencies of every router; FastAPI would run functions that are not `async` in threads."""
writing: Final[dict[str, Any]] = {"dependencies": [Depends(_json_only)]}
"""More of a route with a body."""


class ReadingRoute(APIRoute):
    """A route of which a GET has no parameters but those of its path and one model with those of its query.

    Its dependencies are functions of the request that only refuse it. They and the parameters are known beforehand:
    FastAPI resolves them anew for each request, and looks for each parameter that a query may have, which takes several
    times as long as validating what was sent. Other methods are FastAPI's.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that handles a request. Raises: RequestValidationError."""
        if self.methods != {"GET"}:
            return super().get_route_handler()
        endpoint: Any = self.endpoint
        checks: list[Any] = [each.dependency for each in self.dependencies]
        of_path = self.dependant.path_params
        (query,) = self.dependant.query_params

        async def handle(request: Request) -> Response:
            for check in checks:
                await check(request)
            arguments: dict[str, Any] = {}
            problems: list[Any] = []
            sent = [(field, request.path_params[field.alias], ("path", field.alias)) for field in of_path]
            for field, value, place in (*sent, (query, _values(request), ("query",))):
                arguments[field.name], found = field.validate(value, {}, loc=place)
                problems += found
            if problems:
                raise RequestValidationError(problems)
            response: Response = await endpoint(request, **arguments)
            return response

        return handle


def _values(request: Request) -> dict[str, str | list[str]]:
    """Return the parameters of the query by their names."""
    sent = request.query_params
    return {name: sent.getlist(name) if name in REPEATABLE else sent[name] for name in sent}
