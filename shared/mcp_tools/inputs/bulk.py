"""The input of the tool that changes several tickets."""

from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from shared.localization import localized
from shared.mcp_tools.arguments import values
from shared.mcp_tools.arguments.lists import IDS, OBJECTS, object_of
from shared.mcp_tools.inputs.base import CALLER, Named, TicketId, ToolInput, Word
from shared.mcp_tools.inputs.finding import TicketListInput
from shared.mcp_tools.inputs.writing import OfTicket, TicketChange

MAX_TICKETS: Final = 50
MAX_TOKEN: Final = 300


def _described(**properties: str) -> WithJsonSchema:
    """Return the schema of an object with some of its properties as examples: Gemini refuses an object without any."""
    return WithJsonSchema({"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}})


class ChangeOfOne(TicketChange, OfTicket):
    """The changes of one of several tickets."""


Change = Annotated[
    TicketChange,
    BeforeValidator(object_of(TicketChange)),
    _described(statusId="string", personInChargeId="string", comment="string"),
]
OwnChange = Annotated[
    ChangeOfOne, BeforeValidator(object_of(ChangeOfOne)), _described(ticketId="string", statusId="string")
]
Where = Annotated[
    TicketListInput, BeforeValidator(object_of(TicketListInput)), _described(mine="boolean", statusId="string")
]


class UpdateTicketsInput(ToolInput):
    """Changes up to 50 tickets: all alike by change, or each by changes.

    Without confirm it writes nothing: it shows what would change, and a token. With that token as confirm, and the same
    arguments, it does exactly that.
    """

    ticket_ids: Annotated[list[TicketId], IDS, Field(max_length=MAX_TICKETS)] | None = None
    where: Where | None = Field(None, description="Instead of ticketIds: arguments of get_ticket_list.")
    change: Change | None = Field(None, description="Fields as in update_ticket.")
    changes: Annotated[list[OwnChange], OBJECTS, Field(max_length=MAX_TICKETS)] | None = Field(
        None, description="Instead of all these: a ticketId and its fields, for each."
    )
    updated_by_id: Named | None = Field(None, description=CALLER)
    confirm: Annotated[Word, Field(max_length=MAX_TOKEN), BeforeValidator(values.identifier)] | None = Field(
        None, description="The token, once a person agrees."
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
