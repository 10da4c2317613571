"""Tool inputs: one model per tool holds its schema, its validation and the descriptions that the model reads."""

from shared.mcp_tools.inputs.base import ToolInput, no_arguments
from shared.mcp_tools.inputs.finding import TicketListInput
from shared.mcp_tools.inputs.master import AccountsInput, CategoryDetailsInput, UsersInput
from shared.mcp_tools.inputs.reading import TicketDetailInput
from shared.mcp_tools.inputs.similar import SimilarTicketsInput
from shared.mcp_tools.inputs.writing import AddHistoryInput, CreateTicketInput, UpdateTicketInput

__all__ = [
    "AccountsInput", "AddHistoryInput", "CategoryDetailsInput", "CreateTicketInput", "SimilarTicketsInput",
    "TicketDetailInput", "TicketListInput", "ToolInput", "UpdateTicketInput", "UsersInput", "no_arguments",
]  # fmt: skip
