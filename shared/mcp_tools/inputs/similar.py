"""The input of the tool that finds similar tickets."""

from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from shared.localization import localized
from shared.mcp_tools.arguments import values
from shared.mcp_tools.inputs.base import LongProse, Named, TicketId, ToolInput

MAX_SIMILAR: Final = 20
_LIMIT: Final = values.whole(
    1, MAX_SIMILAR, cut=lambda: localized("limit: at most {most} similar tickets are shown.", most=MAX_SIMILAR)
)


class SimilarTicketsInput(ToolInput):
    """Finds tickets like a text or a ticket, completed ones too, and says why; use it before you create one. Usually under 300 tokens."""  # noqa: E501 - one line, as models read it

    text: LongProse | None = Field(None, description="What it is about; a whole mail is fine.")
    ticket_id: TicketId | None = Field(None, description="Instead of text.")
    account_id: Named | None = Field(None, description="Whose matter it is; their tickets come first.")
    limit: Annotated[int, Field(ge=1, le=MAX_SIMILAR), BeforeValidator(_LIMIT)] = 5

    @model_validator(mode="after")
    def _has_one_subject(self) -> Self:
        if self.text is not None and self.ticket_id is not None:
            raise ValueError(localized("text and ticketId exclude each other; give one of them"))
        if self.text is None and self.ticket_id is None:
            raise ValueError(localized("give text or ticketId"))
        return self
