"""The ticket baseline: what a team writes in an hour on the MCP SDK: `python -m bench.servers.tickets PORT`.

List, detail and creation of tickets over HTTP+SSE, as plain text, over the ticket API of `API_URL` with `API_KEY`. No
identities, limits, audit, checks of arguments or errors that help.
"""

import os
import sys
from typing import Any, Final

import httpx2
from mcp.server import MCPServer

from bench.servers.serving import serve

COLUMNS: Final = (
    *("ticketId", "receptionDateTime", "requestorName", "accountName", "categoryName", "categoryDetailName"),
    *("summary", "personInChargeName", "statusName", "scheduledCompletionDate", "remainingDays", "externalTicketId"),
)

server: MCPServer[Any] = MCPServer("tickets", log_level="ERROR")
api: Final = httpx2.AsyncClient(base_url=os.environ["API_URL"], headers={"x-api-key": os.environ["API_KEY"]})


def row(cells: Any) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join('' if cell is None else str(cell) for cell in cells)} |"


@server.tool()
async def get_ticket_list(limit: int = 20) -> str:
    """List tickets."""
    response = await api.get("/tickets", params={"limit": limit, "showCompleted": "true"})
    lines = [row(COLUMNS), row("---" for _ in COLUMNS)]
    return "\n".join([*lines, *(row(ticket.get(name) for name in COLUMNS) for ticket in response.json())])


@server.tool()
async def get_ticket_detail(ticketId: str) -> str:  # noqa: N803 - as the tools of this server name it
    """Show a ticket and its history."""
    ticket = (await api.get(f"/tickets/{ticketId}")).json()
    history = (await api.get(f"/tickets/{ticketId}/history")).json()
    lines = [f"{name}: {value}" for name, value in ticket.items()]
    return "\n".join([*lines, *(f"- {one['timestamp']} {one['userName']}: {one['comment']}" for one in history)])


@server.tool()
async def create_ticket(ticket: dict[str, Any]) -> str:
    """Create a ticket."""
    response = await api.post("/tickets", json=ticket)
    return f"{response.status_code}: {response.text}"


if __name__ == "__main__":
    serve(server.sse_app(), sys.argv[1])
