"""An access token is accepted with the signature of its issuer alone, and checked once while it is remembered."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import Key, RSAKey

from auth.oauth import verification
from auth.oauth.claims import LEEWAY_S
from auth.oauth.fetcher import fetcher_for
from auth.oauth.key_set import FRESH_S, REFETCH_S, STALE_S, IssuerKeys
from auth.oauth.tokens import InvalidTokenError, IssuerUnavailableError, TokenFault
from auth.oauth.verification import MAX_CHARACTERS, REMEMBERED_S, TokenVerifier
from shared.lru import LRUCache
from tests.auth.oauth.issuer import (
    EC,
    EC_384,
    ED,
    ISSUER,
    KEYS,
    METADATA,
    NOW,
    RSA,
    RSA_2,
    Issuer,
    Site,
    claims,
    named,
    page,
    token,
)
from tests.kills import kills

OTHER_RSA = named(RSA_2, "rsa")
"""Another key with the name of the issuer's key."""


class Moment:
    """Both clocks of a verifier."""

    def __init__(self) -> None:
        self.passed = 0.0

    def unix(self) -> float:
        return NOW + self.passed

    def seconds(self) -> float:
        return self.passed


@pytest.fixture
def moment() -> Moment:
    return Moment()


def keys_of(issuer: Issuer, moment: Moment, url: str = ISSUER) -> IssuerKeys:
    return IssuerKeys(url, issuer.fetcher(), seconds=moment.seconds)


@pytest.fixture
async def verifier(issuer: Issuer, moment: Moment) -> AsyncIterator[TokenVerifier]:
    verifier = TokenVerifier({ISSUER: keys_of(issuer, moment)}, clock=moment.unix)
    yield verifier
    await verifier.aclose()


async def fault(verifier: TokenVerifier, text: str) -> TokenFault:
    with pytest.raises(InvalidTokenError) as refused:
        await verifier.verify(text)
    return refused.value.reason


def encoded(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: object, payload: object = None, signature: bytes = b"") -> str:
    return ".".join(map(encoded, (header, claims() if payload is None else payload, signature)))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (EC_384, "ES384"), (ED, "EdDSA"), (ED, "Ed25519")],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # here, in the test
async def test_tokens_of_each_algorithm_are_accepted(
    issuer: Issuer, verifier: TokenVerifier, key: Key, algorithm: str
) -> None:
    issuer.rotate(RSA, EC, EC_384, ED)

    verified = await verifier.verify(token(key, algorithm))

    assert (verified.issuer, verified.subject) == (ISSUER, "alice")
    assert await fault(verifier, token(key, algorithm, {"kid": "another"})) is TokenFault.SIGNATURE


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "HS256", "RS1", "RS512", "", None, 5, ["RS256"]], ids=str
)
async def test_an_algorithm_that_is_not_on_the_list_is_refused_before_any_key_is_asked_for(
    issuer: Issuer, verifier: TokenVerifier, algorithm: object
) -> None:
    header = {"alg": algorithm, "typ": "at+jwt", "kid": "rsa"}
    for signature in (b"", b"x" * 256):
        assert await fault(verifier, unsigned(header, signature=signature)) is TokenFault.SIGNATURE
    assert issuer.site.asked == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
async def test_a_public_key_is_not_accepted_as_a_shared_secret(verifier: TokenVerifier, algorithm: str) -> None:
    public = RSAKey.import_key(RSA.as_dict(private=False)).public_key
    document = json.dumps(RSA.as_dict(private=False)).encode()
    spki = [public.public_bytes(one, PublicFormat.SubjectPublicKeyInfo) for one in (Encoding.PEM, Encoding.DER)]
    for secret in (*spki, public.public_bytes(Encoding.PEM, PublicFormat.PKCS1), document):
        header = {"alg": f"HS{algorithm[3:]}", "typ": "at+jwt", "kid": "rsa"}
        signed = unsigned(header).rpartition(".")[0]
        signature = encoded(hmac.digest(secret, signed.encode(), algorithm))
        assert await fault(verifier, f"{signed}.{signature}") is TokenFault.SIGNATURE


@kills("auth/oauth/verification.py", "return jws.validate_compact(signed, key, registry=_REGISTRY)", "return True")
@pytest.mark.parametrize(
    "changed",
    [
        {"key": OTHER_RSA},
        {"header": {"kid": "unknown"}},
        {"header": {"kid": ""}},
        {"header": {"crit": ["kid"]}},
        {"header": {"crit": ["b64"], "b64": True}},
        {"key": named(EC, "rsa"), "alg": "ES256"},
        {"key": OTHER_RSA, "header": {"jwk": RSA_2.as_dict(private=False), "jku": "https://evil.example/keys"}},
    ],
    ids=["key", "kid", "kid-empty", "crit", "crit-b64", "kind", "jwk"],
)
async def test_a_signature_that_is_not_of_the_named_key_is_refused(
    verifier: TokenVerifier, changed: dict[str, Any]
) -> None:
    assert await fault(verifier, token(**changed)) is TokenFault.SIGNATURE


async def test_each_part_of_a_token_is_signed(verifier: TokenVerifier) -> None:
    header, payload, signature = token().split(".")
    more = encoded(claims(scope="tickets:read tickets:write tickets:admin"))
    for forged in (
        f"{header}.{more}.{signature}",
        f"{encoded({'alg': 'RS256', 'kid': 'rsa'})}.{payload}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.{token(sub='bob').split('.')[2]}",
    ):
        assert await fault(verifier, forged) is TokenFault.SIGNATURE


async def test_a_key_without_a_name_is_meant_only_if_it_is_the_only_one(
    issuer: Issuer, verifier: TokenVerifier, moment: Moment
) -> None:
    assert (await verifier.verify(token(header={"kid": ...}))).subject == "alice"

    issuer.rotate(RSA, RSA_2)
    moment.passed = REFETCH_S
    assert (await verifier.verify(token(RSA_2))).subject == "alice"
    assert await fault(verifier, token(header={"kid": ...}, sub="bob")) is TokenFault.SIGNATURE


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a.b", "a.b.c", "a.b.c.d.e", "tkt_live_x", "a b.c.d", "é.b.c", f"{'a' * MAX_CHARACTERS}.b.c"),
        *(f"{token()}.", f".{token()}", f"{token()}=", token().replace(".", ".=", 1), f"{token()}\n"),
        *(unsigned([]), unsigned(["alg"]), unsigned("alg"), unsigned(None), unsigned(b"{"), unsigned(b"[" * 5000)),
        *(unsigned({"alg": "RS256", "kid": 5}), unsigned({"alg": "RS256", "kid": None}), unsigned({})),
        *(unsigned({"alg": "RS256"}, payload) for payload in (b"{", b"", b"\xff", b"[" * 3000, b'{"exp":NaN}')),
        *(unsigned({"alg": "RS256"}, payload) for payload in (list[str](), "claims", 5, b"null")),
    ],
    ids=range(33),
)
async def test_what_is_not_a_token_is_refused_whatever_it_is(
    issuer: Issuer, verifier: TokenVerifier, text: str
) -> None:
    assert await fault(verifier, text) in {TokenFault.MALFORMED, TokenFault.SIGNATURE}
    assert issuer.site.asked == []


async def test_a_token_of_8_kib_is_accepted_and_a_longer_one_is_not(verifier: TokenVerifier) -> None:
    spare = MAX_CHARACTERS - len(token(x=""))
    fits, too_long = (token(x="x" * (spare * 3 // 4 - 4 + more)) for more in (0, 8))
    assert len(fits) <= MAX_CHARACTERS < len(too_long)

    assert (await verifier.verify(fits)).subject == "alice"
    assert await fault(verifier, too_long) is TokenFault.MALFORMED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.example"}, TokenFault.ISSUER),
        ({"exp": NOW - 61}, TokenFault.EXPIRED),
        ({"nbf": NOW + 61}, TokenFault.NOT_YET_VALID),
        ({"sub": ...}, TokenFault.CLAIMS),
        ({"header": {"typ": "JWT"}, "nonce": "n"}, TokenFault.TYPE),
    ],
    ids=lambda value: value.value if isinstance(value, TokenFault) else "",
)
async def test_claims_are_checked_before_anything_is_fetched(
    issuer: Issuer, verifier: TokenVerifier, changes: dict[str, Any], reason: TokenFault
) -> None:
    assert await fault(verifier, token(**changes)) is reason
    assert issuer.site.asked == []


async def test_keys_of_one_issuer_do_not_sign_for_another(issuer: Issuer, moment: Moment) -> None:
    second = f"{ISSUER}/second"
    issuer.site.pages[f"/second{METADATA}"] = page({"issuer": second, "jwks_uri": f"{ISSUER}/second-keys"})
    issuer.site.pages["/second-keys"] = page({"keys": [named(RSA_2, "rsa").as_dict(private=False)]})
    keys = {url: keys_of(issuer, moment, url) for url in (ISSUER, second)}
    verifier = TokenVerifier(keys, clock=moment.unix)

    assert (await verifier.verify(token(OTHER_RSA, iss=second))).issuer == second
    assert (await verifier.verify(token(RSA))).issuer == ISSUER
    assert await fault(verifier, token(RSA, iss=second)) is TokenFault.SIGNATURE
    assert await fault(verifier, token(OTHER_RSA)) is TokenFault.SIGNATURE


async def test_a_token_cannot_be_judged_while_its_issuer_is_away(issuer: Issuer, verifier: TokenVerifier) -> None:
    issuer.network.unreachable = {issuer.names.answers[0][0]}

    with pytest.raises(IssuerUnavailableError):
        await verifier.verify(token())


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The subjects of the tokens whose signature was checked."""
    checked: list[str] = []
    validate = jws.validate_compact

    def spy(signed: jws.CompactSignature, *args: Any, **kwargs: Any) -> bool:
        checked.append(json.loads(signed.payload)["sub"])
        return validate(signed, *args, **kwargs)

    monkeypatch.setattr(jws, "validate_compact", spy)
    return checked


async def test_a_token_is_checked_once_while_it_is_remembered(
    verifier: TokenVerifier, moment: Moment, checks: list[str]
) -> None:
    text = token(exp=NOW + 10_000)
    first = [await verifier.verify(text) for _ in range(5)]
    assert (len(set(first)), checks) == (1, ["alice"])

    moment.passed = REMEMBERED_S
    await verifier.verify(text)
    assert checks == ["alice"] * 2


@pytest.mark.parametrize("remaining", [100, REMEMBERED_S + 1000])
async def test_a_token_that_is_remembered_expires_all_the_same(
    verifier: TokenVerifier, moment: Moment, remaining: float
) -> None:
    text = token(exp=NOW + remaining)
    while moment.passed < remaining + LEEWAY_S:
        await verifier.verify(text)
        moment.passed += 20

    assert await fault(verifier, text) is TokenFault.EXPIRED


async def test_a_key_that_was_withdrawn_ends_the_tokens_that_are_remembered(
    issuer: Issuer, verifier: TokenVerifier, moment: Moment
) -> None:
    text = token(exp=NOW + 10_000)
    await verifier.verify(text)
    issuer.rotate(RSA_2)
    moment.passed = FRESH_S
    assert (await verifier.verify(token(RSA_2, exp=NOW + 10_000))).subject == "alice"

    assert await fault(verifier, text) is TokenFault.SIGNATURE


async def test_a_withdrawn_key_is_not_used_after_a_time_without_tokens(
    issuer: Issuer, verifier: TokenVerifier, moment: Moment
) -> None:
    await verifier.verify(token())
    issuer.rotate(RSA_2)
    moment.passed = STALE_S

    faults = await asyncio.gather(*(fault(verifier, token(sub=sub, exp=NOW + 90_000)) for sub in ("bob", "carol")))

    assert set(faults) == {TokenFault.SIGNATURE}


@pytest.mark.parametrize("name", ["rsa", None], ids=["same name", "no name"])
async def test_a_new_key_without_a_name_of_its_own_is_found(
    issuer: Issuer, verifier: TokenVerifier, moment: Moment, name: str | None
) -> None:
    old, new = named(RSA, name), named(RSA_2, name)
    header = {"kid": ... if name is None else name}
    issuer.rotate(old)
    await verifier.verify(token(old, header=header))
    issuer.rotate(new)
    assert await fault(verifier, token(new, header=header)) is TokenFault.SIGNATURE  # the keys have just been fetched
    moment.passed = REFETCH_S

    assert (await verifier.verify(token(new, header=header, sub="bob"))).subject == "bob"
    assert await fault(verifier, token(old, header=header, sub="carol")) is TokenFault.SIGNATURE
    assert issuer.site.asked == [METADATA, KEYS] * 2


async def test_forged_tokens_ask_the_issuer_once_and_are_refused_while_it_is_away(
    issuer: Issuer, verifier: TokenVerifier, moment: Moment
) -> None:
    await verifier.verify(token())
    del issuer.site.pages[METADATA]
    moment.passed = REFETCH_S
    faults = await asyncio.gather(*(fault(verifier, token(OTHER_RSA, sub=f"s{n}")) for n in range(10)))

    assert set(faults) == {TokenFault.SIGNATURE}
    assert issuer.site.asked.count(METADATA) == 2


async def test_keys_that_share_a_name_are_told_apart(issuer: Issuer, verifier: TokenVerifier) -> None:
    keys = {"RS256": RSA, "ES256": EC, "ES384": EC_384, "Ed25519": ED}
    issuer.rotate(*(named(key, "one") for key in keys.values()))

    for algorithm, key in keys.items():
        assert (await verifier.verify(token(named(key, "one"), algorithm))).subject == "alice"
    assert await fault(verifier, token(named(RSA_2, "one"))) is TokenFault.SIGNATURE


async def test_tokens_that_are_refused_are_not_remembered(
    verifier: TokenVerifier, moment: Moment, checks: list[str]
) -> None:
    early = token(nbf=NOW + 100)
    assert await fault(verifier, early) is TokenFault.NOT_YET_VALID
    forged = token(OTHER_RSA)
    for _ in range(2):
        assert await fault(verifier, forged) is TokenFault.SIGNATURE

    moment.passed = 100
    assert (await verifier.verify(early)).subject == "alice"
    assert checks == ["alice"] * 3


async def test_few_tokens_are_remembered(verifier: TokenVerifier, checks: list[str]) -> None:
    assert verifier._verified.max_entries == verification.MAX_REMEMBERED
    verifier._verified = LRUCache(2)
    for subject in ("alice", "bob", "carol", "carol", "alice"):
        await verifier.verify(token(sub=subject))

    assert checks == ["alice", "bob", "carol", "alice"]
    assert len(verifier._verified) == 2


async def test_a_jwks_that_resolves_to_an_inner_address_at_the_second_look_gives_no_keys(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    issuer.names.answers = [issuer.names.answers[0], ["169.254.169.254"]]

    with pytest.raises(IssuerUnavailableError):
        await verifier.verify(token())
    assert issuer.site.asked == [METADATA]
    assert "169.254.169.254" not in issuer.network.connected


async def test_an_issuer_on_this_machine_lets_no_other_one_name_this_machine(issuer: Issuer, moment: Moment) -> None:
    inner = Site()
    async with await asyncio.start_server(inner.serve, "127.0.0.1", 0) as server:
        local = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        inner.pages |= {KEYS: issuer.site.pages[KEYS], METADATA: page({"issuer": local, "jwks_uri": local + KEYS})}
        issuer.site.pages[METADATA] = page({"issuer": ISSUER, "jwks_uri": local + KEYS})
        keys = {ISSUER: keys_of(issuer, moment), local: IssuerKeys(local, fetcher_for(local))}
        verifier = TokenVerifier(keys, clock=moment.unix)

        with pytest.raises(IssuerUnavailableError):
            await verifier.verify(token())
        assert inner.asked == []
        assert (await verifier.verify(token(iss=local))).issuer == local


async def test_a_flood_of_unknown_keys_asks_the_issuer_once(issuer: Issuer, verifier: TokenVerifier) -> None:
    await verifier.verify(token())
    faults = await asyncio.gather(*(fault(verifier, token(header={"kid": f"k{n}"})) for n in range(30)))

    assert set(faults) == {TokenFault.SIGNATURE}
    assert issuer.site.asked == [METADATA, KEYS]
