"""What a command on the data of one tenant works with, and how it speaks to the person who typed it."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from shared.audit import AuditEvent, LoggedAuditTrail, keep, operator
from shared.storage.database import DatabaseBusyError
from ticket_api.errors import ApiError
from ticket_api.renames import finish_renames
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import TenantDatabase

T = TypeVar("T")


class DryRunError(Exception):
    """Rolls a transaction back that was only tried."""


@dataclass(frozen=True, slots=True)
class Session:
    """An open database, and the tenant that a command is for."""

    tenants: TenantDatabase
    tenant: str
    clock: Callable[[], datetime]

    async def read(self, work: Callable[[TenantConnection], T]) -> T:
        """Return what `work` reads. Raises: DatabaseBusyError."""
        return await self.tenants.read(self.tenant, work)

    async def write(self, work: Callable[[TenantConnection], T], *, dry_run: bool) -> T:
        """Return the result of `work`; nothing of it is kept in a dry run. Raises: ApiError, DatabaseBusyError."""
        tried: list[T] = []

        def attempt(db: TenantConnection) -> T:
            tried[:] = [work(db)]
            if dry_run:
                raise DryRunError
            return tried[0]

        try:
            return await self.tenants.write(self.tenant, attempt)
        except DryRunError:
            self.tell("Dry run: nothing was changed.")
            return tried[0]

    async def audit(self, action: str, what: str, detail: str = "") -> None:
        """Write an audit line: `action` was done to `what`, for example `users/user9`."""
        done = {"action": action, "object": what, "detail": detail}
        await keep(LoggedAuditTrail(), AuditEvent(outcome="ok", tenant=self.tenant, actor=operator(), **done))

    async def finish_renames(self) -> None:
        """Index the tickets of names that were changed. What fails here is done by the next server or command."""
        with suppress(DatabaseBusyError):
            await finish_renames(self.tenants, self.tenant)

    def tell(self, sentence: str) -> None:
        """Say something beside the result."""
        print(sentence, file=sys.stderr)  # noqa: T201 - for the person who typed it

    def show(self, line: str) -> None:
        """Output a line of the result."""
        print(line)  # noqa: T201 - asked for


Command = Callable[[Session, argparse.Namespace], Awaitable[int]]
"""Carries a command line out and returns the exit code. Raises: ApiError and what the command says."""


def explained(error: ApiError) -> str:
    """Return a refusal as one sentence for a terminal, with the allowed values."""
    allowed = f" (allowed: {', '.join(error.allowed)})" if error.allowed else ""
    return f"{error}{allowed}"
