"""The fixture server as a process: `python -m tests.conformance.server [--port N] [--broker-url URL]`.

Served by `transport.asgi_app` with a key, like any third-party server. Prints its address, and exits with 0 on
SIGTERM.
"""

import argparse
import signal
import sys

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from auth.providers import APIKeyAuthProvider
from shared.telemetry import configure_logging
from tests.conformance.fixtures import fixture_server
from tests.processes import KEY
from transport import SharedBus, asgi_app
from transport.sessions.valkey.broker import ValkeyBroker


async def health(_: Request) -> JSONResponse:
    """Report that the process is alive."""
    return JSONResponse({"status": "healthy"})


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on loopback; 0 chooses a free one")
    parser.add_argument("--broker-url", help="of a Valkey server; without it sessions are in memory")
    given = parser.parse_args()
    configure_logging(level="WARNING")
    broker = None if given.broker_url is None else ValkeyBroker(given.broker_url)
    bus = SharedBus()
    app = asgi_app(fixture_server(bus), auth_provider=APIKeyAuthProvider(KEY), broker=broker, bus=bus)
    app.routes.append(Route("/health", health))
    # uvicorn stops gracefully, then raises the signal again, which would end the process before its clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(app, host="127.0.0.1", port=given.port, access_log=False, ws="none", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
