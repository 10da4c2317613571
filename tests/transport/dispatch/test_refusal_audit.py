"""Refusals are recorded, each kind to each principal once a minute at most, and what came between is counted."""

from shared.json_rpc import JSONRPCRequest
from shared.throttled_audit import ThrottledAuditTrail
from tests.transport.people import Trail, person
from transport.dispatch.refusal_audit import record_refusal

TRACE = {"traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"}
ME, YOU, THEM = person("me"), person("you", "you"), person("me", tenant="acme")


def asked(tool: str = "echo", method: str = "tools/call") -> JSONRPCRequest:
    return JSONRPCRequest(id=1, method=method, params={"name": tool})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_principals_kinds_and_the_tools_that_need_more_are_told_apart() -> None:
    trail = Trail()
    refusals = ThrottledAuditTrail(trail, clock=Clock())
    for principal in (ME, YOU, THEM):
        await record_refusal(refusals, principal, "too_many_sessions", {}, detail="/sse")
        for tool in ("a", "b"):
            await record_refusal(refusals, principal, "rate_limited", {}, request=asked(tool))
            await record_refusal(refusals, principal, "insufficient_scope", {}, request=asked(tool))
    assert len(trail.events) == 3 * (1 + 1 + 2)
    assert {(one.tenant, one.actor) for one in trail.events} == {("default", "me"), ("default", "you"), ("acme", "me")}


async def test_an_entry_has_what_is_known_of_its_request_and_no_more_than_fits() -> None:
    trail = Trail()
    refusals = ThrottledAuditTrail(trail, clock=Clock())
    await record_refusal(refusals, ME, "rate_limited", TRACE, request=asked("x" * 5000))
    await record_refusal(refusals, YOU, "rate_limited", {}, request=asked(method="resources/list"))
    one, other = trail.events
    assert (one.action, len(one.tool), one.trace, one.request_id) == ("tool_call", 100, "a1" * 16, "1")
    assert (other.action, other.tool, other.trace) == ("request", "", "")


async def test_what_was_counted_is_recorded_at_the_end() -> None:
    trail = Trail()
    refusals = ThrottledAuditTrail(trail, clock=Clock())
    async with refusals.run():
        for _ in range(3):
            await record_refusal(refusals, ME, "rate_limited", {})
    assert [one.detail for one in trail.events] == ["", "2 times"]


async def test_without_a_trail_nothing_is_recorded() -> None:
    refusals = ThrottledAuditTrail(None)
    async with refusals.run():
        await record_refusal(refusals, ME, "rate_limited", {})
