"""Every error raised on purpose, in one tree: here those of tickets, elsewhere, beside what raises them, all others.

    TicketServerError
    ├── InvalidInputError          the caller's input is invalid          nothing was changed
    ├── NotFoundError              the named object does not exist        nothing was changed
    ├── ConflictError              idempotency key used for another call  nothing was changed
    │   └── TicketChangedError         the ticket was changed meanwhile       nothing was changed
    ├── StillRunningError          an equal call is still running         nothing was changed
    ├── UnknownTicketUserError     the caller's linked user is unknown    nothing was changed
    └── UpstreamError              the ticket API failed
        ├── UpstreamUnavailableError   unreachable, or a read got no response nothing was changed
        ├── UpstreamDiskFullError      the disk of its database is full       nothing was changed
        ├── UpstreamNotWritableError   its database cannot be written         nothing was changed
        ├── UpstreamBusyError          too many calls wait for it             nothing was changed
        ├── UpstreamRefusedError       it refused this server's key           nothing was changed
        ├── UpstreamNotSetError        the organisation has no usable API     nothing was changed
        ├── UpstreamFaultError         its response is an error or invalid    nothing was changed
        │   └── UpstreamPathError      it is not at the address that is set   nothing was changed
        ├── NotStoredError             a write does not read back as sent     each instance says
        └── OutcomeUnknownError        a write may have been done             may have been changed

`str(error)` is one or two sentences that are safe to show to the caller: no address, no key, no upstream text.
`effect` says what happened to the tickets, so that a model knows whether repeating the call is safe.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from shared.localization import localized

MAX_PROBLEMS: Final = 20


class Effect(StrEnum):
    """What a failed call did to the tickets."""

    NOTHING_CHANGED = "nothing_changed"
    CHANGED = "changed"
    UNKNOWN = "unknown"


class Problem(NamedTuple):
    """One problem in a caller's input."""

    field: str
    """Name of the argument; empty if the problem concerns several together."""
    text: str
    allowed: tuple[str, ...] = ()
    right: Mapping[str, Any] | None = None
    """The arguments to give instead of `field`, as JSON; empty: leave it out. None: the right ones are not known."""

    def __str__(self) -> str:
        said = localized("{text}.", text=f"{self.field}: {self.text}" if self.field else self.text)
        return said + localized(" Allowed: {values}.", values=", ".join(self.allowed)) if self.allowed else said


class TicketServerError(Exception):
    """Root of every error raised on purpose."""

    kind: str = "internal"
    """Stable word for logs, counters and `data.kind` of a response."""
    request_id: str | int | None = None
    """The JSON-RPC id of the request that was refused, where it is known."""
    effect: Effect = Effect.NOTHING_CHANGED
    is_logged: bool = False
    """Whether the request that it refuses has its line in the log."""


class InvalidInputError(TicketServerError):
    """The caller's input is invalid; the message names the field and what is allowed."""

    kind = "invalid_input"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        allowed: Sequence[str] = (),
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.field = field
        self.allowed = tuple(allowed)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """Return one error for all `problems` (at least one), so that a caller can fix them all at once.

        It lists the first `MAX_PROBLEMS` and the total number.
        """
        first = problems[0]
        if len(problems) == 1:
            return cls(str(first), field=first.field or None, allowed=first.allowed, problems=problems)
        shown = problems[:MAX_PROBLEMS]
        listed = "".join(f"- {problem}\n" for problem in shown)
        rest = len(problems) - MAX_PROBLEMS
        more = f"- {localized('and {count} more', count=rest)}\n" if rest > 0 else ""
        return cls(f"{localized('{count} problems:', count=len(problems))}\n{listed}{more}", problems=shown)


class NotFoundError(TicketServerError):
    """The object that the caller named does not exist.

    `hint` is a sentence to add when the response may have come from something else than the ticket API.
    """

    kind = "not_found"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(localized("{message} {hint}", message=message, hint=hint) if hint else message)
        self.hint = hint


class ConflictError(TicketServerError):
    """The idempotency key was already used for a different request."""

    kind = "conflict"


class TicketChangedError(ConflictError):
    """The ticket has history entries that the change does not know of."""

    kind = "changed_meanwhile"


class StillRunningError(TicketServerError):
    """An equal call is running and did not end in time; this one did nothing."""

    kind = "still_running"


class UnknownTicketUserError(TicketServerError):
    """The ticket-system user that an administrator linked to the caller does not exist."""

    kind = "ticket_user_unknown"


class UpstreamError(TicketServerError):
    """The ticket API failed; never the caller's fault."""

    kind = "upstream"


class UpstreamUnavailableError(UpstreamError):
    """The ticket API could not be reached, or did not respond to a read in time; the call may be repeated."""

    kind = "upstream_unavailable"


class UpstreamDiskFullError(UpstreamError):
    """The disk of the ticket database is full."""

    kind = "disk_full"


class UpstreamNotWritableError(UpstreamError):
    """The ticket database cannot be written until an operator acts."""

    kind = "upstream_not_writable"


class UpstreamBusyError(UpstreamError):
    """Too many calls wait for the ticket API: the queue was full, or this call waited too long in it."""

    kind = "busy"


class UpstreamRefusedError(UpstreamError):
    """The ticket API refused this server's own key; only the operator can fix that."""

    kind = "upstream_refused"


class UpstreamNotSetError(UpstreamError):
    """An organisation has no ticket API, or its API would expose another organisation's tickets."""

    kind = "upstream_not_set"


class UpstreamFaultError(UpstreamError):
    """The ticket API responded with an internal error, or its response is invalid."""

    kind = "upstream_fault"


class UpstreamPathError(UpstreamFaultError):
    """Something answers at the address that is set for the ticket API, but not the ticket API: check the address."""


class NotStoredError(UpstreamError):
    """A write got a response, but does not read back as sent."""

    kind = "not_stored"

    def __init__(self, message: str, *, effect: Effect) -> None:
        super().__init__(message)
        self.effect = effect


class OutcomeUnknownError(UpstreamError):
    """A write was sent and got no usable response: it may or may not have been done.

    `settled` means that the API has finished with it, so that reading back is conclusive. `named` is the id that the
    response named, if it did.
    """

    kind = "outcome_unknown"
    effect = Effect.UNKNOWN

    def __init__(self, message: str, *, settled: bool = False, named: str | None = None) -> None:
        super().__init__(message)
        self.settled = settled
        self.named = named
