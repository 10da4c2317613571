"""The pages of the sign-in as text: both languages complete, everything of others escaped, nothing run or fetched."""

import re
from base64 import b64encode
from dataclasses import fields, replace
from hashlib import sha256
from html import escape, unescape
from html.parser import HTMLParser
from typing import Any, Final

import pytest

from auth.authorization_server.clients.lookup import ClientDocumentError, UnknownClientError
from auth.store.authorization.refusals import RefusalReason
from shared.identity import Role, Scope
from tests.kills import kills
from tests.processes import ROOT
from tests.web.sign_in.pages import ACME, PAGES, choice, consent, go_on, invitation
from web.language import LANGUAGES
from web.sign_in import ERROR_KINDS, ErrorPage, Fact, InvitationPage, Page, Step, page_response, render
from web.sign_in.words import WORDS

HOSTILE: Final = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'&amp;"
IN_BOTH: Final = pytest.mark.parametrize("language", LANGUAGES)
EVERY: Final = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


class Elements(HTMLParser):
    """Collects the elements of a document with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember one element."""
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element `tag`."""
        return [attributes for found, attributes in self.found if found == tag]


def words_of(text: str) -> str:
    """Return what a person reads of a document."""
    without_style = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", without_style))


def hostile(page: Any) -> Any:
    """Return the page with hostile text in every field that holds text of others."""
    changes: dict[str, Any] = {}
    for one in fields(page):
        value = getattr(page, one.name)
        if type(value) is str and one.name != "address":
            changes[one.name] = HOSTILE
        elif one.name == "scopes":
            changes[one.name] = (HOSTILE,)
        elif one.name == "organisations":
            changes[one.name] = tuple(replace(each, id=HOSTILE, name=HOSTILE, role=HOSTILE) for each in value)
        elif one.name == "facts":
            changes[one.name] = dict.fromkeys(Fact, HOSTILE)
        elif one.name == "again" and value is not None:
            changes[one.name] = hostile(value)
    return replace(page, **changes)


def test_both_languages_have_the_same_texts_with_the_same_places() -> None:
    english, japanese = (
        {key: sorted(re.findall(r"\$\w+", text)) for key, text in WORDS[language].texts.items()}
        for language in ("en", "ja")
    )
    names = [{key: set(places) for key, places in texts.items()} for texts in (english, japanese)]
    assert names[0] == names[1]
    assert all(text.strip() for words in WORDS.values() for text in words.texts.values())


@EVERY
@IN_BOTH
def test_a_page_is_whole_and_has_no_script(language: str, page: Page) -> None:
    text = render(language, page)

    assert text.startswith(f'<!doctype html>\n<html lang="{language}">\n<meta charset="utf-8">')
    assert "$" not in words_of(text)
    elements = Elements(text)
    assert [len(elements.all(tag)) for tag in ("title", "main", "h1", "style")] == [1, 1, 1, 1]
    assert not {"script", "img", "link", "iframe", "base", "object"} & {tag for tag, _ in elements.found}
    assert not [key for _, one in elements.found for key in one if key == "style" or key.startswith("on")]


@EVERY
@IN_BOTH
def test_text_of_others_stays_text(language: str, page: Page) -> None:
    usual, attacked = (Elements(render(language, one)).found for one in (page, hostile(page)))
    assert page_response(render(language, hostile(page))).body
    tags = {tag for tag, _ in usual} | {"bdi", "p", "code"}

    assert {tag for tag, _ in attacked} <= tags
    assert not [key for _, one in attacked for key in one if key in {"src", "onerror"}]


@EVERY
def test_the_headers_permit_the_style_of_the_page_and_its_own_forms_alone(page: Page) -> None:
    response = page_response(render("en", page), status=403, headers={"retry-after": "3"})

    style = re.findall(r"<style>(.*?)</style>", bytes(response.body).decode(), re.DOTALL)
    digest = b64encode(sha256(style[0].encode()).digest()).decode()
    assert response.status_code == 403
    assert response.headers["content-security-policy"].split("; ") == [
        *("default-src 'none'", f"style-src 'sha256-{digest}'"),
        *("base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"),
    ]
    expected = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
        "content-type": "text/html; charset=utf-8",
        "vary": "accept-language",
        "retry-after": "3",
    }
    assert {name: response.headers[name] for name in expected} == expected


@IN_BOTH
def test_the_consent_page_says_who_asks_for_what_and_where_the_answer_goes(language: str) -> None:
    text = words_of(render(language, consent(client_name="A & B", redirect_host="hub.example", client_id_host="a.b")))
    say = WORDS[language].texts
    for said in ("A & B", "hub.example", "a.b", "Google", say["scope.tickets:read"], say["scope.tickets:write"]):
        assert said in text
    assert say["scope.tickets:admin"] not in text


@kills("web/sign_in/render.py", "    if is_local:\n        warnings", "    if False:\n        warnings")
@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8123", True),
        ("[::1]:80", True),
        ("localhost:3000", True),
        ("cursor://", True),
        ("claude.ai", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:80", False),
        ("evil.example", False),
    ],
)
@IN_BOTH
def test_only_an_answer_that_stays_on_the_device_is_warned_of(language: str, host: str, *, is_local: bool) -> None:
    warning = WORDS[language].texts["consent.local"].replace("$client", "Claude")
    assert (warning in words_of(render(language, consent(redirect_host=host)))) is is_local


@pytest.mark.parametrize("host", ["claude.ai", "127.0.0.1:1"])
@IN_BOTH
def test_a_name_that_nothing_checked_is_said_to_be_unchecked(language: str, host: str) -> None:
    warning = WORDS[language].texts["consent.unchecked_local"].replace("$client", "Claude").rstrip(".。")
    for is_unchecked in (True, False):
        text = words_of(render(language, consent(redirect_host=host, name_is_unchecked=is_unchecked)))
        assert (warning.split("。")[0] in text) is is_unchecked


@pytest.mark.parametrize("kind", [*Scope, *Role])
@IN_BOTH
def test_every_scope_and_role_has_words(language: str, kind: str) -> None:
    section = "scope" if isinstance(kind, Scope) else "role"
    assert f"{section}.{kind}" in WORDS[language].texts


def test_every_error_of_the_sign_in_has_a_text_and_every_text_an_error() -> None:
    raised = {ClientDocumentError.kind, UnknownClientError.kind, *RefusalReason}
    for path in (ROOT / "auth" / "authorization_server").rglob("*.py"):
        raised |= set(re.findall(r'(?:PageError\(\s*|ErrorPage\(kind=)"(\w+)"', path.read_text("utf-8")))
    assert raised == ERROR_KINDS


def test_a_long_name_is_cut_and_of_a_long_host_the_end_stays() -> None:
    text = words_of(render("en", consent(client_name="n" * 5000, redirect_host=f"{'claude.ai.' * 500}evil.example")))
    assert "n" * 81 not in text
    assert "evil.example" in text
    assert len(text) < 3000


def test_the_form_carries_what_the_server_needs_back_and_each_button_its_decision() -> None:
    elements = Elements(render("en", consent(sealed_request="s&1", token='t"2')))
    hidden = {one["name"]: one["value"] for one in elements.all("input")}
    assert hidden == {"request": "s&1", "token": 't"2'}
    assert elements.all("form") == [{"method": "post", "action": "/oauth/consent"}]
    assert [one.get("value") for one in elements.all("button")] == ["allow", "deny"]


def test_several_organisations_are_offered_and_none_is_chosen_in_advance() -> None:
    elements = Elements(render("en", choice()))
    radios = [one for one in elements.all("input") if one["type"] == "radio"]
    assert [(one["name"], one["value"]) for one in radios] == [("tenant", "acme"), ("tenant", "globex")]
    assert all("required" in one and "checked" not in one for one in radios)
    assert "formnovalidate" in elements.all("button")[1]


def test_one_organisation_is_no_choice() -> None:
    elements = Elements(render("en", choice(organisations=(ACME,), asks_again=True)))
    assert {one["name"]: one["value"] for one in elements.all("input")}["tenant"] == "acme"
    assert not [one for one in elements.all("input") if one["type"] == "radio"]


@IN_BOTH
def test_another_browser_is_asked_again_with_the_person_and_what_to_do(language: str) -> None:
    for asks_again in (True, False):
        text = words_of(render(language, choice(asks_again=asks_again)))
        assert (WORDS[language].texts["again.no"] in text) is asks_again
        assert "Mary Major (mary@acme.example)" in text


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize(
    "address", ["https://a.example/cb?x=1&y='2'&lt=%22", "cursor://x/cb?a=b&amp=c", "HTTP://[::1]:8/"]
)
def test_the_page_goes_on_by_itself_and_by_a_link_to_the_same_address(address: str, step: Step) -> None:
    elements = Elements(render("en", go_on(address, step)))
    refresh = [one["content"] for one in elements.all("meta") if one.get("http-equiv") == "refresh"]
    assert refresh == [f"0;url={address}"]
    assert [one["href"] for one in elements.all("a")] == [address]


@pytest.mark.parametrize(
    "address",
    [
        *(
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "blob:x",
            "file:///etc/passwd",
        ),
        *("about:blank", "//evil.example", "/path", "", "https://a b", "https://a\n", "https://例え.jp/", " https://a"),
    ],
)
def test_no_page_goes_on_to_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="absolute address"):
        render("en", go_on(address, Step.ALLOWED))


@IN_BOTH
def test_only_a_page_for_a_program_says_what_to_do_if_nothing_opens(language: str) -> None:
    title = WORDS[language].texts["done.help"]
    assert title in render(language, PAGES["done"])
    assert title not in render(language, PAGES["allowed"])


@pytest.mark.parametrize("kind", sorted(ERROR_KINDS))
@IN_BOTH
def test_an_error_says_what_happened_what_to_do_and_its_kind(language: str, kind: str) -> None:
    text = words_of(render(language, ErrorPage(kind=kind, detail="For the operator.")))
    for said in ("heading", "happened", "advice"):
        assert WORDS[language].texts[f"error.{kind}.{said}"] in text
    assert kind in text
    assert "For the operator." in text


@pytest.mark.parametrize("kind", ["brand_new", "general", "heading", "", "unknown_client.heading"])
def test_an_error_of_another_kind_gets_the_general_text(kind: str) -> None:
    text = words_of(render("en", ErrorPage(kind=kind)))
    assert WORDS["en"].texts["error.general.advice"] in text


@IN_BOTH
def test_every_fact_is_labelled_and_seconds_are_seconds(language: str) -> None:
    text = words_of(render(language, ErrorPage(kind="x", facts=dict.fromkeys(Fact, "17"))))
    assert all(WORDS[language].texts[f"fact.{fact}"] in text for fact in Fact)
    assert WORDS[language].texts["fact.seconds"].replace("$seconds", "17") in text


@IN_BOTH
def test_an_invitation_gives_the_address_and_the_end_in_utc(language: str) -> None:
    page: InvitationPage = invitation(address_for_clients="https://t.example/mcp?a=1&b")
    text = words_of(render(language, page))
    assert text.count("https://t.example/mcp?a=1&b") >= 3
    assert "2026-12-24 18:30" in text
    assert escape("?a=1&b") in render(language, page)
