"""What a browser asks for before it lets the script of a page call here: preflights, and headers it may read."""

import httpx2
import pytest

from tests.kills import kills
from tests.transport.serving import bench
from tests.transport.sse_client import initialize_params

PAGE, STRANGER = "https://inspector.example", "https://stranger.example"
ME = {"x-api-key": "key-me", "accept": "application/json, text/event-stream"}
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()}


def preflight(origin: str, headers: str) -> dict[str, str]:
    return {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": headers}


@pytest.mark.parametrize("path", ["/mcp", "/messages"])
async def test_a_page_of_an_accepted_origin_may_send_a_key_and_the_headers_of_mcp(path: str) -> None:
    asked = "content-type, x-api-key, mcp-session-id, mcp-protocol-version, mcp-param-region"
    async with bench(origins=[PAGE]) as at, httpx2.AsyncClient() as http:
        response = await http.request("OPTIONS", at.url + path, headers=preflight(PAGE, asked))
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-headers"] == asked
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in response.headers


@kills("transport/app.py", "allow_origin_regex=checks.origins.pattern,", 'allow_origin_regex=".*",')
async def test_a_page_of_another_origin_may_not_even_ask() -> None:
    async with bench(origins=[PAGE]) as at, httpx2.AsyncClient() as http:
        asked = await http.request("OPTIONS", f"{at.url}/mcp", headers=preflight(STRANGER, "x-api-key"))
        sent = await http.post(f"{at.url}/mcp", json=INITIALIZE, headers=ME | {"origin": STRANGER})
    assert (asked.status_code, sent.status_code) == (400, 403)
    assert "access-control-allow-origin" not in {**asked.headers, **sent.headers}


async def test_a_page_may_read_the_session_and_why_it_was_refused() -> None:
    async with bench(origins=[PAGE]) as at, httpx2.AsyncClient() as http:
        opened = await http.post(f"{at.url}/mcp", json=INITIALIZE, headers=ME | {"origin": PAGE})
        refused = await http.post(f"{at.url}/mcp", json=INITIALIZE, headers={"origin": PAGE})
    assert (opened.status_code, refused.status_code) == (200, 401)
    assert "mcp-session-id" in opened.headers
    for response in (opened, refused):
        readable = {name.strip().lower() for name in response.headers["access-control-expose-headers"].split(",")}
        assert {"mcp-session-id", "www-authenticate", "mcp-protocol-version"} <= readable
        assert response.headers["access-control-allow-origin"] == PAGE
        assert "Origin" in response.headers["vary"]


async def test_who_is_no_browser_gets_none_of_it() -> None:
    async with bench(origins=[PAGE]) as at, httpx2.AsyncClient() as http:
        opened = await http.post(f"{at.url}/mcp", json=INITIALIZE, headers=ME)
    assert not [name for name in opened.headers if name.startswith("access-control")]
