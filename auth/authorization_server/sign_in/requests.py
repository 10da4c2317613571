"""Authorization requests: what a client asks for at `/authorize`, read and checked. Pure.

Nothing of a request counts before its client and its redirect address are known: only then may an error go back to the
client. Sources: RFC 6749, sections 3.1 and 4.1; OAuth 2.1 (draft), section 4.1; RFC 7636 (PKCE); RFC 8707 (resource);
OpenID Connect Core 1.0, section 3.1.2 (prompt, request, request_uri).
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode

from auth.oauth.resources import ProtectedResources
from shared.errors import TicketServerError
from shared.identity import Scope

MAX_QUERY: Final = 8 * 1024
"""Characters of a whole request; checked before anything of it is read."""
MAX_PARAMETERS: Final = 50
MAX_STATE: Final = 2000
USUAL_SCOPES: Final = (Scope.TICKETS_READ, Scope.TICKETS_WRITE)
"""Granted to a client that asks for no scope of this server."""
_STATE: Final = re.compile(rf"[ -~]{{1,{MAX_STATE}}}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""SHA-256 in base64url (RFC 7636, section 4.2)."""

Parameters = Mapping[str, Sequence[str]]
"""The values of each parameter; one without a value counts as left out (RFC 6749, section 3.1)."""


class AuthorizationFault(StrEnum):
    """Values of `error` in an authorization response."""

    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    INVALID_TARGET = "invalid_target"
    ACCESS_DENIED = "access_denied"
    INTERACTION_REQUIRED = "interaction_required"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"


class AuthorizationRequestError(TicketServerError):
    """A request is refused, with a response to its client."""

    kind = "authorization_request"

    def __init__(self, fault: AuthorizationFault, description: str) -> None:
        super().__init__(description)
        self.fault = fault
        self.description = description
        """A sentence for the developer or user of the client, in ASCII."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who sent an authorization request, and where its response goes."""

    client_id: str
    client_name: str
    redirect_uri: str
    """Exactly as asked for, with its port."""
    state: str | None

    def response_url(self, issuer: str, **said: str) -> str:
        """Return the address of a response that says `said`, with `state` and `iss` (RFC 9207)."""
        state = {} if self.state is None else {"state": self.state}
        uri = self.redirect_uri
        joint = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
        return uri + joint + urlencode({**said, **state, "iss": issuer})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest(Requester):
    """A valid request."""

    scopes: tuple[Scope, ...]
    code_challenge: str
    resource: str
    """The audience of the tokens, in canonical spelling."""
    select_account: bool = False
    """Whether the person is to choose the account at the identity provider."""

    def as_json(self) -> Mapping[str, Any]:
        """Return JSON from which `from_json` makes an equal request."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the request of `as_json`."""
        return cls(**{**fields, "scopes": tuple(map(Scope, fields["scopes"]))})


def read_parameters(text: str) -> Parameters:
    """Return the parameters of a query or a form. Raises: ValueError: there are too many, or they are not UTF-8."""
    found = defaultdict[str, list[str]](list)
    for name, value in parse_qsl(text, max_num_fields=MAX_PARAMETERS, errors="strict"):
        found[name].append(value)
    return found


def single(parameters: Parameters, name: str) -> str | None:
    """Return the value of a parameter, None without one. Raises: AuthorizationRequestError: there are several."""
    values = parameters.get(name, ())
    if len(values) > 1:
        raise _refused(f"{name} is there more than once.")
    return values[0] if values else None


def state_of(parameters: Parameters) -> str | None:
    """Return the state that a response may repeat; None without one, or if there are several or it is not allowed."""
    states = parameters.get("state", ())
    return states[0] if len(states) == 1 and _STATE.fullmatch(states[0]) else None


class RequestReader:
    """Reads requests for some resources.

    Args:
        resources: those of this server.
        paths: of the resources that are served.
    """

    def __init__(self, resources: ProtectedResources, paths: Collection[str]) -> None:
        self._resources = resources
        self._served = frozenset({resources.base, *(resources.base + path for path in paths)})

    def read(self, parameters: Parameters, by: Requester) -> AuthorizationRequest:
        """Return the request of a known client with a redirect address that is its own.

        Raises:
            AuthorizationRequestError: something else of the request is wrong.
        """
        if single(parameters, "state") != by.state:
            raise _refused(f"state must be at most {MAX_STATE:,} printable ASCII characters.")
        _check_kind(parameters)
        return AuthorizationRequest(
            client_id=by.client_id,
            client_name=by.client_name,
            redirect_uri=by.redirect_uri,
            state=by.state,
            code_challenge=_challenge(parameters),
            resource=self._resource(parameters.get("resource", ())),
            scopes=scopes_of(single(parameters, "scope") or ""),
            select_account=_selects_account((single(parameters, "prompt") or "").split()),
        )

    def _resource(self, asked: Sequence[str]) -> str:
        named = {self._resources.named(each) for each in asked} or {self._resources.base}
        resource = named.pop()
        if named:
            raise AuthorizationRequestError(
                AuthorizationFault.INVALID_TARGET, "A token is for one resource: ask for one."
            )
        if resource is None or resource not in self._served:
            served = ", ".join(sorted(self._served))
            raise AuthorizationRequestError(
                AuthorizationFault.INVALID_TARGET, f"This server has no such resource. Its resources: {served}."
            )
        return resource


def scopes_of(asked: str) -> tuple[Scope, ...]:
    """Return the scopes of this server among those asked for, the usual ones without any."""
    names = set(asked.split())
    return tuple(scope for scope in Scope if scope.value in names) or USUAL_SCOPES


def _check_kind(parameters: Parameters) -> None:
    """Raise AuthorizationRequestError unless a code is asked for, in the query, by parameters alone."""
    if single(parameters, "request") is not None:
        raise AuthorizationRequestError(AuthorizationFault.REQUEST_NOT_SUPPORTED, "request is not supported.")
    if single(parameters, "request_uri") is not None:
        raise AuthorizationRequestError(AuthorizationFault.REQUEST_URI_NOT_SUPPORTED, "request_uri is not supported.")
    response_type = single(parameters, "response_type")
    if response_type is None:
        raise _refused("response_type is missing: it must be code.")
    if response_type != "code":
        raise AuthorizationRequestError(
            AuthorizationFault.UNSUPPORTED_RESPONSE_TYPE, "The only response_type of this server is code."
        )
    if single(parameters, "response_mode") not in {None, "query"}:
        raise _refused("The only response_mode of this server is query.")


def _challenge(parameters: Parameters) -> str:
    challenge, method = single(parameters, "code_challenge"), single(parameters, "code_challenge_method")
    if challenge is None:
        raise _refused("code_challenge is missing: this server requires PKCE.")
    if method != "S256":
        raise _refused("code_challenge_method must be S256.")
    if not _CHALLENGE.fullmatch(challenge):
        raise _refused("code_challenge must be a SHA-256 in base64url: 43 characters without padding.")
    return challenge


def _selects_account(prompts: Collection[str]) -> bool:
    if "none" in prompts:
        if len(prompts) > 1:
            raise _refused("prompt=none cannot be combined with another prompt.")
        raise AuthorizationRequestError(
            AuthorizationFault.INTERACTION_REQUIRED, "Each sign-in asks the person: prompt=none is not possible."
        )
    return not {"login", "select_account"}.isdisjoint(prompts)


def _refused(description: str) -> AuthorizationRequestError:
    return AuthorizationRequestError(AuthorizationFault.INVALID_REQUEST, description)
