"""The migration from HTTP+SSE to Streamable HTTP on real server processes, and the usage counts that operators read."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client

from tests.processes import HTTP_DOOR, KEY, ROOT, Process, http_door, sqlite
from tests.test_clients import typescript
from tests.transport.sse_client import SseClient, open_stream, sse_session

pytestmark = pytest.mark.long

AS_CLIENT: Final = {"x-api-key": KEY}
PING: Final = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
UNKNOWN: Final = f"/messages?session_id={'0' * 43}"
PUBLIC: Final = "https://tickets.example.com"
LINK: Final = (
    f'<{PUBLIC}/migration>; rel="deprecation"; type="text/plain", '
    f'<{PUBLIC}/migration>; rel="sunset"; type="text/plain", <{PUBLIC}/mcp>; rel="successor-version"'
)
AHEAD: Final = {"MCP_SSE_SUNSET": "2999-12-31", "MCP_PUBLIC_URL": f"{PUBLIC}/"}
PAST: Final = {"MCP_SSE_SUNSET": "2025-12-31", "MCP_PUBLIC_URL": PUBLIC}
GUIDE: Final = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")


def lines(said: str, event: str) -> list[dict[str, Any]]:
    """Return what a process logged as `event`."""
    return [json.loads(line) for line in said.splitlines() if f'"message":"{event}"' in line]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose sunset has passed."""
    with http_door(tmp_path_factory.mktemp("door"), **PAST) as (address, _):
        yield address


async def test_before_the_sunset_a_client_works_and_is_warned(tmp_path: Path) -> None:
    with http_door(tmp_path, **AHEAD) as (address, _):
        async with httpx2.AsyncClient(base_url=address, timeout=20) as http:
            client = SseClient(http, AS_CLIENT)
            async with open_stream(client) as stream:
                await client.initialize()
                result = await client.call("get_statuses")
                responses = [stream, await client.post(PING), await http.get("/sse"), await http.post(UNKNOWN)]
            health, page = await http.get("/health"), await http.get("/migration")

    assert result["isError"] is False
    assert [response.status_code for response in responses] == [200, 202, 401, 401]
    for response in responses:
        assert response.headers["deprecation"] == "@1742947200"
        assert response.headers["sunset"] == "Tue, 31 Dec 2999 00:00:00 GMT"
        assert response.headers["link"] == LINK
    assert health.json()["transport"] == "all"
    assert "sunset" not in health.headers
    assert "ends here on 2999-12-31" in page.text
    assert f"\n    {PUBLIC}/mcp\n" in page.text


async def test_after_the_sunset_every_request_gets_the_new_address(ended: str) -> None:
    async with httpx2.AsyncClient(base_url=ended) as http:
        responses = [
            await http.get("/sse", headers=AS_CLIENT),
            await http.get("/sse", headers={"x-api-key": "expired"}),
            await http.post(UNKNOWN, headers=AS_CLIENT, json=PING),
            await http.post("/sse", json=PING),
        ]
        health, page = await http.get("/health"), await http.get("/migration")

    shown = json.loads(re.findall(r"^```json\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)[0])
    for response in responses:
        assert response.status_code == 410
        assert response.json() == shown, "as the guide shows it"
        assert response.headers["sunset"] == "Wed, 31 Dec 2025 00:00:00 GMT"
        assert response.headers["link"] == LINK
    assert health.json()["transport"] == "streamable_http"
    assert "not served here any more" in page.text


async def test_third_party_clients_stop_and_show_at_least_the_status(ended: str, node_modules: Path) -> None:
    with pytest.raises(httpx2.HTTPStatusError, match="410 Gone"):
        async with Client(sse_client(f"{ended}/sse", headers=AS_CLIENT)):
            pass
    code, said = await typescript(node_modules, sdk="v1", sse={"url": f"{ended}/sse", "headers": AS_CLIENT})

    assert (code, said["refused"]["code"]) == (3, 410)


async def test_streamable_http_alone_is_what_it_offers_and_the_old_wire_is_gone(tmp_path: Path) -> None:
    with http_door(tmp_path, MCP_TRANSPORT_TYPE="streamable_http") as (address, process):
        response, health = httpx2.get(f"{address}/sse", headers=AS_CLIENT), httpx2.get(f"{address}/health")
        said = process.said_so_far()

    assert response.status_code == 410
    assert "Streamable HTTP at /mcp instead" in response.json()["error"]["message"]
    assert "sunset" not in response.headers
    assert health.json()["transport"] == "streamable_http"
    assert f"claude mcp add --transport http tickets {address}/mcp" in said
    assert f"{address}/sse" not in said


async def test_sse_alone_announces_nothing(tmp_path: Path) -> None:
    with http_door(tmp_path, MCP_TRANSPORT_TYPE="sse") as (address, _):
        async with sse_session(address, AS_CLIENT) as client:
            accepted = await client.post(PING)
            others = [await client.http.get("/migration"), await client.http.post("/mcp", json=PING)]
            health = await client.http.get("/health")

    assert accepted.status_code == 202
    assert not {"deprecation", "sunset", "link"} & set(accepted.headers)
    assert [other.status_code for other in others] == [404, 404]
    assert health.json()["transport"] == "sse"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"MCP_TRANSPORT_TYPE": "http"}, "MCP_TRANSPORT_TYPE must be one of all, sse, streamable_http"),
        ({"MCP_SSE_SUNSET": "31.3.2027"}, "MCP_SSE_SUNSET must be a day as YYYY-MM-DD, for example 2027-03-31"),
        (
            {"MCP_SSE_SUNSET": "2027-03-31", "MCP_TRANSPORT_TYPE": "sse"},
            "set MCP_TRANSPORT_TYPE=all, or leave MCP_SSE_SUNSET out",
        ),
    ],
)
def test_a_wrong_step_is_refused_with_what_would_be_right(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    good = {"PORT": "0", "MCP_MCP_API_KEY": KEY, "MCP_DATABASE_URL": sqlite(tmp_path)}
    with Process(HTTP_DOOR, **(good | settings)) as process:
        code = process.wait()

    assert code == 2
    assert sentence in process.said.splitlines()[-1]


async def test_the_operators_stats_are_in_the_log_and_the_guides_command_adds_them_up(tmp_path: Path) -> None:
    with http_door(tmp_path) as (address, process):
        async with sse_session(address, AS_CLIENT) as client:
            await client.call("get_statuses")
            await client.call("get_users")
        code = process.end()
    labels = {"wire": "sse", "revision": "2025-11-25", "client": "test"}
    (session,), (used,) = lines(process.said, "session_initialized"), lines(process.said, "usage")
    (opened,) = lines(process.said, "stream_opened")

    assert code == 0
    assert labels.items() <= session.items()
    assert (labels | {"sessions": 1, "requests": 3}).items() <= used.items()
    assert opened["session"] == session["session"], "a stream leads to its client's name"

    log = tmp_path / "server.log"
    log.write_text(process.said * 2, encoding="utf-8")
    (program,) = re.findall(r"^python3 - server\.log <<'END'\n(.*?)^END$", GUIDE, re.MULTILINE | re.DOTALL)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-", str(log)],
        input=program,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=True,
    )
    assert done.stdout == "sse\t2025-11-25\ttest\t6\n"
