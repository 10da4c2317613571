"""The result of changing several tickets: a preview, or what became of each."""

from enum import StrEnum

from shared.localization import localized
from shared.tickets.models import MasterItem
from shared.tickets.results import FieldChange, Table


class TicketState(StrEnum):
    """What would become, or became, of one ticket."""

    WOULD_CHANGE = "would change"
    HOLDS = "has it already"
    """It holds every value already, and no comment goes to it."""
    CANNOT = "cannot"
    DONE = "done"
    DONE_BEFORE = "done before"
    """An earlier call with the same token did it."""
    SKIPPED = "skipped"
    """It was changed since the preview; nothing was written to it."""
    FAILED = "failed"
    """Nothing was written to it."""
    IN_PART = "in part"
    UNKNOWN = "unknown"
    """It may have been changed."""
    NOT_TRIED = "not tried"


class TicketsUpdated(Table):
    """What would become, or became, of several tickets.

    Columns: `ticketId`, and where a ticket has it or differs in it `state`, `summary`, `change` and `why`. Where all
    tickets have one state, `counts` alone says which.
    """

    preview: bool | None = None
    """True if nothing was written."""
    refused: str | None = None
    """Why the token was not accepted; then this is a new preview."""
    confirm: str | None = None
    """The token of the preview, absent if nothing would change."""
    counts: dict[str, int]
    """The number of tickets in each state."""
    recorded_as: MasterItem
    changed: tuple[FieldChange, ...] | None = None
    """What all tickets that change hold afterwards; the old value is a word in brackets where it differs."""
    comment: str | None = None
    """The comment that goes to every ticket, in a preview."""
    commented: bool | None = None
    """True if comments were added."""
    stopped: str | None = None
    """Why the rest was not tried."""


def state_labels() -> dict[TicketState, str]:
    """Return what readers see for each state, in the language of the call."""
    return {
        TicketState.WOULD_CHANGE: localized("would change"),
        TicketState.HOLDS: localized("has it already"),
        TicketState.CANNOT: localized("cannot"),
        TicketState.DONE: localized("done"),
        TicketState.DONE_BEFORE: localized("done before"),
        TicketState.SKIPPED: localized("skipped"),
        TicketState.FAILED: localized("failed"),
        TicketState.IN_PART: localized("in part"),
        TicketState.UNKNOWN: localized("unknown"),
        TicketState.NOT_TRIED: localized("not tried"),
    }
