"""The rows: which servers do which work over which wire. `bench.measures` says what is measured of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from bench import programs
from bench.wires import SSE, Session, Stateless
from bench.work import ECHO, REFUSED, TOOLS, Direct, Get, WholeSession, Work, tool_call

SDK, SDK_JSON = "MCP SDK", "MCP SDK, JSON responses"
FASTMCP, TYPESCRIPT, GO, CEILING = "FastMCP", "TypeScript SDK", "MCP Toolbox (Go), asks SQLite", "bare HTTP server"
LOW, HIGH = "our transports, low-level Server", "our transports, MCPServer"
OURS, APART, EMBEDDED = "this server", "this server, API apart", "this server, API embedded"
BASELINE, DIRECT = "MCP SDK and httpx2, plain table", "ticket API, asked directly"
MEMORY, VALKEY = "sessions in memory", "sessions in Valkey"


@dataclass(frozen=True)
class Contender:
    """One server at one work."""

    name: str
    program: programs.Maker
    wire: type[Any]
    work: Work


@dataclass(frozen=True)
class Row:
    """Servers at the same work, measured in turns."""

    title: str
    beside: str
    """The contender that ratios refer to."""
    contenders: Sequence[Contender]
    sessions: int = 25
    calls: int = 100
    """Units of work of each session in a turn: so many that every turn has its share of collecting garbage, which a
    server may put off for a thousand calls."""
    counted_sessions: int = 2
    """Sessions while instructions are counted, which makes servers fifty times slower: with more, a quick call would
    take longer than the 150 ms within which it is answered with JSON."""
    per_second: int = 100
    """The rate at which latency is measured: one that every server can bear."""

    def only(self, *names: str) -> "Row":
        """Return the row with some contenders."""
        return replace(self, contenders=[one for one in self.contenders if one.name in names])


def _ticket(number: int) -> str:
    return f"TCK-{1 + number * 7 % 1000:04}"


def _new_ticket(number: int) -> dict[str, Any]:
    return {
        "receptionDateTime": "2026-11-20 09:30", "requestorId": "user6", "accountId": "acc1", "categoryId": "cat1",
        "categoryDetailId": "catd1", "requestChannelId": "ch1", "summary": f"Screen {number} stays dark",
        "description": "Since the update.", "personInChargeId": "user2", "statusId": "stat1",
    }  # fmt: skip


LIST: Final = tool_call("get_ticket_list", lambda _: {}, b"TCK-")
DETAIL: Final = tool_call("get_ticket_detail", lambda number: {"ticketId": _ticket(number)}, b"TCK-")
CREATE: Final = tool_call("create_ticket", _new_ticket, b"TCK-")
PLAIN_CREATE: Final = tool_call("create_ticket", lambda number: {"ticket": _new_ticket(number)}, b"201")
GET_LIST: Final = Get(lambda _: ("/tickets?limit=20&showCompleted=true",))
GET_DETAIL: Final = Get(lambda number: (f"/tickets/{_ticket(number)}", f"/tickets/{_ticket(number)}/history"))


def _tickets(title: str, work: Work, baseline: Work) -> Row:
    contenders = (
        Contender(APART, programs.door_and_api, SSE, work),
        Contender(EMBEDDED, programs.door_with_tickets, SSE, work),
        Contender(BASELINE, programs.baseline, SSE, baseline),
    )
    return Row(title, BASELINE, contenders, sessions=20, calls=5, counted_sessions=4)


def _one_call(wire: type[Any], *others: Contender) -> Sequence[Contender]:
    return (Contender(OURS, programs.door, wire, REFUSED), *others)


def _with_and_without_valkey(wire: type[Any]) -> Sequence[Contender]:
    return (
        Contender(MEMORY, programs.door, wire, REFUSED),
        Contender(VALKEY, programs.door_with_valkey, wire, REFUSED),
    )


def _one_client(title: str, work: Work, reads: Work) -> Row:
    contenders = (
        Contender(APART, programs.door_and_api, SSE, work),
        Contender(BASELINE, programs.baseline, SSE, work),
        Contender(DIRECT, programs.ticket_api, Direct, reads),
    )
    return Row(title, DIRECT, contenders, sessions=1, calls=40, per_second=100)


WORK: Final[Mapping[str, Row]] = MappingProxyType({
    "sse": Row("One call over HTTP+SSE", SDK, _one_call(
        SSE,
        Contender(HIGH, programs.mounted("high"), SSE, ECHO),
        Contender(LOW, programs.mounted("low"), SSE, ECHO),
        Contender(SDK, programs.sdk("sse"), SSE, ECHO),
        Contender(FASTMCP, programs.fastmcp("sse"), SSE, ECHO),
        Contender(TYPESCRIPT, programs.typescript, SSE, ECHO),
        Contender(CEILING, programs.ceiling, SSE, ECHO),
    )),
    "session": Row("One call over Streamable HTTP, 2025-11-25, in a session", SDK_JSON, _one_call(
        Session,
        Contender(HIGH, programs.mounted("high"), Session, ECHO),
        Contender(LOW, programs.mounted("low"), Session, ECHO),
        Contender(SDK, programs.sdk("http"), Session, ECHO),
        Contender(SDK_JSON, programs.sdk("json"), Session, ECHO),
        Contender(FASTMCP, programs.fastmcp("http"), Session, ECHO),
        Contender(TYPESCRIPT, programs.typescript, Session, ECHO),
        Contender(GO, programs.toolbox, Session, ECHO),
    )),
    "modern": Row("One call over Streamable HTTP, 2026-07-28", SDK_JSON, _one_call(
        Stateless,
        Contender(HIGH, programs.mounted("high"), Stateless, ECHO),
        Contender(LOW, programs.mounted("low"), Stateless, ECHO),
        Contender(SDK_JSON, programs.sdk("json"), Stateless, ECHO),
        Contender(GO, programs.toolbox, Stateless, ECHO),
    )),
    "tools": Row("`tools/list` of this server's tools, Streamable HTTP, 2025-11-25", SDK_JSON, (
        Contender(OURS, programs.door, Session, TOOLS),
        Contender(SDK_JSON, programs.sdk("catalog"), Session, TOOLS),
    )),
    "whole-session": Row("A whole session: initialize, initialized, one call, DELETE", SDK, (
        Contender(OURS, programs.door, Session, WholeSession(REFUSED)),
        Contender(SDK, programs.sdk("http"), Session, WholeSession(ECHO)),
        Contender(SDK_JSON, programs.sdk("json"), Session, WholeSession(ECHO)),
        Contender(TYPESCRIPT, programs.typescript, Session, WholeSession(ECHO)),
        Contender(GO, programs.toolbox, Session, WholeSession(ECHO)),
    ), calls=10),
    "valkey-sse": Row("This server's calls over HTTP+SSE", MEMORY, _with_and_without_valkey(SSE)),
    "valkey-session": Row("This server's calls over Streamable HTTP", MEMORY, _with_and_without_valkey(Session)),
    "list": _tickets("A list of 20 tickets", LIST, LIST),
    "detail": _tickets("A ticket with its history", DETAIL, DETAIL),
    "create": _tickets("Creating a ticket", CREATE, PLAIN_CREATE),
})  # fmt: skip
"""Rows whose processor time and instructions are measured."""

IDLE: Final[Mapping[str, Row]] = MappingProxyType({
    "memory-sse": Row("An idle session over HTTP+SSE", SDK, (
        Contender(OURS, programs.door, SSE, REFUSED),
        Contender(SDK, programs.sdk("sse"), SSE, ECHO),
        Contender(TYPESCRIPT, programs.typescript, SSE, ECHO),
    )),
    "memory-session": Row("An idle session over Streamable HTTP", SDK, (
        Contender(OURS, programs.door, Session, REFUSED),
        Contender(SDK, programs.sdk("http"), Session, ECHO),
        Contender(TYPESCRIPT, programs.typescript, Session, ECHO),
    )),
})  # fmt: skip
"""Rows whose memory is measured."""

PACED: Final[Mapping[str, Row]] = MappingProxyType({
    "latency-sse": Row("Calls over HTTP+SSE, 100 a second", SDK, (
        Contender(OURS, programs.door, SSE, REFUSED),
        Contender(SDK, programs.sdk("sse"), SSE, ECHO),
        Contender(TYPESCRIPT, programs.typescript, SSE, ECHO),
    )),
    "latency-session": Row("Calls over Streamable HTTP, 100 a second", SDK, (
        Contender(OURS, programs.door, Session, REFUSED),
        Contender(SDK, programs.sdk("http"), Session, ECHO),
        Contender(SDK_JSON, programs.sdk("json"), Session, ECHO),
        Contender(TYPESCRIPT, programs.typescript, Session, ECHO),
    )),
    "latency-list": _one_client("Lists of 20 tickets, one client", LIST, GET_LIST),
    "latency-detail": _one_client("Tickets with their history, one client", DETAIL, GET_DETAIL),
})  # fmt: skip
"""Rows whose latency is measured at a fixed rate."""
