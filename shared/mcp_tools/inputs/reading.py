"""The input of the tool that shows one ticket."""

from pydantic import (
    Field,
)

from shared.mcp_tools.inputs.base import (
    TicketId,
    ToolInput,
)


class TicketDetailInput(ToolInput):
    """Shows one ticket: all fields, names with ids, and its newest history entries. Usually 500 to 3,000 tokens."""

    ticket_id: TicketId = Field(description="From get_ticket_list, for example TCK-0001.")
