"""Columns of lists: their names in `structuredContent`, which are those of the ticket API, and their headings in text.

The `fields` argument takes a name or a heading in any case, because a client may show its model only one form of a
result. Six columns fit a window of 720 pixels.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

# fmt: off
TICKET_HEADINGS: Final[Mapping[str, str]] = MappingProxyType({  # the first six are shown by default
    "ticketId":                "Ticket",
    "summary":                 "Summary",
    "statusName":              "Status",
    "personInChargeName":      "In charge",
    "scheduledCompletionDate": "Due",
    "remainingDays":           "Days left",
    "receptionDateTime":       "Received",
    "requestorName":           "Requestor",
    "accountName":             "Account",
    "categoryName":            "Category",
    "categoryDetailName":      "Category detail",
    "externalTicketId":        "External id",
})
HEADINGS: Final[Mapping[str, str]] = MappingProxyType({
    **TICKET_HEADINGS,
    "id":             "Id",
    "name":           "Name",
    "email":          "E-mail",
    "role":           "Role",
    "categoryId":     "Category id",
    "parentCategory": "Parent category",
})
# fmt: on
TICKET_COLUMNS: Final = tuple(TICKET_HEADINGS)
DEFAULT_COLUMNS: Final = TICKET_COLUMNS[:6]


def _folded(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


_NAMED: Final = {
    **{_folded(heading): column for column, heading in TICKET_HEADINGS.items()},
    **{_folded(column): column for column in TICKET_COLUMNS},
}


def _ticket_column(given: str) -> str:
    """Return the column that is meant. Raises: PydanticCustomError: none is; it proposes those with a similar name."""
    if column := _NAMED.get(_folded(given)):
        return column
    near = get_close_matches(_folded(given), _NAMED, n=3, cutoff=0.5)
    near += [name for name in _NAMED if len(given) > 2 and _folded(given) in name]
    proposed = tuple(dict.fromkeys(_NAMED[name] for name in near))[:3] or TICKET_COLUMNS
    # The type and the context of a wrong value for a Literal: it is reported in the same way.
    expected = ", ".join(f"'{one}'" for one in proposed)
    raise PydanticCustomError("literal_error", "no such column", {"expected": expected})


TicketColumn = Annotated[
    str, AfterValidator(_ticket_column), WithJsonSchema({"type": "string", "enum": list(TICKET_COLUMNS)})
]
