"""The audit trail of log lines, and the promise that no trail delays or changes what it records."""

import anyio
import anyio.lowlevel
import pytest

from shared import audit
from shared.audit import AuditEvent, LoggedAuditTrail, keep
from shared.identity import Principal, Tenant
from shared.telemetry import LABELS
from tests.captured_logs import capture_logs

EVENT = AuditEvent.by(Principal("person-1", Tenant("acme"), credential="key-1"), action="tool_call", outcome="ok")


async def test_an_event_is_a_log_line_with_the_label_of_long_retention_and_what_is_known() -> None:
    with capture_logs() as logs:
        await LoggedAuditTrail().record(EVENT)

    assert logs == [
        {
            "message": "audit",
            "severity": "INFO",
            LABELS: {"audit": "true", "tenant": "acme"},
            "action": "tool_call",
            "outcome": "ok",
            "tenant": "acme",
            "actor": "person-1",
            "credential": "key-1",
        }
    ]


def test_over_stdio_the_actor_is_the_person_at_this_machine() -> None:
    assert AuditEvent.by(None, action="tool_call", outcome="ok").actor == "stdio"


class Stuck:
    """A trail that takes too long."""

    async def record(self, event: AuditEvent) -> None:
        """Wait."""
        await anyio.sleep(2)


async def test_a_trail_that_hangs_is_left_and_the_event_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PATIENCE_S", 0.01)
    with capture_logs() as logs:
        await keep(Stuck(), EVENT)

    assert [line["message"] for line in logs] == ["audit_failed", "audit"]


async def test_what_was_given_up_is_recorded_all_the_same() -> None:
    kept: list[AuditEvent] = []

    class Slow:
        async def record(self, event: AuditEvent) -> None:
            await anyio.lowlevel.checkpoint()
            kept.append(event)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await keep(Slow(), EVENT)

    assert kept == [EVENT]
