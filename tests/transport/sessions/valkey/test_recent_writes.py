"""What both kinds of recent writes promise, in memory and in Valkey, and what instances know of each other."""

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
import redis

from shared.writes import recent_writes
from shared.writes.recent_writes import (
    KEY_S,
    LEASE_S,
    MAX_OWNERS,
    MAX_WRITES,
    Earlier,
    MemoryRecentWrites,
    RecentWrites,
    State,
    Write,
)
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.transport.brokers import Quiet
from tests.transport.serving import until
from tests.valkey import ValkeyServer
from transport.sessions.valkey import scripts
from transport.sessions.valkey.broker import ValkeyBroker
from transport.sessions.valkey.client import Script
from transport.sessions.valkey.recent_writes import ASK_S

pytestmark = pytest.mark.usefixtures("patience")
ME, YOU, THEM = ("default", "me"), ("default", "you"), ("other", "me")
WINDOW_S: Final = 600.0
WRITE: Final = Write(ME, words="w1", window_s=WINDOW_S, upstream="up1")
KEYED: Final = replace(WRITE, key="k1")


@pytest.fixture(autouse=True)
def _valkey_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.sessions.valkey.recent_writes.ASK_S", 30.0)


@dataclass
class Bench:
    """One kind of recent writes, and a way to let time pass, which stands still otherwise."""

    writes: RecentWrites
    seconds: float = 0.0

    def clock(self) -> float:
        """Return the time."""
        return self.seconds

    async def later(self, seconds: float) -> None:
        self.seconds += seconds

    async def done(self, write: Write = WRITE, caller: str = "t1", subject: str = "TCK-1") -> None:
        assert await self.writes.claim(write, caller) is None
        await self.writes.settle(write, caller, State.DONE, subject=subject)


class SharedBench(Bench):
    """Valkey, whose scripts have the time of the test: see `timed_by_tests`."""

    def __init__(self, broker: ValkeyBroker, url: str, prefix: str) -> None:
        super().__init__(broker.recent_writes)
        self._url, self._prefix = url, prefix

    async def later(self, seconds: float) -> None:
        """Only Valkey knows from then on, as it would of writes of another instance."""
        self.seconds += seconds
        self.writes._here = MemoryRecentWrites(self.clock)  # type: ignore[attr-defined]  # that of the instance alone
        with redis.from_url(self._url) as raw:
            raw.incrby(f"{self._prefix}ms", round(seconds * 1000))


@pytest.fixture
def timed_by_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the scripts take the time from a key instead of the server's clock."""
    clock = "local now = time[1] * 1000 + math.floor(time[2] / 1000)"
    for name in ("CLAIM_WRITE", "SETTLE_WRITE"):
        text = getattr(scripts, name).text
        assert clock in text
        timed = text.replace(clock, "local now = tonumber(call('GET', shared .. 'ms'))")
        monkeypatch.setattr(scripts, name, Script(timed))


@asynccontextmanager
async def instance(url: str, prefix: str) -> AsyncGenerator[ValkeyBroker]:
    broker = ValkeyBroker(url, prefix=prefix)
    async with broker.run(Quiet()):
        await until(lambda: broker.is_up)
        yield broker


@pytest.fixture(params=["memory", "valkey"])
async def bench(request: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
    if request.param == "memory":
        made = Bench(MemoryRecentWrites())
        made.writes = MemoryRecentWrites(made.clock)
        yield made
        return
    request.getfixturevalue("timed_by_tests")
    url, prefix = request.getfixturevalue("broker_url"), f"{{{secrets.token_hex(4)}}}:"
    broker, leave = ValkeyBroker(url, prefix=prefix), asyncio.Event()

    async def work() -> None:
        async with broker.run(Quiet()):
            await leave.wait()

    working = asyncio.create_task(work())  # a fixture is left in another task than it was entered in
    await until(lambda: broker.is_up)
    shared = SharedBench(broker, url, prefix)
    await shared.later(0)
    yield shared
    leave.set()
    await working


async def earlier(bench: Bench, write: Write = WRITE, caller: str = "t2") -> Earlier:
    found = await bench.writes.claim(write, caller)
    assert found is not None
    return found


# --------------------------------------------------------------------- what is the same


async def test_the_first_is_new_and_the_second_waits_and_then_learns_what_was_made(bench: Bench) -> None:
    assert await bench.writes.claim(WRITE, "t1") is None
    assert (await earlier(bench)).state is State.RUNNING
    await bench.writes.settle(WRITE, "t1", State.DONE, subject="TCK-1")
    await bench.later(40)

    found = await earlier(bench)

    assert (found.state, found.subject, round(found.age_s), found.by_key) == (State.DONE, "TCK-1", 40, False)


async def test_what_changed_nothing_is_forgotten(bench: Bench) -> None:
    assert await bench.writes.claim(KEYED, "t1") is None
    await bench.writes.settle(KEYED, "t1", None)

    assert await bench.writes.claim(replace(KEYED, words="other"), "t2") is None


@pytest.mark.parametrize(
    "other",
    [
        replace(WRITE, words="w2"),
        replace(WRITE, owner=YOU),
        replace(WRITE, owner=THEM),
        replace(WRITE, allows_duplicate=True),
    ],
)
async def test_other_words_principals_organisations_and_meant_duplicates_are_new(bench: Bench, other: Write) -> None:
    await bench.done()

    assert await bench.writes.claim(other, "t2") is None


async def test_words_count_for_their_window_and_a_key_for_a_day(bench: Bench) -> None:
    await bench.done(WRITE, "t1", "TCK-1")
    await bench.done(replace(KEYED, words="w2"), "t2", "TCK-2")
    await bench.later(WINDOW_S - 1)
    assert (await earlier(bench, WRITE, "a")).subject == "TCK-1"
    assert (await earlier(bench, replace(WRITE, words="w2"), "b")).subject == "TCK-2"
    await bench.later(2)

    assert await bench.writes.claim(WRITE, "c") is None
    assert await bench.writes.claim(replace(WRITE, words="w2"), "d") is None
    await bench.later(KEY_S - WINDOW_S - 2)
    assert (await earlier(bench, replace(KEYED, words="w2"), "e")).subject == "TCK-2"
    await bench.later(2)
    assert await bench.writes.claim(replace(KEYED, words="w2"), "f") is None


async def test_a_key_is_the_same_even_where_a_duplicate_is_meant(bench: Bench) -> None:
    await bench.done(KEYED)

    found = await earlier(bench, replace(KEYED, allows_duplicate=True))

    assert (found.state, found.by_key) == (State.DONE, True)


@pytest.mark.parametrize("state", [State.RUNNING, State.DONE, State.UNANSWERED, State.UNPROVED])
async def test_a_key_with_other_words_is_a_conflict_and_changes_nothing(bench: Bench, state: State) -> None:
    assert await bench.writes.claim(KEYED, "t1") is None
    if state is not State.RUNNING:
        await bench.writes.settle(KEYED, "t1", state)

    assert (await earlier(bench, replace(KEYED, words="w2"))).state is State.CONFLICT
    assert (await earlier(bench, KEYED, "t3")).state is state


async def test_two_keys_are_two_writes_and_a_key_beside_none_is_known_by_its_words(bench: Bench) -> None:
    await bench.done(KEYED, "t1", "TCK-1")
    await bench.done(replace(KEYED, key="k2"), "t2", "TCK-2")
    await bench.later(1)
    assert (await earlier(bench, WRITE, "t3")).subject in {"TCK-1", "TCK-2"}

    await bench.done(replace(WRITE, words="w2"), "t4", "TCK-4")
    found = await earlier(bench, replace(KEYED, words="w2", key="k3"), "t5")
    assert (found.subject, found.by_key) == ("TCK-4", False)


async def test_what_is_known_best_is_told(bench: Bench) -> None:
    duplicate = replace(WRITE, allows_duplicate=True)
    await bench.done()
    assert await bench.writes.claim(duplicate, "t2") is None
    assert await bench.writes.claim(duplicate, "t3") is None
    await bench.writes.settle(duplicate, "t3", State.UNANSWERED)

    assert (await earlier(bench, WRITE, "t4")).state is State.DONE


# --------------------------------------------------------------------- doubts


@pytest.mark.parametrize("state", [State.UNANSWERED, State.UNPROVED])
async def test_a_doubt_is_handed_to_one_caller_with_what_is_known_of_it(bench: Bench, state: State) -> None:
    write = replace(WRITE, seen=3)
    assert await bench.writes.claim(write, "t1") is None
    await bench.writes.settle(write, "t1", state, subject="TCK-1", age_s=7)

    found = await earlier(bench, replace(write, upstream="up2", seen=4))

    assert (found.state, found.subject, found.upstream, found.seen) == (state, "TCK-1", "up1", 3)
    assert found.age_s == pytest.approx(7)
    assert (await earlier(bench, WRITE, "t3")).state is State.RUNNING
    await bench.writes.settle(write, "t2", found.state, subject="TCK-1", age_s=found.age_s)
    again = await earlier(bench, WRITE, "t4")
    assert (again.state, again.upstream, again.seen) == (state, "up1", 3)
    assert again.age_s >= 7


async def test_a_doubt_keeps_its_key_when_who_takes_it_over_has_none(bench: Bench) -> None:
    assert await bench.writes.claim(KEYED, "t1") is None
    await bench.writes.settle(KEYED, "t1", State.UNPROVED)
    await earlier(bench, WRITE, "t2")
    await bench.writes.settle(WRITE, "t2", State.DONE, subject="TCK-1")
    await bench.later(WINDOW_S + 1)

    assert (await earlier(bench, KEYED, "t3")).subject == "TCK-1"


@kills("transport/sessions/valkey/lua/recent_writes.lua", "write.until_ms <= now and", "false and")
async def test_a_claim_of_who_died_is_a_doubt_after_its_lease(bench: Bench) -> None:
    assert await bench.writes.claim(WRITE, "t1") is None
    await bench.later(LEASE_S - 1)
    assert (await earlier(bench)).state is State.RUNNING
    await bench.later(2)

    found = await earlier(bench)

    assert found.state is State.UNANSWERED
    assert found.age_s == pytest.approx(LEASE_S + 1)


async def test_a_claim_can_be_renewed_and_a_late_outcome_counts(bench: Bench) -> None:
    assert await bench.writes.claim(WRITE, "t1") is None
    await bench.later(LEASE_S - 1)
    assert await bench.writes.claim(WRITE, "t1") is None
    await bench.later(LEASE_S - 1)
    assert (await earlier(bench)).state is State.RUNNING
    await bench.later(2)
    assert (await earlier(bench)).state is State.UNANSWERED

    await bench.writes.settle(WRITE, "t1", State.DONE, subject="TCK-1")  # it was slow, not dead

    assert (await earlier(bench, WRITE, "t3")).subject == "TCK-1"


# --------------------------------------------------------------------- bounds


@kills("transport/sessions/valkey/lua/recent_writes.lua", "while count >= most do", "while false do")
async def test_of_too_many_writes_what_would_be_over_first_is_forgotten_and_no_running_one(bench: Bench) -> None:
    assert await bench.writes.claim(replace(WRITE, words="running"), "running") is None
    await bench.done(replace(WRITE, words="keyed", key="k"), "keyed")
    for number in range(MAX_WRITES):
        await bench.later(0.001)
        await bench.done(replace(WRITE, words=f"w{number}"), f"t{number}")

    async def state_of(write: Write) -> State | None:
        found = await bench.writes.claim(replace(write, upstream="probe"), secrets.token_hex(4))
        return None if found is None else found.state

    assert await state_of(replace(WRITE, words="running")) is State.RUNNING
    assert await state_of(replace(WRITE, words="keyed", key="k")) is State.DONE
    assert await state_of(replace(WRITE, words=f"w{MAX_WRITES - 1}")) is State.DONE
    assert await state_of(replace(WRITE, words="w0")) is None


async def test_principals_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_writes, "MAX_OWNERS", 2)
    writes = MemoryRecentWrites()
    for name in ("a", "b", "a", "c"):
        await writes.claim(replace(WRITE, owner=("t", name)), secrets.token_hex(4))

    assert [name for name in "abc" if writes._owners.get(("t", name))] == ["a", "c"]
    assert MAX_OWNERS == 1000


@kills("transport/sessions/valkey/lua/recent_writes.lua", "call('PEXPIRE', writes, int(math.max(last - now, 1)))", "")
async def test_valkey_keeps_digests_and_ids_alone_and_not_for_ever(broker_url: str) -> None:
    prefix = f"{{{secrets.token_hex(4)}}}:"
    async with instance(broker_url, prefix) as broker:
        bench = Bench(broker.recent_writes)
        await bench.done(WRITE, "t1")
        with redis.from_url(broker_url, decode_responses=True) as raw:
            (name,) = raw.keys(f"{prefix}w1:*")
            assert 0 < raw.pttl(name) <= WINDOW_S * 1000
            assert set(raw.hgetall(name)["t1"].split()) >= {"done", "w1", "up1", "TCK-1"}
            await bench.done(replace(KEYED, words="w2"), "t2")
            assert WINDOW_S * 1000 < raw.pttl(name) <= KEY_S * 1000


# --------------------------------------------------------------------- both kinds agree

_WRITES: Final = [
    replace(WRITE, words=f"w{words}", key=key, seen=words, allows_duplicate=duplicate)
    for words in (1, 2)
    for key in ("", "k1", "k2")
    for duplicate in (False, True)
]
_STATES: Final = (None, State.DONE, State.UNANSWERED, State.UNPROVED)


@pytest.mark.usefixtures("timed_by_tests")
@pytest.mark.parametrize("seed", range(8))
async def test_both_kinds_say_the_same_in_every_history(broker_url: str, seed: int) -> None:
    """Forty steps of four callers: claims that are settled, given up or forgotten, and time that passes."""
    rng, prefix = random.Random(seed), f"{{{secrets.token_hex(4)}}}:"  # noqa: S311 - to be repeated
    async with instance(broker_url, prefix) as broker:
        alone, shared = Bench(MemoryRecentWrites()), SharedBench(broker, broker_url, prefix)
        alone.writes = MemoryRecentWrites(alone.clock)
        claimed: list[tuple[Write, str]] = []
        for step in range(40):
            for bench in (alone, shared):
                await bench.later(0.7)  # so that no two are of the same moment, and none is at a bound
            if claimed and rng.random() < 0.4:
                write, token = claimed.pop(rng.randrange(len(claimed)))
                state, age_s = rng.choice(_STATES), rng.choice((0, 7))
                for bench in (alone, shared):
                    await bench.writes.settle(write, token, state, subject=f"of {token}", age_s=age_s)
                continue
            write, seconds = rng.choice(_WRITES), rng.choice((0, 0, 0, LEASE_S + 1, WINDOW_S))
            said = []
            for bench in (alone, shared):
                await bench.later(seconds)
                found = await bench.writes.claim(replace(write, upstream=f"up{step}"), f"t{step}")
                said.append(found)
            ages = [found.age_s if found is not None else 0 for found in said]
            assert ages[0] == pytest.approx(ages[1])
            assert said[0] == (said[1] and replace(said[1], age_s=ages[0])), f"step {step}: {write}"
            if said[0] is None or said[0].is_doubt:
                claimed.append((write, f"t{step}"))


# --------------------------------------------------------------------- many instances


async def test_instances_know_each_others_writes_and_one_alone_gets_a_doubt(broker_url: str) -> None:
    prefix = f"{{{secrets.token_hex(4)}}}:"
    async with instance(broker_url, prefix) as one, instance(broker_url, prefix) as other:
        six = [at.recent_writes for at in (one, other) * 3]
        claims = await asyncio.gather(*(writes.claim(WRITE, f"{n}") for n, writes in enumerate(six)))
        assert [found and found.state for found in claims].count(None) == 1
        first = claims.index(None)
        await six[first].settle(WRITE, f"{first}", State.UNANSWERED)

        doubts = await asyncio.gather(
            *(at.recent_writes.claim(WRITE, f"d{n}") for n, at in enumerate([one, other] * 3))
        )

    assert sorted(found.state for found in doubts if found) == [State.RUNNING] * 5 + [State.UNANSWERED]


@kills("transport/sessions/valkey/recent_writes.py", "here = await self._here.claim(write, token)", "here = None")
async def test_while_valkey_is_away_an_instance_knows_its_own_writes_and_says_so_once(valkey: ValkeyServer) -> None:
    prefix = f"{{{secrets.token_hex(4)}}}:"
    async with instance(valkey.url, prefix) as broker:
        bench = Bench(broker.recent_writes)
        await bench.done(WRITE, "t1", "TCK-1")
        assert await broker.recent_writes.claim(replace(WRITE, words="w3"), "t3") is None
        valkey.kill()
        await until(lambda: not broker.is_up)
        with capture_logs() as logs:
            await bench.done(replace(WRITE, words="w2"), "t2", "TCK-2")
            await broker.recent_writes.settle(replace(WRITE, words="w3"), "t3", State.DONE, subject="TCK-3")
            known = [await earlier(bench, replace(WRITE, words=f"w{n}"), f"a{n}") for n in (1, 2, 3)]
            assert await broker.recent_writes.claim(replace(WRITE, words="w4"), "t4") is None
            await broker.recent_writes.settle(replace(WRITE, words="w4"), "t4", State.UNANSWERED)
            doubt = await earlier(bench, replace(WRITE, words="w4"), "a4")

        valkey.start()
        await until(lambda: broker.is_up)
        after = [await earlier(bench, replace(WRITE, words=f"w{n}"), f"b{n}") for n in (1, 2, 3)]
        async with instance(valkey.url, prefix) as other:
            elsewhere = await other.recent_writes.claim(WRITE, "t4")

    assert [found.subject for found in known] == [found.subject for found in after] == ["TCK-1", "TCK-2", "TCK-3"]
    assert doubt.is_doubt
    assert [line["message"] for line in logs].count("recent_writes_alone") == 1
    assert elsewhere is not None
    assert elsewhere.subject == "TCK-1"


@kills("transport/sessions/valkey/lua/claim_write.lua", "if mine then", "if false then")
async def test_a_script_that_is_carried_out_late_or_twice_makes_no_second_claim(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link sends again what was not answered, and a server that stood still carries out what was given up."""
    twice = set[Script]()

    async with instance(broker_url, f"{{{secrets.token_hex(4)}}}:") as broker:
        call = broker._instance.call

        async def repeated(script: Script, *args: Any, wait_s: float | None = None) -> Any:
            twice.add(script)
            await call(script, *args, wait_s=wait_s)
            return await call(script, *args, wait_s=wait_s)

        monkeypatch.setattr(broker._instance, "call", repeated)
        bench = Bench(broker.recent_writes)
        await bench.done(WRITE, "t1")
        assert (await earlier(bench, WRITE, "t2")).state is State.DONE
        other = replace(WRITE, words="w2")
        assert await broker.recent_writes.claim(other, "t3") is None
        await broker.recent_writes.settle(other, "t3", None)
        assert await broker.recent_writes.claim(other, "t4") is None

    assert twice >= {scripts.CLAIM_WRITE, scripts.SETTLE_WRITE}
    assert ASK_S < LEASE_S
