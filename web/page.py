"""The page for people: what this is, whether it works now, its address, and the lines for each client.

Served where people arrive: at `/`, and at an address for clients when a browser opens it. It is complete in one
response: no script, nothing from elsewhere, and a policy that forbids both. It says nothing that a stranger may not
know: no tenant, no reason why calls would fail.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from web.language import LANGUAGES, language_of
from web.policy import strict_headers

HERE: Final = Path(__file__).parent
STYLE: Final = (HERE / "page.css").read_text("utf-8")
PAGES: Final = MappingProxyType({
    language: Template((HERE / f"page.{language}.html").read_text("utf-8")) for language in LANGUAGES
})  # fmt: skip
TEXTS: Final = MappingProxyType({
    "en": {
        "ready": "Ready: calls work now.",
        "not_ready": "Not ready: calls would fail now. With the operator's key, /ready says why.",
        "unknown_host": "This server is not known by the name in the address above, so it refuses calls there. "
        "Its operator can add the name to MCP_ALLOWED_HOSTS.",
        "older": "Older clients, by HTTP+SSE:",
        "key": "You need an API key. Ask whoever runs this server for one, and put it in place of YOUR-KEY.",
        "sign_in": "You sign in with the account of your organisation: your assistant opens the browser for it. "
        "Clients and programs that cannot sign in send an API key in the header x-api-key instead.",
        "sign_in_at": "You sign in with your {} account: your assistant opens the browser for it. "
        "Clients and programs that cannot sign in send an API key in the header x-api-key instead.",
        "no_key": "No key is needed: every program on this machine may call.",
        "health": "For monitoring: /health (alive) and /ready (calls work).",
    },
    "ja": {
        "ready": "稼働中: ツールを呼び出せます。",
        "not_ready": "準備ができていません: 現在は呼び出しに失敗します。"
        "理由は、運用者のキーを付けた /ready で確認できます。",
        "unknown_host": "上のアドレスの名前はこのサーバーに登録されていないため、呼び出しは拒否されます。"
        "運用者は MCP_ALLOWED_HOSTS に名前を追加できます。",
        "older": "HTTP+SSE を使う古いクライアント:",
        "key": "API キーが必要です。このサーバーの運用者に発行を依頼し、"
        "YOUR-KEY の部分をそのキーに置き換えてください。",
        "sign_in": "組織のアカウントでサインインします。アシスタントがブラウザーを開きます。"
        "サインインに対応していないクライアントやプログラムでは、"
        "代わりに x-api-key ヘッダーで API キーを送信してください。",
        "sign_in_at": "{} アカウントでサインインします。アシスタントがブラウザーを開きます。"
        "サインインに対応していないクライアントやプログラムでは、"
        "代わりに x-api-key ヘッダーで API キーを送信してください。",
        "no_key": "キーは不要です。このマシン上のどのプログラムからも呼び出せます。",
        "health": "監視用: /health(稼働)と /ready(呼び出し可否)。",
    },
})  # fmt: skip
HEADERS: Final = strict_headers(
    STYLE, form_action="'none'", referrer_policy="no-referrer", vary="accept, accept-language, host"
)
KEY: Final = "YOUR-KEY"
LOCAL: Final = frozenset({"localhost", "127.0.0.1"})
"""Hosts to which `mcp-remote` connects without TLS."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the page says of this server."""

    base: str
    """Its address without a path, as the person's browser reached it."""
    is_known: bool
    """Whether calls to that address are served."""
    asks_for_keys: bool
    signs_in: bool
    """Whether clients can sign in, so that people need no key."""
    wires: frozenset[str]
    """The names of the wires that are served."""
    identity_provider: str = ""
    """The name of the provider at which people sign in; empty if their organisation has one of its own."""


def render(language: str, about: Situation, *, is_ready: bool) -> str:
    """Return the page in `language`, one of `PAGES`. `is_ready`: whether calls would succeed now."""
    address = address_of(about)
    is_current = address.endswith("/mcp")
    has_key = about.asks_for_keys and not about.signs_in
    older = f"{about.base}/sse" if is_current and "sse" in about.wires else ""
    say = TEXTS[language]
    state = "unknown_host" if not about.is_known else "ready" if is_ready else "not_ready"
    return PAGES[language].substitute(
        style=STYLE,
        state=f'<p class="state{"" if state == "ready" else " bad"}">{escape(say[state])}</p>',
        address=escape(address),
        older=f"<p>{escape(say['older'])} <code>{escape(older)}</code></p>" if older else "",
        key=f"<p>{escape(_how_to_be_known(say, about))}</p>",
        transport="Streamable HTTP" if is_current else "SSE",
        health=escape(say["health"]),
        **{name: escape(text) for name, text in lines(address, has_key=has_key).items()},
    )


def _how_to_be_known(say: Mapping[str, str], about: Situation) -> str:
    """Return what a person needs so that calls succeed."""
    if about.signs_in:
        return say["sign_in_at"].format(about.identity_provider) if about.identity_provider else say["sign_in"]
    return say["key" if about.asks_for_keys else "no_key"]


def address_of(about: Situation) -> str:
    """Return the address for clients."""
    return f"{about.base}{'/mcp' if 'streamable_http' in about.wires else '/sse'}"


def lines(address: str, *, has_key: bool) -> Mapping[str, str]:
    """Return what to run or to write for each client, with a place for its key if it `has_key`."""
    kind = "http" if address.endswith("/mcp") else "sse"
    origin = urlsplit(address)
    headers = {"headers": {"x-api-key": KEY}} if has_key else {}
    bridge: dict[str, Any] = {"command": "npx", "args": ["-y", "mcp-remote@0.15.1", address]}
    if kind == "sse":
        bridge["args"] += ["--transport", "sse-only"]
    if origin.scheme == "http" and origin.hostname not in LOCAL:
        bridge["args"] += ["--allow-http"]
    if has_key:
        bridge["args"] += ["--header", "x-api-key:${KEY}"]
        bridge["env"] = {"KEY": KEY}
    flag = f' --header "x-api-key: {KEY}"' if has_key else ""
    return {
        "claude_code": f"claude mcp add --transport {kind} tickets {address}{flag}",
        "claude_desktop": _json({"mcpServers": {"tickets": bridge}}),
        "vs_code": _json({"servers": {"tickets": {"type": kind, "url": address, **headers}}}),
        "cursor": _json({"mcpServers": {"tickets": {"url": address, **headers}}}),
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)


class PeoplePage:
    """The page as an ASGI application.

    Args:
        situation: returns what to say of this server, for one request.
        is_ready: returns whether calls would succeed now.
    """

    def __init__(self, situation: Callable[[Request], Situation], *, is_ready: Callable[[], Awaitable[bool]]) -> None:
        self._situation = situation
        self._is_ready = is_ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        request = Request(scope, receive)
        about = self._situation(request)
        is_read = request.method in {"GET", "HEAD"}
        if is_read and "text/event-stream" not in request.headers.get("accept", ""):
            body = render(language_of(request), about, is_ready=await self._is_ready())
            response: Response = HTMLResponse(body, headers=HEADERS)
        else:  # a client that was given this address instead of its neighbour
            detail = {"detail": f"MCP is at {address_of(about)}, not here."}
            status, headers = (404, {}) if is_read else (405, {"allow": "GET, HEAD"})
            response = JSONResponse(detail, status_code=status, headers=headers)
        await response(scope, receive, send)
