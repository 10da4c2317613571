"""Finds what completes a value while a person types it: items of master data, and tickets by id or summary."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from shared.mcp_tools.arguments.habits import Reading
from shared.mcp_tools.inputs import TicketListInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.folding import fold
from shared.tickets.listing.ticket_list import TicketList
from shared.tickets.master_lists import MasterList
from shared.tickets.names import each_label, matching
from shared.tickets.ticket_system import TicketSystem

MAX_CHOICES: Final = 100
"""The most that the protocol allows in one completion."""
MAX_TYPED: Final = 200
_ID: Final = re.compile(r"(?:t|tc|tck|tck-)?(\d*)")
"""How the id of a ticket begins, folded; a search by its digits finds more, since they may stand anywhere."""


class TicketChoice(NamedTuple):
    """A ticket to choose."""

    id: str
    summary: str


class Choices(NamedTuple):
    """The first choices, how many there are in all if that is known, and whether there are more."""

    values: Sequence[Any]
    total: int | None
    has_more: bool


NO_CHOICES: Final = Choices((), 0, has_more=False)


class ChoiceFinder:
    """Finds choices in the data of one ticket API."""

    def __init__(self, system: TicketSystem, tickets: TicketList) -> None:
        self._system = system
        self._tickets = tickets

    async def items(self, source: MasterList[Any], typed: str) -> Choices:
        """Return the items that `typed` finds, as `id (name)`. Raises: UpstreamError."""
        if len(typed) > MAX_TYPED:
            return NO_CHOICES
        items = (await self._system.master.lists())[source]
        found = matching(typed, items) if typed.strip() else items
        return Choices(each_label(found[:MAX_CHOICES]), len(found), len(found) > MAX_CHOICES)

    async def tickets(self, typed: str, reading: Reading, call: ToolCall) -> Choices:
        """Return the newest tickets whose id begins as `typed`, or that a search for it finds.

        Raises:
            UpstreamError: the API failed.
        """
        if len(typed) > MAX_TYPED:
            return NO_CHOICES
        begins = fold(typed)
        is_id = _ID.fullmatch(begins)
        words = is_id[1] if is_id else begins
        given: dict[str, Any] = {"limit": MAX_CHOICES, "fields": ["ticketId", "summary"]}
        query = TicketListInput.read(given | ({"searchQuery": words} if words else {}), reading)
        page = await self._tickets.page(query, call)
        found = [TicketChoice(str(row[0]), str(row[1] or "")) for row in page.rows]
        if is_id and not begins.isdigit():
            found = [one for one in found if fold(one.id).startswith(begins)]
        total = page.total if len(found) == len(page.rows) and page.more_than_total is None else None
        return Choices(found, total, page.has_more)
