"""Routes that read: the same checks and validation as FastAPI's, in fewer steps.

FastAPI resolves the dependencies of a route, and looks for each parameter that its query may have, anew for each
request, which takes several times as long as validating what was sent.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from ticket_api.http.routing import REPEATABLE


class ReadingRoute(APIRoute):
    """A route of which a GET has no parameters but those of its path and one model with those of its query.

    Its dependencies are functions of the request that only refuse it. Other methods are FastAPI's.
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
