"""Calls that go directly to our tools, beside the same calls through the SDK's kernel: byte for byte the same."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.dispatcher import CallOptions
from mcp.shared.message import ServerMessageMetadata

from shared.client_habits import ClientHabits
from shared.counting import BoundedLabels, TallyCounter
from shared.identity import Principal, Scope
from shared.json_rpc import JSONRPCRequest
from shared.mcp_tools.catalog import TOOLS
from shared.mcp_tools.tenant_tools import SingleToolsProvider
from shared.server import TicketServer, build_server
from tests.kills import kills
from tests.shared.given import TICKET, Recorder, world
from tests.transport.test_parity import ENVELOPE
from transport.dispatch.context import Address, Caller, DispatchContext
from transport.dispatch.sdk_kernel import RequestOutcome, SDKKernel, progress_token_from_params
from transport.dispatch.usage import Usage
from transport.sessions.session import SessionRecord

MODERN: Final = "2026-07-28"
REVISIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
PLAIN: Final = {"name": "get_ticket_detail", "arguments": {"ticketId": "TCK-0001"}}
IDLE: Final = frozenset({"RequestStateBoundary", "_ProtocolErrors", "_ArgumentsObject", "_ByMethod"})
"""Middlewares that pass a plain call on unchanged."""
READER: Final = Principal("reader", scopes=frozenset({Scope.TICKETS_READ}))
WRITER: Final = Principal("writer", scopes=frozenset(Scope))


class Client:
    """The channel to a client, which keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    async def notify(self, to: Address, method: str, params: Mapping[str, Any] | None) -> None:
        """Keep a notification."""
        self.sent.append((method, params))

    async def send_request(
        self, to: Address, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None
    ) -> dict[str, Any]:
        """Fail: no tool asks its client."""
        raise AssertionError(to, method, params, opts)


@dataclass(frozen=True)
class Call:
    """One call, and over which wire it comes."""

    params: Any
    place: str
    """`session`, `no session`, or `early`: a session that is not initialized."""
    revision: str = REVISIONS[-1]
    principal: Principal = WRITER
    language: str = ""


@dataclass
class Side:
    """A server over an API of its own, and what it did."""

    server: TicketServer
    kernel: SDKKernel
    client: Client
    counter: TallyCounter
    trail: Recorder
    direct: list[str] = field(default_factory=list)
    """Names of the tools that were called directly."""

    async def respond(self, call: Call, number: int) -> RequestOutcome:
        """Return the response to a call."""
        record = None
        if call.place != "no session":
            record = SessionRecord(f"{call.place} {call.revision}", call.principal.key, "sse", "2025-11-25")
            record.client_params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t"}}
            record.client_params["clientInfo"]["version"] = "0"
            record.initialized = call.place == "session"
            if call.revision != MODERN:
                record.version = call.revision
            if call.place == "early":
                record.client_params = None
        request = JSONRPCRequest(id=number, method="tools/call", params=call.params)
        context = DispatchContext(
            self.client,
            Address("a"),
            "sse",
            ServerMessageMetadata(request_context=Caller(call.principal, {"accept-language": call.language})),
            number,
            progress_token_from_params(call.params),
            is_modern=call.revision == MODERN,
            revision=None if call.revision == MODERN or record is not None else call.revision,
        )
        return await self.kernel.respond(record, context, request)


@asynccontextmanager
async def a_side(folder: Path, *, direct: bool, read_only: bool = False) -> AsyncIterator[Side]:
    async with world("existing", folder) as here:
        counter, trail, client = TallyCounter(), Recorder(), Client()
        provider, habits = SingleToolsProvider(here.tools), ClientHabits(counter=counter)
        server = build_server(provider, counter=counter, trail=trail, habits=habits, read_only=read_only)
        names = BoundedLabels(2)
        own_tools = server.own_tools if direct else None
        kernel = SDKKernel(server, client, usage=Usage(), tenants=names, counter=counter, own_tools=own_tools)
        side = Side(server, kernel, client, counter, trail)
        call = server.own_tools.call

        async def noted(ctx: ServerRequestContext[Any, Any]) -> dict[str, Any]:
            side.direct.append((ctx.params or {})["name"])
            result: dict[str, Any] = await call(ctx)
            return result

        server.own_tools.call = noted
        async with kernel.run():
            yield side


async def compare(calls: list[Call], *, read_only: bool) -> list[str]:
    """Make the same calls both ways, compare all that can be seen of them; return which were direct."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            a_side(Path(folder, "a"), direct=True, read_only=read_only) as ours,
            a_side(Path(folder, "b"), direct=False, read_only=read_only) as sdk,
        ):
            for number, call in enumerate(calls):
                assert await ours.respond(call, number) == await sdk.respond(call, number), call
            assert ours.trail.events == sdk.trail.events
            assert ours.counter.tally == sdk.counter.tally
            assert ours.client.sent == sdk.client.sent
            assert sdk.direct == []
            return ours.direct


ODD_TEXTS: Final = (
    "",
    "null",
    "x",
    "TCK-0001",
    "tck-1",
    "stat2",
    "today",
    "２",
    "\ud800",
    "a\u202eb",
    "<b>|`",
    5,
    True,
)
ARGUMENTS: Final = (
    *("ticketId", "ticket_id", "statusId", "personInChargeId", "limit", "sortBy", "query", "groupBy", "since", "text"),
    *("comment", "summary", "ticketIds", "changes", "toolCallId", "状態", "\udcff", "", "a.b", "assignee"),
)
WHOLE: Final[tuple[Any, ...]] = (
    {},
    TICKET,
    PLAIN["arguments"],
    {"ticketId": "TCK-0002", "statusId": "stat2", "updatedById": "user1"},
    {"ticketId": "TCK-0002", "comment": "Seen.", "userId": "user1"},
    {"ticketIds": ["TCK-0001", "TCK-0003"], "changes": {"statusId": "stat2"}, "updatedById": "user1"},
    {"input": {"limit": 2}},
    {"arguments": '{"limit": 2}'},
    {f"a{number}": 1 for number in range(101)},
    {"limit": 10**60},
    *('{"limit": 3}', "", "null", "[]", None, [], 5),
)
values = st.sampled_from(ODD_TEXTS) | st.none() | st.lists(st.sampled_from(ODD_TEXTS), max_size=2)
some = st.dictionaries(st.sampled_from(ARGUMENTS), values, max_size=3)
tokens: st.SearchStrategy[Any] = st.sampled_from(("a", "ä", "\ud800", 1, True, None, 1.5, {}))
meta = st.fixed_dictionaries(
    {},
    optional={
        "progressToken": tokens,
        "traceparent": st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        "example.com/ü": st.just(1),
        "io.modelcontextprotocol/related-task": st.sampled_from(({"taskId": "1"}, 5)),
        "io.modelcontextprotocol/logLevel": st.sampled_from(("debug", "loud")),
    },
)
envelopes = st.sampled_from((
    ENVELOPE,
    ENVELOPE | {"io.modelcontextprotocol/clientInfo": {"name": 5}},
    ENVELOPE | {"io.modelcontextprotocol/clientInfo": None},
    ENVELOPE | {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "extensions": {"x": {}}}},
    ENVELOPE | {"io.modelcontextprotocol/clientCapabilities": []},
    {name: one for name, one in ENVELOPE.items() if not name.endswith("Capabilities")},
))  # fmt: skip
beside: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(("task", "requestState", "inputResponses", "foo")),
    st.sampled_from(("x", {}, None)),
    max_size=1,
)
names = st.sampled_from([spec.name for spec in TOOLS])


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Draw a call that may be right, wrong or odd in any part."""
    place = draw(st.sampled_from(("session", "no session", "session", "no session", "early")))
    revision = draw(st.sampled_from((*REVISIONS, MODERN, MODERN)))
    params: dict[str, Any] = {"name": draw(names | st.sampled_from(("nothing", 5)) if draw(st.booleans()) else names)}
    params["arguments"] = draw(st.sampled_from(WHOLE) | some)
    if draw(st.integers(0, 9)) == 0:
        del params["arguments"]
    if draw(st.booleans()):
        params["_meta"] = draw(meta if draw(st.booleans()) else st.just({}))
    if draw(st.integers(0, 9)) == 0:
        params |= draw(beside)
    if revision == MODERN:
        params["_meta"] = params.get("_meta", {}) | (draw(envelopes) if draw(st.booleans()) else ENVELOPE)
    principal = draw(st.sampled_from((WRITER, WRITER, READER)))
    return Call(params, place, revision, principal, draw(st.sampled_from(("", "ja", "fr, ja;q=0.5," + " x," * 50))))


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate))  # shrinking takes minutes
@given(some_calls=st.lists(calls(), min_size=5, max_size=40), read_only=st.booleans())
def test_a_call_has_the_same_bytes_events_and_counts_both_ways(some_calls: list[Call], read_only: bool) -> None:
    asyncio.run(compare(some_calls, read_only=read_only))


ODD: Final[tuple[dict[str, Any], ...]] = (
    {"arguments": {"\ud800": 1}},
    {"arguments": {"状態": "stat1"}},
    {"arguments": "{}"},
    {"arguments": None},
    {"name": "nothing"},
    {"name": 5},
    {"task": "x"},
    {"requestState": "x"},
    {"inputResponses": {}},
    {"foo": 1},
    {"_meta": {"progressToken": True}},
    {"_meta": {"progressToken": None}},
    {"_meta": {"progressToken": {}}},
    {"_meta": {"progressToken": "\ud800"}},
    {"_meta": {"\ud800": 1}},
)
ODD_IN_SESSIONS: Final[tuple[dict[str, Any], ...]] = ({"_meta": {"io.modelcontextprotocol/related-task": 5}},)


@pytest.mark.parametrize("revision", [*REVISIONS, MODERN])
async def test_what_is_not_plain_is_left_to_the_kernel(revision: str) -> None:
    envelope = ENVELOPE if revision == MODERN else {}
    calls = [Call(PLAIN | {"_meta": envelope}, "session", revision)] * 2
    for odd in ODD if revision == MODERN else (*ODD, *ODD_IN_SESSIONS):
        params = PLAIN | odd | {"_meta": envelope | odd["_meta"] if "_meta" in odd else envelope}
        calls += [Call(params, place, revision) for place in ("session", "no session")]
    if revision != MODERN:
        calls.append(Call(PLAIN | {"_meta": None}, "session", revision))

    assert await compare(calls, read_only=False) == ["get_ticket_detail"] * (1 if revision == MODERN else 2)


@pytest.mark.parametrize("place", ["session", "no session"])
@pytest.mark.parametrize("revision", [*REVISIONS, MODERN])
async def test_plain_calls_are_direct_on_every_wire(place: str, revision: str) -> None:
    params = PLAIN | ({"_meta": ENVELOPE | {"progressToken": 3}} if revision == MODERN else {})
    calls = [Call(params, place, revision)] * 2

    direct = await compare(calls, read_only=False)

    # The SDK has the first word about an envelope.
    assert direct == ["get_ticket_detail"] * (1 if revision == MODERN else 2)


@kills("transport/dispatch/sdk_kernel.py", "if connection.initialize_accepted else None", "")
async def test_nothing_is_direct_before_a_session_is_initialized() -> None:
    assert await compare([Call(PLAIN, "early")], read_only=False) == []


@kills("shared/own_tools.py", "and self._server.middleware == self._middlewares", "")
async def test_a_middleware_that_is_added_to_the_server_sees_every_call(tmp_path: Path) -> None:
    async def refuse(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        raise PermissionError

    async with a_side(tmp_path, direct=True) as side:
        allowed = await side.respond(Call(PLAIN, "session"), 1)
        side.server.middleware.insert(0, refuse)
        refused = await side.respond(Call(PLAIN, "session"), 2)

    assert "result" in json.loads(allowed.body)
    assert refused.code == -32603
    assert side.direct == ["get_ticket_detail"]


async def test_a_direct_call_runs_every_middleware_of_the_server_that_does_not_pass_it_on_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = list[object]()

    def note_calls_of(kind: Any) -> None:
        call = kind.__call__

        async def noted(self: object, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> Any:
            ran.append(kind)
            return await call(self, ctx, call_next)

        monkeypatch.setattr(kind, "__call__", noted)

    async with a_side(tmp_path, direct=True) as side:
        kinds = [type(one) for one in side.server.middleware]
        for kind in kinds:
            note_calls_of(kind)
        await side.respond(Call(PLAIN, "session"), 1)

        assert side.direct == ["get_ticket_detail"]
        assert ran == [kind for kind in kinds if kind.__name__ not in IDLE]
