"""The Google identity of the server: fetched from a metadata server on loopback, sent to one ticket API alone."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest
import respx
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.api_client import APIClient
from shared.config import CloudSettings, load
from shared.environment import SettingsError
from shared.errors import Effect, TicketServerError, UpstreamRefusedError, UpstreamUnavailableError
from shared.identity import DEFAULT_TENANT, Tenant, Upstream
from shared.upstream.google_identity import GoogleIdentity
from tests.captured_logs import capture_logs
from tests.certificates import certify
from tests.shared.faulty_server import response
from tests.shared.test_api_client import TRUSTED
from ticket_service import TicketService

API: Final = "https://ticket-api-1.europe-west1.run.app"
SIGNING: Final = rsa.generate_private_key(65537, 2048)
HOUR: Final = 3600.0
FLAVOR: Final = "metadata-flavor: Google\r\n"
ACME: Final = Tenant("acme")


@dataclass
class Metadata:
    """A metadata server: for each request a new token that is valid for an hour, or what `says` says."""

    now: float = 1_800_000_000.0
    says: bytes | None = None
    asked: list[str] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    host: str = ""

    def __post_init__(self) -> None:
        self.opened.set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.asked.append(head)
                await self.opened.wait()
                writer.write(self.says or self._token(head))

    def _token(self, head: str) -> bytes:
        url = urlsplit(head.split()[1])
        if "metadata-flavor: Google" not in head or not url.path.endswith("/service-accounts/default/identity"):
            return response(b"<html>", status="403 Forbidden")
        (audience,) = parse_qs(url.query)["audience"]
        claims = {
            "aud": audience,
            "exp": int(self.now + HOUR),
            "iss": "https://accounts.google.com",
            "jti": str(self.count),
        }
        return with_flavor(jwt.encode(claims, SIGNING, "RS256").encode())

    @property
    def count(self) -> int:
        return len(self.asked)

    def identity(self, address: str = API) -> GoogleIdentity:
        return GoogleIdentity(address, metadata_host=self.host, clock=lambda: self.now)


def with_flavor(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{FLAVOR}{more}content-length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture
async def metadata() -> AsyncIterator[Metadata]:
    metadata = Metadata()
    server = await asyncio.start_server(metadata, "127.0.0.1", 0)
    metadata.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield metadata
    server.close()


@pytest.fixture
async def identity(metadata: Metadata) -> AsyncIterator[GoogleIdentity]:
    identity = metadata.identity()
    yield identity
    await identity.aclose()


@pytest.fixture
async def api(identity: GoogleIdentity) -> AsyncIterator[APIClient]:
    transport = httpx2.AsyncHTTPTransport(verify=TRUSTED)
    async with APIClient(f"{API}/v1", api_key="our-key", identity=identity, transport=transport) as client:
        yield client


async def refused(api: APIClient) -> TicketServerError:
    with pytest.raises(TicketServerError) as caught:
        await api.post("/tickets", {})
    return caught.value


async def test_each_request_carries_a_token_for_the_origin_of_the_ticket_api_beside_the_key(
    api: APIClient, metadata: Metadata, httpx2_mock: respx.Router
) -> None:
    route = httpx2_mock.route(host="ticket-api-1.europe-west1.run.app").respond(json=[])

    await api.get("/tickets")
    await api.post("/tickets", {})

    sent = [call.request.headers for call in route.calls]
    tokens = {each["x-serverless-authorization"].removeprefix("Bearer ") for each in sent}
    claims = jwt.decode(tokens.pop(), SIGNING.public_key(), ["RS256"], audience=API, options={"verify_exp": False})
    assert claims["jti"] == "1"
    assert not tokens, "the second request uses the same token"
    assert [each["x-api-key"] for each in sent] == ["our-key"] * 2
    assert all("authorization" not in each for each in sent)
    assert metadata.asked[0].startswith(
        "GET /computeMetadata/v1/instance/service-accounts/default/identity?audience=https%3A"
    )


async def test_a_token_is_renewed_minutes_before_it_expires(identity: GoogleIdentity, metadata: Metadata) -> None:
    first = await identity.token()
    metadata.now += HOUR - 301
    still = await identity.token()
    metadata.now += 2
    renewed = await identity.token()

    assert first == still != renewed
    assert metadata.count == 2


async def test_many_requests_at_once_wait_for_one_fetch(identity: GoogleIdentity, metadata: Metadata) -> None:
    metadata.opened.clear()
    calls = [asyncio.create_task(identity.token()) for _ in range(20)]
    while not metadata.count:  # noqa: ASYNC110 - a server has no event
        await asyncio.sleep(0.005)
    metadata.opened.set()

    assert len(set(await asyncio.gather(*calls))) == 1
    assert metadata.count == 1


async def test_a_token_in_hand_outlives_a_metadata_server_that_fails_but_not_its_end(
    identity: GoogleIdentity, metadata: Metadata
) -> None:
    token = await identity.token()
    metadata.says = response(b"busy", status="503 Service Unavailable")
    metadata.now += HOUR - 100
    with capture_logs() as logs:
        assert {await identity.token() for _ in range(5)} == {token}
    assert metadata.count == 2, "the failure is not repeated for each call"
    assert [(one["message"], one["reason"]) for one in logs] == [("google_identity_failed", "HTTP 503")]

    metadata.now += 75
    with pytest.raises(UpstreamUnavailableError):
        await identity.token()


SHORT: Final = jwt.encode({"exp": 1_800_000_000 + 200}, SIGNING, "RS256").encode()


async def test_a_token_that_expires_soon_is_used_and_not_fetched_for_each_call(
    identity: GoogleIdentity, metadata: Metadata
) -> None:
    metadata.says = with_flavor(SHORT)

    assert [await identity.token() for _ in range(5)] == [SHORT.decode()] * 5
    assert metadata.count == 1


UNUSABLE: Final = {
    "HTTP 404": with_flavor(b"no account", "404 Not Found"),
    "HTTP 302": with_flavor(b"", "302 Found", "location: /elsewhere\r\n"),
    "something else answers as the metadata server": response(SHORT),
    "not a token": with_flavor(b"<html>"),
    "too long": with_flavor(SHORT + b"A" * 20_000),
    "expired": with_flavor(jwt.encode({"exp": 1_800_000_000 + 20}, SIGNING, "RS256").encode()),
}


@pytest.mark.parametrize("reason", UNUSABLE)
async def test_without_a_valid_token_nothing_is_sent(
    reason: str, api: APIClient, metadata: Metadata, httpx2_mock: respx.Router
) -> None:
    metadata.says = UNUSABLE[reason]

    with capture_logs() as logs:
        errors = [await refused(api) for _ in range(2)]

    assert not httpx2_mock.calls
    assert metadata.count == 1, "a redirect is not followed, and a failure counts for a moment"
    assert [(error.kind, error.effect) for error in errors] == [("upstream_unavailable", Effect.NOTHING_CHANGED)] * 2
    assert "MCP_API_GOOGLE_IDENTITY" in str(errors[0])
    assert [one["reason"] for one in logs if one["message"] == "google_identity_failed"] == [reason]
    assert SHORT.decode() not in json.dumps([*logs, *map(str, errors)])


async def test_a_metadata_server_that_is_silent_or_away_ends_the_call_in_time(
    api: APIClient, metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.upstream.google_identity._FETCH_S", 0.05)
    metadata.opened.clear()
    silent = await refused(api)
    metadata.opened.set()
    assert silent.kind == "upstream_unavailable"

    away = GoogleIdentity(API, metadata_host="127.0.0.1:1")
    with pytest.raises(UpstreamUnavailableError):
        await away.token()


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_of_cloud_run_names_the_role_and_fetches_a_new_token(
    status: int, api: APIClient, metadata: Metadata, httpx2_mock: respx.Router
) -> None:
    page = "<html><title>Your client does not have permission</title></html>"
    httpx2_mock.post(f"{API}/v1/tickets").respond(status, html=page)

    with capture_logs() as logs:
        error = await refused(api)
        await refused(api)

    assert isinstance(error, UpstreamRefusedError)
    assert error.effect is Effect.NOTHING_CHANGED
    assert f"HTTP {status}" in str(error)
    assert "roles/run.invoker" in str(error)
    assert [one["status"] for one in logs if one["message"] == "api_refused_our_identity"] == [status] * 2
    assert metadata.count == 2
    assert "eyJ" not in json.dumps(logs)


async def test_a_refusal_of_the_ticket_api_itself_is_still_one_of_the_key(
    api: APIClient, httpx2_mock: respx.Router
) -> None:
    httpx2_mock.post(f"{API}/v1/tickets").respond(401, json={"error": "wrong key"})

    assert "MCP_API_KEY" in str(await refused(api))


async def test_over_a_connection_of_our_own_the_token_goes_out_by_tls(
    metadata: Metadata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certify(tmp_path)
    monkeypatch.setattr("shared.api_client._trusted", lambda: ssl.create_default_context(cafile=certificate))
    heads: list[str] = []

    async def ticket_api(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                heads.append(head)
                writer.write(response(b"[]"))

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    server = await asyncio.start_server(ticket_api, "127.0.0.1", 0, ssl=tls)
    address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    identity = metadata.identity(f"{address}/v1")
    async with APIClient(f"{address}/v1", api_key="our-key", identity=identity) as api:
        assert await api.get("/tickets") == []
    await identity.aclose()
    server.close()

    token = header_of(heads[0], "x-serverless-authorization").removeprefix("Bearer ")
    jwt.decode(token, SIGNING.public_key(), ["RS256"], audience=address, options={"verify_exp": False})
    assert header_of(heads[0], "x-api-key") == "our-key"


def header_of(head: str, name: str) -> str:
    (value,) = re.findall(rf"(?im)^{name}: (.*)\r$", head)
    return str(value)


IN_CLEAR: Final = API.replace("https:", "http:")


@pytest.mark.parametrize(("audience", "address"), [(API, "https://other.example"), (IN_CLEAR, IN_CLEAR)])
def test_an_identity_goes_to_no_other_address_and_never_in_clear(audience: str, address: str) -> None:
    with pytest.raises(ValueError, match="only to the ticket API that it is for"):
        APIClient(address, identity=GoogleIdentity(audience))


async def test_organisations_share_it_at_the_address_of_the_deployment_alone(
    monkeypatch: pytest.MonkeyPatch, metadata: Metadata
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", metadata.host)
    service = TicketService(settings(MCP_API_BASE_URL=f"{API}/"))

    def carried(tenant: Tenant, upstream: Upstream) -> Any:
        return getattr(service._connect(tenant, upstream)._transport, "_identity", None)

    identity = service._identity
    assert isinstance(identity, GoogleIdentity)
    assert [carried(DEFAULT_TENANT, Upstream()), carried(ACME, Upstream(api_key="a"))] == [identity] * 2
    assert carried(ACME, Upstream("https://other.example", "a")) is None
    assert getattr(service.probe._transport, "_identity", None) == identity
    async with service.run():
        identity._clock = lambda: metadata.now
        assert await identity.token()


def settings(**variables: str) -> CloudSettings:
    given = {name.removeprefix("MCP_").lower(): value for name, value in variables.items()}
    return load(CloudSettings, allow_anonymous=True, api_google_identity=True, **given)


@pytest.mark.parametrize("address", ["embedded", "http://127.0.0.1:8081", "http://10.0.0.5"])
def test_it_is_refused_for_an_address_that_is_not_https(address: str) -> None:
    with pytest.raises(SettingsError, match="MCP_API_GOOGLE_IDENTITY needs MCP_API_BASE_URL to begin with https://"):
        settings(MCP_API_BASE_URL=address)


def test_it_is_off_unless_it_is_set() -> None:
    assert TicketService(load(CloudSettings, allow_anonymous=True, api_base_url=API))._identity is None
