"""What both doors do: reach the ticket API, in this process or elsewhere, and stand one MCP server in front of it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from fastapi import FastAPI
from mcp.server import MCPServer

from shared.api_client import APIClient
from shared.config import SettingsError, ToolSettings
from shared.in_process import InProcessTransport
from shared.migrations import DatabaseNotReadyError
from shared.server import build_server
from shared.telemetry import Counter
from shared.tools import TicketTools
from ticket_api import create_app as create_ticket_api

_EMBEDDED_URL = "http://embedded.invalid"


class TicketService:
    """The ticket API as `settings` name it, the tools over it, and the MCP server that offers them.

    Making one opens nothing; `run` does.

    Raises:
        SettingsError: the database URL is none.
    """

    def __init__(
        self, settings: ToolSettings, *, counter: Counter | None = None, request_state_keys: Sequence[str] = ()
    ) -> None:
        key = settings.api_key.get_secret_value() if settings.api_key is not None else None
        self._embedded: FastAPI | None = None
        transport: httpx2.AsyncBaseTransport | None = None
        if settings.is_embedded:
            url = settings.database_url.get_secret_value()
            try:
                self._embedded = create_ticket_api(database_url=url, sample_data=settings.sample_data)
            except ValueError as error:
                raise SettingsError(f"MCP_DATABASE_URL: {error}") from None
            transport = InProcessTransport(self._embedded)
        address = _EMBEDDED_URL if settings.is_embedded else str(settings.api_base_url)
        self.api = APIClient(address, api_key=key, transport=transport, counter=counter)
        tools = TicketTools(self.api, completed_status_id=settings.completed_status_id, counter=counter)
        self.server: MCPServer = build_server(tools, counter=counter, request_state_keys=request_state_keys)

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Open the embedded API, if that is the one, and the connections to it; close them in reverse order.

        Raises:
            SettingsError: the database cannot be used.
        """
        async with AsyncExitStack() as stack:
            if self._embedded is not None:
                # A transport runs no lifespan: whoever embeds an application has to.
                try:
                    await stack.enter_async_context(self._embedded.router.lifespan_context(self._embedded))
                except DatabaseNotReadyError as error:
                    raise SettingsError(str(error)) from error
            await stack.enter_async_context(self.api)
            yield
