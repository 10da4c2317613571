"""What a session is: its record, its ids, and how much of everything one may have.

The id of a session stands in URLs, and so in the platform's request log: it grants nothing without the credential of
the principal that opened it.
"""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Final, Self

from shared.identity import PrincipalKey

_TIMES_WHAT_IS_FREE: Final = 8
_FIRST_THAT_COMES_AGAIN: Final = "2025-11-25"
SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def new_session_id() -> str:
    """Return 256 random bits in visible ASCII."""
    return secrets.token_urlsafe(32)


def has_room(mine: int, taken: int, most: int) -> bool:
    """Tell whether an organisation with `mine` of the `taken` places may have one more of the `most` that there are.

    It may hold eight times as many as are free. Alone it gets eight ninths, and whoever comes next still finds some.
    Source: the dynamic thresholds of Choudhury and Hahne (1998) for buffers that are shared.
    """
    return mine < _TIMES_WHAT_IS_FREE * (most - taken)


@dataclass(slots=True)
class SessionRecord:
    """What must be known to go on with a session, on this instance or on another.

    `client_params` are the raw parameters of `initialize`: a dump of the SDK's model would drop what a newer client
    sent and this SDK does not know.
    """

    id: str
    owner: PrincipalKey
    """Whoever opened it."""
    wire: str
    version: str | None = None
    """Negotiated revision; None before `initialize`."""
    client_params: dict[str, Any] | None = None
    initialized: bool = False
    epoch: int = 0
    """Counts `initialize`: request ids of an earlier epoch are forgotten, its late answers dropped."""
    stamp: int = 0
    """For a broker that keeps the record elsewhere: which version of it this is."""

    @property
    def reconnects(self) -> bool:
        """Whether its client asks for the rest of a POST's stream that ended early (SEP-1699)."""
        return self.version is not None and self.version >= _FIRST_THAT_COMES_AGAIN


@dataclass(frozen=True, slots=True)
class EventId:
    """Where a client stands in one stream of one session. Opaque to clients."""

    session: str
    number: int
    stream: str = ""
    """Empty for the standalone stream, the only one that HTTP+SSE has."""

    def __str__(self) -> str:
        return f"{self.session}:{self.stream}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the id that `text` is, or None when it is none of ours."""
        session, _, rest = text.strip().partition(":")
        stream, _, number = rest.partition(":")
        if not SESSION_ID.fullmatch(session) or not re.fullmatch(r"[0-9]{1,18}", number):
            return None
        return cls(session, int(number), stream)


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
    """Bounds of the random time after which a client is told to come again."""
