"""Streams that stay open end with the credential that they were opened with.

A stream outlives the moment in which its caller proved who it is. So one task asks for each credential that has a
stream here, every few seconds, whether it would still prove that, and ends its streams if not. Calls of sessions go
on: they belong to the principal, who may fetch their responses with another credential.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from shared.identity import AuthProvider, Principal
from shared.periodic import periodic_task
from shared.telemetry import get_logger
from transport.http.event_stream import OpenStreams

log = get_logger(__name__)

RECHECK_S: Final = 5.0
"""How often credentials are checked. A revoked one ends its streams within this and what the provider remembers."""
CHECK_S: Final = 2.0
"""How long the provider may take for one of them."""
CHECKED_AT_ONCE: Final = 16


class CredentialRecheck:
    """Checks the credentials of open streams again and again.

    Args:
        streams: those that are open here.
        auth_provider: checks whether a credential is still valid.
        recheck_s: seconds between two checks of the same credential.
    """

    def __init__(self, streams: OpenStreams, auth_provider: AuthProvider, *, recheck_s: float = RECHECK_S) -> None:
        self._streams = streams
        self._auth_provider = auth_provider
        self._recheck_s = recheck_s

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Check until left."""
        async with periodic_task(self.check, name="recheck_credentials", every_s=self._recheck_s):
            yield

    async def check(self) -> None:
        """End the streams of every credential that is not valid any more."""
        few = anyio.CapacityLimiter(CHECKED_AT_ONCE)

        async def check_one(principal: Principal) -> None:
            async with few:
                if self._streams.of(principal) and not await self._is_valid(principal):
                    self._cut(principal)

        async with anyio.create_task_group() as tasks:
            for principal in self._streams.principals():
                tasks.start_soon(check_one, principal)

    async def _is_valid(self, principal: Principal) -> bool:
        """Return what the provider says; while it cannot tell, nothing changes."""
        try:
            async with asyncio.timeout(CHECK_S):
                return await self._auth_provider.is_still_valid(principal)
        except Exception as error:  # noqa: BLE001 - whatever went wrong there, streams must neither end nor stay unwatched
            log.warning("credential_not_checked", error=type(error).__name__)
            return True

    def _cut(self, principal: Principal) -> None:
        slots = self._streams.of(principal)
        who = {"tenant": principal.tenant.id, "principal": principal.id, "credential": principal.credential}
        log.info("credential_ended", **who, answers=len(slots))
        for slot in slots:
            if slot.cut is not None:
                slot.cut()
