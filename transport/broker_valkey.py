"""Kept importable: `ValkeyBroker` is documented by this name; it lives in `transport.sessions.valkey.broker`."""

from transport.sessions.valkey.broker import ValkeyBroker

__all__ = ["ValkeyBroker"]
