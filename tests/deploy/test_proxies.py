"""The configurations of nginx and Caddy, run in front of a started server; the systemd unit and the compose file.

TLS is removed from the configurations: what passes through the proxies is tested. The unit and the compose file are
compared with lists of documented keys (systemd.exec, systemd.service; the Compose specification), copied here.
"""

import configparser
import re
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import yaml
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from shared.config import CloudSettings
from shared.http.server import FILES_KEPT, MAX_CONNECTIONS
from tests.deploy.proxies import FOLDER, NAME, PROXIES, running, text_of
from tests.processes import KEY, ROOT, START_S, free_port, http_door, sqlite
from tests.transport.serving import until
from tests.transport.sse_client import sse_session
from transport.sessions.session import Limits

AS_CLIENT: Final = {"x-api-key": KEY, "host": NAME}
GONE_S: Final = 9
BEHIND_A_PROXY: Final = {"MCP_PUBLIC_URL": f"https://{NAME}", "MCP_TRUSTED_PROXIES": "1"}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.debian(name)) for name in PROXIES])
async def front(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The address of a proxy in front of a server."""
    with http_door(tmp_path, **BEHIND_A_PROXY, MCP_DATABASE_URL=sqlite(tmp_path)) as (door, _):
        port = free_port()
        proxy = PROXIES[request.param]
        with running(proxy(tmp_path, port, httpx2.URL(door).netloc.decode()), tmp_path):
            address = f"http://127.0.0.1:{port}"
            await until(lambda: is_up(address), START_S)
            yield address


def is_up(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/health", headers={"host": NAME}).status_code == 200
    except httpx2.TransportError:
        return False


async def test_streams_and_posts_pass_through_the_proxy_as_they_come(front: str) -> None:
    async with sse_session(front, AS_CLIENT) as client:  # the stream's first event has the address for the POSTs
        response = await client.call("get_statuses")
        assert response["isError"] is False
        assert not client.ended.is_set(), "the stream stays open"

    async with httpx2.AsyncClient(headers=AS_CLIENT) as http:
        async with Client(streamable_http_client(f"{front}/mcp", http_client=http)) as official:
            assert not (await official.call_tool("get_ticket_list", {"limit": 1})).is_error
        slashed = await http.post(f"{front}/mcp/", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        large = await http.post(f"{front}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "x" * 3_000_000})
        head = await http.get(f"{front}/health", headers={"a": "b" * 7_000})
    assert slashed.headers["content-type"] == large.headers["content-type"] == "application/json"
    assert slashed.status_code not in range(300, 400)
    assert large.status_code != 413
    assert head.status_code == 200


@pytest.mark.long
async def test_a_stream_outlives_the_silence_between_its_comments(front: str) -> None:
    async with sse_session(front, AS_CLIENT) as client:
        await client.until(lambda: client.comments >= 2, seconds=3 * Limits().heartbeat_s)
        assert not client.ended.is_set()


@pytest.mark.parametrize("file", ["nginx.conf", "Caddyfile"])
def test_time_outs_of_the_proxies_are_longer_than_silence_and_shorter_than_kept_connections(file: str) -> None:
    text = re.sub(r"#.*", "", text_of(file))
    times = dict(re.findall(r"(?m)^\s*(\w+)\s+(\d+)s;?\s*$", text))
    kept = times.pop("keepalive_timeout", times.pop("keepalive", None))
    assert kept is not None
    assert int(kept) < 65, "otherwise a proxy sends a request on a connection that the server is closing"
    assert times
    assert {name for name, seconds in times.items() if int(seconds) <= 2 * Limits().heartbeat_s} == set()
    assert re.search(r"max_(body_)?size 4(m|MiB)\b", text), "the largest message that is allowed"
    assert Limits().max_body_bytes == 4 * 1024 * 1024


DOCUMENTED_UNIT: Final = {
    "Unit": {"Description", "After", "Wants"},
    "Service": {
        *("Type", "DynamicUser", "StateDirectory", "WorkingDirectory", "Environment", "EnvironmentFile", "ExecStart"),
        *("Restart", "RestartSec", "TimeoutStopSec", "LimitNOFILE"),
        *("NoNewPrivileges", "PrivateTmp", "ProtectHome", "ProtectSystem"),
    },
    "Install": {"WantedBy"},
}
DOCUMENTED_SERVICE: Final = {
    *("build", "command", "depends_on", "environment", "expose", "healthcheck", "image", "ports", "restart"),
    *("stop_grace_period", "ulimits", "volumes"),
}
SETTINGS: Final = {f"MCP_{name.upper()}" for name in CloudSettings.model_fields}


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep upper case
    parser.read_string(text_of("ticket-server.service"))
    return parser


def test_the_systemd_unit_has_documented_keys_and_leaves_time_for_the_end() -> None:
    parser = unit()
    assert {section: set(parser[section]) - DOCUMENTED_UNIT[section] for section in parser.sections()} == {
        section: set() for section in DOCUMENTED_UNIT
    }
    service = parser["Service"]
    python, file = service["ExecStart"].split()
    assert python.startswith(f"{service['WorkingDirectory']}/.venv/")
    assert (ROOT / file).is_file()
    assert int(service["TimeoutStopSec"].removesuffix("s")) > GONE_S
    assert int(service["LimitNOFILE"]) >= MAX_CONNECTIONS + FILES_KEPT
    assert service["Environment"].partition("=")[0] in SETTINGS
    assert f"sqlite:////var/lib/{service['StateDirectory']}/" in service["Environment"]


def test_the_compose_file_has_documented_keys_and_known_settings() -> None:
    compose = yaml.safe_load(text_of("compose.yaml"))
    assert set(compose) == {"name", "services", "volumes"}
    for service in compose["services"].values():
        assert set(service) <= DOCUMENTED_SERVICE
        assert ("build" in service) != ("image" in service)
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        mounted = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert {one for one in mounted if not one.startswith("./")} <= set(compose["volumes"])
        assert all((FOLDER / one).is_file() for one in mounted if one.startswith("./"))
    server = compose["services"]["server"]
    assert (FOLDER / server["build"] / "Dockerfile").is_file()
    assert set(server["environment"]) <= SETTINGS
    assert int(server["stop_grace_period"].removesuffix("s")) > GONE_S
    assert server["ulimits"]["nofile"] >= MAX_CONNECTIONS + FILES_KEPT
    assert compose["services"]["caddy"]["environment"]["TICKETS"] == f"server:{server['expose'][0]}"
    assert "{$TICKETS:" in text_of("Caddyfile")
    assert NAME in server["environment"]["MCP_PUBLIC_URL"]


def test_the_page_names_every_file_and_every_line_that_has_a_reason() -> None:
    page = (ROOT / "docs" / "proxies.md").read_text("utf-8")
    assert {file.name for file in FOLDER.iterdir()} <= set(re.findall(r"deploy/([\w.-]+)", page))
