"""What an access token says is read as its provider means it, and whatever is missing or odd is refused."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth.oauth.claims import LEEWAY_S, MAX_TEXT, read_claims
from auth.oauth.tokens import InvalidTokenError, TokenFault, VerifiedToken
from shared.identity import Scope
from tests.auth.oauth.issuer import AUDIENCE, ISSUER, NOW, claims
from tests.kills import kills

AT: dict[str, Any] = {"alg": "RS256", "typ": "at+jwt"}
JWT: dict[str, Any] = {"alg": "RS256", "typ": "JWT"}
READ, WRITE = Scope.TICKETS_READ, Scope.TICKETS_WRITE
ISSUERS = {ISSUER, "https://second.example"}


def read(header: Any = AT, now: Any = NOW, **changes: Any) -> VerifiedToken:
    return read_claims(header, claims(**changes), ISSUERS, now)


def fault(header: Any = AT, now: Any = NOW, **changes: Any) -> TokenFault:
    with pytest.raises(InvalidTokenError) as refused:
        read(header, now, **changes)
    assert refused.value.status == 401
    return refused.value.reason


def test_a_valid_token_says_who_it_is_for_and_what_it_permits() -> None:
    assert read() == VerifiedToken(
        issuer=ISSUER,
        subject="alice",
        client_id="client",
        scopes=frozenset({READ}),
        audiences=frozenset({AUDIENCE}),
        email=None,
        tenant=None,
        expires_at=NOW + 600,
        is_program=False,
    )


@pytest.mark.parametrize(
    "issuer", [f"{ISSUER}/", "https://ISSUER.example", "https://evil.example", "", None, 5, [ISSUER]]
)
def test_another_issuer_is_refused_byte_for_byte(issuer: object) -> None:
    assert fault(iss=issuer) is TokenFault.ISSUER


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("iss", TokenFault.ISSUER),
        ("aud", TokenFault.CLAIMS),
        ("exp", TokenFault.CLAIMS),
        ("sub", TokenFault.CLAIMS),
    ],
)
@pytest.mark.parametrize("value", [..., None, "", [], {}, [5], True], ids=str)
def test_each_claim_that_matters_must_be_there(name: str, reason: TokenFault, value: object) -> None:
    assert fault(**{name: value}) is reason


@pytest.mark.parametrize("subject", [5, "a" * (MAX_TEXT + 1), "a\nb", "a\0", "\ud800"])
def test_a_subject_is_a_text_that_can_be_stored(subject: object) -> None:
    assert fault(sub=subject) is TokenFault.CLAIMS


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [f"{NOW}", True, None, [NOW], -1, 10**30, float("nan"), float("inf")], ids=str)
def test_times_are_numbers_that_are_finite(name: str, value: object) -> None:
    assert fault(**{name: value}) is TokenFault.CLAIMS


@kills("auth/oauth/claims.py", "if expires_at + LEEWAY_S <= now:", "if False:")
def test_a_token_ends_when_it_says_so_with_a_minute_for_the_clocks() -> None:
    end = NOW + 600.5

    assert read(exp=end, now=end + LEEWAY_S - 0.1).expires_at == end
    assert fault(exp=end, now=end + LEEWAY_S) is TokenFault.EXPIRED
    assert fault(exp=0) is TokenFault.EXPIRED


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_begins_when_it_says_so_with_a_minute_for_the_clocks(name: str) -> None:
    assert read(**{name: NOW + LEEWAY_S}).subject == "alice"
    assert fault(**{name: NOW + LEEWAY_S + 1}) is TokenFault.NOT_YET_VALID
    assert read(nbf=..., iat=...).subject == "alice"


@pytest.mark.parametrize(
    "typ",
    ["at+jwt", "application/at+jwt", "AT+JWT", "Application/At+Jwt", "JWT", "jwt", "application/jwt", ...],
    ids=str,
)
def test_types_of_access_tokens_are_accepted(typ: object) -> None:
    header = {"alg": "RS256"} if typ is ... else {"alg": "RS256", "typ": typ}

    assert read(header).subject == "alice"


@pytest.mark.parametrize(
    "typ",
    ["logout+jwt", "dpop+jwt", "oauth-id-jag+jwt", "secevent+jwt", "id+jwt", "JOSE", "", None, 5, ["at+jwt"]],
    ids=str,
)
def test_tokens_of_other_types_are_refused(typ: object) -> None:
    assert fault({"alg": "RS256", "typ": typ}) is TokenFault.TYPE


@pytest.mark.parametrize(
    "mark",
    [
        *({"nonce": "n"}, {"at_hash": "h"}, {"c_hash": "h"}, {"s_hash": "h"}, {"events": {}}),
        *({"typ": "ID"}, {"typ": "Refresh"}, {"typ": "Offline"}, {"typ": "Logout"}, {"typ": None}),
        *({"token_use": "id"}, {"token_use": "access", "typ": "ID"}, {"scope": ...}, {"scope": ..., "roles": ["a"]}),
    ],
    ids=str,
)
def test_an_id_token_is_refused_even_with_an_audience_that_is_accepted(mark: dict[str, Any]) -> None:
    assert fault(JWT, **mark) is TokenFault.TYPE
    assert fault({"alg": "RS256"}, **mark) is TokenFault.TYPE


@pytest.mark.parametrize(
    ("header", "mark"),
    [
        *((JWT, {"typ": "Bearer", "nonce": "n"}), (JWT, {"token_use": "access", "scope": ...}), (AT, {"nonce": "n"})),
        *(
            (AT, {"typ": "x"}),
            (AT, {"scope": ...}),
            (JWT, {"scope": ..., "scp": "a"}),
            (JWT, {"scope": ..., "idtyp": "app"}),
        ),
    ],
    ids=["keycloak", "cognito", "at-nonce", "at-typ", "at-without-scope", "okta", "entra"],
)
def test_a_token_that_says_that_it_is_an_access_token_may_have_such_claims(
    header: dict[str, Any], mark: dict[str, Any]
) -> None:
    assert read(header, **mark).subject == "alice"


@pytest.mark.parametrize("bound", [{"jkt": "x"}, {"x5t#S256": "x"}, {}, None], ids=str)
def test_a_token_that_is_bound_to_a_key_is_refused(bound: object) -> None:
    assert fault(cnf=bound) is TokenFault.CLAIMS


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        ({"scope": "tickets:read tickets:write"}, {READ, WRITE}),
        ({"scope": ["openid", "tickets:write"]}, {WRITE}),
        ({"scope": ..., "scp": "tickets:read"}, {READ}),
        ({"scope": ..., "scp": ["tickets:read", "offline_access"]}, {READ}),
        ({"scope": "api://tickets/tickets:read https://tickets.example/mcp/tickets:write"}, {READ, WRITE}),
        ({"scope": "openid", "scp": ["tickets:read"]}, set()),
        ({"scope": "tickets:readx xtickets:read Tickets:Read tickets:*"}, set()),
        ({"scope": ...}, set()),
        ({"scope": None}, set()),
        ({"scope": 5}, set()),
        ({"scope": ["tickets:read", 5]}, set()),
        ({"scope": ..., "roles": ["tickets:read"]}, set()),
        ({"scope": ..., "roles": ["tickets:read"], "sub": "client"}, {READ}),
        ({"scope": ..., "roles": ["tickets:write"], "idtyp": "app"}, {WRITE}),
    ],
    ids=range(14),
)
def test_scopes_are_read_where_providers_write_them(said: dict[str, Any], scopes: set[Scope]) -> None:
    assert read(**said).scopes == scopes


@kills("auth/oauth/claims.py", 'if claims.get("email_verified") is True else None', 'if "email" in claims else None')
@pytest.mark.parametrize("verified", [False, None, "true", 1, ...], ids=str)
def test_an_address_counts_only_if_its_issuer_verified_it(verified: object) -> None:
    assert read(email="a@example.com", email_verified=True).email == "a@example.com"
    assert read(email="a@example.com", email_verified=verified).email is None


ODD = ["", 5, ["acme"], {"id": "acme"}, False, "a" * 256, "a\nb"]


@pytest.mark.parametrize("value", [..., None, *ODD], ids=str)
def test_an_address_that_is_no_text_is_not_there(value: object) -> None:
    assert read(email=value, email_verified=True).email is None


@pytest.mark.parametrize("value", ODD, ids=str)
def test_a_tenant_that_is_no_text_is_not_ignored(value: object) -> None:
    assert read(tenant=value).tenant == ""
    assert [read(tenant=said).tenant for said in ("acme", ..., None)] == ["acme", None, None]


@pytest.mark.parametrize(
    "said",
    [
        *({"sub": "client"}, {"sub": "client", "client_id": ..., "azp": "client"}),
        *(
            {"sub": "client", "client_id": ..., "cid": "client"},
            {"sub": "client@clients", "client_id": ..., "azp": "client"},
        ),
        *({"idtyp": "app"}, {"gty": "client-credentials"}, {"preferred_username": "service-account-client"}),
    ],
    ids=["oidc-provider", "azp", "okta", "auth0", "entra", "auth0-gty", "keycloak"],
)
def test_a_program_is_known_by_what_its_provider_says(said: dict[str, Any]) -> None:
    assert read(**said).is_program
    assert read(**said).client_id == "client"


@pytest.mark.parametrize("client", ["myApp", "MYAPP", "myapp"])
def test_the_name_of_a_service_account_has_any_case(client: str) -> None:
    """Keycloak writes its user names in lower case, and client ids as they are."""
    assert read(client_id=..., azp=client, preferred_username="service-account-myapp").is_program


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"client_id": ...},
        {"preferred_username": "service-account-other"},
        {"preferred_username": ["service-account-client"]},
        {"sub": "None@clients", "client_id": ...},
    ],
)
def test_a_person_is_not_a_program(said: dict[str, Any]) -> None:
    assert not read(**said).is_program


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE, "other"]], ids=["text", "list"])
def test_the_audience_is_one_of_the_names_of_this_server(audience: object) -> None:
    token = read(aud=audience)
    token.check_audience({AUDIENCE, "https://tickets.example"})

    for others in ({"https://tickets.example/sse"}, {f"{AUDIENCE}/"}, {AUDIENCE.upper()}, set[str]()):
        with pytest.raises(InvalidTokenError) as refused:
            token.check_audience(others)
        assert refused.value.reason is TokenFault.AUDIENCE


@pytest.mark.parametrize("reason", TokenFault)
def test_every_refusal_can_stand_in_a_header(reason: TokenFault) -> None:
    """RFC 6750, section 3: no quotation marks, no backslash, ASCII alone."""
    text = str(InvalidTokenError(reason))

    assert text.isascii()
    assert text.isprintable()
    assert not {'"', "\\"} & set(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = [*claims(), "cnf", "scp", "roles", "email", "email_verified", "nbf", "azp", "typ", "nonce", "token_use"]


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(NAMES), JSON), JSON)
def test_whatever_a_token_says_it_is_read_or_refused(odd: dict[str, Any], typ: object) -> None:
    with suppress(InvalidTokenError):
        assert read({"alg": "RS256", "typ": typ}, **odd).subject
