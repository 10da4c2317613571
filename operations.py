"""Endpoints for platforms and operators: liveness, readiness, metrics and sessions of the HTTP server.

Startup, liveness and readiness are public, since probes have no key. The reason for not being ready, metrics and
sessions require the operator key: they reveal information about tenants and about the systems behind this server.

Wrong operator keys are throttled and audited like wrong client keys. A probe without a key always gets a response; one
with a wrong key gets the same response as without it, until its address has no attempts left (429).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from auth.presented import ContradictingCredentialsError, is_presented
from auth.providers import APIKeyAuthProvider, AuthenticationError
from auth.throttle import ThrottledAuthProvider
from shared.audit import AuditTrail
from shared.client_habits import ClientHabits
from shared.counting import Counter
from shared.errors import TicketServerError
from shared.metrics.prometheus import CONTENT_TYPE, PrometheusText
from shared.metrics.registry import Registry
from shared.telemetry import get_logger
from transport.dispatch.usage import name_of
from transport.sessions.session import SessionView

log = get_logger(__name__)

PROBED_AGAIN_S: Final = 1.0
"""Minimum time between probes, in seconds: this endpoint is public, and the systems behind it have other work."""
MOST_SESSIONS: Final = 1000
"""Sessions that are listed."""
NO_OPERATOR: Final = JSONResponse({"error": "Send the operator's key (MCP_OPERATOR_KEY)."}, status_code=401)
_Handler = Callable[[Request], Awaitable[Response]]
UNKNOWN_TENANT: Final = "unknown"
"""The tenant label of a request without a principal, as the transports use it."""


class Operations:
    """The routes for operators. Use inside `run()`, else refusals beyond the first are not audited.

    Args:
        health: returns the body of `/health`.
        is_draining: returns whether this process is about to stop.
        is_up: returns whether sessions can be reached now.
        why_not: returns why calls would fail now, as one word; None if they would succeed.
        sessions: returns at most so many sessions, newest first.
        counter: counts wrong operator keys.
        metrics: what is shown to the operator.
        operator_keys: each grants access to the protected part; without any, that part is not served at all.
        trail: records wrong operator keys.
        trusted_proxies: how many reverse proxies of this deployment are in front (`X-Forwarded-For`).
        habits: what is served of clients that bend the protocol; by default all that is known.
    """

    def __init__(
        self,
        *,
        health: Callable[[], Mapping[str, Any]],
        is_draining: Callable[[], bool],
        is_up: Callable[[], bool],
        why_not: Callable[[], Awaitable[str | None]],
        sessions: Callable[[int], Awaitable[Sequence[SessionView]]],
        counter: Counter,
        metrics: Registry,
        operator_keys: Sequence[str],
        trail: AuditTrail,
        trusted_proxies: int = 0,
        habits: ClientHabits | None = None,
    ) -> None:
        self._health = health
        self._is_draining = is_draining
        self._is_up = is_up
        self._has_started = False
        self._why_not = why_not
        self._sessions = sessions
        self._counter = counter
        self._operators: ThrottledAuthProvider | None = None
        if operator_keys:
            self._operators = ThrottledAuthProvider(
                APIKeyAuthProvider(*operator_keys, habits=habits),
                trail=trail,
                trusted_proxies=trusted_proxies,
                what="operator key",
            )
        self._probe = asyncio.Lock()
        self._probed_at = float("-inf")
        self._reason: str | None = None
        self._metrics = PrometheusText(metrics)
        served: dict[str, _Handler] = {"/health": self.health, "/started": self.started, "/ready": self.ready}
        protected = {"/metrics": self.metrics, "/sessions": self.sessions}
        if self._operators is not None:
            served |= {path: self._guarded(one) for path, one in protected.items()}
        self.routes = [Route(f"{path}{end}", response) for path, response in served.items() for end in ("", "/")]

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Audit refusals that were only counted, and the rest at the end."""
        if self._operators is None:
            yield
            return
        async with self._operators.run():
            yield

    async def is_ready(self) -> bool:
        """Return whether calls would succeed."""
        return not self._is_draining() and await self._reason_now() is None

    async def health(self, _: Request) -> JSONResponse:
        """Return that the process is alive; uses nothing else."""
        return JSONResponse(self._health())

    async def started(self, _: Request) -> JSONResponse:
        """Return 503 until sessions were found reachable once, then always 200: for a startup probe.

        Through a VPC the broker may be out of reach for a minute after an instance starts. Uses nothing else.
        """
        self._has_started = self._has_started or self._is_up()
        said = {"status": "started" if self._has_started else "starting"}
        return JSONResponse(said, status_code=200 if self._has_started else 503)

    async def ready(self, request: Request) -> JSONResponse:
        """Return whether calls would succeed, and for an operator the reason if not."""
        try:
            is_operator = await self._is_operator(request)
        except AuthenticationError as error:
            return self._refused(error)
        reason = "draining" if self._is_draining() else await self._reason_now()
        said: dict[str, Any] = {"status": "ready" if reason is None else "unavailable"}
        if is_operator:
            said["reason"] = reason
        return JSONResponse(said, status_code=200 if reason is None else 503)

    async def sessions(self, _: Request) -> Response:
        """Return who is connected, on all instances; never a key, and never a session id, which is a part of one."""
        try:
            views = await self._sessions(MOST_SESSIONS + 1)
        except TicketServerError as error:
            return JSONResponse({"error": str(error), "kind": error.kind}, status_code=503)
        rows = [_row(view) for view in views[:MOST_SESSIONS]]
        return JSONResponse({"sessions": rows, "isComplete": len(views) <= MOST_SESSIONS})

    async def metrics(self, _: Request) -> Response:
        """Return all metrics in the Prometheus text format."""
        return Response(self._metrics.write(), headers={"content-type": CONTENT_TYPE})

    def _guarded(self, respond: _Handler) -> _Handler:
        """Return `respond` for the operator alone."""

        async def guarded(request: Request) -> Response:
            try:
                is_operator = await self._is_operator(request)
            except AuthenticationError as error:
                return self._refused(error)
            return await respond(request) if is_operator else NO_OPERATOR

        return guarded

    async def _is_operator(self, request: Request) -> bool:
        """Return whether the request is from the operator; a wrong key counts as a failed attempt.

        Raises:
            AuthenticationError: (400) contradicting credentials; (429) too many wrong keys came from this address.
        """
        if self._operators is None or not is_presented(request):
            return False
        try:
            await self._operators.authenticate(request)
        except AuthenticationError as error:
            if error.status == 429 or isinstance(error, ContradictingCredentialsError):
                raise
            self._count(error)  # the request itself may still be served
            return False
        return True

    def _refused(self, error: AuthenticationError) -> JSONResponse:
        self._count(error)
        later = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
        return JSONResponse({"error": str(error)}, status_code=error.status, headers=later)

    def _count(self, error: AuthenticationError) -> None:
        self._counter.count("http_refusals", status=str(error.status), kind=error.kind, tenant=UNKNOWN_TENANT)

    async def _reason_now(self) -> str | None:
        async with self._probe:
            if time.monotonic() - self._probed_at >= PROBED_AGAIN_S:
                before, self._reason = self._reason, await self._why_not()
                self._probed_at = time.monotonic()
                if self._reason != before:
                    log.info("readiness_changed", reason=self._reason)
            return self._reason


def _row(view: SessionView) -> dict[str, str | None]:
    tenant, principal = view.owner
    return {
        "wire": view.wire,
        "revision": view.version,
        "client": name_of((view.client_params or {}).get("clientInfo")),
        "tenant": tenant,
        "principal": principal,
        "opened": _utc(view.opened_at),
        "lastCall": None if view.called_at is None else _utc(view.called_at),
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
