"""The table of tools: everything that a client is told about a tool, and where its calls go.

The order is part of the promise: clients cache the list. The output schemas are one level deep, for models pay for
every word of them, and require nothing, for some clients hold a failed call's `{"error": …}` against them as well.
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
    """One tool: the method of `TicketTools` of this name takes `input_model`, and returns what `render` takes.

    What is not `read_only` is told whose call it is, too.
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
        """What a principal needs to see this tool, and to call it."""
        return Scope.TICKETS_READ if self.read_only else Scope.TICKETS_WRITE

    @property
    def description(self) -> str:
        """What the model reads before it decides."""
        return (self.input_model.__doc__ or "").strip()

    @property
    def output_schema(self) -> dict[str, Any]:
        """The shape of `structuredContent`, of a result or of an error."""
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
