"""What every wire has in common: a handler behind a guarded, authenticated endpoint, and refusals that say why."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.identity import AuthenticationError, AuthProvider, Principal
from shared.telemetry import BoundedLabels, Counter, get_logger
from shared.throttled_audit import ThrottledAuditTrail
from transport import jsonrpc
from transport.dispatch.policy import AccessPolicy
from transport.dispatch.refusal_audit import record_refusal
from transport.http import errors
from transport.http.deprecation import Sunset, announcing
from transport.http.request_checks import HTTPRefusalError, RequestChecks, navigates
from transport.rate_limit import RateLimitedError

log = get_logger(__name__)

CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
CAPS: Final = frozenset({"too_many_sessions", "too_many_streams"})
"""Refusals that are recorded here. Those of a single request are, where it is known what was asked for."""
UNAUTHENTICATED: Final = "unknown"
"""In place of the organisation of a caller who did not prove who they are."""
FOR_PEOPLE: Final = (
    b"This is an address of an MCP server: add it to an MCP client. There is nothing to see in a browser.\n"
)


class Reply:
    """A whole HTTP answer of a transport: status, headers and a short body."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = {"content-type": "application/json", "cache-control": "no-store", **(headers or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        """Send it."""
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class TransportHandler(ABC):
    """Answers the requests of one route of one wire."""

    methods: frozenset[str]
    """HTTP methods it answers; any other is a 405."""

    @abstractmethod
    async def handle_request(self, request: Request, auth_info: Principal) -> ASGIApp:
        """Return the answer to `request`, which `auth_info` sent.

        Raises:
            HTTPRefusalError: it is not to be answered.
        """


class Endpoint:
    """One route: refuses what must be refused, in one order, before its handler sees anything.

    Whether the wire has ended, whether a browser navigates here, method, then host and origin, then who is calling and
    how often: a page of a foreign site learns nothing, not even whether a key is right. The end comes first because it
    is the same for everybody, and who has to move must learn it with an expired key or the wrong method as well.
    """

    def __init__(
        self,
        handler: TransportHandler,
        *,
        checks: RequestChecks,
        auth_provider: AuthProvider,
        policy: AccessPolicy,
        counter: Counter | None,
        tenants: BoundedLabels,
        trail: ThrottledAuditTrail,
        sunset: Sunset | None = None,
    ) -> None:
        self._sunset = sunset
        self._handler = handler
        self._checks = checks
        self._auth_provider = auth_provider
        self._policy = policy
        self._counter = counter
        self._tenants = tenants
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        request = Request(scope, receive)
        root = scope.get("root_path", "")
        if self._sunset is not None:
            send = announcing(send, self._sunset.headers(root))
        try:
            if self._sunset is not None:
                self._sunset.require_open(root)
            if navigates(request):
                await Reply(200, FOR_PEOPLE, {"content-type": "text/plain; charset=utf-8"})(scope, receive, send)
                return
            if request.method not in self._handler.methods:
                allowed = ", ".join(sorted(self._handler.methods))
                raise HTTPRefusalError(405, "method", f"Use {allowed} here.", headers={"allow": allowed})
            self._checks.check(request)
            principal = await self._auth_provider.authenticate(request)
        except AuthenticationError as error:
            later = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
            refused = self._refuse(
                HTTPRefusalError(error.status, error.kind, str(error), headers=later), UNAUTHENTICATED
            )
            await refused(scope, receive, send)
        except HTTPRefusalError as error:
            await self._refuse(error, UNAUTHENTICATED)(scope, receive, send)
        else:
            # Also what a call says that goes on without this request, as its task takes the binding with it.
            bound = structlog.contextvars.bind_contextvars(tenant=principal.tenant.id, principal=principal.id)
            try:
                response = await self._respond(request, principal)
                await response(scope, receive, send)
            finally:
                structlog.contextvars.reset_contextvars(**bound)

    async def _respond(self, request: Request, principal: Principal) -> ASGIApp:
        tenant = self._tenants.label(principal.tenant.id)
        try:
            await self._policy.check_http_rate(principal, request.headers)
            return await self._handler.handle_request(request, principal)
        except RateLimitedError as error:
            return self._counted(errors.rate_limited(error), tenant)  # the trail says so, once a minute
        except HTTPRefusalError as error:
            if error.kind in CAPS:
                await record_refusal(self._trail, principal, error.kind, request.headers, detail=request.url.path)
            return self._refuse(error, tenant)

    def _refuse(self, error: HTTPRefusalError, tenant: str) -> Reply:
        log.info("request_refused", status=error.status, kind=error.kind)
        return self._counted(error, tenant)

    def _counted(self, error: HTTPRefusalError, tenant: str) -> Reply:
        if self._counter is not None:
            self._counter.count("http_refusals", status=str(error.status), kind=error.kind, tenant=tenant)
        body = jsonrpc.refusal(error.kind, str(error), code=error.code, request_id=error.request_id, **error.about)
        return Reply(error.status, body, error.headers)


def public_headers(request: Request) -> dict[str, str]:
    """Return the headers of `request` that handlers may see: all but credentials."""
    return {name: value for name, value in request.headers.items() if name not in CREDENTIALS}
