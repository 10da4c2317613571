"""The server below a path of a proxy with TLS, by the lines of docs/proxies.md, with clients as they are installed."""

import asyncio
import datetime as dt
import ipaddress
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.client_habits import JOINED, SCENARIOS, replayed
from tests.debian import program
from tests.deploy.proxies import NAME, PROXIES, Certificate, running, text_of
from tests.processes import KEY, ROOT, START_S, free_port, http_door, sqlite
from tests.transport.http_client import opening
from tests.transport.serving import until

pytestmark = pytest.mark.long

PATH: Final = "/tickets"
AS_CLIENT: Final = {"x-api-key": KEY, "host": NAME}
PAGE: Final = (ROOT / "docs" / "proxies.md").read_text("utf-8").partition("## Below a path")[2].partition("\n## ")[0]
DIFFS: Final = dict(zip(PROXIES, re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL), strict=True))


def changed(text: str, diff: str) -> str:
    """Return a configuration with the lines of the page: each `-` line is replaced by the `+` lines after it."""
    for old, new in re.findall(r"(?m)^-(.*)\n((?:\+.*\n)+)", diff):
        assert text.count(f"{old}\n") == 1
        text = text.replace(f"{old}\n", re.sub(r"(?m)^\+", "", new))
    return text


def keeping_the_path(text: str, diff: str) -> str:
    """Return the nginx configuration that the page mentions besides: requests keep their path."""
    return changed(text, diff).replace("proxy_pass http://tickets/;", "proxy_pass http://tickets;")


WAYS: Final[dict[str, tuple[str, str, Callable[[str, str], str]]]] = {
    "nginx removes the path": ("nginx", "nginx.conf", changed),
    "nginx keeps the path": ("nginx", "nginx.conf", keeping_the_path),
    "caddy removes the path": ("caddy", "Caddyfile", changed),
    "caddy keeps the path": ("caddy", "Caddyfile", lambda text, _: text),
}


class Front(NamedTuple):
    """A proxy in front of the server."""

    address: str
    """With its path."""
    trusted: ssl.SSLContext
    certificate: Certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for the name and for loopback, signed by itself."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names = [x509.DNSName(NAME), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "chain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Certificate(folder / "chain.pem", folder / "key.pem")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a server whose address has a path."""
    folder = tmp_path_factory.mktemp("door")
    public = {"MCP_PUBLIC_URL": f"https://{NAME}{PATH}/", "MCP_TRUSTED_PROXIES": "1", "MCP_SSE_SUNSET": "2999-12-31"}
    with http_door(folder, **public, MCP_DATABASE_URL=sqlite(folder)) as (address, process):
        assert f"https://{NAME}{PATH}/mcp\n" in process.said_so_far()
        yield httpx2.URL(address).netloc.decode()


@pytest.fixture(params=[pytest.param(way, marks=pytest.mark.debian(WAYS[way][0])) for way in WAYS])
async def front(
    request: pytest.FixtureRequest, door: str, certificate: Certificate, tmp_path: Path
) -> AsyncIterator[Front]:
    """The address of the server behind a proxy, with its path."""
    proxy, file, change = WAYS[request.param]
    port, text = free_port(), change(text_of(file), DIFFS[proxy])
    with running(PROXIES[proxy](tmp_path, port, door, text=text, tls=certificate), tmp_path):
        await until(lambda: answers(port), START_S)
        trusted = ssl.create_default_context(cafile=str(certificate.chain))
        yield Front(f"https://127.0.0.1:{port}{PATH}", trusted, certificate)


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


async def test_clients_of_both_transports_work_below_the_path(front: Front) -> None:
    made = partial(httpx2.AsyncClient, verify=front.trusted)

    def client(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
        return made(headers=headers, timeout=timeout, auth=auth)

    async with made(headers=AS_CLIENT) as http:
        wires = (
            streamable_http_client(f"{front.address}/mcp", http_client=http),
            sse_client(f"{front.address}/sse", headers=AS_CLIENT, httpx_client_factory=client),
        )
        for wire in wires:
            async with asyncio.timeout(START_S), Client(wire) as official:
                listed = await official.call_tool("get_ticket_list", {"limit": 1})
                assert not listed.is_error


async def test_every_path_that_is_sent_to_a_client_has_the_path(front: Front) -> None:
    async with httpx2.AsyncClient(verify=front.trusted, headers=AS_CLIENT) as http:
        async with http.stream("GET", f"{front.address}/sse") as stream:
            links = re.findall(r"<(.*?)>", stream.headers["link"])
            lines = stream.aiter_lines()
            endpoint = await anext(line async for line in lines if line.startswith("data: "))
        guide = (await http.get(f"{front.address}/migration")).text
        ready = await http.get(f"{front.address}/ready/")

    assert endpoint.startswith(f"data: {PATH}/messages?session_id=")
    assert set(links) == {f"https://{NAME}{PATH}/mcp", f"https://{NAME}{PATH}/migration"}
    assert f"    https://{NAME}{PATH}/mcp\n" in guide
    assert ready.status_code == 200


async def test_a_session_of_every_habit_is_served_below_the_path(front: Front) -> None:
    def in_one_session() -> dict[str, int]:
        with httpx2.Client(base_url=front.address, verify=front.trusted, headers=AS_CLIENT) as http:
            return replayed(http)

    statuses = await asyncio.to_thread(in_one_session)
    async with (
        httpx2.AsyncClient(verify=front.trusted, headers=AS_CLIENT) as http,
        http.stream("GET", f"{front.address}/sse/") as stream,
    ):
        data = (line.removeprefix("data: ") async for line in stream.aiter_lines() if line.startswith("data: "))
        messages = front.address.removesuffix(PATH) + await anext(data)
        posted = await http.post(messages, json=opening(), headers=JOINED)
        answered = await anext(data)

    assert statuses == dict.fromkeys(SCENARIOS, 200)
    assert posted.status_code == 202
    assert json.loads(answered)["result"]["protocolVersion"] == "2025-11-25"


@pytest.mark.debian("curl")
async def test_curl_reads_a_stream_and_posts_where_it_says(front: Front) -> None:
    curl = [program("curl"), "-sN", "--max-time", str(2 * START_S), "--cacert", str(front.certificate.chain)]
    curl += [part for name, value in AS_CLIENT.items() for part in ("-H", f"{name}: {value}")]
    origin = front.address.removesuffix(PATH)
    stream = await asyncio.create_subprocess_exec(*curl, f"{front.address}/sse", stdout=asyncio.subprocess.PIPE)
    assert stream.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            endpoint = await line_after(stream.stdout, b"event: endpoint")
            ping = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "ping"})
            typed = ["-H", "content-type: application/json", "-d", ping, "-w", "%{http_code}", origin + endpoint]
            posted = await asyncio.create_subprocess_exec(*curl, *typed, stdout=asyncio.subprocess.PIPE)
            said, _ = await posted.communicate()
            answered = await line_after(stream.stdout, b"event: message")
    finally:
        stream.kill()
        await stream.wait()

    assert said == b"Accepted202"
    assert json.loads(answered) == {"jsonrpc": "2.0", "id": 7, "result": {}}


async def line_after(stream: asyncio.StreamReader, event: bytes) -> str:
    """Return the data of the next event of a kind."""
    while (await stream.readline()).rstrip() != event:
        pass
    while not (line := await stream.readline()).startswith(b"data: "):
        pass
    return line.decode().removeprefix("data: ").rstrip()
