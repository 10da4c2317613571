"""The tools of `gated_server` over SSE in a process that reports what it holds.

`python -m tests.transport.observed_server --limits '{"idle_s": 1}' [--broker-url URL] [--per-minute N]` prints its
address and ends on SIGTERM. It is served like the real server, with any limit, for `KeyPerPerson`. After a garbage
collection, `/holds` returns `sessions`, `streams`, `log_bytes`, `tasks`, `connections` (including the one of this
request), and `objects`: the living instances of classes of `transport/` and of the SDK's runner, by class.
"""

import argparse
import asyncio
import gc
import json
from collections import Counter
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from shared.rate import Rate
from shared.telemetry import configure_logging
from tests.transport.gated_server import gated_server
from tests.transport.serving import KeyPerPerson, application_of
from transport.app import Transport, TransportOptions
from transport.rate_limit import Rates
from transport.server import DrainingServer
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits
from transport.sessions.valkey.broker import ValkeyBroker

_MODULES: Final = ("transport.", "mcp.server.runner")


def living_objects() -> Counter[str]:
    """Return the number of instances of each class that serves sessions, after a garbage collection."""
    gc.collect()
    kinds = (type(one) for one in gc.get_objects())
    return Counter(kind.__name__ for kind in kinds if str(kind.__module__).startswith(_MODULES))


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.transport.observed_server", description=__doc__)
    parser.add_argument("--limits", type=json.loads, default={}, help="fields of Limits, as JSON")
    parser.add_argument("--broker-url", help="of a Valkey server; without it sessions are in memory")
    parser.add_argument("--per-minute", type=int, help="requests per principal and per organisation")
    given = parser.parse_args()
    configure_logging(level="WARNING")
    limits = Limits(**given.limits)
    broker = InMemoryBroker(limits) if given.broker_url is None else ValkeyBroker(given.broker_url, limits=limits)
    rates = None if given.per_minute is None else Rates(*[Rate(given.per_minute, given.per_minute)] * 4)
    server, _ = gated_server()
    options = TransportOptions(limits=limits, rates=rates)
    transport = Transport(server, auth_provider=KeyPerPerson(), broker=broker, options=options)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "healthy"})

    async def holds(_: Request) -> JSONResponse:
        tasks, connections = len(asyncio.all_tasks()), len(serving.server_state.connections)
        stats = {**transport.stats(), "tasks": tasks, "connections": connections}
        return JSONResponse({**stats, "objects": living_objects()})

    def started(port: int) -> None:
        print(f"listening on http://127.0.0.1:{port}", flush=True)

    app = application_of(transport)
    app.router.routes.extend([Route("/health", health), Route("/holds", holds)])
    serving = DrainingServer(app, transport, host="127.0.0.1", port=0, on_started=started)
    serving.run()


if __name__ == "__main__":
    main()
