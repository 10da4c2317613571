"""Refusals, and the one shape in which they and all other failures leave: `{"error", "field"?, "allowed"?}`.

    ApiError
    ├── BadInputError      400  names the field and, where there is a list, the allowed values
    ├── NotFoundError      404
    └── ConflictError      409  an idempotency key was used for something else

`shared.storage.database.DatabaseBusyError` leaves as a 503 in the same shape.

Texts are safe to show to anybody: no SQL, no address, no stack trace.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

MOST_ALLOWED: Final = 50
"""How many allowed values an answer lists; a longer list helps nobody."""


class ApiError(Exception):
    """Root of every refusal; `str(error)` is the sentence that the caller reads."""

    status: ClassVar[int]

    def __init__(self, sentence: str, *, field: str | None = None, allowed: Sequence[str] | None = None) -> None:
        super().__init__(sentence)
        self.field = field
        self.allowed = allowed

    def body(self) -> dict[str, object]:
        """Return the JSON object to answer with."""
        body: dict[str, object] = {"error": str(self)}
        if self.field is not None:
            body["field"] = self.field
        if self.allowed is not None:
            body["allowed"] = list(self.allowed[:MOST_ALLOWED])
        return body


class BadInputError(ApiError):
    """What was sent is wrong; nothing was changed."""

    status = 400


class NotFoundError(ApiError):
    """The thing that was named does not exist."""

    status = 404


class ConflictError(ApiError):
    """The same idempotency key came with another request; nothing was changed."""

    status = 409
