"""Records of calls: writes and refusals in the audit trail, ids in the log, tenants in the metrics."""

from dataclasses import replace
from typing import Any, Final

import anyio
import pytest

from shared.audit import AuditEvent
from shared.counting import MAX_TENANTS, OTHER
from shared.identity import SCOPES_OF, Principal, Role, Tenant
from shared.mcp_tools.catalog import TOOLS
from shared.telemetry import LogContext
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.shared.given import TICKET, Recorder, World, drops, hangs

AGENT: Final = Principal(
    "person-1",
    Tenant("acme"),
    scopes=SCOPES_OF[Role.AGENT],
    role=Role.AGENT,
    credential="key-1",
    ticket_user="user3",
)
ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "create_ticket": TICKET,
    "update_ticket": {"ticketId": "TCK-0001", "comment": "confidential"},
    "add_ticket_history": {"ticketId": "TCK-0001", "comment": "confidential"},
    "update_tickets": {"ticketIds": ["TCK-0001"], "change": {"comment": "confidential"}},
}
WRITES: Final = [spec.name for spec in TOOLS if not spec.read_only]


@pytest.fixture
def here(existing: World) -> World:
    existing.principal = AGENT
    return existing


def recorded(here: World) -> AuditEvent:
    """Return the only event."""
    assert isinstance(here.trail, Recorder)
    (event,) = here.trail.events
    assert "confidential" not in str(event)
    return event


@kills("shared/mcp_tools/call_log.py", "if lacks is not None or not spec.read_only:", "if lacks is not None:")
@pytest.mark.parametrize("tool", WRITES)
async def test_a_write_is_recorded_with_who_did_what_to_which_ticket_as_whom(here: World, tool: str) -> None:
    here.headers = {"x-cloud-trace-context": f"{'ab' * 16}/1;o=1"}

    done = await here.done(tool, **ARGUMENTS[tool])

    event = recorded(here)
    assert (event.actor, event.credential, event.tenant) == ("person-1", "key-1", "acme")
    assert (event.action, event.tool, event.outcome) == ("tool_call", tool, "ok")
    assert event.object == done.get("ticketId", "")
    assert event.acting_as == done.get("recordedAs", {"id": ""})["id"]
    assert event.trace == "ab" * 16
    assert event.request_id


@pytest.mark.parametrize("tool", WRITES)
async def test_a_write_over_stdio_is_recorded_too(existing: World, tool: str) -> None:
    await existing.call(tool, **ARGUMENTS[tool])

    event = recorded(existing)
    assert (event.actor, event.tenant, event.trace) == ("stdio", "", "")


@pytest.mark.parametrize("tool", [spec.name for spec in TOOLS if spec.read_only])
async def test_a_read_is_not_recorded(here: World, tool: str) -> None:
    await here.call(tool, ticketId="TCK-0001")

    assert isinstance(here.trail, Recorder)
    assert here.trail.events == []


async def test_a_write_whose_outcome_is_unknown_is_recorded_as_that(here: World) -> None:
    here.wire.when("POST", "/tickets/TCK-0001/history", drops)

    await here.refused("add_ticket_history", **ARGUMENTS["add_ticket_history"])

    event = recorded(here)
    assert (event.outcome, event.acting_as, event.object) == ("outcome_unknown", "user3", "TCK-0001")


async def test_a_ticket_that_was_created_is_recorded_though_it_cannot_be_read_back(here: World) -> None:
    here.wire.when("GET", "/tickets/TCK-[0-9]+", drops, always=True)

    await here.refused("create_ticket", **TICKET)

    assert recorded(here).object == "TCK-0029"


async def test_acting_as_someone_else_is_recorded_as_a_refusal(here: World) -> None:
    await here.refused("update_ticket", **ARGUMENTS["update_ticket"], updatedById="user1")

    event = recorded(here)
    assert (event.outcome, event.detail, event.acting_as) == ("insufficient_scope", "tickets:admin", "")


async def test_a_write_that_is_given_up_is_recorded_as_cancelled(here: World) -> None:
    with anyio.CancelScope() as scope:

        async def hangs_and_is_given_up(inner: Any, request: Any) -> Any:
            scope.cancel()
            return await hangs(inner, request)

        here.wire.when("POST", "/tickets/TCK-0001/history", hangs_and_is_given_up)
        await here.call("add_ticket_history", **ARGUMENTS["add_ticket_history"])

    assert recorded(here).outcome == "cancelled"


@pytest.mark.parametrize("given", ["confidential prose", "x" * 51, ["TCK-0001", "TCK-0002"], "TCK\n", None])
async def test_only_what_looks_like_an_id_is_recorded_as_one(here: World, given: object) -> None:
    await here.refused("update_ticket", ticketId=given)

    assert recorded(here).object == ""


class Broken(Recorder):
    async def record(self, event: AuditEvent) -> None:
        raise OSError("the disk is full")


async def test_a_trail_that_fails_changes_no_result_and_leaves_a_log_line(here: World) -> None:
    here.trail = Broken()
    with capture_logs() as logs:
        await here.done("update_ticket", **ARGUMENTS["update_ticket"])

    assert {"audit_failed", "audit"} <= {line["message"] for line in logs}


async def test_the_log_line_of_a_call_names_tenant_and_principal(here: World) -> None:
    with capture_logs() as logs:
        await here.done("get_statuses")

    (line,) = [one for one in logs if one["message"] == "tool_call_finished"]
    assert (line["tenant"], line["principal"]) == ("acme", "person-1")
    assert line["duration_ms"] >= 0


async def test_a_transport_that_logs_each_request_gets_fields_in_place_of_a_second_line(here: World) -> None:
    with capture_logs() as logs, LogContext() as line:
        await here.refused("get_ticket_detail")

    assert logs == []
    assert line.fields == {"tool": "get_ticket_detail", "outcome": "invalid_input"}


async def test_stats_name_the_first_hundred_tenants_and_call_the_rest_other(here: World) -> None:
    for number in range(MAX_TENANTS + 2):
        here.principal = replace(AGENT, tenant=Tenant(f"tenant-{number}"))
        await here.done("get_statuses")
    here.principal = replace(AGENT, tenant=Tenant("tenant-0"))
    await here.done("get_statuses")

    assert here.counter.total("tool_calls", tenant="tenant-0") == 2
    assert here.counter.total("tool_calls", tenant=f"tenant-{MAX_TENANTS - 1}") == 1
    assert here.counter.total("tool_calls", tenant=f"tenant-{MAX_TENANTS}") == 0
    assert here.counter.total("tool_calls", tenant=OTHER) == 2
