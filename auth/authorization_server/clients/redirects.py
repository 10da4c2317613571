"""Where an authorization response may be sent: vendors' callbacks, the machine of the browser, the operator's own.

Anyone can register a client or publish a metadata document, so a redirect to any address would let a stranger collect
codes behind a consent page that looks right (consent phishing). What is allowed holds for both kinds of client.

Addresses are compared character by character. Two parts may vary: the port of a loopback address, which a client gets
from its system when it starts, and the id at the end of one vendor's callback. Pure.

Sources: RFC 6749, section 3.1.2; RFC 8252, sections 7.1, 7.3 and 8.6; RFC 9700, sections 2.1 and 4.1.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from shared.http.hosts import is_loopback

VENDORS: Final = frozenset({
    "https://claude.ai/api/mcp/auth_callback",
    "https://claude.com/api/mcp/auth_callback",
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://vscode.dev/redirect",
    "https://insiders.vscode.dev/redirect",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "https://grok.com/connectors-oauth-exchange-code/",
    "https://console.x.ai/connectors-oauth-exchange-code/",
    "https://antigravity.google/oauth-callback",
    "https://www.perplexity.ai/rest/connections/oauth_callback",
    "https://www.perplexity.com/rest/connections/oauth_callback",
    "https://enterprise.perplexity.ai/rest/connections/oauth_callback",
    "https://enterprise.perplexity.com/rest/connections/oauth_callback",
})  # fmt: skip
"""Callbacks of hosted assistants and editors, as their vendors or their requests name them."""
MAX_LENGTH: Final = 2000
"""Characters of an address."""
_PER_CONNECTION: Final = re.compile(r"https://chatgpt\.com/connector/oauth/[A-Za-z0-9_-]{1,200}")
_LOOPBACK: Final = re.compile(
    r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]*)*)(?P<query>\?[A-Za-z0-9._~=&%-]*)?"
)
_MAX_PORT: Final = 65_535
_CUSTOM: Final = re.compile(r"[a-z][a-z0-9+.-]*:/[!-~]+")
_ESCAPED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%(?:2e|2f|5c|[01][0-9a-f]|7f)", re.IGNORECASE)
"""A broken escape, or an escape of `.`, `/`, a backslash or a control character."""
_UNSAFE: Final = re.compile(r"[^!-~]|[\"'<>\\^`{|}*]")
_NOT_CUSTOM: Final = frozenset({
    *("about", "blob", "chrome", "data", "file", "filesystem", "ftp", "http", "https", "intent", "jar", "javascript"),
    *("mailto", "ms-settings", "resource", "sms", "ssh", "tel", "vbscript", "view-source", "ws", "wss"),
})  # fmt: skip
"""Schemes that a browser or the system handles itself."""
_OURS: Final = frozenset({"code", "error", "error_description", "error_uri", "iss", "state"})
"""Parameters of an authorization response: a second one would let the client read the wrong one."""


class RedirectPolicy:
    """What a redirect address of any client may be.

    Args:
        operators: further addresses, each complete: https, or a scheme of an application's own.

    Raises:
        ValueError: one of them cannot be used; the text says which and why.
    """

    def __init__(self, operators: Collection[str] = ()) -> None:
        for uri in operators:
            if (problem := _problem_with(uri)) is not None:
                raise ValueError(f"{uri[:MAX_LENGTH]!r} cannot be a redirect address: {problem}.")
        self._exact = VENDORS | frozenset(operators)

    def allows(self, uri: str) -> bool:
        """Return whether a client may be sent to `uri`."""
        if uri in self._exact:
            return True
        return len(uri) <= MAX_LENGTH and (bool(_PER_CONNECTION.fullmatch(uri)) or _without_port(uri) is not None)


def matches(registered: Iterable[str], asked: str) -> bool:
    """Return whether `asked` is one of `registered`; on loopback, with any port.

    Which of `127.0.0.1`, `[::1]` and `localhost` it is does not vary, nor does the path.
    """
    wanted = _without_port(asked)
    return any(uri == asked or (wanted is not None and _without_port(uri) == wanted) for uri in registered)


def redirect_host(uri: str) -> str:
    """Return what a person is shown of `uri`: its host, or the scheme of an application (`cursor://`)."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"}:
        return f"{parts.scheme}://"
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def has_steps(path: str) -> bool:
    """Return whether a path has a segment that browsers take away, or an empty one in its middle."""
    return any(step in {".", ".."} for step in path.split("/")) or "//" in path


def _without_port(uri: str) -> tuple[str, str, str] | None:
    """Return host, path and query of a loopback address; None for others, and where browsers may read another one."""
    found = _LOOPBACK.fullmatch(uri) if len(uri) <= MAX_LENGTH else None
    if found is None or int(found["port"] or 1) > _MAX_PORT:
        return None
    path, query = found["path"] or "/", found["query"] or ""
    if has_steps(path) or _ESCAPED.search(query) or _repeats_ours(query):
        return None
    return found["host"], path, query


def _problem_with(uri: str) -> str | None:
    """Return why an operator's address cannot be used, None if it can."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "it is not a URL"
    host = parts.hostname or ""
    problems = (
        (len(uri) > MAX_LENGTH, f"it is longer than {MAX_LENGTH:,} characters"),
        (bool(_UNSAFE.search(uri)), "write it complete, without wildcards, and other characters than ASCII escaped"),
        ("#" in uri, "it has a fragment"),
        ("@" in parts.netloc, "it has a user name"),
        (bool(_ESCAPED.search(uri)) or has_steps(parts.path), "its path is not the shortest spelling of itself"),
        (_repeats_ours(parts.query), f"its query has one of the parameters {', '.join(sorted(_OURS))}"),
        (parts.scheme == "http", "loopback addresses are allowed already, and others need https"),
        (parts.scheme == "https" and (not host or is_loopback(host)), "it does not name a host of the network"),
        (parts.scheme != "https" and not _is_custom(uri), "begin it with https:// or the scheme of an application"),
    )
    return next((problem for applies, problem in problems if applies), None)


def _is_custom(uri: str) -> bool:
    return bool(_CUSTOM.fullmatch(uri)) and uri.partition(":")[0] not in _NOT_CUSTOM


def _repeats_ours(query: str) -> bool:
    return any(name in _OURS for name, _ in parse_qsl(query.removeprefix("?"), keep_blank_values=True))
