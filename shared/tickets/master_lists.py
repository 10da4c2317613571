"""The lists of master data that the ticket API serves: one constant each, from which all their tools are made."""

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from shared.tickets.models import CategoryDetail, MasterItem, ResponseCategory, Status, User

ItemT = TypeVar("ItemT", bound=MasterItem)


@dataclass(frozen=True, slots=True)
class MasterList(Generic[ItemT]):
    """One list. `name` is in snake_case, as in the name of its tool; `item` is the shape of its rows."""

    name: str
    item: type[ItemT]

    @property
    def tool(self) -> str:
        """Name of the tool that shows the list."""
        return f"get_{self.name}"

    @property
    def path(self) -> str:
        """Path of the list in the ticket API."""
        return f"/tickets/master/{self.name.replace('_', '-')}"


USERS: Final = MasterList("users", User)
ACCOUNTS: Final = MasterList("accounts", MasterItem)
CATEGORIES: Final = MasterList("categories", MasterItem)
CATEGORY_DETAILS: Final = MasterList("category_details", CategoryDetail)
STATUSES: Final = MasterList("statuses", Status)
REQUEST_CHANNELS: Final = MasterList("request_channels", MasterItem)
RESPONSE_CATEGORIES: Final = MasterList("response_categories", ResponseCategory)

MASTER_LISTS: Final[tuple[MasterList[Any], ...]] = (
    *(USERS, ACCOUNTS, CATEGORIES, CATEGORY_DETAILS),
    *(STATUSES, REQUEST_CHANNELS, RESPONSE_CATEGORIES),
)
