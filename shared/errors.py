"""Every error raised on purpose, in one tree: here those of tickets, elsewhere, beside what raises them, all others.

    TicketServerError
    ├── InvalidInputError          the caller's input is wrong            nothing was changed
    ├── NotFoundError              the thing named does not exist         nothing was changed
    ├── ConflictError              an idempotency key was used otherwise  nothing was changed
    ├── StillRunningError          an equal call has not ended yet        nothing was changed
    ├── UnknownTicketUserError     who calls stands for nobody there      nothing was changed
    └── UpstreamError              the ticket API failed
        ├── UpstreamUnavailableError   no answer, and none can be under way   nothing was changed
        ├── UpstreamDiskFullError      the disk of its database is full       nothing was changed
        ├── UpstreamNotWritableError   its database cannot be written         nothing was changed
        ├── UpstreamBusyError          too many calls wait for it             nothing was changed
        ├── UpstreamRefusedError       it refused *our* key                   nothing was changed
        ├── UpstreamNotSetError        nobody has said which one is meant     nothing was changed
        ├── UpstreamFaultError         it answered, but not with sense        nothing was changed
        ├── NotStoredError             it said yes, and read back it is not   each says for itself
        └── OutcomeUnknownError        a write may have been done             may have been changed

`str(error)` is one or two sentences that are safe to show to whoever called: no address, no key, no upstream text.
`effect` says what happened to the tickets, so that a model knows whether repeating is safe.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Self

MAX_PROBLEMS: Final = 20


class Effect(StrEnum):
    """What a failed call did to the tickets."""

    NOTHING_CHANGED = "nothing_changed"
    CHANGED = "changed"
    UNKNOWN = "unknown"


class Problem(NamedTuple):
    """One thing that is wrong with what a caller sent."""

    field: str
    """The argument by its name; empty when the problem is one of several together."""
    text: str
    allowed: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = f"{self.field}: {self.text}." if self.field else f"{self.text}."
        return f"{said} Allowed: {', '.join(self.allowed)}." if self.allowed else said


class TicketServerError(Exception):
    """Root of every error raised on purpose."""

    kind: str = "internal"
    """Stable word for logs, counters and `data.kind` of a response."""
    request_id: str | int | None = None
    """The JSON-RPC id of the request that was refused, where it is known."""
    effect: Effect = Effect.NOTHING_CHANGED


class InvalidInputError(TicketServerError):
    """What the caller sent is wrong; the message names the field and what would be right."""

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
        """Return one error for all `problems`, at least one, so that a caller mends them in one go.

        Of more than `MAX_PROBLEMS` the first are listed, and how many there are.
        """
        first = problems[0]
        if len(problems) == 1:
            return cls(str(first), field=first.field or None, allowed=first.allowed, problems=problems)
        shown = problems[:MAX_PROBLEMS]
        listed = "".join(f"- {problem}\n" for problem in shown)
        more = f"- and {len(problems) - MAX_PROBLEMS} more\n" if len(problems) > MAX_PROBLEMS else ""
        return cls(f"{len(problems)} problems:\n{listed}{more}", problems=shown)


class NotFoundError(TicketServerError):
    """The thing that the caller named does not exist."""

    kind = "not_found"


class ConflictError(TicketServerError):
    """The same idempotency key was already used for something else."""

    kind = "conflict"


class StillRunningError(TicketServerError):
    """An equal call runs and has not ended in time; this one did nothing."""

    kind = "still_running"


class UnknownTicketUserError(TicketServerError):
    """The user of the ticket system that an administrator set for whoever calls does not exist there."""

    kind = "ticket_user_unknown"


class UpstreamError(TicketServerError):
    """The ticket API failed; never the caller's fault."""

    kind = "upstream"


class UpstreamUnavailableError(UpstreamError):
    """The ticket API could not be reached, or a read was not answered in time; the call may be repeated."""

    kind = "upstream_unavailable"


class UpstreamDiskFullError(UpstreamError):
    """There is no room on the disk of the ticket database."""

    kind = "disk_full"


class UpstreamNotWritableError(UpstreamError):
    """The ticket database cannot be written until an operator acts."""

    kind = "upstream_not_writable"


class UpstreamBusyError(UpstreamError):
    """Calls wait for the ticket API, and this one had to wait for too long or found too many before it."""

    kind = "busy"


class UpstreamRefusedError(UpstreamError):
    """The ticket API refused this server's own key; only the operator can mend that."""

    kind = "upstream_refused"


class UpstreamNotSetError(UpstreamError):
    """An organisation has no ticket API, or one that would show it the tickets of another organisation."""

    kind = "upstream_not_set"


class UpstreamFaultError(UpstreamError):
    """The ticket API answered with an error of its own, or with something that is no answer."""

    kind = "upstream_fault"


class NotStoredError(UpstreamError):
    """A write was acknowledged or answered, but what reads back is not what was written."""

    kind = "not_stored"

    def __init__(self, message: str, *, effect: Effect) -> None:
        super().__init__(message)
        self.effect = effect


class OutcomeUnknownError(UpstreamError):
    """A write was sent and no usable answer came back: it may or may not have been done.

    `settled` means that the API is through with it, so that reading back tells for certain.
    """

    kind = "outcome_unknown"
    effect = Effect.UNKNOWN

    def __init__(self, message: str, *, settled: bool = False) -> None:
        super().__init__(message)
        self.settled = settled
