"""The ticket API as a service of its own: `python -m ticket_api`, or `python -m ticket_api migrate` and nothing else.

`migrate` is for deployments in which the role of the application may not change tables: run it as their owner.
Ends with 0 after SIGTERM or Ctrl-C, with 2 and one sentence when it cannot start.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from shared.config import Settings, SettingsError, TicketApiSettings, load
from shared.database import open_engine, resolve_url
from shared.migrations import DatabaseNotReadyError
from shared.telemetry import configure_logging
from ticket_api import create_app
from ticket_api.migrate import prepare


class Server(uvicorn.Server):
    """uvicorn, except that a signal ends it with 0: uvicorn itself raises the signal once more when it is done."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ask for a graceful end on a signal, as long as the server runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def serve(settings: TicketApiSettings) -> None:
    """Serve until a signal. Raises: DatabaseNotReadyError."""
    app = create_app(
        database_url=settings.database_url.get_secret_value(),
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        sample_data=settings.sample_data,
    )
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan="off",  # run here, so that a refusal to start is one sentence and not uvicorn's traceback
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=8,
    )
    async with app.router.lifespan_context(app):
        await Server(config).serve()


async def migrate(settings: Settings) -> None:
    """Bring the tables up to date and fill nothing in. Raises: DatabaseNotReadyError."""
    async with open_engine(resolve_url(settings.database_url.get_secret_value())) as engine:
        await prepare(engine, fill=None)


def main() -> int:
    """Run as the command line and the environment say, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ticket_api", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("serve", "migrate"), default="serve")
    command = parser.parse_args().command
    try:
        if command == "migrate":
            migration = load(Settings)
            configure_logging(level=migration.log_level)
            asyncio.run(migrate(migration))
        else:
            service = load(TicketApiSettings)
            configure_logging(level=service.log_level)
            asyncio.run(serve(service))
    except (SettingsError, DatabaseNotReadyError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one sentence for whoever started it
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
