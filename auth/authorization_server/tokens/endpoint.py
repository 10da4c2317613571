"""`/token` exchanges codes and refresh tokens for access tokens, `/revoke` ends grants, `/jwks` has the public keys.

All that can be checked is checked before a code or refresh token is consumed: a request that is refused for its client,
its resource or its scope leaves them valid. Sources: OAuth 2.1 (draft), sections 3.2 and 4.1.3; RFC 6749, sections 5
and 6; RFC 7009 (revocation); RFC 7636, section 4.6 (PKCE); RFC 8707, section 2.2 (resource).
"""

import base64
import hmac
import re
from collections.abc import Awaitable, Callable, Collection
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.authorization_server.limits import RequestLimits, TooManyRequestsError
from auth.authorization_server.tokens.access_tokens import LIFE_S, AccessTokens, scope_text
from auth.authorization_server.tokens.client_request import (
    ClientRequest,
    TokenRequestError,
    TokenRequestFault,
    invalid_request,
    read_request,
)
from auth.oauth.resources import ProtectedResources
from auth.oauth.tokens import InvalidTokenError
from auth.oauth.verification import TokenVerifier
from auth.store import IdentityStore
from auth.store.authorization.grants import IssuedGrant, RefreshFault
from auth.store.authorization.records import CodeRecord, GrantRecord, LiveGrant, Served
from auth.store.errors import StoreUnavailableError
from shared.identity import SCOPES_OF, AuthenticationError, Scope
from shared.storage.database import DatabaseBusyError
from shared.telemetry import get_logger

log = get_logger(__name__)

_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""RFC 7636, section 4.1."""
_NOT_STORED: Final = MappingProxyType({"cache-control": "no-store", "pragma": "no-cache"})
_CACHED: Final = MappingProxyType({"cache-control": "public, max-age=300"})
_FAULTS: Final = MappingProxyType({
    RefreshFault.UNKNOWN: "The refresh token is not valid for this client. Sign in again.",
    RefreshFault.REPLAYED: "The refresh token was used before, so the sign-in it belongs to was ended. Sign in again.",
    RefreshFault.ENDED: "The sign-in of this refresh token has ended: it was revoked, was not used for long, or the "
    "person has no access any more. Sign in again.",
})  # fmt: skip


class TokenEndpoint:
    """Answers clients.

    Args:
        store: the identity store.
        tokens: issues access tokens.
        resources: those of this server.
        limits: how often an address may send requests that are refused.
        served: whose grants count.
    """

    def __init__(
        self,
        store: IdentityStore,
        tokens: AccessTokens,
        resources: ProtectedResources,
        limits: RequestLimits,
        served: Served,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._verifier = TokenVerifier({tokens.issuer: tokens}, clock=lambda: store.clock().timestamp())
        self._resources = resources
        self._limits = limits
        self._served = served

    async def token(self, request: Request) -> Response:
        """Exchange a code or a refresh token: 200 with tokens (RFC 6749, section 5.1), or an error with a sentence."""
        return await self._answer(request, self._exchange)

    async def revoke(self, request: Request) -> Response:
        """End the grant of an access or refresh token of the client: 200, also if there is nothing to end."""
        return await self._answer(request, self._end)

    async def jwks(self, request: Request) -> Response:  # noqa: ARG002 - the same for everyone
        """Return the public keys that verify access tokens."""
        try:
            return JSONResponse(await self._tokens.jwks(), headers=_CACHED)
        except StoreUnavailableError as error:
            return _unavailable(str(error), 503, 1)

    async def _answer(self, request: Request, answer: Callable[[ClientRequest], Awaitable[Response]]) -> Response:
        """Answer within the limits: of what can be read, what is refused counts, but room for it is taken before.

        The limit comes after the body: a request that does not arrive takes no room from others at its address.
        """
        try:
            sent = await read_request(request)
            self._limits.check(request, "token")
            response = await answer(sent)
        except TooManyRequestsError as error:
            return _unavailable(str(error), 429, error.retry_after_s)
        except TokenRequestError as error:
            log.info("token_request_refused", path=request.url.path, error=error.fault.value, reason=str(error))
            answered = {"error": error.fault.value, "error_description": str(error)}
            return JSONResponse(answered, error.status, {**_NOT_STORED, **error.headers})
        except (DatabaseBusyError, StoreUnavailableError, AuthenticationError) as error:
            response = _unavailable(str(error), 503, 1)
        self._limits.give_back(request, "token")
        return response

    async def _exchange(self, sent: ClientRequest) -> Response:
        match sent.required("grant_type"):
            case "authorization_code":
                return await self._redeem(sent)
            case "refresh_token":
                return await self._refresh(sent)
            case _:
                raise TokenRequestError(
                    TokenRequestFault.UNSUPPORTED_GRANT_TYPE, "grant_type must be authorization_code or refresh_token."
                )

    async def _redeem(self, sent: ClientRequest) -> Response:
        code, verifier = sent.required("code"), sent.required("code_verifier")
        known = await self._store.codes.get(code)
        await self._check_owner(sent, known)
        if known is None:
            raise _invalid_grant("The code is not valid for this client. Sign in again.")
        allowed = known.authorization
        if sent.get("redirect_uri") not in {None, allowed.redirect_uri}:  # OAuth 2.1 leaves it to PKCE, 2.0 sends it
            raise _invalid_grant("redirect_uri is not the one of the authorization request.")
        if not _proves(verifier, known.code_challenge):
            raise _invalid_grant("code_verifier does not match the code_challenge of the authorization request.")
        resource = self._resource(sent, allowed.resource)
        if known.used_at is None and (issued := await self._store.grants.begin(code)) is not None:
            return await self._issue(issued, allowed.scopes, resource)
        again = known if known.used_at is not None else await self._store.codes.get(code)
        if again is not None and again.used_at is not None:
            await self._store.grants.revoke(known.grant_id, because="code replay")
            raise _invalid_grant("The code was used before, so the sign-in it belongs to was ended. Sign in again.")
        raise _invalid_grant("The code has expired, or the person has no access any more. Sign in again.")

    async def _refresh(self, sent: ClientRequest) -> Response:
        token = sent.required("refresh_token")
        known = await self._store.grants.find(token)
        await self._check_owner(sent, known)
        if known is None:
            raise _invalid_grant(_FAULTS[RefreshFault.UNKNOWN])
        resource = self._resource(sent, known.authorization.resource)
        scopes = _narrowed(sent.get("scope"), known.authorization.scopes)
        issued = await self._store.grants.refresh(token, client_id=sent.client_id)
        if isinstance(issued, RefreshFault):
            raise _invalid_grant(_FAULTS[issued])
        return await self._issue(issued, scopes, resource)

    async def _end(self, sent: ClientRequest) -> Response:
        """Source: RFC 7009, section 2. An access token is worth what its grant is, so both kinds end the grant."""
        token = sent.required("token")
        known: GrantRecord | LiveGrant | None = await self._store.grants.find(token)
        if known is None:
            known = await self._grant_of(token)
        await self._check_owner(sent, known)
        if known is not None:
            await self._store.grants.revoke(known.id, because="client")
        return Response(status_code=200, headers=_NOT_STORED)

    async def _grant_of(self, access_token: str) -> LiveGrant | None:
        try:
            verified = await self._verifier.verify(access_token)
        except InvalidTokenError:
            return None
        return None if verified.grant is None else await self._store.grants.live(verified.grant)

    async def _check_owner(self, sent: ClientRequest, known: CodeRecord | GrantRecord | LiveGrant | None) -> None:
        """Raise TokenRequestError if `known` was issued to another client, or if the client is not known either.

        A client with a code or a grant of its own is known by that, whatever became of its registration.
        """
        if known is not None and known.authorization.client_id == sent.client_id:
            return
        if await self._store.oauth_clients.get(sent.client_id) is None:
            raise sent.unknown_client()
        if known is not None:
            raise _invalid_grant("This was issued to another client.")

    def _resource(self, sent: ClientRequest, granted: str) -> str:
        """Return the audience: what was granted, or of a token for the whole server the one that is asked for."""
        if (asked := sent.get("resource")) is None:
            return granted
        resource = self._resources.named(asked)
        if resource is None or granted not in {resource, self._resources.base}:
            raise TokenRequestError(
                TokenRequestFault.INVALID_TARGET, f"The resource of this sign-in is {granted}. Sign in for another one."
            )
        return resource

    async def _issue(self, issued: IssuedGrant, scopes: Collection[Scope], resource: str) -> Response:
        role = issued.grant.role if self._served.has(issued.grant) else None
        allowed = frozenset() if role is None else SCOPES_OF[role] & frozenset(scopes)
        if not allowed:
            raise _invalid_grant("Nothing of what was allowed is permitted to the person any more. Sign in again.")
        answer = {
            "access_token": await self._tokens.sign(issued.grant, scopes=allowed, resource=resource),
            "token_type": "Bearer",
            "expires_in": LIFE_S,
            "refresh_token": issued.refresh_token,
            "scope": scope_text(allowed),
        }
        return JSONResponse(answer, headers=_NOT_STORED)


def _proves(verifier: str, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        raise invalid_request("code_verifier must have 43 to 128 letters, digits or any of -._~.")
    digest = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    return hmac.compare_digest(digest, challenge)


def _narrowed(asked: str | None, granted: frozenset[Scope]) -> frozenset[Scope]:
    """Return the scopes of a token: those asked for, all that were granted if none of this server's is.

    Raises:
        TokenRequestError: one was not granted; others than this server's, as `offline_access`, do not count.
    """
    names = set((asked or "").split())
    scopes = frozenset(scope for scope in Scope if scope.value in names)
    if not scopes <= granted:
        raise TokenRequestError(
            TokenRequestFault.INVALID_SCOPE,
            f"This sign-in allows only {scope_text(granted)}. For more, sign in again.",
        )
    return scopes or granted


def _invalid_grant(description: str) -> TokenRequestError:
    return TokenRequestError(TokenRequestFault.INVALID_GRANT, description)


def _unavailable(sentence: str, status: int, retry_after_s: int) -> Response:
    answered = {"error": TokenRequestFault.TEMPORARILY_UNAVAILABLE.value, "error_description": sentence}
    return JSONResponse(answered, status, {**_NOT_STORED, "retry-after": str(retry_after_s)})
