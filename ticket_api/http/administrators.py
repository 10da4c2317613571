"""Who may change master data and import tickets, and the audit line of each such write."""

from typing import Annotated

from fastapi import Depends, Request

from shared.audit import AuditEvent, keep
from shared.command_lines import command_line
from ticket_api.errors import ApiForbiddenError
from ticket_api.keys import Caller

NEEDS_ADMIN_KEY = "needs_admin_key"
"""The kind of the refusal of every other key."""


async def _administrator(request: Request) -> Caller:
    """Return the caller. Raises: ForbiddenError: its key may not administer; this is audited."""
    caller: Caller = request.state.caller
    if not caller.may_administer:
        await record(request, f"{request.method} {request.scope['path']}", outcome=NEEDS_ADMIN_KEY)
        raise ApiForbiddenError(
            "This key may not change master data or import tickets. Nothing was changed; the operator makes a key that "
            f"may: {command_line('ticket_api')} tenant new-key {caller.tenant} --admin",
            kind=NEEDS_ADMIN_KEY,
        )
    return caller


Administrator = Annotated[Caller, Depends(_administrator)]
"""The caller of a route that only a key may use which may administer."""


async def record(request: Request, what: str, *, action: str = "administration", outcome: str = "ok") -> None:
    """Write an audit line: `action` was done to `what`, for example `users/user9`."""
    caller: Caller = request.state.caller
    actor = "ticket-api-key" if caller.credential else "anonymous"
    who = {"tenant": caller.tenant, "actor": actor, "credential": caller.credential}
    event = AuditEvent(action=action, outcome=outcome, object=what[:200], **who)
    await keep(request.app.state.trail, event)
