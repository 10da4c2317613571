"""Before the identity provider: a client asks, a page shows who it is and where it goes, and the person decides."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2

from auth.authorization_server.clients.lookup import FRESH
from auth.authorization_server.sign_in.browser import LIFE_S, MAX_FORM
from auth.authorization_server.sign_in.requests import MAX_QUERY, MAX_STATE
from tests.auth.authorization_server.browsing import (
    BASE,
    CALLBACK,
    CLIENT,
    CUSTOM,
    PROVIDER,
    Browser,
    Site,
    asked,
)
from tests.auth.conftest import Clock
from tests.kills import kills

ONE = "https://one.example/client.json"
COOKIE = "__Host-sign-in"


async def test_the_first_page_shows_the_client_where_it_goes_and_what_it_asks_for(browser: Browser) -> None:
    page = await browser.authorize(scope="tickets:read")

    assert page.status == 200
    assert set(page.fields) == {"request", "token"}
    for shown in ("Example", "client.example", "127.0.0.1", "login.example"):
        assert shown in page.text
    assert "state of the client" not in page.text


async def test_asking_stores_nothing(site: Site, browser: Browser) -> None:
    await browser.authorize()

    assert await site.store.oauth_clients.all() == []
    assert site.trail.events == []


async def test_pages_cannot_be_framed_or_kept_and_send_forms_only_to_this_server(browser: Browser) -> None:
    """Clickjacking; the address of a page says what the client asked, so it is for this server alone."""
    page = await browser.authorize()

    policy = page.response.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert page.response.headers["referrer-policy"] == "same-origin"
    assert page.response.headers["cache-control"] == "no-store"
    assert page.action == f"{BASE}/oauth/consent"


async def test_the_cookie_is_lax_and_out_of_reach(browser: Browser) -> None:
    await browser.authorize()

    name, *attributes = browser.set_cookies[0].split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert {each.lower() for each in attributes} == {"httponly", "max-age=3600", "path=/", "samesite=lax", "secure"}


async def test_on_loopback_the_cookie_has_a_name_that_needs_no_https(site: Site, clock: Clock) -> None:
    browser = Site(site.store, clock, public_url="http://127.0.0.1:8080").browser()
    await browser.authorize()

    assert list(browser.cookies) == ["sign-in"]
    assert "secure" not in browser.set_cookies[0].lower()


async def test_whoever_allows_the_client_goes_on_to_the_provider(browser: Browser) -> None:
    going = await browser.answer(await browser.authorize(prompt="consent"))

    assert going.status == 200
    assert going.goes_to.startswith(f"{PROVIDER}/auth?")
    said = going.said
    assert said["redirect_uri"] == f"{BASE}/oauth/callback/login.example"
    assert said["code_challenge_method"] == "S256"
    assert len(said["state"]) >= 43
    assert len(said["nonce"]) >= 43
    assert "prompt" not in said


async def test_a_person_who_wants_another_account_chooses_it_at_the_provider(browser: Browser) -> None:
    going = await browser.answer(await browser.authorize(prompt="login"))

    assert going.said["prompt"] == "select_account"


async def test_whoever_denies_goes_back_to_the_client(site: Site, browser: Browser) -> None:
    back = await browser.answer(await browser.authorize(), "deny")

    assert back.status == 200
    assert back.goes_to.startswith(CALLBACK)
    assert back.said["error"] == "access_denied"
    assert (back.said["state"], back.said["iss"]) == ("state of the client", BASE)
    assert [(event.action, event.outcome, event.object, event.detail) for event in site.trail.events] == [
        ("sign_in", "access_denied", CLIENT, "The person did not allow access.")
    ]


UNANSWERABLE: Mapping[str, tuple[dict[str, str | None], str, int]] = {
    "no client": ({"client_id": None}, "invalid_request", 400),
    "a long client id": ({"client_id": "c" * 501}, "invalid_request", 400),
    "an unknown client": ({"client_id": "cli_0000"}, "unknown_client", 400),
    "no document": ({"client_id": "https://unknown.example/c.json"}, "client_document", 503),
    "no address of a document": ({"client_id": "https://unknown.example"}, "client_document", 400),
    "no redirect address": ({"redirect_uri": None}, "invalid_request", 400),
    "another one": ({"redirect_uri": "https://evil.example/"}, "redirect_not_allowed", 400),
    "a longer path": ({"redirect_uri": CALLBACK + "/x"}, "redirect_not_allowed", 400),
    "another query": ({"redirect_uri": CALLBACK + "?a=1"}, "redirect_not_allowed", 400),
    "another name of the host": ({"redirect_uri": "http://localhost:1/callback"}, "redirect_not_allowed", 400),
    "a user": ({"redirect_uri": "http://127.0.0.1@evil.example/callback"}, "redirect_not_allowed", 400),
    "a long request": ({"state": "s" * MAX_QUERY}, "invalid_request", 414),
}


async def test_before_client_and_redirect_are_known_errors_stay_here(browser: Browser) -> None:
    for case, (changes, kind, status) in UNANSWERABLE.items():
        page = await browser.authorize(**changes)

        assert (page.status, page.location, page.action) == (status, "", ""), case
        assert f"<code>{kind}</code>" in page.text, case


async def test_two_clients_or_redirects_are_never_one(browser: Browser) -> None:
    for name in ("client_id", "redirect_uri"):
        page = await browser.open(f"/authorize?{urlencode([*asked().items(), (name, asked()[name])])}")

        assert (page.status, page.location) == (400, ""), name


async def test_a_request_that_cannot_be_read_gets_a_page(browser: Browser) -> None:
    for query in ("client_id=%ff", "a=1&" * 60):
        page = await browser.open(f"/authorize?{query}")

        assert page.status == 400
        assert "<code>invalid_request</code>" in page.text


async def test_what_else_is_wrong_goes_back_to_the_client(site: Site, browser: Browser) -> None:
    cases: Mapping[str, dict[str, str | None]] = {
        "unsupported_response_type": {"response_type": "token"},
        "invalid_request": {"code_challenge": None},
        "invalid_target": {"resource": "https://other.example/mcp"},
        "interaction_required": {"prompt": "none"},
    }
    for error, changes in cases.items():
        back = await browser.authorize(**changes)

        assert back.status == 302
        assert back.location.startswith(CALLBACK)
        assert (back.said["error"], back.said["state"], back.said["iss"]) == (error, "state of the client", BASE)
        assert back.said["error_description"]
        assert back.response.headers["cache-control"] == "no-store"
    assert [event.outcome for event in site.trail.events] == list(cases)


async def test_an_error_without_a_state_has_none(browser: Browser) -> None:
    back = await browser.authorize(state=None, response_type="token")

    assert "state" not in back.said


async def test_what_ends_on_a_page_is_recorded_with_the_client_if_there_is_one(site: Site, browser: Browser) -> None:
    await browser.authorize(client_id="cli_0000")
    await browser.authorize(redirect_uri="https://evil.example/")
    await browser.answer(await browser.authorize(), headers={"origin": "https://evil.example"})

    assert [(event.outcome, event.object) for event in site.trail.events] == [
        ("unknown_client", ""),
        ("redirect_not_allowed", CLIENT),
        ("other_page", ""),
    ]


async def test_the_longest_state_survives_the_form(browser: Browser) -> None:
    state = '"\\' * (MAX_STATE // 2)

    back = await browser.answer(await browser.authorize(state=state), "deny")

    assert back.said["state"] == state


async def test_refusals_of_one_kind_are_recorded_once_a_minute(site: Site, browser: Browser) -> None:
    for _ in range(5):
        await browser.authorize(response_type="token")

    assert len(site.trail.events) == 1
    assert site.counter.total("sign_ins", outcome="unsupported_response_type") == 5


async def test_an_application_of_its_own_scheme_ends_on_a_page(browser: Browser) -> None:
    back = await browser.authorize(redirect_uri=CUSTOM, response_type="token")

    assert back.status == 200
    assert back.goes_to.startswith(f"{CUSTOM}?error=unsupported_response_type&")


async def test_a_redirect_that_has_a_query_keeps_it(browser: Browser) -> None:
    back = await browser.answer(await browser.authorize(redirect_uri="http://127.0.0.1:1/other?tab=1"), "deny")

    assert back.goes_to.startswith("http://127.0.0.1:1/other?tab=1&error=access_denied&")


async def test_the_only_redirect_of_a_client_need_not_be_named(browser: Browser) -> None:
    back = await browser.answer(await browser.authorize(client_id=ONE, redirect_uri=None), "deny")

    assert back.goes_to.startswith(f"{CALLBACK}?")


# The forms: CSRF, several pages of one browser, and browsers without cookies.


FOREIGN: Mapping[str, dict[str, str]] = {
    "a stranger": {"origin": "https://evil.example"},
    "a page without an origin": {"origin": "null"},
    "without TLS": {"origin": "http://tickets.example"},
    "another port": {"origin": f"{BASE}:444"},
    "both": {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    "a neighbour": {"sec-fetch-site": "same-site"},
    "another site": {"sec-fetch-site": "cross-site"},
    "neither": {"x-sent": "by no browser"},
}


@kills("auth/authorization_server/sign_in/browser.py", "return origins == [self._origin]", "return True")
async def test_a_form_that_another_site_sends_decides_nothing(browser: Browser) -> None:
    """CSRF on the consent: the attacker has a page of their own for the same client, with its fields."""
    page = await browser.authorize()

    for case, headers in FOREIGN.items():
        refused = await browser.answer(page, headers=headers)

        assert (refused.status, refused.location) == (403, ""), case
        assert "<code>other_page</code>" in refused.text


async def test_a_form_without_an_origin_counts_if_the_browser_says_it_is_ours(browser: Browser) -> None:
    going = await browser.answer(await browser.authorize(), headers={"sec-fetch-site": "same-origin"})

    assert going.goes_to.startswith(PROVIDER)


async def test_the_page_of_another_browser_is_shown_again_instead_of_answered(site: Site, browser: Browser) -> None:
    foreign = await site.browser().authorize()
    await browser.authorize()

    again = await browser.answer(foreign)
    going = await browser.answer(again)

    assert (again.status, again.location) == (403, "")
    assert set(again.fields) == {"request", "token"}
    assert going.goes_to.startswith(PROVIDER)


async def test_pages_that_are_open_at_once_are_all_valid(browser: Browser) -> None:
    pages = [await browser.authorize() for _ in range(3)]

    for page in pages:
        assert (await browser.answer(page)).goes_to.startswith(PROVIDER)


async def test_a_double_click_begins_two_sign_ins_that_both_work(site: Site, browser: Browser) -> None:
    page = await browser.authorize()

    first, second = await asyncio.gather(browser.answer(page), browser.answer(page))
    arrived = [await browser.open(site.provider.sign_in(going.goes_to, "mary")) for going in (first, second)]

    assert first.said["state"] != second.said["state"]
    assert all("code" in page.said for page in arrived)


async def test_a_browser_without_cookies_goes_on(site: Site) -> None:
    going = await (browser := site.browser(has_cookies=False)).answer(await browser.authorize())

    assert going.goes_to.startswith(PROVIDER)


async def test_a_cookie_that_is_not_ours_is_replaced(browser: Browser) -> None:
    for cookie in ("", "short", "x" * 44, "!" * 43):
        browser.cookies[COOKIE] = cookie
        await browser.authorize()

        assert len(browser.cookies[COOKIE]) == 43
        assert browser.cookies[COOKIE] != cookie


async def test_a_page_cannot_be_answered_after_ten_minutes(browser: Browser, clock: Clock) -> None:
    page = await browser.authorize()
    clock.go_on(seconds=LIFE_S)

    late = await browser.answer(page)

    assert (late.status, late.location) == (400, "")
    assert "<code>request_expired</code>" in late.text


async def test_a_request_that_was_not_sealed_here_is_refused(browser: Browser) -> None:
    page = await browser.authorize()

    for sealed in ("", "x", "x.y", "\N{LATIN SMALL LETTER U WITH DIAERESIS}", page.fields["request"][:-1]):
        assert (await browser.answer(page, request=sealed)).status == 400


async def test_a_client_that_was_removed_meanwhile_is_not_allowed(site: Site, browser: Browser) -> None:
    client = await site.store.oauth_clients.register({"redirect_uris": [CALLBACK], "client_name": "Registered"})
    page = await browser.authorize(client_id=client.id)
    await site.store.oauth_clients.remove(client.id)

    refused = await browser.answer(page)

    assert (refused.status, refused.location) == (400, "")


async def test_a_redirect_that_the_client_withdrew_meanwhile_is_not_used(
    site: Site, browser: Browser, clock: Clock
) -> None:
    await browser.authorize()
    clock.now += FRESH - timedelta(minutes=1)
    page = await browser.authorize()
    site.clients.documents[CLIENT] = {**site.clients.documents[CLIENT], "redirect_uris": [CUSTOM]}
    clock.go_on(minutes=2)

    refused = await browser.answer(page)

    assert (refused.status, refused.location) == (400, "")


async def test_a_form_without_a_decision_decides_nothing(browser: Browser) -> None:
    page = await browser.authorize()

    for decision in ("", "yes"):
        assert (await browser.answer(page, decision)).status == 400


async def post(site: Site, content: Any, **headers: str) -> httpx2.Response:
    sent = {"origin": BASE, "content-type": "application/x-www-form-urlencoded", **headers}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(site.app), base_url=BASE) as client:
        return await client.post("/oauth/consent", content=content, headers=sent)


UNREADABLE: Mapping[str, tuple[bytes, dict[str, str], int]] = {
    "large": (b"a" * (MAX_FORM + 1), {}, 413),
    "said to be huge": (b"a=1", {"content-length": "9" * 30}, 413),
    "of no length": (b"a=1", {"content-length": "-1"}, 413),
    "JSON": (b"a=1", {"content-type": "application/json"}, 415),
    "multipart": (b"a=1", {"content-type": "multipart/form-data; boundary=a"}, 415),
    "a field twice": (b"request=a&request=b", {}, 400),
    "no UTF-8": (b"request=%ff", {}, 400),
    "no ASCII": (b"request=\xff", {}, 400),
    "many fields": (b"a=1&" * 60, {}, 400),
}


async def test_a_form_that_cannot_be_read_gets_a_page(site: Site) -> None:
    for case, (content, headers, status) in UNREADABLE.items():
        refused = await post(site, content, **headers)

        assert refused.status_code == status, case
        assert "<code>invalid_request</code>" in refused.text, case


async def test_a_form_is_not_read_further_than_its_limit(site: Site) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        for part in range(100):
            read.append(part)
            yield b"a" * 1024

    refused = await post(site, body(), **{"content-length": "10"})

    assert refused.status_code == 413
    assert len(read) <= MAX_FORM // 1024 + 2


async def test_who_asks_too_often_has_to_wait(browser: Browser) -> None:
    pages = [await browser.authorize() for _ in range(40)]

    refused = pages[-1]
    assert refused.status == 429
    assert int(refused.response.headers["retry-after"]) > 0
    assert "<code>too_many_requests</code>" in refused.text


async def test_a_provider_that_does_not_answer_is_told_to_the_client(site: Site, browser: Browser) -> None:
    site.provider.is_up = False

    back = await browser.answer(await browser.authorize())

    assert back.status == 200
    assert back.said["error"] == "temporarily_unavailable"
    assert back.said["iss"] == BASE
