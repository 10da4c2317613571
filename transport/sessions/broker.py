"""Sessions and their event logs: the seam that lets one instance, or many, serve the same sessions.

`memory.InMemoryBroker` serves one instance, `valkey.broker.ValkeyBroker` many. Whatever implements the seam
passes tests/transport/sessions/test_broker.py.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from mcp_types import RequestId

from shared.errors import TicketServerError
from shared.identity import PrincipalKey
from transport.rate_limit import Buckets, Cost, Wait
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import SessionRecord
from transport.sessions.stream_counts import StreamCounts


class CapReachedError(TicketServerError):
    """No further session fits; `whole_instance` tells whether that is this principal's doing."""

    kind = "too_many_sessions"

    def __init__(self, *, whole_instance: bool) -> None:
        whose = "This server" if whole_instance else "This key"
        super().__init__(f"{whose} has as many sessions as it may have. Try again later.")
        self.whole_instance = whole_instance


class SessionGoneError(TicketServerError):
    """The session ended, expired, never was or is another principal's; whoever asks learns no more."""

    kind = "unknown_session"

    def __init__(self) -> None:
        super().__init__("There is no such session. Open a new one.")


class BrokerUnavailableError(TicketServerError):
    """Whatever keeps the sessions cannot be reached, and was not within the time a caller can wait."""

    kind = "broker_unavailable"

    def __init__(self) -> None:
        super().__init__("Sessions cannot be reached at the moment. Nothing was done; try again in a moment.")


class ClaimStatus(Enum):
    """What becomes of a request that was posted."""

    NEW = auto()
    """Recorded; the caller runs it, nobody else does."""
    RUNNING = auto()
    """A repeat of a call that is still running: its one answer will do for both."""
    ANSWERED = auto()
    """A repeat of a call that was answered: the answer is on its way again."""
    REFUSED = auto()
    """The id was used for something else, or its answer is gone. Never run."""


@dataclass(frozen=True, slots=True)
class RequestClaim:
    """A request as the broker sees it."""

    request: RequestId
    digest: bytes
    writes: bool = False
    opens_epoch: bool = False
    """It is `initialize`: from here on earlier request ids mean nothing."""
    stream: str = ""
    """Name of the stream that its answer belongs to; the same for all requests of one POST."""
    costs: tuple[Cost, ...] = ()
    """What it costs, unless it is a repeat."""


@dataclass(frozen=True, slots=True)
class InstanceMessage:
    """Word about a session from the instance that heard something to one that it concerns."""

    kind: Literal["answered", "progressed", "cancelled", "epoch", "published"]
    """A client answered, reports progress on, or cancels `request`; its session began a new epoch; or, of no session,
    the server published an event.
    """
    session: str
    owner: PrincipalKey
    """Whose session it is: whoever proved to be this principal said it."""
    request: RequestId | None = None
    body: dict[str, Any] = field(default_factory=dict)


class Listener(Protocol):
    """Whom a broker tells what happened to sessions elsewhere, or by time."""

    def on_session_ended(self, session: str) -> None:
        """A session ended."""
        ...

    def on_response_dropped(self) -> None:
        """An answer came so late that it was not wanted any more."""
        ...

    async def on_message(self, message: InstanceMessage) -> None:
        """Another instance has word for this one."""
        ...


class StreamReader(Protocol):
    """Whoever reads one stream of a session: its standalone stream, or the one of a POST."""

    async def events(self) -> Sequence[Event]:
        """Wait for events that were not handed out yet. An empty sequence is a call to look around: wake, or end."""
        ...

    def delivered(self, events: Sequence[Event]) -> None:
        """Note that `events` were written."""
        ...

    def wake(self) -> None:
        """Make `events` return."""
        ...

    async def close(self) -> None:
        """Let the stream go; the session stays."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the session is over, the stream was hung up, or another reader took its place."""
        ...

    @property
    def has_news(self) -> bool:
        """Whether events are waiting to be handed out."""
        ...

    async def is_settled(self) -> bool:
        """Whether nothing is owed: everything stored was handed out, and no call runs whose answer belongs here."""
        ...


class ClaimResult(NamedTuple):
    """What became of the requests of one POST."""

    record: SessionRecord
    statuses: list[ClaimStatus]
    """One for each request."""
    reader: StreamReader | None
    """The stream of this POST, to be closed. None where answers belong to the standalone one, or none was recorded."""
    after: int = 0
    """Number of the newest event of that stream before this POST: whoever saw nothing of it yet is there. The same ids
    may have been sent before, in a repeat or before another `initialize`."""
    waits: Mapping[RequestId, Wait] = MappingProxyType({})
    """New requests that could not be paid for: they are recorded, but have to be refused and not run."""


class SessionBroker(Protocol):
    """Keeps sessions, decides which request runs, and carries messages to whoever holds a session's stream.

    Any method may raise BrokerUnavailableError, except `append` and `finish`: what they carry is a promise already.
    """

    @property
    def instance(self) -> str:
        """Name of this instance among those that share the sessions."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether other instances can go on with the sessions of this one."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether sessions can be reached now."""
        ...

    @property
    def buckets(self) -> Buckets:
        """Who may still ask, and when again; for requests that belong to no session. `admit` pays for the others."""
        ...

    @property
    def streams(self) -> StreamCounts:
        """How many streams each principal reads."""
        ...

    def run(self, listener: Listener) -> AbstractAsyncContextManager[None]:
        """Work until left, and tell `listener` what concerns it."""
        ...

    async def open(self, record: SessionRecord, *, reconnect: bool = False) -> None:
        """Begin a session. A reconnect may exceed the caps (twofold), since a refused client never comes back.

        Raises:
            CapReachedError: no further session fits.
        """
        ...

    async def find(self, session: str) -> SessionRecord | None:
        """Return the record of a living session, and count this as a sign of life."""
        ...

    async def save(self, record: SessionRecord) -> None:
        """Keep what `initialize` and `initialized` changed."""
        ...

    async def claim(self, session: str, owner: PrincipalKey, wire: str, calls: Sequence[RequestClaim]) -> ClaimResult:
        """Record requests before they run. When one of them is refused, none is recorded.

        Without calls it only looks up the session. Either way it is a sign of life. A stream that the calls name is
        taken over in the same step, so that no answer can be missed.

        Raises:
            SessionGoneError: `owner` has no such session on `wire`.
        """
        ...

    async def append(self, session: str, kind: Kind, message: bytes, *, stream: str = "") -> None:
        """Send a notification or a request to the client; a session that is gone swallows it."""
        ...

    async def finish(self, session: str, epoch: int, request: RequestId, response: bytes | None) -> bool:
        """Close a running request, with its answer or (cancelled) without; False when it was not open any more."""
        ...

    async def attach(self, session: str, *, stream: str = "", after: int | None = None) -> StreamReader | None:
        """Take over a stream of the session; None when the session is gone, or nothing is known of such a stream.

        Args:
            session: its id.
            stream: which one; empty for the standalone one.
            after: number of the last event that the client has seen: what is newer comes again. None when the client
                does not say: what was never written comes, and every answer written in the last minute, since bytes
                written into a dying connection are lost.
        """
        ...

    def close_stream(self, session: str, stream: str) -> None:
        """End whoever reads a stream here; its client may come again for the rest."""
        ...

    async def end(self, session: str) -> None:
        """End a session; its stream ends, its calls are cancelled, its id is unknown from here on."""
        ...

    async def publish(self, message: InstanceMessage, *, instance: str | None = None) -> None:
        """Pass word to one other instance, or to all others."""
        ...

    def wake_streams(self) -> None:
        """Make every stream look around."""
        ...

    def stats(self) -> Mapping[str, int]:
        """Return how many `sessions`, `streams` and `log_bytes` this instance holds."""
        ...
