"""A session's record, its ids, and the limits of one instance.

The id of a session is part of URLs, and so of the platform's request log: it grants nothing without the credential of
the principal that opened the session.
"""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from shared.identity import PrincipalKey

RESUMES_POST_STREAMS: Final = frozenset({"2025-11-25"})
"""Revisions whose clients ask for the rest of a POST's stream that ended early (SEP-1699)."""
SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def new_session_id() -> str:
    """Return 256 random bits as visible ASCII."""
    return secrets.token_urlsafe(32)


def has_room(mine: int, taken: int, most: int) -> bool:
    """Whether an organisation that has `mine` of the `taken` places may take one more of `most`.

    One organisation has at most eight ninths of them, so that others still find some.
    """
    return taken < most and 9 * mine < 8 * most


@dataclass(slots=True)
class SessionRecord:
    """What an instance must know to continue a session.

    `client_params` are the raw parameters of `initialize`: a dump of the SDK's model would drop fields that a newer
    client sent and this SDK does not know.
    """

    id: str
    owner: PrincipalKey
    """The principal that opened it."""
    wire: str
    version: str | None = None
    """Negotiated revision; None before `initialize`."""
    client_params: dict[str, Any] | None = None
    initialized: bool = False
    epoch: int = 0
    """Number of `initialize` requests: attempts of an earlier epoch are forgotten, and their late responses dropped."""
    stamp: int = 0
    """Version of the record, for a broker that stores it elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """What an operator may see of a session; its id is half of the way into it. Times: seconds since 1970."""

    owner: PrincipalKey
    wire: str
    version: str | None
    client_params: dict[str, Any] | None
    opened_at: float
    called_at: float | None
    """When its client last asked for anything after `initialize`; None if it never did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one instance. Times are seconds, sizes bytes."""

    max_sessions: int = 1000
    max_sessions_per_principal: int = 500
    max_streams_per_principal: int = 500
    """Open streams of one principal on this instance; further ones are refused."""
    max_events: int = 256
    max_log_bytes: int = 1024 * 1024
    max_total_log_bytes: int = 64 * 1024 * 1024
    max_request_ids: int = 4096
    max_running_calls: int = 256
    """Concurrent calls of one session; a further one gets an error immediately."""
    max_exchanges: int = 1024
    """Concurrent requests without a session (2026-07-28); a further one is refused. No organisation can take all."""
    max_body_bytes: int = 4 * 1024 * 1024
    body_s: float = 30.0
    """Time limit for receiving the body of one message."""
    json_s: float = 0.15
    """How long a response to a POST of a session may take to be JSON; then it is a stream, which can be resumed."""
    idle_s: float = 1800.0
    """A session that has had no stream and no message for this long ends."""
    response_kept_s: float = 300.0
    repeat_s: float = 60.0
    """How long after it was written a response is sent again to a client that reconnects without `Last-Event-ID`."""
    heartbeat_s: float = 15.0
    stream_s: float = 840.0
    """Age at which a stream ends (± 10 %), so that the platform does not cut it."""
    overtime_s: float = 60.0
    """How much longer it stays open for calls in flight."""
    write_s: float = 60.0
    """Time limit for one write to a stream; then the stream is cut, because its client does not read it."""
    drain_s: float = 7.0
    """How long calls in flight continue after SIGTERM."""
    retry_ms: tuple[int, int] = field(default=(500, 3000))
    """Bounds of the random `retry:` time, after which clients reconnect."""
