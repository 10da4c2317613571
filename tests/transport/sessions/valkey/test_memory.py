"""What a session takes in Valkey, against the figures of docs/sessions.md."""

import re
from typing import Any, Final

import pytest
import redis

from tests.processes import ROOT
from tests.transport.http_client import http_client
from tests.transport.serving import bench, until
from tests.transport.sse_client import sse_session
from tests.valkey import ValkeyServer
from transport.sessions.session import Limits
from transport.sessions.valkey.broker import PREFIX, ValkeyBroker
from transport.sessions.valkey.scripts import of_layout

pytestmark = pytest.mark.usefixtures("patience")
DOCUMENT: Final = (ROOT / "docs" / "sessions.md").read_text("utf-8")
ME: Final = {"x-api-key": "key-me"}
YOU: Final = {"x-api-key": "key-you"}
REQUESTS: Final = 100
MANY: Final = 600
"""More than Valkey keeps as a list (512): a hash takes more for each."""
KB: Final = 1000


def documented(pattern: str) -> float:
    """Return the figure that the document gives, in bytes."""
    found = re.search(pattern, DOCUMENT)
    assert found is not None, pattern
    return float(found[1]) * KB


def bytes_of(store: redis.Redis, kinds: str) -> int:
    """Return what the keys of some kinds take; see transport/sessions/valkey/lua/common.lua for the letters."""
    keys = [key for kind in kinds for key in store.scan_iter(f"{of_layout(PREFIX)}{kind}:*")]
    return sum(store.memory_usage(key, samples=0) or 0 for key in keys)


async def test_a_session_that_only_initialized_takes_in_valkey_what_is_documented(valkey: ValkeyServer) -> None:
    most = documented(r"After `initialize` a session takes (\d+) kB")
    store = redis.Redis.from_url(valkey.url)
    async with bench(broker=ValkeyBroker(valkey.url, limits=Limits())) as served:
        async with http_client(served.url, ME):
            over_streamable_http = bytes_of(store, "scdeto")
        async with sse_session(served.url, YOU):
            over_sse = bytes_of(store, "scdeto") - over_streamable_http

    for taken in (over_streamable_http, over_sse):
        assert 0.8 * most <= taken <= most


async def test_a_request_and_its_response_take_in_valkey_what_is_documented(valkey: ValkeyServer) -> None:
    of_a_response = documented(r"each of its last 4,096 responses over HTTP\+SSE takes (\d\.\d+) kB more")
    of_a_stream = documented(r"the stream of each POST on `/mcp` (\d\.\d+) kB")
    of_an_event = documented(r"each of its last 256 events (\d\.\d+) kB plus its text")
    store: Any = redis.Redis.from_url(valkey.url)
    async with bench(broker=ValkeyBroker(valkey.url, limits=Limits())) as served:
        async with http_client(served.url, ME) as client:
            before = {kind: bytes_of(store, kind) for kind in "cet"}
            for number in range(REQUESTS):
                await client.call(number + 10, "echo", text="x" * 100)
            await until(lambda: bytes_of(store, "t") > before["t"])
            grown = {kind: (bytes_of(store, kind) - before[kind]) / REQUESTS for kind in "cet"}
            (log,) = store.scan_iter(f"{of_layout(PREFIX)}e:*")
            texts = [entry[1][b"m"] for entry in store.xrange(log)]
        async with sse_session(served.url, YOU) as over_sse:
            before["d"] = bytes_of(store, "d")
            for _ in range(MANY):
                await over_sse.call("echo", text="x")
            grown["d"] = (bytes_of(store, "d") - before["d"]) / MANY

    assert grown["c"] <= 0, "nothing is kept of what ran, apart from its response"
    assert 0.7 * of_a_response <= grown["d"] <= of_a_response
    assert 0.7 * of_a_stream <= grown["t"] <= of_a_stream
    assert grown["e"] <= of_an_event + sum(map(len, texts)) / len(texts)
