"""What all tools of one ticket API share."""

from dataclasses import dataclass

from shared.api_client import APIClient
from shared.counting import Counter
from shared.errors import TicketServerError
from shared.tickets.dates.ticket_calendar import TicketCalendar
from shared.tickets.features import FeatureReader
from shared.tickets.master_data import MasterData
from shared.tickets.master_lists import ItemT, MasterList
from shared.tickets.models import Rows, parse_many
from shared.tickets.ticket_pages import TicketPages


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketSystem:
    """One ticket API, and what is read and known of it."""

    api: APIClient
    features: FeatureReader
    master: MasterData
    calendar: TicketCalendar
    pages: TicketPages
    completed: str
    """Id of the status that means completed, where the API does not say which do."""
    counter: Counter | None = None

    async def list_of(self, source: MasterList[ItemT]) -> Rows[ItemT]:
        """Return a list of master data as it is now. Raises: UpstreamError."""
        return parse_many(source.item, await self.api.get(source.path))

    def counted(self, error: TicketServerError) -> TicketServerError:
        """Count a write that was not confirmed, and return its error."""
        if self.counter is not None:
            self.counter.count("writes_unconfirmed", kind=error.kind)
        return error
