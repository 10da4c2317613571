"""The reception time of a new ticket, which may be left out or relative to the call. Pure."""

from typing import Final, NamedTuple

from shared.mcp_tools.inputs import CreateTicketInput
from shared.tickets.ticket_time import TicketTime

_NOW: Final = "now"


class Reception(NamedTuple):
    """When a new ticket came in.

    `body` is what is sent. `words` are the same in equal calls: `2 hours ago` names another minute each time. For such
    words, `latest` is the minute that they name now, on the ticket API's clock.
    """

    body: dict[str, str]
    words: str
    latest: str | None = None


def reception_of(new: CreateTicketInput, at: TicketTime) -> Reception:
    """Return the reception of `new`; by default it is now.

    An API that names its zone fills in the time itself, so that a request repeated with its idempotency key is equal.
    Another one may count in another zone.
    """
    if new.reception_date_time is None or new.moving_reception == _NOW:
        minute = at.stored(at.now)
        return Reception({} if at.api_zone else {"receptionDateTime": minute}, _NOW, minute)
    minute = new.reception_date_time
    body = {"receptionDateTime": minute}
    return Reception(body, new.moving_reception, minute) if new.moving_reception else Reception(body, minute)
