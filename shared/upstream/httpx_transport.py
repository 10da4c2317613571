"""Carries requests through a transport of httpx2: through a proxy, or to the embedded API."""

import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Final

import httpx2

from shared.upstream.body_text import UnreadableBodyError
from shared.upstream.transport import BodyReader, LostError, NotSentError, ProxyRefusedError, Received, Request

_NEVER_CONNECTED: Final = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})


class HTTPXTransport:
    """Carries requests through `transport`, which it closes.

    Args:
        transport: of httpx2.
        origin: scheme and authority of the API.
        headers: those of every request.
        timeout_s: limits each step of the transport, so that it closes forgotten sockets.
    """

    def __init__(
        self, transport: httpx2.AsyncBaseTransport, *, origin: str, headers: Mapping[str, str], timeout_s: float
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._headers = headers
        self._extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)}

    async def exchange(self, request: Request) -> Received:
        """Do as `ApiTransport` promises."""
        headers = {**self._headers, **request.headers}
        if request.body is not None:
            headers["content-type"] = "application/json"
        asked = httpx2.Request(
            request.method,
            self._origin + request.path,
            headers=headers,
            content=request.body,
            extensions=self._extensions,
        )
        try:
            return await self._received(asked)
        except httpx2.ProxyError as error:
            raise ProxyRefusedError(type(error).__name__) from error
        except httpx2.TransportError as error:
            lost = NotSentError if _proves_nothing_was_sent(error) else LostError
            raise lost(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()

    async def _received(self, request: httpx2.Request) -> Received:
        response = await self._transport.handle_async_request(request)
        response.request = request
        reader = BodyReader()
        try:
            async for chunk in response.aiter_bytes():
                reader.feed(chunk)
                if reader.cut_off is not None:
                    break
        except httpx2.DecodingError:
            reader.cut_off = UnreadableBodyError("not compressed as declared")
        finally:
            await response.aclose()
        return Received(response.status_code, response.headers, reader.whole(), reader.cut_off)


def _proves_nothing_was_sent(error: httpx2.TransportError) -> bool:
    """Whether the *cause* shows that there was no connection; the class alone can be wrong about a dropped POST."""
    if not isinstance(error, httpx2.ConnectError):
        return False
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (socket.gaierror, ssl.SSLError)):
            return True
        if isinstance(cause, OSError) and cause.errno in _NEVER_CONNECTED:
            return True
        if isinstance(cause, BaseExceptionGroup):  # one for each address of the host
            return all(isinstance(one, OSError) and one.errno in _NEVER_CONNECTED for one in cause.exceptions)
        cause = cause.__cause__ or cause.__context__
    return False
