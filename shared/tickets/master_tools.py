"""Answers the tools that list master data."""

from typing import Any

from shared.mcp_tools.inputs import AccountsInput, CategoryDetailsInput, ToolInput, UsersInput
from shared.tickets.acting_user import ToolCall, named_me
from shared.tickets.master_lists import ACCOUNTS, CATEGORY_DETAILS, STATUSES, USERS, MasterList
from shared.tickets.master_pages import master_page, with_role
from shared.tickets.references import check
from shared.tickets.results import MasterPage
from shared.tickets.statuses import marked
from shared.tickets.ticket_system import TicketSystem
from shared.tickets.unreadable import row_notes


class MasterTools:
    """The lists of master data of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def users(self, query: UsersInput, call: ToolCall) -> MasterPage:
        """Return users; the role is filtered here, because the existing API ignores it. `me` finds the caller."""
        listed = await self._system.list_of(USERS)
        if (me := await named_me(self._system.master, call, query.query)) is not None:
            return master_page(USERS, [user for user in listed if user.id == me.id])
        users, notes = with_role(listed, query.role)
        return master_page(USERS, users, query.selection, [*notes, *row_notes(listed)])

    async def accounts(self, query: AccountsInput, _: ToolCall) -> MasterPage:
        """Return accounts."""
        accounts = await self._system.list_of(ACCOUNTS)
        return master_page(ACCOUNTS, accounts, query.selection, row_notes(accounts))

    async def category_details(self, query: CategoryDetailsInput, call: ToolCall) -> MasterPage:
        """Return the details of one category or of all."""
        checked = await check(self._system.master, query.given(), call)
        details = await self._system.list_of(CATEGORY_DETAILS)
        category = checked.values.get("categoryId")
        items = [one for one in details if category is None or one.category_id == category]
        return master_page(CATEGORY_DETAILS, items, query.selection, [*checked.notes, *row_notes(details)])

    async def whole_list(self, source: MasterList[Any], _: ToolInput, __: ToolCall) -> MasterPage:
        """Return a complete list of master data."""
        items = await self._system.list_of(source)
        return master_page(source, items, notes=row_notes(items))

    async def statuses(self, _: ToolInput, __: ToolCall) -> MasterPage:
        """Return all statuses, and which of them mean completed."""
        read = await self._system.list_of(STATUSES)
        return master_page(STATUSES, marked(read, self._system.completed), notes=row_notes(read))
