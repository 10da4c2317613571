"""Registration of clients that cannot publish a metadata document: `POST /register`.

A fallback for older clients, which an operator can switch off. Who registers proves nothing, so a registration is
worth nothing by itself: redirect addresses are those that the policy allows, there are no secrets, and what is not
used for long is removed.

Sources: RFC 7591, section 3; MCP authorization (2026-07-28), which deprecates it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.authorization_server.bodies import BodyError, read_body
from auth.authorization_server.clients.metadata import MAX_BYTES, ClientMetadataError, metadata_in_registration
from auth.authorization_server.clients.redirects import RedirectPolicy
from auth.authorization_server.limits import RequestLimits, TooManyRequestsError
from auth.store.authorization.clients import OAuthClients
from shared.json_body import MalformedMessageError, read
from shared.storage.database import DatabaseBusyError
from shared.telemetry import get_logger

log = get_logger(__name__)

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
            asked = _json(await _body(request))
            record = await self._stored.register(metadata_in_registration(asked, self._policy))
        except TooManyRequestsError as error:
            return _refusal(429, "temporarily_unavailable", str(error), {"retry-after": str(error.retry_after_s)})
        except ClientMetadataError as error:
            return _refusal(400, error.error, str(error))
        except BodyError as error:
            return _refusal(error.status, "invalid_client_metadata", str(error))
        except DatabaseBusyError as error:
            return _refusal(503, "temporarily_unavailable", str(error), {"retry-after": "1"})
        log.info("client_registered", client_id=record.id, redirect_uris=record.metadata["redirect_uris"])
        answer = {**record.metadata, "client_id": record.id, "client_id_issued_at": int(record.created_at.timestamp())}
        return JSONResponse(answer, 201, _HEADERS)


async def _body(request: Request) -> bytes:
    """Return the body, which is JSON by its type. Raises: BodyError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BodyError(415, "Send the metadata with Content-Type: application/json.")
    return await read_body(request, max_bytes=MAX_BYTES)


def _json(body: bytes) -> object:
    try:
        return read(body)
    except MalformedMessageError as error:
        raise ClientMetadataError("The body is not valid JSON.") from error


def _refusal(status: int, error: str, sentence: str, headers: Mapping[str, Any] | None = None) -> Response:
    return JSONResponse({"error": error, "error_description": sentence}, status, {**_HEADERS, **(headers or {})})
