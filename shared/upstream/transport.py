"""The seam below the API client: carries one request to a ticket API, and says what is certain if it fails.

`connection_pool.ConnectionPool` is the direct way; `httpx_transport.HTTPXTransport` goes through proxies, and to the
embedded API.
"""

import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from shared.errors import TicketServerError
from shared.telemetry import get_logger
from shared.upstream.body_text import UnreadableBodyError

log = get_logger(__name__)

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB: Final = 47
"""`wbits` of zlib that recognises the header of either."""


class LostError(TicketServerError):
    """The connection was lost before the whole response came; the request may have been carried out.

    The text is the class of the cause, for the log.
    """


class NotSentError(LostError):
    """There was no connection, which proves that nothing was sent."""


class ProxyRefusedError(NotSentError):
    """The proxy opened no connection."""


class Request(NamedTuple):
    """One request. `path` is below the address of the API, with its query; `body` is JSON, None without one."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Those of this request alone."""
    body: bytes | None


class Received(NamedTuple):
    """A response. Names of headers are in lower case; equal ones are joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut_off: UnreadableBodyError | None
    """Why the body is missing, if it could not be received."""


class ApiTransport(Protocol):
    """Carries requests to one ticket API; several may be on the way at once."""

    async def exchange(self, request: Request) -> Received:
        """Send `request` once and return its response. A caller that is cancelled ends the exchange.

        Raises:
            NotSentError: nothing was sent.
            LostError: it may have been carried out.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...


class BodyReader:
    """Collects the body of a response, decompressed, as far as it is within `MAX_BODY_BYTES`."""

    def __init__(self, encoding: str = "") -> None:
        self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding.strip().lower() in _COMPRESSED else None
        self._body = bytearray()
        self.cut_off: UnreadableBodyError | None = None
        """Why nothing more is read."""

    def feed(self, data: bytes) -> None:
        """Add what came."""
        if self.cut_off is None:
            self._body += data if self._inflater is None else self._inflated(data, self._inflater)
            if len(self._body) > MAX_BODY_BYTES:
                log.error("api_answer_too_large", limit_bytes=MAX_BODY_BYTES)
                self.cut_off = UnreadableBodyError("larger than {size} MiB", size=MAX_BODY_BYTES >> 20)

    def whole(self) -> bytes:
        """Return the body, or nothing if it was cut off."""
        if self._inflater is not None and not self._inflater.eof and self.cut_off is None:
            self.cut_off = _not_compressed()
        return b"" if self.cut_off is not None else bytes(self._body)

    def _inflated(self, data: bytes, inflater: "zlib._Decompress") -> bytes:
        try:
            return inflater.decompress(data, MAX_BODY_BYTES + 1 - len(self._body))
        except zlib.error:
            self.cut_off = _not_compressed()
            return b""


def _not_compressed() -> UnreadableBodyError:
    return UnreadableBodyError("not compressed as declared")
