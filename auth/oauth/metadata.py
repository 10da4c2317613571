"""Resource metadata: where clients find out at which identity provider to sign in, and for which resource.

There is a document for each resource that is served, and one for the public address itself, which is for all of them.
They are the same for everyone, so every page may read them. If the public address has a path, each document is served
below it and at the place that RFC 9728 names, as proxies differ in what they pass on.
Sources: RFC 9728, sections 2 and 3; MCP authorization (2026-07-28); SEP-2207 (no `offline_access` here).
"""

from collections.abc import Awaitable, Callable, Iterable
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from auth.oauth.resources import ProtectedResources
from shared.identity import Scope

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
SCOPES: Final = (Scope.TICKETS_READ.value, Scope.TICKETS_WRITE.value)
"""What a client asks for at first: all that people usually need. What a role does not permit has no effect."""
NAME: Final = "Ticket server"
_CACHED: Final = MappingProxyType({"cache-control": "public, max-age=300"})
_OPEN: Final = MappingProxyType({
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "www-authenticate, retry-after",
})  # fmt: skip
_PREFLIGHT: Final = MappingProxyType({
    **_OPEN,
    "access-control-allow-headers": "*, authorization",  # `*` does not stand for it
    "access-control-allow-private-network": "true",
    "access-control-max-age": "600",
    "cache-control": "public, max-age=300",
})  # fmt: skip
Endpoint = Callable[[Request], Awaitable[Response]]


def metadata_url(resources: ProtectedResources, path: str) -> str:
    """Return the address of the document about the resource that a request for `path` is about."""
    return resources.base + WELL_KNOWN + resources.path_of(path)


def metadata_routes(public_url: str, issuers: Iterable[str], paths: Iterable[str]) -> list[Route]:
    """Return the routes of all documents.

    Args:
        public_url: address that clients use.
        issuers: where to sign in, the usual one first.
        paths: those of the resources that are served.
    """
    resources, servers = ProtectedResources(public_url), list(issuers)
    routes = []
    for path in ("", *paths):
        document = {
            "resource": resources.url_of(path),
            "authorization_servers": servers,
            "scopes_supported": SCOPES,
            "bearer_methods_supported": ["header"],
            "resource_name": NAME,
        }
        routes += document_routes(resources.base, WELL_KNOWN, path, document)
    return routes


def document_routes(base: str, well_known: str, path: str, document: object) -> list[Route]:
    """Return the routes of a document about what is at `path` below the address `base`.

    A path of `base` itself belongs behind `well_known` (RFC 8414 and RFC 9728, section 3.1). Some clients look for the
    document below it, and some proxies take it away.
    """

    async def respond(_: Request) -> Response:
        return JSONResponse(document, headers=_CACHED)

    prefix = unquote(urlsplit(base).path)
    places = dict.fromkeys((well_known + path, prefix + well_known + path, well_known + prefix + path))
    return [open_route(place + end, respond) for place in places for end in ("", "/")]


def open_route(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
    """Return a route for the pages of every site: without credentials of the browser, since none of them is read."""

    async def respond(request: Request) -> Response:
        if request.method == "OPTIONS":
            methods = {"access-control-allow-methods": f"{method}, OPTIONS"}
            return Response(status_code=204, headers={**_PREFLIGHT, **methods})
        response = await endpoint(request)
        response.headers.update(_OPEN)
        return response

    return Route(path, respond, methods=[method, "OPTIONS"])
