"""A repeat while the first call runs, after it failed, and when its outcome is not known."""

import asyncio
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from shared.api_client import DEADLINE_S
from shared.counting import TallyCounter
from shared.writes import repeats
from shared.writes.earlier_writes import searchable
from shared.writes.outcome import LOOK_S
from shared.writes.recent_writes import LEASE_S, Earlier, MemoryRecentWrites, Write
from tests.kills import kills
from tests.shared.given import (
    TICKET,
    Act,
    World,
    does_it_but_drops,
    does_it_but_responds,
    drops,
    hangs,
    refuses,
    responses,
    world,
)
from tests.shared.repeated import COMMENT, FAILED, FULL, HISTORY_PATH, Clock, comments, tickets, tools_of
from tests.transport.serving import until


@pytest.fixture
def here(either: World) -> World:
    return either


# --------------------------------------------------------------------- while the first runs, or failed


async def test_three_at_once_are_one(here: World) -> None:
    for call in (("create_ticket", TICKET), ("add_ticket_history", COMMENT)):
        done = await asyncio.gather(*(here.done(call[0], **call[1]) for _ in range(3)))
        assert ["already" in one for one in done].count(False) == 1

    assert (await tickets(here), await comments(here)) == (1, 1)


class Held:
    """Holds a request until it is released; then runs `act`."""

    def __init__(self, here: World, path: str, act: Act | None = None) -> None:
        self.came, self.go = asyncio.Event(), asyncio.Event()

        async def hold(inner: Any, request: Any) -> Any:
            self.came.set()
            await self.go.wait()
            return await (act(inner, request) if act else inner.handle_async_request(request))

        here.wire.when("POST", path, hold)


async def test_the_second_waits_for_the_first_and_runs_when_that_changed_nothing(here: World) -> None:
    held = Held(here, "/tickets", refuses)
    first = asyncio.create_task(here.refused("create_ticket", **TICKET))
    await held.came.wait()
    second = asyncio.create_task(here.done("create_ticket", **TICKET))
    await asyncio.wait([second], timeout=0.2)
    assert len(here.wire.writes()) == 1
    held.go.set()

    _, error = await first
    assert error["effect"] == "nothing_changed"
    assert "already" not in await second
    assert await tickets(here) == 1


async def test_what_runs_for_too_long_is_said_and_nothing_was_changed(here: World, clock: Clock) -> None:
    here.tools = tools_of(here, MemoryRecentWrites(clock), wait_s=0.1)
    held = Held(here, HISTORY_PATH)
    first = asyncio.create_task(here.done("add_ticket_history", **COMMENT))
    await held.came.wait()

    text, error = await here.refused("add_ticket_history", **COMMENT)

    assert error == {"kind": "still_running", "effect": "nothing_changed"}
    assert text == (
        "An equal call has been running for 0 s. Nothing was changed by this one; repeat it in a moment to see what "
        "the first did."
    )
    held.go.set()
    await first


async def test_a_repeat_waits_longer_than_any_first_can_run() -> None:
    assert repeats.WAIT_S > LEASE_S > DEADLINE_S + LOOK_S + repeats.SETTLE_S


# --------------------------------------------------------------------- after doubt


@kills("shared/writes/repeats.py", "found = await self._find(trace, earlier, age_s)", 'found = ""')
@pytest.mark.parametrize("act", [does_it_but_drops, does_it_but_responds(500, FAILED)])
async def test_a_ticket_whose_creation_was_not_confirmed_is_found_and_not_made_again(here: World, act: Act) -> None:
    for call in (TICKET, FULL, TICKET | {"summary": "%"}, TICKET | {"summary": "画面がつかない"}):
        here.wire.when("POST", "/tickets", act)
        _, error = await here.refused("create_ticket", **call)
        assert error["effect"] == "unknown"

        decomposed = call | {"summary": unicodedata.normalize("NFD", call["summary"])}
        again = [await here.done("create_ticket", **decomposed) for _ in range(2)]

        said = rf"Already created \d s ago as {again[0]['ticketId']}"
        assert re.match(f"{said}, as far as can be seen", again[0]["already"])
        assert re.fullmatch(f"{said}; allowDuplicate: true makes another.", again[1]["already"])
        assert await tickets(here, call["summary"]) == 1


@pytest.mark.parametrize(
    ("act", "may_come_late"),
    [(drops, True), (responses(500, FAILED), False), (responses(504, {"error": "gateway"}), True)],
)
async def test_a_ticket_that_was_not_made_is_made_by_the_repeat(here: World, act: Act, may_come_late: bool) -> None:
    here.wire.when("POST", "/tickets", act)
    await here.refused("create_ticket", **TICKET)

    again = await here.done("create_ticket", **TICKET)

    assert "already" not in again
    late = "if the ticket API still executes it, there are two" in again["notes"][-1]
    assert late is may_come_late
    assert await tickets(here) == 1


@kills("shared/writes/earlier_writes.py", "return bool(meaning(held) == meaning(", "return bool(held or meaning(")
async def test_a_ticket_that_looks_alike_is_not_taken_for_the_doubtful_one(here: World) -> None:
    others = ({"description": "Another."}, {"requestorId": "user5"}, {"accountId": "acc2"}, {"remarks": "More"})
    for other in others:
        await here.done("create_ticket", **TICKET | other)
    here.wire.when("POST", "/tickets", responses(500, FAILED))
    await here.refused("create_ticket", **TICKET)

    assert "already" not in await here.done("create_ticket", **TICKET)


@kills("shared/writes/repeats.py", "found = await trace.find(earlier)", 'found = ""')
async def test_a_ticket_that_cannot_be_looked_for_is_not_made(here: World) -> None:
    here.wire.when("POST", "/tickets", does_it_but_drops)
    await here.refused("create_ticket", **TICKET)
    here.wire.when("GET", "/tickets", responses(500, FAILED))

    text, error = await here.refused("create_ticket", **TICKET)

    assert error == {"kind": "upstream_unavailable", "effect": "nothing_changed"}
    assert re.fullmatch(
        r"An equal call \d s ago ended without a response, and its outcome cannot be read now. Nothing was "
        r"changed by this one; repeat it in a moment.",
        text,
    )
    assert len(here.wire.writes()) == 1
    assert "already" in await here.done("create_ticket", **TICKET)
    assert await tickets(here) == 1


@kills("shared/writes/repeats.py", "earlier.state is State.UNPROVED or age_s() >= self._quiet_s", "True")
async def test_what_comes_in_late_is_found_before_the_quiet_is_over(here: World, clock: Clock) -> None:
    here.tools = tools_of(here, MemoryRecentWrites(clock), quiet_s=30)
    here.wire.when("POST", "/tickets", drops)
    await here.refused("create_ticket", **TICKET)

    async def comes_in_after(inner: Any, request: Any) -> Any:
        response = await inner.handle_async_request(request)
        await here.api.post("/tickets", TICKET)
        return response

    here.wire.when("GET", "/tickets", comes_in_after)
    again = await here.done("create_ticket", **TICKET)

    assert "already" in again
    assert await tickets(here) == 1


async def test_a_comment_that_was_not_confirmed_is_found_in_the_history_and_an_older_one_is_not_it(
    here: World, clock: Clock
) -> None:
    await here.done("add_ticket_history", **COMMENT)
    clock.now += 3600  # the same comment was also made an hour ago
    here.wire.when("POST", HISTORY_PATH, drops)
    await here.refused("add_ticket_history", **COMMENT)
    assert await comments(here) == 1
    assert "already" not in await here.done("add_ticket_history", **COMMENT)
    assert await comments(here) == 2

    clock.now += 3600

    async def does_it_and_goes_down(inner: Any, request: Any) -> Any:
        here.wire.when("GET", HISTORY_PATH, refuses)
        here.wire.when("GET", HISTORY_PATH, refuses)
        here.wire.when("GET", HISTORY_PATH, refuses)
        return await does_it_but_drops(inner, request)

    here.wire.when("POST", HISTORY_PATH, does_it_and_goes_down)
    await here.refused("add_ticket_history", **COMMENT)
    again = await here.done("add_ticket_history", **COMMENT)

    assert re.match(r"Already added \d s ago to TCK-0001, as far as can be seen", again["already"])
    assert await comments(here) == 3


@kills("shared/writes/repeats.py", "state: State | None = State.UNANSWERED  #", "state: State | None = None  #")
async def test_a_call_that_was_cancelled_is_looked_at_before_it_is_repeated(here: World) -> None:
    stored = asyncio.Event()

    async def does_it_and_hangs(inner: Any, request: Any) -> Any:
        await inner.handle_async_request(request)
        stored.set()
        return await hangs(inner, request)

    here.wire.when("POST", "/tickets", does_it_and_hangs)
    async with Client(here.server) as client:
        first = asyncio.create_task(client.call_tool("create_ticket", TICKET))
        await stored.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    assert "already" in await here.done("create_ticket", **TICKET)
    assert await tickets(here) == 1


async def test_who_is_cancelled_while_claiming_holds_nothing_up(here: World, clock: Clock) -> None:
    """A claim that a remote store has recorded, but without a response so far, is released too."""
    claimed = asyncio.Event()

    class Slow(MemoryRecentWrites):
        async def claim(self, write: Write, token: str) -> Earlier | None:
            await super().claim(write, token)
            claimed.set()
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    writes, quick = Slow(clock), MemoryRecentWrites(clock)
    here.tools = tools_of(here, writes)
    async with Client(here.server) as client:
        call = asyncio.create_task(client.call_tool("create_ticket", TICKET))
        await claimed.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await until(lambda: not writes._owners.get(repeats._LOCAL))
    quick._owners = writes._owners

    other = replace(here, tools=tools_of(here, quick), counter=TallyCounter())
    assert "already" not in await other.done("create_ticket", **TICKET)


async def test_a_ticket_stored_otherwise_is_not_made_again(here: World) -> None:
    async def stores_other_words(_: Any, request: Any) -> Any:
        response = await here.api.post("/tickets", TICKET | {"description": "Other words"})
        return await responses(201, response)(_, request)

    here.wire.when("POST", "/tickets", stores_other_words)
    _, error = await here.refused("create_ticket", **TICKET)
    assert error["effect"] == "changed"

    again = await here.done("create_ticket", **TICKET)

    assert again["notes"] == ["Not as given: description is Other words."]
    assert await tickets(here) == 1


@kills("shared/writes/repeats.py", "attempt = WriteAttempt(earlier.upstream)", "attempt = WriteAttempt(write.upstream)")
async def test_the_reference_api_does_a_doubtful_write_once_even_when_both_arrive(tmp_path: Path, clock: Clock) -> None:
    """The repeat uses the key of the first, so that a late first one is the same request."""
    async with world("reference", tmp_path) as here:
        here.tools = tools_of(here, MemoryRecentWrites(clock))
        late: list[Any] = []

        async def is_slow(inner: Any, request: Any) -> Any:
            late.append((inner, request))
            return await drops(inner, request)

        here.wire.when("POST", "/tickets", is_slow)
        await here.refused("create_ticket", **TICKET)
        await here.done("create_ticket", **TICKET)
        await late[0][0].handle_async_request(late[0][1])

        assert await tickets(here) == 1


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("VPN login fails", "VPN login fails"),
        (r"C:\temp is 100% full", "temp is 100"),
        ("see_log_file.txt", "file.txt"),
        ("Café door", "door"),
        ("%", ""),
    ],
)
def test_a_ticket_is_searched_for_by_what_every_api_finds(text: str, piece: str) -> None:
    """A backslash escapes in the existing API, where `%` and `_` match any characters."""
    assert searchable(text) == piece
