"""How long requests took, and which of them count: not those during a stall of the machine.

The machine was stalled while the bystander was late, while this process slept for too long, and while the server wanted
to run, or was stopped, and got no processor. As long again goes by until the server has caught up.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

STALL_S: Final = 0.1
"""If the bystander takes longer, or a sleep takes so much too long, the machine was stalled."""
SHARE: Final = 0.95
"""Share of the probes that must get their response in time."""
PROBE_TIMEOUT_S: Final = 5.0
SLEEPING: Final = "S"
"""A state in /proc: it waits for something to do."""

Probe = Callable[[], Awaitable[bool]]
"""Sends a request; returns whether the response was correct."""


@dataclass(eq=False)
class Taken:
    """How long the requests of one probe took, in seconds; infinite if the response was late, wrong or missing."""

    name: str
    limit_s: float
    seconds: list[float] = field(default_factory=list)
    """In the order in which they were sent."""
    sent_at: list[float] = field(default_factory=list)

    async def take(self, ask: Probe) -> None:
        """Send one request."""
        began, index = time.perf_counter(), len(self.seconds)
        self.seconds.append(math.inf)
        self.sent_at.append(began)
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                if await ask():
                    self.seconds[index] = time.perf_counter() - began

    def without(self, stalls: "Stalls") -> "Taken":
        """Return these times without those of requests that were under way during a stall."""
        periods = list(stalls.periods())
        kept = [
            (seconds, sent_at)
            for seconds, sent_at in zip(self.seconds, self.sent_at, strict=True)
            if not any(sent_at < end and begin < sent_at + min(seconds, self.limit_s) for begin, end in periods)
        ]
        return Taken(self.name, self.limit_s, [one for one, _ in kept], [one for _, one in kept])

    @property
    def late(self) -> list[int]:
        """Indexes of the requests whose response was late."""
        return [index for index, one in enumerate(self.seconds) if one > self.limit_s]

    @property
    def is_kept(self) -> bool:
        """Whether enough of them were in time."""
        return len(self.late) <= (1 - SHARE) * len(self.seconds)

    def __str__(self) -> str:
        middle, most = (sorted(self.seconds)[int(share * len(self.seconds))] for share in (0.5, SHARE))
        return f"{self.name}: {len(self.seconds)} probes, {len(self.late)} late, p50 {middle:.3f} s, p95 {most:.3f} s"


class Stalls:
    """When the machine was stalled.

    Args:
        pid: of the server.
        bystander: the times of a server that has nothing to do.
    """

    def __init__(self, pid: int, bystander: Taken) -> None:
        self._pid = pid
        self._bystander = bystander
        self._seen: list[tuple[float, float]] = []
        self._used, _ = self._sample()
        self.sampled_at = time.perf_counter()

    async def sleep(self, seconds: float) -> None:
        """Sleep, and note whether this process or the server stood still since the last time."""
        await asyncio.sleep(seconds)
        before, self.sampled_at = self.sampled_at, time.perf_counter()
        used_before, (self._used, wants) = self._used, self._sample()
        if self.sampled_at - before > seconds + STALL_S or (wants and self._used == used_before):
            goes_on = self._seen and self._seen[-1][1] == before
            self._seen.append((self._seen.pop()[0] if goes_on else before, self.sampled_at))

    def periods(self) -> Iterator[tuple[float, float]]:
        """Yield the begin and the end of each stall, and of the time to catch up."""
        for begin, end in self._seen:
            yield begin, end + (end - begin)
        for index in self._bystander.late:
            begin, took = self._bystander.sent_at[index], min(self._bystander.seconds[index], PROBE_TIMEOUT_S)
            yield begin, begin + 2 * took

    def _sample(self) -> tuple[int, bool]:
        """Return how long the server has run, in ticks, and whether it is not just waiting for something to do."""
        state, *fields = Path(f"/proc/{self._pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return int(fields[10]) + int(fields[11]), state != SLEEPING
