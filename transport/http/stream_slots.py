"""The answers that stay open: how many streams a principal may have, and that they end with its credential.

An answer that stays open outlives the moment in which its caller proved who it is. So one task asks for each credential
that has one here, every few seconds, whether it would still prove that, and ends its answers if not. Calls of sessions
go on: they belong to the principal, who may come for the answers with another credential.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

import anyio

from shared.errors import TicketServerError
from shared.identity import AuthProvider, Principal
from shared.periodic import periodic_task
from shared.telemetry import get_logger
from transport.sessions.stream_counts import StreamCounts

log = get_logger(__name__)

RECHECK_S: Final = 5.0
"""How often credentials are asked for. A revoked one ends its streams within this and what the provider remembers."""
ASK_S: Final = 2.0
"""How long the provider may think about one of them."""
ASKED_AT_ONCE: Final = 16


class TooManyStreamsError(TicketServerError):
    """The principal reads as many streams as it may."""

    kind = "too_many_streams"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} streams open, which is the most. Close one of them, or try again later.")


class StreamSlot:
    """One answer that may stay open. Whoever gives it leaves it, once it has ended.

    As a context manager it is for the time until then: it is left when the block fails.
    """

    __slots__ = ("_is_counted", "_of", "_owner", "cut", "principal")

    def __init__(self, of: "OpenStreams", principal: Principal) -> None:
        self._of = of
        self._is_counted = False
        self._owner = principal.key
        self.principal = principal
        self.cut: Callable[[], None] | None = None
        """Ends it, as soon as there is something to end; must not wait."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.release()

    async def reserve(self, *, is_reconnect: bool = False) -> None:
        """Count it among the streams of its principal, if there is room; twice as much for who comes again.

        Raises:
            TooManyStreamsError.
        """
        most = self._of.most * (2 if is_reconnect else 1)
        self._is_counted = await self._of.counts.try_add(self._owner, most)
        if not self._is_counted:
            raise TooManyStreamsError(self._of.most)

    def occupy(self) -> None:
        """Count it in any case: it answers a call that runs."""
        if not self._is_counted:
            self._of.counts.add(self._owner)
            self._is_counted = True

    def release(self) -> None:
        """Note that it has ended."""
        self.cut = None  # else the two would keep each other
        self._of.remove(self)
        if self._is_counted:
            self._of.counts.drop(self._owner)
            self._is_counted = False


class OpenStreams:
    """Every answer that is open here.

    Args:
        counts: counts streams.
        auth_provider: tells whether a credential is still valid.
        most: how many streams one principal may have.
        recheck_s: seconds between two looks at the same credential.
    """

    def __init__(
        self, counts: StreamCounts, auth_provider: AuthProvider, *, most: int, recheck_s: float = RECHECK_S
    ) -> None:
        self.counts = counts
        self.most = most
        self._auth_provider = auth_provider
        self._recheck_s = recheck_s
        self._open: dict[Principal, set[StreamSlot]] = {}
        """By what their credential proved then: a role that changed ends the answers from before, and no others."""

    def new_slot(self, principal: Principal) -> StreamSlot:
        """Return a new answer, which has to be left."""
        slot = StreamSlot(self, principal)
        self._open.setdefault(principal, set()).add(slot)
        return slot

    def remove(self, slot: StreamSlot) -> None:
        """Forget an answer."""
        slots = self._open.get(slot.principal)
        if slots is not None:
            slots.discard(slot)
            if not slots:
                del self._open[slot.principal]

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Look at the credentials again and again, until left."""
        async with periodic_task(self.recheck, name="recheck_credentials", every_s=self._recheck_s):
            yield

    async def recheck(self) -> None:
        """End the answers of every credential that is not valid any more."""
        few = anyio.CapacityLimiter(ASKED_AT_ONCE)

        async def ask(principal: Principal) -> None:
            async with few:
                if principal in self._open and not await self._is_valid(principal):
                    self._cut(principal)

        async with anyio.create_task_group() as tasks:
            for principal in list(self._open):
                tasks.start_soon(ask, principal)

    async def _is_valid(self, principal: Principal) -> bool:
        """Return what the provider says; while it cannot tell, nothing changes."""
        try:
            async with asyncio.timeout(ASK_S):
                return await self._auth_provider.is_still_valid(principal)
        except Exception as error:  # noqa: BLE001 - whatever went wrong there, streams must neither end nor stay unwatched
            log.warning("credential_not_checked", error=type(error).__name__)
            return True

    def _cut(self, principal: Principal) -> None:
        slots = list(self._open.get(principal, ()))
        who = {"tenant": principal.tenant.id, "principal": principal.id, "credential": principal.credential}
        log.info("credential_ended", **who, answers=len(slots))
        for slot in slots:
            if slot.cut is not None:
                slot.cut()
