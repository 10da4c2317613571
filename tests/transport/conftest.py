"""Runs what a broker must not change over each broker."""

import secrets

import pytest

from tests.transport import serving
from transport.broker import SessionBroker
from transport.broker_valkey import ValkeyBroker
from transport.session import Limits


@pytest.fixture(params=["memory", "valkey"])
def any_broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have `bench` use one kind of broker."""
    kind = str(request.param)
    if kind == "valkey":
        url = request.getfixturevalue("broker_url")

        def shared(limits: Limits) -> SessionBroker:
            return ValkeyBroker(url, limits=limits, prefix=f"{{{secrets.token_hex(4)}}}:")

        monkeypatch.setattr(serving, "make_broker", shared)
    return kind
