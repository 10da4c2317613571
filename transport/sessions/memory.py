"""The broker of a single instance: sessions, request ids and event logs live and end with the process."""

import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp_types import RequestId

from shared.identity import PrincipalKey
from shared.periodic import periodic_task
from shared.telemetry import get_logger
from transport.rate_limit import Wait
from transport.sessions.broker import (
    CapReachedError,
    ClaimResult,
    ClaimStatus,
    InstanceMessage,
    Listener,
    RequestClaim,
    SessionGoneError,
    StreamReader,
)
from transport.sessions.event_log import Event, EventLog, Kind
from transport.sessions.memory_rate_limit import MemoryBuckets
from transport.sessions.memory_session import MemoryClaim, MemorySession, MemoryStreamReader
from transport.sessions.session import Limits, SessionRecord, has_room
from transport.sessions.stream_counts import LocalStreamCounts

log = get_logger(__name__)

_SWEEPS_PER_IDLE_TIME: Final = 60


class InMemoryBroker:
    """Serves the sessions of one process.

    Args:
        limits: bounds of this instance.
        clock: seconds, monotonic.
    """

    is_shared = False
    is_up = True

    def __init__(self, limits: Limits | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits if limits is not None else Limits()
        self._clock = clock
        self._sessions: dict[str, MemorySession] = {}
        self._per_owner: dict[tuple[str, str], int] = {}
        self._log_bytes = 0
        self._listener: Listener | None = None
        self.instance = secrets.token_hex(4)
        self.buckets = MemoryBuckets(clock)
        self.streams = LocalStreamCounts()

    @asynccontextmanager
    async def run(self, listener: Listener) -> AsyncGenerator[None]:
        """Expire what is old now and then, until left."""
        self._listener = listener
        every_s = self._limits.idle_s / _SWEEPS_PER_IDLE_TIME
        async with periodic_task(self._expire, name="expire_sessions", every_s=every_s):
            yield

    def _expire(self) -> None:
        for session in self.sweep():
            log.info("session_expired", session=session[:8])

    async def open(self, record: SessionRecord, *, reconnect: bool = False) -> None:
        """Begin a session; at a cap the one that was left longest makes room, if nothing is owed to it any more.

        An organisation that has so many that others would find no place makes room among its own.
        """
        factor = 2 if reconnect else 1
        most, taken = self._limits.max_sessions * factor, len(self._sessions)
        mine = sum(count for owner, count in self._per_owner.items() if owner[0] == record.owner[0])
        if self._per_owner.get(record.owner, 0) >= self._limits.max_sessions_per_principal * factor:
            if not self._make_room(record.owner):
                raise CapReachedError(whole_instance=False)
        elif taken >= most or self._is_full():
            if not self._make_room():
                raise CapReachedError(whole_instance=True)
        elif not has_room(mine, taken, most) and not self._make_room(record.owner[:1]):
            raise CapReachedError(whole_instance=True)
        limits = self._limits
        log = EventLog(max_events=limits.max_events, max_bytes=limits.max_log_bytes, max_lost=limits.max_request_ids)
        self._sessions[record.id] = MemorySession(record, log, self._clock())
        self._per_owner[record.owner] = self._per_owner.get(record.owner, 0) + 1

    def _is_full(self) -> bool:
        return self._log_bytes >= self._limits.max_total_log_bytes

    def _make_room(self, of: tuple[str, ...] = ()) -> bool:
        """End the session that has had no stream for longest, provided its answers were kept as long as promised.

        `of` is whose: an organisation's, an owner's or, empty, anybody's.
        """
        before = self._clock() - self._limits.response_kept_s
        left = [
            session
            for session in self._sessions.values()
            if session.left_at is not None and session.left_at < before and session.record.owner[: len(of)] == of
        ]
        if not left:
            return False
        self._end(min(left, key=lambda session: session.detached_at).record.id)
        return True

    async def find(self, session: str) -> SessionRecord | None:
        """Return the record of a living session."""
        known = self._sessions.get(session)
        if known is None:
            return None
        known.seen_at = self._clock()
        return known.record

    async def save(self, record: SessionRecord) -> None:
        """Nothing to do: `find` hands out the record itself."""

    async def claim(self, session: str, owner: PrincipalKey, wire: str, calls: Sequence[RequestClaim]) -> ClaimResult:
        """Record requests before they run."""
        known = self._sessions.get(session)
        if known is None or known.record.owner != owner or known.record.wire != wire:
            raise SessionGoneError
        known.seen_at = self._clock()
        for call in calls:
            if call.opens_epoch and not self._is_running(known, call):
                known.claims.clear()
                known.running.clear()
                known.record.epoch += 1
                known.wake()  # streams of earlier requests end without their answers
        statuses = [self._judge(known, call) for call in calls]
        if ClaimStatus.REFUSED in statuses:
            return ClaimResult(known.record, statuses, None)
        name = calls[0].stream if calls else ""
        after = known.log.last
        stream = self._take_over(known, name, after, ()) if name else None
        waits = dict[RequestId, Wait]()
        for call, status in zip(calls, statuses, strict=True):
            if status is ClaimStatus.NEW:
                known.claims[call.request] = MemoryClaim(call.digest, call.writes, name)
                known.count(name, 1)
                if (wait := self.buckets.try_consume(call.costs)) is not None:
                    waits[call.request] = wait
                continue
            claim = known.claims[call.request]
            if claim.running:
                known.count(claim.stream, -1)
                known.count(name, 1)
            claim.stream = name
            if status is ClaimStatus.ANSWERED:
                self._respond_again(known, call.request)
        self._forget_old_ids(known)
        return ClaimResult(known.record, statuses, stream, after, waits)

    def _is_running(self, known: MemorySession, call: RequestClaim) -> bool:
        claim = known.claims.get(call.request)
        return claim is not None and claim.running and claim.digest == call.digest

    def _judge(self, known: MemorySession, call: RequestClaim) -> ClaimStatus:
        claim = known.claims.get(call.request)
        if claim is None:
            return ClaimStatus.NEW
        if claim.digest != call.digest:
            return ClaimStatus.REFUSED
        if claim.running:
            return ClaimStatus.RUNNING
        kept = claim.response is not None and known.log.response(claim.response) is not None
        return ClaimStatus.ANSWERED if kept else ClaimStatus.REFUSED

    def _respond_again(self, known: MemorySession, request: RequestId) -> None:
        claim = known.claims[request]
        response = known.log.response(claim.response) if claim.response is not None else None
        if response is not None:
            claim.response = self._store_response(known, claim, request, response)

    def _forget_old_ids(self, known: MemorySession) -> None:
        while len(known.claims) > self._limits.max_request_ids:
            oldest = next((request for request, claim in known.claims.items() if not claim.running), None)
            if oldest is None:
                return
            del known.claims[oldest]

    async def append(self, session: str, kind: Kind, message: bytes, *, stream: str = "") -> None:
        """Send a notification or a request to the client."""
        known = self._sessions.get(session)
        if known is not None:
            self._store(known, kind, message, stream=stream)

    async def finish(self, session: str, epoch: int, request: RequestId, response: bytes | None) -> bool:
        """Close a running request."""
        known = self._sessions.get(session)
        if known is None or known.record.epoch != epoch:
            return False
        claim = known.claims.get(request)
        if claim is None or not claim.running:
            return False
        claim.running = False
        known.count(claim.stream, -1)
        if response is not None:
            claim.response = self._store_response(known, claim, request, response)
        self._wake(known, claim.stream)
        return True

    def _store_response(self, known: MemorySession, claim: MemoryClaim, request: RequestId, response: bytes) -> int:
        return self._store(known, Kind.RESPONSE, response, request=request, writes=claim.writes, stream=claim.stream)

    def _store(self, known: MemorySession, kind: Kind, message: bytes, *, stream: str, **about: Any) -> int:
        before = known.log.bytes
        number = known.log.append(kind, message, self._clock(), stream=stream, **about)
        self._log_bytes += known.log.bytes - before
        if self._is_full():
            self._shrink_all()
        self._wake(known, stream)
        return number

    def _wake(self, known: MemorySession, stream: str) -> None:
        reader = known.streams.get(stream)
        if reader is not None:
            reader.wake()

    def _shrink_all(self) -> None:
        """Bring every log down to its fair share, which gives up what was delivered first."""
        share = self._limits.max_total_log_bytes // max(1, len(self._sessions)) // 2
        for session in self._sessions.values():
            session.log.shrink(share)
        self._log_bytes = sum(session.log.bytes for session in self._sessions.values())

    async def attach(self, session: str, *, stream: str = "", after: int | None = None) -> StreamReader | None:
        """Take over a stream of the session."""
        known = self._sessions.get(session)
        if known is None or (stream and not any(claim.stream == stream for claim in known.claims.values())):
            return None
        known.seen_at = now = self._clock()
        if after is None:
            return self._take_over(
                known, stream, known.log.last, known.log.pending(now - self._limits.repeat_s, stream)
            )
        cursor = min(after, known.log.last)
        responded = [
            (claim.response, request, claim.writes)
            for request, claim in known.claims.items()
            if claim.response is not None and claim.stream == stream
        ]
        known.log.rewind(cursor, responded, now, stream)
        return self._take_over(known, stream, cursor, ())

    def _take_over(
        self, known: MemorySession, stream: str, cursor: int, pending: Sequence[Event]
    ) -> MemoryStreamReader:
        earlier = known.streams.get(stream)
        if earlier is not None:
            earlier.end()
        known.streams[stream] = MemoryStreamReader(known, stream, cursor, pending, self._clock)
        return known.streams[stream]

    def close_stream(self, session: str, stream: str) -> None:
        """End whoever reads a stream."""
        known = self._sessions.get(session)
        if known is not None and stream in known.streams:
            known.streams[stream].end()

    async def end(self, session: str) -> None:
        """End a session."""
        self._end(session)

    def _end(self, session: str) -> None:
        known = self._sessions.pop(session, None)
        if known is None:
            return
        self._log_bytes -= known.log.bytes
        owner = known.record.owner
        self._per_owner[owner] -= 1
        if not self._per_owner[owner]:
            del self._per_owner[owner]
        for stream in known.streams.values():
            stream.end()
        if self._listener is not None:
            self._listener.on_session_ended(session)

    async def publish(self, message: InstanceMessage, *, instance: str | None = None) -> None:
        """Nothing to do: there is no other instance."""

    def sweep(self) -> list[str]:
        """Expire old events and idle sessions; return the sessions that ended by it."""
        now = self._clock()
        idle_since = now - self._limits.idle_s
        idle = [
            session.record.id
            for session in self._sessions.values()
            if session.left_at is not None and session.left_at < idle_since
        ]
        for session_id in idle:
            self._end(session_id)
        for session in self._sessions.values():
            session.log.expire(now - self._limits.response_kept_s)
        self._log_bytes = sum(session.log.bytes for session in self._sessions.values())
        return idle

    def wake_streams(self) -> None:
        """Make every stream look around."""
        for session in self._sessions.values():
            session.wake()

    def stats(self) -> Mapping[str, int]:
        """Return how many sessions, streams and bytes there are."""
        streams = sum(len(session.streams) for session in self._sessions.values())
        return {"sessions": len(self._sessions), "streams": streams, "log_bytes": self._log_bytes}
