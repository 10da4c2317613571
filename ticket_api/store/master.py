"""The seven master tables: lists to choose from, and the names of the ids in a ticket."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import RowMapping, Select, String, Table, cast, false, literal, null, true, union_all

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


@dataclass(frozen=True, slots=True)
class Meaning:
    """The row an id refers to; `category_id` is set for a category detail, `completed` for a status."""

    name: str
    category_id: str | None
    completed: bool


def list_users(db: TenantConnection, role: str | None) -> Sequence[RowMapping]:
    """Return users by name, all or those with one role."""
    query = db.select(users).order_by(users.c.name_folded, users.c.id)
    if role is not None:
        query = query.where(users.c.role == role)
    return (db.execute(query)).mappings().all()


def list_choices(db: TenantConnection, table: Table) -> Sequence[RowMapping]:
    """Return a table's rows in their configured order."""
    return (db.execute(db.select(table).order_by(table.c.order_no, table.c.id))).mappings().all()


def list_details(db: TenantConnection, category_id: str | None) -> Sequence[RowMapping]:
    """Return category details, all or those of one category."""
    query = (
        db.select(category_details, category_details, categories.c.name.label("category_name"))
        .outerjoin(categories)
        .order_by(category_details.c.order_no, category_details.c.id)
    )
    if category_id is not None:
        query = query.where(category_details.c.category_id == category_id)
    return (db.execute(query)).mappings().all()


def meanings(db: TenantConnection, ids: Mapping[str, str]) -> dict[str, Meaning]:
    """Return, by field, the row its id refers to, in one statement; fields with unknown ids are left out."""
    found = db.execute(union_all(*(_meaning(db, field, id_) for field, id_ in ids.items())))
    return {field: Meaning(name, category_id, bool(completed)) for field, name, category_id, completed in found}


def _meaning(db: TenantConnection, field: str, id_: str) -> Select[Any]:
    table = REFERENCES[field]
    category_id = table.c.category_id if table is category_details else cast(null(), String)
    completed = table.c.completed if table is statuses else false()
    return db.select(table, literal(field), table.c.name, category_id, completed).where(table.c.id == id_)


def allowed_ids(db: TenantConnection, field: str, *, category_id: str | None = None) -> list[str]:
    """Return ids that `field` accepts, at most as many as an error lists; only details of `category_id`, if given."""
    table = REFERENCES[field]
    order: Iterable[Any] = (table.c.name_folded,) if table is users else (table.c.order_no,)
    in_category = true() if category_id is None else table.c.category_id == category_id
    query = db.select(table, table.c.id).where(in_category).order_by(*order, table.c.id).limit(MOST_ALLOWED)
    return list(db.scalars(query))
