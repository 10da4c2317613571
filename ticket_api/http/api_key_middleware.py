"""The outermost layer: authenticates the request and limits its body.

A bare ASGI layer, so that without a key even a path that does not exist gives 401 and reveals nothing. The tenant is
determined by the key alone; handlers find it in `request.state.tenant`, and what the key may do in
`request.state.caller`.
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
from ticket_api.keys import Caller, CallerOf
from ticket_api.tenancy import DEFAULT

LARGEST_BODY: Final = 1024 * 1024
SLOWEST_BODY_S: Final = 30
OPEN_PATHS: Final = frozenset({"/health", "/ready"})
ANYONE: Final = Caller(DEFAULT, may_administer=True)
"""The caller where no key is required: on loopback and in process."""
_BLANKS: Final = " \t"
"""The padding allowed around a header value (RFC 9110, 5.5); other Unicode white space may be bytes of a key."""


class ApiKeyMiddleware:
    """Refuses requests without a valid key (400, 401, 429) and bodies that are too large or too slow (413, 408).

    Args:
        caller_of: returns the caller that a key stands for; None: no key is required, and every request belongs to
            the tenant `default` and may administer it.
        attempts: throttles addresses that present wrong keys; None: no throttling.
        trusted_proxies: how many reverse proxies of this deployment are in front (`X-Forwarded-For`).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        caller_of: CallerOf | None,
        attempts: FailedAttempts | None = None,
        trusted_proxies: int = 0,
    ) -> None:
        self.app = app
        self.caller_of = caller_of
        self.attempts = attempts
        self.trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its tenant and its complete body, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            caller = await self._caller(HTTPConnection(scope))
            async with asyncio.timeout(SLOWEST_BODY_S):  # a slow client must not hold the request open
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
            mine = {"tenant": caller.tenant, "caller": caller}
            state = {**scope.get("state", {}), **mine}  # a copy: a server may share one among requests
            await self.app({**scope, "state": state}, replaying(body, receive), send)
            return
        await refusal(scope, receive, send)

    async def _caller(self, request: HTTPConnection) -> Caller:
        """Return the caller of the request. Raises: CredentialError, DatabaseBusyError."""
        if self.caller_of is None or request.scope["path"] in OPEN_PATHS:
            return ANYONE
        key = presented_key(request.headers)
        attempt: AbstractAsyncContextManager[None] = nullcontext()
        if self.attempts is not None:
            attempt = self.attempts.attempt(client_address(request, self.trusted_proxies), key)
        try:
            async with attempt:
                caller = await self.caller_of(key)
                if caller is None:
                    raise WrongKeyError
                return caller
        except TooManyFailuresError as error:
            headers = {"Retry-After": str(error.retry_after_s)}
            raise CredentialError(429, {"error": str(error), "kind": error.kind}, headers) from error


def presented_key(headers: Headers) -> str:
    """Return the one key that a request presents. Raises: CredentialError (400 for two keys, 401 for none).

    `Authorization` is ignored here: a platform may send a credential of its own beside the key.
    """
    keys = headers.getlist("x-api-key")
    if len(keys) > 1:
        sentence = "Send one key: the header x-api-key was sent more than once."
        raise CredentialError(400, {"error": sentence, "field": "x-api-key"})
    key = keys[0].strip(_BLANKS) if keys else ""  # uvicorn's parser leaves trailing spaces in values
    if not key:
        raise UnauthenticatedError("Missing API key", "Send a key of this service in the header x-api-key.")
    return key


class CredentialError(Exception):
    """The presented credential is refused, with this response."""

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
    """The key belongs to no tenant."""

    def __init__(self) -> None:
        super().__init__("Invalid API key", "The key in the header x-api-key is not a key of this service.")


class TooLargeError(Exception):
    """The body is larger than allowed."""


class ClientGoneError(Exception):
    """The connection closed before the body was complete."""


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """Return the whole body. Raises: TooLargeError (before reading, if Content-Length says so), ClientGoneError."""
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
    """Return a `receive` that gives the body in one message, then what the server sends next."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
