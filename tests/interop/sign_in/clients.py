"""The clients that sign in, each connected to a server as its users connect it; all are then called in the same way."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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
from tests.processes import ROOT, free_port

CALLBACK: Final = "http://127.0.0.1:3334/callback"
"""Where nothing has to listen: the client in this process reads the address itself."""
REMOTE: Final = "mcp-remote"

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
    proxy = node_modules("node") / REMOTE / "dist" / "proxy.js"
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
        )
        assert driver.stdin
        assert driver.stdout

        async def call(tool: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
            driver.stdin.write(f"{json.dumps([tool, arguments])}\n".encode())
            result = json.loads(await driver.stdout.readline())
            return result["content"][0]["text"], bool(result.get("isError"))

        try:
            yield call
        finally:
            driver.stdin.close()
            try:
                await asyncio.wait_for(driver.wait(), 10)
            finally:
                if driver.returncode is None:
                    driver.kill()

    return connect
