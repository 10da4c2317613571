"""An issuer's keys are found by its metadata, follow their rotation, and outlive an outage of the issuer."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Callable

import pytest
from joserfc.jwk import OctKey

from auth.oauth import key_set
from auth.oauth.fetcher import FetchError
from auth.oauth.issuer_metadata import jwks_uri_of, metadata_addresses
from auth.oauth.key_set import AWAY_S, FRESH_S, MAX_AGE_S, MAX_KEYS, REFETCH_S, STALE_S, IssuerKeys, signing_keys
from auth.oauth.tokens import IssuerUnavailableError
from tests.auth.conftest import Clock
from tests.auth.oauth.issuer import EC, ED, ISSUER, KEYS, METADATA, RSA, RSA_2, Issuer, Page, page
from tests.captured_logs import capture_logs

BOTH = [METADATA, KEYS]
"""What one fetch asks for."""


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> IssuerKeys:
    return IssuerKeys(ISSUER, issuer.fetcher(), seconds=clock.seconds)


async def kid_of(keys: IssuerKeys, name: str | None) -> str | None:
    key = await keys.signer(name, lambda _: True)
    return None if key is None else key.kid


async def test_keys_are_fetched_once_for_all_who_ask(issuer: Issuer, keys: IssuerKeys) -> None:
    found = await asyncio.gather(*(kid_of(keys, "rsa") for _ in range(20)))

    assert found == ["rsa"] * 20
    assert await kid_of(keys, "rsa") == "rsa"
    assert issuer.site.asked == BOTH


async def test_a_new_key_of_a_rotation_is_found(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> None:
    await kid_of(keys, "rsa")
    issuer.rotate(RSA, RSA_2)
    clock.go_on(seconds=REFETCH_S)

    assert await kid_of(keys, "rsa-2") == "rsa-2"
    assert await kid_of(keys, "rsa") == "rsa"


async def test_unknown_names_cause_one_fetch_in_a_while(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> None:
    await kid_of(keys, "rsa")
    for round_ in range(2):
        assert {await kid_of(keys, f"unknown-{number}") for number in range(20)} == {None}
        assert issuer.site.asked == BOTH * (round_ + 1)
        clock.go_on(seconds=REFETCH_S)


async def test_without_a_name_only_the_one_key_is_meant(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> None:
    assert await kid_of(keys, None) == "rsa"
    issuer.rotate(RSA, EC)
    clock.go_on(seconds=MAX_AGE_S)

    assert await kid_of(keys, None) is None


async def failing(writer: asyncio.StreamWriter) -> None:
    await page({}, "503 Service Unavailable")(writer)


@pytest.mark.parametrize("document", BOTH)
async def test_known_keys_outlive_an_outage_and_unknown_ones_cannot_be_judged(
    issuer: Issuer, keys: IssuerKeys, clock: Clock, document: str
) -> None:
    await kid_of(keys, "rsa")
    issuer.site.pages[document] = failing
    clock.go_on(seconds=MAX_AGE_S - 1)

    assert await kid_of(keys, "rsa") == "rsa"
    for _ in range(2):
        with pytest.raises(IssuerUnavailableError):
            await kid_of(keys, "unknown")
    assert await kid_of(keys, "rsa") == "rsa"

    clock.go_on(seconds=1)
    with pytest.raises(IssuerUnavailableError):
        await kid_of(keys, "rsa")


async def test_an_outage_at_the_start_is_over_when_the_issuer_answers(
    issuer: Issuer, keys: IssuerKeys, clock: Clock
) -> None:
    served, issuer.site.pages[KEYS] = issuer.site.pages[KEYS], failing
    with capture_logs() as logs, pytest.raises(IssuerUnavailableError) as refused:
        await kid_of(keys, "rsa")

    assert (refused.value.status, refused.value.retry_after_s) == (503, REFETCH_S)
    assert [(line["message"], line["issuer"]) for line in logs] == [("issuer_keys_unavailable", ISSUER)]
    assert logs[0]["reason"] == f"{ISSUER}{KEYS} is not accepted: it answers with status 503"

    issuer.site.pages[KEYS] = served
    clock.go_on(seconds=REFETCH_S)
    assert await kid_of(keys, "rsa") == "rsa"


async def test_old_keys_are_fetched_again_beside_the_requests(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> None:
    await kid_of(keys, "rsa")
    asked, answer = asyncio.Event(), asyncio.Event()

    async def gated(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await answer.wait()
        await page({"keys": [RSA_2.as_dict(private=False)]})(writer)

    issuer.site.pages[KEYS] = gated
    clock.go_on(seconds=FRESH_S)

    assert await kid_of(keys, "rsa") == "rsa"
    await asked.wait()
    waiting = asyncio.create_task(kid_of(keys, "rsa-2"))
    assert await kid_of(keys, "rsa") == "rsa"  # is not held up by those who wait
    answer.set()
    assert await waiting == "rsa-2"
    clock.go_on(seconds=REFETCH_S)
    assert await kid_of(keys, "rsa") is None  # the issuer withdrew it


async def test_stale_keys_are_used_only_after_the_issuer_was_asked(
    issuer: Issuer, keys: IssuerKeys, clock: Clock
) -> None:
    await kid_of(keys, "rsa")
    issuer.rotate(RSA_2)
    clock.go_on(seconds=STALE_S)

    assert {*await asyncio.gather(*(kid_of(keys, "rsa") for _ in range(2)))} == {None}
    assert issuer.site.asked == BOTH * 2


async def test_an_issuer_that_is_away_keeps_requests_waiting_now_and_then(
    issuer: Issuer, keys: IssuerKeys, clock: Clock
) -> None:
    await kid_of(keys, "rsa")
    served, issuer.site.pages[KEYS] = issuer.site.pages[KEYS], failing
    clock.go_on(seconds=STALE_S)
    assert await kid_of(keys, "rsa") == "rsa"

    asked, answer = asyncio.Event(), asyncio.Event()

    async def gated(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await answer.wait()
        await served(writer)

    issuer.site.pages[KEYS] = gated
    clock.go_on(seconds=AWAY_S - 1)
    assert await kid_of(keys, "rsa") == "rsa"  # beside a fetch that has no answer yet
    await asked.wait()
    clock.go_on(seconds=1)
    waiting = asyncio.create_task(kid_of(keys, "rsa"))
    await asyncio.sleep(0)
    assert not waiting.done()
    answer.set()
    assert await waiting == "rsa"


async def test_keys_that_come_slowly_are_not_waited_for(
    issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, served = asyncio.Event(), issuer.site.pages[KEYS]

    async def gated(writer: asyncio.StreamWriter) -> None:
        await answer.wait()
        await served(writer)

    issuer.site.pages[KEYS] = gated
    hasty = IssuerKeys(ISSUER, issuer.fetcher(within_s=0.1), seconds=clock.seconds)
    with capture_logs() as logs, pytest.raises(IssuerUnavailableError):
        await kid_of(hasty, "rsa")
    assert logs[0]["reason"] == f"{ISSUER}{KEYS} did not answer within 0.1 seconds"

    patient = IssuerKeys(ISSUER, issuer.fetcher(), seconds=clock.seconds)
    monkeypatch.setattr(key_set, "WAIT_S", 0.1)
    with pytest.raises(IssuerUnavailableError):
        await kid_of(patient, "rsa")
    answer.set()
    monkeypatch.undo()
    assert await kid_of(patient, "rsa") == "rsa"  # the same fetch, which went on


async def test_a_caller_that_leaves_does_not_end_the_fetch_of_others(issuer: Issuer, keys: IssuerKeys) -> None:
    answer, served = asyncio.Event(), issuer.site.pages[KEYS]

    async def gated(writer: asyncio.StreamWriter) -> None:
        await answer.wait()
        await served(writer)

    issuer.site.pages[KEYS] = gated
    first, second = (asyncio.create_task(kid_of(keys, "rsa")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    answer.set()

    assert await second == "rsa"
    assert issuer.site.asked == BOTH


async def test_closing_ends_a_fetch_in_flight(issuer: Issuer, keys: IssuerKeys) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def silent(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await never.wait()

    issuer.site.pages[METADATA] = silent
    waiting = asyncio.create_task(kid_of(keys, "rsa"))
    await asked.wait()
    await keys.aclose()
    never.set()

    with pytest.raises(IssuerUnavailableError):
        await waiting


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda: page({}, "302 Found", "location: https://issuer.example/elsewhere"), "status 302"),
        (lambda: page({"keys": [RSA.as_dict(private=False)] * (MAX_KEYS + 1)}), "at most 100 keys"),
        (lambda: page({"keys": [RSA.as_dict(private=False) | {"x": "x" * 300_000}]}), "larger than 262,144 bytes"),
        (lambda: page({"keys": []}), "no key that is for signatures"),
        (lambda: page([]), "not a JWKS"),
    ],
    ids=["redirect", "many", "large", "empty", "list"],
)
async def test_keys_that_are_not_acceptable_replace_none_that_work(
    issuer: Issuer, keys: IssuerKeys, clock: Clock, broken: Callable[[], Page], reason: str
) -> None:
    await kid_of(keys, "rsa")
    issuer.site.pages[KEYS] = broken()
    clock.go_on(seconds=FRESH_S)

    with capture_logs() as logs, pytest.raises(IssuerUnavailableError):
        await kid_of(keys, "unknown")

    assert reason in logs[0]["reason"]
    assert await kid_of(keys, "rsa") == "rsa"


@pytest.mark.filterwarnings("ignore")  # as in production
def test_only_keys_that_can_sign_access_tokens_are_taken() -> None:
    weak = {**RSA.as_dict(private=False), "n": urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode()}
    good = [key.as_dict(private=False) for key in (RSA, EC, ED)]
    others: list[object] = [
        *(OctKey.import_key("a-secret-that-is-not-one").as_dict(private=True), weak),
        *({**RSA_2.as_dict(private=False), "use": "enc"}, {"kty": "RSA"}, {"kty": ["RSA"]}, {"kty": "AKP", "kid": "x"}),
        *({"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, {"kty": "RSA", "n": 5, "e": None}, "RSA", None, 1, []),
        *(
            {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
            {"kty": "RSA", "n": "", "e": ""},
            {"kty": "RSA", "n": "ÿ", "e": "ÿ"},
        ),
    ]

    assert [key.kid for key in signing_keys({"keys": [*others, *good, *others]})] == ["rsa", "ec", "ed"]


@pytest.mark.parametrize("document", [None, [], "keys", {}, {"keys": {}}, {"keys": None}])
def test_what_is_not_a_key_set_is_refused(document: object) -> None:
    with pytest.raises(FetchError):
        signing_keys(document)


@pytest.mark.parametrize(
    ("issuer_url", "addresses"),
    [
        (ISSUER, ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]),
        (f"{ISSUER}/", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]),
        (
            f"{ISSUER}/realms/a",
            [
                "/realms/a/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server/realms/a",
                "/.well-known/openid-configuration/realms/a",
            ],
        ),
    ],
)
async def test_metadata_is_looked_for_where_the_standards_say(
    issuer: Issuer, issuer_url: str, addresses: list[str]
) -> None:
    assert list(metadata_addresses(issuer_url)) == [ISSUER + address for address in addresses]
    del issuer.site.pages[METADATA]
    issuer.site.pages[addresses[-1]] = page({"issuer": issuer_url, "jwks_uri": f"{ISSUER}/k"})

    assert await jwks_uri_of(issuer_url, issuer.fetcher()) == f"{ISSUER}/k"
    assert issuer.site.asked == addresses


@pytest.mark.parametrize(
    "named_issuer", [f"{ISSUER}/", "https://ISSUER.example", "https://other.example", None, [ISSUER]]
)
async def test_metadata_of_another_issuer_is_refused(issuer: Issuer, named_issuer: object) -> None:
    issuer.site.pages[METADATA] = page({"issuer": named_issuer, "jwks_uri": ISSUER + KEYS})

    with pytest.raises(FetchError, match="the metadata is that of the issuer"):
        await jwks_uri_of(ISSUER, issuer.fetcher())


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "x" * 200_000},
        {"issuer": ["x" * 200_000]},
        {"issuer": ISSUER, "jwks_uri": "https://" + "x" * 200_000},
    ],
    ids=["issuer", "list", "jwks_uri"],
)
async def test_what_a_document_says_is_not_logged_at_length(
    issuer: Issuer, keys: IssuerKeys, metadata: dict[str, object]
) -> None:
    issuer.site.pages[METADATA] = page(metadata)
    with capture_logs() as logs, pytest.raises(IssuerUnavailableError):
        await kid_of(keys, "rsa")

    assert [len(line["reason"]) < 500 for line in logs] == [True]


@pytest.mark.parametrize(
    "uri",
    [
        *("http://issuer.example/keys", "https://169.254.169.254/keys", "https://issuer..example/keys"),
        *("keys", None, 5),
    ],
)
async def test_keys_are_not_fetched_from_a_forbidden_address(issuer: Issuer, keys: IssuerKeys, uri: object) -> None:
    issuer.site.pages[METADATA] = page({"issuer": ISSUER, "jwks_uri": uri})

    with pytest.raises(IssuerUnavailableError):
        await kid_of(keys, "rsa")
    assert issuer.site.asked == [METADATA]
    assert "169.254.169.254" not in issuer.network.connected
