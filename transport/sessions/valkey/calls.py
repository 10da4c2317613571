"""Which calls run, and how they end: the part of the Valkey broker that may not be wrong.

A call is recorded before it runs and closed when it has its answer, each in one atomic step. While Valkey is away, a
session whose stream is held here goes on from memory; what happened is recorded later. Steps may be repeated, and may
be carried out after they were given up: a token tells attempts apart.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from mcp_types import RequestId

from shared.identity import PrincipalKey
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.rate_limit import Wait
from transport.sessions.broker import BrokerUnavailableError, ClaimStatus, RequestClaim, SessionGoneError
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import SessionRecord
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.instance import ValkeyInstance
from transport.sessions.valkey.local_stream import LocalClaim, LocalStream, new_token, unnumbered

log = get_logger(__name__)

FINISH_S: Final = 0.8
"""How long an answer may wait to be stored before it is written without; the engine gives its last words 1 s."""
ADMIT_HELD_S: Final = 2.5
"""How long a request may wait to be recorded before it runs from memory; the Python client gives a POST 5 s."""


Taken = tuple[SessionRecord, list[ClaimStatus], dict[RequestId, Wait]]
"""The session, what became of each request, and those that could not be paid for."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalCall:
    """A call that this instance runs."""

    record: SessionRecord
    call: RequestClaim
    token: str
    store: str | None
    """The store in which it is recorded; another one, after a loss of all data, knows nothing of it."""


class Post:
    """Requests that came together."""

    __slots__ = ("calls", "owner", "reader", "session", "tokens", "wire")

    def __init__(
        self,
        session: str,
        owner: PrincipalKey,
        wire: str,
        calls: Sequence[RequestClaim],
        reader: LocalStream | None = None,
    ) -> None:
        self.session = session
        self.owner = owner
        self.wire = wire
        self.calls = calls
        self.reader = reader
        """Whoever reads the stream that answers belong to, where that is not the standalone one."""
        self.tokens = [new_token() for _ in calls]


class Calls:
    """The calls that this instance admitted.

    Args:
        instance: the way to the store.
        dropped: is called when a late answer was not wanted any more.
    """

    def __init__(self, instance: ValkeyInstance, *, dropped: Callable[[], None]) -> None:
        self._instance = instance
        self._dropped = dropped
        self._running: dict[tuple[str, int, RequestId], LocalCall] = {}

    async def claim(self, post: Post, *, wait_s: float) -> Taken:
        """Record requests before they run; from memory where the session is held here and Valkey is away."""
        local = self._instance.streams.get(post.session)
        if local is not None and (
            not self._instance.client.is_up or any(call.request in local.claims for call in post.calls)
        ):
            return self._admit_here(local, post)
        try:
            try:
                return await self._admit(post, wait_s=ADMIT_HELD_S if local else wait_s)
            except BrokerUnavailableError:
                local = self._instance.streams.get(post.session)
                if local is None:
                    raise
                return self._admit_here(local, post)
        except (BrokerUnavailableError, asyncio.CancelledError):
            for call, token in zip(
                post.calls, post.tokens, strict=True
            ):  # it may be recorded when nobody waits any more
                self._instance.outbox.add(partial(self._withdraw, post.session, call, token))
            raise

    async def _admit(self, post: Post, *, wait_s: float) -> Taken:
        record, store, reader = self._instance.find_record(post.session), self._instance.lease.store, post.reader
        stamp = record.stamp if record is not None else 0
        place = (reader.name, reader.token) if reader is not None else ("", "")
        owner = codec.encode_owner(post.owner)
        requests = _arguments(post.calls, post.tokens)
        reply = await self._instance.ask(
            scripts.ADMIT, post.session, owner, post.wire, stamp, *place, *requests, wait_s=wait_s
        )
        if not reply:
            raise SessionGoneError
        new_stamp, epoch, numbers, fields, tail, unpaid = reply
        record = self._instance.learn(post.session, fields) if fields or record is None else record
        record.stamp, record.epoch = int(new_stamp), int(epoch)
        statuses = [ClaimStatus(number) for number in numbers]
        if reader is not None:
            reader.begin(record, last=tail, expected=[call.request for call in post.calls])
        self._note_running(record, post, statuses, store)
        waits = {
            call.request: wait
            for call, one in zip(post.calls, unpaid, strict=False)  # there are none where one was refused
            if (wait := codec.decode_wait(call.costs, one)) is not None
        }
        return record, statuses, waits

    def _admit_here(self, local: LocalStream, post: Post) -> Taken:
        """Decide about requests that cannot be recorded now, as far as this instance knows.

        Raises:
            SessionGoneError: see `admit`.
            BrokerUnavailableError: one is `initialize`, which has to be seen everywhere; it was answered already, by
                what only the store knows; or too much waits to be recorded.
        """
        record, reader = local.record, post.reader
        if record is None or record.owner != post.owner or record.wire != post.wire:
            raise SessionGoneError
        if self._instance.outbox.is_full(0) or any(call.opens_epoch for call in post.calls):
            raise BrokerUnavailableError
        statuses = [self._judge_here(local, record, call) for call in post.calls]
        if reader is not None:
            reader.begin(record, last=0, expected=[call.request for call in post.calls])
            reader.is_recorded = False
        waits = dict[RequestId, Wait]()
        if ClaimStatus.REFUSED not in statuses:
            for call, status in zip(post.calls, statuses, strict=True):
                claim = local.claims.get(call.request)
                if status is ClaimStatus.NEW:
                    local.claims[call.request] = LocalClaim(call)
                    if (wait := self._instance.buckets.try_consume(call.costs)) is not None:
                        waits[call.request] = wait
                elif status is ClaimStatus.ANSWERED and claim is not None:
                    (reader or local).offer_unnumbered(unnumbered(call, claim.response))
        self._note_running(record, post, statuses, None)
        return record, statuses, waits

    def _judge_here(self, local: LocalStream, record: SessionRecord, call: RequestClaim) -> ClaimStatus:
        running = self._running.get((record.id, record.epoch, call.request))
        claim = local.claims.get(call.request)
        if running is not None:
            return ClaimStatus.RUNNING if running.call.digest == call.digest else ClaimStatus.REFUSED
        if claim is not None:
            same = claim.call.digest == call.digest and claim.response is not None
            return ClaimStatus.ANSWERED if same else ClaimStatus.REFUSED
        if local.has_met(call.request):
            raise BrokerUnavailableError
        return ClaimStatus.NEW

    def _note_running(
        self, record: SessionRecord, post: Post, statuses: Sequence[ClaimStatus], store: str | None
    ) -> None:
        if ClaimStatus.REFUSED in statuses:
            return
        for call, token, status in zip(post.calls, post.tokens, statuses, strict=True):
            if status is ClaimStatus.NEW:
                self._running[record.id, record.epoch, call.request] = LocalCall(record, call, token, store)

    async def _withdraw(self, session: str, call: RequestClaim, token: str) -> bool:
        for_repeats = jsonrpc.interrupted(call.request, writes=False)
        await self._instance.call(scripts.WITHDRAW, session, codec.encode_request(call.request), token, for_repeats)
        return True

    async def finish(self, session: str, epoch: int, request: RequestId, response: bytes | None) -> bool:
        """Close a running request. An answer that cannot be stored now is written first and stored later."""
        running = self._running.pop((session, epoch, request), None)
        if running is None:
            return False
        is_settled = False
        try:
            if self._instance.client.is_up:
                code = await self._finish(session, epoch, running, response, wait_s=FINISH_S)
                is_settled = code >= 0 or await self._instance.is_final()
                if is_settled:
                    return code > 0
        except BrokerUnavailableError:
            pass
        finally:
            if not is_settled:  # also when whoever waited was cancelled: an answer is a promise
                self._finish_later(session, epoch, running, response)
        return True

    def _finish_later(self, session: str, epoch: int, running: LocalCall, response: bytes | None) -> None:
        kept, call = response, running.call
        if response is not None and self._instance.outbox.is_full(len(response)):
            kept = jsonrpc.result_lost(call.request, writes=call.writes)
        local, reader = self._instance.streams.get(session), self._instance.stream(session, call.stream)
        if local is not None:
            local.finish(call, kept)
        if reader is not None and response is not None:
            reader.offer_unnumbered(unnumbered(call, response))
        self._instance.outbox.add(partial(self._finish_late, session, epoch, running, kept), len(kept or b""))

    async def _finish(
        self, session: str, epoch: int, running: LocalCall, response: bytes | None, *, wait_s: float | None = None
    ) -> int:
        """Return 1 when it was open until now, 0 when it was not, -1 when there is no such session."""
        call = running.call
        may_be_unknown = running.store != self._instance.lease.store
        code, *stored = await self._instance.call(
            scripts.FINISH,
            *(session, epoch, codec.encode_request(call.request), self._instance.instance, running.token),
            *(int(response is not None), response or b""),
            *(int(may_be_unknown), call.digest.hex(), int(call.writes), call.stream),
            wait_s=wait_s,
        )
        local = self._instance.streams.get(session)
        if local is not None:
            local.claims.pop(call.request, None)
            local.meet(call.request)
        reader = self._instance.stream(session, stored[2].decode() if stored else call.stream)
        if reader is None:
            pass
        elif code <= 0:
            reader.give_up(call.request)
        elif response is not None and stored[0]:
            event = Event(stored[0], Kind.RESPONSE, 0.0, response, call.request, call.writes)
            reader.offer(event, stored[1])
        return int(code)

    async def _finish_late(self, session: str, epoch: int, running: LocalCall, response: bytes | None) -> bool:
        code = await self._finish(session, epoch, running, response)
        if code < 0:
            return await self._instance.is_final()
        if code == 0 and response is not None:
            log.info("late_answer_dropped", session=session[:8])
            self._dropped()
        return True

    async def take_over_dead(self, instance: str) -> None:
        """Answer the calls of an instance that died, as far as they are still open."""
        while orphans := await self._instance.call(scripts.ORPHANS, instance):
            for session, epoch, request, writes in orphans:
                response = jsonrpc.interrupted(codec.decode_request(request), writes=writes == b"1")
                code, *stored = await self._instance.call(
                    scripts.FINISH, session, epoch, request, instance, "", 1, response, 0, "-", 0, ""
                )
                reader = self._instance.stream(session.decode(), stored[2].decode()) if stored else None
                if reader is not None and stored[0]:
                    reader.fall_behind()
                log.warning("call_interrupted", session=session[:8].decode(), instance=instance, was_open=code > 0)

    async def record_again(self) -> None:
        """Record calls that began while Valkey was away, or were lost with its data, so that no repeat runs as well.

        Raises:
            BrokerUnavailableError.
        """
        store = self._instance.lease.store
        for (session, epoch, request), running in list(self._running.items()):
            record = running.record
            if running.store == store or record.epoch != epoch:
                continue
            call = replace(running.call, opens_epoch=False, costs=())  # both were done when it was admitted
            reader = self._instance.stream(session, call.stream)
            place = (call.stream, reader.token if reader is not None and call.stream else "")
            args = (record.id, codec.encode_owner(record.owner), record.wire, record.stamp, *place)
            if not await self._instance.call(scripts.ADMIT, *args, *_arguments([call], [running.token])):
                continue  # its session may be on its way back
            local = self._instance.streams.get(session)
            if local is not None:
                local.claims.pop(request, None)
            if self._running.get((session, epoch, request)) is running:  # else it finished meanwhile
                self._running[session, epoch, request] = replace(running, store=store)


def _arguments(calls: Sequence[RequestClaim], tokens: Sequence[str]) -> list[str | int]:
    costs = {one.bucket: one for call in calls for one in call.costs}
    places = {bucket: str(place) for place, bucket in enumerate(costs, 1)}  # four at most: one digit each
    arguments = codec.cost_arguments(list(costs.values()))
    for call, token in zip(calls, tokens, strict=True):
        arguments += (codec.encode_request(call.request), call.digest.hex(), int(call.writes), int(call.opens_epoch))
        arguments += (token, "".join(places[one.bucket] for one in call.costs))
    return arguments
