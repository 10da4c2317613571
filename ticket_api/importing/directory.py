"""The master data of a tenant, to find an id by what a file calls it: the id itself, an e-mail address or a name.

A name is found without its differences of case, width and blanks, and never by a part of it. A name that two rows
share is refused.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from pydantic.alias_generators import to_camel
from sqlalchemy import RowMapping, Table

from ticket_api.store.connection import TenantConnection
from ticket_api.store.master import REFERENCES
from ticket_api.store.search.folding import fold
from ticket_api.store.tables import users

MOST_NAMED: Final = 10
SHORTEST_BEGINNING: Final = 2
"""Characters of a name, at least, that are recognised at the beginning of what a file says."""
FIELDS: Final = MappingProxyType({
    to_camel(name): REFERENCES[name]
    for name in (
        *("requestor_id", "account_id", "category_id", "category_detail_id", "request_channel_id"),
        *("person_in_charge_id", "status_id", "response_category_id"),
    )
})  # fmt: skip
"""The fields of a ticket that refer to master data; the category comes before its detail."""
_WHAT: Final = MappingProxyType({
    "users": "person", "accounts": "account", "categories": "category", "category_details": "category detail",
    "statuses": "status", "request_channels": "request channel", "response_categories": "response category",
})  # fmt: skip


def name_key(text: str) -> str:
    """Return what of a name counts."""
    return "".join(fold(text).split())


@dataclass(frozen=True, slots=True)
class _Names:
    """One table: its rows by id, and the ids by folded name and e-mail address."""

    rows: Mapping[str, RowMapping]
    by_email: Mapping[str, list[str]]
    by_name: Mapping[str, list[str]]

    @classmethod
    def of(cls, rows: Mapping[str, RowMapping]) -> Self:
        by_email: defaultdict[str, list[str]] = defaultdict(list)
        by_name: defaultdict[str, list[str]] = defaultdict(list)
        for id_, row in rows.items():
            by_name[name_key(row["name"])].append(id_)
            if row.get("email"):
                by_email[fold(row["email"])].append(id_)
        return cls(rows, by_email, by_name)


class Directory:
    """The master data of a tenant as of one moment."""

    def __init__(self, rows: Mapping[str, Mapping[str, RowMapping]]) -> None:
        self._names = {table: _Names.of(of_table) for table, of_table in rows.items()}

    @classmethod
    def load(cls, db: TenantConnection) -> Self:
        """Read all master data of the tenant, in one statement for each table."""
        return cls({table.name: _rows(db, table) for table in dict.fromkeys(FIELDS.values())})

    def row(self, field: str, id_: str) -> RowMapping:
        """Return the row that an id returned by `find` refers to."""
        return self._names[FIELDS[field].name].rows[id_]

    def find(self, field: str, text: str, *, category_id: str | None = None) -> str:
        """Return the id that `text` means in `field`; names of details count within their category, if that is known.

        Raises:
            ValueError: nothing is called that, or several are; the message says what is there.
        """
        table = FIELDS[field].name
        names = self._names[table]
        if text in names.rows:
            return text
        found = names.by_email.get(fold(text)) or names.by_name.get(name_key(text)) or []
        if field == "categoryDetailId" and category_id is not None:
            found = [id_ for id_ in found if names.rows[id_]["category_id"] == category_id]
        if len(found) == 1:
            return found[0]
        if found:
            same = ", ".join(_told_apart(names.rows[id_]) for id_ in found[:MOST_NAMED])
            raise ValueError(f"is the name of {len(found)}: {same}; write the id or, for a person, the e-mail address")
        there = self._there(field, text, category_id)
        raise ValueError(f"there is no {_WHAT[table]} with this id or name; {there}")

    def _named_by_the_beginning_of(self, table: str, text: str) -> str | None:
        """Return the name or e-mail address that `text` begins with, for example before さん or a note in brackets."""
        names, key = self._names[table], name_key(text)
        for end in range(len(key) - 1, SHORTEST_BEGINNING - 1, -1):
            found = names.by_email.get(key[:end]) or names.by_name.get(key[:end]) or ()
            if len(found) == 1:
                row = names.rows[found[0]]
                return str(row["email"] if key[:end] in names.by_email else row["name"])
        return None

    def _there(self, field: str, text: str, category_id: str | None) -> str:
        """Return what is there instead."""
        table = FIELDS[field].name
        there = [
            row["name"]
            for row in self._names[table].rows.values()
            if category_id is None or field != "categoryDetailId" or row["category_id"] == category_id
        ]
        if not there:
            return "the list is empty, so add it first"
        if len(there) > MOST_NAMED:
            begun = self._named_by_the_beginning_of(table, text)
            return f"there are {len(there):,} others" if begun is None else f"is it {begun}?"
        return f"there are: {', '.join(there)}"


def _rows(db: TenantConnection, table: Table) -> dict[str, RowMapping]:
    order: Any = table.c.name_folded if table is users else table.c.order_no
    rows = db.execute(db.select(table).order_by(order, table.c.id)).mappings()
    return {row["id"]: row for row in rows}


def _told_apart(row: RowMapping) -> str:
    return f"{row['id']} ({row['email']})" if row.get("email") else str(row["id"])
