"""What principals wrote lately, by digest: how a write that is sent twice is recognised.

A write is known by its words (tool, who acts, what is written) for minutes, and by its idempotency key for a day. Each
is claimed before it is sent and settled afterwards. Texts and keys come as digests only; ids are kept as they are.
`MemoryRecentWrites` serves one instance, `SharedRecentWrites` of `transport.sessions.valkey.recent_writes` many;
both pass tests/transport/sessions/valkey/test_recent_writes.py.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from shared.identity import PrincipalKey
from shared.lru import LRUCache

KEY_S: Final = 24 * 3600.0
"""Seconds for which a write is known by its idempotency key."""
LEASE_S: Final = 12.0
"""Seconds after which a claim that was not settled counts as UNANSWERED; longer than sending and reading back take."""
MAX_WRITES: Final = 200
"""Writes kept for one principal; what would be forgotten first by its age makes room."""
MAX_OWNERS: Final = 1000
"""Principals kept in memory: those that wrote last."""


class State(StrEnum):
    """What is known of a write."""

    RUNNING = "running"
    DONE = "done"
    UNANSWERED = "unanswered"
    """It may have been done, or may yet be: the ticket API did not answer, or the instance is gone."""
    UNPROVED = "unproved"
    """It may have been done; the ticket API is through with it."""
    CONFLICT = "conflict"
    """Only in `Earlier`: its idempotency key belongs to other words."""


DOUBTS: Final = frozenset({State.UNANSWERED, State.UNPROVED})


@dataclass(frozen=True, slots=True)
class Write:
    """A write that is about to be sent.

    `words` and `key` are digests, `key` is empty where there is none. Words count for `window_s` seconds, unless
    `allows_duplicate`. `upstream` is what the ticket API knows this write by, `seen` how many equal ones stood there
    before it was sent.
    """

    owner: PrincipalKey
    words: str
    window_s: float
    upstream: str
    key: str = ""
    seen: int = 0
    allows_duplicate: bool = False

    @property
    def life_s(self) -> float:
        """Seconds for which it is kept."""
        return KEY_S if self.key else self.window_s


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier write that is the same; `age_s` since it ended or, not being settled, since it began.

    `subject` is the id of what it made, as far as the ticket API said. `by_key` says that the idempotency keys match.
    """

    state: State
    age_s: float
    subject: str
    upstream: str
    seen: int
    by_key: bool

    @property
    def is_doubt(self) -> bool:
        """Whether it is to be looked at first; who is told of it has its claim."""
        return self.state in DOUBTS


class RecentWrites(Protocol):
    """Recognises writes; what it does not know in time is new. Neither method raises on its own account."""

    async def claim(self, write: Write, token: str) -> Earlier | None:
        """Claim `write` for `token`, new for each call, and return None, unless an earlier one is the same.

        Two with different idempotency keys are different, whatever their words. A doubt is handed over: its claim is
        given to `token` as well, so that one caller alone looks. Claiming again with one's own token renews the claim.
        """
        ...

    async def settle(
        self, write: Write, token: str, state: State | None, *, subject: str = "", age_s: float = 0
    ) -> None:
        """Record how the write that `token` claimed ended, `age_s` ago; None forgets it: nothing was changed."""
        ...


@dataclass(slots=True)
class _Kept:
    write: Write
    state: State
    at: float
    until: float
    subject: str = ""

    def seen_at(self, now: float) -> State:
        return State.UNANSWERED if self.state is State.RUNNING and self.until <= now else self.state


class MemoryRecentWrites:
    """Recent writes of this process.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._owners: LRUCache[PrincipalKey, dict[str, _Kept]] = LRUCache(MAX_OWNERS)

    async def claim(self, write: Write, token: str) -> Earlier | None:
        """See `RecentWrites`."""
        now, kept = self._clock(), self._of(write.owner)
        if token in kept:
            kept[token].until = now + LEASE_S
            return None
        same = _same(kept, write, now)
        if same is None:
            self._keep(kept, token, _Kept(write, State.RUNNING, now, now + LEASE_S))
            return None
        one = kept[same]
        by_key = bool(write.key) and one.write.key == write.key
        state = State.CONFLICT if by_key and one.write.words != write.words else one.seen_at(now)
        earlier = Earlier(state, now - one.at, one.subject, one.write.upstream, one.write.seen, by_key)
        if earlier.is_doubt:
            del kept[same]
            taken = replace(one.write, key=write.key or one.write.key)
            self._keep(kept, token, _Kept(taken, State.RUNNING, one.at, now + LEASE_S, one.subject))
        return earlier

    async def settle(
        self, write: Write, token: str, state: State | None, *, subject: str = "", age_s: float = 0
    ) -> None:
        """See `RecentWrites`."""
        now, kept = self._clock(), self._of(write.owner)
        claimed = kept.pop(token, None)
        if state is not None:
            written = write if claimed is None else claimed.write
            self._keep(kept, token, _Kept(written, state, now - age_s, now, subject))

    def _of(self, owner: PrincipalKey) -> dict[str, _Kept]:
        """Return what is kept of `owner`, without what is over."""
        now = self._clock()
        kept = {
            token: one
            for token, one in (self._owners.get(owner) or {}).items()
            if max(one.at + one.write.life_s, one.until) > now
        }
        self._owners.put(owner, kept)
        return kept

    def _keep(self, kept: dict[str, _Kept], token: str, one: _Kept) -> None:
        now = self._clock()

        def lasts(other: str) -> tuple[bool, float]:
            known = kept[other]
            return known.seen_at(now) is State.RUNNING, known.at + known.write.life_s

        while len(kept) >= MAX_WRITES:
            del kept[min(kept, key=lasts)]
        kept[token] = one


_ORDER: Final = (State.DONE, State.RUNNING, State.UNANSWERED, State.UNPROVED)


def _same(kept: dict[str, _Kept], write: Write, now: float) -> str | None:
    """Return the token of what is the same as `write`: first by key, then what is known best, then the newest."""

    def fits(one: _Kept) -> bool:
        if write.key and one.write.key:
            return one.write.key == write.key
        is_lately = now - one.at < write.window_s or one.seen_at(now) is State.RUNNING
        return one.write.words == write.words and is_lately and not write.allows_duplicate

    def rank(token: str) -> tuple[bool, int, float]:
        one = kept[token]
        return (not write.key or one.write.key != write.key), _ORDER.index(one.seen_at(now)), -one.at

    return min((token for token, one in kept.items() if fits(one)), key=rank, default=None)
