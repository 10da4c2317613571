"""Audit events: what was done or refused, and by which principal; ids and words, never bodies, arguments or keys.

Code that does something worth recording is given an `AuditTrail`. Every event is a log line with the label that long
retention is configured for; a deployment with an identity store also keeps it there.
"""

import getpass
from dataclasses import asdict, dataclass
from typing import Final, Protocol

import anyio

from shared.identity import Principal
from shared.telemetry import LABELS, get_logger

log = get_logger(__name__)

PATIENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One action that was done or refused. Every field is short, and safe to show to an auditor."""

    action: str
    """What was attempted: `tool_call`, `request`, `key_created`, `membership_set`, …"""
    outcome: str
    """`ok`, or the `kind` of the error it ended with."""
    tenant: str = ""
    actor: str = ""
    """`Principal.id`, `server`, or `cli:NAME` for an operator at the command line."""
    credential: str = ""
    """`Principal.credential`."""
    tool: str = ""
    object: str = ""
    """The object of the action: a ticket's id, a key's public id, a person."""
    acting_as: str = ""
    """Id of the ticket-system user that a write was recorded as."""
    request_id: str = ""
    trace: str = ""
    """Trace id of W3C's `traceparent`, or of `X-Cloud-Trace-Context`."""
    detail: str = ""
    """Further detail, for example the missing scope."""

    @classmethod
    def by(cls, principal: Principal | None, **more: str) -> "AuditEvent":
        """Return an event of `principal`, or of the actor `stdio` if there is no principal."""
        if principal is None:
            return cls(actor="stdio", **more)
        return cls(tenant=principal.tenant.id, actor=principal.id, credential=principal.credential, **more)


class AuditTrail(Protocol):
    """Records events. `LoggedAuditTrail` writes log lines; the identity store of auth/ also stores them."""

    async def record(self, event: AuditEvent) -> None:
        """Record `event`. Never raises, and never blocks its caller for more than a second."""
        ...


class LoggedAuditTrail:
    """An audit trail of log lines."""

    async def record(self, event: AuditEvent) -> None:
        """Write one log line."""
        said = {name: value for name, value in asdict(event).items() if value}
        tenant = {"tenant": event.tenant} if event.tenant else {}
        log.info("audit", **{LABELS: {"audit": "true", **tenant}}, **said)


def operator() -> str:
    """Return the actor of a command line: the operating system's user, if it has a name."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # the user of a container may have no name
        return "cli"


async def keep(trail: AuditTrail, event: AuditEvent) -> None:
    """Record `event` even if the caller is cancelled, and never raise, even if the trail breaks its contract.

    If recording fails, the event is at least logged.
    """
    try:
        with anyio.fail_after(PATIENCE_S, shield=True):
            await trail.record(event)
    except Exception:
        log.exception("audit_failed")
        await LoggedAuditTrail().record(event)
