"""What a request says in its headers and its query, read once.

Values are decoded as Latin-1, which keeps every byte, and have no white space around them: not every HTTP parser
removes it. When a header was sent more than once, the first one counts; of `Sec-Fetch-Site` all count.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import Receive, Scope

from shared.identity import Principal

_ONLY_SESSION: Final = re.compile(rb"session_id=([A-Za-z0-9_-]*)")
"""The query of the endpoint that clients are sent, which needs no decoding."""
CREDENTIALS: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"x-api-key"})


class RequestHead:
    """Headers and query of one request. An attribute is None when its header is missing and that makes a difference."""

    __slots__ = (
        "accept",
        "content_encoding",
        "content_length",
        "content_type",
        "host",
        "is_handshake",
        "is_navigation",
        "last_event_id",
        "method",
        "origin",
        "protocol_version",
        "public",
        "query_session_id",
        "root_path",
        "session_id",
        "sites",
    )

    def __init__(self, scope: Scope) -> None:
        public: dict[str, str] = {}
        first: dict[str, str] = {}
        sites: list[str] = []
        for name_bytes, value_bytes in scope["headers"]:
            if name_bytes in CREDENTIALS:
                continue
            name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
            public[name] = value
            first.setdefault(name, value.strip())
            if name == "sec-fetch-site":
                sites.append(value.strip().lower())
        self.method: str = scope["method"]
        self.root_path: str = scope.get("root_path", "")
        """Where the application is mounted."""
        self.public: Mapping[str, str] = public
        """Every header by its lower-case name, but for those that carry credentials; what handlers may see."""
        self.host = first.get("host", "").lower()
        self.origin = first.get("origin")
        self.sites = sites
        """What the browser says of the page's site, if it is a browser."""
        self.is_navigation = scope["method"] == "GET" and first.get("sec-fetch-mode", "").lower() == "navigate"
        """Whether a browser would show the response to a person, who followed a link or typed the address."""
        self.content_type = first.get("content-type", "").partition(";")[0].rstrip().lower()
        self.content_encoding = first.get("content-encoding", "").lower()
        self.content_length = first.get("content-length", "")
        self.accept = first.get("accept", "*/*").lower()
        self.protocol_version = version = first.get("mcp-protocol-version", "")
        self.is_handshake = not version or version in HANDSHAKE_PROTOCOL_VERSIONS
        """Whether the revision that it names has sessions; without one, it is of a revision that names none."""
        self.session_id = first.get("mcp-session-id")
        self.last_event_id = first.get("last-event-id")
        query: bytes = scope.get("query_string", b"")
        plain = _ONLY_SESSION.fullmatch(query)
        self.query_session_id = plain[1].decode() if plain else _session_in(query)

    def accepts(self, *types: str) -> bool:
        """Whether the client takes a response of each of these types; one that sends no `Accept` takes any."""
        ranges = {one.partition(";")[0].strip() for one in self.accept.split(",")}
        return all(not ranges.isdisjoint({"*/*", one, f"{one.partition('/')[0]}/*"}) for one in types)


def _session_in(query: bytes) -> str:
    """Return the session that a query names; the last one, if it names several."""
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)).get("session_id", "")


class HTTPRequest(Request):
    """A request of Starlette with its head already read."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self.head = RequestHead(scope)
        self.principal: Principal | None = None
        """Who sent it, once that is proved."""
