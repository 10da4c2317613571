"""The suite can fail: every scenario is failed by a server with the fault it detects, for that very reason."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from typing import Final

import pytest
import pytest_asyncio

from sse_conformance.client import Target
from sse_conformance.scenarios import SCENARIOS, lists, paging, streams, transport
from sse_conformance.verdict import Outcome, Scenario, ScenarioResult, outcomes
from tests.processes import ROOT
from tests.sse_conformance.broken_server import Fault, broken_servers
from tests.sse_conformance.cases import CASES
from transport.dispatch import client_requests

pytestmark = pytest.mark.asyncio(loop_scope="module")

BY_NAME: Final = {one.name: one for one in SCENARIOS}
AT_ONCE: Final = 16
SILENCE_S: Final = 6.0
"""How long a scenario waits for what a broken server never sends; an unanswered ping takes 2 s."""
MOST_PAGES: Final = 12
"""Pages after which a list counts as endless."""
LOADED_MACHINE_S: Final = 20.0
LAPSES_S: Final = 0.2
NO_FAULT: Final = "none"
LOCAL: Final = "local-server-is-local"
KINDS: Final = (
    "an-answer-is-one-object",
    "tools-have-a-name-and-a-schema",
    "lists-have-an-end",
    "notifications-have-no-answer",
    "every-request-is-answered",
    "a-longer-name-is-foreign",
    "a-name-with-the-same-end-is-foreign",
    "an-opaque-origin-is-foreign",
)
"""The scenarios that find the kinds of case D21."""
DOCUMENT: Final = (ROOT / "docs" / "sessions.md").read_text("utf-8")
CANNOT_FAIL: Final = {"sigterm", "several-instances", "loss-of-the-broker"}
ANSWERS_NO_PING: Final = {
    "a-client-that-answers-no-ping-can-go-on",
    "a-client-of-a-lost-session-can-go-on",
    "another-clients-pong-finds-nothing",
}
"""The scenarios whose client lets the time for its answer to a ping lapse; others need that time."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncGenerator[str]:
    """The address of the broken servers."""
    async with broken_servers({name: case.fault for name, case in CASES.items()} | {NO_FAULT: Fault()}) as address:
        yield address


async def outcome(address: str, fault: str, scenario: Scenario, timeout_s: float) -> Outcome:
    """Return the outcome of a scenario against the server with that fault."""
    at = Target(f"{address}/{fault}/sse", {"x-api-key": "key-alice"}, {"x-api-key": "key-bob"}, timeout_s)
    [only] = [one async for one in outcomes(at, [scenario], slow=True)]
    return only


async def look(address: str, looks: Iterable[tuple[str, Scenario]], timeout_s: float) -> list[Outcome]:
    """Return the outcome of each scenario against each fault. Some at once: they wait for what never comes."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(fault: str, scenario: Scenario) -> Outcome:
        async with turn:
            return await outcome(address, fault, scenario, timeout_s)

    return await asyncio.gather(*(one(fault, scenario) for fault, scenario in looks))


@pytest.mark.long
async def test_every_fault_fails_its_scenario_and_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_HEARTBEAT_S", SILENCE_S)
    monkeypatch.setattr(paging, "_MOST_PAGES", MOST_PAGES)

    seen = await look(address, [(fault, BY_NAME[case.scenario]) for fault, case in CASES.items()], SILENCE_S)

    missed = {
        fault: (str(one.result), one.why)
        for (fault, case), one in zip(CASES.items(), seen, strict=True)
        if one.result is not ScenarioResult.FAILED or case.reason not in one.why or one.scenario.rule not in one.why
    }
    assert missed == {}


async def test_a_server_without_a_fault_passes(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for answers, recognise_s in ((True, LOADED_MACHINE_S), (False, LAPSES_S)):
        monkeypatch.setattr(client_requests, "RECOGNISE_S", recognise_s)
        some = [one for one in SCENARIOS if (one.name not in ANSWERS_NO_PING) is answers]
        seen += await look(address, [(NO_FAULT, one) for one in some], LOADED_MACHINE_S)

    assert len(seen) == len(SCENARIOS)
    assert {one.scenario.name: one.why for one in seen if one.result is ScenarioResult.FAILED} == {}
    assert {one.scenario.name for one in seen if one.result is ScenarioResult.NOT_APPLICABLE} == CANNOT_FAIL


async def test_a_list_that_is_too_slow_has_no_end(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_TIMEOUTS", 0)

    seen = await outcome(address, "tools-are-invented-for-ever", BY_NAME["lists-have-an-end"], LOADED_MACHINE_S)

    assert "it still has a nextCursor after 0 s and 1 page(s)" in seen.why


async def test_every_scenario_says_its_rule() -> None:
    assert [one.name for one in SCENARIOS if not one.rule.endswith(".")] == []


async def test_each_kind_of_broken_server_has_three_neighbours() -> None:
    found = Counter(case.scenario for case in CASES.values())

    assert {name for name in KINDS if found[name] < 1 + 3} == set()


async def test_the_document_lists_every_scenario_and_the_number_of_servers() -> None:
    rows = [f"| `{one.name}` | {one.level} | {one.source} |" for one in SCENARIOS]
    listed = [line for line in DOCUMENT.splitlines() if re.match(r"\| `[a-z0-9-]+` \| (MUST|SHOULD|promise) ", line)]

    assert [line[: len(row)] for row, line in zip(rows, listed, strict=True)] == rows
    assert f"{len(CASES)} servers with one fault each" in DOCUMENT


async def test_every_scenario_has_a_fault_that_fails_it() -> None:
    proved = {case.scenario for case in CASES.values()}

    assert BY_NAME.keys() - proved == CANNOT_FAIL | {LOCAL}


async def test_a_local_server_that_others_can_reach_fails(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "own_address", lambda: "127.0.0.1")  # this machine may have no other address

    seen = await outcome(address, NO_FAULT, BY_NAME[LOCAL], LOADED_MACHINE_S)

    assert seen.result is ScenarioResult.FAILED
    assert "Its port is open" in seen.why
