"""Answers `get_ticket_detail`: one ticket with its history."""

from shared.mcp_tools.inputs import TicketDetailInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.reading import read_ticket
from shared.tickets.results import TicketDetail, shortened_history, shortened_ticket
from shared.tickets.ticket_ids import read_named
from shared.tickets.ticket_system import TicketSystem
from shared.tickets.unreadable import left_out_notes


class TicketDetails:
    """The single tickets of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def detail(self, query: TicketDetailInput, _: ToolCall) -> TicketDetail:
        """Return the ticket with its newest history."""
        ticket, history = await read_named(read_ticket, self._system.api, query.ticket_id)
        return TicketDetail(
            ticket=shortened_ticket(ticket),
            history=shortened_history(history),
            history_total=len(history),
            notes=left_out_notes(history.left_out),
        )
