"""The broker of a single instance: sessions, claims and event logs live and end with the process."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count, islice
from secrets import token_hex
from types import MappingProxyType
from typing import Final

from mcp_types import RequestId

from shared.identity import PrincipalKey
from shared.periodic import periodic_task
from shared.telemetry import get_logger
from transport.rate_limit import MemoryBuckets, Wait
from transport.sessions.broker import (
    CapReachedError,
    ClaimResult,
    EventSink,
    InstanceMessage,
    Listener,
    SessionGoneError,
    StreamReader,
)
from transport.sessions.claims import Attempt, Claims, ClaimStatus, RequestClaim
from transport.sessions.event_log import Event, EventLog, Kind
from transport.sessions.session import Limits, SessionRecord, SessionView, has_room

log = get_logger(__name__)

_SWEEPS_PER_IDLE_TIME: Final = 60


class MemorySession:
    """What is kept of one session."""

    __slots__ = ("called_at", "claims", "detached_at", "is_used", "log", "opened_at", "record", "seen_at", "streams")

    def __init__(self, record: SessionRecord, limits: Limits, now: float) -> None:
        self.record = record
        self.log = EventLog(
            max_events=limits.max_events, max_bytes=limits.max_log_bytes, max_lost=limits.max_request_ids
        )
        self.claims = Claims(limits.max_request_ids)
        self.streams: dict[str, MemoryStream] = {}
        self.opened_at = self.seen_at = self.detached_at = now
        self.called_at: float | None = None
        self.is_used = False
        """Whether its client asked for anything in it after `initialize`."""

    def wake(self) -> None:
        """Make the readers of all streams check for news."""
        for stream in self.streams.values():
            stream.wake()

    def withdraw(self, numbers: Collection[int]) -> None:
        """Remove responses that may not reach the client any more, written or not."""
        self.log.remove(numbers)
        for stream in self.streams.values():
            stream.withdraw(numbers)

    @property
    def left_at(self) -> float | None:
        """When the client was last heard of; None while it reads a stream."""
        return None if self.streams else max(self.detached_at, self.seen_at)

    def may_make_room(self, left_before: float) -> bool:
        """Whether it may end at a cap: its client left before then, or has its id and never sent it back."""
        if self.left_at is None:
            return False
        was_ignored = self.record.version is not None and not (self.is_used or self.record.initialized)
        return was_ignored or self.left_at < left_before


class MemoryStream:
    """Reads a stream; see `broker.StreamReader`."""

    __slots__ = ("_clock", "_cursor", "_is_awake", "_name", "_pending", "_session", "_sink", "_waiter", "ended")

    def __init__(
        self, session: MemorySession, name: str, cursor: int, pending: Sequence[Event], clock: Callable[[], float]
    ) -> None:
        self._session = session
        self._name = name
        self._cursor = cursor
        self._pending = pending
        self._clock = clock
        self._is_awake = False
        self._waiter: asyncio.Future[None] | None = None  # while `events` waits: most streams of a POST never do
        self._sink: EventSink | None = None  # while it waits and has nothing to return
        self.ended = False

    @property
    def has_news(self) -> bool:
        """Whether events are waiting to be returned."""
        return bool(self._news())

    async def is_settled(self) -> bool:
        """Whether nothing waits, and nothing runs whose response belongs here."""
        return not (self.has_news or self._session.claims.is_pending(self._name))

    async def events(self, sink: EventSink | None = None) -> Sequence[Event]:
        """Wait for events; none after `wake`."""
        if not (self._is_awake or self.has_news):
            self._sink, self._waiter = sink, asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._sink = self._waiter = None
        self._is_awake = False
        news, self._pending = self._news(), ()
        self._cursor = self._session.log.last
        return news

    def _news(self) -> Sequence[Event]:
        newer = self._session.log.newer_than(self._cursor, self._name)
        return [*self._pending, *newer] if self._pending else newer

    def withdraw(self, numbers: Collection[int]) -> None:
        """Do not return these events."""
        self._pending = [event for event in self._pending if event.number not in numbers]

    def delivered(self, events: Sequence[Event]) -> None:
        """Record that events were written."""
        self._session.log.delivered(events, self._clock())

    def offer(self, event: Event) -> None:
        """Take an event that was just stored: write it at once where `events` waits with a sink, else return it."""
        if self._sink is not None:
            self._cursor = event.number
            if self._sink(event):
                return
        self.wake()

    def wake(self) -> None:
        """Make `events` return."""
        self._sink = None
        self._is_awake = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self) -> None:
        """End: another reader took the stream over, or nothing more will come."""
        self.ended = True
        self.wake()

    async def close(self) -> None:
        """Stop reading."""
        if self._session.streams.get(self._name) is self:
            del self._session.streams[self._name]
            self._session.detached_at = self._clock()
        self.end()


class InMemoryBroker:
    """Serves the sessions of one process.

    Args:
        limits: bounds of this instance.
        clock: seconds, monotonic.
    """

    is_shared, layout = False, None
    is_up = True
    calls: Mapping[str, int] = MappingProxyType({})

    def __init__(self, limits: Limits | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits if limits is not None else Limits()
        self._clock = clock
        self._sessions: dict[str, MemorySession] = {}
        self._per_owner: Counter[PrincipalKey] = Counter()
        self._log_bytes = 0
        self._names = count(1)  # of attempts, which are known here alone; the first of a POST names its stream
        self._listener: Listener | None = None
        self.instance = token_hex(4)
        self.buckets = MemoryBuckets(clock)

    @asynccontextmanager
    async def run(self, listener: Listener) -> AsyncGenerator[None]:
        """Expire old events and idle sessions inside this context."""
        self._listener = listener
        every_s = self._limits.idle_s / _SWEEPS_PER_IDLE_TIME
        async with periodic_task(self._expire, name="expire_sessions", every_s=every_s):
            yield

    def _expire(self) -> None:
        for session in self.sweep():
            log.info("session_expired", session=session[:8])

    # ---- sessions

    async def open(self, record: SessionRecord, *, reconnect: bool = False) -> None:
        """Begin a session; at a cap another one makes room, see `_make_room`.

        An organisation that has its share of the sessions makes room among its own.
        """
        factor = 2 if reconnect else 1
        most, taken = self._limits.max_sessions * factor, len(self._sessions)
        mine = sum(count for owner, count in self._per_owner.items() if owner[0] == record.owner[0])
        if self._per_owner[record.owner] >= self._limits.max_sessions_per_principal * factor:
            if not self._make_room(record.owner):
                raise CapReachedError(whole_instance=False)
        elif taken >= most or self._is_full():
            if not self._make_room():
                raise CapReachedError(whole_instance=True)
        elif not has_room(mine, taken, most) and not self._make_room(record.owner[:1]):
            raise CapReachedError(whole_instance=True)
        self._sessions[record.id] = MemorySession(record, self._limits, self._clock())
        self._per_owner[record.owner] += 1

    def _is_full(self) -> bool:
        return self._log_bytes >= self._limits.max_total_log_bytes

    def _make_room(self, of: tuple[str, ...] = ()) -> bool:
        """End a session that was never used, else the one that has had no stream for longest.

        Its responses were kept as long as promised, unless its client never sent its id back: it has none to come for.

        `of`: only sessions of an organisation or of an owner; empty for all.
        """
        before = self._clock() - self._limits.response_kept_s
        left = [
            session
            for session in self._sessions.values()
            if session.may_make_room(before) and session.record.owner[: len(of)] == of
        ]
        if left:
            self._end(min(left, key=lambda session: (session.is_used, session.detached_at)).record.id)
        return bool(left)

    async def find(self, session: str) -> SessionRecord | None:
        """Return the record of a living session."""
        known = self._sessions.get(session)
        if known is None:
            return None
        known.seen_at = self._clock()
        return known.record

    async def save(self, record: SessionRecord) -> None:
        """Do nothing: `find` returns the record itself."""

    async def view(self, most: int) -> Sequence[SessionView]:
        """Return the living sessions."""
        since_1970 = time.time() - self._clock()
        return [
            SessionView(
                owner=known.record.owner,
                wire=known.record.wire,
                version=known.record.version,
                client_params=known.record.client_params,
                opened_at=since_1970 + known.opened_at,
                called_at=None if known.called_at is None else since_1970 + known.called_at,
            )
            for known in islice(self._sessions.values(), most)
        ]

    async def end(self, session: str) -> None:
        """End a session."""
        self._end(session)

    def _end(self, session: str) -> None:
        known = self._sessions.pop(session, None)
        if known is None:
            return
        self._log_bytes -= known.log.bytes
        self._per_owner -= Counter([known.record.owner])  # keeps no owner without sessions
        for stream in known.streams.values():
            stream.end()
        if self._listener is not None:
            self._listener.on_session_ended(session)

    def sweep(self) -> list[str]:
        """Expire old events and idle sessions; return the sessions that ended by it."""
        now = self._clock()
        before = now - self._limits.idle_s
        idle = [one.record.id for one in self._sessions.values() if one.left_at is not None and one.left_at < before]
        for session_id in idle:
            self._end(session_id)
        for session in self._sessions.values():
            session.log.expire(now - self._limits.response_kept_s)
        self._log_bytes = sum(session.log.bytes for session in self._sessions.values())
        return idle

    # ---- claims

    async def claim(
        self, session: str, owner: PrincipalKey, wire: str, claims: Sequence[RequestClaim], *, own_stream: bool
    ) -> ClaimResult:
        """Record requests before they run."""
        known = self._sessions.get(session)
        if known is None or known.record.owner != owner or known.record.wire != wire:
            raise SessionGoneError
        known.seen_at = self._clock()
        tokens = []
        for claim in claims:
            tokens.append(f"{next(self._names):x}")
            if not claim.opens_epoch:
                known.is_used, known.called_at = True, known.seen_at
        name = tokens[0] if own_stream and claims else ""
        decision = known.claims.claim(claims, tokens, name, session=session, epoch=known.record.epoch)
        if decision.opens_epoch:
            known.record.epoch += 1
            known.wake()  # streams of earlier requests end without their responses
        if decision.withdrawn:
            before = known.log.bytes
            known.withdraw(decision.withdrawn)
            self._log_bytes += known.log.bytes - before
        after, reader = known.log.last, None
        if decision.stream and ClaimStatus.REFUSED not in decision.statuses:
            reader = self._take_over(known, decision.stream, after, ())
        waits: dict[RequestId, Wait] = {}
        for number, claim in enumerate(claims):
            costs = claim.costs if decision.attempts[number] is not None else ()
            if costs and (wait := self.buckets.try_consume(costs)) is not None:
                waits[claim.request] = wait
        return ClaimResult(known.record, decision.statuses, decision.attempts, reader, decision.stream, after, waits)

    async def running(self, session: str, request: RequestId) -> Sequence[str]:
        """Return the tokens of the attempts that run with a request id."""
        known = self._sessions.get(session)
        return [] if known is None else known.claims.running(request)

    async def finish(self, attempt: Attempt, response: bytes | None) -> bool:
        """End an attempt."""
        known = self._sessions.get(attempt.session)
        if known is None or not known.claims.end(attempt.token, None if response is None else known.log.last + 1):
            return False
        if response is None:
            known.wake()  # the stream of its POST may have waited for it alone
        else:
            self._store(known, Kind.RESPONSE, response, attempt.stream, attempt)
        return True

    # ---- streams

    async def append(self, session: str, kind: Kind, message: bytes, *, stream: str = "") -> None:
        """Send a notification or a request to the client."""
        known = self._sessions.get(session)
        if known is not None:
            self._store(known, kind, message, stream)

    def _store(self, known: MemorySession, kind: Kind, message: bytes, stream: str, of: Attempt | None = None) -> None:
        before = known.log.bytes
        request, writes = (None, False) if of is None else (of.request, of.writes)
        event = known.log.append(kind, message, self._clock(), request=request, writes=writes, stream=stream)
        self._log_bytes += known.log.bytes - before
        if self._is_full():
            self._shrink_all()
        reader = known.streams.get(stream)
        if reader is not None:
            reader.offer(event)

    def _shrink_all(self) -> None:
        """Bring every log down to its fair share; what was delivered is given up first."""
        share = self._limits.max_total_log_bytes // max(1, len(self._sessions)) // 2
        for session in self._sessions.values():
            session.log.shrink(share)
        self._log_bytes = sum(session.log.bytes for session in self._sessions.values())

    async def attach(self, session: str, *, stream: str = "", after: int | None = None) -> StreamReader | None:
        """Take over a stream of the session."""
        known = self._sessions.get(session)
        if known is None or (stream and not known.claims.knows(stream)):
            return None
        known.seen_at = now = self._clock()
        known.is_used = True
        if after is None:
            pending = known.log.pending(now - self._limits.repeat_s, stream)
            return self._take_over(known, stream, known.log.last, pending)
        cursor = min(after, known.log.last)
        known.log.rewind(cursor, known.claims.responses(stream), now, stream)
        return self._take_over(known, stream, cursor, ())

    def _take_over(self, known: MemorySession, stream: str, cursor: int, pending: Sequence[Event]) -> MemoryStream:
        if (earlier := known.streams.get(stream)) is not None:
            earlier.end()
        known.streams[stream] = MemoryStream(known, stream, cursor, pending, self._clock)
        return known.streams[stream]

    def close_stream(self, session: str, stream: str) -> None:
        """End the reader of a stream."""
        known = self._sessions.get(session)
        if known is not None and stream in known.streams:
            known.streams[stream].end()

    def wake_streams(self) -> None:
        """Make the `events` of every reader return."""
        for session in self._sessions.values():
            session.wake()

    async def publish(self, message: InstanceMessage, *, instance: str | None = None) -> None:
        """Do nothing: there is no other instance."""

    def stats(self) -> Mapping[str, int]:
        """Return how many sessions, streams and bytes there are."""
        streams = sum(len(session.streams) for session in list(self._sessions.values()))
        return {"sessions": len(self._sessions), "streams": streams, "log_bytes": self._log_bytes}
