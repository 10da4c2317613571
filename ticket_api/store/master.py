"""The seven master tables: lists to choose from, and the names of the ids in a ticket."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    CompoundSelect,
    RowMapping,
    Select,
    String,
    Table,
    bindparam,
    cast,
    false,
    literal,
    null,
    true,
    union_all,
)

from ticket_api.errors import MOST_ALLOWED
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import (
    accounts,
    categories,
    category_details,
    request_channels,
    response_categories,
    statuses,
    users,
)

REFERENCES: Final = MappingProxyType(
    {
        "requestor_id": users,
        "account_id": accounts,
        "category_id": categories,
        "category_detail_id": category_details,
        "request_channel_id": request_channels,
        "person_in_charge_id": users,
        "status_id": statuses,
        "response_category_id": response_categories,
        "updated_by_id": users,
        "user_id": users,
    }
)
"""The table that the id in a field refers to."""
MOST_BUILT: Final = 100
_USERS: Final = TenantConnection.select(users).order_by(users.c.name_folded, users.c.id)
_DETAILS: Final = (
    TenantConnection.select(category_details, category_details, categories.c.name.label("category_name"))
    .outerjoin(categories)
    .order_by(category_details.c.order_no, category_details.c.id)
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """The row an id refers to; `category_id` is set for a category detail, `completed` for a status."""

    name: str
    category_id: str | None
    completed: bool


def list_users(db: TenantConnection, role: str | None) -> Sequence[RowMapping]:
    """Return users by name, all or those with one role."""
    query = _USERS if role is None else _USERS.where(users.c.role == role)
    return db.execute(query).mappings().all()


def list_choices(db: TenantConnection, table: Table) -> Sequence[RowMapping]:
    """Return a table's rows in their configured order."""
    return db.execute(_choices(table)).mappings().all()


@cache
def _choices(table: Table) -> Select[Any]:
    return TenantConnection.select(table).order_by(table.c.order_no, table.c.id)


def list_details(db: TenantConnection, category_id: str | None) -> Sequence[RowMapping]:
    """Return category details, all or those of one category."""
    query = _DETAILS if category_id is None else _DETAILS.where(category_details.c.category_id == category_id)
    return db.execute(query).mappings().all()


def meanings(db: TenantConnection, ids: Mapping[str, str]) -> dict[str, Meaning]:
    """Return, by field, the row its id refers to, in one statement; fields with unknown ids are left out."""
    found = db.execute(_meanings(tuple(ids)), ids)
    return {field: Meaning(name, category_id, bool(completed)) for field, name, category_id, completed in found}


@lru_cache(MOST_BUILT)
def _meanings(fields: tuple[str, ...]) -> CompoundSelect[*tuple[Any, ...]]:
    """Return the statement that reads what the ids in these fields refer to; its parameters have their names."""
    return union_all(*map(_meaning, fields))


def _meaning(field: str) -> Select[Any]:
    table = REFERENCES[field]
    category_id = table.c.category_id if table is category_details else cast(null(), String)
    completed = table.c.completed if table is statuses else false()
    meaning = TenantConnection.select(table, literal(field), table.c.name, category_id, completed)
    return meaning.where(table.c.id == bindparam(field, type_=String(50)))


def allowed_ids(db: TenantConnection, field: str, *, category_id: str | None = None) -> list[str]:
    """Return ids that `field` accepts, at most as many as an error lists; only details of `category_id`, if given."""
    table = REFERENCES[field]
    order: Iterable[Any] = (table.c.name_folded,) if table is users else (table.c.order_no,)
    in_category = true() if category_id is None else table.c.category_id == category_id
    query = db.select(table, table.c.id).where(in_category).order_by(*order, table.c.id).limit(MOST_ALLOWED)
    return list(db.scalars(query))
