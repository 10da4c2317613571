"""Runs tests of what all brokers have in common over each broker."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.transport import serving
from tests.transport.brokers import MakeBroker, Quiet
from tests.transport.serving import until
from transport.sessions.broker import Listener, SessionBroker
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits
from transport.sessions.valkey.broker import ValkeyBroker


@pytest.fixture(params=["memory", "valkey"])
def any_broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make `bench` use one kind of broker."""
    kind = str(request.param)
    if kind == "valkey":
        url = request.getfixturevalue("broker_url")

        def shared(limits: Limits) -> SessionBroker:
            return ValkeyBroker(url, limits=limits, prefix=f"{{{secrets.token_hex(4)}}}:")

        monkeypatch.setattr(serving, "make_broker", shared)
    return kind


@pytest.fixture(params=["memory", "valkey"])
async def make_broker(request: pytest.FixtureRequest) -> AsyncGenerator[MakeBroker]:
    """Make brokers of one kind, with the given bounds, which run until the test ends."""
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
