"""The set-up of the tools' tests: both ticket APIs in process, faults at chosen moments, a real MCP client."""

import atexit
import errno
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, Literal

import anyio
import httpx2
from mcp import Client
from mcp.server import MCPServer, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp_types import CallToolResult, TextContent

import ticket_api
from shared.api_client import APIClient
from shared.audit import AuditEvent, AuditTrail
from shared.client_habits import ClientHabits
from shared.counting import TallyCounter
from shared.embedded.in_process import InProcessTransport
from shared.identity import Principal
from shared.markdown import inline
from shared.mcp_tools.tenant_tools import SingleToolsProvider
from shared.server import build_server
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import in_zone, machine_zone
from shared.tools import TicketTools
from tests import standin
from tests.databases import copy_sqlite, run_aside
from ticket_api.migrate import migrate
from ticket_api.sample import filler

Act = Callable[[httpx2.AsyncBaseTransport, httpx2.Request], Awaitable[httpx2.Response]]

NOW: Final = datetime(2026, 11, 29, 2, 30, tzinfo=UTC)
"""The time of both ticket APIs and of the tools, a Sunday, so that notes about dates are the same on every day."""


def at_now() -> datetime:
    """Return `NOW`: a clock that stands still."""
    return NOW


TICKET = {
    "receptionDateTime": "2026-11-20 09:30",
    "requestorId": "user6",
    "accountId": "acc1",
    "categoryId": "cat1",
    "categoryDetailId": "catd1",
    "requestChannelId": "ch1",
    "summary": "Screen stays dark",
    "description": "Since the update.",
    "personInChargeId": "user2",
    "statusId": "stat1",
}


class Wire(httpx2.AsyncBaseTransport):
    """Records requests and injects one fault per rule when a request matches its method and path."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self.inner = inner
        self._rules: list[tuple[str, str, Act, bool]] = []
        self.sent: list[tuple[str, str]] = []

    def when(self, method: str, path: str, act: Act, *, always: bool = False) -> None:
        """Run `act` instead of sending the next request (or all) of `method` to a path that matches `path`."""
        self._rules.append((method, path, act, always))

    def writes(self) -> list[tuple[str, str]]:
        """Return the recorded requests that may change something."""
        return [one for one in self.sent if one[0] != "GET"]

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self.inner.aclose()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send `request`, or apply the first rule that matches it."""
        self.sent.append((request.method, request.url.path))
        for rule in self._rules:
            method, path, act, always = rule
            if request.method == method and re.fullmatch(path, request.url.path):
                if not always:
                    self._rules.remove(rule)
                return await act(self.inner, request)
        return await self.inner.handle_async_request(request)


def responses(status: int = 200, json: Any = None, *, html: str | None = None) -> Act:
    """Respond without calling the API."""

    async def act(_: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        if html is not None:
            return httpx2.Response(status, html=html, request=request)
        return httpx2.Response(status, json=json, request=request)

    return act


def does_it_but_responds(status: int, json: Any = None) -> Act:
    """Let the API execute the request, and replace its response."""

    async def act(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        await inner.handle_async_request(request)
        return httpx2.Response(status, json=json, request=request)

    return act


async def does_it_but_drops(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
    """Let the API execute the request, and lose the response."""
    await inner.handle_async_request(request)
    raise httpx2.ReadError("dropped", request=request)


async def drops(_: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
    """Lose the request; a caller cannot distinguish that from a lost response."""
    raise httpx2.ReadError("dropped", request=request)


async def refuses(_: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
    """Refuse the connection."""
    raise httpx2.ConnectError("refused", request=request) from OSError(errno.ECONNREFUSED, "refused")


async def hangs(_: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
    """Never respond."""
    await anyio.sleep_forever()
    raise AssertionError("unreachable")


class Recorder:
    """An audit trail that keeps its events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, event: AuditEvent) -> None:
        """Keep `event`."""
        self.events.append(event)


@dataclass(frozen=True)
class Sender:
    """What handlers may know of the sender of an HTTP message."""

    principal: Principal
    headers: Mapping[str, str] = field(default_factory=dict)


def on_behalf(server: MCPServer[Any], sender: Callable[[], Sender | None]) -> None:
    """Attach the sender to every message that `server` receives, as an HTTP transport does."""

    async def attach(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        return await call_next(replace(ctx, request=sender()))

    server.middleware.insert(0, attach)


@dataclass
class World:
    """One ticket API and the tools over it."""

    api: APIClient
    wire: Wire
    tools: TicketTools
    counter: TallyCounter
    trail: AuditTrail = field(default_factory=Recorder)
    principal: Principal | None = None
    """The principal of the calls; None, as over STDIO."""
    headers: Mapping[str, str] = field(default_factory=dict)
    habits: ClientHabits | None = None

    @cached_property
    def server(self) -> MCPServer[Any]:
        """The server over the tools, built once because building it costs more than most calls."""
        tools = SingleToolsProvider(self.tools)
        server = build_server(tools, counter=self.counter, trail=self.trail, habits=self.habits)
        on_behalf(server, lambda: None if self.principal is None else Sender(self.principal, self.headers))
        return server

    async def call(self, name: str, **arguments: Any) -> CallToolResult:
        """Call a tool through a real client, which checks the result against the output schema."""
        async with Client(self.server) as client:
            return await client.call_tool(name, arguments)

    async def done(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed; return its structured content."""
        result = await self.call(name, **arguments)
        assert not result.is_error, text_of(result)
        assert isinstance(result.structured_content, dict)
        return result.structured_content

    async def refused(self, name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
        """Call a tool that must fail; return its text and the structured error."""
        result = await self.call(name, **arguments)
        assert result.is_error, text_of(result)
        assert isinstance(result.structured_content, dict)
        error: dict[str, Any] = result.structured_content["error"]
        said = error.pop("message")
        text, line, again = text_of(result).partition("\nCall again")
        assert text == "\n".join(inline(line) for line in said.split("\n"))
        assert (line + again).lstrip().replace("`", "") == error.pop("callAgain", "")
        return text, error


def rows_of(structured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a list with the names of its columns; an empty cell is left out."""
    columns = structured["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in structured["rows"]]
    return [{name: cell for name, cell in row.items() if cell is not None} for row in rows]


def text_of(result: CallToolResult) -> str:
    """Return the only text of a result."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def _copy_in(folder: Path) -> str:
    """Return the URL of a filled database in a folder, which need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    return copy_sqlite(_filled(), folder / "tickets.sqlite3")


@cache
def _filled() -> Path:
    """Return a database with the sample data as of `NOW`, made once a process: migrating takes most of a short test."""
    folder = tempfile.mkdtemp(prefix="filled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "tickets.sqlite3")
    run_aside(_fill(f"sqlite:///{path.as_posix()}"))
    return path


async def _fill(url: str) -> None:
    clock = in_zone(machine_zone(), at_now)
    async with open_engine(resolve_url(url)) as engine:
        await migrate(engine, fill=filler("en", clock), clock=clock)


@asynccontextmanager
async def world(
    kind: Literal["existing", "reference"], folder: Path, *, deadline_s: float = 30.0
) -> AsyncIterator[World]:
    """Open one of the two APIs, in process."""
    async with AsyncExitStack() as stack:
        app: Any
        if kind == "existing":
            app = standin.create_app(now=at_now)
        else:
            app = ticket_api.create_app(database_url=_copy_in(folder), clock=at_now)
            await stack.enter_async_context(app.router.lifespan_context(app))
        wire = Wire(InProcessTransport(app))
        api = APIClient("http://api", api_key="standin-key", transport=wire, deadline_s=deadline_s)
        await stack.enter_async_context(api)
        counter = TallyCounter()
        yield World(api, wire, TicketTools(api, counter=counter, clock=at_now), counter)
