"""One route of a transport: refuses what must be refused, in one order, before its handler sees anything.

Whether the wire has ended, whether a person opened it in a browser, method, then host and origin, then who is calling
and how often: a page of a foreign site learns nothing, not even whether a key is right. The end comes first because it
is the same for all, and a client that has to move must learn it with an expired key or the wrong method as well.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.client_habits import ClientHabits
from shared.counting import BoundedLabels, Counter
from shared.errors import TicketServerError
from shared.http.cycle import cycle_of
from shared.identity import AuthProvider, Principal
from shared.json_rpc import JSONRPCRequest
from shared.telemetry import LABELS, LogContext
from transport.base import TransportHandler
from transport.dispatch.policy import AccessPolicy
from transport.dispatch.refused_requests import RefusedRequests, Spoken
from transport.http.deprecation import Sunset, announcing
from transport.http.errors import HTTPRefusalError, http_error
from transport.http.request_checks import RequestChecks
from transport.http.request_head import HTTPRequest

Challenge = Callable[[str, TicketServerError, Principal | None], str | None]
"""Returns the `WWW-Authenticate` of a 401 or 403, by the path of the request, what refused it, and who sent it if that
is known; None for no such header. It makes clients look for an authorization server, so it is for what a sign-in can
change (RFC 9110, 11.6.1; MCP authorization, 2026-07-28)."""
CAPS: Final = frozenset({"too_many_sessions", "too_many_streams"})
"""Refusals that are audited here. Those of a single request are audited where it is known what was asked for."""
UNKNOWN: Final = "unknown"
"""In place of the organisation of a caller who did not prove who they are."""
EXPOSED_HEADERS: Final = ("Mcp-Session-Id", "MCP-Protocol-Version", "WWW-Authenticate", "Retry-After")
"""What the script of a page may read of a response."""
PREFLIGHT_S: Final = 600


_PLAIN: Final = re.compile(r"(?!connection:|content-length:|transfer-encoding:)[a-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*")
"""A header that a server need not look at."""


class _Headers:
    """Headers of a response but for its length, as ASGI takes them and as they are written."""

    __slots__ = ("lines", "pairs")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        lines = [f"{name}: {value}" for name, value in headers.items()]
        self.lines = "".join(f"{line}\r\n" for line in lines).encode() if all(map(_PLAIN.fullmatch, lines)) else None
        """None if the server has to look at one of them."""


_JSON: Final = {"content-type": "application/json", "cache-control": "no-store"}
_JSON_HEADERS: Final = _Headers(_JSON)


class HTTPResponse:
    """A whole HTTP response: status, headers and a short body."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self._status = status
        self._body = body
        self._headers = _Headers({**_JSON, **headers}) if headers else _JSON_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        """Send it."""
        if self.sent_at_once(send):
            return
        headers = [*self._headers.pairs, (b"content-length", b"%d" % len(self._body))]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})

    def sent_at_once(self, send: Send) -> bool:
        """Send it if that needs no waiting, and return whether it did."""
        cycle, lines = cycle_of(send), self._headers.lines
        return cycle is not None and lines is not None and cycle.send_whole(self._status, lines, self._body)

    def before(self, work: Callable[[], Awaitable[None]]) -> ASGIApp:
        """Return an application that sends this response and then does `work` in the same task."""

        async def send_and_go_on(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                if not self.sent_at_once(send):
                    await self(scope, receive, send)
            finally:  # what was accepted is done even when the client has left
                await work()

        return send_and_go_on


TEXT: Final = {"content-type": "text/plain; charset=utf-8"}
ACCEPTED: Final = HTTPResponse(202, b"Accepted", TEXT)
NOT_FOUND: Final = HTTPResponse(404, b"Not Found", TEXT)
PLAIN_PAGE: Final = HTTPResponse(
    200,
    b"This is an address of an MCP server: add it to an MCP client. There is nothing to see in a browser.\n",
    TEXT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What all endpoints have in common."""

    checks: RequestChecks
    auth_provider: AuthProvider
    policy: AccessPolicy
    habits: ClientHabits
    tenants: BoundedLabels
    """Organisations that counters tell apart."""
    counter: Counter | None
    """Counts `http_refusals`."""
    refused: RefusedRequests
    """Observes requests of MCP that are refused."""
    challenge: Challenge | None
    page: ASGIApp
    """What a person gets whose browser opens an endpoint."""


class Endpoint:
    """The ASGI application of one route.

    Args:
        handler: answers what is not refused.
        edge: what refuses.
        sunset: the end of the wire, if it has one.
        habit: the habit of clients that come by this route.
    """

    def __init__(
        self, handler: TransportHandler, edge: Edge, *, sunset: Sunset | None = None, habit: str | None = None
    ) -> None:
        self._handler = handler
        self._edge = edge
        self._sunset = sunset
        self._habit = habit
        # A browser asks before it sends a key, so that question needs none. No cookies either: a key is a header.
        self._for_pages = CORSMiddleware(
            self._serve_page,
            allow_origin_regex=edge.checks.origins.pattern,
            allow_methods=sorted(handler.methods),
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            allow_private_network=True,  # the page of an origin that was named may call a server on loopback
            max_age=PREFLIGHT_S,
        )

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one HTTP request; that of a web page, which names its origin, by way of CORS."""
        request = HTTPRequest(scope, receive)
        return self._serve(request, send) if request.head.origin is None else self._for_pages(scope, receive, send)

    async def _serve_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(HTTPRequest(scope, receive), send)

    async def _serve(self, request: HTTPRequest, send: Send) -> None:
        if self._sunset is not None:
            send = announcing(send, self._sunset.headers(request.head.root_path))
        with LogContext() as context:
            try:
                response = await self._respond(request, context)
            except TicketServerError as error:
                response = await self._refuse(error, request)
            request.messages = ()  # one may have megabytes, and a response may take hours
            await response(request.scope, request.receive, send)

    async def _respond(self, request: HTTPRequest, context: LogContext) -> ASGIApp:
        head, edge = request.head, self._edge
        if self._sunset is not None:
            self._sunset.require_open(head.root_path)
        if head.is_for_person:
            return edge.page
        if head.method not in self._handler.methods:
            allowed = ", ".join(sorted(self._handler.methods))
            raise HTTPRefusalError(405, "method", f"Use {allowed} here.", headers={"allow": allowed})
        edge.checks.check(head)
        request.principal = principal = await edge.auth_provider.authenticate(request)
        # Also in the lines of a call that goes on without this request, as its task takes the context with it.
        tenant = principal.tenant.id
        context.fields |= {"tenant": tenant, "principal": principal.id, LABELS: {"tenant": tenant}}
        if (wait := edge.policy.http_wait(principal)) is not None:
            raise await edge.policy.too_many(principal, wait, head.public)
        if self._habit is not None:
            edge.habits.admits(self._habit)
        if "," in head.protocol_version:
            head.join_versions(edge.habits)
        return await self._handler.handle_request(request, principal)

    async def _refuse(self, error: TicketServerError, request: HTTPRequest) -> HTTPResponse:
        """Return the response to a request that failed; log, audit and count it."""
        principal = request.principal
        status, headers, body = http_error(error, how_to_open=self._handler.how_to_open)
        if status in {401, 403} and self._edge.challenge is not None:
            challenge = self._edge.challenge(request.scope["path"], error, principal)
            headers = {**headers, "www-authenticate": challenge} if challenge is not None else headers
        if not error.is_logged:
            self._edge.policy.refusals.of_http(error, status, request.head.public, principal)
        if principal is not None and error.kind in CAPS:
            await self._edge.policy.audit(principal, error.kind, request.head.public, detail=request.url.path)
        if self._edge.counter is not None:
            tenant = UNKNOWN if principal is None else self._edge.tenants.label(principal.tenant.id)
            self._edge.counter.count("http_refusals", status=str(status), kind=error.kind, tenant=tenant)
        for inbound in request.messages:
            if isinstance(inbound.message, JSONRPCRequest):
                spoken = Spoken(self._handler.wire, request.head.protocol_version)
                self._edge.refused.observe(inbound.message, error.kind, spoken, request.received)
        return HTTPResponse(status, body, headers)


class EndpointTable:
    """Middleware in front of an application's routing: a path of a transport leads straight to its endpoint.

    The routes stay those of the application; this saves the walk through them.

    Args:
        app: the application.
        routes: those of the transport.
        prefix: path that a proxy in front may or may not remove from requests; empty for none.
    """

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute], prefix: str = "") -> None:
        self._app = app
        self._prefix = prefix
        self._endpoints = {
            route.path: route.endpoint
            for route in routes
            if isinstance(route, Route) and isinstance(route.endpoint, Endpoint)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        app = self._app
        if scope["type"] == "http":
            root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
            if root and path.startswith(f"{root}/"):  # not every server has where it is mounted in `path` too
                path = path.removeprefix(root)
            if self._prefix and path not in self._endpoints and path.startswith(f"{self._prefix}/"):
                root, path = root + self._prefix, path.removeprefix(self._prefix)
                scope = {**scope, "root_path": root}
            app = self._endpoints.get(path, app)
        await app(scope, receive, send)
