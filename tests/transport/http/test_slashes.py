"""`/mcp/` is `/mcp`: served and guarded alike, and never by a redirect, which would be built from `Host`.

Each request that is served so is counted as a habit of clients, which an operator can switch off.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from shared.client_habits import ClientHabits
from tests.processes import OPERATOR_KEY, http_door, sqlite
from tests.transport.gated_server import gated_server
from tests.transport.serving import KeyPerPerson, bench, serve
from tests.transport.sse_client import initialize_params, sse_session
from ticket_api import create_app
from transport.app import asgi_app

ME = {"x-api-key": "key-me", "accept": "application/json, text/event-stream"}
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}


@asynccontextmanager
async def sdk_app() -> AsyncGenerator[str]:
    async with serve(asgi_app(gated_server()[0], auth_provider=KeyPerPerson())) as url:
        yield url


async def test_a_session_goes_on_from_one_spelling_to_the_other() -> None:
    async with sdk_app() as url, httpx2.AsyncClient(headers=ME) as http:
        opened = await http.post(f"{url}/mcp/", json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        plain = await http.post(f"{url}/mcp", json=PING, headers=session)
        slashed = await http.post(f"{url}/mcp/", json=PING | {"id": 3}, headers=session)
        ended = await http.delete(f"{url}/mcp/", headers=session)
    assert [response.status_code for response in (opened, plain, slashed, ended)] == [200, 200, 200, 204]


async def test_messages_with_a_slash_reach_the_session_of_the_plain_spelling() -> None:
    async with bench() as at, sse_session(at.url, {"x-api-key": "key-me"}) as client:
        client.endpoint = client.endpoint.replace("/messages?", "/messages/?")
        response = await client.call("echo", text="hello")
    assert "hello" in str(response)


@pytest.mark.parametrize("path", ["/sse", "/messages", "/mcp"])
async def test_both_spellings_refuse_alike(path: str) -> None:
    method = "GET" if path == "/sse" else "POST"
    refused = {421: {"host": "a.example"}, 403: {"origin": "https://a.example"}, 401: {"x-api-key": "wrong"}}
    async with sdk_app() as url, httpx2.AsyncClient() as http:
        for status, headers in refused.items():
            plain, slashed = [
                await http.request(method, url + path + end, headers=ME | headers, json=PING) for end in ("", "/")
            ]
            assert (plain.status_code, plain.json()) == (slashed.status_code, slashed.json())
            assert plain.status_code == status


async def test_what_is_served_with_a_slash_is_counted_and_what_is_refused_is_not() -> None:
    async with bench() as at, sse_session(at.url, {"x-api-key": "key-me"}) as client, httpx2.AsyncClient() as http:

        def counted() -> int:
            return at.counter.total("client_habits", habit="final_slash")

        assert (await http.post(f"{at.url}/mcp/", json=INITIALIZE, headers=ME | {"x-api-key": "wrong"})).is_error
        assert (await http.post(f"{at.url}/mcp", json=INITIALIZE, headers=ME)).is_success
        assert counted() == 0
        assert (await http.post(f"{at.url}/mcp/", json=INITIALIZE, headers=ME)).is_success
        client.endpoint = client.endpoint.replace("/messages?", "/messages/?")
        await client.call("echo", text="x")
        async with http.stream("GET", f"{at.url}/sse/", headers=ME):
            assert counted() == 3
        assert at.counter.total("client_habits") == 3


def alone(app: Starlette) -> Starlette:
    return app


def mounted(app: Starlette) -> Starlette:
    return Starlette(routes=[Mount("/tickets", app)], lifespan=app.router.lifespan_context)


@pytest.mark.parametrize(("place", "prefix"), [(alone, ""), (mounted, "/tickets")])
@pytest.mark.parametrize("redirects", [False, True])
async def test_switched_off_it_is_not_found_wherever_the_application_is_and_never_redirected(
    place: Callable[[Starlette], Starlette], prefix: str, redirects: bool
) -> None:
    """Also where the application around it would redirect by itself, as Starlette does."""
    for off, status in (["final_slash"], 404), ([], 200):
        app = asgi_app(gated_server()[0], auth_provider=KeyPerPerson(), habits=ClientHabits(off=off))
        app.router.redirect_slashes = redirects
        async with serve(place(app)) as url, httpx2.AsyncClient(headers=ME) as http:
            plain = await http.post(f"{url}{prefix}/mcp", json=INITIALIZE)
            slashed = await http.post(f"{url}{prefix}/mcp/", json=INITIALIZE)
            others = [await http.get(f"{url}{prefix}{path}") for path in ("/messages/", "/sse/")] if off else []
        assert (plain.status_code, slashed.status_code) == (200, status)
        assert [response.status_code for response in others] == [404] * len(others)
        assert not [response for response in (slashed, *others) if "location" in response.headers]


async def test_an_end_of_the_wire_is_told_at_both_spellings() -> None:
    async with bench(more={"sse_sunset": date(2020, 1, 1)}) as at, httpx2.AsyncClient() as http:
        assert (await http.get(f"{at.url}/sse/")).status_code == 410


async def test_other_spellings_are_not_found_and_not_redirected() -> None:
    async with sdk_app() as url, httpx2.AsyncClient(headers=ME | {"host": "evil.example"}) as http:
        responses = [await http.get(url + path) for path in ("/mcp//", "//mcp", "/mcp/x/", "/sse/mcp/", "/")]
    assert [response.status_code for response in responses] == [404] * 5
    assert not [response for response in responses if "location" in response.headers]


def test_what_operators_ask_is_served_with_a_slash_too(tmp_path: Path) -> None:
    with http_door(tmp_path) as (address, _), httpx2.Client(base_url=address) as http:
        health, ready = http.get("/health/"), http.get("/ready/")
        stats = http.get("/metrics/", headers={"x-api-key": OPERATOR_KEY})
        refused = http.get("/metrics/")
        unknown = http.get("/docs/", headers={"host": "evil.example"})
    assert [one.status_code for one in (health, ready, stats, refused, unknown)] == [200, 200, 200, 401, 404]


async def test_the_ticket_api_never_redirects(tmp_path: Path) -> None:
    app = create_app(database_url=sqlite(tmp_path))
    async with serve(app) as url, httpx2.AsyncClient(headers={"host": "evil.example"}) as http:
        responses = [await http.get(url + path) for path in ("/health/", "/tickets/", "/docs/", "/openapi.json/")]
    assert [response.status_code for response in responses] == [404] * 4
    assert not [response for response in responses if "location" in response.headers]
