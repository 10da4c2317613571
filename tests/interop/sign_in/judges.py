"""Judges of sign-in, unchanged programs of others: the official suite for authorization servers, and mcp-authlab.

Their exit codes do not tell: both end well although checks failed or were not run. Their reports do.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.conformance.suite import ALPHA
from tests.interop import environments
from tests.interop.commands import NODE
from tests.interop.sign_in.browser import Person, program
from tests.javascript import installed
from tests.processes import environment, free_port

JUDGE_S: Final = 60.0
_FOLDER: Final = re.compile(r"authorization-server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
Checks = Sequence[Mapping[str, Any]]


async def official_suite(address: str, person: Person, folder: Path) -> dict[str, Checks]:
    """Run the official suite's scenarios for authorization servers; return the checks of each.

    It prints where the person signs in and waits for the code.
    """
    port = free_port()
    suite = await asyncio.create_subprocess_exec(
        *(NODE, str(installed() / ALPHA / "dist" / "index.js"), "authorization", "--url", address),
        *("--client-id", await _registered(address), "--port", str(port), "--resource", f"{address}/mcp"),
        *("--output-dir", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    assert suite.stdout
    try:
        async with asyncio.timeout(JUDGE_S):
            async for line in suite.stdout:
                print(said := line.decode().rstrip())
                if said.startswith(f"{address}/authorize?"):
                    await asyncio.to_thread(person.visit, said)
            await suite.wait()
    finally:
        if suite.returncode is None:
            suite.kill()
    return _checks(folder)


def _checks(folder: Path) -> dict[str, Checks]:
    return {
        found[1]: json.loads(file.read_text("utf-8"))
        for file in folder.glob("*/checks.json")
        if (found := _FOLDER.fullmatch(file.parent.name))
    }


async def _registered(address: str) -> str:
    """Return the id of a new client. Where it listens is not known yet: on loopback, any port will do."""
    metadata = {"client_name": "Official suite", "redirect_uris": ["http://127.0.0.1/callback"]}
    async with httpx2.AsyncClient() as http:
        response = await http.post(f"{address}/register", json=metadata)
    return str(response.raise_for_status().json()["client_id"])


async def authlab(address: str, person: Person, folder: Path) -> dict[str, Any]:
    """Let mcp-authlab sign in, scan `/mcp` with what it got, and return its report.

    Its second token, for `/sse`, must not be accepted at `/mcp`. Its tokens permit reading, and it tries to write.
    """
    url = f"{address}/mcp"
    variables = {
        "HOME": str(folder),
        "BROWSER": str(program(person, folder)),
        "MCP_AUTHLAB_TOKENS": str(folder / "tokens.json"),
    }
    asked = ("--scope", "tickets:read", "--foreign-resource", f"{address}/sse")
    await _authlab(variables, "login", url, *asked)
    return dict(json.loads(await _authlab(variables, "scan", url, "--tool", "create_ticket", "--format", "json")))


async def _authlab(variables: Mapping[str, str], *arguments: str) -> str:
    running = await asyncio.create_subprocess_exec(
        *(environments.python("judges"), "-m", "mcp_authlab", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**variables),
    )
    try:
        async with asyncio.timeout(JUDGE_S):
            said, problems = (part.decode() for part in await running.communicate())
    finally:
        if running.returncode is None:
            running.kill()
    print(problems)
    return said
