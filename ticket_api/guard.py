"""Stands before everything else: whose request it is, and how much may be sent.

A bare ASGI layer, so that a path that does not exist answers 401 without a key as well and gives nothing away. The
tenant comes from the key and from nothing else; handlers find it in `request.state.tenant`.
"""

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.database import DatabaseBusyError
from ticket_api.keys import TenantOf
from ticket_api.refusals import busy
from ticket_api.tenancy import DEFAULT

LARGEST_BODY: Final = 1024 * 1024
SLOWEST_BODY_S: Final = 30
OPEN_PATHS: Final = frozenset({"/health"})


class Guard:
    """Refuses requests without a key (401) and with too large or too slow a body (413, 408).

    `tenant_of` knows the keys; without it no key is asked for, and everybody is the tenant `default`.
    """

    def __init__(self, app: ASGIApp, *, tenant_of: TenantOf | None) -> None:
        self.app = app
        self.tenant_of = tenant_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its tenant and its whole body, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            tenant = await self._tenant(scope["path"], headers)
            async with asyncio.timeout(SLOWEST_BODY_S):
                body = await read_body(headers, receive)
        except NoKeyError as error:
            refusal = JSONResponse(error.body, 401, {"WWW-Authenticate": "ApiKey"})
        except DatabaseBusyError as error:
            refusal = busy(error)
        except TooLargeError:
            refusal = JSONResponse({"error": f"The body is larger than {LARGEST_BODY} bytes."}, 413)
        except TimeoutError:
            refusal = JSONResponse({"error": "The body did not arrive in time."}, 408)
        except ClientGoneError:
            return
        else:
            state = {**scope.get("state", {}), "tenant": tenant}  # a new one: a server may share one among requests
            await self.app({**scope, "state": state}, replaying(body, receive), send)
            return
        await refusal(scope, receive, send)

    async def _tenant(self, path: str, headers: Headers) -> str:
        """Return whose request it is. Raises: NoKeyError, DatabaseBusyError."""
        if self.tenant_of is None or path in OPEN_PATHS:
            return DEFAULT
        given = headers.get("x-api-key", "").strip()  # uvicorn's parser leaves trailing spaces in values
        if not given:
            raise NoKeyError("Missing API key", "Send a key of this service in the header x-api-key.")
        tenant = await self.tenant_of(given)
        if tenant is None:
            raise NoKeyError("Invalid API key", "The key in the header x-api-key is not one of this service.")
        return tenant


class NoKeyError(Exception):
    """No key was sent, or one that stands for nobody."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(error)
        self.body = {"error": error, "message": message}


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
