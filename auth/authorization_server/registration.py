"""Registration of clients that cannot publish a metadata document: `POST /register`.

A fallback for older clients, which an operator can switch off. Who registers proves nothing, so a registration is
worth nothing by itself: redirect addresses are those that the policy allows, there are no secrets, and what is not
used for long is removed.

Sources: RFC 7591, section 3; MCP authorization (2026-07-28), which deprecates it.
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from auth.authorization_server.client_metadata import MAX_BYTES, ClientMetadataError, metadata_in_registration
from auth.authorization_server.limits import RequestLimits, TooManyRequestsError
from auth.authorization_server.redirects import RedirectPolicy
from auth.store.authorization.clients import OAuthClients
from shared.json_body import MalformedMessageError, read
from shared.storage.database import DatabaseBusyError
from shared.telemetry import get_logger

log = get_logger(__name__)

BODY_S: Final = 10.0
"""How long the body of a request may take, in seconds."""
_HEADERS: Final = MappingProxyType({"cache-control": "no-store", "pragma": "no-cache"})


class Registration:
    """The registration endpoint.

    Args:
        stored: where clients are registered.
        policy: which redirect addresses are allowed.
        limits: how often clients may register.
    """

    def __init__(self, stored: OAuthClients, policy: RedirectPolicy, limits: RequestLimits) -> None:
        self._stored = stored
        self._policy = policy
        self._limits = limits

    async def register(self, request: Request) -> Response:
        """Register the client in the body: 201 with its id and metadata, or an error with a sentence."""
        try:
            self._limits.check(request, "register")
            async with asyncio.timeout(BODY_S):
                body = await _body(request)
            record = await self._stored.register(metadata_in_registration(_json(body), self._policy))
        except TooManyRequestsError as error:
            return _refusal(429, "temporarily_unavailable", str(error), {"retry-after": str(error.retry_after_s)})
        except ClientMetadataError as error:
            return _refusal(400, error.error, str(error))
        except _BodyError as error:
            return _refusal(error.status, "invalid_client_metadata", str(error))
        except TimeoutError:
            return _refusal(408, "invalid_client_metadata", f"The body did not arrive within {BODY_S:g} seconds.")
        except DatabaseBusyError as error:
            return _refusal(503, "temporarily_unavailable", str(error), {"retry-after": "1"})
        log.info("client_registered", client_id=record.id, redirect_uris=record.metadata["redirect_uris"])
        answer = {**record.metadata, "client_id": record.id, "client_id_issued_at": int(record.created_at.timestamp())}
        return JSONResponse(answer, 201, _HEADERS)


class _BodyError(Exception):
    """A body is not read; the text says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def _body(request: Request) -> bytes:
    """Return the body, which is JSON by its type and not too large. Raises: _BodyError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _BodyError(415, "Send the metadata with Content-Type: application/json.")
    too_large = _BodyError(413, f"The metadata may have at most {MAX_BYTES:,} bytes.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 9 or int(length) > MAX_BYTES):
        raise too_large
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BYTES:
                raise too_large
    except ClientDisconnect as error:
        raise _BodyError(400, "The connection ended before the body did.") from error
    return bytes(body)


def _json(body: bytes) -> object:
    try:
        return read(body)
    except MalformedMessageError as error:
        raise ClientMetadataError("The body is not valid JSON.") from error


def _refusal(status: int, error: str, sentence: str, headers: Mapping[str, Any] | None = None) -> Response:
    return JSONResponse({"error": error, "error_description": sentence}, status, {**_HEADERS, **(headers or {})})
