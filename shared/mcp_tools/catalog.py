"""The table of tools: what clients see of each tool, and the models and renderer that handle its calls.

The order is part of the contract, because clients cache the list. Output schemas are one level deep, because models pay
for every word of them; they require no property, because some clients validate a failed call's `{"error": …}` too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from shared.identity import Scope
from shared.mcp_tools import inputs, render
from shared.mcp_tools.schema import schema_of
from shared.tickets import master_lists, results
from shared.tickets.activity.result import TicketChanges
from shared.tickets.master_lists import MasterList
from shared.tickets.reports.result import TicketReport
from shared.tickets.similar.result import SimilarTickets
from shared.writes.bulk.result import TicketsUpdated


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool.

    The method of `TicketTools` with its name takes an `input_model` and the `ToolCall`, which has the caller, and
    returns a `result_model`, which `render` turns into text.
    """

    name: str
    title: str
    purpose: str
    """What it is for, in a few words: `docs://overview` says "to …, use" this tool."""
    input_model: type[inputs.ToolInput]
    result_model: type[results.Result]
    render: Callable[[Any], str]
    read_only: bool = True
    destructive: bool = False

    @property
    def scope(self) -> Scope:
        """The scope that a principal needs to see and to call this tool."""
        return Scope.TICKETS_READ if self.read_only else Scope.TICKETS_WRITE

    @property
    def description(self) -> str:
        """The description that the model reads to choose a tool."""
        return (self.input_model.__doc__ or "").strip()

    @property
    def output_schema(self) -> dict[str, Any]:
        """The schema of `structuredContent`, for results and errors alike."""
        fields = schema_of(self.result_model)["properties"]
        shallow = {name: {"type": field.get("type", "object")} for name, field in fields.items()}
        return {"type": "object", "properties": {**shallow, "error": {"type": "object"}}}


def _list_tool(
    source: MasterList[Any],
    title: str,
    arguments: type[inputs.ToolInput] | str,
) -> ToolSpec:
    """Return the tool that shows a list of master data.

    Args:
        source: the list.
        title: of the tool.
        arguments: its input model, or the description of a tool without arguments.
    """
    return ToolSpec(
        name=source.tool,
        title=title,
        purpose="look up ids",
        input_model=inputs.no_arguments(arguments) if isinstance(arguments, str) else arguments,
        result_model=results.MasterPage,
        render=render.master_page,
    )


TOOLS: Final = (
    ToolSpec(
        name="get_ticket_list",
        title="List tickets",
        purpose="find tickets",
        input_model=inputs.TicketListInput,
        result_model=results.TicketPage,
        render=render.ticket_page,
    ),
    ToolSpec(
        name="get_ticket_detail",
        title="Show a ticket",
        purpose="read one, with its history",
        input_model=inputs.TicketDetailInput,
        result_model=results.TicketDetail,
        render=render.ticket_detail,
    ),
    ToolSpec(
        name="create_ticket",
        title="Create a ticket",
        purpose="open one",
        input_model=inputs.CreateTicketInput,
        result_model=results.TicketCreated,
        render=render.ticket_created,
        read_only=False,
    ),
    ToolSpec(
        name="update_ticket",
        title="Update a ticket",
        purpose="change one",
        input_model=inputs.UpdateTicketInput,
        result_model=results.TicketUpdated,
        render=render.ticket_updated,
        read_only=False,
        destructive=True,
    ),
    ToolSpec(
        name="add_ticket_history",
        title="Comment on a ticket",
        purpose="comment on one",
        input_model=inputs.AddHistoryInput,
        result_model=results.CommentAdded,
        render=render.comment_added,
        read_only=False,
    ),
    _list_tool(
        master_lists.USERS,
        "List people",
        inputs.UsersInput,
    ),
    _list_tool(master_lists.ACCOUNTS, "List accounts", inputs.AccountsInput),
    _list_tool(master_lists.CATEGORIES, "List categories", "Lists categories: id and name."),
    _list_tool(
        master_lists.CATEGORY_DETAILS,
        "List category details",
        inputs.CategoryDetailsInput,
    ),
    _list_tool(
        master_lists.STATUSES,
        "List statuses",
        "Lists statuses in their order: id, name, whether completed.",
    ),
    _list_tool(
        master_lists.REQUEST_CHANNELS,
        "List request channels",
        "Lists the channels through which requests come in: id and name.",
    ),
    _list_tool(
        master_lists.RESPONSE_CATEGORIES,
        "List response categories",
        "Lists kinds of responses: id, name, parent category.",
    ),
    ToolSpec(
        name="get_ticket_report",
        title="Count tickets",
        purpose="count them by group",
        input_model=inputs.TicketReportInput,
        result_model=TicketReport,
        render=render.ticket_counts,
    ),
    ToolSpec(
        name="get_ticket_changes",
        title="Show what changed",
        purpose="see what changed since a moment",
        input_model=inputs.TicketChangesInput,
        result_model=TicketChanges,
        render=render.ticket_changes,
    ),
    ToolSpec(
        name="find_similar_tickets",
        title="Find similar tickets",
        purpose="find duplicates and earlier cases",
        input_model=inputs.SimilarTicketsInput,
        result_model=SimilarTickets,
        render=render.similar_tickets,
    ),
    ToolSpec(
        name="update_tickets",
        title="Update several tickets",
        purpose="change several, previewed first",
        input_model=inputs.UpdateTicketsInput,
        result_model=TicketsUpdated,
        render=render.tickets_updated,
        read_only=False,
        destructive=True,
    ),
)
