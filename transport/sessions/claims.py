"""The rule of claims: which request of a session runs, and when its id is free again. Pure: no clock, no I/O.

A request is claimed before it runs. Each claim is an *attempt* with a token of its own, and every later step names the
attempt, not the request id: clients exist that send `"id": 1` with every request. What becomes of a request depends on
the attempts that run at that moment:

| runs with this id | HTTP+SSE: all responses on one stream | Streamable HTTP: each POST has a stream |
|---|---|---|
| nothing | new | new |
| the same body | joined: one response for both | joined, and the POST takes the stream of the first over |
| another body | refused: the responses could not be told apart | new, beside the other |

- A POST is refused as a whole. On Streamable HTTP a batch joins one running POST with all of its requests, or is
  refused: it would otherwise have responses on two streams.
- An id is free again as soon as its attempt ended. On the stream that all responses share, the response to an earlier
  attempt of the same id is withdrawn in the step that claims it again: it would resolve the newer request.
- `initialize` begins a new epoch: what runs then has no response any more.

The memory broker uses this table. The scripts in valkey/lua/ do the same in one step each, and
tests/transport/sessions/test_claims.py compares both over generated histories.
"""

import secrets
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from mcp_types import RequestId

from shared.errors import TicketServerError
from transport.rate_limit import Cost


class RequestIdReusedError(TicketServerError):
    """Another request with this id runs in the session, and the two responses could not be told apart."""

    kind = "request_id_reused"

    def __init__(self, request: RequestId) -> None:
        super().__init__(
            "Another request with this id is still running in this session. Nothing was changed; send it with a new id."
        )
        self.request_id = request


class ClaimStatus(Enum):
    """What becomes of a request that was posted."""

    NEW = auto()
    """Recorded; the caller runs it, and no other instance does."""
    JOINED = auto()
    """It repeats an attempt that runs: there is one response for both."""
    REFUSED = auto()
    """Never run; nothing of its POST was recorded."""


@dataclass(slots=True)  # not frozen: each request makes one of each here, and freezing takes eight times as long
class RequestClaim:
    """A request that is to be claimed."""

    request: RequestId
    digest: bytes
    """Of its message, by which a repeat is recognised."""
    writes: bool = False
    opens_epoch: bool = False
    """It is `initialize`."""
    costs: tuple[Cost, ...] = ()
    """What it costs, unless it joins another one."""


@dataclass(slots=True)
class Attempt:
    """One claim of one request: needed to finish it."""

    session: str
    epoch: int
    request: RequestId
    token: str
    stream: str
    """Where its response belongs; empty for the standalone stream."""
    writes: bool


class Response(NamedTuple):
    """The response to an attempt that ended."""

    number: int
    """Of its event in the log."""
    request: RequestId
    writes: bool


@dataclass(slots=True)
class Decision:
    """What became of the requests of one POST."""

    statuses: list[ClaimStatus]
    stream: str
    """Where the responses come: the stream of the POST, or the one that it joined."""
    opens_epoch: bool
    withdrawn: list[int]
    """Numbers of the events whose responses are withdrawn."""
    attempts: "list[Attempt | None]"
    """One for each request; None for one that joined another or was refused."""


Slot = tuple[RequestId, bytes]
"""What runs once at most: on a stream for all responses a request id, else a request id with its body."""


class _Running(NamedTuple):
    slot: Slot
    claim: RequestClaim
    stream: str


class Claims:
    """The attempts of one session.

    Args:
        max_ended: how many responses are remembered, by which a reader learns that one of them was lost.
    """

    __slots__ = ("_attempts", "_ended", "_max_ended", "_slots")

    def __init__(self, max_ended: int) -> None:
        self._max_ended = max_ended
        self._slots: dict[Slot, str] = {}
        """Token of the attempt that runs in each."""
        self._attempts: dict[str, tuple[Slot, RequestClaim, str]] = {}
        self._ended: OrderedDict[tuple[str, RequestId], tuple[int, bool]] = OrderedDict()
        """By stream and request id: the number of the response, and whether the attempt could write."""

    def claim(
        self, claims: Sequence[RequestClaim], tokens: Sequence[str], stream: str, *, session: str = "", epoch: int = 0
    ) -> Decision:
        """Decide about the requests of one POST.

        Args:
            claims: the requests; their ids differ.
            tokens: one for each, which no other attempt has.
            stream: a new name for the stream of this POST; empty where all responses share the standalone stream.
            session: its id.
            epoch: of the session, before this POST.
        """
        if len(claims) == 1 and not claims[0].opens_epoch:  # as most POSTs are; the first row of the table, if it fits
            claim, token, slot = claims[0], tokens[0], _slot(claims[0], stream)
            if slot not in self._slots:
                withdrawn = self._record(claim, token, slot, stream)
                attempt = Attempt(session, epoch, claim.request, token, stream, claim.writes)
                return Decision([ClaimStatus.NEW], stream, False, withdrawn, [attempt])
        slots = [_slot(claim, stream) for claim in claims]
        running = [self._running_in(slot) for slot in slots]
        opens = any(claim.opens_epoch and not _repeats(claim, one) for claim, one in zip(claims, running, strict=True))
        if opens:
            running = [None] * len(claims)
        statuses, joined = _statuses(claims, running, stream)
        if ClaimStatus.REFUSED in statuses:
            return Decision(statuses, stream, False, [], [None] * len(claims))
        if opens:
            self._slots.clear()
            self._attempts.clear()
        withdrawn = []
        for claim, token, slot, status in zip(claims, tokens, slots, statuses, strict=True):
            if status is ClaimStatus.NEW:
                withdrawn += self._record(claim, token, slot, stream)
        made = attempts(session, epoch + opens, claims, tokens, statuses=statuses, stream=joined)
        return Decision(statuses, joined, opens, withdrawn, made)

    def _record(self, claim: RequestClaim, token: str, slot: Slot, stream: str) -> list[int]:
        """Record a new attempt; return the number of the response that is withdrawn by it, if there is one."""
        self._slots[slot] = token
        self._attempts[token] = slot, claim, stream
        earlier = self._ended.pop((stream, claim.request), None)
        return [] if earlier is None else [earlier[0]]

    def _running_in(self, slot: Slot) -> _Running | None:
        token = self._slots.get(slot)
        return None if token is None else _Running(*self._attempts[token])

    def end(self, token: str, number: int | None) -> bool:
        """Free the id of an attempt that runs; False when it had ended before.

        Args:
            token: of the attempt.
            number: that of its response; None where it has none.
        """
        attempt = self._attempts.pop(token, None)
        if attempt is None:
            return False
        slot, claim, stream = attempt
        del self._slots[slot]
        if number is not None:
            self._ended[stream, claim.request] = number, claim.writes
        if len(self._ended) > self._max_ended:
            self._ended.popitem(last=False)
        return True

    def running(self, request: RequestId) -> list[str]:
        """Return the tokens of the attempts that run with a request id."""
        return [token for token, (_, claim, _) in self._attempts.items() if claim.request == request]

    def responses(self, stream: str) -> list[Response]:
        """Return the responses that came on a stream, as far as they are remembered."""
        return [
            Response(number, request, writes)
            for (name, request), (number, writes) in self._ended.items()
            if name == stream
        ]

    def is_pending(self, stream: str) -> bool:
        """Whether a response is still to come on a stream."""
        return any(name == stream for _, _, name in self._attempts.values())

    def knows(self, stream: str) -> bool:
        """Whether a POST had this stream, as far as it is remembered."""
        return self.is_pending(stream) or any(name == stream for name, _ in self._ended)


def _slot(claim: RequestClaim, stream: str) -> Slot:
    return claim.request, claim.digest if stream else b""


def _repeats(claim: RequestClaim, running: _Running | None) -> bool:
    return running is not None and running.claim.digest == claim.digest


def _statuses(
    claims: Sequence[RequestClaim], running: Sequence[_Running | None], stream: str
) -> tuple[list[ClaimStatus], str]:
    """Return what becomes of each request, and the stream on which the responses come."""
    statuses = [
        ClaimStatus.NEW if one is None else ClaimStatus.JOINED if _repeats(claim, one) else ClaimStatus.REFUSED
        for claim, one in zip(claims, running, strict=True)
    ]
    joined = {one.stream for one in running if one is not None}
    if not stream or not joined:
        return statuses, stream
    if len(joined) > 1 or ClaimStatus.NEW in statuses:  # a batch that repeats a part of what runs, or more than that
        return [ClaimStatus.REFUSED if one is ClaimStatus.JOINED else one for one in statuses], stream
    return statuses, joined.pop()


def new_token() -> str:
    """Return 64 random bits: a name for an attempt, for a stream, or for a reader of one."""
    return secrets.token_hex(8)


def attempts(
    session: str,
    epoch: int,
    claims: Iterable[RequestClaim],
    tokens: Iterable[str],
    *,
    statuses: Collection[ClaimStatus],
    stream: str,
) -> list[Attempt | None]:
    """Return the attempt that each request became; None for one that joined another or was refused."""
    is_recorded = ClaimStatus.REFUSED not in statuses
    return [
        Attempt(session, epoch, claim.request, token, stream, claim.writes)
        if is_recorded and status is ClaimStatus.NEW
        else None
        for claim, token, status in zip(claims, tokens, statuses, strict=True)
    ]
