"""The audit trail of a server: logged at once, stored soon, and never what makes a caller wait."""

import asyncio
from datetime import timedelta

import pytest

from auth.store import IdentityStore
from auth.store.records import AuditRecord
from auth.store.transactions import TimedEvent
from auth.stored_audit import AT_ONCE, MOST_WAITING, RECORD_S, StoredAuditTrail
from shared.audit import PATIENCE_S, AuditEvent, keep
from shared.counting import TallyCounter
from shared.storage.database import DatabaseBusyError
from tests.auth.conftest import Clock
from tests.captured_logs import capture_logs
from tests.kills import kills

EVENT = AuditEvent(action="tool_call", outcome="ok", tenant="acme", actor="usr_1", tool="create_ticket")


async def stored(store: IdentityStore) -> list[AuditRecord]:
    return [event async for event in store.audit.events()]


class Outage:
    """Keeps the store from accepting events until `is_over` is set."""

    def __init__(self, store: IdentityStore, monkeypatch: pytest.MonkeyPatch, *, hangs: bool = False) -> None:
        self.is_over = asyncio.Event()
        self.attempts = 0
        self.tried = asyncio.Event()
        append = store.audit.append

        async def appending(events: list[TimedEvent]) -> None:
            self.attempts += 1
            self.tried.set()
            if hangs:
                await self.is_over.wait()
            elif not self.is_over.is_set():
                raise DatabaseBusyError
            await append(events)

        monkeypatch.setattr(store.audit, "append", appending)


async def test_an_event_is_stored_before_its_caller_goes_on(
    store: IdentityStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.stored_audit.RECORD_S", 60)
    outage = Outage(store, monkeypatch, hangs=True)
    trail = StoredAuditTrail(store.audit, clock=clock)
    with capture_logs() as logs:
        async with trail.run():
            recording = asyncio.create_task(trail.record(EVENT))
            await outage.tried.wait()
            assert not recording.done()
            outage.is_over.set()
            await recording
            [event] = await stored(store)

    assert (event.at, event.action, event.tenant, event.tool) == (clock.now, "tool_call", "acme", "create_ticket")
    assert [line["tool"] for line in logs] == ["create_ticket"], "also logged"


async def test_many_events_at_once_are_written_together(
    sqlite_store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage(sqlite_store, monkeypatch)
    outage.is_over.set()
    trail = StoredAuditTrail(sqlite_store.audit)
    async with trail.run():
        await asyncio.gather(*(trail.record(EVENT) for _ in range(2 * AT_ONCE)))

    assert len(await stored(sqlite_store)) == 2 * AT_ONCE
    assert outage.attempts == 2


@kills("auth/stored_audit.py", "return False", "return self._waiting.clear() is None")
async def test_events_of_an_outage_are_stored_after_it(
    sqlite_store: IdentityStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.stored_audit.RETRY_S", 0.001)
    outage = Outage(sqlite_store, monkeypatch)
    trail = StoredAuditTrail(sqlite_store.audit, clock=clock)
    async with trail.run():
        first = asyncio.create_task(trail.record(EVENT))
        await outage.tried.wait()
        clock.go_on(seconds=5)
        with pytest.raises(StopIteration):  # no caller waits for a store known to be unavailable
            trail.record(EVENT).send(None)
        outage.is_over.set()
        await first

    moments = [event.at for event in await stored(sqlite_store)]
    assert moments[1] - moments[0] == timedelta(seconds=5), "each with the time at which it happened"
    assert trail.lost == 0


@kills("auth/stored_audit.py", "await wait_for_event(waiting.written, RECORD_S)", "await waiting.written.wait()")
async def test_a_store_that_hangs_keeps_no_one_for_longer_than_a_second(
    sqlite_store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RECORD_S < PATIENCE_S, "otherwise a caller takes a queued event for lost"
    monkeypatch.setattr("auth.stored_audit.RECORD_S", 0.01)
    outage = Outage(sqlite_store, monkeypatch, hangs=True)
    trail = StoredAuditTrail(sqlite_store.audit)
    async with trail.run():
        await asyncio.wait_for(trail.record(EVENT), 5)
        outage.is_over.set()

    assert len(await stored(sqlite_store)) == 1


@kills("auth/stored_audit.py", "if len(self._waiting) >= MOST_WAITING:", "if False:")
async def test_what_does_not_fit_is_counted_and_logged_as_lost(
    sqlite_store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_WAITING == 1_000
    monkeypatch.setattr("auth.stored_audit.MOST_WAITING", 2)
    Outage(sqlite_store, monkeypatch)
    counter = TallyCounter()
    trail = StoredAuditTrail(sqlite_store.audit, counter=counter)
    with capture_logs() as logs:
        for _ in range(3):
            await trail.record(EVENT)
        assert trail.lost == 1
        async with trail.run():
            pass

    assert trail.lost == counter.total("audit_events_lost") == 3
    assert [line["message"] for line in logs].count("audit_events_lost") == 2


async def test_what_waits_is_written_at_the_end(sqlite_store: IdentityStore) -> None:
    trail = StoredAuditTrail(sqlite_store.audit)
    await trail.record(EVENT)

    async with trail.run():
        pass

    assert len(await stored(sqlite_store)) == 1
    assert trail.lost == 0


@kills("auth/store/transactions.py", "event.row()", '{**event.row(), "id": secrets.token_hex(16)}')
async def test_a_batch_that_is_written_twice_is_stored_once(store: IdentityStore, clock: Clock) -> None:
    """If the response of the database is lost, the first attempt may or may not have been committed."""
    batch = [TimedEvent(EVENT, clock.now), TimedEvent(EVENT, clock.now)]

    await store.audit.append(batch)
    await store.audit.append(batch)

    assert len(await stored(store)) == 2


async def test_no_text_of_a_client_keeps_an_event_from_being_stored(store: IdentityStore, clock: Clock) -> None:
    odd = AuditEvent(action="a" * 1_000, outcome="ok", object="nul \0 here", request_id="half \ud800", detail="é" * 600)

    await store.audit.append([TimedEvent(odd, clock.now)])

    [event] = await stored(store)
    assert (len(event.action), event.object, event.request_id, len(event.detail)) == (50, "nul ? here", "half ?", 500)


async def test_an_event_that_waits_for_a_store_that_hangs_is_no_failure(
    store: IdentityStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.stored_audit.RECORD_S", 0.01)
    monkeypatch.setattr("shared.audit.PATIENCE_S", 10.0)  # both at once would be chance on a busy machine
    outage = Outage(store, monkeypatch, hangs=True)
    trail = StoredAuditTrail(store.audit, clock=clock)
    async with trail.run():
        with capture_logs() as logs:
            await keep(trail, EVENT)
        outage.is_over.set()
    assert [line["message"] for line in logs] == ["audit"]
    assert len(await stored(store)) == 1
