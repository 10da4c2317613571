"""What a page of another site gets when its browser sends no Origin, as for an image; a browser says where it is.

Source: W3C Fetch Metadata Request Headers.
"""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import product

import httpx2
import pytest

from tests.kills import kills
from tests.transport.serving import bench
from tests.transport.sse_client import initialize_params

PAGE = "https://inspector.example"
ME = {"x-api-key": "key-me", "accept": "application/json, text/event-stream"}
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()}
IMAGE = {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
ROUTES = [("GET", "/sse"), ("GET", "/mcp"), ("POST", "/mcp"), ("DELETE", "/mcp"), ("POST", "/messages")]
SPELLINGS = [*ROUTES, ("GET", "/sse/"), ("POST", "/mcp/"), ("GET", "/sse?a=b")]
OPENING = [("GET", "/sse"), ("POST", "/mcp")]


async def tried(
    routes: Iterable[tuple[str, str]], headers: Iterable[Mapping[str, str]]
) -> tuple[dict[tuple[str, str, str], int], int]:
    """Send each of `headers` to each route; return every status, and how many sessions there are in the end."""
    statuses = {}
    async with bench(origins=[PAGE]) as at, httpx2.AsyncClient() as http:
        for (method, path), more in product(routes, headers):
            body = INITIALIZE if method == "POST" else None
            async with http.stream(method, at.url + path, headers={**ME, **more}, json=body) as response:
                statuses[method, path, str(more)] = response.status_code
        return statuses, at.transport.stats()["sessions"]


def all_are(status: int, statuses: Mapping[tuple[str, str, str], int]) -> bool:
    assert {which: seen for which, seen in statuses.items() if seen != status} == {}
    return bool(statuses)


@kills("transport/http/request_checks.py", "if not OWN_SITES.issuperset(head.sites):", "if False:")
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_of_another_site_opens_no_session(site: str) -> None:
    statuses, sessions = await tried(SPELLINGS, [IMAGE | {"sec-fetch-site": site}, {"sec-fetch-site": site}])
    assert all_are(403, statuses)
    assert sessions == 0


async def test_a_site_that_is_not_known_to_be_our_own_is_refused() -> None:
    sites = ("Cross-Site", "SAME-SITE", "another-word", "same-origin, cross-site", "")
    statuses, sessions = await tried(OPENING, [{"sec-fetch-site": site} for site in sites])
    assert all_are(403, statuses)
    assert sessions == 0


async def test_two_headers_that_contradict_each_other_are_refused() -> None:
    twice = [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site"), *ME.items()]
    async with bench(origins=[PAGE]) as at, httpx2.AsyncClient() as http:
        response = await http.get(f"{at.url}/sse", headers=twice)
    assert response.status_code == 403


async def test_the_refusal_has_a_kind_and_says_what_is_right() -> None:
    async with bench(origins=[PAGE]) as at, httpx2.AsyncClient() as http:
        refused = await http.get(f"{at.url}/sse", headers=IMAGE | {"sec-fetch-site": "cross-site"})  # no key either
    assert refused.json()["error"]["data"]["kind"] == "cross_site"
    assert "accepted Origin" in refused.json()["error"]["message"]


async def test_five_hundred_images_leave_every_slot_to_others() -> None:
    async with bench(origins=[PAGE], max_sessions_per_principal=3) as at, httpx2.AsyncClient() as http:
        image = ME | IMAGE | {"sec-fetch-site": "cross-site"}
        seen = {(await http.get(f"{at.url}/sse", headers=image)).status_code for _ in range(500)}
        opened = await http.post(f"{at.url}/mcp", json=INITIALIZE, headers=ME)
    assert (seen, opened.status_code) == ({403}, 200)


async def test_accepted_origins_and_programs_are_served() -> None:
    callers: list[dict[str, str]] = [
        {},
        {"origin": PAGE},
        {"origin": PAGE, "sec-fetch-site": "cross-site"},
        {"origin": PAGE, "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-mode": "cors"},  # Node's fetch
    ]
    statuses, sessions = await tried(OPENING, callers)
    assert all_are(200, statuses)
    assert sessions == len(callers) * len(OPENING)


async def test_an_origin_that_is_not_accepted_is_refused_whatever_the_site() -> None:
    origins, sites = ("null", "https://stranger.example", ""), ("cross-site", "same-origin", "none")
    callers = [{"origin": origin, "sec-fetch-site": site} for origin, site in product(origins, sites)]
    statuses, sessions = await tried(OPENING, callers)
    assert all_are(403, statuses)
    assert sessions == 0


async def test_a_preflight_of_an_accepted_page_is_answered_as_before() -> None:
    asked = {"origin": PAGE, "access-control-request-method": "POST", "sec-fetch-site": "cross-site"}
    async with bench(origins=[PAGE]) as at, httpx2.AsyncClient() as http:
        response = await http.request("OPTIONS", f"{at.url}/mcp", headers=asked | {"sec-fetch-mode": "cors"})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, PAGE)


async def test_a_person_who_navigates_here_reads_a_sentence_and_opens_no_session() -> None:
    browser = {"sec-fetch-mode": "navigate", "accept": "text/html,*/*;q=0.8"}
    paths, sites = ("/sse", "/messages", "/mcp", "/mcp/"), ("cross-site", "same-site", "none", "same-origin")
    async with bench(origins=[PAGE]) as at, httpx2.AsyncClient() as http, asyncio.timeout(30):
        for path, site in product(paths, sites):
            page = await http.get(at.url + path, headers=ME | browser | {"sec-fetch-site": site})
            assert (page.status_code, page.headers["content-type"]) == (200, "text/plain; charset=utf-8")
            assert "MCP client" in page.text
        assert at.transport.stats()["sessions"] == 0


async def test_a_form_of_another_site_is_no_navigation() -> None:
    statuses, sessions = await tried(
        [("POST", "/mcp")], [{"sec-fetch-mode": "navigate", "sec-fetch-site": "cross-site"}]
    )
    assert all_are(403, statuses)
    assert sessions == 0
