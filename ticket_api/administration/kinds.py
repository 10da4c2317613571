"""The seven kinds of master data: their tables, the form of their ids, and where they are used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Column, Table

from ticket_api.http.models import master as bodies
from ticket_api.http.models.base import RequestModel
from ticket_api.store import tables


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """One kind of master data."""

    path: str
    """Its name in paths and commands."""
    one: str
    """Its name in sentences."""
    table: Table
    prefix: str
    """Of the usual form of its ids: `user` of `user9`."""
    new: type[RequestModel]
    """The fields of a row that is added."""
    fields: type[RequestModel]
    """The fields of a row that is changed."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    used_by: tuple[tuple[Column[Any], str], ...]
    """Columns that refer to it, each with what refers to it there."""

    @property
    def a(self) -> str:
        """Its name in sentences, with the article."""
        return f"{'an' if self.one[0] in 'aeio' else 'a'} {self.one}"


def _in_tickets(**columns: str) -> tuple[tuple[Column[Any], str], ...]:
    return tuple((tables.tickets.c[name], what) for name, what in columns.items())


USERS: Final = Kind(
    path="users", one="user", table=tables.users, prefix="user", new=bodies.NewUser, fields=bodies.UserFields,
    defaults=MappingProxyType({"email": "", "role": ""}),
    used_by=(
        *_in_tickets(requestor_id="tickets as requestor", person_in_charge_id="tickets as person in charge"),
        (tables.ticket_history.c.user_id, "history entries"),
    ),
)  # fmt: skip
ACCOUNTS: Final = Kind(
    path="accounts", one="account", table=tables.accounts, prefix="acc",
    new=bodies.NewAccount, fields=bodies.AccountFields, used_by=_in_tickets(account_id="tickets"),
)  # fmt: skip
CATEGORIES: Final = Kind(
    path="categories", one="category", table=tables.categories, prefix="cat",
    new=bodies.NewCategory, fields=bodies.CategoryFields,
    used_by=(
        *_in_tickets(category_id="tickets"),
        (tables.category_details.c.category_id, "category details"),
    ),
)  # fmt: skip
CATEGORY_DETAILS: Final = Kind(
    path="category-details", one="category detail", table=tables.category_details, prefix="catd",
    new=bodies.NewCategoryDetail, fields=bodies.CategoryDetailFields,
    used_by=_in_tickets(category_detail_id="tickets"),
)  # fmt: skip
STATUSES: Final = Kind(
    path="statuses", one="status", table=tables.statuses, prefix="stat",
    new=bodies.NewStatus, fields=bodies.StatusFields, defaults=MappingProxyType({"completed": False}),
    used_by=_in_tickets(status_id="tickets"),
)  # fmt: skip
REQUEST_CHANNELS: Final = Kind(
    path="request-channels", one="request channel", table=tables.request_channels, prefix="ch",
    new=bodies.NewRequestChannel, fields=bodies.RequestChannelFields,
    used_by=_in_tickets(request_channel_id="tickets"),
)  # fmt: skip
RESPONSE_CATEGORIES: Final = Kind(
    path="response-categories", one="response category", table=tables.response_categories, prefix="resp",
    new=bodies.NewResponseCategory, fields=bodies.ResponseCategoryFields,
    defaults=MappingProxyType({"parent_category": None}),
    used_by=_in_tickets(response_category_id="tickets"),
)  # fmt: skip
KINDS: Final[Mapping[str, Kind]] = MappingProxyType({
    kind.path: kind
    for kind in (
        *(USERS, ACCOUNTS, CATEGORIES, CATEGORY_DETAILS, STATUSES, REQUEST_CHANNELS, RESPONSE_CATEGORIES),
    )
})  # fmt: skip
"""All kinds, by their name in paths and commands."""
