"""The credentials that a request presents, as they are: read from its headers, checked by the providers. Pure."""

import re
from base64 import urlsafe_b64decode
from typing import Final, NamedTuple

from starlette.requests import HTTPConnection

from shared.identity import AuthenticationError
from shared.json_body import MalformedMessageError, read
from shared.lru import LRUCache

_BLANKS: Final = " \t"
"""The padding allowed around a header value (RFC 9110, 5.5); other Unicode white space may be bytes of a key."""
_MAX_HEADER: Final = 8 * 1024
"""Characters of the first part of a token, as it is sent."""
_TOKEN: Final = re.compile(rf"([\w-]{{1,{_MAX_HEADER}}})(?:(?:\.[\w-]*){{2}}|(?:\.[\w-]*){{4}})", re.ASCII)
"""A JWT in compact form: signed (RFC 7515, section 3.1), or encrypted (RFC 7516), which cannot be read here."""
_HEADERS: Final[LRUCache[str, bool]] = LRUCache(100)
"""Headers of tokens that came lately: all tokens under one signing key have the same. Nothing else is kept: it may be
part of a key."""


class NoCredentialError(AuthenticationError):
    """The request presents no credential at all (401)."""


class ContradictingCredentialsError(AuthenticationError):
    """Several credentials came at once, and it is not clear which one counts (400)."""

    def __init__(self) -> None:
        super().__init__(
            "Send one credential: either the header x-api-key or Authorization: Bearer, not both.", status=400
        )


class Presented(NamedTuple):
    """The credentials of one request; None if it is not sent."""

    key: str | None
    """From `x-api-key`."""
    bearer: str | None
    """From `Authorization: Bearer`: a key as well, or a token."""

    @property
    def token(self) -> str | None:
        """The access token, if `bearer` has the form and the header of one."""
        form = None if self.bearer is None else _TOKEN.fullmatch(self.bearer)
        return self.bearer if form is not None and _is_header(form[1]) else None


def _is_header(part: str) -> bool:
    """Return whether the first part of a token is a header (RFC 7515, section 4): a key may have dots as well."""
    if _HEADERS.get(part):
        return True
    try:
        header = read(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, MalformedMessageError):
        return False
    if not isinstance(header, dict) or "alg" not in header:
        return False
    _HEADERS.put(part, True)
    return True


def presented(request: HTTPConnection) -> Presented:
    """Return what `request` presents.

    Raises:
        AuthenticationError: (400) one of the headers came twice, or an `Authorization` header is of another scheme.
    """
    return Presented(*_key_and_bearer(request))


def _key_and_bearer(request: HTTPConnection) -> tuple[str | None, str | None]:
    key: str | None = None
    authorization: str | None = None
    for name, value in request.scope["headers"]:
        if name == b"x-api-key":
            if key is not None:
                raise ContradictingCredentialsError
            key = value.decode("latin-1").strip(_BLANKS)
        elif name == b"authorization":
            if authorization is not None:
                raise ContradictingCredentialsError
            authorization = value.decode("latin-1").strip(_BLANKS)
    if authorization is None:
        return key, None
    scheme, _, bearer = authorization.partition(" ")
    if scheme.lower() != "bearer":
        if key is not None:
            raise ContradictingCredentialsError
        raise AuthenticationError("Authorization must be of the form 'Bearer <key>'.", status=400)
    return key, bearer.strip(_BLANKS)


def presented_keys(request: HTTPConnection) -> tuple[str, ...]:
    """Return the keys presented in `x-api-key` and in `Authorization: Bearer`: none, one, or one of each.

    Raises:
        AuthenticationError: as `presented` does.
    """
    key, bearer = _key_and_bearer(request)
    if bearer is None:
        return () if key is None else (key,)
    return (bearer,) if key is None else (key, bearer)


def presented_key(request: HTTPConnection) -> str | None:
    """Return the one key presented in `x-api-key` or `Authorization: Bearer`, or None.

    Raises:
        AuthenticationError: (400) two credentials at once, or an `Authorization` header of another scheme.
    """
    keys = presented_keys(request)
    if len(keys) > 1:
        raise ContradictingCredentialsError
    return keys[0] if keys else None


def is_presented(request: HTTPConnection) -> bool:
    """Return whether a request has a credential of any kind, valid or not."""
    return "x-api-key" in request.headers or "authorization" in request.headers


def without_bearer(request: HTTPConnection) -> HTTPConnection:
    """Return `request` without its `Authorization` header."""
    headers = [header for header in request.scope["headers"] if header[0] != b"authorization"]
    return HTTPConnection({**request.scope, "headers": headers})
