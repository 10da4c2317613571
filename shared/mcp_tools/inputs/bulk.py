"""The input of the tool that changes several tickets."""

from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from shared.localization import localized
from shared.mcp_tools.arguments import values
from shared.mcp_tools.arguments.lists import IDS, OBJECTS, object_of
from shared.mcp_tools.inputs.base import AS_TEXT, Named, TicketId, ToolInput, Word
from shared.mcp_tools.inputs.finding import TicketListInput
from shared.mcp_tools.inputs.writing import OfTicket, TicketChange

MAX_TICKETS: Final = 50
MAX_TOKEN: Final = 300


def _object(**properties: str) -> dict[str, Any]:
    """Return the schema of an object with some of its properties as examples: Gemini refuses an object without any."""
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}}


_LIST_OF_TEXTS: Final = WithJsonSchema({"type": "array", "items": {"type": "string"}})
_LIST_OF_CHANGES: Final = WithJsonSchema({"type": "array", "items": _object(ticketId="string", statusId="string")})


class ChangeOfOne(TicketChange, OfTicket):
    """The changes of one of several tickets."""


Change = Annotated[
    TicketChange,
    BeforeValidator(object_of(TicketChange)),
    WithJsonSchema(_object(statusId="string", comment="string")),
]
OwnChange = Annotated[ChangeOfOne, BeforeValidator(object_of(ChangeOfOne))]
Where = Annotated[
    TicketListInput,
    BeforeValidator(object_of(TicketListInput)),
    WithJsonSchema(_object(mine="boolean", statusId="string")),
]


class UpdateTicketsInput(ToolInput):
    """Changes up to 50 tickets: all alike by change, or each by changes.

    Without confirm it only shows what would change, and a token; with that as confirm, exactly this is done.
    """

    ticket_ids: Annotated[list[TicketId], IDS, Field(max_length=MAX_TICKETS), _LIST_OF_TEXTS] | None = None
    where: Where | None = Field(None, description="Instead of ticketIds: arguments of get_ticket_list.")
    change: Change | None = Field(None, description="Fields as in update_ticket.")
    changes: Annotated[list[OwnChange], OBJECTS, Field(max_length=MAX_TICKETS), _LIST_OF_CHANGES] | None = None
    updated_by_id: Named | None = None
    confirm: Annotated[Word, Field(max_length=MAX_TOKEN), BeforeValidator(values.identifier), AS_TEXT] | None = Field(
        None, description="The token, once a person agrees; repeat the other arguments."
    )

    @model_validator(mode="after")
    def _says_what_of_which(self) -> Self:
        given = {name: getattr(self, name) for name in ("ticket_ids", "where", "changes")}
        named = [name for name, value in given.items() if value]
        if len(named) != 1:
            raise ValueError(localized("Give one of ticketIds, where and changes, for example ticketIds with change"))
        if self.changes and self.change is not None:
            raise ValueError(localized("Give change or changes, not both"))
        if not self.changes and self.change is None:
            raise ValueError(localized("Give change, for example {example}", example='{"statusId": "stat2"}'))
        return self
