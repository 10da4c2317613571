"""This server is a client of the identity provider: what it asks there, and what it does when something is wrong."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import OctKey

from auth.authorization_server.identity_provider.id_token import SignedInPerson
from auth.authorization_server.identity_provider.metadata import AWAY_S, FRESH_S, MAX_AGE_S
from auth.authorization_server.identity_provider.provider import (
    IdentityProvider,
    ProviderError,
    ProviderFault,
    callback_path,
    provider_name,
)
from auth.oauth.verification import MAX_CHARACTERS
from shared.identity import GOOGLE
from tests.auth.authorization_server.conftest import AUTHORIZE, TOKEN, describe
from tests.auth.conftest import Clock
from tests.auth.oauth.issuer import ISSUER, KEYS, METADATA, NOW, RSA, RSA_2, Issuer, Page, named, page, token
from tests.captured_logs import capture_logs
from tests.kills import kills

CLIENT: Final = "tickets@client/1"
SECRET: Final = "the+client: secret"
BACK: Final = "https://tickets.example/oauth/callback/issuer.example"
CODE, VERIFIER, NONCE = "code-of-the-provider", "verifier-of-this-sign-in", "nonce-of-this-sign-in"
MARY: Final = SignedInPerson(ISSUER, "mary", "mary@acme.example", None, None)


@pytest.fixture
async def provider(issuer: Issuer, clock: Clock) -> AsyncIterator[IdentityProvider]:
    made = made_for(issuer, clock)
    yield made
    await made.aclose()


def made_for(issuer: Issuer, clock: Clock, *, within_s: float = 5.0) -> IdentityProvider:
    fetcher = issuer.fetcher(within_s=within_s)
    return IdentityProvider(ISSUER, CLIENT, SECRET, BACK, fetcher, clock=lambda: NOW, seconds=clock.seconds)


def id_token(key: Any = RSA, alg: str = "RS256", **changes: Any) -> str:
    usual = {"sub": "mary", "aud": CLIENT, "nonce": NONCE, "email": "mary@acme.example", "email_verified": True}
    header = {"typ": "JWT", **changes.pop("header", {})}
    return token(key, alg, header, **{**usual, "scope": ..., "client_id": ..., "jti": ..., **changes})


def answers(issuer: Issuer, said: object, status: str = "200 OK") -> None:
    issuer.site.pages[TOKEN] = page(said, status)


async def person(provider: IdentityProvider) -> SignedInPerson:
    return await provider.person(code=CODE, verifier=VERIFIER, nonce=NONCE)


async def refused(provider: IdentityProvider) -> tuple[ProviderError, MutableMapping[str, Any]]:
    """Return the error of a sign-in, and the line in the log that says why."""
    with capture_logs() as logs, pytest.raises(ProviderError) as caught:
        await person(provider)
    said = f"{logs} {caught.value} {vars(caught.value)}"
    assert not any(secret in said for secret in (CODE, VERIFIER, SECRET, NONCE, "eyJ"))
    (line,) = [line for line in logs if line["message"] == "sign_in_failed"]
    assert line["fault"] == caught.value.reason
    return caught.value, line


async def test_a_person_signs_in_at_the_address_of_the_metadata_bound_to_this_sign_in(
    issuer: Issuer, provider: IdentityProvider
) -> None:
    async def asked(*, select_account: bool) -> tuple[str, dict[str, str]]:
        url = await provider.authorization_url(
            state="a state&", nonce=NONCE, code_challenge="challenge", select_account=select_account
        )
        return url.partition("?")[0], dict(parse_qsl(urlsplit(url).query, strict_parsing=True))

    usual = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": BACK,
        "scope": "openid email profile",
        "state": "a state&",
        "nonce": NONCE,
        "code_challenge": "challenge",
        "code_challenge_method": "S256",
    }
    assert await asked(select_account=False) == (ISSUER + AUTHORIZE, usual)
    assert await asked(select_account=True) == (ISSUER + AUTHORIZE, usual | {"prompt": "select_account"})
    assert issuer.site.asked == [METADATA]


async def test_an_address_with_parameters_of_its_own_keeps_them(issuer: Issuer, provider: IdentityProvider) -> None:
    describe(issuer, authorization_endpoint=f"{ISSUER}/authorize?p=policy")

    url = await provider.authorization_url(state="s", nonce="n", code_challenge="c", select_account=False)

    assert url.startswith(f"{ISSUER}/authorize?p=policy&response_type=code&")


async def test_a_code_is_exchanged_for_the_person_and_nothing_else_is_kept(
    issuer: Issuer, provider: IdentityProvider
) -> None:
    answers(issuer, {"id_token": id_token(), "access_token": "ya29.secret", "refresh_token": "1//secret"})

    assert await person(provider) == MARY
    assert issuer.site.asked == [METADATA, TOKEN, METADATA, KEYS]
    assert dict(parse_qsl(issuer.site.bodies[0])) == {
        "grant_type": "authorization_code",
        "code": CODE,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        "client_id": CLIENT,
        "client_secret": SECRET,
    }
    assert "authorization:" not in issuer.site.heads[1].lower()


@pytest.mark.parametrize("named_methods", [["client_secret_basic", "private_key_jwt"], ...], ids=["named", "default"])
async def test_a_secret_is_sent_as_the_metadata_says(
    issuer: Issuer, provider: IdentityProvider, named_methods: object
) -> None:
    """RFC 6749, section 2.3.1: both halves are form-encoded before they are joined."""
    describe(issuer, token_endpoint_auth_methods_supported=named_methods)
    answers(issuer, {"id_token": id_token()})

    assert await person(provider) == MARY
    assert "secret" not in issuer.site.bodies[0]
    (sent,) = re.findall(r"authorization: Basic (\S+)", issuer.site.heads[1], re.IGNORECASE)
    assert base64.b64decode(sent) == b"tickets%40client%2F1:the%2Bclient%3A%20secret"


async def test_the_other_way_of_sending_the_secret_is_tried_when_the_first_is_refused(
    issuer: Issuer, provider: IdentityProvider
) -> None:
    async def by_header(writer: asyncio.StreamWriter) -> None:
        has_header = "authorization: basic" in issuer.site.heads[-1].lower()
        good, bad = page({"id_token": id_token()}), page({"error": "invalid_client"}, "401 Unauthorized")
        await (good if has_header else bad)(writer)

    issuer.site.pages[TOKEN] = by_header

    assert await person(provider) == MARY
    assert issuer.site.asked.count(TOKEN) == 2


@kills(
    "auth/authorization_server/identity_provider/provider.py",
    'if await self._keys.signer(header.get("kid"), partial(is_signed, signed)) is None:',
    "if False:",
)
@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: id_token(RSA_2), "signature is not valid"),
        (lambda: id_token(named(RSA_2, "rsa")), "signature is not valid"),
        (lambda: id_token(header={"kid": ...}, key=RSA_2), "signature is not valid"),
        (lambda: f"{id_token().rpartition('.')[0]}.", "signature is not valid"),
        (lambda: f"eyJhbGciOiJub25lIn0.{id_token().split('.')[1]}.", "refused: signature"),
        (lambda: id_token(OctKey.import_key(SECRET), "HS256", header={"kid": ...}), "refused: signature"),
        (lambda: id_token(nonce="of-another-sign-in"), "belongs to another sign-in"),
        (lambda: id_token(aud="another"), "for another client"),
        (lambda: id_token(iss="https://evil.example"), "its issuer is another one"),
        (lambda: id_token(exp=NOW - 3600), "refused: expired"),
        (lambda: id_token(header={"typ": "at+jwt"}), "another kind"),
        (lambda: "not.a-token", "refused: malformed"),
        (lambda: "x" * (MAX_CHARACTERS + 1), "no ID token"),
        (lambda: "é", "no ID token"),
        (lambda: ["eyJ"], "no ID token"),
        (lambda: None, "no ID token"),
    ],
    ids=range(16),
)
async def test_an_id_token_that_is_not_for_this_sign_in_signs_nobody_in(
    issuer: Issuer, provider: IdentityProvider, made: Any, reason: str
) -> None:
    answers(issuer, {"id_token": made(), "access_token": "ya29.secret"})

    error, line = await refused(provider)

    assert (error.reason, error.oauth_error) == (ProviderFault.UNTRUSTED, "server_error")
    assert reason in line["reason"]
    assert str(error).startswith("What issuer.example says about you could not be verified")


@pytest.mark.parametrize(
    ("served", "fault", "reason"),
    [
        (page({"error": "invalid_grant"}, "400 Bad Request"), ProviderFault.REFUSED, "invalid_grant"),
        (page({"error": "invalid_client"}, "401 Unauthorized"), ProviderFault.SET_UP, "invalid_client"),
        (page({"error": "redirect_uri_mismatch"}, "400 Bad Request"), ProviderFault.SET_UP, "redirect_uri_mismatch"),
        (page({"error": f"no {SECRET} {CODE}"}, "400 Bad Request"), ProviderFault.REFUSED, "no error is named"),
        (page(["invalid_grant"], "400 Bad Request"), ProviderFault.REFUSED, "no error is named"),
        (page({"error": ["x"]}, "401 Unauthorized"), ProviderFault.REFUSED, "no error is named"),
        (page({"access_token": "ya29.secret"}), ProviderFault.UNTRUSTED, "no ID token"),
        (page([]), ProviderFault.UNTRUSTED, "no ID token"),
        (page({}, "503 Service Unavailable"), ProviderFault.UNAVAILABLE, "status 503"),
        (page({}, "302 Found", f"location: {ISSUER}/keys"), ProviderFault.UNAVAILABLE, "status 302"),
        (page(b"<html>", kind="text/html"), ProviderFault.UNAVAILABLE, "not JSON"),
        (page(b"{"), ProviderFault.UNAVAILABLE, "not valid JSON"),
        (page({"id_token": "x" * 100_000}), ProviderFault.UNAVAILABLE, "larger than"),
    ],
    ids=range(13),
)
async def test_an_exchange_that_fails_says_to_the_person_what_to_do_and_to_the_operator_why(
    issuer: Issuer, provider: IdentityProvider, served: Page, fault: ProviderFault, reason: str
) -> None:
    issuer.site.pages[TOKEN] = served

    error, line = await refused(provider)

    assert error.reason is fault
    assert reason in line["reason"]
    assert str(error).isascii()
    assert '"' not in str(error)
    assert error.oauth_error in {"access_denied", "server_error", "temporarily_unavailable"}


async def test_a_provider_that_is_slow_is_not_waited_for(issuer: Issuer, clock: Clock) -> None:
    served = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        await served.wait()

    provider = made_for(issuer, clock)
    await provider.authorization_url(state="s", nonce="n", code_challenge="c", select_account=False)
    issuer.site.pages[TOKEN] = slow
    hasty = made_for(issuer, clock, within_s=0.2)

    error, line = await refused(hasty)
    served.set()

    assert error.reason is ProviderFault.UNAVAILABLE
    assert "did not answer within 0.2 seconds" in line["reason"]


async def test_keys_that_cannot_be_fetched_sign_nobody_in(issuer: Issuer, provider: IdentityProvider) -> None:
    answers(issuer, {"id_token": id_token()})
    issuer.site.pages[KEYS] = page({}, "503 Service Unavailable")

    error, _ = await refused(provider)

    assert (error.reason, error.oauth_error) == (ProviderFault.UNAVAILABLE, "temporarily_unavailable")


async def test_a_provider_that_is_away_is_asked_once_in_a_while(
    issuer: Issuer, provider: IdentityProvider, clock: Clock
) -> None:
    issuer.site.pages[METADATA] = page({}, "503 Service Unavailable")
    for _ in range(3):
        with capture_logs(), pytest.raises(ProviderError) as caught:
            await provider.authorization_url(state="s", nonce="n", code_challenge="c", select_account=False)
        assert caught.value.reason is ProviderFault.UNAVAILABLE
    assert issuer.site.asked == [METADATA]

    describe(issuer)
    clock.go_on(seconds=AWAY_S)
    assert await provider.is_answer_of(None)
    assert issuer.site.asked == [METADATA] * 2


async def test_known_metadata_is_shared_and_outlives_an_outage(
    issuer: Issuer, provider: IdentityProvider, clock: Clock
) -> None:
    assert all(await asyncio.gather(*(provider.is_answer_of(None) for _ in range(5))))
    clock.go_on(seconds=FRESH_S - 1)
    assert await provider.is_answer_of(None)
    assert issuer.site.asked == [METADATA]

    issuer.site.pages[METADATA] = page({}, "503 Service Unavailable")
    clock.go_on(seconds=1)
    with capture_logs() as logs:
        assert await provider.is_answer_of(None)
    assert [line["message"] for line in logs] == ["provider_metadata_unavailable"]

    clock.go_on(seconds=MAX_AGE_S)
    with capture_logs(), pytest.raises(ProviderError):
        await provider.is_answer_of(None)


@pytest.mark.parametrize(
    "changes",
    [
        {"authorization_endpoint": ...},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://issuer.example/authorize"},
        {"authorization_endpoint": "https://user@issuer.example/authorize"},
        {"authorization_endpoint": f"{ISSUER}/authorize#a"},
        {"authorization_endpoint": f"{ISSUER}/authorize\r\nset-cookie: a=b"},
        {"authorization_endpoint": "https:///authorize"},
        {"authorization_endpoint": "http://127.0.0.1:8080/oauth/consent"},
        {"authorization_endpoint": "https://localhost/authorize"},
        {"authorization_endpoint": "https://[x/authorize"},
        {"token_endpoint": ...},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
        {"token_endpoint_auth_methods_supported": "client_secret_basic"},
        {"issuer": "https://other.example"},
    ],
    ids=range(14),
)
async def test_metadata_that_cannot_be_used_sends_nobody_anywhere(
    issuer: Issuer, provider: IdentityProvider, changes: dict[str, object]
) -> None:
    describe(issuer, **changes)

    with capture_logs(), pytest.raises(ProviderError) as caught:
        await provider.authorization_url(state="s", nonce="n", code_challenge="c", select_account=False)

    assert caught.value.reason is ProviderFault.UNAVAILABLE


@pytest.mark.parametrize("endpoint", ["http://issuer.example/token", "https://169.254.169.254/token"])
async def test_a_secret_is_sent_to_public_addresses_by_https_alone(
    issuer: Issuer, provider: IdentityProvider, endpoint: str
) -> None:
    describe(issuer, token_endpoint=endpoint)

    error, _ = await refused(provider)

    assert error.reason is ProviderFault.UNAVAILABLE
    assert issuer.site.bodies == []


async def test_a_response_of_another_issuer_is_not_taken_for_this_one(
    issuer: Issuer, provider: IdentityProvider, clock: Clock
) -> None:
    """Mix-up (RFC 9207, section 2.4): a provider that always names itself does so here, too."""
    assert [await provider.is_answer_of(each) for each in (ISSUER, f"{ISSUER}/", "", None)] == [
        True,
        False,
        False,
        True,
    ]

    describe(issuer, authorization_response_iss_parameter_supported=True)
    clock.go_on(seconds=FRESH_S)
    assert [await provider.is_answer_of(each) for each in (ISSUER, None)] == [True, False]


def test_the_address_that_is_entered_at_the_provider_names_it() -> None:
    assert callback_path(GOOGLE) == "/oauth/callback/google"
    assert callback_path("https://login.example.com:8443/realms/a") == "/oauth/callback/login.example.com"
    assert provider_name("https://accounts.google.com.evil.example") != "google"
