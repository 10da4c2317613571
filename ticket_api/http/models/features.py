"""What this API offers and others of the same shape may not, one word each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FEATURES: Final[Mapping[str, str]] = MappingProxyType({
    "administration": "master data is added, changed and removed by POST, PUT and DELETE, with a key that may",
    "attachments": "a new ticket's attachments are stored and shown",
    "category-filter": "a list is filtered by `categoryId`",
    "changes": "`GET /tickets/changes` lists what happened in all tickets",
    "clear": "PUT empties the fields named in `clear`",
    "comment-visibility": "comments are `internal` or `public`, as their `visibility` says",
    "completion-date": "a completed status sets an empty completion date to today, leaving it clears the date",
    "cursor": "a list goes on at `cursor`, without repeating or skipping tickets while others come in",
    "date-ranges": "a list is filtered by the dates of reception, completion and last change",
    "effort-increment": "PUT adds `addEffortHours` to the hours that are there",
    "expected-history": "PUT changes nothing if `expectedHistoryId` is not the newest entry",
    "history-pages": "a history is read by page and by date",
    "idempotency-key": "a write that is repeated with its `Idempotency-Key` is done once",
    "import": "`POST /tickets/import` stores tickets of another system, each once by its `externalTicketId`",
    "readiness": "`GET /ready` shows whether the database accepts writes",
    "requestor-filter": "a list is filtered by `requestorId`",
    "row-details": "rows have `completionDate`, `updatedAt`, `completed` and the ids behind their names",
    "search-history": "`searchWords` searches the comments of the history, too",
    "search-literal": "`%` and `_` are ordinary characters in `searchQuery`",
    "search-words": "`searchWords` finds words in any order",
    "several-statuses": "`statusId` of a list may be repeated",
    "stats": "`GET /tickets/stats` counts tickets by group",
    "status-flag": "each status shows whether it counts as `completed`",
    "total-count": "`envelope=true` adds the total of a list and the cursor of its next page",
    "total-order": "`sortOrder` is honoured, ties are broken by the ticket's number, tickets without the date come "
    "last",
})  # fmt: skip
"""Each word with what clients may rely on; docs/ticket-api.md has the whole promises. Words may be added."""
