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
from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from mcp_types import (
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from shared.errors import TicketServerError
from shared.identity import InsufficientScopeError
from shared.labels import MAX_TENANTS, Names
from shared.telemetry import Counter, LogContext, get_logger
from transport import jsonrpc
from transport.dispatch.answering import Answering
from transport.dispatch.context import Address, BackChannel, Caller
from transport.dispatch.policy import Access, AccessPolicy, refusal_response
from transport.dispatch.running_calls import Running, RunningCalls
from transport.dispatch.sdk_kernel import Kernel, cancelled_request_id_from_params, coerce_request_id, is_modern
from transport.dispatch.stateless import StatelessDispatcher
from transport.dispatch.subscriptions import SharedBus
from transport.dispatch.usage import Usage
from transport.last_words import last_words
from transport.rate_limit import RateLimitedError, Wait
from transport.sessions.broker import Admission, Admitted, BrokerUnavailableError, Call, Note, SessionBroker
from transport.sessions.session import Limits, SessionRecord

log = get_logger(__name__)

_LAST_WORDS_S: Final = 1.0


class RequestIdReusedError(TicketServerError):
    """A request id was used before: for something else, or so long ago that its answer is gone."""

    kind = "request_id_reused"

    def __init__(self, request: RequestId) -> None:
        super().__init__("This request id was already used in this session. Nothing was done; send it with a new id.")
        self.request_id = request


class Engine:
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
        tenants: Names | None = None,
        counter: Counter | None = None,
    ) -> None:
        self._broker = broker
        self._policy = policy if policy is not None else AccessPolicy()
        self._bus = bus
        if bus is not None:
            bus.connect(self._spread)
        self.channel = BackChannel(broker)
        """The way from this instance to the clients."""
        self._kernel = Kernel(server, self.channel)
        self._limits = limits
        self._counter = counter
        self.usage = Usage(counter)
        """Who uses this instance."""
        self._answering = Answering(
            self._kernel, broker, self.usage, tenants=tenants or Names(MAX_TENANTS), counter=counter
        )
        self._running = RunningCalls()
        self.stateless = StatelessDispatcher(
            self._kernel, broker, policy=self._policy, answering=self._answering, running=self._running, limits=limits
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

    async def receive(
        self, session_id: str, inbound: Sequence[jsonrpc.Inbound], caller: Caller, *, kind: str, stream: str = ""
    ) -> Admitted:
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
            RequestIdReusedError: a request id was used before; nothing of this POST was done.
            SessionGoneError: the caller has no such session on this wire.
            BrokerUnavailableError: it could not be recorded; nothing of this POST was done.
        """
        accesses: dict[RequestId, Access] = {}
        calls: list[Call] = []
        for one in inbound:
            if not isinstance(one.message, JSONRPCRequest):
                continue
            request = one.message
            access = self._policy.access(caller.principal, request, writes=self._writes(request))
            if stream and access.missing_scope is not None:  # over HTTP+SSE clients do not survive a refused POST
                raise await self._policy.scope_error(caller, request, access.missing_scope)
            accesses[request.id] = access
            is_first = request.method == "initialize"
            calls.append(Call(request.id, one.digest, access.writes, is_first, stream, access.costs))
        admitted = await self._broker.admit(session_id, caller.principal.key, kind, calls)
        session = admitted.record
        new: dict[RequestId, Call] = {}
        for call, admission in zip(calls, admitted.admissions, strict=True):
            if admission is Admission.REFUSED:
                raise RequestIdReusedError(call.request)
            if admission is Admission.NEW:
                new[call.request] = call
        for one in inbound:
            if isinstance(one.message, JSONRPCRequest):
                if one.message.id in new:
                    wait = admitted.waits.get(one.message.id)
                    access = accesses[one.message.id]
                    await self._start(session, one.message, new[one.message.id], caller, kind, access=access, wait=wait)
                continue
            try:
                await self._take(session, one.message, caller, kind)
            except BrokerUnavailableError:
                if not calls:
                    raise
                log.warning("answer_lost")  # the requests next to it are recorded, and have to run
        return admitted

    async def _take(
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
                note = Note("answered", session.id, session.owner, message.id, {"result": message.result})
                await self.channel.pass_on(note)
            case JSONRPCError():
                error = message.error.model_dump(mode="json", exclude_none=True)
                await self.channel.pass_on(Note("answered", session.id, session.owner, message.id, {"error": error}))

    def _writes(self, request: JSONRPCRequest) -> bool:
        return self._kernel.writes(request.method, request.params)

    async def _start(
        self,
        session: SessionRecord,
        request: JSONRPCRequest,
        call: Call,
        caller: Caller,
        kind: str,
        *,
        access: Access,
        wait: Wait | None,
    ) -> None:
        error: RateLimitedError | InsufficientScopeError | None = None
        if wait is not None:
            error = await self._policy.rate_error(caller, request, wait)
        elif access.missing_scope is not None:
            error = await self._policy.scope_error(caller, request, access.missing_scope)
        if error is not None:
            self._answering.count(request, error.kind, caller.principal)
            answer = refusal_response(error, request, is_modern=is_modern(request))
            await self._broker.finish(session.id, session.epoch, request.id, answer)
            return
        if self._running.is_stopping or len(self._running.of(session.id)) >= self._limits.max_running_calls:
            answer = jsonrpc.busy(request.id, is_stopping=self._running.is_stopping)
            await self._broker.finish(session.id, session.epoch, request.id, answer)
            return
        if call.opens_epoch:
            self._running.begin_epoch(session.id, session.epoch)
            self._tasks.start_soon(
                self._spread, Note("epoch", session.id, session.owner, body={"epoch": session.epoch})
            )
        exchange = self._kernel.exchange(Address(session.id, call.stream), caller, kind, request)
        if call.stream and session.comes_again:
            exchange.message_metadata.close_sse_stream = partial(self._hang_up, session.id, call.stream)
            exchange.message_metadata.close_standalone_sse_stream = partial(self._hang_up, session.id, "")
        this = Running(session.epoch, call.writes, request.method == "subscriptions/listen", exchange)
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
                self._tasks.start_soon(self._spread, Note("cancelled", session.id, session.owner, request))
        elif notification.method == "notifications/progress":
            await self.channel.pass_on(
                Note("progressed", session.id, session.owner, params.get("progressToken"), dict(params))
            )
        before = session.initialized
        exchange = self._kernel.exchange(Address(session.id), caller, kind)
        await self._kernel.notification(session, exchange, notification)
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
        call.exchange.cancel_requested.set()
        call.scope.cancel()
        return True

    async def _hang_up(self, session: str, stream: str) -> None:
        """End a stream at its handler's wish, so that nothing is kept open meanwhile; its client comes again."""
        self._broker.hang_up(session, stream)

    async def _spread(self, note: Note) -> None:
        """Pass word to all other instances, as far as they can be reached: it saves work and carries no promise."""
        try:
            await self._broker.tell(note)
        except BrokerUnavailableError:
            log.warning("note_lost", note=note.kind)

    async def told(self, note: Note) -> None:
        """Take word from another instance."""
        match note.kind:
            case "cancelled":
                self._cancel(note.session, note.request)
            case "epoch":
                self._running.begin_epoch(note.session, int(note.body["epoch"]))
            case "published" if self._bus is not None:
                await self._bus.told(note)
            case _:
                await self.channel.told(note)

    async def _serve(self, session: SessionRecord, request: JSONRPCRequest, call: Running) -> None:
        """Run one request to its one answer; a cancelled one has none. Never raises, whatever its handler does."""
        answer: bytes | None = None
        try:
            with call.scope, LogContext(request_id=request.id, session=session.id[:8]):
                answer, _ = await self._answering.answer(session, request, call.exchange)
        finally:
            call.exchange.closed = True
            if answer is None and self._running.is_stopping:
                answer = jsonrpc.interrupted(request.id, writes=call.writes)
            if call.exchange.cancel_requested.is_set():
                # The stream of a POST ends with an answer and no other way; the SDK's own server gives this one, too.
                answer = jsonrpc.cancelled(request.id) if call.exchange.address.stream else None
            with anyio.move_on_after(_LAST_WORDS_S, shield=True):
                accepted = await self._broker.finish(session.id, call.epoch, request.id, answer)
                if not accepted:
                    log.info("answer_dropped", method=request.method)
                    self.dropped()
            self._running.settle(session.id, request.id, call)

    def is_busy(self, session: str) -> bool:
        """Whether calls of this session are running here."""
        return bool(self._running.of(session))

    def dropped(self) -> None:
        """Count an answer that nobody wanted any more."""
        if self._counter is not None:
            self._counter.count("mcp_answers_dropped")

    def ended(self, session: str) -> None:
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
        self._broker.wake_all()
        with anyio.move_on_after(grace_s):
            await self._running.quiet.wait()
        self._running.is_stopping = True
        for call in self._running.all():
            call.scope.cancel()
        with anyio.move_on_after(_LAST_WORDS_S) as patience:
            await self._running.quiet.wait()
        if patience.cancelled_caught:
            log.error("calls_ignored_their_cancellation", calls=len(self._running.all()))
