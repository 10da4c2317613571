"""One POST in, answers out: which request runs, how it is cancelled, and what its one answer is.

A request is recorded before it runs and is answered exactly once: with its result, its error, or a word about why
there is none. Cancellation uses cancel scopes, never `task.cancel()`, which libraries below have been seen to swallow.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio
import anyio.abc
import structlog
from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from mcp_types import (
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from shared.identity import InsufficientScopeError, Principal
from shared.telemetry import MAX_TENANTS, BoundedLabels, Counter, get_logger
from transport import jsonrpc
from transport.dispatch.client_requests import ClientRequests
from transport.dispatch.context import Address, Caller
from transport.dispatch.policy import AccessPolicy
from transport.dispatch.responder import Responder
from transport.dispatch.running_calls import RunningCall, RunningCalls
from transport.dispatch.sdk_kernel import SDKKernel, cancelled_request_id_from_params, coerce_request_id, is_modern
from transport.dispatch.stateless import StatelessDispatcher
from transport.dispatch.subscriptions import SharedBus
from transport.dispatch.usage import Usage
from transport.http import errors
from transport.last_words import last_words
from transport.rate_limit import RateLimitedError, Wait
from transport.sessions.broker import (
    BrokerUnavailableError,
    ClaimResult,
    ClaimStatus,
    InstanceMessage,
    RequestClaim,
    SessionBroker,
)
from transport.sessions.session import Limits, SessionRecord

log = get_logger(__name__)

_LAST_WORDS_S: Final = 1.0


class RequestRefusedError(Exception):
    """A request id was used before: for something else, or so long ago that its answer is gone."""

    def __init__(self, request: RequestId) -> None:
        super().__init__("This request id was already used in this session. Nothing was done; send it with a new id.")
        self.request = request


class Dispatcher:
    """Runs the requests of every session through one MCP server.

    Args:
        server: any server of the SDK.
        broker: keeps the sessions and takes what is sent to clients.
        limits: bounds of this instance.
        bus: carries events of the server to the subscribers of all instances.
        policy: refuses requests; by default none.
        tenants: organisations that counters tell apart.
        counter: counts `mcp_requests` by method, outcome and tenant.
    """

    def __init__(
        self,
        server: "MCPServer[Any] | Server[Any]",
        broker: SessionBroker,
        *,
        limits: Limits,
        bus: SharedBus | None = None,
        policy: AccessPolicy | None = None,
        tenants: BoundedLabels | None = None,
        counter: Counter | None = None,
    ) -> None:
        self._broker = broker
        self._policy = policy if policy is not None else AccessPolicy()
        self._bus = bus
        if bus is not None:
            bus.connect(self._spread)
        self.channel = ClientRequests(broker)
        """The way from this instance to the clients."""
        self._kernel = SDKKernel(server, self.channel)
        self._limits = limits
        self._counter = counter
        self.usage = Usage(counter)
        """Who uses this instance."""
        self._responder = Responder(
            self._kernel, broker, self.usage, tenants=tenants or BoundedLabels(MAX_TENANTS), counter=counter
        )
        self._running = RunningCalls()
        self.stateless = StatelessDispatcher(
            self._kernel, broker, policy=self._policy, responder=self._responder, running=self._running, limits=limits
        )
        """Runs what belongs to no session."""

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Accept messages until left; calls still running then are interrupted."""
        async with self._kernel.run(), anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                with last_words(2 * _LAST_WORDS_S):
                    await self.stop(0)
                self._tasks.cancel_scope.cancel()

    async def submit(
        self, session_id: str, inbound: Sequence[jsonrpc.Inbound], caller: Caller, *, kind: str, stream: str = ""
    ) -> ClaimResult:
        """Take the messages of one POST; when this returns they are recorded, and each request runs at most once.

        Args:
            session_id: whom they are for, as the client says.
            inbound: the messages.
            caller: who sent them.
            kind: name of the wire.
            stream: name of the stream that answers belong to; empty for the session's standalone one.

        Returns:
            The session, and the stream that was named, which has to be closed.

        Raises:
            RequestRefusedError: a request id was used before; nothing of this POST was done.
            SessionGoneError: the caller has no such session on this wire.
            BrokerUnavailableError: it could not be recorded; nothing of this POST was done.
        """
        calls = [
            self._call(one.message, one.digest, stream, caller.principal)
            for one in inbound
            if isinstance(one.message, JSONRPCRequest)
        ]
        claimed = await self._broker.claim(session_id, caller.principal.key, kind, calls)
        session = claimed.record
        new: dict[RequestId, RequestClaim] = {}
        for call, status in zip(calls, claimed.statuses, strict=True):
            if status is ClaimStatus.REFUSED:
                raise RequestRefusedError(call.request)
            if status is ClaimStatus.NEW:
                new[call.request] = call
        for one in inbound:
            if isinstance(one.message, JSONRPCRequest):
                if one.message.id in new:
                    wait = claimed.waits.get(one.message.id)
                    await self._start(session, one.message, new[one.message.id], caller, kind, wait=wait)
                continue
            try:
                await self._accept(session, one.message, caller, kind)
            except BrokerUnavailableError:
                if not calls:
                    raise
                log.warning("answer_lost")  # the requests next to it are recorded, and have to run
        return claimed

    async def check_scope(self, request: JSONRPCRequest, caller: Caller) -> None:
        """Refuse what `submit` would refuse; see `AccessPolicy.check_scope`. Raises: InsufficientScopeError."""
        await self._policy.check_scope(caller, request)

    async def _accept(
        self,
        session: SessionRecord,
        message: JSONRPCNotification | JSONRPCResponse | JSONRPCError,
        caller: Caller,
        kind: str,
    ) -> None:
        match message:
            case JSONRPCNotification():
                await self._notified(session, message, caller, kind)
            case JSONRPCResponse():
                note = InstanceMessage("answered", session.id, session.owner, message.id, {"result": message.result})
                await self.channel.forward(note)
            case JSONRPCError():
                error = message.error.model_dump(mode="json", exclude_none=True)
                await self.channel.forward(
                    InstanceMessage("answered", session.id, session.owner, message.id, {"error": error})
                )

    def _writes(self, request: JSONRPCRequest) -> bool:
        return self._kernel.writes(request.method, request.params)

    def _call(self, request: JSONRPCRequest, digest: bytes, stream: str, principal: Principal) -> RequestClaim:
        writes = self._writes(request)
        costs = self._policy.costs(principal, request, writes=writes)
        return RequestClaim(request.id, digest, writes, request.method == "initialize", stream, costs)

    async def _start(
        self,
        session: SessionRecord,
        request: JSONRPCRequest,
        call: RequestClaim,
        caller: Caller,
        kind: str,
        *,
        wait: Wait | None,
    ) -> None:
        try:
            await self._policy.check_rate(caller, request, wait)
            await self._policy.check_scope(caller, request)
        except (RateLimitedError, InsufficientScopeError) as error:
            self._responder.count(request, error.kind, caller.principal)
            response = errors.in_session(error, request, is_modern=is_modern(request))
            await self._broker.finish(session.id, session.epoch, request.id, response)
            return
        if self._running.is_stopping or len(self._running.of(session.id)) >= self._limits.max_running_calls:
            response = errors.busy(request.id, is_stopping=self._running.is_stopping)
            await self._broker.finish(session.id, session.epoch, request.id, response)
            return
        if call.opens_epoch:
            self._running.begin_epoch(session.id, session.epoch)
            self._tasks.start_soon(
                self._spread, InstanceMessage("epoch", session.id, session.owner, body={"epoch": session.epoch})
            )
        context = self._kernel.context(Address(session.id, call.stream), caller, kind, request)
        if call.stream and session.reconnects:
            context.message_metadata.close_sse_stream = partial(self._close_stream, session.id, call.stream)
            context.message_metadata.close_standalone_sse_stream = partial(self._close_stream, session.id, "")
        this = RunningCall(session.epoch, call.writes, request.method == "subscriptions/listen", context)
        self._running.add(session.id, request.id, this)
        self._tasks.start_soon(self._serve, session, request, this)
        if call.opens_epoch:
            await this.done.wait()  # else a pipelined next message could meet a session without a record

    async def _notified(
        self, session: SessionRecord, notification: JSONRPCNotification, caller: Caller, kind: str
    ) -> None:
        params = notification.params or {}
        if notification.method == "notifications/cancelled":
            request = cancelled_request_id_from_params(params)
            if not self._cancel(session.id, request):
                self._tasks.start_soon(self._spread, InstanceMessage("cancelled", session.id, session.owner, request))
        elif notification.method == "notifications/progress":
            await self.channel.forward(
                InstanceMessage("progressed", session.id, session.owner, params.get("progressToken"), dict(params))
            )
        before = session.initialized
        context = self._kernel.context(Address(session.id), caller, kind)
        await self._kernel.on_notification(session, context, notification)
        if session.initialized != before:
            await self._broker.save(session)

    def _cancel(self, session: str, request: RequestId | None) -> bool:
        """Cancel one call at its client's wish: by its exact id, else by the number that a string spells.

        Returns whether nothing is left to do: it ran here, or there is no such thing.
        """
        if request is None or not jsonrpc.is_id(request):
            return True
        running = self._running.of(session)
        call = running.get(request) or running.get(coerce_request_id(request))
        if call is None:
            return not self._broker.is_shared
        call.context.cancel_requested.set()
        call.scope.cancel()
        return True

    async def _close_stream(self, session: str, stream: str) -> None:
        """End a stream at its handler's wish, so that nothing is kept open meanwhile; its client comes again."""
        self._broker.close_stream(session, stream)

    async def _spread(self, message: InstanceMessage) -> None:
        """Pass word to all other instances, as far as they can be reached: it saves work and carries no promise."""
        try:
            await self._broker.publish(message)
        except BrokerUnavailableError:
            log.warning("note_lost", note=message.kind)

    async def on_message(self, message: InstanceMessage) -> None:
        """Take word from another instance."""
        match message.kind:
            case "cancelled":
                self._cancel(message.session, message.request)
            case "epoch":
                self._running.begin_epoch(message.session, int(message.body["epoch"]))
            case "published" if self._bus is not None:
                await self._bus.on_message(message)
            case _:
                await self.channel.on_message(message)

    async def _serve(self, session: SessionRecord, request: JSONRPCRequest, call: RunningCall) -> None:
        """Run one request to its one answer; a cancelled one has none. Never raises, whatever its handler does."""
        response: bytes | None = None
        try:
            with call.scope, structlog.contextvars.bound_contextvars(request_id=request.id, session=session.id[:8]):
                response, _ = await self._responder.respond(session, request, call.context)
        finally:
            call.context.closed = True
            if response is None and self._running.is_stopping:
                response = jsonrpc.interrupted(request.id, writes=call.writes)
            if call.context.cancel_requested.is_set():
                # The stream of a POST ends with an answer and no other way; the SDK's own server gives this one, too.
                response = jsonrpc.cancelled(request.id) if call.context.address.stream else None
            with anyio.move_on_after(_LAST_WORDS_S, shield=True):
                accepted = await self._broker.finish(session.id, call.epoch, request.id, response)
                if not accepted:
                    log.info("answer_dropped", method=request.method)
                    self.on_response_dropped()
            self._running.remove(session.id, request.id, call)

    def is_busy(self, session: str) -> bool:
        """Whether calls of this session are running here."""
        return bool(self._running.of(session))

    def on_response_dropped(self) -> None:
        """Count an answer that nobody wanted any more."""
        if self._counter is not None:
            self._counter.count("mcp_answers_dropped")

    def on_session_ended(self, session: str) -> None:
        """Let go of a session that ended: its calls are cancelled, whoever waits for its client is told."""
        self._kernel.forget(session)
        self.channel.close(session)
        for call in self._running.of(session).values():
            call.scope.cancel()

    def is_listening(self, session: str) -> bool:
        """Whether a subscription of this session runs here: it is owed its end before its stream may end."""
        return any(call.listens for call in self._running.of(session).values())

    async def stop(self, grace_s: float) -> None:
        """End subscriptions, let other calls go on for `grace_s` seconds, then interrupt the rest and answer them."""
        self._kernel.end_subscriptions()
        with anyio.move_on_after(_LAST_WORDS_S):
            for call in self._running.all():
                if call.listens:
                    await call.done.wait()
        self._broker.wake_streams()
        with anyio.move_on_after(grace_s):
            await self._running.quiet.wait()
        self._running.is_stopping = True
        for call in self._running.all():
            call.scope.cancel()
        with anyio.move_on_after(_LAST_WORDS_S) as patience:
            await self._running.quiet.wait()
        if patience.cancelled_caught:
            log.error("calls_ignored_their_cancellation", calls=len(self._running.all()))
