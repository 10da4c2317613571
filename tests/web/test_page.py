"""Case D16: a person who opens this server in a browser reads what it is, whether it works, and how to connect."""

import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape, unescape
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.debian import program
from tests.kills import kills
from tests.processes import OPERATOR_KEY, ROOT, http_door
from web.page import KEY, PAGES, TEXTS, Situation, render

BASE: Final = "https://tickets.example.com"
BOTH: Final = frozenset({"streamable_http", "sse"})
BROWSER: Final = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "host": "localhost"}
LANGUAGES: Final = pytest.mark.parametrize("language", PAGES)


def about(**changes: Any) -> Situation:
    """Return the situation of a server that a team uses, with changes."""
    usual: dict[str, Any] = {"base": BASE, "is_known": True, "asks_for_keys": True, "signs_in": False, "wires": BOTH}
    return Situation(**usual | changes)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a started server."""
    with http_door(tmp_path_factory.mktemp("page")) as (started, _):
        yield started


@kills("transport/http/request_head.py", '"text/html" in accept and', "False and")
@pytest.mark.parametrize("path", ["/", "/mcp", "/sse", "/mcp/", "/messages"])
def test_a_browser_gets_the_page_at_every_address(address: str, path: str) -> None:
    response = httpx2.get(address + path, headers=BROWSER)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "http://localhost/mcp" in response.text
    assert TEXTS["en"]["ready"] in response.text


def test_it_costs_no_session(address: str) -> None:
    for _ in range(3):
        httpx2.get(f"{address}/sse", headers=BROWSER)

    figures = httpx2.get(f"{address}/metrics", headers={"x-api-key": OPERATOR_KEY})
    assert "ticket_server_sessions 0.0" in figures.text


def test_the_root_is_for_people_whatever_they_accept_and_a_client_is_told_where_to_go(address: str) -> None:
    assert httpx2.get(f"{address}/").text.startswith("<!doctype html>")
    assert httpx2.head(f"{address}/").status_code == 200
    posted = httpx2.post(f"{address}/", json={})
    streamed = httpx2.get(f"{address}/", headers={"accept": "text/event-stream"})
    assert (posted.status_code, streamed.status_code) == (405, 404)
    for response in (posted, streamed):
        assert response.json() == {"detail": f"MCP is at {address}/mcp, not here."}


def test_clients_that_take_anything_get_no_page(address: str) -> None:
    assert httpx2.get(f"{address}/mcp").headers["content-type"] == "application/json"


def test_nothing_may_be_fetched_run_or_framed(address: str) -> None:
    response = httpx2.get(f"{address}/", headers=BROWSER)

    style = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = b64encode(sha256(style[0].encode()).digest()).decode()
    assert response.headers["content-security-policy"].split("; ") == [
        *("default-src 'none'", f"style-src 'sha256-{digest}'"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    ]
    assert not re.search(r"<(script|img|link|iframe)|\b(src|style|on\w+)=|url\(|@import", response.text)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        ("en;q=0.5, ja;q=0.9", "ja"),
        ("en-GB,ja;q=0.5", "en"),
        ("de,fr", "en"),
        ("ja;q=x", "ja"),
        ("", "en"),
        ("ja;q=0", "en"),
    ],
)
def test_it_speaks_the_language_of_the_browser(address: str, accepted: str, language: str) -> None:
    text = httpx2.get(f"{address}/", headers=BROWSER | {"accept-language": accepted}).text
    assert f'<html lang="{language}">' in text
    chosen = httpx2.get(f"{address}/?lang=ja", headers=BROWSER | {"accept-language": accepted}).text
    assert '<html lang="ja">' in chosen


def test_a_name_that_is_refused_is_said_to_be(address: str) -> None:
    text = httpx2.get(f"{address}/", headers=BROWSER | {"host": 'other.example"><b>'}).text
    assert unescape(text).count(TEXTS["en"]["unknown_host"]) == 1
    assert TEXTS["en"]["ready"] not in text
    assert "<b>" not in text


@LANGUAGES
def test_it_says_when_calls_would_fail(language: str) -> None:
    text = unescape(render(language, about(), is_ready=False))
    assert TEXTS[language]["not_ready"] in text
    assert TEXTS[language]["ready"] not in text


@LANGUAGES
def test_a_server_with_keys_shows_where_the_key_goes_in_every_client(language: str) -> None:
    assert unescape(render(language, about(), is_ready=True)).count(KEY) >= 5
    assert KEY not in render(language, about(asks_for_keys=False), is_ready=True)


@LANGUAGES
def test_where_people_sign_in_no_line_has_a_key(language: str) -> None:
    text = unescape(render(language, about(signs_in=True), is_ready=True))
    assert TEXTS[language]["sign_in"] in text
    at_google = unescape(render(language, about(signs_in=True, identity_provider="Google"), is_ready=True))
    assert TEXTS[language]["sign_in_at"].format("Google") in at_google
    assert KEY not in text
    assert f"claude mcp add --transport http tickets {BASE}/mcp\n" in text.replace("</pre>", "\n")


@LANGUAGES
@pytest.mark.parametrize("wires", [{"sse"}, {"streamable_http"}], ids=["sse", "streamable_http"])
def test_only_addresses_that_are_served_are_shown(language: str, wires: set[str]) -> None:
    text = render(language, about(wires=frozenset(wires)), is_ready=True)
    assert (f"{BASE}/sse" in text) is ("sse" in wires)
    assert (f"{BASE}/mcp" in text) is ("sse" not in wires)


@LANGUAGES
def test_the_lines_are_those_of_the_readme(language: str) -> None:
    readme = (ROOT / f"README{'' if language == 'en' else f'.{language}'}.md").read_text("utf-8")
    text = unescape(render(language, about(base="http://127.0.0.1:8080", asks_for_keys=False), is_ready=True))
    assert "claude mcp add --transport http tickets http://127.0.0.1:8080/mcp" in readme
    assert "claude mcp add --transport http tickets http://127.0.0.1:8080/mcp" in text
    bridges = {found for one in (readme, text) for found in re.findall(r"mcp-remote@[\d.]+", one)}
    assert len(bridges) == 1


def test_both_languages_say_the_same() -> None:
    english, japanese = (re.findall(r"<(?:h\d|pre|p)\b|\$\w+", PAGES[one].template) for one in ("en", "ja"))
    assert english == japanese
    assert TEXTS["en"].keys() == TEXTS["ja"].keys()


@pytest.mark.debian("chromium")
@LANGUAGES
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_a_phone_or_a_screen(tmp_path: Path, language: str, width: int) -> None:
    page = tmp_path / "page.html"  # in a frame, since a window of the browser is at least 500 pixels wide
    framed = escape(render(language, about(), is_ready=True))
    page.write_text(
        f'<!doctype html><iframe id="page" width="{width}" height="3000" srcdoc="{framed}"></iframe>'
        "<script>onload = () => document.title = page.contentDocument.documentElement.scrollWidth</script>",
        "utf-8",
    )

    shown = subprocess.run(
        [
            *(program("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *(f"--user-data-dir={tmp_path}", "--window-size=1400,900", page.as_uri()),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )

    assert f"<title>{width}</title>" in shown.stdout.decode()
