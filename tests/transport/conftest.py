"""Runs tests of what all brokers have in common over each broker."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.transport import serving
from tests.transport.brokers import MakeBroker, Quiet
from tests.transport.serving import until
from transport.dispatch import client_requests
from transport.sessions.broker import Listener, SessionBroker
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits
from transport.sessions.valkey import broker as valkey_broker
from transport.sessions.valkey import calls, connection, local_streams, rate_limit, subscription
from transport.sessions.valkey.broker import ValkeyBroker

PATIENCE_S = 30.0


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give nothing up because Valkey, or this process, stood still for a moment: for tests that never end Valkey."""
    for module in (valkey_broker, calls, local_streams):
        monkeypatch.setattr(module, "FINISH_S", PATIENCE_S)
    monkeypatch.setattr(valkey_broker, "OWN_STREAM_S", PATIENCE_S)
    monkeypatch.setattr(rate_limit, "CONSUME_S", PATIENCE_S)
    monkeypatch.setattr(connection, "CONNECT_S", PATIENCE_S)
    monkeypatch.setattr(connection, "OPERATION_S", PATIENCE_S)
    monkeypatch.setattr(subscription, "QUIET_S", PATIENCE_S)


@pytest.fixture
def many_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ping a client that reconnects as often as usual, and for as long as a stall may take."""
    monkeypatch.setattr(client_requests, "PINGS", 60)
    monkeypatch.setattr(client_requests, "RECOGNISE_S", PATIENCE_S)


@pytest.fixture(params=["memory", "valkey"])
def any_broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make `bench` use one kind of broker."""
    kind = str(request.param)
    if kind == "valkey":
        request.getfixturevalue("patience")
        url = request.getfixturevalue("broker_url")

        def shared(limits: Limits) -> SessionBroker:
            return ValkeyBroker(url, limits=limits, prefix=f"{{{secrets.token_hex(4)}}}:")

        monkeypatch.setattr(serving, "make_broker", shared)
    return kind


@pytest.fixture(params=["memory", "valkey"])
async def make_broker(request: pytest.FixtureRequest) -> AsyncGenerator[MakeBroker]:
    """Make brokers of one kind, with the given bounds, which run until the test ends."""
    if request.param == "valkey":
        request.getfixturevalue("patience")
    leave = asyncio.Event()
    running: list[asyncio.Task[None]] = []

    async def work(broker: SessionBroker, listener: Listener) -> None:
        async with broker.run(listener):
            await leave.wait()

    async def make(listener: Listener | None = None, **limits: Any) -> SessionBroker:
        broker: SessionBroker
        if request.param == "memory":
            broker = InMemoryBroker(Limits(**limits))
        else:
            url = request.getfixturevalue("broker_url")
            broker = ValkeyBroker(url, limits=Limits(**limits), prefix=f"{{{secrets.token_hex(4)}}}:")
        running.append(asyncio.create_task(work(broker, listener or Quiet())))
        await until(lambda: broker.is_up)
        return broker

    yield make
    leave.set()
    await asyncio.gather(*running)
