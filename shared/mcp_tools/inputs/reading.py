"""The input of the tool that shows one ticket."""

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from shared.mcp_tools.arguments import values
from shared.mcp_tools.inputs.base import Since, TicketId, ToolInput, Word
from shared.tickets.ticket_ids import MAX_ID

MAX_PART: Final = 1_000


def _without_mark(identifier: str) -> str:
    """Return the id of an entry without the `#` before which results show it."""
    return identifier.removeprefix("#")


EntryId = Annotated[
    Word,
    AfterValidator(_without_mark),
    Field(max_length=MAX_ID + 1),
    BeforeValidator(values.identifier),
    WithJsonSchema({"type": "string"}),
]
Part = Annotated[int, BeforeValidator(values.whole(1, MAX_PART)), WithJsonSchema({"type": "integer"})]


class TicketDetailInput(ToolInput):
    """Shows one ticket with its newest history entries; often under 350 tokens, with long texts up to 10,000."""

    ticket_id: TicketId = Field(description="From get_ticket_list, for example TCK-0001.")
    before: EntryId | None = Field(None, description="Id of a history entry: shows older ones.")
    since: Since | None = Field(None, description="Only history since a minute, a day or -3d.")
    part: Part | None = Field(None, description="From 2: the next part of texts that were cut.")
