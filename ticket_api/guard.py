"""Stands before everything else: who may ask at all, and how much may be sent.

A bare ASGI layer, so that a path that does not exist answers 401 without a key as well and gives nothing away.
"""

import asyncio
import hmac
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY: Final = 1024 * 1024
SLOWEST_BODY_S: Final = 30
OPEN_PATHS: Final = frozenset({"/health"})


class Guard:
    """Refuses requests without the key (401) and with too large or too slow a body (413, 408)."""

    def __init__(self, app: ASGIApp, *, api_key: str | None) -> None:
        self.app = app
        self.api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its whole body, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._check_key(scope["path"], headers)
        if refusal is None:
            try:
                async with asyncio.timeout(SLOWEST_BODY_S):
                    body = await read_body(headers, receive)
            except TooLargeError:
                refusal = JSONResponse({"error": f"The body is larger than {LARGEST_BODY} bytes."}, 413)
            except TimeoutError:
                refusal = JSONResponse({"error": "The body did not arrive in time."}, 408)
            except ClientGoneError:
                return
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self.app(scope, replaying(body, receive), send)

    def _check_key(self, path: str, headers: Headers) -> JSONResponse | None:
        if self.api_key is None or path in OPEN_PATHS:
            return None
        given = headers.get("x-api-key", "").strip()  # uvicorn's parser leaves trailing spaces in values
        if hmac.compare_digest(given.encode(), self.api_key.encode()):
            return None
        error, message = (
            ("Invalid API key", "The key in the header x-api-key is not the one of this service.")
            if given
            else ("Missing API key", "Send the key of this service in the header x-api-key.")
        )
        return JSONResponse({"error": error, "message": message}, 401, {"WWW-Authenticate": "ApiKey"})


class TooLargeError(Exception):
    """The body is larger than allowed."""


class ClientGoneError(Exception):
    """The connection closed before the body was complete."""


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """Return the whole body. Raises: TooLargeError (before reading, where the length is announced), ClientGoneError."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > LARGEST_BODY:
        raise TooLargeError
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise TooLargeError
        if not message.get("more_body", False):
            return bytes(body)


def replaying(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body in one piece and then what the server says next."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
