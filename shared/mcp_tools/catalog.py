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
from shared.tickets import results


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool: the `TicketTools` method with this name takes `input_model` and returns the argument of `render`.

    The method of a tool that is not `read_only` also takes the call.
    """

    name: str
    title: str
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


TOOLS: Final = (
    ToolSpec(
        name="get_ticket_list",
        title="List tickets",
        input_model=inputs.TicketListInput,
        result_model=results.TicketPage,
        render=render.ticket_page,
    ),
    ToolSpec(
        name="get_ticket_detail",
        title="Show a ticket",
        input_model=inputs.TicketDetailInput,
        result_model=results.TicketDetail,
        render=render.ticket_detail,
    ),
    ToolSpec(
        name="create_ticket",
        title="Create a ticket",
        input_model=inputs.CreateTicketInput,
        result_model=results.TicketCreated,
        render=render.ticket_created,
        read_only=False,
    ),
    ToolSpec(
        name="update_ticket",
        title="Update a ticket",
        input_model=inputs.UpdateTicketInput,
        result_model=results.TicketUpdated,
        render=render.ticket_updated,
        read_only=False,
        destructive=True,
    ),
    ToolSpec(
        name="add_ticket_history",
        title="Comment on a ticket",
        input_model=inputs.AddHistoryInput,
        result_model=results.CommentAdded,
        render=render.comment_added,
        read_only=False,
    ),
    ToolSpec(
        name="get_users",
        title="List people",
        input_model=inputs.UsersInput,
        result_model=results.Users,
        render=render.users,
    ),
    ToolSpec(
        name="get_accounts",
        title="List accounts",
        input_model=inputs.AccountsInput,
        result_model=results.Accounts,
        render=render.accounts,
    ),
    ToolSpec(
        name="get_categories",
        title="List categories",
        input_model=inputs.CategoriesInput,
        result_model=results.Categories,
        render=render.categories,
    ),
    ToolSpec(
        name="get_category_details",
        title="List category details",
        input_model=inputs.CategoryDetailsInput,
        result_model=results.CategoryDetails,
        render=render.category_details,
    ),
    ToolSpec(
        name="get_statuses",
        title="List statuses",
        input_model=inputs.StatusesInput,
        result_model=results.Statuses,
        render=render.statuses,
    ),
    ToolSpec(
        name="get_request_channels",
        title="List request channels",
        input_model=inputs.RequestChannelsInput,
        result_model=results.RequestChannels,
        render=render.request_channels,
    ),
    ToolSpec(
        name="get_response_categories",
        title="List response categories",
        input_model=inputs.ResponseCategoriesInput,
        result_model=results.ResponseCategories,
        render=render.response_categories,
    ),
)
