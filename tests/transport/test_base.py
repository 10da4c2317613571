"""The edge of every transport: authentication failures, the principal in log lines, and bounded labels."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from shared.counting import BoundedLabels
from shared.identity import AuthenticationError, AuthProvider, Principal
from shared.telemetry import configure_logging
from tests.transport.http_client import call as calling
from tests.transport.http_client import http_client
from tests.transport.serving import bench
from tests.transport.test_streamable_http_stateless import said, tool


class Refuses(AuthProvider):
    """Fails authentication of every caller in one way."""

    def __init__(self, error: AuthenticationError) -> None:
        self._error = error

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Raise the error."""
        raise self._error


@pytest.fixture
def lines() -> Iterator[io.BytesIO]:
    """Yield the log, in the format of the server."""
    root = logging.getLogger()
    handlers, level, out = root.handlers[:], root.level, io.BytesIO()
    configure_logging(stream=io.TextIOWrapper(out, encoding="utf-8"))
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("status", "after_s", "header"), [(429, 17, "17"), (503, 2, "2"), (401, None, None), (400, None, None)]
)
async def test_a_retryable_authentication_error_has_retry_after(
    status: int, after_s: int | None, header: str | None
) -> None:
    error = AuthenticationError("Not now.", status=status, retry_after_s=after_s)
    async with bench(more={"auth_provider": Refuses(error)}) as at, http_client(at.url, {}, None) as client:
        refused = await client.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        assert (refused.status, refused.kind, refused.headers.get("retry-after")) == (status, "unauthenticated", header)
        labels = {"status": str(status), "kind": "unauthenticated", "tenant": "unknown"}
        assert at.counter.total("http_refusals", **labels) == 1


async def test_every_line_about_a_request_says_whose_it_is_and_no_other_does(lines: io.BytesIO) -> None:
    async with bench() as at:
        for tenant in ("default", "acme"):
            async with http_client(at.url, {"x-api-key": f"key-me@{tenant}"}) as client:
                broken = {"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "broken"}}
                await asyncio.gather(client.post(broken), said(client, tool("nothing")), client.get("nonsense"))
                await client.delete()
        async with http_client(at.url, {"x-api-key": ""}, None) as client:
            assert (await client.post(calling(1, "echo"))).status == 401
    logged: list[dict[str, Any]] = [json.loads(line) for line in lines.getvalue().splitlines()]
    whose = {
        tenant: {one["message"] for one in logged if one.get("tenant") == tenant} for tenant in ("default", "acme")
    }
    about = {"session_opened", "session_initialized", "request_handler_failed", "request_refused", "session_ended"}
    assert all(about <= events for events in whose.values()), whose
    assert {one["principal"] for one in logged if "tenant" in one} == {"me"}
    (stranger,) = (one for one in logged if one["message"] == "request_refused" and one["status"] == 401)
    assert not {"tenant", "principal"} & stranger.keys()
    assert "the secret" not in "".join(one["message"] for one in logged)
    assert not any("tenant" in one for one in logged if one["message"] == "request_refused" and one["status"] == 401)


def test_the_number_of_names_is_bounded_and_known_ones_stay_known() -> None:
    names = BoundedLabels(2)
    assert [names.label(one) for one in ("a", "b", "c", "a", "c")] == ["a", "b", "other", "a", "other"]


async def test_organisations_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.app.MAX_TENANTS", 2)
    async with bench() as at, http_client(at.url, {}, None) as client:
        for tenant in ("a", "b", "c", "d", "a"):
            await said(client.who({"x-api-key": f"key-me@{tenant}"}), tool("echo", text="x"))
        await client.who({"x-api-key": "key-me@e"}).get()
        assert [at.counter.total("mcp_requests", tenant=one) for one in ("a", "b", "other")] == [2, 1, 2]
        assert at.counter.total("http_refusals", tenant="other") == 1
