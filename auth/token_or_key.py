"""Access tokens beside keys: the form of a credential decides which provider checks it.

A value in `Authorization: Bearer` that has the form and the header of a JWT is a token, everything else a key. Tokens
never pass the throttle of wrong keys: a signature is not guessed, and a client with a stale one must not delay others
at its address. Refused tokens are audited as `token_refused`, at once and then once a minute for each address and
reason.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from starlette.requests import HTTPConnection

from auth.oauth.errors import NotAdmittedError
from auth.oauth.provider import OAuthProvider
from auth.oauth.tokens import InvalidTokenError, TokenFault
from auth.presented import ContradictingCredentialsError, NoCredentialError, presented, without_bearer
from auth.providers import FOREIGN_CREDENTIAL, KeyAuthProvider
from auth.store.key_format import parse
from auth.throttle import ThrottledAuthProvider
from shared.audit import AuditEvent, AuditTrail
from shared.client_habits import ClientHabits
from shared.failed_attempts import MOST_ADDRESSES
from shared.http.address import client_address
from shared.identity import OAUTH, AuthenticationError, AuthProvider, Principal
from shared.throttled_audit import ThrottledAuditTrail

NO_CREDENTIAL: Final = "Sign in, or send an API key in the header x-api-key."


class TokenOrKeyAuthProvider(AuthProvider):
    """Authenticates by an access token or a key. Use inside `run()`.

    Of a token and a key that came at once, the one that is valid counts: the other may be for a gateway in front. Two
    that are valid must have the same owner.

    Args:
        tokens: checks tokens.
        keys: checks keys.
        trail: records refusals.
        trusted_proxies: how many reverse proxies of this deployment are in front.
        habits: what is served of clients that bend the protocol; by default all that is known.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        tokens: OAuthProvider,
        keys: KeyAuthProvider,
        *,
        trail: AuditTrail,
        trusted_proxies: int = 0,
        habits: ClientHabits | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._keys = keys
        self._throttled = ThrottledAuthProvider(keys, trail=trail, trusted_proxies=trusted_proxies, seconds=seconds)
        self._trusted_proxies = trusted_proxies
        self._habits = habits or ClientHabits()
        self._refusals = ThrottledAuditTrail(trail, max_kinds=MOST_ADDRESSES, clock=seconds)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Audit refusals that were only counted, and end what is in flight when left."""
        async with AsyncExitStack() as stack:
            for part in (self._tokens, self._throttled, self._refusals):
                await stack.enter_async_context(part.run())
            yield

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the owner of the presented token or key.

        Raises:
            AuthenticationError: what the provider of tokens or the throttled one of keys raises; (400) contradicting
                credentials.
        """
        sent = presented(request)
        token = sent.token
        if token is None:
            if not sent.key and not sent.bearer:  # a client may send the header without a value
                raise NoCredentialError(NO_CREDENTIAL)
            return await self._throttled.authenticate(request)
        if not sent.key:
            try:
                return await self._tokens.owner_of(token, request.scope["path"])
            except AuthenticationError as refused:
                await self._record(refused, request)
                raise
        if not self._habits.serves(FOREIGN_CREDENTIAL):
            raise ContradictingCredentialsError
        principal = await self._of_either(request, token, sent.key)
        self._habits.admits(FOREIGN_CREDENTIAL)
        return principal

    async def is_still_valid(self, principal: Principal) -> bool:
        """Ask the provider that authenticated `principal`."""
        provider = self._tokens if principal.proof == OAUTH else self._throttled
        return await provider.is_still_valid(principal)

    async def _of_either(self, request: HTTPConnection, token: str, key: str) -> Principal:
        try:
            principal = await self._tokens.owner_of(token, request.scope["path"])
        except AuthenticationError as refused:
            return await self._of_key(request, refused)
        try:  # no attempt: this caller is known
            owner = await self._keys.owner_of(key)
        except AuthenticationError as error:
            await self._record_key(error, key, principal, request)
            return principal
        if owner.key != principal.key:
            raise ContradictingCredentialsError
        return principal

    async def _of_key(self, request: HTTPConnection, refused: AuthenticationError) -> Principal:
        """Return the owner of the key beside a token that was `refused`."""
        try:
            return await self._throttled.authenticate(without_bearer(request))
        except AuthenticationError:
            if isinstance(refused, InvalidTokenError) and refused.reason == TokenFault.ISSUER:
                raise  # a token of a gateway: the key was meant for this server
            await self._record(refused, request)
            raise refused from None

    async def _record_key(
        self, error: AuthenticationError, key: str, principal: Principal, request: HTTPConnection
    ) -> None:
        """Audit a wrong key beside the valid token of `principal`, if the key has our form: others are a gateway's."""
        ours = parse(key)
        if ours is None or error.status != 401:
            return
        address = client_address(request, self._trusted_proxies)
        detail = f"wrong key beside a valid token from {address}"
        event = AuditEvent.by(
            principal, action="authenticate", outcome=error.kind, object=ours.public_id, detail=detail
        )
        await self._refusals.record((address, detail), event)

    async def _record(self, refused: AuthenticationError, request: HTTPConnection) -> None:
        match refused:
            case InvalidTokenError():
                subject = identity = issuer = ""  # what it says of them is not certain
            case NotAdmittedError():
                subject, identity, issuer = refused.subject, refused.identity, f" at {refused.issuer}"
            case _:  # it could not be checked
                return
        address = client_address(request, self._trusted_proxies)
        event = AuditEvent(
            action="token_refused",
            outcome=refused.kind,
            credential=identity,
            object=subject,
            detail=f"{refused.reason} from {address}{issuer}",
        )
        await self._refusals.record((address, refused.reason), event)
