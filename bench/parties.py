"""Running servers with their clients, and turns of work."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from bench.lab import Lab
from bench.process import LOAD_CORE, SERVER_CORE, Served
from bench.programs import Program
from bench.rows import Contender, Row
from bootstrap.machine import say

PAUSE_S: Final = 0.2
"""Between connecting and counting, in which servers finish what a new connection costs."""
AT_ONCE: Final = 25
"""Sessions that are opened at once."""


@dataclass
class Party:
    """A running server, and its clients."""

    contender: Contender
    headers: Mapping[str, str]
    """What every client sends."""
    server: Served
    api: Served | None
    wires: list[Any] = field(default_factory=list)

    async def open(self, sessions: int) -> None:
        """Connect that many more clients."""
        made = [self.contender.wire(self.server.port, self.headers) for _ in range(sessions)]
        for first in range(0, sessions, AT_ONCE):
            await asyncio.gather(*(self.contender.work.prepare(wire) for wire in made[first : first + AT_ONCE]))
        self.wires += made

    async def renew(self) -> None:
        """Connect every client again; a server may have closed idle connections meanwhile."""
        await asyncio.gather(*(wire.renew() for wire in self.wires))
        await asyncio.sleep(PAUSE_S)

    async def turn(self, calls: int) -> None:
        """Have all clients work at once, each `calls` units one after the other."""

        async def one(wire: Any) -> None:
            for _ in range(calls):
                await self.contender.work(wire)

        await asyncio.gather(*map(one, self.wires))

    def close(self) -> None:
        """Close the clients."""
        for wire in self.wires:
            wire.close()


def programs(row: Row, lab: Lab) -> Iterator[tuple[Contender, Program]]:
    """Yield the contenders of a row with their programs, without those that cannot be installed here."""
    for contender in row.contenders:
        try:
            yield contender, contender.program(lab)
        except SystemExit as error:  # how a set-up ends that fails
            say(f"{contender.name} is left out, because it cannot be installed: {error}")


@contextmanager
def running(contender: Contender, program: Program, lab: Lab, prefix: Sequence[str] = ()) -> Iterator[Party]:
    """Start a server, and its ticket API if it has one; `prefix` stands before the server's command."""
    with ExitStack() as stack:
        api, variables = None, dict(program.variables)
        if program.api:
            api = Served(program.api.command, program.api.variables, lab.new_path("api.log"), LOAD_CORE)
            stack.enter_context(api)
            variables = {name: value.replace("@API", str(api.port)) for name, value in variables.items()}
        log = lab.new_path("server.log")
        server = stack.enter_context(Served([*prefix, *program.command], variables, log, SERVER_CORE))
        yield Party(contender, program.headers, server, api)
