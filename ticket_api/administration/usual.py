"""Usual statuses, request channels, categories and response categories for an organisation that has none."""

from collections.abc import Iterator
from typing import Literal

from ticket_api.administration.kinds import CATEGORIES, CATEGORY_DETAILS, KINDS, Kind
from ticket_api.sample import usual_choices
from ticket_api.store import master, numbers
from ticket_api.store.connection import TenantConnection


def add_usual(db: TenantConnection, language: Literal["en", "ja"]) -> Iterator[tuple[Kind, str]]:
    """Fill the lists that are empty, and yield what was added; the details of categories only with the categories."""
    numbers.hold(db)
    kind_of = {kind.table: kind for kind in KINDS.values()}
    choices = [(kind_of[table], rows) for table, rows in usual_choices(language)]
    is_empty = {kind: not master.list_choices(db, kind.table) for kind, _ in choices}
    is_empty[CATEGORY_DETAILS] = is_empty[CATEGORIES]
    for kind, rows in choices:
        if is_empty[kind]:
            db.execute(db.insert(kind.table), rows)
            yield from ((kind, row["id"]) for row in rows)
