"""What a request says in its headers and its query, read once.

Values are decoded as Latin-1, which keeps every byte, and have no white space around them: not every HTTP parser
removes it. When a header was sent more than once, the first one counts; of those that are lists all count.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.types import Receive, Scope

from shared.client_habits import ClientHabits
from shared.identity import Principal
from transport.jsonrpc import Inbound

_ONLY_SESSION: Final = b"session_id="
"""The query of the endpoint that clients are sent."""
_ENCODED: Final = b"&%+"
"""What a query without it needs no decoding."""
CREDENTIALS: Final = ("authorization", "cookie", "proxy-authorization", "x-api-key")
_LISTS: Final = frozenset({"accept", "mcp-protocol-version", "origin"})
"""Headers whose lines are one list (RFC 9110, 5.3). A revision is no list, but copies of it come in both spellings; an
origin is no list either, and two of them are no accepted origin."""
_TAKES_BOTH: Final = frozenset({"application/json, text/event-stream", "application/json,text/event-stream", "*/*"})
"""What nearly every client sends as `Accept`, so that it need not be parsed."""
_REFUSED: Final = re.compile(r"q *= *0(\.0*)?")
"""The weight that means "not acceptable" (RFC 9110, 12.4.2)."""


class RequestHead:
    """Headers and query of one request. An attribute is None when its header is missing and that makes a difference."""

    __slots__ = (
        "content_encoding",
        "content_length",
        "content_type",
        "host",
        "is_for_person",
        "is_version_joined",
        "last_event_id",
        "method",
        "origin",
        "protocol_version",
        "public",
        "query_session_id",
        "root_path",
        "session_id",
        "sites",
        "takes_events",
        "takes_json",
    )

    def __init__(self, scope: Scope) -> None:
        headers = scope["headers"]
        public = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        first = public if len(public) == len(headers) else _merged(headers)
        for name in CREDENTIALS:
            public.pop(name, None)
        get = first.get
        self.method: str = scope["method"]
        self.root_path: str = scope.get("root_path", "")
        """Where the application is mounted."""
        self.public: Mapping[str, str] = public
        """Every header by its lower-case name, but for those that carry credentials; what handlers may see."""
        self.host = get("host", "").strip().lower()
        self.origin = (origin := get("origin")) and origin.strip()
        self.sites = _sites(headers) if "sec-fetch-site" in first else ()
        """What the browser says of the page's site, if it is a browser."""
        self.content_type = get("content-type", "").partition(";")[0].strip().lower()
        self.content_encoding = get("content-encoding", "").strip().lower()
        self.content_length = get("content-length", "").strip()
        accept = get("accept", "*/*").strip().lower()
        takes_both = accept in _TAKES_BOTH
        self.takes_json = takes_both or _takes(accept, "application/json")
        """Whether the client takes JSON as a response; one that sends no `Accept` takes anything."""
        self.takes_events = takes_both or _takes(accept, "text/event-stream")
        """Whether the client takes a stream of events as a response."""
        self.is_for_person = self.method == "GET" and (
            get("sec-fetch-mode", "").strip().lower() == "navigate"
            or ("text/html" in accept and "text/event-stream" not in accept)
        )
        """Whether a browser would show the response to a person, who followed a link or typed the address."""
        self.protocol_version = get("mcp-protocol-version", "").strip()
        self.is_version_joined = False
        """Whether `protocol_version` stood there more than once; see `join_versions`."""
        self.session_id = (session := get("mcp-session-id")) and session.strip()
        self.last_event_id = (event := get("last-event-id")) and event.strip()
        query: bytes = scope.get("query_string", b"")
        self.query_session_id = _session_in(query) if query else ""

    def join_versions(self, habits: ClientHabits) -> None:
        """Let identical copies of the revision count as one, if that is served."""
        copies = {copy.strip() for copy in self.protocol_version.split(",")}
        if len(copies) == 1 and habits.admits("joined_version"):
            self.protocol_version, self.is_version_joined = copies.pop(), True


def _merged(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the first value of each header, or all values of one that is a list."""
    merged: dict[str, str] = {}
    for name_bytes, value_bytes in headers:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1").strip()
        if name not in merged:
            merged[name] = value
        elif name in _LISTS:
            merged[name] += f", {value}"
    return merged


def _sites(headers: Iterable[tuple[bytes, bytes]]) -> Sequence[str]:
    """Return every value of `Sec-Fetch-Site`."""
    return [value.decode("latin-1").strip().lower() for name, value in headers if name == b"sec-fetch-site"]


def _takes(accept: str, media_type: str) -> bool:
    """Return whether `accept` allows this type: the most specific range that matches it decides (RFC 9110, 12.5.1)."""
    ranges = _ranges(accept)
    matching = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((ranges[name] for name in matching if name in ranges), False)


def _ranges(accept: str) -> Mapping[str, bool]:
    """Return the media ranges in the value of an `Accept`, and whether each is acceptable."""
    ranges: dict[str, bool] = {}
    for one in accept.split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        is_refused = any(map(_REFUSED.fullmatch, parameters))
        ranges[name] = ranges.get(name, False) or not is_refused
    return ranges


def _session_in(query: bytes) -> str:
    """Return the session that a query names; the last one, if it names several."""
    if query.startswith(_ONLY_SESSION) and len(query.translate(None, _ENCODED)) == len(query):
        return query.removeprefix(_ONLY_SESSION).decode("latin-1")
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)).get("session_id", "")


class HTTPRequest(Request):
    """A request of Starlette with its head already read."""

    messages: Sequence[Inbound] = ()
    """Those of its body, from when they are read until it has its response."""
    received: float | None = None
    """When they were read, by `time.perf_counter`."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self.head = RequestHead(scope)
        self.principal: Principal | None = None
        """Who sent it, once that is proved."""
