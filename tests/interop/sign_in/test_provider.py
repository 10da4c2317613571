"""The leg to the identity provider against Google's look-alike: what becomes of people and of mistakes there."""

import asyncio
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from auth.authorization_server.identity_provider.id_token import SignedInPerson
from auth.authorization_server.identity_provider.provider import IdentityProvider, ProviderError, ProviderFault
from auth.oauth.fetcher import FetchError, fetcher_for
from tests.interop.sign_in.google import CLIENT_ID, CLIENT_SECRET, MARY, PAT, PEOPLE, UNA, email_of, google, sign_in
from tests.interop.sign_in.provider import Provider

pytestmark = pytest.mark.long
BACK: Final = "http://127.0.0.1:8080/oauth/callback/localhost"


class SignIn:
    """Sign-ins at the provider in one browser."""

    def __init__(self, at: Provider, *, secret: str = CLIENT_SECRET) -> None:
        self.provider = IdentityProvider(at.issuer, CLIENT_ID, secret, BACK, fetcher_for(at.issuer))
        self.verifier = secrets.token_urlsafe(48)

    async def answer(self, browser: httpx2.Client, subject: str | None) -> dict[str, str]:
        """Return the parameters with which the browser comes back."""
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        url = await self.provider.authorization_url(
            state="s", nonce="n", code_challenge=challenge, select_account=subject != MARY
        )
        email = None if subject is None else email_of(subject)
        back = await asyncio.to_thread(sign_in, browser, url, email)
        assert back.partition("?")[0] == BACK
        return dict(parse_qsl(urlsplit(back).query))

    async def fault(self, code: str, *, nonce: str = "n", verifier: str = "") -> ProviderFault:
        with pytest.raises(ProviderError) as refused:
            await self.provider.person(code=code, verifier=verifier or self.verifier, nonce=nonce)
        return refused.value.reason


@pytest.fixture
async def at() -> AsyncIterator[Provider]:
    with google([BACK]) as running:
        yield running


async def test_people_are_who_they_are_there_and_mistakes_sign_nobody_in(at: Provider) -> None:
    leg = SignIn(at)
    people = {}
    with httpx2.Client() as browser:
        for subject in (MARY, UNA, PAT):
            said = await leg.answer(browser, subject)
            assert await leg.provider.is_answer_of(said["iss"])
            people[subject] = await leg.provider.person(code=said["code"], verifier=leg.verifier, nonce="n")
            assert await leg.fault(said["code"]) is ProviderFault.REFUSED, "a code counts once"
        stolen = (await leg.answer(browser, PAT))["code"]
        other_nonce = (await leg.answer(browser, PAT))["code"]
        cancelled = await leg.answer(browser, None)

    assert people == {
        MARY: SignedInPerson(at.issuer, MARY, email_of(MARY), "Mary Major", "acme.example"),
        UNA: SignedInPerson(at.issuer, UNA, None, str(PEOPLE[UNA]["name"]), None),
        PAT: SignedInPerson(at.issuer, PAT, email_of(PAT), str(PEOPLE[PAT]["name"]), None),
    }
    assert await leg.fault(stolen, verifier="v" * 43) is ProviderFault.REFUSED
    assert await leg.fault(other_nonce, nonce="of another sign-in") is ProviderFault.UNTRUSTED
    assert cancelled["error"] == "access_denied"
    answers = [event["answered"] for event in at.events() if event["event"] == "authorization_code"]
    assert not any("refresh_token" in each for each in answers)
    await leg.provider.aclose()


async def test_the_doctor_knows_a_wrong_secret_without_a_sign_in(at: Provider) -> None:
    await SignIn(at).provider.check()

    with pytest.raises(FetchError, match=r"it refuses this server \(invalid_client\)"):
        await SignIn(at, secret="another-secret").provider.check()
