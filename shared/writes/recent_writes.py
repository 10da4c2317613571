"""Remembers the recent writes of each principal by digest, to recognise a write that is sent twice.

A write is recognised by its content (tool, acting user, values) for minutes, and by its idempotency key for a day. Each
write is claimed before it is sent and settled afterwards. Texts and keys are kept as digests only, ids in plain text.
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
"""Seconds during which a write is recognised by its idempotency key."""
LEASE_S: Final = 12.0
"""Seconds after which an unsettled claim counts as UNANSWERED; longer than sending and reading back take."""
MAX_WRITES: Final = 200
"""Writes kept for one principal; the one that would expire first is evicted."""
MAX_OWNERS: Final = 1000
"""Principals kept in memory; the one with the least recent write is evicted."""


class State(StrEnum):
    """The known state of a write."""

    RUNNING = "running"
    DONE = "done"
    UNANSWERED = "unanswered"
    """It may have been done, or may still be: the ticket API did not respond, or the instance is gone."""
    UNPROVED = "unproved"
    """It may have been done; the ticket API has finished with it."""
    CONFLICT = "conflict"
    """Only in `Earlier`: its idempotency key was used with other content."""


DOUBTS: Final = frozenset({State.UNANSWERED, State.UNPROVED})


@dataclass(frozen=True, slots=True)
class Write:
    """A write that is about to be sent.

    `words` and `key` are digests; `key` is empty if none was given. Equal `words` count for `window_s` seconds, unless
    `allows_duplicate`. `upstream` is the idempotency key sent to the ticket API; `seen` is the number of equal writes
    found there before.
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
        """Seconds during which it is kept."""
        return KEY_S if self.key else self.window_s


@dataclass(frozen=True, slots=True)
class Earlier:
    """An equal earlier write; `age_s` counts from its end or, if it is not settled, from its start.

    `subject` is the id of what it created, if the ticket API returned it. `by_key`: the idempotency keys match.
    """

    state: State
    age_s: float
    subject: str
    upstream: str
    seen: int
    by_key: bool

    @property
    def is_doubt(self) -> bool:
        """Whether the ticket system must be read first; the caller that receives this holds the claim."""
        return self.state in DOUBTS


class RecentWrites(Protocol):
    """Recognises writes; one that cannot be looked up in time counts as new. Neither method raises."""

    async def claim(self, write: Write, token: str) -> Earlier | None:
        """Claim `write` for `token`, which is new for each call, and return None; or return an equal earlier write.

        Writes with different idempotency keys are never equal. The claim of a doubtful write passes to `token`, so that
        only one caller checks the ticket system. Claiming again with the same token renews the claim.
        """
        ...

    async def settle(
        self, write: Write, token: str, state: State | None, *, subject: str = "", age_s: float = 0
    ) -> None:
        """Record how the write claimed by `token` ended, `age_s` ago; None forgets it, as nothing was changed."""
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
        clock: a monotonic clock, in seconds.
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
        """Return the writes kept for `owner`, without the expired ones."""
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
    """Return the token of the write equal to `write`: by key first, then by the most certain state, then the newest."""

    def fits(one: _Kept) -> bool:
        if write.key and one.write.key:
            return one.write.key == write.key
        is_lately = now - one.at < write.window_s or one.seen_at(now) is State.RUNNING
        return one.write.words == write.words and is_lately and not write.allows_duplicate

    def rank(token: str) -> tuple[bool, int, float]:
        one = kept[token]
        return (not write.key or one.write.key != write.key), _ORDER.index(one.seen_at(now)), -one.at

    return min((token for token, one in kept.items() if fits(one)), key=rank, default=None)
