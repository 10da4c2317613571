"""What a session is: its record, its ids, and how much of everything one may have.

The id of a session stands in URLs, and so in the platform's request log: it grants nothing without the credential of
the principal that opened it.
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
    """Return 256 random bits in visible ASCII."""
    return secrets.token_urlsafe(32)


def has_room(mine: int, taken: int, most: int) -> bool:
    """Whether an organisation that has `mine` of the `taken` places may take one more of `most`.

    One organisation has at most eight ninths of them, so that others still find some.
    """
    return taken < most and 9 * mine < 8 * most


@dataclass(slots=True)
class SessionRecord:
    """What must be known to go on with a session, on this instance or on another.

    `client_params` are the raw parameters of `initialize`: a dump of the SDK's model would drop what a newer client
    sent and this SDK does not know.
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
    """Counts `initialize`: request ids of an earlier epoch are forgotten, its late answers dropped."""
    stamp: int = 0
    """For a broker that keeps the record elsewhere: which version of it this is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one instance. Times are seconds, sizes bytes."""

    max_sessions: int = 1000
    max_sessions_per_principal: int = 500
    max_streams_per_principal: int = 500
    """Streams of one principal at once, on all instances that share sessions; more are refused."""
    max_events: int = 256
    max_log_bytes: int = 1024 * 1024
    max_total_log_bytes: int = 64 * 1024 * 1024
    max_request_ids: int = 4096
    max_running_calls: int = 256
    """Calls of one session at once; a further one is answered with an error at once."""
    max_exchanges: int = 1024
    """Requests of no session (2026-07-28) at once, which no organisation can take all; a further one is refused."""
    max_body_bytes: int = 4 * 1024 * 1024
    body_s: float = 30.0
    """How long the body of one message may take to arrive."""
    idle_s: float = 1800.0
    """A session without a stream and without a message for this long ends."""
    response_kept_s: float = 300.0
    repeat_s: float = 60.0
    """How long after it was written an answer is repeated to a client that does not say what it has seen."""
    heartbeat_s: float = 15.0
    stream_s: float = 840.0
    """Age at which a stream ends (± 10 %) so that the platform does not cut it."""
    overtime_s: float = 60.0
    """How much longer it may stay for calls in flight."""
    write_s: float = 60.0
    """How long one write to a reader that does not read may take before its stream is cut."""
    drain_s: float = 7.0
    """How long calls in flight may go on after SIGTERM."""
    retry_ms: tuple[int, int] = field(default=(500, 3000))
    """Bounds of the random time that a client is asked to wait before it reconnects."""
