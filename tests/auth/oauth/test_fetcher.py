"""What is fetched comes from public addresses by https, is small JSON, and comes soon."""

import asyncio
import socket
from threading import Event
from typing import Any

import httpcore2
import pytest

from auth.authorization_server.server import AuthorizationServerOptions
from auth.oauth.fetcher import (
    MOST_LOOKUPS,
    FetchError,
    GuardedFetcher,
    addresses_for_strangers,
    fetcher_for,
    system_addresses,
)
from tests.auth.oauth.issuer import HOST, ISSUER, PUBLIC, Issuer, Page, page
from tests.kills import kills

DOCUMENT = {"a": 1}
INNER = "169.254.169.254"


async def refusal_of(fetcher: GuardedFetcher, url: str = f"{ISSUER}/a", **options: int) -> str:
    with pytest.raises(FetchError) as refused:
        await fetcher.json(url, **options)
    return str(refused.value)


@pytest.fixture(autouse=True)
def _document(issuer: Issuer) -> None:
    issuer.site.pages["/a"] = page(DOCUMENT)


async def test_a_document_comes_from_the_address_that_was_checked_under_the_name_that_was_asked(issuer: Issuer) -> None:
    assert await issuer.fetcher().json(f"{ISSUER}/a") == DOCUMENT

    assert issuer.names.asked == [(HOST, 443)]
    assert issuer.network.connected == [PUBLIC]
    assert f"\r\nhost: {HOST}\r\n" in issuer.site.heads[0].lower()


async def test_a_certificate_for_another_name_is_refused(issuer: Issuer) -> None:
    assert "certificate" in await refusal_of(issuer.fetcher(), "https://other.example/a")
    assert issuer.site.asked == []


@kills("auth/oauth/fetcher.py", "if not self._may_reach(host, address)", "if False")
@pytest.mark.parametrize(
    "answer", [[INNER], [PUBLIC, INNER], [INNER, PUBLIC], ["::ffff:169.254.169.254"], ["10.0.0.1"], ["127.0.0.1"], []]
)
async def test_a_host_with_an_address_that_is_not_public_is_not_connected(issuer: Issuer, answer: list[str]) -> None:
    issuer.names.answers = [answer]

    assert f"{HOST} has" in await refusal_of(issuer.fetcher())
    assert issuer.network.connected == []


async def test_an_answer_that_changes_between_two_fetches_is_checked_again(issuer: Issuer) -> None:
    """DNS rebinding: each fetch looks up once, and what it connects to is what it checked."""
    issuer.names.answers = [[PUBLIC], [INNER]]
    fetcher = issuer.fetcher()

    assert await fetcher.json(f"{ISSUER}/a") == DOCUMENT
    assert f"{HOST} has the address {INNER}, which is not public" in await refusal_of(fetcher)
    assert issuer.network.connected == [PUBLIC]


@pytest.mark.parametrize("host", [INNER, "10.0.0.1", "127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
async def test_an_address_in_the_url_is_checked_as_one_of_dns(issuer: Issuer, host: str) -> None:
    fetcher = GuardedFetcher(network=issuer.network, ssl_context=issuer.tls)

    assert "which is not public" in await refusal_of(fetcher, f"https://{host}/a")
    assert issuer.network.connected == []


@pytest.mark.parametrize("failure", [httpcore2.ConnectError, httpcore2.ConnectTimeout])
async def test_the_next_address_is_tried_when_one_does_not_answer(issuer: Issuer, failure: type[Exception]) -> None:
    issuer.network.failure = failure
    issuer.names.answers = [["2606:4700::1111", PUBLIC]]
    issuer.network.unreachable = {"2606:4700::1111"}

    assert await issuer.fetcher().json(f"{ISSUER}/a") == DOCUMENT

    issuer.network.unreachable |= {PUBLIC}
    assert "cannot be reached" in await refusal_of(issuer.fetcher())


@pytest.mark.parametrize(
    "url",
    [
        *("http://issuer.example/a", "ftp://issuer.example/a", "file:///etc/passwd", "//issuer.example/a", "a", ""),
        *("https://user:word@issuer.example/a", "https://issuer.example/a#b", "https:///a", "https://", "https://[x/a"),
        *("https://issuer.example:port/a", "https://issuer.example/a\r\nx: y", "https://issuer.example/ a"),
        *("https://発行者.example/a", "https://issuer.example:99999/a", f"https://issuer.example/{'a' * 2000}"),
        *("https://issuer..example/a", "https://.issuer.example/a", f"https://{'a' * 64}.example/a"),
    ],
    ids=range(20),
)
async def test_what_is_not_a_plain_https_url_is_not_looked_up(issuer: Issuer, url: str) -> None:
    await refusal_of(issuer.fetcher(), url)

    assert issuer.names.asked == []


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_not_followed(issuer: Issuer, status: str) -> None:
    issuer.site.pages["/a"] = page(DOCUMENT, status, f"location: {ISSUER}/b")
    issuer.site.pages["/b"] = page(DOCUMENT)

    assert f"status {status[:3]}" in await refusal_of(issuer.fetcher())
    assert issuer.site.asked == ["/a"]


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (page(DOCUMENT, "500 Internal Server Error"), "status 500"),
        (page(DOCUMENT, "204 No Content"), "status 204"),
        (page(DOCUMENT, kind="text/html"), "not JSON by its Content-Type"),
        (page(DOCUMENT, kind="application/jsonp"), "not JSON by its Content-Type"),
        (page(b"{", kind="application/json"), "is not valid JSON"),
        (page(b"[" * 900), "is not valid JSON"),
        (page(b"NaN"), "is not valid JSON"),
        (page(b"\x1f\x8b", "200 OK", "content-encoding: gzip"), "compressed"),
        (page(b" " * 2000 + b"{}"), "larger than 1,000 bytes"),
    ],
    ids=["500", "204", "html", "jsonp", "cut-off", "deep", "nan", "gzip", "large"],
)
async def test_what_is_not_a_small_json_document_is_refused(issuer: Issuer, served: Page, reason: str) -> None:
    issuer.site.pages["/a"] = served

    assert reason in await refusal_of(issuer.fetcher(), max_bytes=1000)


@pytest.mark.parametrize(
    "kind", ["application/jwk-set+json", "Application/JSON;charset=utf-8", "application/json ; a=b"]
)
async def test_other_names_of_json_are_accepted(issuer: Issuer, kind: str) -> None:
    issuer.site.pages["/a"] = page(DOCUMENT, kind=kind)

    assert await issuer.fetcher().json(f"{ISSUER}/a") == DOCUMENT


async def test_what_a_site_says_is_not_repeated_at_length(issuer: Issuer) -> None:
    async def long(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 " + b"x" * 50_000 + b"\r\n\r\n")

    issuer.site.pages["/a"] = long
    fetcher = issuer.fetcher()

    for url in (f"{ISSUER}/a", f"{ISSUER}/{'b' * 1500}", f"{ISSUER}/{'c' * 200_000}"):
        assert len(await refusal_of(fetcher, url)) < 1000


async def test_a_document_without_end_is_cut_off(issuer: Issuer) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        while sent < 100_000_000:
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            await writer.drain()
            sent += 0x10000

    issuer.site.pages["/a"] = endless

    assert "larger than 1,000,000 bytes" in await refusal_of(issuer.fetcher(within_s=60), max_bytes=1_000_000)
    assert sent < 20_000_000


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
async def test_a_slow_answer_is_not_waited_for(issuer: Issuer, begun: bytes) -> None:
    """The limit is for the whole document, so that one byte now and then does not help."""
    served = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(begun.replace(b"\r\n\r\n", b"\r\ncontent-type: application/json\r\n\r\n"))
        await served.wait()

    issuer.site.pages["/a"] = slow

    assert "did not answer within 0.1 seconds" in await refusal_of(issuer.fetcher(within_s=0.1))
    served.set()


async def test_proxies_of_the_environment_are_not_used(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert await issuer.fetcher().json(f"{ISSUER}/a") == DOCUMENT
    assert issuer.network.connected == [PUBLIC]


async def test_a_name_that_does_not_exist_is_a_plain_reason() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    assert "cannot be reached: Name or service not known" in await refusal_of(GuardedFetcher(resolve=unknown))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_this_machine_is_reached_by_http_only_where_that_is_allowed(host: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await page(DOCUMENT)(writer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://{host}:{server.sockets[0].getsockname()[1]}/a"

        assert await fetcher_for(f"http://{host}:1/realm").json(url) == DOCUMENT
        assert "is not https" in await refusal_of(fetcher_for(ISSUER), url)


async def test_what_is_allowed_for_this_machine_is_for_its_own_names_alone(issuer: Issuer) -> None:
    fetcher = GuardedFetcher(resolve=issuer.names, network=issuer.network, allow_loopback=True)
    for answer in (["127.0.0.1"], ["10.0.0.1"]):
        issuer.names.answers = [answer]
        assert "not public" in await refusal_of(fetcher)
    assert "is not https" in await refusal_of(fetcher, f"http://{HOST}/a")
    issuer.names.answers = [[PUBLIC]]
    assert "not public" in await refusal_of(fetcher, "http://localhost/a")  # as a name of this machine, it is elsewhere


async def test_the_system_is_asked_for_addresses() -> None:
    assert "127.0.0.1" in await system_addresses("localhost", 443)
    assert "127.0.0.1" in await addresses_for_strangers("localhost", 443)


async def test_names_of_strangers_that_are_never_found_do_not_hold_up_other_lookups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, over, look_up = Event(), Event(), socket.getaddrinfo

    def slow(host: str, *rest: Any, **how: Any) -> object:
        if host != "localhost":
            begun.set()
            over.wait(60)
        return look_up("localhost", *rest, **how)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    options = AuthorizationServerOptions(public_url="", client_id="", client_secret="")
    many = [options.client_fetcher.json(f"https://{number}.example/a") for number in range(8 * MOST_LOOKUPS)]
    waiting = asyncio.gather(*many, return_exceptions=True)
    try:
        assert await asyncio.to_thread(begun.wait, 30)
        async with asyncio.timeout(30):
            assert "127.0.0.1" in await system_addresses("localhost", 443)
        assert not waiting.done()
    finally:
        over.set()
        await waiting


async def test_a_form_is_answered_by_json_that_may_say_what_is_wrong(issuer: Issuer) -> None:
    for status in ("200 OK", "400 Bad Request", "401 Unauthorized"):
        issuer.site.pages["/a"] = page(DOCUMENT, status)
        answer = await issuer.fetcher().post_form(
            f"{ISSUER}/a", {"code": "a&b=c"}, headers={"authorization": "Basic x"}
        )
        assert answer == (int(status[:3]), DOCUMENT)

    assert issuer.site.bodies == ["code=a%26b%3Dc"] * 3
    assert issuer.site.heads[0].startswith("POST /a ")
    assert "authorization: basic x" in issuer.site.heads[0].lower()
    assert "content-type: application/x-www-form-urlencoded" in issuer.site.heads[0].lower()


@pytest.mark.parametrize("status", ["204 No Content", "302 Found", "403 Forbidden", "500 Internal Server Error"])
async def test_other_responses_to_a_form_are_none_and_its_text_has_no_secret(issuer: Issuer, status: str) -> None:
    issuer.site.pages["/a"] = page(DOCUMENT, status, f"location: {ISSUER}/b")
    issuer.site.pages["/b"] = page(DOCUMENT)

    with pytest.raises(FetchError, match=f"status {status[:3]}") as refused:
        await issuer.fetcher().post_form(f"{ISSUER}/a", {"code": "a-secret"}, headers={"authorization": "a-secret"})

    assert "a-secret" not in str(refused.value)
    assert issuer.site.asked == ["/a"]
