"""Paths that clients are sent, wherever the application is: below a path of a proxy, a server, another application."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.kills import kills
from tests.transport.gated_server import gated_server
from tests.transport.serving import KeyPerPerson, serve
from transport import asgi_app
from transport.http.public_address import base_of, path_of, prefix_of

ME: Final = {"x-api-key": "key-me"}


@pytest.mark.parametrize(
    ("public_url", "root_path", "base", "path"),
    [
        ("", "", "", ""),
        ("", "/team", "/team", "/team"),
        ("", "/team/", "/team", "/team"),
        ("https://t.example.com", "", "https://t.example.com", ""),
        ("https://t.example.com/", "", "https://t.example.com", ""),
        ("https://t.example.com", "/team", "https://t.example.com/team", "/team"),
        ("https://t.example.com/tickets", "", "https://t.example.com/tickets", "/tickets"),
        ("https://t.example.com/tickets/", "/team", "https://t.example.com/tickets", "/tickets"),
        ("https://t.example.com:8443/a/b/c/", "", "https://t.example.com:8443/a/b/c", "/a/b/c"),
        ("https://t.example.com/a%20b/c%2Fd", "", "https://t.example.com/a%20b/c%2Fd", "/a%20b/c%2Fd"),
        ("https://t.example.com/窓口", "", "https://t.example.com/%E7%AA%93%E5%8F%A3", "/%E7%AA%93%E5%8F%A3"),
        ("https://t.example.com//evil.example", "", "https://t.example.com/evil.example", "/evil.example"),
        ("", "//evil.example/x", "/evil.example/x", "/evil.example/x"),
        ("", "/a\nevent: x?y#z%41", "/a%0Aevent:%20x%3Fy%23z%2541", "/a%0Aevent:%20x%3Fy%23z%2541"),
        ("", "/a\u2028b", "/a%E2%80%A8b", "/a%E2%80%A8b"),
    ],
)
def test_the_operator_names_the_path_and_else_the_server(public_url: str, root_path: str, base: str, path: str) -> None:
    assert (base_of(public_url, root_path), path_of(public_url, root_path)) == (base, path)


@pytest.mark.parametrize(
    ("public_url", "prefix"),
    [
        ("", ""),
        ("https://t.example.com/", ""),
        ("https://t.example.com/a%20b/", "/a b"),
        ("https://t.example.com/%E7%AA%93%E5%8F%A3/1", "/窓口/1"),
    ],
)
def test_requests_bring_the_path_decoded(public_url: str, prefix: str) -> None:
    assert prefix_of(public_url) == prefix


def application(public_url: str, mounted: str) -> Any:
    app = asgi_app(gated_server()[0], auth_provider=KeyPerPerson(), public_url=public_url)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with app.router.lifespan_context(app):
            yield

    return Starlette(routes=[Mount(mounted, app)], lifespan=lifespan) if mounted else app


async def endpoint_at(url: str) -> str:
    """Return the address where a client posts that opens a stream at `url`, as it resolves it."""
    async with httpx2.AsyncClient(headers=ME, timeout=10) as http, http.stream("GET", url) as stream:
        assert stream.status_code == 200, await stream.aread()
        received = b""
        async for chunk in stream.aiter_bytes():
            received += chunk
            if (found := re.search(rb"event: endpoint\ndata: (.*)\n\n", received)) is not None:
                address = urljoin(url, found[1].decode())
                posted = await http.post(address, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
                assert urlsplit(address).netloc == urlsplit(url).netloc
                return f"{urlsplit(address).path} {posted.status_code}"
    raise AssertionError(received)


@kills("transport/http/endpoint.py", 'path.startswith(f"{self._prefix}/")', "False")
@pytest.mark.parametrize(
    ("public_url", "mounted", "root_path", "requested", "endpoint"),
    [
        ("", "", "", "/sse", "/messages 202"),
        ("", "/team", "", "/team/sse", "/team/messages 202"),
        ("", "", "/proxied", "/sse", "/proxied/messages 404"),  # the proxy that this path is of is not here
        ("", "/team", "/proxied", "/team/sse", "/proxied/team/messages 404"),
        ("https://t.example.com", "/team", "", "/team/sse/", "/team/messages 202"),
        ("https://t.example.com/tickets/", "", "", "/sse", "/tickets/messages 202"),
        ("https://t.example.com/tickets", "", "", "/tickets/sse", "/tickets/messages 202"),
        ("https://t.example.com/tickets", "", "/tickets", "/sse", "/tickets/messages 202"),
        ("https://t.example.com/tickets", "", "/tickets", "/tickets/sse", "/tickets/messages 202"),
        ("https://t.example.com/team", "/team", "", "/team/sse", "/team/messages 202"),
        ("https://t.example.com/a/窓", "", "", "/a/%E7%AA%93/sse/", "/a/%E7%AA%93/messages 202"),
        ("https://t.example.com/b%20c", "", "", "/b%20c/sse", "/b%20c/messages 202"),
        ("https://t.example.com/sse", "", "", "/sse", "/sse/messages 202"),
    ],
)  # fmt: skip
async def test_the_endpoint_event_leads_back_to_this_application(
    public_url: str, mounted: str, root_path: str, requested: str, endpoint: str
) -> None:
    async with serve(application(public_url, mounted), root_path=root_path) as url:
        assert await endpoint_at(f"{url}{requested}") == endpoint


async def test_a_path_that_a_client_chose_cannot_break_out_of_its_event() -> None:
    async with serve(application("", "/{tenant}")) as url:
        for chosen in ("a%0Adata:x", "%E2%80%A8", "%0D", "a%3Fb%23c"):
            assert await endpoint_at(f"{url}/{chosen}/sse") == f"/{chosen}/messages 202"


async def test_the_path_belongs_to_whole_names() -> None:
    async with serve(application("https://t.example.com/tickets", "")) as url, httpx2.AsyncClient(headers=ME) as http:
        statuses = [
            (await http.put(f"{url}{path}")).status_code
            for path in ("/mcp", "/tickets/mcp", "/tickets/mcp/", "/ticketsmcp", "/tickets2/mcp", "/x/tickets/mcp")
        ]

    assert statuses == [405, 405, 405, 404, 404, 404]
