"""Which attempts run on this instance, and how they end: the part of the Valkey broker that may not be wrong.

An attempt is recorded before it runs and ended with its response, each in one atomic step. A step may be sent again,
and may be carried out after it was given up; its token says which attempt it is about. A response that cannot be stored
is stored once Valkey is back.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from shared.identity import PrincipalKey
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.sessions.broker import BrokerUnavailableError, ClaimResult, SessionGoneError
from transport.sessions.claims import Attempt, ClaimStatus, RequestClaim, attempts, new_token
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import SessionRecord
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.instance import ValkeyInstance
from transport.sessions.valkey.local_stream import LocalStream

log = get_logger(__name__)

FINISH_S: Final = 0.8
"""How long a response may wait to be stored before it is stored later; the dispatcher waits 1 s for it at the end."""


@dataclass(slots=True, eq=False)
class LocalCall:
    """An attempt that this instance runs."""

    attempt: Attempt
    record: SessionRecord
    claim: RequestClaim
    store: str | None
    """The store in which it is recorded; another one, after a loss of all data, does not know it."""

    @property
    def slot(self) -> str:
        """What it occupies while it runs."""
        return codec.encode_slot(self.claim, own_stream=self.attempt.stream != "")


class Post:
    """Requests that came together."""

    __slots__ = ("claims", "owner", "reader", "session", "tokens", "wire")

    def __init__(
        self,
        session: str,
        owner: PrincipalKey,
        wire: str,
        claims: Sequence[RequestClaim],
        reader: LocalStream | None = None,
    ) -> None:
        self.session = session
        self.owner = owner
        self.wire = wire
        self.claims = claims
        self.reader = reader
        """Reads the stream of this POST; None where responses come on the standalone one."""
        self.tokens = [new_token() for _ in claims]


class Calls:
    """The attempts that this instance claimed.

    Args:
        instance: the way to the store.
        dropped: is called when a response came too late.
    """

    def __init__(self, instance: ValkeyInstance, *, dropped: Callable[[], None]) -> None:
        self._instance = instance
        self._dropped = dropped
        self._running: dict[str, LocalCall] = {}

    async def claim(self, post: Post, *, wait_s: float) -> ClaimResult:
        """Record requests before they run. Raises: SessionGoneError, BrokerUnavailableError."""
        try:
            return await self._claim(post, wait_s=wait_s)
        except (BrokerUnavailableError, asyncio.CancelledError):
            for claim, token in zip(post.claims, post.tokens, strict=True):  # they may be recorded all the same
                self._instance.outbox.add(partial(self._withdraw, post, claim, token))
            raise

    async def _claim(self, post: Post, *, wait_s: float) -> ClaimResult:
        record, store, reader = self._instance.find_record(post.session), self._instance.lease.store, post.reader
        stamp = record.stamp if record is not None else 0
        own_stream = (reader.name, reader.token) if reader is not None else ("", "")
        about = (post.session, codec.encode_owner(post.owner), post.wire, stamp, *own_stream)
        requests = _arguments(post.claims, post.tokens)
        reply = await self._instance.ask(scripts.CLAIM, *about, *requests, wait_s=wait_s)
        if not reply:
            raise SessionGoneError
        new_stamp, epoch, numbers, fields, stream_name, tail, unpaid = reply
        record = self._instance.learn(post.session, fields) if fields or record is None else record
        record.stamp, record.epoch = int(new_stamp), int(epoch)
        statuses, stream = [ClaimStatus(number) for number in numbers], stream_name.decode()
        made = attempts(post.session, record.epoch, post.claims, post.tokens, statuses=statuses, stream=stream)
        standalone = self._instance.streams.get(post.session)
        for claim, attempt in zip(post.claims, made, strict=True):
            if attempt is not None:
                self._running[attempt.token] = LocalCall(attempt, record, claim, store)
                if not stream and standalone is not None:
                    standalone.withdraw(claim.request, tail)
        if ClaimStatus.REFUSED in statuses:
            return ClaimResult(record, statuses, made, None, stream)
        if reader is not None:
            reader.begin(record, last=tail, expected=[claim.request for claim in post.claims])
        waits = {
            claim.request: wait
            for claim, one in zip(post.claims, unpaid, strict=True)
            if (wait := codec.decode_wait(claim.costs, one)) is not None
        }
        return ClaimResult(record, statuses, made, reader, stream, tail, waits)

    async def _withdraw(self, post: Post, claim: RequestClaim, token: str) -> bool:
        slot = codec.encode_slot(claim, own_stream=post.reader is not None)
        for_repeats = jsonrpc.interrupted(claim.request, writes=False)
        await self._instance.call(scripts.WITHDRAW, post.session, slot, token, for_repeats)
        return True

    async def finish(self, attempt: Attempt, response: bytes | None) -> bool:
        """End an attempt. A response that cannot be stored now is stored later."""
        running = self._running.pop(attempt.token, None)
        if running is None:
            return False
        is_settled = False
        try:
            if self._instance.client.is_up:
                code = await self._finish(running, response, wait_s=FINISH_S)
                is_settled = code >= 0 or await self._instance.is_final()
                if is_settled:
                    return code > 0
        except BrokerUnavailableError:
            pass
        finally:
            if not is_settled:  # also when the caller was cancelled: a response is a promise
                self._finish_later(running, response)
        return True

    def _finish_later(self, running: LocalCall, response: bytes | None) -> None:
        if response is not None and self._instance.outbox.is_full(len(response)):
            response = jsonrpc.result_lost(running.attempt.request, writes=running.attempt.writes)
        self._instance.outbox.add(partial(self._finish_late, running, response), len(response or b""))

    async def _finish_late(self, running: LocalCall, response: bytes | None) -> bool:
        code = await self._finish(running, response)
        if code < 0:
            return await self._instance.is_final()
        if code == 0 and response is not None:
            log.info("late_answer_dropped", session=running.attempt.session[:8])
            self._dropped()
        return True

    async def _finish(self, running: LocalCall, response: bytes | None, *, wait_s: float | None = None) -> int:
        """Return 1 when the attempt ran until now, 0 when it did not, -1 when there is no such session."""
        attempt = running.attempt
        if not await self._is_recorded(running):
            return -1
        code, *stored = await self._instance.call(
            scripts.FINISH,
            *(attempt.session, running.slot, attempt.token, int(response is not None), response or b""),
            wait_s=wait_s,
        )
        reader = self._instance.stream(attempt.session, attempt.stream)
        if reader is None:
            pass
        elif code <= 0 or response is None:
            reader.give_up(attempt.request)
        elif stored[0]:
            event = Event(stored[0], Kind.RESPONSE, 0.0, response, attempt.request, attempt.writes)
            reader.offer(event, stored[1])
        else:  # it was stored by an earlier sending of the same step
            reader.fall_behind()
        return int(code)

    async def take_over_dead(self, instance: str) -> None:
        """Answer the calls of an instance that died, as far as they still run."""
        while orphans := await self._instance.call(scripts.ORPHANS, instance):
            for session, slot, token, request, writes, stream in orphans:
                response = jsonrpc.interrupted(codec.decode_request(request), writes=writes == b"1")
                code, *stored = await self._instance.call(scripts.FINISH, session, slot, token, 1, response)
                reader = self._instance.stream(session.decode(), stream.decode())
                if reader is not None and stored and stored[0]:
                    reader.fall_behind()
                log.warning("call_interrupted", session=session[:8].decode(), instance=instance, was_open=code > 0)

    async def record_again(self) -> None:
        """Record what runs again after a loss of all data: repeats join it, and others find it should this one die.

        Raises:
            BrokerUnavailableError.
        """
        for running in list(self._running.values()):
            await self._is_recorded(running)

    async def _is_recorded(self, running: LocalCall) -> bool:
        """Record an attempt again if the store does not know it; False while there is no such session."""
        store, record, attempt = self._instance.lease.store, running.record, running.attempt
        if running.store != store and record.epoch == attempt.epoch:
            claim = replace(running.claim, opens_epoch=False, costs=())  # both were done when it was claimed
            about = (record.id, codec.encode_owner(record.owner), record.wire, record.stamp, attempt.stream, "")
            if not await self._instance.call(scripts.CLAIM, *about, *_arguments([claim], [attempt.token])):
                return False
            running.store = store
        return True


def _arguments(claims: Sequence[RequestClaim], tokens: Sequence[str]) -> list[str | int]:
    costs = {one.bucket: one for claim in claims for one in claim.costs}
    places = {bucket: str(place) for place, bucket in enumerate(costs, 1)}  # four at most: one digit each
    arguments = codec.cost_arguments(list(costs.values()))
    for claim, token in zip(claims, tokens, strict=True):
        arguments += (codec.encode_request(claim.request), claim.digest.hex(), int(claim.writes))
        arguments += (int(claim.opens_epoch), token, "".join(places[one.bucket] for one in claim.costs))
    return arguments
