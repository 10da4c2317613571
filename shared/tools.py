"""The ticket tools: the same behaviour over any ticket API.

Every id is checked before it is sent, every ticket is read before it is written, and every write is read back: the
existing API loses an acknowledged comment when another user's update named an unknown ticket.
Source: the observed behaviour of the existing API, trap by trap in tests/shared/test_tools_traps.py.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from shared.api_client import APIClient
from shared.counting import Counter
from shared.errors import InvalidInputError, Problem, TicketServerError
from shared.telemetry import get_logger
from shared.tickets.acting_user import ToolCall, known_user
from shared.tickets.activity.recent_changes import RecentChanges
from shared.tickets.choices import ChoiceFinder
from shared.tickets.dates.ticket_calendar import TicketCalendar
from shared.tickets.details import TicketDetails
from shared.tickets.features import FeatureReader
from shared.tickets.listing.ticket_list import TicketList
from shared.tickets.master_data import MasterData
from shared.tickets.master_lists import CATEGORIES, REQUEST_CHANNELS, RESPONSE_CATEGORIES
from shared.tickets.master_tools import MasterTools
from shared.tickets.models import MasterItem
from shared.tickets.reading import read_ticket
from shared.tickets.references import check, with_choices
from shared.tickets.reports.ticket_reports import TicketReports
from shared.tickets.similar.similar_tickets import SimilarTicketFinder
from shared.tickets.ticket_ids import read_named
from shared.tickets.ticket_pages import TicketPages
from shared.tickets.ticket_system import TicketSystem
from shared.time_zones import utc_now
from shared.writes.bulk.bulk_update import BulkUpdate
from shared.writes.checked_write import checked_write
from shared.writes.comment_addition import CommentAddition
from shared.writes.recent_writes import MemoryRecentWrites, RecentWrites
from shared.writes.repeats import Repeats
from shared.writes.ticket_creation import TicketCreation
from shared.writes.ticket_update import TicketUpdate

log = get_logger(__name__)

_ACTING: Final = MappingProxyType({
    "update_ticket": "updatedById",
    "add_ticket_history": "userId",
    "update_tickets": "updatedById",
})  # fmt: skip
"""The argument of a tool that names the acting user."""


class TicketTools:
    """The tools of one ticket API.

    Args:
        api: its client, open.
        completed_status_id: id of the status that means completed; the API does not mark it.
        counter: counts `writes_unconfirmed` by kind: acknowledged but not stored, or outcome unknown.
        recent_writes: recognises repeats; by default only those made through this object.
        zone: zone of dates in arguments and results; by default the one that the API names, or else the machine's.
        ticket_user: the person at this machine, as id, name or e-mail address, where there is only one caller.
        clock: returns the current time, timezone-aware.

    Every tool takes its call; writes record their findings in it, whatever their outcome.

    Every method raises:
        InvalidInputError: the call has problems; the error names all of them.
        InsufficientScopeError: a write names another user as the acting user.
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed; `effect` says what that did to the tickets.
    """

    def __init__(
        self,
        api: APIClient,
        *,
        completed_status_id: str = "stat4",
        counter: Counter | None = None,
        recent_writes: RecentWrites | None = None,
        zone: tzinfo | None = None,
        ticket_user: str = "",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        master, features = MasterData(api), FeatureReader(api)
        self.calendar = TicketCalendar(features, master, completed=completed_status_id, zone=zone, clock=clock)
        self._system = system = TicketSystem(
            api=api,
            features=features,
            master=master,
            calendar=self.calendar,
            pages=TicketPages(api, features, master, self.calendar, completed_id=completed_status_id),
            completed=completed_status_id,
            counter=counter,
        )
        self._repeats = Repeats(recent_writes or MemoryRecentWrites())
        self.ticket_user = ticket_user
        """The person at this machine; it belongs in each call."""
        lists = MasterTools(system)
        tickets, update = TicketList(system), TicketUpdate(system)
        self.choices = ChoiceFinder(system, tickets)
        """What completes values while a person types them; no tool."""
        self.get_ticket_list = tickets.page
        self.get_ticket_detail = TicketDetails(system).detail
        self.get_ticket_report = TicketReports(system).report
        self.get_ticket_changes = RecentChanges(system).changes
        self.create_ticket = TicketCreation(system, self._repeats).create
        self.update_ticket = update.update
        self.add_ticket_history = CommentAddition(system, self._repeats).add
        self.get_users = lists.users
        self.get_accounts = lists.accounts
        self.get_categories = partial(lists.whole_list, CATEGORIES)
        self.get_category_details = lists.category_details
        self.get_statuses = lists.statuses
        self.get_request_channels = partial(lists.whole_list, REQUEST_CHANNELS)
        self.get_response_categories = partial(lists.whole_list, RESPONSE_CATEGORIES)
        self.update_tickets = BulkUpdate(system, update, tickets, self._repeats).update
        self.find_similar_tickets = SimilarTicketFinder(system).find

    async def user_of(self, call: ToolCall) -> tuple[MasterItem | None, str]:
        """Do as `known_user`. Never raises."""
        return await known_user(self._system.master, call)

    async def all_problems(
        self, tool: str, arguments: Mapping[str, Any], call: ToolCall, wrong: Sequence[Problem]
    ) -> list[Problem]:
        """Return all problems of a call whose form is invalid, as far as they can be determined.

        Args:
            tool: name of the tool.
            arguments: the arguments as received.
            call: the call.
            wrong: the problems already found.
        """
        master = self._system.master
        fields = {problem.field.partition(".")[0] for problem in wrong}
        values: dict[str, Any] = {
            name: one for name, one in arguments.items() if isinstance(one, str) and name not in fields
        }
        if tool == "get_ticket_list" and "statusId" in values:
            values["statusId"] = (values["statusId"],)
        acting = _ACTING.get(tool)
        further: Sequence[Problem] = ()
        try:
            wrong = await with_choices(master, wrong)
            is_update = tool == "update_ticket" and "ticketId" in values
            ticket = (await read_named(read_ticket, self._system.api, values["ticketId"]))[0] if is_update else None
            if acting is not None and acting not in fields:
                await checked_write(master, values, call, acting, ticket=ticket)
            elif values:
                await check(master, values, call, is_write=tool == "create_ticket", ticket=ticket)
        except InvalidInputError as error:
            further = error.problems
        except TicketServerError as error:
            log.info("references_not_checked", outcome=error.kind)
        return [*wrong, *further]
