"""Tool inputs: one model per tool holds its schema, its validation and the descriptions that the model reads."""

from shared.mcp_tools.inputs.base import ToolInput, no_arguments
from shared.mcp_tools.inputs.bulk import UpdateTicketsInput
from shared.mcp_tools.inputs.finding import TicketListInput
from shared.mcp_tools.inputs.master import AccountsInput, CategoryDetailsInput, UsersInput
from shared.mcp_tools.inputs.reading import TicketDetailInput
from shared.mcp_tools.inputs.reporting import TicketChangesInput, TicketReportInput
from shared.mcp_tools.inputs.similar import SimilarTicketsInput
from shared.mcp_tools.inputs.writing import AddHistoryInput, CreateTicketInput, TicketChange, UpdateTicketInput

__all__ = [
    "AccountsInput", "AddHistoryInput", "CategoryDetailsInput", "CreateTicketInput", "SimilarTicketsInput",
    "TicketChange", "TicketChangesInput", "TicketDetailInput", "TicketListInput", "TicketReportInput", "ToolInput",
    "UpdateTicketInput", "UpdateTicketsInput", "UsersInput", "no_arguments",
]  # fmt: skip
