"""Refusals, and the one shape of every failure response: `{"error", "kind"?, "field"?, "allowed"?}`.

    ApiError
    ├── BadInputError      400  names the field and, if there is a list of them, the allowed values
    ├── ForbiddenError     403  the key may not do this
    ├── NotFoundError      404
    └── ConflictError      409  what is there already contradicts the request; `kind` says what, except for an
                                idempotency key that was already used for another request

`shared.storage.database.DatabaseBusyError` becomes a 503 in the same shape.

Messages are safe to show to any client: no SQL, no address, no stack trace.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

MOST_ALLOWED: Final = 50
"""How many allowed values a response lists; a longer list is of no use."""


class ApiError(Exception):
    """Root of every refusal; `str(error)` is the message for the client."""

    status: ClassVar[int]

    def __init__(
        self,
        sentence: str,
        *,
        kind: str | None = None,
        field: str | None = None,
        allowed: Sequence[str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.field = field
        self.allowed = allowed

    def body(self) -> dict[str, object]:
        """Return the JSON object of the response."""
        body: dict[str, object] = {"error": str(self)}
        if self.kind is not None:
            body["kind"] = self.kind
        if self.field is not None:
            body["field"] = self.field
        if self.allowed is not None:
            body["allowed"] = list(self.allowed[:MOST_ALLOWED])
        return body


class BadInputError(ApiError):
    """The input is invalid; nothing was changed."""

    status = 400


class ApiForbiddenError(ApiError):
    """The key of the request may not do this; nothing was changed."""

    status = 403


class ApiNotFoundError(ApiError):
    """The named object does not exist."""

    status = 404


class ApiConflictError(ApiError):
    """What is there already contradicts the request; nothing was changed."""

    status = 409


class ChangedMeanwhileError(ApiConflictError):
    """The ticket has another history than the client expects; the response has the id of its newest entry."""

    def __init__(self, newest: int) -> None:
        super().__init__(
            f"The ticket was changed or commented on meanwhile: the newest entry of its history is {newest}. Nothing "
            "was changed. Read the ticket and its history again, and repeat the change if it is still right.",
            kind="changed_meanwhile",
            field="expectedHistoryId",
        )
        self.newest = newest

    def body(self) -> dict[str, object]:
        """Return the JSON object of the response, with `newestHistoryId`."""
        return {**super().body(), "newestHistoryId": self.newest}
