"""What a request must look like before anything else is asked: its host, its origin, its size and its type.

Host and Origin are checked against DNS rebinding: a web page can make a browser send requests to a server on loopback
or in an intranet, but it cannot choose these two headers. Source: MCP transports, "Security Warning".

A GET for an image, a script or a frame has no Origin, so what the browser says of the page's site is checked as well.
Source: W3C Fetch Metadata Request Headers.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Final

from mcp_types import INVALID_REQUEST, RequestId
from starlette.requests import ClientDisconnect, Request

OWN_SITES: Final = frozenset({"same-origin", "none"})
"""Values of `Sec-Fetch-Site` of this server's own pages, and of what a person typed or chose."""


class HTTPRefusalError(Exception):
    """A request that is answered with an HTTP error; the text says what was wrong and what would be right."""

    def __init__(
        self,
        status: int,
        kind: str,
        text: str,
        *,
        code: int = INVALID_REQUEST,
        headers: Mapping[str, str] | None = None,
        request_id: RequestId | None = None,
        about: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind
        self.code = code
        self.headers = headers
        self.request_id = request_id
        self.about = about or {}
        """What stands beside `kind`, for programs."""


class RequestChecks:
    """Checks requests.

    Args:
        hosts: names accepted in `Host`, any port; `*` in front means any beginning.
        origins: origins accepted in `Origin`; `:*` at the end means any port. A request without `Origin` does not come
            from a web page and passes.
        max_body_bytes: largest body that is read.
        body_s: seconds a body may take to arrive.
    """

    def __init__(self, *, hosts: Sequence[str], origins: Sequence[str], max_body_bytes: int, body_s: float) -> None:
        self._hosts = frozenset(host.lower() for host in hosts if not host.startswith("*"))
        self._suffixes = tuple(host[1:].lower() for host in hosts if host.startswith("*"))
        self.origins = re.compile("|".join(map(_pattern_of, origins)) or r"(?!)", re.IGNORECASE)
        """Matches whole origins that may call here; none where there is none."""
        self._max_body_bytes = max_body_bytes
        self._body_s = body_s

    def check(self, request: Request) -> None:
        """Pass, or refuse by host (421), origin or site (403).

        Raises:
            HTTPRefusalError: this server is not known by that name, or that origin may not call it, or a page of
                another site that names no origin.
        """
        host = _host_of(request.headers.get("host", ""))
        if host not in self._hosts and not (self._suffixes and host.endswith(self._suffixes)):
            raise HTTPRefusalError(
                421, "host", "This server is not known by that Host. Set MCP_ALLOWED_HOSTS to add it."
            )
        origin = request.headers.get("origin")
        if origin is not None and not self.origins.fullmatch(origin.strip()):
            raise HTTPRefusalError(403, "origin", "That Origin may not call here. Set MCP_ALLOWED_ORIGINS to add it.")
        sites = {site.strip().lower() for site in request.headers.getlist("sec-fetch-site")}
        if origin is None and not sites <= OWN_SITES:
            raise HTTPRefusalError(
                403, "cross_site", "A page of another site may call here only with an accepted Origin."
            )

    async def body(self, request: Request) -> bytes:
        """Return the JSON body of `request`, read no further than its limit.

        Raises:
            HTTPRefusalError: not declared as JSON (415), too large (413), too slow (408), or the client left (400).
        """
        declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if declared != "application/json":
            raise HTTPRefusalError(415, "content_type", "Send the message as Content-Type: application/json.")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._max_body_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise HTTPRefusalError(408, "too_slow", f"The body did not arrive within {self._body_s:g} s.") from None
        except ClientDisconnect:
            raise HTTPRefusalError(400, "incomplete", "The body ended before it was complete.") from None
        return bytes(body)

    def _too_large(self) -> HTTPRefusalError:
        return HTTPRefusalError(413, "too_large", f"A message may have {self._max_body_bytes:,} bytes at most.")


def navigates(request: Request) -> bool:
    """Whether a browser would show the response to a person, who followed a link or typed the address."""
    return request.method == "GET" and request.headers.get("sec-fetch-mode", "").strip().lower() == "navigate"


def accepts(request: Request, *types: str) -> bool:
    """Whether the client takes an answer of each of these types; one that does not say takes anything."""
    accepted = request.headers.get("accept", "*/*").lower().split(",")
    ranges = {one.partition(";")[0].strip() for one in accepted}
    return all(not ranges.isdisjoint({"*/*", one, f"{one.partition('/')[0]}/*"}) for one in types)


def _pattern_of(origin: str) -> str:
    origin = origin.rstrip("/")
    return re.escape(origin.removesuffix(":*")) + (r"(:\d+)?" if origin.endswith(":*") else "")


def _host_of(header: str) -> str:
    """Return the host without its port, lower-case; brackets of IPv6 stay."""
    header = header.strip().lower()
    return header.removesuffix(f":{_port_of(header)}")


def _port_of(netloc: str) -> str:
    port = netloc.rpartition(":")[2]
    return port if port.isdecimal() and not netloc.endswith("]") else "\0"
