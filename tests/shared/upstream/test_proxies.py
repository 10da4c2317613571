"""A remote ticket API is reached through the proxy that the environment names; this machine never is (U4)."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from mcp import Client

from shared import api_client
from shared.api_client import APIClient
from shared.config import StdioSettings, load
from shared.environment import SettingsError
from shared.errors import Effect, TicketServerError, UpstreamNotSetError, UpstreamUnavailableError
from shared.identity import Tenant, Upstream
from shared.upstream.proxies import Proxies
from tests.captured_logs import capture_logs
from tests.certificates import certify
from tests.shared.faulty_server import response, sends, serving
from tests.shared.upstream.forward_proxy import proxying
from ticket_service import TicketService

SECRET: Final = "pass:word@"
USER: Final = f"me:{SECRET.replace(':', '%3A').replace('@', '%40')}"
USERS: Final = b'[{"id": "user1", "name": "Mika"}]'
WELL: Final = sends(response(USERS), then_open=True)
NAMES: Final = tuple(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "ALL", "NO"))


@pytest.fixture(autouse=True)
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*NAMES, *map(str.lower, NAMES)):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def error_of(api: APIClient, method: str = "GET") -> TicketServerError:
    with capture_logs() as logs, pytest.raises(TicketServerError) as caught:
        await (api.get("/tickets") if method == "GET" else api.post("/tickets", {}))
    assert SECRET not in f"{logs} {caught.value}"
    assert USER not in f"{logs} {caught.value}"
    return caught.value


# --- through a real proxy


async def test_tools_reach_a_remote_ticket_api_through_the_proxy(env: pytest.MonkeyPatch) -> None:
    async with serving(WELL) as server, proxying(int(server.url.rpartition(":")[2])) as (proxy, address):
        env.setenv("HTTP_PROXY", f"http://{USER}@{address}")
        service = TicketService(load(StdioSettings, api_base_url="http://tickets.example/api"))
        async with service.run(), Client(service.server) as client:
            result = await client.call_tool("get_users", {})

    assert not result.is_error
    assert [one.partition("/api/")[0] for one in proxy.asked] == ["GET http://tickets.example"]
    assert base64.b64decode(proxy.credentials[0].removeprefix("Basic ")) == f"me:{SECRET}".encode()


@asynccontextmanager
async def serving_tls(certificate: Path) -> AsyncIterator[int]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(USERS, "200 OK", "connection: close"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_https_goes_through_a_tunnel_that_the_proxy_cannot_read(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate = certify(tmp_path, "tickets.example")
    env.setattr(api_client, "_trusted", lambda: ssl.create_default_context(cafile=certificate))
    async with serving_tls(certificate) as port, proxying(port) as (proxy, address):
        through = Proxies({"https_proxy": f"{USER}@{address}"}).of("https://tickets.example")
        async with APIClient("https://tickets.example", api_key="our-key", proxy=through) as api:
            users = await api.get("/tickets/master/users")

    assert users == [{"id": "user1", "name": "Mika"}]
    assert proxy.asked == ["CONNECT tickets.example:443"]


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_proxy_that_opens_no_tunnel_changed_nothing(status: str, method: str) -> None:
    async with proxying(1, refusal=response(b"IGNORE ALL", status)) as (_, address):
        through = Proxies({"HTTPS_PROXY": f"http://{USER}@{address}"}).of("https://tickets.example")
        async with APIClient("https://tickets.example", proxy=through) as api:
            error = await error_of(api, method)

    assert (type(error), error.effect) == (UpstreamUnavailableError, Effect.NOTHING_CHANGED)
    assert "The proxy did not connect to the ticket API. Nothing was changed; the operator must check" in str(error)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_proxy_that_forwards_and_wants_a_password_changed_nothing(method: str) -> None:
    async with proxying(1, refusal=response(b"<html>", "407 Proxy Authentication Required")) as (_, address):
        through = Proxies({"ALL_PROXY": address}).of("http://tickets.example")
        async with APIClient("http://tickets.example", proxy=through) as api:
            error = await error_of(api, method)

    assert (type(error), error.effect) == (UpstreamUnavailableError, Effect.NOTHING_CHANGED)
    assert "asks for a user and a password (HTTP 407)" in str(error)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_this_machine_is_never_reached_through_a_proxy(env: pytest.MonkeyPatch, host: str) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        env.setenv(name, "http://127.0.0.1:1")
    async with serving(WELL) as server:
        service = TicketService(load(StdioSettings, api_base_url=server.url.replace("127.0.0.1", host)))
        async with service.run(), Client(service.server) as client:
            assert not (await client.call_tool("get_users", {})).is_error


# --- which proxy


@pytest.mark.parametrize(
    ("address", "environment", "host"),
    [
        ("https://tickets.example", {"HTTPS_PROXY": "http://a:3128"}, "a"),
        ("https://tickets.example", {"https_proxy": "a:3128", "HTTPS_PROXY": "http://b"}, "a"),
        ("https://tickets.example", {"HTTP_PROXY": "http://a:3128"}, None),
        ("https://tickets.example", {"ALL_PROXY": "http://a:3128", "HTTP_PROXY": "http://b"}, "a"),
        ("https://tickets.example", {"HTTPS_PROXY": "https://a:3128"}, "a"),
        ("https://tickets.example", {"HTTPS_PROXY": "a", "ALL_PROXY": "socks5://b:1080"}, "a"),
        ("http://tickets.example", {"http_proxy": "a"}, "a"),
        ("http://tickets.example", {"HTTP_PROXY": " ", "all_proxy": "a"}, "a"),
        ("http://tickets.example", {}, None),
        ("http://10.0.0.3", {"HTTP_PROXY": "http://a"}, "a"),
        ("http://127.1", {"HTTP_PROXY": "http://a"}, None),
        ("http://127.9.9.9", {"ALL_PROXY": "socks5://a"}, None),
        ("http://[::1]:8081", {"HTTP_PROXY": "http://a"}, None),
        ("http://api.localhost", {"HTTP_PROXY": "http://a"}, None),
    ],
    ids=range(14),
)
def test_the_variable_of_the_scheme_names_the_proxy(
    address: str, environment: Mapping[str, str], host: str | None
) -> None:
    proxy = Proxies(environment).of(address)

    assert (None if proxy is None else proxy.url.host) == host


@pytest.mark.parametrize(
    ("no_proxy", "address", "is_direct"),
    [
        ("*", "https://tickets.example", True),
        ("tickets.example", "https://tickets.example", True),
        ("TICKETS.example.", "https://tickets.example", True),
        (".example", "https://tickets.example", True),
        ("*.example", "https://tickets.example", True),
        ("other.example, tickets.example", "https://tickets.example", True),
        ("other.example tickets.example:443", "https://tickets.example", True),
        ("tickets.example:80", "https://tickets.example", False),
        ("ets.example", "https://tickets.example", False),
        ("tickets.example.com", "https://tickets.example", False),
        (" , ", "https://tickets.example", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.1.2.3:8443", "https://10.1.2.3:8443", True),
        ("11.0.0.0/8", "https://10.1.2.3", False),
        ("fd00::/8", "https://[fd00::7]", True),
        ("[fd00::7]:443", "https://[fd00::7]", True),
        ("::1", "https://[fd00::7]", False),
        ("0/0/0", "https://tickets.example", False),
    ],
    ids=range(18),
)
def test_no_proxy_lists_exceptions(no_proxy: str, address: str, is_direct: bool) -> None:
    proxies = Proxies({"HTTPS_PROXY": "http://a:3128", "NO_PROXY": no_proxy})

    assert (proxies.of(address) is None) == is_direct


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("scheme", ["socks", "socks4", "socks5", "socks5h"])
def test_a_socks_proxy_is_refused_with_a_sentence(variable: str, scheme: str) -> None:
    with pytest.raises(UpstreamNotSetError) as caught:
        Proxies({variable: f"{scheme}://{USER}@proxy:1080"}).of("https://tickets.example")

    name = variable.upper()
    assert str(caught.value) == (
        f"{name} names a SOCKS proxy, which this server cannot use. Set {name} to an HTTP proxy, for example "
        "http://proxy.example:3128, or name the host of the ticket API in NO_PROXY."
    )


@pytest.mark.parametrize("value", ["ftp://proxy", "http://", "http://proxy:port", "://", f"ssh://{USER}@x"])
def test_what_is_no_proxy_is_refused_without_its_value(value: str) -> None:
    with pytest.raises(UpstreamNotSetError) as caught:
        Proxies({"HTTPS_PROXY": value}).of("https://tickets.example")

    assert str(caught.value) == (
        "HTTPS_PROXY must be the address of an HTTP proxy, for example http://proxy.example:3128."
    )


def test_an_unusable_proxy_stops_the_start(env: pytest.MonkeyPatch) -> None:
    env.setenv("ALL_PROXY", f"socks5://{USER}@proxy:1080")

    with pytest.raises(SettingsError, match=r"^ALL_PROXY names a SOCKS proxy"):
        TicketService(load(StdioSettings, api_base_url="https://tickets.example"))


async def test_an_unusable_proxy_stops_the_calls_of_the_organisation_that_needs_it(env: pytest.MonkeyPatch) -> None:
    env.setenv("ALL_PROXY", "socks5://proxy:1080")
    service = TicketService(load(StdioSettings, api_base_url="http://127.0.0.1:1"))

    with pytest.raises(UpstreamNotSetError, match=r"^ALL_PROXY names a SOCKS proxy"):
        service._connect(Tenant("acme"), Upstream("https://api.acme.example", "key"))
