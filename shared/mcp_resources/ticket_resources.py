"""Reads the resources that show tickets, through the tools: the same checks and the same text."""

import time
from collections.abc import Mapping
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from shared.errors import NotFoundError, TicketServerError
from shared.localization import localized
from shared.mcp_resources.catalog import KINDS, MASTER, TICKET, TemplateSpec
from shared.mcp_tools.call_log import CallLog, ReadKind, call_of
from shared.mcp_tools.protocol_error import protocol_error
from shared.mcp_tools.tool import TicketTool, ToolResult


class TicketResources:
    """The resource templates of a server.

    Args:
        tools: the tools by name.
        call_log: records each read.
    """

    def __init__(self, tools: Mapping[str, TicketTool], call_log: CallLog) -> None:
        self._tools = tools
        self._call_log = call_log

    def add_to(self, server: MCPServer[Any]) -> None:
        """Offer the templates on `server`."""
        for spec, read in ((TICKET, self.ticket), (MASTER, self.master)):
            server.resource(
                spec.uri_template,
                name=spec.name,
                title=spec.title(),
                description=spec.description(),
                mime_type="text/markdown",
            )(read)

    async def ticket(self, id: str, context: Context[Any, Any]) -> str:  # noqa: A002 - the variable of the template
        """Return a ticket with its history. Raises: MCPError."""
        return await self._read(TICKET, "get_ticket_detail", {"ticketId": id}, context)

    async def master(self, kind: str, context: Context[Any, Any]) -> str:
        """Return a list of master data. Raises: MCPError."""
        source = KINDS.get(kind.casefold().replace("_", "-"))
        return await self._read(MASTER, "" if source is None else source.tool, {}, context)

    async def _read(self, spec: TemplateSpec, tool: str, arguments: dict[str, Any], context: Context[Any, Any]) -> str:
        started = time.monotonic()
        call = call_of(context.request_context, arguments)
        outcome = "cancelled"
        try:
            if not tool:
                raise NotFoundError(
                    localized("There is no such list. There are: {kinds}.", kinds=localized(", ").join(KINDS))
                )
            result = await self._tools[tool].answer(arguments, call)
            outcome = "ok"
        except TicketServerError as error:
            outcome = error.kind
            uri = str((context.request_context.params or {}).get("uri", ""))
            raise protocol_error(error, uri=uri) from None
        finally:
            await self._call_log.record_read(ReadKind.RESOURCE, spec.uri_template, call, outcome, started=started)
        return _text(result, tool)


def _text(result: ToolResult, tool: str) -> str:
    if "nextOffset" not in result.structured:
        return result.text
    more = localized("This resource ends here; {tool} shows the rest, with query or offset.", tool=tool)
    return f"{result.text}\n\n{more}"
