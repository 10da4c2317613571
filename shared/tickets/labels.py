"""Labels of fields and columns in the language of the call."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.localization import localized
from shared.markdown import inline
from shared.tickets.columns import HEADINGS

LABELS: Final[Mapping[str, str]] = MappingProxyType({
    "summary": "Summary",
    "description": "Description",
    "statusId": "Status",
    "personInChargeId": "In charge",
    "requestorId": "Requestor",
    "accountId": "Account",
    "categoryId": "Category",
    "categoryDetailId": "Category detail",
    "requestChannelId": "Channel",
    "receptionDateTime": "Received",
    "scheduledCompletionDate": "Due",
    "completionDate": "Completed",
    "actualEffortHours": "Effort",
    "responseCategoryId": "Response",
    "responseDetails": "Response details",
    "hasDefect": "Defect",
    "externalTicketId": "External id",
    "remarks": "Remarks",
    "attachments": "Attachments",
})  # fmt: skip
"""What the fields of a ticket are called, by the API's names."""


def field_label(name: str) -> str:
    """Return the label of a field of a ticket; a field that is not known here has the API's name."""
    return localized(LABELS[name]) if name in LABELS else inline(name)


def column_label(name: str) -> str:
    """Return the heading of a column of a list or report."""
    return localized(HEADINGS[name])
