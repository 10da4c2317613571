"""The pages of the sign-in in a browser: they fit a phone and a screen, axe finds nothing, keys alone operate them.

Pictures of them: `python -m tests.web.sign_in.screenshots FOLDER`.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.transport.serving import serve
from tests.web.chromium import Browser, Tab, chromium
from tests.web.sign_in.pages import PAGES, SEALED
from tests.web.sign_in.site import Site
from web.language import LANGUAGES

pytestmark = [
    pytest.mark.long,
    pytest.mark.debian("chromium"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(func_only=True),  # a set-up may have to install axe first
    pytest.mark.xdist_group("pages"),
]

FOCUS: Final = """(() => { const one = document.activeElement, style = getComputedStyle(one);
  return [one.localName, one.value ?? one.textContent, style.outlineStyle !== 'none']; })()"""
AXE: Final = "axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found.violations))"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    async with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")], ids=["phone", "screen"])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_fits_and_axe_finds_nothing(
    browser: Browser, node_modules: Path, language: str, width: int, scheme: str
) -> None:
    axe = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
    tab = await browser.open(language=language, width=width)
    await tab.prefer(scheme)
    found: dict[str, Any] = {}
    async with serve(Site(stays=True).app) as url:
        for name in PAGES:
            await tab.go(f"{url}/{name}")
            await tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            await tab.evaluate(axe)
            if (violations := await tab.evaluate(AXE)) != "[]":
                found[name] = violations
            if (wide := await tab.evaluate("document.documentElement.scrollWidth")) > width:
                found[name] = f"{wide} pixels wide"
            assert await tab.evaluate("document.documentElement.lang") == language
    assert not found


async def test_keys_alone_allow_or_deny(browser: Browser) -> None:
    site = Site()
    async with serve(site.app) as url:
        site.goes_to = f"{url}/elsewhere"
        for tabs, decision in ((1, "allow"), (2, "deny")):
            tab = await browser.open()
            await tab.go(f"{url}/consent")
            for _ in range(tabs):
                await tab.press("Tab")
            tag, value, has_outline = await tab.evaluate(FOCUS)
            assert (tag, value, has_outline) == ("button", decision, True)
            await tab.press("Enter")
            await tab.until("document.title === 'elsewhere'")
            assert site.posted.pop() == {"request": SEALED, "token": "t" * 43, "decision": decision}
            assert site.origins.pop() == url


async def test_keys_alone_choose_an_organisation_and_none_is_chosen_without_them(browser: Browser) -> None:
    site = Site()
    async with serve(site.app) as url:
        site.goes_to = f"{url}/elsewhere"
        tab = await browser.open()
        await tab.go(f"{url}/choice")
        assert await tab.evaluate("document.forms[0].checkValidity()") is False

        await tab.press("Tab")
        assert await tab.evaluate(FOCUS) == ["input", "acme", True]
        await tab.press("ArrowDown")
        await tab.press("Tab")
        await tab.press("Enter")
        await tab.until("document.title === 'elsewhere'")

        assert site.posted == [{"sealed": SEALED, "token": "t" * 43, "tenant": "globex", "decision": "allow"}]


async def test_an_organisation_need_not_be_chosen_to_cancel(browser: Browser) -> None:
    site = Site()
    async with serve(site.app) as url:
        site.goes_to = f"{url}/elsewhere"
        tab = await browser.open()
        await tab.go(f"{url}/choice")
        await tab.press("Tab")
        await tab.press("Tab")
        await tab.press("Tab")
        assert (await tab.evaluate(FOCUS))[1] == "deny"
        await tab.press("Enter")
        await tab.until("document.title === 'elsewhere'")
        assert [one["decision"] for one in site.posted] == ["deny"]


async def allow(tab: Tab, url: str) -> None:
    """Allow the client on its consent page."""
    await tab.go(f"{url}/consent")
    await tab.press("Tab")
    await tab.press("Enter")


async def test_a_form_goes_on_to_another_site_without_telling_it_the_address(browser: Browser) -> None:
    """And a redirect would not: Chromium applies `form-action` to the whole navigation of a form."""
    site = Site()
    async with serve(site.app) as url:
        site.goes_to = f"{url.replace('127.0.0.1', 'localhost')}/elsewhere"
        tab = await browser.open()
        for _ in range(2):
            await allow(tab, url)
            await tab.until(f"location.href === '{site.goes_to}'")
            assert await tab.evaluate("document.body.textContent") == "no referrer"

        site.by_redirect = True
        await allow(tab, url)
        await tab.until_true(lambda: _is_blocked(tab))
        assert len(site.posted) == 3
        assert await tab.evaluate("location.pathname") == "/consent"


async def _is_blocked(tab: Tab) -> bool:
    return any("form-action" in said for said in tab.said)


async def test_for_a_program_the_page_stays_and_says_what_to_do(browser: Browser) -> None:
    site = Site(goes_to="cursor://anysphere.cursor-mcp/oauth/callback?code=1&state=2")
    async with serve(site.app) as url:
        tab = await browser.open()
        await allow(tab, url)
        await tab.until("document.querySelector('h2')?.textContent === 'If nothing happens'")
        assert await tab.evaluate("document.querySelector('a').href") == site.goes_to
        assert site.goes_to in tab.requested
