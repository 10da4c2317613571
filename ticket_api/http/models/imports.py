"""The shapes of importing tickets. A row is checked by itself, so that one answer names the problems of all of them."""

import json
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, JsonValue, StrictBool, WithJsonSchema

from ticket_api.http.fields import refuse
from ticket_api.http.models.base import RequestModel, ResponseModel

MOST_ROWS: Final = 500


def _without_order(row: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a row in which neither the order of its fields, at any depth, nor null matters."""
    text = json.dumps(row, ensure_ascii=False, sort_keys=True)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refuse("contains characters that are not valid Unicode") from None
    return {field: value for field, value in json.loads(text).items() if value is not None}


Row = Annotated[
    dict[str, JsonValue],
    AfterValidator(_without_order),
    WithJsonSchema({"type": "object", "examples": [{"externalTicketId": "OLD-1", "statusId": "New"}]}),
]


class TicketImport(RequestModel):
    """Tickets of another system."""

    rows: Annotated[list[Row], Field(min_length=1, max_length=MOST_ROWS)] = Field(
        description="Each with the fields of a new ticket. `externalTicketId` is required and unique in the request; a "
        "ticket that has it is left alone. Fields that end in `Id` accept an id, a whole name or the e-mail address of "
        "a person."
    )
    dry_run: StrictBool = Field(default=False, description="Say what would happen, and store nothing.")
    skip_faulty: StrictBool = Field(
        default=False, description="Store the other rows if some are faulty; otherwise nothing is stored then."
    )


class RowProblem(ResponseModel):
    """Why a row cannot be stored."""

    row: int = Field(description="Its place in `rows`, from 1.")
    field: str
    value: str = Field(description="What was sent there, shortened.")
    reason: str


class ImportedRow(ResponseModel):
    """What became of a row."""

    row: int = Field(description="Its place in `rows`, from 1.")
    external_ticket_id: str
    id: str | None = Field(description="The ticket's id; null for a ticket that a dry run would create.")
    result: Literal["created", "already there", "already there, differs"]


class TicketsImported(ResponseModel):
    """What an import did, or would do."""

    created: int
    already_there: int = Field(description="Rows whose `externalTicketId` a ticket had; these tickets are left alone.")
    faulty: int
    rows: list[ImportedRow]
    problems: list[RowProblem]
