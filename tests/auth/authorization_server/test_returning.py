"""After the identity provider: who comes back, in which browser, for which organisation."""

import asyncio
from datetime import timedelta
from urllib.parse import urlencode

from auth.authorization_server.sign_in.browser import LIFE_S
from auth.store.authorization.records import Authorization
from shared.identity import Scope
from tests.auth.authorization_server.browsing import (
    BASE,
    CALLBACK,
    CHALLENGE,
    CLIENT,
    CUSTOM,
    PROVIDER,
    Browser,
    Page,
    Site,
)
from tests.auth.conftest import Clock
from tests.kills import kills

READ, WRITE, ADMIN = Scope
BACK = "/oauth/callback/login.example"


async def authorization(site: Site, page: Page) -> Authorization:
    """Return what the code of a response stands for."""
    assert page.location.startswith(f"{CALLBACK}?code=")
    assert (page.said["state"], page.said["iss"]) == ("state of the client", BASE)
    record = await site.store.codes.get(page.said["code"])
    assert record is not None
    assert record.code_challenge == CHALLENGE
    return record.authorization


def outcomes(site: Site) -> list[str]:
    return [event.outcome for event in site.trail.events]


async def add_globex(site: Site, role: str = "viewer") -> None:
    """Make Mary a member of a second organisation."""
    await site.store.tenants.add("globex", name="Globex")
    await site.store.memberships.set("mary@acme.example", "globex", role=role)


async def test_a_member_of_one_organisation_goes_straight_back_with_a_code(site: Site, browser: Browser) -> None:
    arrived = await browser.sign_in(site)

    assert arrived.status == 302
    assert arrived.response.headers["cache-control"] == "no-store"
    allowed = await authorization(site, arrived)
    assert (allowed.client_id, allowed.redirect_uri, allowed.resource) == (CLIENT, CALLBACK, BASE)
    assert (allowed.tenant, allowed.scopes) == ("acme", frozenset({READ, WRITE}))
    event = site.trail.events[-1]
    assert (event.action, event.outcome, event.tenant, event.object) == ("sign_in", "ok", "acme", CLIENT)
    assert (event.actor, event.credential, event.detail) == (
        allowed.user,
        allowed.identity,
        "tickets:read tickets:write",
    )
    assert site.counter.total("sign_ins", outcome="ok") == 1


async def test_nothing_secret_is_recorded_and_no_token_of_the_provider_goes_on(site: Site, browser: Browser) -> None:
    page = await browser.authorize()
    going = await browser.answer(page)
    arrived = await browser.open(site.provider.sign_in(going.goes_to, "mary"))

    secrets = [page.fields["request"], browser.cookies["__Host-sign-in"], going.said["state"], arrived.said["code"]]
    assert not any(secret in str(site.trail.events) for secret in secrets)
    assert "not for us" not in arrived.location


async def test_scopes_and_resource_are_those_that_were_asked_for(site: Site, browser: Browser) -> None:
    allowed = await authorization(site, await browser.sign_in(site, scope="tickets:read", resource=f"{BASE}/mcp/"))

    assert (allowed.scopes, allowed.resource) == (frozenset({READ}), f"{BASE}/mcp")


async def test_a_role_limits_the_scopes(site: Site, browser: Browser) -> None:
    await site.store.memberships.set("mary@acme.example", "acme", role="viewer")

    assert (await authorization(site, await browser.sign_in(site))).scopes == {READ}


async def test_a_role_that_permits_nothing_is_told_to_the_client(site: Site, browser: Browser) -> None:
    await site.store.memberships.set("mary@acme.example", "acme", role="viewer")

    arrived = await browser.sign_in(site, scope="tickets:write")

    assert (arrived.status, arrived.said["error"], arrived.said["iss"]) == (302, "access_denied", BASE)
    assert "role" in arrived.said["error_description"]


async def test_an_application_of_its_own_scheme_ends_on_a_page(site: Site, browser: Browser) -> None:
    arrived = await browser.sign_in(site, redirect_uri=CUSTOM)

    assert arrived.status == 200
    assert arrived.goes_to.startswith(f"{CUSTOM}?code=")


async def test_a_second_sign_in_of_one_browser_works_like_the_first(site: Site, browser: Browser) -> None:
    first, second = await browser.sign_in(site), await browser.sign_in(site)

    assert (await authorization(site, first)).identity == (await authorization(site, second)).identity
    assert first.said["code"] != second.said["code"]


# `state` counts once, for ten minutes, at the provider that was asked.


async def test_a_state_is_used_once(site: Site, browser: Browser) -> None:
    """The callback loaded again, and a state that was stolen after its use."""
    going = await browser.answer(await browser.authorize())
    back = site.provider.sign_in(going.goes_to, "mary")
    first = await browser.open(back)

    for again in (await browser.open(back), await site.browser().open(back)):
        assert (again.status, again.location) == (400, "")
        assert "<code>sign_in_over</code>" in again.text
    assert "code" in first.said


async def test_of_two_callbacks_at_once_one_counts(site: Site, browser: Browser) -> None:
    going = await browser.answer(await browser.authorize())
    back = site.provider.sign_in(going.goes_to, "mary")

    pages = await asyncio.gather(*(browser.open(back) for _ in range(4)))

    assert sorted(page.status for page in pages) == [302, 400, 400, 400]


async def test_a_sign_in_ends_after_ten_minutes(site: Site, browser: Browser, clock: Clock) -> None:
    going = await browser.answer(await browser.authorize())
    clock.now += timedelta(seconds=LIFE_S)

    late = await browser.open(site.provider.sign_in(going.goes_to, "mary"))

    assert (late.status, late.location) == (400, "")


async def test_what_is_no_response_of_the_provider_changes_nothing(site: Site, browser: Browser) -> None:
    going = await browser.answer(await browser.authorize())
    state = going.said["state"]
    cases = {
        "without a state": urlencode({"code": "c"}),
        "with an unknown one": urlencode({"code": "c", "state": "s" * 43}),
        "with two": urlencode([("code", "c"), ("state", state), ("state", state)]),
        "with two codes": urlencode([("code", "c"), ("code", "d"), ("state", state)]),
        "with a long one": urlencode({"code": "c", "state": "s" * 9000}),
        "with a strange one": urlencode({"code": "c", "state": "\0\ud7ff"}),
        "unreadable": "state=%ff",
    }
    for case, query in cases.items():
        page = await browser.open(f"{BACK}?{query}")
        assert page.status in {400, 414}, case
        assert page.location == "", case
    other = await browser.open(f"/oauth/callback/google?code=c&state={state}")
    looked = await browser.request("HEAD", f"{BACK}?code=c&state={state}")
    arrived = await browser.open(site.provider.sign_in(going.goes_to, "mary"))

    assert (other.status, looked.status) == (404, 405)
    assert "code" in arrived.said


async def test_a_response_of_another_provider_is_refused(site: Site, browser: Browser) -> None:
    """Mix-up: the code would be sent to the wrong provider."""
    going = await browser.answer(await browser.authorize())

    mixed = await browser.open(site.provider.sign_in(going.goes_to, "mary") + "&iss=https%3A%2F%2Fevil.example")
    going = await browser.answer(await browser.authorize())
    right = await browser.open(site.provider.sign_in(going.goes_to, "mary") + f"&{urlencode({'iss': PROVIDER})}")

    assert (mixed.said["error"], mixed.said["iss"]) == ("server_error", BASE)
    assert "code" in right.said


async def test_what_the_provider_answers_instead_of_a_code_is_told_to_the_client(site: Site, browser: Browser) -> None:
    said = {
        "access_denied": "access_denied",
        "login_required": "access_denied",
        "server_error": "temporarily_unavailable",
        "unauthorized_client": "server_error",
        "<b>": "server_error",
    }
    for error, told in said.items():
        going = await browser.answer(await browser.authorize())
        query = urlencode({"error": error, "error_description": "<b>", "state": going.said["state"]})
        back = await browser.open(f"{BACK}?{query}")

        assert (back.status, back.said["error"], back.said["iss"]) == (302, told, BASE)
        assert "<b>" not in back.said["error_description"]
        assert (error in back.said["error_description"]) is (error == "unauthorized_client")


async def test_a_response_without_a_code_or_an_error_is_an_error(site: Site, browser: Browser) -> None:
    going = await browser.answer(await browser.authorize())

    back = await browser.open(f"{BACK}?{urlencode({'state': going.said['state']})}")

    assert back.said["error"] == "server_error"


async def test_a_code_that_the_provider_refuses_signs_nobody_in(site: Site, browser: Browser) -> None:
    going = await browser.answer(await browser.authorize())

    back = await browser.open(f"{BACK}?{urlencode({'state': going.said['state'], 'code': 'of a stranger'})}")

    assert (back.status, back.said["error"]) == (302, "access_denied")


async def test_a_code_of_another_sign_in_is_not_accepted(site: Site, browser: Browser) -> None:
    """Code injection: the verifier and the nonce are those of this sign-in alone."""
    mine = await browser.answer(await browser.authorize())
    theirs = await (stranger := site.browser()).answer(await stranger.authorize())
    code = site.provider.sign_in(theirs.goes_to, "eve").partition("code=")[2].partition("&")[0]

    back = await browser.open(f"{BACK}?code={code}&state={mine.said['state']}")

    assert "code" not in back.said


async def test_an_id_token_that_is_not_for_this_sign_in_signs_nobody_in(site: Site, browser: Browser) -> None:
    for claims in ({"nonce": "another"}, {"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1}):
        site.provider.changes = claims
        back = await browser.sign_in(site)

        assert back.said["error"] == "server_error", claims


async def test_a_provider_that_stops_answering_is_told_to_the_client(site: Site, browser: Browser) -> None:
    going = await browser.answer(await browser.authorize())
    back = site.provider.sign_in(going.goes_to, "mary")
    site.provider.is_up = False

    assert (await browser.open(back)).said["error"] == "temporarily_unavailable"


# Who is not admitted, and another account.


async def test_who_is_not_admitted_sees_who_signed_in_and_what_an_administrator_can_do(
    site: Site, browser: Browser
) -> None:
    page = await browser.sign_in(site, "eve")

    assert (page.status, page.location) == (403, "")
    assert "eve@acme.example" in page.text
    assert "invite eve@acme.example --tenant TENANT" in page.text
    assert "unknown_account" in outcomes(site)


async def test_who_is_not_admitted_can_use_another_account_for_the_same_client(site: Site, browser: Browser) -> None:
    page = await browser.sign_in(site, "eve")

    going = await browser.answer(page)
    arrived = await browser.open(site.provider.sign_in(going.goes_to, "mary"))

    assert going.said["prompt"] == "select_account"
    assert (await authorization(site, arrived)).tenant == "acme"


async def test_to_use_another_account_is_not_to_allow_the_client_of_somebody_else(site: Site) -> None:
    """A stranger allowed the client, and sent on only the last step, to a user whose first account is unknown."""
    stranger, victim = site.browser(), site.browser()
    sent_on = (await stranger.answer(await stranger.authorize())).goes_to

    for _ in range(2):
        refused = await victim.open(site.provider.sign_in(sent_on, "mallory"))
        assert refused.status == 403
        sent_on = (await victim.answer(refused)).goes_to
    asked = await victim.open(site.provider.sign_in(sent_on, "mary"))

    assert (asked.status, asked.location) == (200, "")
    assert "Is this your sign-in?" in asked.text
    assert (await victim.answer(asked)).location.startswith(f"{CALLBACK}?code=")


async def test_who_is_not_admitted_can_go_back_to_the_client(site: Site, browser: Browser) -> None:
    back = await browser.answer(await browser.sign_in(site, "eve"), "deny")

    assert back.said["error"] == "access_denied"


async def test_an_address_that_the_provider_does_not_confirm_admits_nobody(site: Site, browser: Browser) -> None:
    site.provider.changes = {"email_verified": False}

    page = await browser.sign_in(site)

    assert (page.status, page.location) == (403, "")
    assert "<code>no_verified_address</code>" in page.text


async def test_who_was_disabled_has_no_access(site: Site, browser: Browser) -> None:
    await browser.sign_in(site)
    await site.store.users.disable("mary@acme.example")

    assert "<code>user_disabled</code>" in (await browser.sign_in(site)).text
    assert site.trail.events[-1].credential.startswith("idn_")


# Several organisations, and browsers that cannot show that they began the sign-in.


async def test_a_member_of_several_organisations_chooses_one(site: Site, browser: Browser) -> None:
    await add_globex(site)

    page = await browser.sign_in(site)
    back = await browser.answer(page, tenant="globex")

    assert (page.status, page.location) == (200, "")
    assert sorted(page.choices) == ["acme", "globex"]
    assert "mary@acme.example" in page.text
    assert back.status == 200
    allowed = await authorization(site, back)
    assert (allowed.tenant, allowed.scopes) == ("globex", frozenset({READ}))


async def test_only_organisations_whose_role_permits_something_are_offered(site: Site, browser: Browser) -> None:
    await add_globex(site)

    page = await browser.sign_in(site, scope="tickets:write")

    assert page.choices == []
    assert (await authorization(site, await browser.answer(page))).tenant == "acme"


async def test_a_double_click_on_the_choice_does_not_fail(site: Site, browser: Browser) -> None:
    await add_globex(site)
    page = await browser.sign_in(site)

    first, second = await asyncio.gather(*(browser.answer(page, tenant="acme") for _ in range(2)))

    assert (await authorization(site, first)).tenant == (await authorization(site, second)).tenant == "acme"


async def test_no_other_organisation_can_be_chosen(site: Site, browser: Browser) -> None:
    await add_globex(site)
    await site.store.tenants.add("initech")
    page = await browser.sign_in(site)
    await site.store.memberships.remove("mary@acme.example", "globex")

    for tenant in ("initech", "globex", "nothing", ""):
        refused = await browser.answer(page, tenant=tenant)
        assert (refused.status, refused.location) == (400, ""), tenant
    assert (await authorization(site, await browser.answer(page, tenant="acme"))).tenant == "acme"


async def test_who_lost_access_before_the_choice_is_told_so(site: Site, browser: Browser) -> None:
    await add_globex(site)
    page = await browser.sign_in(site)
    for tenant in ("acme", "globex"):
        await site.store.memberships.remove("mary@acme.example", tenant)
    alone = await browser.answer(page, tenant="acme")
    await site.store.users.disable("mary@acme.example")
    disabled = await browser.answer(page, tenant="acme")
    (identity,) = await site.store.identities.all()
    await site.store.identities.remove(identity.id)
    removed = await browser.answer(page, tenant="acme")

    for refused, kind in ((alone, "no_tenant"), (disabled, "user_disabled"), (removed, "user_disabled")):
        assert (refused.status, refused.location) == (403, "")
        assert f"<code>{kind}</code>" in refused.text


async def test_a_role_that_was_lowered_meanwhile_counts(site: Site, browser: Browser) -> None:
    await add_globex(site, "agent")
    page = await browser.sign_in(site, scope="tickets:write")
    await site.store.memberships.set("mary@acme.example", "globex", role="viewer")

    back = await browser.answer(page, tenant="globex")

    assert (back.status, back.said["error"]) == (200, "access_denied")


async def test_who_answers_one_page_again_and_again_has_to_wait(site: Site, browser: Browser) -> None:
    await add_globex(site)
    page = await browser.sign_in(site)

    while (answered := await browser.answer(page, tenant="acme")).status == 200:
        assert len(site.trail.events) < 100
    assert (answered.status, answered.location) == (429, "")
    assert int(answered.response.headers["retry-after"]) > 0


async def test_the_choice_can_be_denied(site: Site, browser: Browser) -> None:
    await add_globex(site)

    back = await browser.answer(await browser.sign_in(site), "deny")

    assert (back.status, back.said["error"], back.said["iss"]) == (200, "access_denied", BASE)


async def test_a_choice_ends_after_ten_minutes(site: Site, browser: Browser, clock: Clock) -> None:
    await add_globex(site)
    page = await browser.sign_in(site)
    clock.go_on(seconds=LIFE_S)

    assert (await browser.answer(page, tenant="acme")).status == 400


async def test_a_choice_counts_only_from_its_own_page_in_its_own_browser(site: Site, browser: Browser) -> None:
    await add_globex(site)
    page = await browser.sign_in(site)
    await (stranger := site.browser()).authorize()

    by_site = await browser.answer(page, headers={"origin": "https://evil.example"}, tenant="acme")
    by_browser = await stranger.answer(page, tenant="acme")
    swapped = await browser.answer(await browser.authorize(), sealed=page.fields["sealed"])

    assert [(each.status, each.location) for each in (by_site, by_browser)] == [(403, "")] * 2
    assert swapped.goes_to.startswith(PROVIDER)


async def test_the_seal_of_one_page_is_not_that_of_another(site: Site, browser: Browser) -> None:
    await add_globex(site)
    choice, consent = await browser.sign_in(site), await browser.authorize()

    as_consent = await browser.answer(consent, request=choice.fields["sealed"])
    as_choice = await browser.answer(choice, sealed=consent.fields["request"], tenant="acme")

    assert (as_consent.status, as_choice.status) == (400, 400)


@kills("auth/authorization_server/sign_in/returning.py", "if is_same_browser and len", "if len")
async def test_the_browser_of_somebody_else_is_asked_before_the_client_gets_access(site: Site) -> None:
    """An attacker allows their client in their own browser, and sends Mary the address of the provider alone."""
    going = await (attacker := site.browser()).answer(await attacker.authorize())

    page = await (marys := site.browser()).open(site.provider.sign_in(going.goes_to, "mary"))
    back = await marys.answer(page, "deny")

    assert (page.status, page.location) == (200, "")
    for shown in ("Example", "127.0.0.1", "mary@acme.example"):
        assert shown in page.text
    assert back.said["error"] == "access_denied"
    assert "ok" not in outcomes(site)


async def test_a_view_that_keeps_no_cookies_is_asked_once_more_and_signs_in(site: Site) -> None:
    page = await (view := site.browser(has_cookies=False)).sign_in(site)

    assert (page.status, page.location, page.choices) == (200, "", [])
    assert (await authorization(site, await view.answer(page))).tenant == "acme"


async def test_a_view_that_loses_its_cookies_on_the_way_is_asked_once_more(site: Site, browser: Browser) -> None:
    going = await browser.answer(await browser.authorize())
    browser.has_cookies = False
    page = await browser.open(site.provider.sign_in(going.goes_to, "mary"))
    browser.has_cookies = True

    assert (await authorization(site, await browser.answer(page))).tenant == "acme"


async def test_the_provider_serves_only_its_organisations(site: Site, clock: Clock) -> None:
    await add_globex(site)
    bound = Site(site.store, clock, tenants=frozenset({"globex"}))
    browser = site.browser()
    page = await browser.sign_in(site)
    bound_browser = bound.browser()
    bound_browser.cookies = browser.cookies

    elsewhere = await bound_browser.answer(page, tenant="acme")
    arrived = await bound_browser.sign_in(bound)

    assert (elsewhere.status, elsewhere.location) == (400, "")
    assert (await authorization(site, arrived)).tenant == "globex"


async def test_the_document_of_a_client_that_somebody_allowed_is_kept(site: Site, browser: Browser) -> None:
    before = await site.store.oauth_clients.all()
    await browser.sign_in(site)

    assert before == []
    assert [client.id for client in await site.store.oauth_clients.all()] == [CLIENT]


async def test_a_client_that_was_removed_on_the_way_gets_no_code(site: Site, browser: Browser) -> None:
    client = await site.store.oauth_clients.register({"redirect_uris": [CALLBACK], "client_name": "Registered"})
    page = await browser.authorize(client_id=client.id)
    going_on = await browser.answer(page)
    await site.store.oauth_clients.remove(client.id)

    refused = await browser.open(site.provider.sign_in(going_on.goes_to, "mary"))

    assert (refused.status, refused.location) == (400, "")
    assert "<code>unknown_client</code>" in refused.text
