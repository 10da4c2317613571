"""The clients that sign in, each connected to a server as its users connect it; all are then called in the same way."""

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.auth import OAuthClientProvider
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.interop.commands import NODE
from tests.interop.environments import node_modules
from tests.interop.sign_in.browser import Person, program
from tests.processes import ROOT, environment, free_port

CALLBACK: Final = "http://127.0.0.1:3334/callback"
"""Where nothing has to listen: the client in this process reads the address itself."""
COMMAND_S: Final = 40.0
MOVES: Final = re.compile(r"\x1b\[[0-9;?<>]*[A-Za-z]")
"""What moves the cursor of a terminal, often in place of a space."""

Call = Callable[[str, Mapping[str, Any]], Awaitable[tuple[str, bool]]]
"""Calls a tool; returns the text of its result and whether it is an error."""
Connect = Callable[[str, Person, Path], AbstractAsyncContextManager[Call]]
"""Connects to a URL as a person, with a folder of its own; signs in when the server asks for it."""


@dataclass
class _Memory:
    """What a client keeps of its sign-in (`TokenStorage`)."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def _signing_in(url: str, person: Person) -> OAuthClientProvider:
    opened: list[str] = []

    async def redirect(address: str) -> None:
        opened.append(address)

    async def callback() -> AuthorizationCodeResult:
        address = await asyncio.to_thread(person.sign_in, opened.pop())
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return AuthorizationCodeResult(code=query["code"], state=query["state"], iss=query["iss"])

    metadata = OAuthClientMetadata(client_name="python", redirect_uris=[AnyUrl(CALLBACK)])
    return OAuthClientProvider(url, metadata, _Memory(), redirect, callback)


async def _text(client: Client, tool: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
    try:
        result: Any = await client.call_tool(tool, dict(arguments))
    except Exception as error:  # noqa: BLE001 - whatever the client makes of a refusal is what is asked for
        return str(error), True
    return result.content[0].text, result.is_error


@asynccontextmanager
async def python(url: str, person: Person, folder: Path) -> AsyncIterator[Call]:
    """The Python SDK."""
    auth = _signing_in(url, person)
    async with httpx2.AsyncClient(auth=auth) as http:
        is_sse = url.endswith("/sse")
        transport = sse_client(url, auth=auth) if is_sse else streamable_http_client(url, http_client=http)
        async with Client(transport) as client:
            yield lambda tool, arguments: _text(client, tool, arguments)


@asynccontextmanager
async def mcp_remote(url: str, person: Person, folder: Path) -> AsyncIterator[Call]:
    """mcp-remote, which a client starts over STDIO."""
    proxy = node_modules("node") / "mcp-remote" / "dist" / "proxy.js"
    wire = "sse-only" if url.endswith("/sse") else "http-only"
    bridge = StdioServerParameters(
        command=NODE,
        args=[str(proxy), url, str(free_port()), "--transport", wire],  # the port for the return of the person
        env={"BROWSER": str(program(person, folder)), "HOME": str(folder), "PATH": os.environ["PATH"]},
    )
    with (folder / "log").open("w") as log:
        async with Client(stdio_client(bridge, errlog=log)) as client:
            yield lambda tool, arguments: _text(client, tool, arguments)


def typescript(sdk: str) -> Connect:
    """A TypeScript SDK: v1 or v2."""

    @asynccontextmanager
    async def connect(url: str, person: Person, folder: Path) -> AsyncIterator[Call]:
        told = {
            "nodeModules": node_modules("clients").as_posix(),
            "sdk": sdk,
            "wire": "sse" if url.endswith("/sse") else "http",
            "url": url,
            "browser": str(program(person, folder)),
        }
        driver = await asyncio.create_subprocess_exec(
            *(NODE, str(ROOT / "tests" / "interop" / "sign_in" / "typescript.mjs"), json.dumps(told)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment(),
        )
        calls, results = driver.stdin, driver.stdout
        assert calls
        assert results

        async def call(tool: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
            calls.write(f"{json.dumps([tool, arguments])}\n".encode())
            result = json.loads(await results.readline())
            return result["content"][0]["text"], bool(result.get("isError"))

        try:
            yield call
        finally:
            calls.close()
            try:
                await asyncio.wait_for(driver.wait(), 10)
            finally:
                if driver.returncode is None:
                    driver.kill()

    return connect


def claude_code(folder: Path, *arguments: str, person: Person) -> str:
    """Run Claude Code's command line at a terminal, with its home in `folder`; return what it shows."""
    package = node_modules("node-agents") / "@anthropic-ai" / "claude-code"
    variables = {
        "HOME": str(folder),
        "BROWSER": str(program(person, folder)),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    terminal, its_end = pty.openpty()  # it opens the browser only at a terminal
    with subprocess.Popen(
        [NODE, str(package / "cli-wrapper.cjs"), "mcp", *arguments],
        cwd=folder,
        env=environment(**variables),
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        start_new_session=True,
    ) as running:
        os.close(its_end)
        limit = threading.Timer(COMMAND_S, os.killpg, (running.pid, signal.SIGKILL))  # it starts programs of its own
        limit.start()
        drawn = b"".join(_parts(terminal)).decode("utf-8", errors="replace")
        limit.cancel()
    os.close(terminal)
    return re.sub(r"\s+", " ", MOVES.sub(" ", drawn))


def _parts(terminal: int) -> Iterator[bytes]:
    """Yield what appears at a terminal until its program ends."""
    with contextlib.suppress(OSError):  # how Linux says that it ended
        while part := os.read(terminal, 4096):
            yield part
