"""Stands before everything else: whose request it is, and how much may be sent.

A bare ASGI layer, so that a path that does not exist answers 401 without a key as well and gives nothing away. The
tenant comes from the key and from nothing else; handlers find it in `request.state.tenant`.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.failed_attempts import FailedAttempts, TooManyFailuresError
from shared.http.address import client_address
from shared.storage.database import DatabaseBusyError
from ticket_api.http.refusals import busy
from ticket_api.keys import TenantOf
from ticket_api.tenancy import DEFAULT

LARGEST_BODY: Final = 1024 * 1024
SLOWEST_BODY_S: Final = 30
OPEN_PATHS: Final = frozenset({"/health", "/ready"})
_BLANKS: Final = " \t"
"""What a header's value may be padded with (RFC 9110, 5.5); other blanks of Unicode may be bytes of a key."""


class Guard:
    """Refuses requests without a good key (400, 401, 429) and with too large or too slow a body (413, 408).

    Args:
        tenant_of: knows the keys; without it no key is asked for, and all requests are of the tenant `default`.
        attempts: throttles addresses that present wrong keys; without it nothing does.
        trusted_proxies: how many proxies of our own stand in front (`X-Forwarded-For`).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tenant_of: TenantOf | None,
        attempts: FailedAttempts | None = None,
        trusted_proxies: int = 0,
    ) -> None:
        self.app = app
        self.tenant_of = tenant_of
        self.attempts = attempts
        self.trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its tenant and its whole body, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            tenant = await self._tenant(HTTPConnection(scope))
            async with asyncio.timeout(SLOWEST_BODY_S):  # a stranger's body is not waited for
                body = b"" if scope["path"] in OPEN_PATHS else await read_body(headers, receive)
        except CredentialError as error:
            refusal = JSONResponse(error.body, error.status, error.headers)
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

    async def _tenant(self, request: HTTPConnection) -> str:
        """Return whose request it is. Raises: CredentialError, DatabaseBusyError."""
        if self.tenant_of is None or request.scope["path"] in OPEN_PATHS:
            return DEFAULT
        key = presented_key(request.headers)
        attempt: AbstractAsyncContextManager[None] = nullcontext()
        if self.attempts is not None:
            attempt = self.attempts.attempt(client_address(request, self.trusted_proxies), key)
        try:
            async with attempt:
                tenant = await self.tenant_of(key)
                if tenant is None:
                    raise WrongKeyError
                return tenant
        except TooManyFailuresError as error:
            headers = {"Retry-After": str(error.retry_after_s)}
            raise CredentialError(429, {"error": str(error), "kind": error.kind}, headers) from error


def presented_key(headers: Headers) -> str:
    """Return the one key that a request presents. Raises: CredentialError (400 for two keys, 401 for none).

    `Authorization` is no key here: a platform may send one of its own beside the key, and it has no say.
    """
    keys = headers.getlist("x-api-key")
    if len(keys) > 1:
        sentence = "Send one key: the header x-api-key came more than once."
        raise CredentialError(400, {"error": sentence, "field": "x-api-key"})
    key = keys[0].strip(_BLANKS) if keys else ""  # uvicorn's parser leaves trailing spaces in values
    if not key:
        raise UnauthenticatedError("Missing API key", "Send a key of this service in the header x-api-key.")
    return key


class CredentialError(Exception):
    """What was presented as a key is refused, with this answer."""

    def __init__(self, status: int, body: Mapping[str, str], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body["error"])
        self.status = status
        self.body = body
        self.headers = headers


class UnauthenticatedError(CredentialError):
    """No key was presented, or a wrong one."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(401, {"error": error, "message": message}, {"WWW-Authenticate": "ApiKey"})


class WrongKeyError(UnauthenticatedError):
    """The key stands for no tenant."""

    def __init__(self) -> None:
        super().__init__("Invalid API key", "The key in the header x-api-key is not one of this service.")


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
