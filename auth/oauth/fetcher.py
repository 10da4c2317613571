"""Fetches JSON documents from addresses that others named: discovery, keys and tokens of identity providers.

Such a request must reach neither this network nor the credentials that clouds serve to their machines (SSRF):

- https alone, to public addresses alone. Every answer of DNS is checked, and the connection goes to exactly an address
  that was checked; TLS and `Host` keep the name, so a second answer of DNS (rebinding) changes nothing.
- No redirects, no proxies, no cookies, no compression, and limits of size and of time for the whole document.

Sources: OAuth 2.0 Client ID Metadata Document (draft), section 6; OWASP SSRF Prevention Cheat Sheet.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import httpcore2
import httpx2

from shared.errors import TicketServerError
from shared.http.hosts import is_loopback, is_public_address
from shared.json_body import MalformedMessageError, read

MAX_BYTES: Final = 256 * 1024
FETCH_S: Final = 5.0
CONNECT_S: Final = 2.0
"""How long one address of a host may keep the next one waiting, in seconds."""
MAX_SHOWN: Final = 300
"""Characters of a text of others in a message."""
MOST_LOOKUPS: Final = 8
"""Hosts of strangers that are looked up at once."""
_STRANGERS: Final = ThreadPoolExecutor(MOST_LOOKUPS, thread_name_prefix="lookup")
_URL: Final = re.compile(r"https?://[!-~]{1,2000}", re.IGNORECASE)
_JSON: Final = re.compile(r"application/(?:[\w.-]+\+)?json\s*(?:;|$)", re.IGNORECASE)
_HEADERS: Final = (
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "mcp-ticket-server"),
)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host for a port. Raises: OSError."""


class FetchError(TicketServerError):
    """A document was not fetched; the text says why, for the log of the operator.

    `status` is that of the response, None if there was no complete one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def short(text: str) -> str:
    """Return a text of others for a message: its first characters, and how many there are."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text):,} characters)"


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """Return the addresses that the system knows for `host`. Raises: OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def addresses_for_strangers(host: str, port: int) -> Sequence[str]:
    """Return what `system_addresses` does, of a host that anyone may name. Raises: OSError.

    A lookup takes as long as the name server of that host likes, also after its caller has given up. So these have a
    few threads of their own: those of everything else are never taken by them.
    """
    lookup = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_STRANGERS, lookup)
    return [str(address[0]) for *_, address in found]


class _Request(NamedTuple):
    """What is asked for, and which statuses of a response carry the document."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    content: bytes | None = None
    statuses: Collection[int] = (200,)


class GuardedFetcher:
    """Fetches JSON by https from public addresses alone.

    Args:
        resolve: looks up a host.
        network: opens connections to addresses that were checked; by default those of the system.
        ssl_context: the authorities to trust; by default those of the system.
        allow_loopback: permit hosts on this machine as well, also by http. For development and tests.
        within_s: time limit of one document, in seconds.
    """

    def __init__(
        self,
        *,
        resolve: Resolve = system_addresses,
        network: httpcore2.AsyncNetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
        allow_loopback: bool = False,
        within_s: float = FETCH_S,
    ) -> None:
        self._network = _CheckedNetwork(resolve, network or httpcore2.AnyIOBackend(), allow_loopback=allow_loopback)
        self._ssl_context = ssl_context or httpx2.create_ssl_context()
        self._allow_loopback = allow_loopback
        self._within_s = within_s

    async def json(self, url: str, *, max_bytes: int = MAX_BYTES) -> object:
        """Return the JSON document at `url`. Raises: FetchError."""
        return (await self._fetched(_Request("GET", url), max_bytes))[1]

    async def post_form(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str], max_bytes: int = MAX_BYTES
    ) -> tuple[int, object]:
        """Send a form to a token endpoint; return the status of the response, 200, 400 or 401, and its JSON document.

        The last two say what is wrong (RFC 6749, section 5.2).

        Raises:
            FetchError: there is no such response. Its text has nothing of `form` and `headers`.
        """
        sent = [*headers.items(), ("content-type", "application/x-www-form-urlencoded")]
        request = _Request("POST", url, sent, urlencode(form).encode(), statuses=(200, 400, 401))
        return await self._fetched(request, max_bytes)

    async def _fetched(self, request: _Request, max_bytes: int) -> tuple[int, object]:
        target, shown = self._checked(request.url), short(request.url)
        try:
            async with asyncio.timeout(self._within_s):
                status, body = await self._response(request, target, max_bytes)
                return status, read(body)
        except TimeoutError as error:
            raise FetchError(f"{shown} did not answer within {self._within_s:g} seconds") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            raise FetchError(f"{shown} cannot be reached: {short(str(error))}") from error
        except MalformedMessageError as error:
            raise FetchError(f"{shown} is not valid JSON") from error
        except FetchError as error:
            raise FetchError(f"{shown} is not accepted: {error}", status=error.status) from error

    def _checked(self, url: str) -> httpcore2.URL:
        """Return `url` if it may be asked at all; the address of its host is checked when the connection is made."""
        try:
            parts = urlsplit(url) if _URL.fullmatch(url) else None
            port = parts and parts.port
            _ = parts and (parts.hostname or "").encode("idna")  # as the lookup does: an empty or a long label
        except ValueError:
            parts = None
        if parts is None or not parts.hostname or "@" in parts.netloc or parts.fragment:
            raise FetchError(f"{short(url)!r} is not a plain https URL")
        if parts.scheme != "https" and not (self._allow_loopback and is_loopback(parts.hostname)):
            raise FetchError(f"{short(url)} is not https")
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        return httpcore2.URL(scheme=parts.scheme, host=parts.hostname, port=port, target=target)

    async def _response(self, request: _Request, target: httpcore2.URL, max_bytes: int) -> tuple[int, bytes]:
        headers = [("host", _host(target)), *_HEADERS, *request.headers]
        async with (
            httpcore2.AsyncConnectionPool(self._ssl_context, network_backend=self._network) as pool,
            pool.stream(request.method, target, headers=headers, content=request.content) as response,
        ):
            _check_head(response, request.statuses)
            body = bytearray()
            async for part in response.aiter_stream():
                body += part
                if len(body) > max_bytes:
                    raise FetchError(f"the document is larger than {max_bytes:,} bytes", status=response.status)
            return response.status, bytes(body)


def fetcher_for_strangers() -> GuardedFetcher:
    """Return what fetches documents from addresses that anyone may name."""
    return GuardedFetcher(resolve=addresses_for_strangers)


def fetcher_for(issuer: str) -> GuardedFetcher:
    """Return what fetches the documents of `issuer`: from this machine only if the issuer itself is on it."""
    return GuardedFetcher(allow_loopback=is_loopback(urlsplit(issuer).hostname or ""))


class _CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Looks up each host once, checks every answer, and connects to the checked addresses alone."""

    def __init__(self, resolve: Resolve, network: httpcore2.AsyncNetworkBackend, *, allow_loopback: bool) -> None:
        self._resolve = resolve
        self._network = network
        self._allow_loopback = allow_loopback

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = list(dict.fromkeys(await self._resolve(host, port)))
        if refused := next((address for address in addresses if not self._may_reach(host, address)), None):
            raise FetchError(f"{host} has the address {refused}, which is not public")
        for address in addresses[:-1]:
            with suppress(httpcore2.NetworkError, httpcore2.TimeoutException):
                return await self._network.connect_tcp(address, port, CONNECT_S, local_address, socket_options)
        if not addresses:
            raise FetchError(f"{host} has no address")
        return await self._network.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    def _may_reach(self, host: str, address: str) -> bool:
        if self._allow_loopback and is_loopback(host):
            return is_loopback(address)
        return is_public_address(address)


def _host(url: httpcore2.URL) -> str:
    host = url.host.decode()
    host = f"[{host}]" if ":" in host else host
    return host if url.port is None else f"{host}:{url.port}"


def _check_head(response: httpcore2.Response, statuses: Collection[int]) -> None:
    """Raise FetchError unless the response has one of `statuses` and carries a JSON document as it is."""
    headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
    if response.status not in statuses:
        raise FetchError(f"it answers with status {response.status}", status=response.status)
    if headers.get(b"content-encoding", "identity").lower() != "identity":
        raise FetchError("the document is compressed", status=response.status)
    if not _JSON.match(headers.get(b"content-type", "")):
        raise FetchError("the document is not JSON by its Content-Type", status=response.status)
