"""The audit trail of a server with an identity store: every event is a log line and a row.

One task writes the rows in batches. Callers wait for their row for less than a second, and only while the store
responds: an event never makes a call fail. Rows that are not written yet wait in memory, up to a limit.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from auth.store import utc_now
from auth.store.audit import AuditTable
from auth.store.transactions import TimedEvent
from shared.audit import AuditEvent, LoggedAuditTrail
from shared.concurrency import finish, wait_for_event
from shared.counting import Counter
from shared.errors import TicketServerError
from shared.telemetry import get_logger

log = get_logger(__name__)

MOST_WAITING: Final = 1_000
AT_ONCE: Final = 100
RECORD_S: Final = 0.8
"""How long a caller waits, in seconds: less than callers' own timeouts, so a queued event is not a failure."""
RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: TimedEvent
    written: asyncio.Event = field(default_factory=asyncio.Event)


class StoredAuditTrail:
    """An audit trail of log lines and rows. Use inside `run()`; outside, rows are only queued.

    Args:
        table: of an open store; its owner closes it after this trail has stopped.
        clock: returns the current time, timezone-aware.
        counter: counts `audit_events_lost`.
    """

    def __init__(
        self, table: AuditTable, *, clock: Callable[[], datetime] = utc_now, counter: Counter | None = None
    ) -> None:
        self._table = table
        self._counter = counter
        self._clock = clock
        self._logged = LoggedAuditTrail()
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_answering = False
        self.lost = 0
        """How many events are in the log only."""

    async def record(self, event: AuditEvent) -> None:
        """Log `event` and queue it for storage. Never raises and takes at most a second."""
        await self._logged.record(event)
        if len(self._waiting) >= MOST_WAITING:
            self._lose(1)
            return
        waiting = _Waiting(TimedEvent(event, self._clock()))
        self._waiting.append(waiting)
        self._arrived.set()
        if self._is_answering:
            await wait_for_event(waiting.written, RECORD_S)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Write queued events; at the end, write the rest for up to two seconds and log how many were not stored."""
        task = asyncio.create_task(self._write())
        self._is_answering = True
        try:
            yield
        finally:
            self._ended.set()
            self._arrived.set()
            try:
                await finish(task)
            finally:  # lost events are logged even when cancelled
                self._is_answering = False
                if self._waiting:
                    self._lose(len(self._waiting))

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                if await self._write_some():
                    continue
                if self._ended.is_set():
                    return
                await wait_for_event(self._ended, RETRY_S)
            if self._ended.is_set():
                return

    async def _write_some(self) -> bool:
        """Write the oldest events and return whether the store accepted them; the others are retried."""
        batch = list(islice(self._waiting, AT_ONCE))
        try:
            await self._table.append([waiting.event for waiting in batch])
        except (TicketServerError, SQLAlchemyError, OSError) as error:
            if self._is_answering:
                log.warning("audit_store_unavailable", error=type(error).__name__)
            self._is_answering = False
            return False
        self._is_answering = True
        for waiting in batch:
            self._waiting.popleft()
            waiting.written.set()
        return True

    def _lose(self, events: int) -> None:
        self.lost += events
        if self._counter is not None:
            for _ in range(events):
                self._counter.count("audit_events_lost")
        log.error("audit_events_lost", events=events, in_all=self.lost, hint="these are in the log only")
