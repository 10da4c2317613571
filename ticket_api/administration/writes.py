"""The rules for changing master data, over the statements in `store`.

Every function runs inside the caller's transaction and raises before it has written anything. Writers of one tenant
wait for each other, so that no id is given twice.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic.alias_generators import to_camel
from sqlalchemy import RowMapping

from ticket_api.administration.kinds import ACCOUNTS, CATEGORY_DETAILS, USERS, Kind
from ticket_api.errors import ApiConflictError, ApiNotFoundError, BadInputError
from ticket_api.http.models import master as bodies
from ticket_api.http.models.base import RequestModel
from ticket_api.store import master, master_rows, numbers, search
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import fold

IN_USE: Final = "in_use"
EXISTS: Final = "exists"
NUMBER: Final = re.compile(r"[0-9]{1,9}")
Outcome = Literal["added", "changed", "unchanged"]


def values_of(body: RequestModel) -> dict[str, Any]:
    """Return the values that were sent, by column; null counts as not sent."""
    sent = body.model_dump(exclude_none=True, by_alias=False)
    if sent.get("parent_category") == "":
        sent["parent_category"] = None
    return sent


def add(db: TenantConnection, kind: Kind, values: Mapping[str, Any]) -> str:
    """Store a row and return its id, by default the next free one of the usual form.

    Without an id of its own, the row is known by its name (a person with an e-mail address: by that), so a second one
    is refused: repeating a request makes nothing twice.

    Raises: BadInputError, ConflictError (`exists`).
    """
    numbers.hold(db)
    id_ = values.get("id")
    if id_ is None:
        _refuse_a_second(db, kind, values)
        id_ = next_id(db, kind)
    elif master_rows.read(db, kind.table, id_) is not None:
        raise ApiConflictError(f"There is already a {kind.one} {id_!r}. Nothing was changed.", kind=EXISTS, field="id")
    _insert(db, kind, {**values, "id": id_})
    return str(id_)


def put(db: TenantConnection, kind: Kind, id_: str, values: Mapping[str, Any]) -> Outcome:
    """Change a row, or add it if the id is new. Raises: BadInputError, ConflictError (`in_use`)."""
    note_rename(db, kind, master_rows.read(db, kind.table, id_), values)
    numbers.hold(db)
    before = master_rows.read(db, kind.table, id_)
    if before is None:
        if not bodies.ID.fullmatch(id_):
            raise BadInputError(f"id {bodies.ID_RULE}", field="id")
        for name, field in kind.new.model_fields.items():
            if field.is_required() and name not in values:
                sentence = f"{to_camel(name)} is required: there is no {kind.one} {id_!r} yet"
                raise BadInputError(sentence, field=to_camel(name))
        _insert(db, kind, {**values, "id": id_})
        return "added"
    return change(db, kind, id_, values)


def change(db: TenantConnection, kind: Kind, id_: str, values: Mapping[str, Any]) -> Outcome:
    """Change a row that is there. Raises: NotFoundError, BadInputError, ConflictError (`in_use`)."""
    note_rename(db, kind, master_rows.read(db, kind.table, id_), values)
    numbers.hold(db)
    before = master_rows.read(db, kind.table, id_)
    if before is None:
        raise _unknown(kind, id_)
    if values.get("category_id", before.get("category_id")) != before.get("category_id"):
        _check_category(db, values["category_id"])
        _refuse_if_used(db, kind, id_, "moved to another category")
    return store_change(db, kind, before, values)


def note_rename(db: TenantConnection, kind: Kind, before: RowMapping | None, values: Mapping[str, Any]) -> None:
    """Let searches read the name of a person or account anew if `values` change it; before any other lock is taken."""
    if kind in (USERS, ACCOUNTS) and before is not None and values.get("name", before["name"]) != before["name"]:
        search.note_rename(db, "users" if kind is USERS else "accounts", before["id"])


def store_change(db: TenantConnection, kind: Kind, before: RowMapping, values: Mapping[str, Any]) -> Outcome:
    """Change a row that was read in this transaction, by values that were checked."""
    new = {name: value for name, value in values.items() if value != before[name]}
    if not new:
        return "unchanged"
    master_rows.update(db, kind.table, before["id"], new)
    return "changed"


def remove(db: TenantConnection, kind: Kind, id_: str) -> None:
    """Delete a row that nothing refers to. Raises: NotFoundError, ConflictError (`in_use`)."""
    numbers.hold(db)
    if master_rows.read(db, kind.table, id_) is None:
        raise _unknown(kind, id_)
    _refuse_if_used(db, kind, id_, "removed")
    master_rows.delete(db, kind.table, id_)


def next_id(db: TenantConnection, kind: Kind) -> str:
    """Return the id after the highest of the usual form."""
    ids = set(master_rows.ids(db, kind.table, kind.prefix))
    ends = (id_.removeprefix(kind.prefix) for id_ in ids)
    number = max((int(end) for end in ends if NUMBER.fullmatch(end)), default=0) + 1
    while f"{kind.prefix}{number}" in ids:  # longer numbers than those of the usual form
        number += 1
    return f"{kind.prefix}{number}"


def _unknown(kind: Kind, id_: str) -> ApiNotFoundError:
    return ApiNotFoundError(f"There is no {kind.one} {id_!r}")


def _insert(db: TenantConnection, kind: Kind, values: Mapping[str, Any]) -> None:
    if kind is CATEGORY_DETAILS:
        _check_category(db, values["category_id"])
    row = {**kind.defaults, **values}
    if "order_no" in kind.table.c and "order_no" not in row:
        row["order_no"] = master_rows.last_place(db, kind.table) + 1
    master_rows.insert(db, kind.table, row)


def _refuse_a_second(db: TenantConnection, kind: Kind, values: Mapping[str, Any]) -> None:
    column = "email" if kind is USERS and values.get("email") else "name"
    wanted = fold(values[column])
    for row in master_rows.named(db, kind.table, column, values.get("category_id")):
        if fold(row["value"]) == wanted:
            raise ApiConflictError(
                f"The {kind.one} {row['id']!r} already has this {'e-mail address' if column == 'email' else 'name'}. "
                "Nothing was changed; change that one, or give an id to add another.",
                kind=EXISTS,
                field=column,
            )


def _check_category(db: TenantConnection, category_id: str) -> None:
    if not master.meanings(db, {"category_id": category_id}):
        raise BadInputError(
            f"categoryId: there is no {category_id!r}",
            field="categoryId",
            allowed=master.allowed_ids(db, "category_id"),
        )


def _refuse_if_used(db: TenantConnection, kind: Kind, id_: str, done: str) -> None:
    uses = [(master_rows.count_uses(db, column, id_), what) for column, what in kind.used_by]
    found = [f"{what} ({_many(count)})" for count, what in uses if count]
    if found:
        sentence = f"The {kind.one} {id_!r} cannot be {done}, it is in use: {', '.join(found)}. Nothing was changed."
        raise ApiConflictError(sentence, kind=IN_USE)


def _many(count: int) -> str:
    most = master_rows.MOST_COUNTED
    return f"more than {most:,}" if count > most else f"{count:,}"
