"""Random sequences of requests, over all transports and both eras: what the server never does.

It never sends 5xx without a reason, never fails with a traceback, never sends anything to the wrong principal or
session, refuses only in the promised form, runs nothing twice, and holds nothing once everything is closed. The
sequences are the same in every run; a failure prints a line to put above `@given` that repeats it. To shrink it, add
`Phase.shrink`; that takes minutes.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.captured_logs import capture_logs
from tests.fuzz.steps import Step, openings, step
from tests.fuzz.surface import Clock, Surface
from tests.transport.serving import Bench, bench, until
from transport.dispatch import client_requests
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits
from transport.sessions.valkey import broker, calls, connection, subscription
from transport.sessions.valkey.broker import ValkeyBroker

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]  # a slow machine needs minutes

LIMITS: Final[dict[str, Any]] = {
    "max_sessions": 10,
    "max_sessions_per_principal": 6,
    "max_events": 8,
    "max_log_bytes": 40_000,
    "max_running_calls": 4,
    "max_exchanges": 3,
    "max_body_bytes": 20_000,
    "heartbeat_s": 0.05,
}
PATIENCE_S: Final = 30.0
PATIENT: Final[Mapping[ModuleType, Sequence[str]]] = MappingProxyType({
    subscription: ["QUIET_S"],
    connection: ["CONNECT_S", "OPERATION_S"],
    calls: ["FINISH_S"],
    broker: ["FINISH_S", "OWN_STREAM_S", "SHARED_STREAM_S"],
})  # fmt: skip
"""Time limits after which an instance considers Valkey lost."""
EXPECTED: Final = frozenset({"answer_too_large"})
"""Events that may be logged as warnings."""


@dataclass(frozen=True)
class Served:
    """The instances that sequences run against."""

    instances: Sequence[Bench]
    clock: Clock | None = None


Serve = Callable[[], AbstractAsyncContextManager[Served]]
sequences = st.builds(list.__add__, openings, st.lists(step, min_size=18, max_size=26))


def repeatable(examples: int) -> settings:
    """Return settings with which all runs use the same sequences."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


class Complaints(logging.Handler):
    """Log records, ours and third-party, that should not exist."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []
        self.ours: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Record it."""
        self.records.append(record)

    def check(self) -> None:
        """Raise what was logged since the last check. Raises: AssertionError."""
        said = self.take()
        assert not said, "\n".join(said)

    def take(self) -> list[str]:
        """Return what was logged since the last time."""
        ours = [
            str(one) for one in self.ours if one["severity"] not in {"DEBUG", "INFO"} and one["message"] not in EXPECTED
        ]
        others = [f"{one.name}: {self.format(one)}" for one in self.records]  # our warnings report client errors
        self.ours.clear()
        self.records.clear()
        return ours + others


@pytest.fixture(scope="module")
def complaints() -> Iterator[Complaints]:
    """Listen to all loggers."""
    handler = Complaints()
    logging.getLogger().addHandler(handler)
    with capture_logs() as handler.ours:
        yield handler
    logging.getLogger().removeHandler(handler)


@pytest.fixture(autouse=True)
def _times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give clients that do not say who they are little time, and a Valkey that stands still a lot."""
    monkeypatch.setattr(client_requests, "RECOGNISE_S", 0.1)
    for module, names in PATIENT.items():
        for name in names:
            monkeypatch.setattr(module, name, PATIENCE_S)


@asynccontextmanager
async def in_memory() -> AsyncGenerator[Served]:
    """Serve on one instance, with a clock that steps may advance."""
    clock = Clock()
    async with bench(broker=InMemoryBroker(Limits(**LIMITS), clock=clock), **LIMITS) as at:
        yield Served([at], clock)


def on_two_instances(url: str) -> Serve:
    """Return a function that serves on two instances that share a Valkey, with a key prefix of their own."""

    @asynccontextmanager
    async def serve() -> AsyncGenerator[Served]:
        prefix = f"{{{secrets.token_hex(4)}}}:"
        async with AsyncExitStack() as stack:
            brokers = [ValkeyBroker(url, limits=Limits(**LIMITS), prefix=prefix) for _ in range(2)]
            yield Served([await stack.enter_async_context(bench(broker=one, **LIMITS)) for one in brokers])

    return serve


class Runs:
    """Carries out sequences one after the other, each with new principals, on one server until a sequence fails.

    Args:
        serve: starts a server.
        complaints: records what it logs.
    """

    def __init__(self, serve: Serve, complaints: Complaints) -> None:
        self.seen: Counter[str] = Counter()
        self._serve = serve
        self._complaints = complaints
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._served: Served | None = None
        self._tasks = set[asyncio.Task[Any]]()
        self._number = 0

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Carry out one sequence. Raises: AssertionError."""
        try:
            self._runner.run(self._carry_out(steps))
        except BaseException:
            self._runner.run(self._stop())  # the next sequence needs a new server
            raise

    def close(self) -> None:
        """End the server, and check that nothing is left."""
        self._runner.run(self._stop())
        self._runner.run(self._is_alone())
        self._runner.close()
        self._complaints.check()

    async def _carry_out(self, steps: Sequence[Step]) -> None:
        if self._served is None:
            self._served = await self._stack.enter_async_context(self._serve())
            self._complaints.take()
            self._tasks = asyncio.all_tasks() - {asyncio.current_task()}
        self._number += 1
        surface = Surface(self._served.instances, self._number, self._served.clock)
        try:
            for one in steps:
                await surface.take(one)
                self._complaints.check()
            await surface.end()
        finally:
            await surface.leave()
        await until(lambda: asyncio.all_tasks() - {asyncio.current_task()} <= self._tasks)
        self._complaints.check()
        self.seen.update(surface.judge.kinds)

    async def _stop(self) -> None:
        self._served = None
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    async def _is_alone(self) -> None:
        assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks are left over"


def run(examples: int, runs: Runs) -> None:
    """Carry out that many sequences."""

    @repeatable(examples)
    @given(steps=sequences)
    def all_of_them(steps: list[Step]) -> None:
        runs.carry_out(steps)

    try:
        all_of_them()
    finally:
        runs.close()
    print(dict(sorted(runs.seen.items())))


def test_no_sequence_of_requests_makes_one_instance_fail_or_mix_things_up(complaints: Complaints) -> None:
    run(200, Runs(in_memory, complaints))


def test_no_sequence_of_requests_makes_two_instances_fail_or_mix_things_up(
    broker_url: str, complaints: Complaints
) -> None:
    run(60, Runs(on_two_instances(broker_url), complaints))
