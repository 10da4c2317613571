"""What a request must look like before it is read: its host, its origin, its size and its type.

Host and Origin are checked against DNS rebinding: a web page can make a browser send requests to a server on loopback
or in an intranet, but it cannot choose these two headers. Source: MCP transports, "Security Warning".

A GET for an image, a script or a frame has no Origin, so what the browser says of the page's site is checked as well.
Source: W3C Fetch Metadata Request Headers.
"""

import re
import time
from collections.abc import Sequence
from typing import Final

from shared.concurrency import within
from shared.http.cycle import cycle_of
from shared.json_rpc import JSONRPCRequest
from transport import jsonrpc
from transport.http.errors import REVISIONS, HTTPRefusalError, UnsupportedVersionError
from transport.http.request_head import HTTPRequest, RequestHead
from transport.jsonrpc import Inbound

BATCHING_REVISION: Final = "2025-03-26"
OWN_SITES: Final = frozenset({"same-origin", "none"})
"""Values of `Sec-Fetch-Site` of this server's own pages, and of what a person typed or chose."""

UNENCODED: Final = frozenset({"", "identity"})
"""Values of `Content-Encoding` of a body as it was written. Any other is refused: a small one may have no end."""
_MAX_SHOWN: Final = 50
"""Characters of a header that an error repeats."""


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
        """Matches the accepted origins, each as a whole."""
        self._max_body_bytes = max_body_bytes
        self._body_s = body_s
        self._known_host: str | None = None
        """The latest value of `Host` that passed: that of nearly all requests."""

    def is_known(self, host: str) -> bool:
        """Return whether the value of a `Host` header, in lower case, is a name of this server."""
        name = host.removesuffix(f":{_port_of(host)}")  # brackets of IPv6 stay
        return name in self._hosts or bool(self._suffixes and name.endswith(self._suffixes))

    def check(self, head: RequestHead) -> None:
        """Pass, or refuse by host (421), origin or site (403).

        Raises:
            HTTPRefusalError: the `Host` is not a name of this server, the `Origin` is not accepted, or the request
                comes from a page of another site without an `Origin`.
        """
        host = head.host
        if host != self._known_host:
            if not self.is_known(host):
                text = "This server is not known by that Host. Set MCP_ALLOWED_HOSTS to add it."
                raise HTTPRefusalError(421, "host", text)
            self._known_host = host
        if head.origin is None:
            if not OWN_SITES.issuperset(head.sites):
                text = "A page of another site may call here only with an accepted Origin."
                raise HTTPRefusalError(403, "cross_site", text)
        elif not self.origins.fullmatch(head.origin):
            raise HTTPRefusalError(403, "origin", "That Origin may not call here. Set MCP_ALLOWED_ORIGINS to add it.")

    async def read_messages(self, request: HTTPRequest) -> tuple[list[Inbound], bool]:
        """Return the messages in the body of `request`, and whether they are a batch; `request` knows them, too.

        Raises:
            HTTPRefusalError: see `read_json_body`.
            MalformedMessageError: see `jsonrpc.parse`.
            UnsupportedVersionError: see `check_version`.
        """
        messages, is_batch = jsonrpc.parse(await self.read_json_body(request))
        request.received = time.perf_counter()
        request.messages = messages
        check_version(request.head.protocol_version, messages)
        return messages, is_batch

    async def read_json_body(self, request: HTTPRequest) -> bytes:
        """Return the JSON body of `request`, read no further than its limit.

        Raises:
            HTTPRefusalError: compressed or not declared as JSON (415), too large (413), too slow (408), or the client
                left (400).
        """
        head = request.head
        encoding = head.content_encoding
        if encoding not in UNENCODED:
            text = f"Send the body without Content-Encoding: {encoding[:_MAX_SHOWN]}. It is not decoded here."
            raise HTTPRefusalError(415, "content_encoding", text, headers={"accept-encoding": "identity"})
        if head.content_type != "application/json":
            raise HTTPRefusalError(415, "content_type", "Send the message as Content-Type: application/json.")
        length = head.content_length
        if length.isdecimal() and int(length) > self._max_body_bytes:
            raise self._too_large()
        cycle = cycle_of(request.receive)
        whole = None if cycle is None else cycle.whole_body()
        if whole is not None:
            if len(whole) > self._max_body_bytes:
                raise self._too_large()
            return whole
        try:
            return await within(self._body_s, self._read(request))
        except TimeoutError:
            raise HTTPRefusalError(408, "too_slow", f"The body did not arrive within {self._body_s:g} s.") from None

    async def _read(self, request: HTTPRequest) -> bytes:
        body = bytearray()
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise HTTPRefusalError(400, "incomplete", "The body ended before it was complete.")
            body += message.get("body", b"")
            if len(body) > self._max_body_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> HTTPRefusalError:
        return HTTPRefusalError(413, "too_large", f"A message may have {self._max_body_bytes:,} bytes at most.")


def check_version(version: str, messages: Sequence[Inbound] = ()) -> None:
    """Pass a request whose `MCP-Protocol-Version` is that of a revision, or is left to the envelope of its message.

    Raises:
        UnsupportedVersionError: it is not.
    """
    if not version or version in REVISIONS or any(one.is_modern for one in messages):
        return
    error = UnsupportedVersionError(version[:_MAX_SHOWN])
    if len(messages) == 1 and isinstance(messages[0].message, JSONRPCRequest):
        error.request_id = messages[0].message.id
    raise error


def check_batching(revision: str | None) -> None:
    """Pass a batch of the one revision that has batches. Raises: HTTPRefusalError."""
    if revision != BATCHING_REVISION:
        text = f"Only revision {BATCHING_REVISION} has batches; send one message at a time."
        raise HTTPRefusalError(400, "batch", text)


def _pattern_of(origin: str) -> str:
    origin = origin.rstrip("/")
    return re.escape(origin.removesuffix(":*")) + (r"(:\d+)?" if origin.endswith(":*") else "")


def _port_of(netloc: str) -> str:
    port = netloc.rpartition(":")[2]
    return port if port.isdecimal() and not netloc.endswith("]") else "\0"
