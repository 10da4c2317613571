"""S11: a wire that is being retired says so in every answer, and from its day on says where to go and nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.kills import kills
from tests.transport.gated_server import Gates, gated_server
from tests.transport.serving import KeyPerPerson, serve
from tests.transport.sse_client import sse_session
from transport import Limits, Transport, TransportOptions
from transport.http import migration_guide
from transport.http.deprecation import Sunset
from transport.http.errors import HTTPRefusalError

DAY: Final = date(2027, 3, 31)
MIDNIGHT: Final = datetime(2027, 3, 31, tzinfo=UTC).timestamp()
ME: Final = {"x-api-key": "key-me"}
ANNOUNCED: Final = {"deprecation": "@1742947200", "sunset": "Wed, 31 Mar 2027 00:00:00 GMT"}
LINK: Final = (
    '</migration>; rel="deprecation"; type="text/plain", </migration>; rel="sunset"; type="text/plain", '
    '</mcp>; rel="successor-version"'
)
PING: Final = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
UNKNOWN: Final = f"/messages?session_id={'0' * 43}"


class Clock:
    """A clock that stands where a test puts it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Served:
    url: str
    http: httpx2.AsyncClient
    transport: Transport
    gates: Gates


@asynccontextmanager
async def served(mount: str = "", **options: Any) -> AsyncGenerator[Served]:
    """Serve the gated server for `KeyPerPerson` with these options of the transport."""
    server, gates = gated_server()
    transport = Transport(server, auth_provider=KeyPerPerson(), options=TransportOptions(**options))

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with transport.run():
            yield

    app = Starlette(routes=[Mount(mount, routes=transport.routes)] if mount else transport.routes, lifespan=lifespan)
    async with serve(app) as url, httpx2.AsyncClient(base_url=f"{url}{mount}", headers=ME) as http:
        yield Served(f"{url}{mount}", http, transport, gates)


def announced(response: httpx2.Response) -> dict[str, str]:
    return {name: response.headers[name] for name in ("deprecation", "sunset", "link") if name in response.headers}


# --------------------------------------------------------------------- the day


@pytest.mark.parametrize(("now", "is_over"), [(MIDNIGHT - 1, False), (MIDNIGHT, True), (MIDNIGHT + 1, True)])
def test_it_ends_as_the_day_begins_in_utc(now: float, is_over: bool) -> None:
    assert Sunset(day=DAY, clock=Clock(now)).is_over is is_over


def test_what_is_not_served_at_all_is_over_and_names_no_day() -> None:
    sunset = Sunset(day=None)

    assert sunset.is_over
    assert "sunset" not in sunset.headers("")


def test_the_new_address_is_whole_where_it_is_known_and_else_a_path_of_this_application() -> None:
    received = []
    for url, root in (("https://tickets.example.com", ""), ("", ""), ("", "/team")):
        with pytest.raises(HTTPRefusalError) as caught:
            Sunset(day=None, public_url=url).require_open(root)
        received.append((caught.value.status, caught.value.kind, str(caught.value)))

    text = (
        "HTTP+SSE is not served here any more. Connect by Streamable HTTP at {0}/mcp instead; "
        "{0}/migration says what to change."
    )
    assert received == [(410, "gone", text.format(base)) for base in ("https://tickets.example.com", "", "/team")]


# --------------------------------------------------------------------- before


async def test_until_the_day_every_answer_of_the_wire_announces_it() -> None:
    async with served(sse_sunset=DAY, clock=Clock(MIDNIGHT - 1)) as at:
        async with at.http.stream("GET", "/sse") as stream:
            responses = [
                stream,
                await at.http.post(UNKNOWN, json=PING),
                await at.http.post("/sse", json=PING),
                await at.http.get("/sse", headers={"x-api-key": "wrong"}),
                await at.http.get("/sse", headers={"origin": "https://evil.example"}),
            ]
        async with sse_session(at.url, ME) as client:
            responses.append(await client.post(PING))
        wires = at.transport.wires

    assert [response.status_code for response in responses] == [200, 404, 405, 401, 403, 202]
    assert [announced(response) for response in responses] == [{**ANNOUNCED, "link": LINK}] * len(responses)
    assert "sse" in wires


async def test_without_a_day_nothing_is_announced() -> None:
    async with served() as at, sse_session(at.url, ME) as client:
        responses = [await client.post(PING), await at.http.post(UNKNOWN, json=PING)]

    assert [announced(response) for response in responses] == [{}, {}]


async def test_a_mounted_application_tells_its_own_addresses() -> None:
    async with served("/team", sse_sunset=DAY, clock=Clock(MIDNIGHT - 1)) as at:
        response = await at.http.post(UNKNOWN, json=PING)

    assert response.headers["link"] == LINK.replace("</", "</team/")


# --------------------------------------------------------------------- from the day on


@kills(
    "transport/http/endpoint.py",
    "self._sunset.require_open(head",
    "await edge.auth_provider.authenticate(request); self._sunset.require_open(head",
)
async def test_from_the_day_on_it_is_gone_for_everyone_and_says_where_to_go() -> None:
    async with served(sse_sunset=DAY, clock=Clock(MIDNIGHT), public_url="https://tickets.example.com") as at:
        responses = [
            await at.http.get("/sse"),
            await at.http.get("/sse", headers={"x-api-key": "expired"}),
            await at.http.post("/sse", json=PING),
            await at.http.post(UNKNOWN, json=PING),
            await at.http.post("/messages", content=b"{", headers={"x-api-key": ""}),
        ]
        wires = at.transport.wires

    for response in responses:
        error = response.json()["error"]
        assert response.status_code == 410
        assert response.headers["cache-control"] == "no-store", "an operator may go back"
        assert error["data"] == {"kind": "gone"}
        assert "https://tickets.example.com/mcp" in error["message"]
        assert announced(response) == {**ANNOUNCED, "link": LINK.replace("</", "<https://tickets.example.com/")}
    assert "sse" not in wires


async def test_what_is_open_on_the_day_gets_its_answers_and_ends_at_its_rotation() -> None:
    clock = Clock(MIDNIGHT - 1)
    async with served(sse_sunset=DAY, clock=clock, limits=Limits(stream_s=3)) as at, sse_session(at.url, ME) as client:
        call = {"name": "write", "arguments": {"gate": "g"}}
        await client.post({"jsonrpc": "2.0", "id": "before", "method": "tools/call", "params": call})
        await at.gates.reached["g"].wait()
        clock.now = MIDNIGHT
        later = await client.post(PING)
        at.gates.open["g"].set()
        response = await client.response("before")
        async with asyncio.timeout(30):
            await client.ended.wait()
        again = await at.http.get("/sse", headers={"mcp-protocol-version": "2025-11-25"})

    assert later.status_code == again.status_code == 410
    assert response["result"]["isError"] is False


# --------------------------------------------------------------------- which wires


async def test_the_old_wire_is_gone_where_only_the_new_one_is_served() -> None:
    async with served(wires={"streamable_http"}) as at:
        responses = [await at.http.get("/sse"), await at.http.post(UNKNOWN, json=PING)]
        page = await at.http.get("/migration")

    assert [response.status_code for response in responses] == [410, 410]
    assert [announced(response) for response in responses] == [{"deprecation": "@1742947200", "link": LINK}] * 2
    assert "not served here any more" in page.text


async def test_the_new_wire_is_unknown_where_only_the_old_one_is_served() -> None:
    async with served(wires={"sse"}) as at, sse_session(at.url, ME) as client:
        responses = [await at.http.post("/mcp", json=PING), await at.http.get("/migration")]
        pong = await client.request("ping")
        wires = at.transport.wires

    assert [response.status_code for response in responses] == [404, 404], "no client knows these addresses yet"
    assert pong["result"] == {}
    assert wires == {"sse"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"wires": ()}, "wires must be some of sse, streamable_http"),
        ({"wires": {"sse", "http"}}, "wires must be some of sse, streamable_http"),
        ({"wires": {"sse"}, "sse_sunset": DAY}, "an end of sse needs streamable_http among the wires"),
    ],
)
def test_what_would_leave_clients_nowhere_to_go_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TransportOptions(**options)


# --------------------------------------------------------------------- the page


async def test_the_page_needs_no_key_and_can_only_be_read() -> None:
    async with served(sse_sunset=DAY, clock=Clock(MIDNIGHT - 1), public_url="https://tickets.example.com") as at:
        page = await at.http.get("/migration", headers={"x-api-key": ""})
        posted = await at.http.post("/migration", json=PING)

    assert (page.status_code, posted.status_code) == (200, 405)
    assert page.headers["content-type"] == "text/plain; charset=utf-8", "browsers show it"
    assert "ends here on 2027-03-31 at 00:00 UTC" in page.text
    assert "\n    https://tickets.example.com/mcp\n" in page.text
    assert announced(page) == {}


@pytest.mark.parametrize(
    ("sunset", "said"),
    [
        (None, "No end of HTTP+SSE (/sse, /messages) has been set"),
        (Sunset(day=DAY, clock=Clock(MIDNIGHT - 1)), "ends here on 2027-03-31"),
        (Sunset(day=DAY, clock=Clock(MIDNIGHT)), "not served here any more"),
    ],
)
def test_the_page_says_how_long_there_is(sunset: Sunset | None, said: str) -> None:
    assert said in migration_guide.page("https://tickets.example.com", sunset)


def test_every_line_of_the_page_can_be_copied_even_where_the_address_is_not_known() -> None:
    page = migration_guide.page("/team", None)

    assert "claude mcp add --transport http NAME https://THIS-SERVER/team/mcp\n" in page
    assert "claude mcp add --transport sse NAME https://THIS-SERVER/team/sse\n" in page
    assert "OLD" not in page
    assert "NEW" not in page
