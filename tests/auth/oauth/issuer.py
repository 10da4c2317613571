"""An issuer of access tokens on this machine: its documents over https, and tokens signed with its keys.

Its host resolves to a public address, and the connections to that address end here: so what fetches from it runs with
every check that it has in production.
"""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpcore2
from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from auth.oauth.fetcher import GuardedFetcher
from tests.certificates import certify

HOST: Final = "issuer.example"
ISSUER: Final = f"https://{HOST}"
PUBLIC: Final = "93.184.216.34"
METADATA: Final = "/.well-known/openid-configuration"
KEYS: Final = "/keys"
AUDIENCE: Final = "https://tickets.example/mcp"
NOW: Final = 1_800_000_000
"""The time at which the tokens of the tests are checked, in Unix time."""

Page = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes a whole response."""


def page(body: object, status: str = "200 OK", *headers: str, kind: str = "application/json") -> Page:
    """Return a response with a body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = (f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(content)}", *headers, "", "")

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + content)

    return write


class Site:
    """Serves `pages` by path, and notes what it is asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self.heads: list[str] = []
        self.bodies: list[str] = []
        """Those of requests that have one."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            self.asked.append(head.split(" ")[1])
            if length := re.search(r"\r\ncontent-length: (\d+)", head, re.IGNORECASE):
                self.bodies.append((await reader.readexactly(int(length[1]))).decode())
            await self.pages.get(self.asked[-1], page({}, "404 Not Found"))(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has seen enough
        finally:
            writer.close()


class Network(httpcore2.AsyncNetworkBackend):
    """Connects every address to one port of this machine, and notes which address it was to be."""

    def __init__(self, port: int) -> None:
        self.connected: list[str] = []
        self.unreachable: set[str] = set()
        self.failure: type[Exception] = httpcore2.ConnectError
        self._port = port
        self._real = httpcore2.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        self.connected.append(host)
        if host in self.unreachable:
            raise self.failure(host)
        return await self._real.connect_tcp("127.0.0.1", self._port, *args, **kwargs)


class Names:
    """DNS, with as many answers as it was given; the last one is repeated."""

    def __init__(self) -> None:
        self.answers: list[Sequence[str]] = [[PUBLIC]]
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Issuer:
    """One issuer. Change its `site` and its `names` to make it misbehave; `rotate` changes its keys."""

    def __init__(self, port: int, site: Site, certificate: Path) -> None:
        self.site, self.names, self.network = site, Names(), Network(port)
        self.tls = ssl.create_default_context(cafile=certificate)
        self.site.pages[METADATA] = page({"issuer": ISSUER, "jwks_uri": ISSUER + KEYS})
        self.rotate(RSA)

    def fetcher(self, *, within_s: float = 5.0) -> GuardedFetcher:
        return GuardedFetcher(resolve=self.names, network=self.network, ssl_context=self.tls, within_s=within_s)

    def rotate(self, *keys: Key) -> None:
        self.site.pages[KEYS] = page({"keys": [key.as_dict(private=False) for key in keys]})


def named(key: Key, name: str | None) -> Key:
    """Return `key` with another `kid`, or without one."""
    fields = {k: v for k, v in key.as_dict(private=True).items() if k != "kid"}
    return type(key).import_key(fields if name is None else {**fields, "kid": name})


RSA: Final = named(RSAKey.generate_key(2048), "rsa")
RSA_2: Final = named(RSAKey.generate_key(2048), "rsa-2")
EC: Final = named(ECKey.generate_key("P-256"), "ec")
EC_384: Final = named(ECKey.generate_key("P-384"), "ec-384")
ED: Final = named(OKPKey.generate_key("Ed25519"), "ed")


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a valid access token with `changes`; a claim that is set to ... is left out."""
    usual = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "client_id": "client",
        "scope": "openid tickets:read",
        "iat": NOW,
        "exp": NOW + 600,
        "jti": "1",
    }
    return {name: value for name, value in (usual | changes).items() if value is not ...}


def token(key: Key = RSA, alg: str = "RS256", header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """Return an access token with changes of its header and its claims."""
    wanted = {"alg": alg, "typ": "at+jwt", "kid": key.kid, **(header or {})}
    return jwt.encode(
        {name: value for name, value in wanted.items() if value is not ...},
        claims(**changes),
        key,
        algorithms=[alg],
        registry=jws.JWSRegistry(algorithms=[alg], strict_check_header=False),
        default_type=None,
    )


@asynccontextmanager
async def issuing(folder: Path) -> AsyncIterator[Issuer]:
    """Run an issuer, and cut its connections at the end."""
    certificate, site = certify(folder, HOST), Site()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield Issuer(server.sockets[0].getsockname()[1], site, certificate)
