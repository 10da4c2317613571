"""Shared by the tests of repeated writes: calls, a clock, tools with a memory of writes, and what was written."""

from typing import Any, Final

from shared.tools import TicketTools
from shared.writes.recent_writes import RecentWrites
from tests.shared.given import TICKET, World, at_now

COMMENT: Final = {"ticketId": "TCK-0001", "userId": "user1", "comment": "Called back; waits for parts."}
FILES: Final = [
    {"fileName": name, "fileUrl": f"https://files.example/{name}"} for name in ("a.png", "b.png")
]  # fmt: skip
FULL: Final[dict[str, Any]] = TICKET | {
    "summary": "Café door: C:\\temp is 100% full, see_log",
    "description": "First line\nSecond line",
    "externalTicketId": "4711",
    "actualEffortHours": 3,
    "remarks": "",
}
HISTORY_PATH: Final = "/tickets/TCK-0001/history"
FAILED: Final = {"error": "An error occurred while creating ticket"}


class Clock:
    """A clock that advances only when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def tools_of(here: World, writes: RecentWrites, *, quiet_s: float = 0.0, wait_s: float = 30.0) -> TicketTools:
    """Return the tools of another instance, which shares the memory of writes."""
    tools = TicketTools(here.api, counter=here.counter, recent_writes=writes, clock=at_now)
    tools._repeats._quiet_s, tools._repeats._wait_s = quiet_s, wait_s  # the one that each of the tools has
    return tools


async def tickets(here: World, summary: str = "Screen stays dark") -> int:
    """Return the number of tickets with `summary` in the ticket API."""
    rows = await here.api.get("/tickets", params={"limit": 100, "showCompleted": True})
    return sum(row["summary"].replace("e\u0301", "é") == summary for row in rows)


async def comments(here: World, comment: str = COMMENT["comment"], ticket: str = "TCK-0001") -> int:
    """Return how many times a ticket's history has `comment`."""
    entries = await here.api.get(f"/tickets/{ticket}/history")
    return sum((entry["comment"] or "").strip() == comment for entry in entries)
