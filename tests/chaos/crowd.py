"""Twenty indistinguishable clients of the TypeScript SDK, driven in rounds (crowd.mjs)."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Final

from tests.chaos.callers import HEADERS, PATIENCE_S, node_program
from tests.processes import ROOT
from tests.shared.given import TICKET

CLIENTS: Final = 20
_JOIN_S: Final = 30.0


class Crowd:
    """The clients. In a round each makes one call, all with the same request id."""

    def __init__(self, node: asyncio.subprocess.Process) -> None:
        self._node = node

    async def ask(self) -> None:
        """Begin a round; return once the server has accepted every call (or the call has failed)."""
        assert self._node.stdin is not None
        self._node.stdin.write(b"round\n")
        assert await self._line() == "accepted"

    async def wrong(self) -> list[dict[str, Any]]:
        """Wait for the end of the round; return each client without its own response, with what it received."""
        found: list[dict[str, Any]] = await self._line()
        return found

    async def _line(self) -> Any:
        assert self._node.stdout is not None
        async with asyncio.timeout(PATIENCE_S + _JOIN_S):
            return json.loads(await self._node.stdout.readline())


@asynccontextmanager
async def crowd(address: str, node_modules: Path) -> AsyncGenerator[Crowd]:
    """Connect them; each creates a ticket that it requests from then on."""
    config = {
        "nodeModules": node_modules.as_posix(),
        "url": f"{address}/sse",
        "headers": HEADERS,
        "marks": [f"client {letter * 3} of a crowd" for letter in ascii_lowercase[:CLIENTS]],
        "ticket": TICKET,
        "patience": PATIENCE_S * 1000,
    }
    async with node_program(ROOT / "tests" / "chaos" / "crowd.mjs", config) as node:
        members = Crowd(node)
        assert await members._line() == "joined"
        yield members
