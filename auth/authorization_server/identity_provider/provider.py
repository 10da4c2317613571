"""The identity provider at which people sign in: this server is a client there, and learns from it who signed in.

The code flow of OpenID Connect with PKCE, `state` and `nonce`. What counts is the ID token. Every other token in the
response is dropped unread: none is kept, logged or handed on, so this server can do nothing at the provider in the name
of a person.
Sources: OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3; RFC 6749, sections 2.3.1 and 4.1; RFC 7636; RFC 9207.
"""

import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from auth.authorization_server.identity_provider.id_token import IdTokenError, SignedInPerson, person_in
from auth.authorization_server.identity_provider.metadata import POST, ProviderMetadata
from auth.oauth.fetcher import FetchError, GuardedFetcher
from auth.oauth.key_set import IssuerKeys
from auth.oauth.tokens import InvalidTokenError, IssuerUnavailableError
from auth.oauth.verification import MAX_CHARACTERS, is_signed, json_object, opened
from shared.errors import TicketServerError
from shared.identity import GOOGLE, provider_label
from shared.telemetry import get_logger

log = get_logger(__name__)

SCOPE: Final = "openid email profile"
_MAX_ANSWER: Final = 64 * 1024
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,60}")
_CLIENT_ERRORS: Final = frozenset({"invalid_client", "unauthorized_client"})
_SET_UP_ERRORS: Final = frozenset({*_CLIENT_ERRORS, "redirect_uri_mismatch", "unsupported_grant_type", "invalid_scope"})
"""Errors that only the operator can correct; `redirect_uri_mismatch` is Google's own."""


class ProviderFault(StrEnum):
    """Why a sign-in failed; stable words for logs."""

    UNAVAILABLE = "provider_unavailable"
    REFUSED = "provider_refused"
    """The provider does not accept the code: it is used, has expired, or belongs to another sign-in."""
    SET_UP = "provider_set_up"
    """The provider does not accept this server: client id, client secret or callback address."""
    UNTRUSTED = "provider_untrusted"
    """The ID token is not accepted."""


# RFC 6749, section 4.1.2.1: these characters may stand in `error_description`, so no quotation marks and ASCII alone.
_SENTENCES: Final[Mapping[ProviderFault, tuple[str, str]]] = MappingProxyType({
    ProviderFault.UNAVAILABLE: (
        "temporarily_unavailable",
        "{} does not answer at the moment, so you cannot be signed in. Try again in a few minutes.",
    ),
    ProviderFault.REFUSED: ("access_denied", "{} did not confirm this sign-in, or it took too long. Sign in again."),
    ProviderFault.SET_UP: (
        "server_error",
        "{} does not accept this server. Its operator finds the reason in the log; signing in again does not help.",
    ),
    ProviderFault.UNTRUSTED: (
        "server_error",
        "What {} says about you could not be verified, so you are not signed in. Sign in again; if it fails again, the "
        "operator of this server finds the reason in its log.",
    ),
})  # fmt: skip


class ProviderError(TicketServerError):
    """A sign-in failed; the text says to the person what to do, `reason` says why to programs."""

    kind = "identity_provider"

    def __init__(self, reason: ProviderFault, label: str) -> None:
        self.oauth_error, sentence = _SENTENCES[reason]
        """The `error` for the client (RFC 6749, section 4.1.2.1)."""
        super().__init__(sentence.format(label))
        self.reason = reason


def provider_name(issuer: str) -> str:
    """Return the name of a provider in addresses: `google`, or the host of its issuer."""
    return "google" if issuer == GOOGLE else urlsplit(issuer).hostname or ""


def callback_path(issuer: str) -> str:
    """Return the path to which a provider sends people back. They are entered at the provider, so it never changes."""
    return f"/oauth/callback/{provider_name(issuer)}"


class IdentityProvider:
    """One OpenID provider. Close it with `aclose`.

    Args:
        issuer: its URL, exactly as its metadata spells it.
        client_id: the id of this server there.
        client_secret: the secret that belongs to it.
        redirect_uri: where the provider sends people back: `callback_path` below the address of this server.
        fetcher: asks the provider.
        clock: Unix time.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        fetcher: GuardedFetcher,
        *,
        clock: Callable[[], float] = time.time,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self.name = provider_name(issuer)
        """Its name in addresses."""
        self.label = provider_label(issuer)
        """Its name for people."""
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._fetcher = fetcher
        self._clock = clock
        self._metadata = ProviderMetadata(issuer, fetcher, seconds=seconds)
        self._keys = IssuerKeys(issuer, fetcher, seconds=seconds)

    async def authorization_url(self, *, state: str, nonce: str, code_challenge: str, select_account: bool) -> str:
        """Return the address at which a person signs in.

        Args:
            state: comes back with the code.
            nonce: comes back in the ID token.
            code_challenge: of the verifier that `person` gets (PKCE, S256).
            select_account: whether the person is asked which account to use, even if only one is signed in.

        Raises:
            ProviderError: the provider does not answer.
        """
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
            **({"prompt": "select_account"} if select_account else {}),
        }
        try:
            address = (await self._metadata.endpoints()).authorization
        except FetchError as error:
            raise self._failed(ProviderFault.UNAVAILABLE, str(error)) from error
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked, quote_via=quote)}"

    async def is_answer_of(self, issuer: str | None) -> bool:
        """Return whether a response at the callback is this provider's, by its parameter `iss` (RFC 9207, section 2.4).

        Args:
            issuer: the parameter; None if it is missing, which counts only for a provider that never sends it.

        Raises:
            ProviderError: the provider does not answer.
        """
        if issuer is not None:
            return issuer == self.issuer
        try:
            return not (await self._metadata.endpoints()).names_itself
        except FetchError as error:
            raise self._failed(ProviderFault.UNAVAILABLE, str(error)) from error

    async def person(self, *, code: str, verifier: str, nonce: str) -> SignedInPerson:
        """Return who signed in: exchange a code for an ID token, and verify that.

        Args:
            code: that of the callback.
            verifier: that of the challenge which was sent with this sign-in (PKCE).
            nonce: that of this sign-in.

        Raises:
            ProviderError: the sign-in failed; the text says to the person what to do, the log to the operator why.
        """
        token = await self._id_token(code, verifier)
        try:
            signed, header = opened(token)
            claims = json_object(signed.payload)
            person = person_in(
                header, claims, issuer=self.issuer, client_id=self._client_id, nonce=nonce, now=self._clock()
            )
            if await self._keys.signer(header.get("kid"), partial(is_signed, signed)) is None:
                raise IdTokenError("its signature is not valid")
        except IssuerUnavailableError as error:
            raise self._failed(ProviderFault.UNAVAILABLE, "its keys cannot be fetched") from error
        except InvalidTokenError as error:
            raise self._failed(ProviderFault.UNTRUSTED, f"the ID token is refused: {error.reason}") from error
        except IdTokenError as error:
            raise self._failed(ProviderFault.UNTRUSTED, f"the ID token is refused: {error}") from error
        return person

    async def check(self) -> None:
        """See that the provider answers, and knows this server by its id and its secret.

        It is sent a code that it never issued, which it refuses only after it accepted the secret.

        Raises:
            FetchError: the text says to the operator what is wrong.
        """
        _, answer = await self._exchanged(code="never-issued", verifier="0" * 43)
        if (error := _error_in(answer)) in _SET_UP_ERRORS:
            raise FetchError(f"it refuses this server ({error})")

    async def aclose(self) -> None:
        """End the fetches in flight."""
        await self._keys.aclose()

    async def _id_token(self, code: str, verifier: str) -> str:
        try:
            status, answer = await self._exchanged(code=code, verifier=verifier)
        except FetchError as error:
            raise self._failed(ProviderFault.UNAVAILABLE, str(error)) from error
        if status != 200:
            error_code = _error_in(answer)
            fault = ProviderFault.SET_UP if error_code in _SET_UP_ERRORS else ProviderFault.REFUSED
            raise self._failed(fault, f"the code is refused: {error_code or 'no error is named'}")
        token = answer.get("id_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or len(token) > MAX_CHARACTERS or not token.isascii():
            raise self._failed(ProviderFault.UNTRUSTED, "the response has no ID token that can be read")
        return token

    async def _exchanged(self, *, code: str, verifier: str) -> tuple[int, object]:
        """Return the response of the token endpoint to a code.

        Providers differ in which way of authentication a client is registered with, so the second is tried when the
        first is refused: that happens before a code is looked at (RFC 6749, section 5.2). Raises: FetchError.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        endpoints = await self._metadata.endpoints()
        status, answer = 0, object()
        for method in endpoints.methods:
            fields, headers = self._authenticated(method)
            status, answer = await self._fetcher.post_form(
                endpoints.token, {**form, **fields}, headers=headers, max_bytes=_MAX_ANSWER
            )
            if status == 200 or _error_in(answer) not in _CLIENT_ERRORS:
                break
        return status, answer

    def _authenticated(self, method: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the fields and the headers that authenticate this server in one of the two ways."""
        if method == POST:
            return {"client_id": self._client_id, "client_secret": self._client_secret}, {}
        pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
        return {}, {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}

    def _failed(self, fault: ProviderFault, reason: str) -> ProviderError:
        """Log why a sign-in failed, and return the error for the person."""
        log.warning("sign_in_failed", issuer=self.issuer, fault=fault.value, reason=reason)
        return ProviderError(fault, self.label)


def _error_in(answer: object) -> str:
    """Return the error code of a response; empty if it names nothing of the form of one, which may be logged."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, str) and _ERROR_CODE.fullmatch(error) else ""
