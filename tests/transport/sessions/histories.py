"""Histories of claims: steps that are played on brokers and on the pure table, which have to agree after each step.

Steps that only instances sharing a store can take (a script sent again, a dead instance) are left out in memory.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

from tests.transport.brokers import ME, Quiet, news, opened
from tests.transport.serving import until
from transport import jsonrpc
from transport.sessions.broker import InstanceMessage, SessionBroker, StreamReader
from transport.sessions.claims import Attempt, Claims, ClaimStatus, RequestClaim
from transport.sessions.session import SessionRecord
from transport.sessions.valkey import scripts
from transport.sessions.valkey.broker import ValkeyBroker
from transport.sessions.valkey.calls import Post, _arguments
from transport.sessions.valkey.client import Script
from transport.sessions.valkey.codec import encode_owner, encode_slot


@dataclass(frozen=True)
class Claim:
    """A POST with requests, each an id and a number for its body, to one of the instances."""

    requests: tuple[tuple[int, int], ...]
    at: int = 0


@dataclass(frozen=True)
class Initialize:
    """A POST with `initialize`, to one of the instances."""

    at: int = 0


@dataclass(frozen=True)
class Finish:
    """An attempt gets its response, or is cancelled; it may have ended long ago."""

    attempt: int
    is_cancelled: bool = False


@dataclass(frozen=True)
class FinishAgain:
    """The step that ended an attempt is carried out once more."""

    attempt: int


@dataclass(frozen=True)
class ClaimAgain:
    """The step that recorded an attempt is carried out once more."""

    attempt: int


@dataclass(frozen=True)
class Withdraw:
    """An attempt is taken back, as if its POST had been given up before it was known to be recorded."""

    attempt: int


@dataclass(frozen=True)
class Die:
    """The lease of an instance is over, and another one answers its calls."""

    at: int = 0


@dataclass(frozen=True)
class Lapse:
    """The same, but the instance comes back, and ends an attempt, before the other one has answered anything."""

    at: int = 0
    attempt: int = 0


@dataclass(frozen=True)
class Read:
    """The reader of the standalone stream takes what there is."""


Step = Claim | Initialize | Finish | FinishAgain | ClaimAgain | Withdraw | Die | Lapse | Read

END_LEASE: Final = Script("redis.call('ZADD', ARGV[10], 1, ARGV[2]) return 1")
_IDS, _BODIES, _PLACES, _ATTEMPTS = (
    st.sampled_from([1, 1, 1, 2]),
    st.integers(0, 1),
    st.integers(0, 1),
    st.integers(0, 7),
)
_POSTS = st.lists(st.tuples(_IDS, _BODIES), min_size=1, max_size=2, unique_by=lambda request: request[0]).map(tuple)
STEPS: Final = st.lists(
    st.one_of(
        st.builds(Claim, _POSTS, _PLACES),
        st.builds(Claim, _POSTS, _PLACES),
        st.builds(Finish, _ATTEMPTS, st.booleans()),
        st.builds(Finish, _ATTEMPTS),
        st.builds(FinishAgain, _ATTEMPTS),
        st.builds(ClaimAgain, _ATTEMPTS),
        st.builds(Withdraw, _ATTEMPTS),
        st.builds(Initialize, _PLACES),
        st.builds(Die, _PLACES),
        st.builds(Lapse, _PLACES, _ATTEMPTS),
        st.just(Read()),
    ),
    min_size=5,
    max_size=30,
)


@dataclass
class Started:
    """An attempt that began."""

    attempt: Attempt
    claim: RequestClaim
    at: int
    record: SessionRecord
    is_joined: bool = False
    ended_by_itself: bool = False


@dataclass
class Expected:
    """What the pure table says, with the responses that are kept."""

    claims: Claims = field(default_factory=lambda: Claims(max_ended=1000))
    responses: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    """By their numbers: stream and text."""
    unread: list[int] = field(default_factory=list)
    """Numbers of the standalone stream that its reader has not taken."""
    last: int = 0

    def end(self, attempt: Attempt, response: bytes | None) -> None:
        """End an attempt that runs."""
        if response is None:
            self.claims.end(attempt.token, None)
            return
        self.last += 1
        self.responses[self.last] = attempt.stream, response
        if not attempt.stream:
            self.unread.append(self.last)
        self.claims.end(attempt.token, self.last)

    def withdraw(self, numbers: Sequence[int]) -> None:
        """Forget responses."""
        for number in numbers:
            del self.responses[number]
        self.unread = [number for number in self.unread if number not in numbers]

    def on(self, stream: str) -> list[bytes]:
        """Return the responses of a stream."""
        return [text for name, text in self.responses.values() if name == stream]


class Hearing(Quiet):
    """Hears when a broker has received everything that was published to it."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def on_message(self, message: InstanceMessage) -> None:
        self.heard.set()


class Player:
    """Plays one history.

    Args:
        brokers: one in memory, or two that share a store.
        own_stream: whether each POST has a stream of its own.
    """

    def __init__(self, brokers: Sequence[SessionBroker], hearing: Hearing, *, own_stream: bool) -> None:
        self._brokers = brokers
        self._shared = [broker for broker in brokers if isinstance(broker, ValkeyBroker)]
        self._hearing = hearing
        self._own_stream = own_stream
        self._expected = Expected()
        self._started: list[Started] = []

    async def play(self, steps: Sequence[Step]) -> None:
        """Take all steps, then read every stream from its beginning."""
        self._session = await opened(self._brokers[0])
        reader = await self._brokers[-1].attach(self._session.id)
        assert reader is not None
        self._reader = reader
        for step in [*steps, Read()]:
            await self._take(step)
            for request in (1, 2, 0):
                for broker in self._brokers:
                    running = await broker.running(self._session.id, request)
                    assert sorted(running) == sorted(self._expected.claims.running(request))
        await self._reader.close()
        for stream in {"", *(one.attempt.stream for one in self._started)}:
            assert await self._all_of(stream) == self._expected.on(stream)

    async def _take(self, step: Step) -> None:
        match step:
            case Claim(requests, at):
                await self._claim([RequestClaim(one, b"%d" % body, bool(body)) for one, body in requests], at)
            case Initialize(at):
                await self._claim([RequestClaim(0, b"init", opens_epoch=True)], at)
            case Finish(number, is_cancelled):
                if (finished := self._nth(number)) is not None:
                    await self._finish(finished, is_cancelled=is_cancelled)
            case Read():
                await self._read()
            case _ if self._shared:
                await self._take_shared(step)

    async def _take_shared(self, step: Step) -> None:
        match step:
            case Die(at):
                await self._lapse(at)
                await self._shared[1 - at]._take_over_dead(self._shared[at].instance)
                for interrupted in self._running_at(at):
                    self._interrupt(interrupted)
                await self._shared[at]._instance.lease.renew()
            case Lapse(at, number):
                await self._come_back(at, number)
            case FinishAgain(number) | ClaimAgain(number) | Withdraw(number):
                started = self._nth(number)
                if started is None:
                    pass
                elif isinstance(step, Withdraw):
                    await self._withdraw(started)
                elif isinstance(step, ClaimAgain):
                    await self._claim_again(started)
                elif started.ended_by_itself:
                    reply = await self._shared[started.at]._instance.call(
                        scripts.FINISH, *self._names(started), 1, b"no"
                    )
                    assert reply[0] == 1

    def _nth(self, number: int) -> Started | None:
        return self._started[number % len(self._started)] if self._started else None

    def _names(self, started: Started) -> tuple[str, str, str]:
        slot = encode_slot(started.claim, own_stream=self._own_stream)
        return self._session.id, slot, started.attempt.token

    def _is_running(self, started: Started) -> bool:
        return started.attempt.token in self._expected.claims.running(started.claim.request)

    def _running_at(self, at: int) -> list[Started]:
        return [one for one in self._started if one.at == at and self._is_running(one)]

    async def _claim(self, claims: Sequence[RequestClaim], at: int) -> None:
        at %= len(self._brokers)
        result = await self._brokers[at].claim(
            self._session.id, ME, self._session.wire, claims, own_stream=self._own_stream
        )
        tokens = [one.token if one is not None else f"none {number}" for number, one in enumerate(result.attempts)]
        fresh = result.stream if any(result.attempts) else "fresh" if self._own_stream else ""
        decision = self._expected.claims.claim(claims, tokens, fresh)
        assert decision.statuses == result.statuses
        if ClaimStatus.REFUSED in decision.statuses:
            assert (result.reader, any(result.attempts)) == (None, False)
            return
        assert decision.stream == result.stream
        self._expected.withdraw(decision.withdrawn)
        for claim, attempt in zip(claims, result.attempts, strict=True):
            if attempt is not None:
                self._started.append(Started(attempt, claim, at, result.record))
        for one in self._started:
            if self._is_running(one) and one.attempt.stream == decision.stream and one.claim in claims:
                one.is_joined = one.is_joined or one.attempt not in result.attempts
        if result.reader is not None:
            await result.reader.close()

    async def _finish(self, started: Started, *, is_cancelled: bool) -> None:
        was_running = self._is_running(started)
        response = None if is_cancelled else b"response %d" % self._started.index(started)
        accepted = await self._brokers[started.at].finish(started.attempt, response)
        assert accepted == was_running
        if was_running:
            started.ended_by_itself = True
            self._expected.end(started.attempt, response)

    async def _read(self) -> None:
        if self._shared:
            self._hearing.heard.clear()
            message = InstanceMessage("cancelled", self._session.id, ME)
            await self._shared[0].publish(message, instance=self._shared[1].instance)
            await self._hearing.heard.wait()  # it comes after everything that was published before
        expected = [self._expected.responses[number][1] for number in self._expected.unread]
        self._expected.unread = []
        received = await news(self._reader, len(expected))
        while self._reader.has_news:
            received += [event.text() for event in await self._reader.events()]
        assert received == expected

    async def _all_of(self, stream: str) -> list[bytes]:
        reader = await self._brokers[-1].attach(self._session.id, stream=stream, after=0)
        if reader is None:
            return []
        texts = await _taken(reader)
        await reader.close()
        return texts

    # ---- what happens between instances

    async def _lapse(self, at: int) -> None:
        valkey = self._shared[at]._instance
        await valkey.call(END_LEASE, f"{valkey._common[0]}i")

    def _interrupt(self, started: Started) -> None:
        self._expected.end(started.attempt, jsonrpc.interrupted(started.attempt.request, writes=started.attempt.writes))
        started.is_joined = False

    async def _come_back(self, at: int, number: int) -> None:
        dead, other = self._shared[at], self._shared[1 - at]
        await self._lapse(at)
        orphans = await other._instance.call(scripts.ORPHANS, dead.instance)
        await dead._instance.lease.renew()
        if (started := self._nth(number)) is not None and started.at == at:
            await self._finish(started, is_cancelled=False)
        for session, slot, token, *_ in orphans:
            assert await other._instance.call(scripts.FINISH, session, slot, token, 1, b"no") == [0]

    async def _withdraw(self, started: Started) -> None:
        broker = self._shared[started.at]
        reader = broker._streams.new(self._session.id, "any") if self._own_stream else None
        post = Post(self._session.id, ME, self._session.wire, [started.claim], reader)
        assert await broker._calls._withdraw(post, started.claim, started.attempt.token)
        broker._calls._running.pop(started.attempt.token, None)
        if not self._is_running(started):
            return
        is_joined = started.is_joined
        self._expected.end(
            started.attempt, jsonrpc.interrupted(started.attempt.request, writes=False) if is_joined else None
        )

    async def _claim_again(self, started: Started) -> None:
        """Send the script of a claim once more, however the attempt ended."""
        valkey, attempt = self._shared[started.at]._instance, started.attempt
        about = (self._session.id, encode_owner(ME), self._session.wire, 0, attempt.stream, "")
        reply = await valkey.call(scripts.CLAIM, *about, *_arguments([started.claim], [attempt.token]))
        assert reply[2] == [ClaimStatus.NEW.value]


async def _taken(reader: StreamReader) -> list[bytes]:
    texts: list[bytes] = []
    while reader.has_news:
        texts += [event.text() for event in await reader.events()]
    return texts


async def play(brokers: Sequence[SessionBroker], steps: Sequence[Step], *, own_stream: bool) -> None:
    """Run brokers and play one history on them."""
    async with AsyncExitStack() as stack:
        hearing = Hearing()
        for broker in brokers:
            await stack.enter_async_context(broker.run(hearing))
        await until(lambda: all(broker.is_up for broker in brokers))
        await Player(brokers, hearing, own_stream=own_stream).play(steps)
