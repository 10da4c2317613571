"""Pages of a list of master data: which entries a query finds, and those of one page. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.folding import fold
from shared.tickets.master_lists import ItemT, MasterList
from shared.tickets.models import User
from shared.tickets.names import MAX_CANDIDATES, labels, matching, nearest
from shared.tickets.results import MAX_CELL, MasterPage, cells, shortened

MAX_MASTER: Final = 200
"""Entries of one page."""


class Selection(NamedTuple):
    """What a caller asks to see of a list."""

    query: str | None = None
    limit: int = MAX_MASTER
    offset: int = 0


MAX_ROLES: Final = 20
FIRST_PAGE: Final = Selection()


def master_page(
    source: MasterList[ItemT], items: Sequence[ItemT], wanted: Selection = FIRST_PAGE, notes: Sequence[str] = ()
) -> MasterPage:
    """Return the wanted page of `items` of `source`; if the query finds none, a note names the nearest."""
    found = items if wanted.query is None else matching(wanted.query, items)
    if items and not found and wanted.query is not None:
        near = localized(", ").join(labels(nearest(wanted.query, items)[:MAX_CANDIDATES], source.tool))
        note = localized(
            "None of {count:,} has all words of “{query}”. Nearest: {near}.",
            count=len(items),
            query=wanted.query,
            near=near,
        )
        notes = (*notes, note)
    end = wanted.offset + wanted.limit
    columns = tuple(str(info.alias) for info in source.item.model_fields.values())
    return MasterPage(
        columns=columns,
        rows=cells([shortened(one, MAX_CELL) for one in found[wanted.offset : end]], columns),
        total=len(found),
        next_offset=end if end < len(found) else None,
        notes=tuple(notes),
        offset=wanted.offset or None,
    )


def with_role(users: tuple[User, ...], role: str | None) -> tuple[tuple[User, ...], tuple[str, ...]]:
    """Return the users with a role; if no user has it, all of them and a note that says so.

    The tools of before took any role and showed all users, as their API does.
    """
    if role is None:
        return users, ()
    if found := tuple(user for user in users if user.role and fold(user.role) == fold(role)):
        return found, ()
    roles = sorted({user.role for user in users if user.role})[:MAX_ROLES]
    note = localized(
        "role: no user has the role “{role}”, so all are shown. Roles: {roles}.",
        role=one_line(role),
        roles=localized(", ").join(roles),
    )
    return users, (note,)
