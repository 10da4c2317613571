"""The documents in which clients find out where to sign in, and for which resource."""

from collections.abc import Sequence
from typing import Any, Final

import httpx2
import pytest
from starlette.applications import Starlette

from auth.oauth.metadata import WELL_KNOWN, metadata_routes
from auth.oauth.resources import PATHS

ISSUERS: Final = ("https://login.acme.example/", "https://id.globex.example/realms/a")
PUBLIC: Final = "https://tickets.example"


def client_of(public_url: str, issuers: Sequence[str] = ISSUERS, paths: Sequence[str] = PATHS) -> httpx2.AsyncClient:
    app = Starlette(routes=metadata_routes(public_url, issuers, paths))
    app.router.redirect_slashes = False
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://elsewhere.example")


def document(resource: str) -> dict[str, Any]:
    return {
        "resource": resource,
        "authorization_servers": list(ISSUERS),
        "scopes_supported": ["tickets:read", "tickets:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Ticket server",
    }


@pytest.mark.parametrize("public_url", [PUBLIC, f"{PUBLIC}/"])
@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("path", ["", "/mcp", "/sse"])
async def test_each_resource_has_a_document_and_the_public_address_one_for_both(
    public_url: str, path: str, end: str
) -> None:
    async with client_of(public_url) as http:
        response = await http.get(WELL_KNOWN + path + end)

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == document(PUBLIC + path)


@pytest.mark.parametrize("form", ["/tickets{0}{1}", "{0}/tickets{1}", "{0}{1}"])
@pytest.mark.parametrize("path", ["", "/mcp", "/sse"])
async def test_below_a_path_each_is_in_every_place_where_a_proxy_may_look(path: str, form: str) -> None:
    async with client_of(f"{PUBLIC}/tickets") as http:
        response = await http.get(form.format(WELL_KNOWN, path))

    assert response.json() == document(f"{PUBLIC}/tickets{path}")


@pytest.mark.parametrize("path", ["", "/mcp", "/sse"])
async def test_every_page_may_read_them_without_credentials(path: str) -> None:
    page = {"origin": "https://inspector.example"}
    ask = {"access-control-request-method": "GET", "access-control-request-headers": "mcp-protocol-version"}
    async with client_of(PUBLIC) as http:
        read = await http.get(WELL_KNOWN + path, headers=page)
        asked = await http.options(WELL_KNOWN + path, headers=page | ask)
        posted = await http.post(WELL_KNOWN + path)

    assert (read.status_code, asked.status_code, posted.status_code) == (200, 204, 405)
    for response in (read, asked):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
    assert asked.headers["access-control-allow-headers"] == "*, authorization"
    assert asked.headers["access-control-allow-methods"] == "GET, OPTIONS"
    assert "max-age" in read.headers["cache-control"]


async def test_there_is_no_document_about_anything_else() -> None:
    async with client_of(PUBLIC) as http:
        statuses = [(await http.get(WELL_KNOWN + path)).status_code for path in ("/messages", "/other", "//mcp")]

    assert statuses == [404, 404, 404]
