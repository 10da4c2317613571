"""Requests of clients to `/token` and `/revoke`: a form, read within limits, and the client that sends it.

Clients have no secrets here, so a client id names a client and proves nothing; what a client sends for a code or token
must match what it was issued for. Sources: RFC 6749, sections 2.3.1, 3.2 and 5.2, and appendix A (characters).
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request

from auth.authorization_server.bodies import BodyError, read_body
from shared.errors import TicketServerError

MAX_BYTES: Final = 16 * 1024
MAX_PARAMETERS: Final = 50
_FORM: Final = re.compile(
    r'application/x-www-form-urlencoded[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?;?', re.IGNORECASE
)
_PRINTABLE: Final = re.compile(r"[ -~]*")
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class TokenRequestFault(StrEnum):
    """Values of `error` in a response."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"


class TokenRequestError(TicketServerError):
    """A request is refused; the text is for the developer or user of the client, in ASCII without quotation marks."""

    kind = "token_request"

    def __init__(
        self,
        fault: TokenRequestFault,
        description: str,
        *,
        status: int = 400,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        super().__init__(description)
        self.fault = fault
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What a client sends."""

    client_id: str
    is_by_header: bool
    """Whether the client named itself in `Authorization`."""
    parameters: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str | None:
        """Return a parameter, None without one."""
        return self.parameters.get(name)

    def required(self, name: str) -> str:
        """Return a parameter. Raises: TokenRequestError: it is missing."""
        if (value := self.parameters.get(name)) is None:
            raise invalid_request(f"{name} is missing.")
        return value

    def unknown_client(self) -> TokenRequestError:
        """Return the refusal of a client that is not known."""
        return _invalid_client(
            "This client is not known here. Remove the connection from it, and add it again.",
            is_by_header=self.is_by_header,
        )


def invalid_request(description: str, *, status: int = 400) -> TokenRequestError:
    """Return the refusal of a request that cannot be read."""
    return TokenRequestError(TokenRequestFault.INVALID_REQUEST, description, status=status)


def _invalid_client(description: str, *, is_by_header: bool) -> TokenRequestError:
    headers = {"www-authenticate": 'Basic realm="clients"'} if is_by_header else _NO_HEADERS
    return TokenRequestError(TokenRequestFault.INVALID_CLIENT, description, status=401, headers=headers)


async def read_request(request: Request) -> ClientRequest:
    """Return what a client sends.

    Raises:
        TokenRequestError: it is too large or slow, not a form, ambiguous, or its client has a secret.
    """
    types = request.headers.getlist("content-type")
    if len(types) != 1 or not _FORM.fullmatch(types[0].strip()):
        raise invalid_request("Send the parameters as a form: Content-Type application/x-www-form-urlencoded.")
    by_header = _client_of_header(request.headers.getlist("authorization"))
    parameters = _parameters(await _body(request))
    if parameters.get("client_secret"):
        raise _invalid_client(_NO_SECRETS, is_by_header=False)
    in_body = parameters.get("client_id")
    if by_header is not None and in_body not in {None, by_header}:
        raise invalid_request("client_id and the Authorization header name different clients.")
    client_id = by_header or in_body
    if client_id is None:
        raise invalid_request("client_id is missing.")
    return ClientRequest(client_id, by_header is not None, parameters)


_NO_SECRETS: Final = "Clients have no secret here. Send client_id alone (token_endpoint_auth_method none)."


def _client_of_header(lines: list[str]) -> str | None:
    """Return the client in a header for Basic; None without one. Other schemes may be meant for a gateway in front."""
    if len(lines) > 1:
        raise invalid_request("There is more than one Authorization header.")
    scheme, _, credentials = (lines[0] if lines else "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("ascii")
    except ValueError:
        text = ""
    name, colon, secret = text.rpartition(":")  # the id may be an address; it should be encoded, but may not be
    client_id = unquote_plus(name)
    if not colon or not client_id or not _PRINTABLE.fullmatch(client_id):
        raise invalid_request("The Authorization header for Basic must hold a client id, a colon and nothing more.")
    if secret:
        raise _invalid_client(_NO_SECRETS, is_by_header=True)
    return client_id


async def _body(request: Request) -> bytes:
    """Return the body. Raises: TokenRequestError."""
    try:
        return await read_body(request, max_bytes=MAX_BYTES)
    except BodyError as error:
        raise invalid_request(str(error), status=error.status) from None


def _parameters(body: bytes) -> Mapping[str, str]:
    """Return the parameters of a form; one without a value counts as left out. Raises: TokenRequestError."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError:
        raise invalid_request(f"The form cannot be read, or has more than {MAX_PARAMETERS} parameters.") from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise invalid_request("A parameter is there more than once.")
    if not all(_PRINTABLE.fullmatch(value) for value in parameters.values()):
        raise invalid_request("A parameter has characters other than printable ASCII.")
    return {name: value for name, value in parameters.items() if value}
