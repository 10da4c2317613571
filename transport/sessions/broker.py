"""The contract of sessions: whatever keeps them and their event logs, for one instance or for many.

`memory.InMemoryBroker` serves one instance, `valkey.broker.ValkeyBroker` many. Every implementation passes
tests/transport/sessions/test_broker.py and its neighbours.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mcp_types import RequestId

from shared.errors import TicketServerError
from shared.identity import PrincipalKey
from transport.rate_limit import Buckets, Wait
from transport.sessions.claims import Attempt, ClaimStatus, RequestClaim
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import SessionRecord, SessionView


class CapReachedError(TicketServerError):
    """No further session fits. `whole_instance`: because of all principals together, not of this one alone."""

    kind = "too_many_sessions"

    def __init__(self, *, whole_instance: bool) -> None:
        text = "You have as many sessions open as one caller may have. End one of them, or try again later."
        if whole_instance:
            text = "This server has as many sessions as it may have. Try again later."
        super().__init__(text)
        self.whole_instance = whole_instance


class SessionGoneError(TicketServerError):
    """The session ended, expired, never existed or is another principal's; the caller does not learn which."""

    kind = "unknown_session"

    def __init__(self) -> None:
        super().__init__("There is no such session. Open a new one.")


class BrokerUnavailableError(TicketServerError):
    """The store of the sessions cannot be reached, and could not be within the time that a caller can wait."""

    kind = "broker_unavailable"

    def __init__(self) -> None:
        super().__init__("Sessions cannot be reached at the moment. Nothing was changed; try again in a moment.")


@dataclass(frozen=True, slots=True)
class InstanceMessage:
    """A message from one instance to others about a session."""

    kind: Literal["answered", "progressed", "cancelled", "epoch", "published"]
    """A client answered `request`, reports progress on it or cancels it; its session began a new epoch; or, of no
    session, the server published an event.
    """
    session: str
    owner: PrincipalKey
    """Owner of the session: the client proved to be this principal."""
    request: RequestId | None = None
    body: dict[str, Any] = field(default_factory=dict)


class Listener(Protocol):
    """Receives what happens to sessions on other instances, or because of time."""

    def on_session_ended(self, session: str) -> None:
        """A session ended."""
        ...

    def on_response_dropped(self) -> None:
        """A response was dropped, because its attempt had ended before."""
        ...

    async def on_message(self, message: InstanceMessage) -> None:
        """Another instance sent a message to this one."""
        ...


EventSink = Callable[[Event], bool]
"""Begins to write one event at once, in the task that stores it, and never raises or waits. Returns whether it is
written; False when the client does not read at the moment, and the reader's own task has to end the write."""


class StreamReader(Protocol):
    """Reads one stream of a session: its standalone stream, or the stream of a POST."""

    async def events(self, sink: EventSink | None = None) -> Sequence[Event]:
        """Wait for events that were not returned yet. Empty after `wake`, and when the stream ended.

        Args:
            sink: may be given each event that is stored while this waits, as long as no other one has to be returned:
                such an event counts as returned. Once a sink returns False, it is given no further event, and this
                returns.
        """
        ...

    def delivered(self, events: Sequence[Event]) -> None:
        """Record that `events` were written to the client."""
        ...

    def wake(self) -> None:
        """Make `events` return."""
        ...

    async def close(self) -> None:
        """Stop reading; the session stays."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the session is over, the stream was closed, or another reader took it over."""
        ...

    @property
    def has_news(self) -> bool:
        """Whether events are waiting to be returned."""
        ...

    async def is_settled(self) -> bool:
        """Whether every stored event was returned, and no attempt runs whose response belongs here."""
        ...


@dataclass(slots=True)
class ClaimResult:
    """What became of the requests of one POST."""

    record: SessionRecord
    statuses: list[ClaimStatus]
    """One for each request."""
    attempts: list[Attempt | None]
    """One for each request; None unless it is new."""
    reader: StreamReader | None
    """Reads the stream of this POST and has to be closed. None where responses come on the standalone stream, and where
    nothing was recorded."""
    stream: str
    """Name of that stream; a POST that joined another one has the name of the first."""
    after: int = 0
    """Number of the newest event that came before this POST: where a client stands that has seen nothing of it."""
    waits: Mapping[RequestId, Wait] = field(default_factory=dict)
    """New requests that could not be paid for: they are recorded, but have to be refused and not run."""


class SessionStore(Protocol):
    """Sessions and their records. Any method may raise BrokerUnavailableError, except `save`."""

    async def open(self, record: SessionRecord, *, reconnect: bool = False) -> None:
        """Begin a session. A reconnect may exceed the caps twofold: clients that are refused then never come back.

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

    async def view(self, most: int) -> Sequence[SessionView]:
        """Return the living sessions of all instances, at most `most`, in no order."""
        ...

    async def end(self, session: str) -> None:
        """End a session: its streams end, its calls are cancelled, its id is unknown from now on."""
        ...


class ClaimStore(Protocol):
    """Which requests run. The rule: `transport/sessions/claims.py`."""

    async def claim(
        self, session: str, owner: PrincipalKey, wire: str, claims: Sequence[RequestClaim], *, own_stream: bool
    ) -> ClaimResult:
        """Record requests before they run. When one of them is refused, none is recorded.

        Without requests it only looks the session up. Either way it is a sign of life. The stream of the POST is read
        from the same step on, so that no response can be missed.

        Args:
            session: its id, as the client says.
            owner: the principal that posts.
            wire: name of the wire.
            claims: the requests; their ids differ.
            own_stream: whether the responses come on a stream of their own, else on the standalone one.

        Raises:
            SessionGoneError: `owner` has no such session on `wire`.
            BrokerUnavailableError: nothing was recorded, or is taken back.
        """
        ...

    async def running(self, session: str, request: RequestId) -> Sequence[str]:
        """Return the tokens of the attempts that run with a request id, on whatever instance.

        Raises:
            BrokerUnavailableError.
        """
        ...

    async def finish(self, attempt: Attempt, response: bytes | None) -> bool:
        """End an attempt, with its response or (cancelled) without; False when it had ended before. Never raises."""
        ...


class StreamStore(Protocol):
    """What is sent to clients."""

    async def append(self, session: str, kind: Kind, message: bytes, *, stream: str = "") -> None:
        """Send a notification or a request to the client, or nothing when the session is gone. Never raises."""
        ...

    async def attach(self, session: str, *, stream: str = "", after: int | None = None) -> StreamReader | None:
        """Take over a stream of the session; None when the session is gone, or nothing is known of such a stream.

        Args:
            session: its id.
            stream: which one; empty for the standalone one.
            after: number of the last event that the client has seen: what is newer is sent again. None when the client
                does not say: what was never written is sent, and every response written in the last minute, since
                bytes written into a dying connection are lost.

        Raises:
            BrokerUnavailableError.
        """
        ...

    def close_stream(self, session: str, stream: str) -> None:
        """End the reader of a stream here; its client may come again for the rest."""
        ...

    def wake_streams(self) -> None:
        """Make the `events` of every reader return."""
        ...


class InstanceHub(Protocol):
    """This instance among those that share the sessions."""

    @property
    def instance(self) -> str:
        """Name of this instance."""
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
        """Limits how often requests come that belong to no session. `claim` pays for the others."""
        ...

    def run(self, listener: Listener) -> AbstractAsyncContextManager[None]:
        """Work inside this context, and report to `listener`."""
        ...

    async def publish(self, message: InstanceMessage, *, instance: str | None = None) -> None:
        """Send a message to one other instance, or to all others. Raises: BrokerUnavailableError."""
        ...

    def stats(self) -> Mapping[str, int]:
        """Return how many `sessions`, `streams` and `log_bytes` this instance holds. Any thread may ask."""
        ...

    @property
    def calls(self) -> Mapping[str, int]:
        """How many calls of the server that instances share were `ok`, and how many `failed`; empty without one."""
        ...


class SessionBroker(SessionStore, ClaimStore, StreamStore, InstanceHub, Protocol):
    """Keeps sessions, decides which request runs, and carries messages to the instance that holds a stream."""

    @property
    def layout(self) -> int | None:
        """The number of the form of what instances share: sessions of another number are unknown; None without it."""
        ...
