"""An ID token names a person only if it is for this server and this very sign-in."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from auth.authorization_server.identity_provider.id_token import IdTokenError, SignedInPerson, person_in
from auth.oauth.claims import LEEWAY_S
from auth.oauth.tokens import InvalidTokenError
from shared.identity import GOOGLE
from tests.kills import kills

NOW: Final = 1_800_000_000
CLIENT: Final = "tickets.apps.googleusercontent.com"
CLAIMS: Final = {
    "iss": GOOGLE,
    "aud": CLIENT,
    "azp": CLIENT,
    "sub": "110169484474386276334",
    "email": "mary@acme.example",
    "email_verified": True,
    "hd": "acme.example",
    "name": "Mary Major",
    "nonce": "n-0S6",
    "iat": NOW,
    "exp": NOW + 3600,
}
MARY: Final = SignedInPerson(GOOGLE, "110169484474386276334", "mary@acme.example", "Mary Major", "acme.example")


def read(*, header: Mapping[str, Any] | None = None, issuer: str = GOOGLE, **changes: Any) -> SignedInPerson:
    """Read the claims with changes; one that is set to ... is left out."""
    said = {name: value for name, value in (CLAIMS | changes).items() if value is not ...}
    return person_in(header or {"typ": "JWT"}, said, issuer=issuer, client_id=CLIENT, nonce="n-0S6", now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"iss": "accounts.google.com"},
        {"aud": [CLIENT]},
        {"azp": ...},
        {"aud": [CLIENT, "another"]},
        {"exp": NOW - LEEWAY_S + 1},
        {"iat": NOW + LEEWAY_S},
        {"header": {"alg": "RS256"}},
        {"at_hash": "x", "picture": "https://example.com/p", "given_name": 5},
    ],
    ids=["as usual", "alias", "list", "no azp", "several", "just expired", "clock ahead", "no typ", "further claims"],
)
def test_a_token_for_this_sign_in_names_the_person_by_the_issuer_of_the_settings(changes: dict[str, Any]) -> None:
    assert read(**changes) == MARY


@kills("auth/authorization_server/identity_provider/id_token.py", 'if claims.get("nonce") != nonce:', "if False:")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://accounts.google.com/"}, "its issuer is another one"),
        ({"iss": "https://login.example.com"}, "its issuer is another one"),
        ({"iss": "http://accounts.google.com"}, "its issuer is another one"),
        ({"iss": [GOOGLE]}, "its issuer is another one"),
        ({"iss": ...}, "its issuer is another one"),
        ({"aud": "another.apps.googleusercontent.com"}, "for another client"),
        ({"aud": ["another"], "azp": CLIENT}, "for another client"),
        ({"aud": [CLIENT, "another"], "azp": ...}, "for another client"),
        ({"azp": "another"}, "for another client"),
        ({"azp": None}, "for another client"),
        ({"aud": ...}, "for another client"),
        ({"aud": [CLIENT, 5]}, "for another client"),
        ({"header": {"typ": "at+jwt"}}, "of another kind"),
        ({"header": {"typ": "logout+jwt"}}, "of another kind"),
        ({"header": {"typ": None}}, "of another kind"),
        ({"iat": ...}, "does not say when"),
        ({"nonce": "another"}, "another sign-in"),
        ({"nonce": ...}, "another sign-in"),
        ({"nonce": ["n-0S6"]}, "another sign-in"),
        ({"sub": ...}, "no subject"),
        ({"sub": ""}, "no subject"),
        ({"sub": 110169484474386276334}, "no subject"),
        ({"sub": "x" * 256}, "no subject"),
        ({"sub": "a\nb"}, "no subject"),
        ({"sub": " a"}, "no subject"),
    ],
    ids=range(25),
)
def test_a_token_of_another_issuer_client_kind_or_sign_in_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(IdTokenError, match=reason):
        read(**changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": NOW - LEEWAY_S}, "expired"),
        ({"exp": ...}, "claims"),
        ({"exp": "tomorrow"}, "claims"),
        ({"iat": NOW + LEEWAY_S + 1}, "not_yet_valid"),
        ({"iat": True}, "claims"),
        ({"nbf": NOW + 3600}, "not_yet_valid"),
    ],
    ids=["expired", "no end", "no number", "from the future", "bool", "not before"],
)
def test_a_token_that_is_not_valid_now_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidTokenError) as refused:
        read(**changes)

    assert refused.value.reason == reason


@pytest.mark.parametrize("verified", [False, None, "true", "false", 1, ...], ids=str)
def test_an_address_counts_only_if_the_provider_verified_it(verified: object) -> None:
    assert read(email_verified=verified).email is None


@pytest.mark.parametrize(
    "said", [..., None, "", 5, ["acme.example"], "x" * 256, "acme\u202e.example", "a\nb"], ids=ascii
)
@pytest.mark.parametrize(("claim", "field"), [("email", "email"), ("name", "name"), ("hd", "hosted_domain")])
def test_what_is_no_text_that_can_be_shown_is_left_out(claim: str, field: str, said: object) -> None:
    changes: dict[str, Any] = {claim: said}
    assert getattr(read(**changes), field) is None


def test_only_google_has_another_name_in_its_tokens() -> None:
    with pytest.raises(IdTokenError, match="issuer"):
        read(issuer="https://login.example.com", iss="login.example.com")
