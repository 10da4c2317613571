"""Refusals are recorded, each kind to each principal once a minute at most, and what came between is counted."""

from typing import Any

from mcp_types import JSONRPCRequest

from tests.transport.people import Trail, person
from transport import audited
from transport.audited import RefusalTrail

TRACE = {"traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"}
ME, YOU, THEM = person("me"), person("you", "you"), person("me", tenant="acme")


def asked(tool: str = "echo", method: str = "tools/call") -> JSONRPCRequest:
    return JSONRPCRequest(jsonrpc="2.0", id=1, method=method, params={"name": tool})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_flood_is_one_entry_a_minute_with_its_count() -> None:
    trail, clock = Trail(), Clock()
    refusals = RefusalTrail(trail, clock=clock)
    for _ in range(500):
        await refusals.refused(ME, "rate_limited", TRACE, request=asked(), detail="principal read")
    await refusals.sweep()
    assert [one.detail for one in trail.events] == ["principal read"]
    clock.now = 60
    await refusals.sweep()
    for _ in range(2):
        await refusals.refused(ME, "rate_limited", {}, request=asked("other"), detail="tenant read")
    await refusals.sweep()
    assert [one.detail for one in trail.events] == ["principal read", "principal read, 499 times"]
    clock.now = 120
    await refusals.sweep()
    assert (trail.events[-1].detail, trail.events[-1].tool) == ("tenant read, 2 times", "other")
    clock.now = 180
    await refusals.sweep()
    await refusals.refused(ME, "rate_limited", {})
    assert len(trail.events) == 4, "after a quiet minute the next one is recorded at once"


async def test_principals_kinds_and_the_tools_that_need_more_are_told_apart() -> None:
    trail = Trail()
    refusals = RefusalTrail(trail, clock=Clock())
    for principal in (ME, YOU, THEM):
        await refusals.refused(principal, "too_many_sessions", {}, detail="/sse")
        for tool in ("a", "b"):
            await refusals.refused(principal, "rate_limited", {}, request=asked(tool))
            await refusals.refused(principal, "insufficient_scope", {}, request=asked(tool))
    assert len(trail.events) == 3 * (1 + 1 + 2)
    assert {(one.tenant, one.actor) for one in trail.events} == {("default", "me"), ("default", "you"), ("acme", "me")}


async def test_an_entry_has_what_is_known_of_its_request_and_no_more_than_fits() -> None:
    trail = Trail()
    refusals = RefusalTrail(trail, clock=Clock())
    await refusals.refused(ME, "rate_limited", TRACE, request=asked("x" * 5000))
    await refusals.refused(YOU, "rate_limited", {}, request=asked(method="resources/list"))
    one, other = trail.events
    assert (one.action, len(one.tool), one.trace, one.request_id) == ("tool_call", 100, "a1" * 16, "1")
    assert (other.action, other.tool, other.trace) == ("request", "", "")


async def test_what_was_counted_is_recorded_at_the_end() -> None:
    trail = Trail()
    async with RefusalTrail(trail, clock=Clock()).run():
        pass
    refusals = RefusalTrail(trail, clock=Clock())
    async with refusals.run():
        for _ in range(3):
            await refusals.refused(ME, "rate_limited", {})
    assert [one.detail for one in trail.events] == ["", "2 times"]


async def test_what_is_remembered_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(audited, "KEPT", 2)
    refusals = RefusalTrail(Trail(), clock=Clock())
    for kind in ("a", "b", "c"):
        await refusals.refused(ME, kind, {})
    assert [key[2] for key in refusals._lately] == ["b", "c"]
    for kind in ("a", "b"):
        await RefusalTrail(None).refused(ME, kind, {})
