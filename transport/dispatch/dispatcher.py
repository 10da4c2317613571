"""The straight line of a request: submitted once, run at most once, answered exactly once.

A request is recorded before it runs and has one response: its result, its error, or the reason why it has neither.
Cancellation uses cancel scopes, never `task.cancel()`, which libraries below have been seen to swallow.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import anyio
from mcp.shared.message import ServerMessageMetadata

from shared.concurrency import new_scope
from shared.errors import TicketServerError
from shared.identity import InsufficientScopeError, Principal
from shared.json_rpc import JSONRPCRequest
from shared.request_log import RequestLog, method_label
from shared.telemetry import get_logger
from shared.wire_json import digest
from transport import jsonrpc
from transport.dispatch.client_requests import ClientRequests
from transport.dispatch.context import Address, Caller, DispatchContext, Wire
from transport.dispatch.inbox import Inbox
from transport.dispatch.policy import AccessDecision, AccessPolicy, refusal_response
from transport.dispatch.refusal_log import BUSY
from transport.dispatch.sdk_kernel import SDKKernel, progress_token_from_params
from transport.jsonrpc import Inbound
from transport.last_words import last_words
from transport.rate_limit import RateLimitedError, Wait
from transport.sessions.broker import BrokerUnavailableError, ClaimResult, InstanceMessage, SessionBroker
from transport.sessions.claims import Attempt, ClaimStatus, RequestClaim, RequestIdReusedError
from transport.sessions.session import RESUMES_POST_STREAMS, Limits, SessionRecord

log = get_logger(__name__)

_LAST_WORDS_S: Final = 1.0


@dataclass(slots=True, eq=False)
class RunningCall:
    """A call that runs. It is cancelled by its scope."""

    attempt: Attempt
    request: JSONRPCRequest
    context: DispatchContext
    scope: anyio.CancelScope = field(init=False, default_factory=new_scope)

    @property
    def session(self) -> str:
        """Id of its session, or a name of its own."""
        return self.attempt.session

    @property
    def listens(self) -> bool:
        """Whether it is a subscription, which ends when the server says so."""
        return self.request.method == "subscriptions/listen"


@dataclass(slots=True, eq=False)
class SessionCall(RunningCall):
    """A call of a session."""

    record: SessionRecord


class RunningCalls:
    """Every call that runs on this instance, by session and by the token of its attempt."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, RunningCall]] = {}
        self._ends: dict[RunningCall, asyncio.Event] = {}  # of those that somebody waits for
        self.is_stopping = False
        """Whether none may begin any more."""

    async def ended(self) -> None:
        """Wait until nothing runs."""
        while calls := self.all():
            await self.end_of(calls[0])

    async def end_of(self, call: RunningCall) -> None:
        """Wait until a call does not run any more."""
        if self.of(call.session).get(call.attempt.token) is call:
            await self._ends.setdefault(call, asyncio.Event()).wait()

    def of(self, session: str) -> Mapping[str, RunningCall]:
        """Return the calls of a session by the tokens of their attempts."""
        return self._of.get(session, {})

    def all(self) -> list[RunningCall]:
        """Return every call."""
        return [call for calls in self._of.values() for call in calls.values()]

    def add(self, call: RunningCall) -> None:
        """Add a call that begins."""
        self._of.setdefault(call.attempt.session, {})[call.attempt.token] = call

    def remove(self, call: RunningCall) -> None:
        """Remove a call that has ended."""
        calls = self._of[call.attempt.session]
        del calls[call.attempt.token]
        if not calls:
            del self._of[call.attempt.session]
        if call in self._ends:
            self._ends.pop(call).set()

    def cancel(self, session: str, token: str) -> bool:
        """Cancel an attempt at its client's wish, if it runs here; return whether it does."""
        call = self.of(session).get(token)
        if call is not None:
            call.context.cancel()
            call.scope.cancel()
        return call is not None

    def begin_epoch(self, session: str, epoch: int) -> None:
        """Cancel what runs of earlier epochs of a session: it has no response any more."""
        for call in self.of(session).values():
            if call.attempt.epoch < epoch:
                call.scope.cancel()

    def cancel_all_of(self, session: str) -> None:
        """Cancel what runs of a session that ended."""
        for call in self.of(session).values():
            call.scope.cancel()


class Submitted(NamedTuple):
    """A POST that was recorded."""

    claimed: ClaimResult
    """The session, and the stream of the POST, which has to be closed."""
    call: SessionCall | None
    """The one that `Dispatcher.respond` has to run in the task of the POST."""


class Dispatcher:
    """Runs the requests of every session.

    Args:
        kernel: serves messages with the MCP server.
        broker: keeps the sessions and takes what is sent to clients.
        back_channel: the way to the clients.
        inbox: takes what is no request.
        policy: decides what requests cost and which are refused.
        running: every call that runs here.
        limits: bounds of this instance.
    """

    def __init__(
        self,
        kernel: SDKKernel,
        broker: SessionBroker,
        back_channel: ClientRequests,
        inbox: Inbox,
        *,
        policy: AccessPolicy,
        running: RunningCalls,
        limits: Limits,
    ) -> None:
        self._kernel = kernel
        self._broker = broker
        self._back_channel = back_channel
        self._inbox = inbox
        self._policy = policy
        self._running = running
        self._limits = limits

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Accept messages until left; calls that still run then are interrupted."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                with last_words(2 * _LAST_WORDS_S):
                    await self.stop(0)
                self._tasks.cancel_scope.cancel()

    # ---- the straight line

    async def submit(self, session_id: str, messages: Sequence[Inbound], caller: Caller, wire: Wire) -> Submitted:
        """Take the messages of one POST; when this returns they are recorded, and each request runs at most once.

        Args:
            session_id: the session, as the client says.
            messages: they.
            caller: who sent them.
            wire: how they came.

        Returns:
            What was recorded. Requests run already, but for one that came alone and does not begin with a stream: it
            needs no task of its own. `initialize` has even ended, for clients that send the next message without
            waiting.

        Raises:
            InsufficientScopeError: the caller lacks a scope for a request, and its POST can say so.
            RequestIdReusedError: another request with such an id runs.
            SessionGoneError: the caller has no such session on this wire.
            BrokerUnavailableError: it could not be recorded.
        """
        try:
            accesses, claims = await self._claims(messages, caller, wire)
            owner = caller.principal.key
            claimed = await self._broker.claim(session_id, owner, wire.name, claims, own_stream=wire.own_streams)
            if ClaimStatus.REFUSED in claimed.statuses:
                raise RequestIdReusedError(claims[claimed.statuses.index(ClaimStatus.REFUSED)].request)
        except TicketServerError as error:
            requests = [one.message for one in messages if isinstance(one.message, JSONRPCRequest)]
            self._policy.refusals.of_requests(error, requests, caller, wire.name, session_id)
            raise
        calls: list[SessionCall] = []
        recorded, decided = iter(claimed.attempts), iter(accesses)
        for inbound in messages:
            message = inbound.message
            if not isinstance(message, JSONRPCRequest):
                await self._receive(claimed, message, caller)
                continue
            attempt, access = next(recorded), next(decided)
            if attempt is None:  # it joined one that runs
                continue
            call = self._call(claimed.record, attempt, message, caller, is_modern=inbound.is_modern)
            if await self._is_refused(call, access, claimed.waits.get(attempt.request), caller):
                continue
            self._running.add(call)
            if message.method == "initialize":
                await self._initialize(call)
            else:
                calls.append(call)
        if len(calls) == len(claims) == 1 and caller.takes_json:
            return Submitted(claimed, calls[0])
        for call in calls:
            self._tasks.start_soon(self.respond, call)
        return Submitted(claimed, None)

    async def _claims(
        self, messages: Sequence[Inbound], caller: Caller, wire: Wire
    ) -> tuple[list[AccessDecision], list[RequestClaim]]:
        """Return what was decided about each request, and its claim. Raises: InsufficientScopeError."""
        accesses: list[AccessDecision] = []
        claims: list[RequestClaim] = []
        for inbound in messages:
            message = inbound.message
            if not isinstance(message, JSONRPCRequest):
                continue
            access = self._policy.access(caller.principal, message, writes=self._kernel.writes(message))
            if access.missing_scope is not None and (wire.own_streams or access.may_ask):
                raise await self._policy.scope_error(caller, message, access.missing_scope)
            accesses.append(access)
            opens_epoch = message.method == "initialize"
            claims.append(RequestClaim(message.id, digest(inbound.value), access.writes, opens_epoch, access.costs))
        return accesses, claims

    def _call(
        self, session: SessionRecord, attempt: Attempt, request: JSONRPCRequest, caller: Caller, *, is_modern: bool
    ) -> SessionCall:
        metadata = ServerMessageMetadata(request_context=caller)
        if attempt.stream and caller.takes_events and session.version in RESUMES_POST_STREAMS:
            metadata.close_sse_stream = partial(self._close_stream, session.id, attempt.stream)
            metadata.close_standalone_sse_stream = partial(self._close_stream, session.id, "")
        context = DispatchContext(
            self._back_channel,
            Address(session.id, attempt.stream),
            session.wire,
            metadata,
            attempt.request,
            progress_token_from_params(request.params) if caller.takes_events else None,
            can_ask=caller.takes_events and not is_modern,
            is_modern=is_modern,
        )
        return SessionCall(attempt, request, context, session)

    async def respond(self, call: SessionCall) -> None:
        """Run a submitted request to its one response. Never raises, whatever its handler does."""
        response: bytes | None = None
        record, context, request = call.record, call.context, call.request
        caller: Caller = context.message_metadata.request_context
        try:
            with call.scope, RequestLog(request, caller.principal, caller.headers, record.wire, record.id) as line:
                line.durations = self._kernel.durations, caller.received
                response, code = line.response = await self._kernel.respond(record, context, request)
                if request.method == "initialize" and code is None:
                    await self._broker.save(record)  # before its client learns that it may go on
        finally:
            context.closed = True
            if response is None or context.is_cancelled:
                response = _without_result(call)
            finish = self._finish_shielded if self._broker.is_shared else self._broker.finish
            if not await finish(call.attempt, response):
                log.info("answer_dropped", method=method_label(request.method))
                self._inbox.on_response_dropped()
            self._running.remove(call)

    # ---- what is rare

    async def session(self, session_id: str, principal: Principal, wire: Wire) -> SessionRecord:
        """Return a session; this is a sign of its life. Raises: SessionGoneError, BrokerUnavailableError."""
        claimed = await self._broker.claim(session_id, principal.key, wire.name, (), own_stream=wire.own_streams)
        return claimed.record

    async def _receive(self, claimed: ClaimResult, message: jsonrpc.ClientMessage, caller: Caller) -> None:
        try:
            await self._inbox.receive(claimed.record, message, caller)
        except BrokerUnavailableError:
            if not claimed.attempts:
                raise
            log.warning("answer_lost")  # the requests next to it are recorded, and have to run

    async def _is_refused(self, call: SessionCall, access: AccessDecision, wait: Wait | None, caller: Caller) -> bool:
        """Answer a recorded request that may not run, and return whether it is one."""
        error: RateLimitedError | InsufficientScopeError
        if wait is not None:
            error = await self._policy.rate_error(caller, call.request, wait)
        elif access.missing_scope is not None:
            error = await self._policy.scope_error(caller, call.request, access.missing_scope)
        elif self._running.is_stopping or len(self._running.of(call.session)) >= self._limits.max_running_calls:
            response = jsonrpc.busy(call.request.id, is_stopping=self._running.is_stopping)
            self._kernel.refused.count(call.request, BUSY, caller, call.record)
            self._policy.refusals.of_request(BUSY, call.request, caller, call.record.wire, call.session)
            await self._broker.finish(call.attempt, response)
            return True
        else:
            return False
        self._kernel.refused.count(call.request, error.kind, caller, call.record)
        self._policy.refusals.of_request(error.kind, call.request, caller, call.record.wire, call.session)
        response = refusal_response(error, call.request, is_modern=call.context.is_modern)
        await self._broker.finish(call.attempt, response)
        return True

    async def _initialize(self, call: SessionCall) -> None:
        """Begin a new epoch of a session, here and on all other instances."""
        self._running.begin_epoch(call.session, call.attempt.epoch)
        body = {"epoch": call.attempt.epoch}
        self._inbox.publish(InstanceMessage("epoch", call.session, call.record.owner, body=body))
        self._tasks.start_soon(self.respond, call)  # not in the task of the POST: its client may leave
        await self._running.end_of(call)

    async def _finish_shielded(self, attempt: Attempt, response: bytes | None) -> bool:
        """Have other instances know that an attempt ended, although this task may be cancelled meanwhile."""
        with anyio.move_on_after(_LAST_WORDS_S, shield=True):
            return await self._broker.finish(attempt, response)
        return False

    async def _close_stream(self, session: str, stream: str) -> None:
        """End a stream at its handler's wish, so that no connection is kept open meanwhile; its client reconnects."""
        self._broker.close_stream(session, stream)

    # ---- the end

    def is_busy(self, session: str) -> bool:
        """Whether calls of this session run here."""
        return bool(self._running.of(session))

    def is_listening(self, session: str) -> bool:
        """Whether a subscription of this session runs here: its end has to be sent before its stream may end."""
        return any(call.listens for call in self._running.of(session).values())

    async def stop(self, grace_s: float) -> None:
        """End subscriptions, let other calls go on for `grace_s` seconds, then interrupt the rest and answer them."""
        self._kernel.end_subscriptions()
        with anyio.move_on_after(_LAST_WORDS_S):
            for call in self._running.all():
                if call.listens:
                    await self._running.end_of(call)
        self._broker.wake_streams()
        with anyio.move_on_after(grace_s):
            await self._running.ended()
        self._running.is_stopping = True
        for call in self._running.all():
            call.scope.cancel()
        with anyio.move_on_after(_LAST_WORDS_S) as patience:
            await self._running.ended()
        if patience.cancelled_caught:
            log.error("calls_ignored_their_cancellation", calls=len(self._running.all()))


def _without_result(call: SessionCall) -> bytes | None:
    """Return what is answered to a call that has no result: nothing when its client cancelled it.

    The stream of a POST ends with a response and no other way; the SDK's own server gives this one, too.
    """
    if not call.context.is_cancelled:
        return jsonrpc.interrupted(call.request.id, writes=call.attempt.writes)
    return jsonrpc.cancelled(call.request.id) if call.attempt.stream else None
