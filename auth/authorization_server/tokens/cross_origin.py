"""Lets pages of any origin call an endpoint that knows callers by what they send, never by cookies. Pure.

Source: Fetch (CORS protocol). Without `Access-Control-Allow-Credentials`, browsers send no cookies.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_HEADERS: Final = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "www-authenticate, retry-after"),
)


def cross_origin_route(path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str) -> Route:
    """Return a route for `method` and the preflights of browsers."""
    preflight = {
        "access-control-allow-methods": f"{method}, OPTIONS",
        "access-control-allow-headers": "*, authorization",  # `*` does not stand for it
        "access-control-allow-private-network": "true",
        "access-control-max-age": "600",
    }

    async def respond(request: Request) -> Response:
        response = Response(status_code=204) if request.method == "OPTIONS" else await endpoint(request)
        response.headers.update(dict(_HEADERS))
        if request.method == "OPTIONS":
            response.headers.update(preflight)
        return response

    return Route(path, respond, methods=[method, "OPTIONS"])
