"""Columns of lists: their names in `structuredContent`, which are those of the ticket API, and their headings in text.

Six columns fit a window of 720 pixels.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

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
    "completionDate":          "Completed",
    "updatedAt":               "Updated",
})
REPORT_HEADINGS: Final[Mapping[str, str]] = MappingProxyType({
    "status":      "Status",
    "category":    "Category",
    "person":      "In charge",
    "account":     "Account",
    "channel":     "Channel",
    "week":        "Week from",
    "count":       "Count",
    "open":        "Open",
    "overdue":     "Overdue",
    "oldestDays":  "Oldest days",
    "averageDays": "Average days",
    "received":    "Received",
})
CHANGE_HEADINGS: Final[Mapping[str, str]] = MappingProxyType({
    "changes":  "Changes",
    "comments": "Comments",
    "comment":  "Comment",
    "by":       "By",
    "last":     "Time",
})
HEADINGS: Final[Mapping[str, str]] = MappingProxyType({
    **TICKET_HEADINGS,
    **REPORT_HEADINGS,
    **CHANGE_HEADINGS,
    "id":             "Id",
    "name":           "Name",
    "email":          "E-mail",
    "role":           "Role",
    "categoryId":     "Category id",
    "parentCategory": "Parent category",
    "completed":      "Completed",
})
# fmt: on
TICKET_COLUMNS: Final = tuple(TICKET_HEADINGS)
DEFAULT_COLUMNS: Final = TICKET_COLUMNS[:6]
