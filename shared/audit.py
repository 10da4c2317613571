"""The record of what was done, by whom, and what was refused: ids and words, never bodies, arguments or keys.

Whoever does something worth recording is handed an `AuditTrail`. Every event is a log line with the label that long
retention is set on; a deployment with an identity store keeps it there as well.
"""

from dataclasses import asdict, dataclass
from typing import Final, Protocol

import anyio

from shared.identity import Principal
from shared.telemetry import get_logger

log = get_logger(__name__)

PATIENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that was done or refused. Every field is short, and safe to show to an auditor."""

    action: str
    """What was tried: `tool_call`, `request`, `key_created`, `membership_set`, …"""
    outcome: str
    """`ok`, or the `kind` of the error that it ended with."""
    tenant: str = ""
    actor: str = ""
    """`Principal.id`, `server`, or `cli:NAME` for an operator at the command line."""
    credential: str = ""
    """`Principal.credential`."""
    tool: str = ""
    object: str = ""
    """What it was done to: a ticket's id, a key's public id, a person."""
    acting_as: str = ""
    """Id of the user of the ticket system as whom a write was recorded there."""
    request_id: str = ""
    trace: str = ""
    """Trace id of W3C's `traceparent`, or of `X-Cloud-Trace-Context`."""
    detail: str = ""
    """One more word, for example the missing scope."""

    @classmethod
    def by(cls, principal: Principal | None, **more: str) -> "AuditEvent":
        """Return an event of `principal`; of nobody in particular over STDIO."""
        if principal is None:
            return cls(actor="stdio", **more)
        return cls(tenant=principal.tenant.id, actor=principal.id, credential=principal.credential, **more)


class AuditTrail(Protocol):
    """Takes events. `LoggedAuditTrail` writes log lines, the identity store of auth/ keeps them as well."""

    async def record(self, event: AuditEvent) -> None:
        """Record `event`. Never raises, and never keeps its caller for longer than a second."""
        ...


class LoggedAuditTrail:
    """An audit trail of log lines."""

    async def record(self, event: AuditEvent) -> None:
        """Write one log line."""
        said = {name: value for name, value in asdict(event).items() if value}
        log.info("audit", labels={"audit": "true"}, **said)


async def keep(trail: AuditTrail, event: AuditEvent) -> None:
    """Record what has happened, though its caller gave up meanwhile; a trail that breaks its promises changes nothing.

    What could not be kept is a log line at least.
    """
    try:
        with anyio.fail_after(PATIENCE_S, shield=True):
            await trail.record(event)
    except Exception:
        log.exception("audit_failed")
        await LoggedAuditTrail().record(event)
