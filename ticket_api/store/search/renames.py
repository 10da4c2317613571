"""Keeps the search right when a person or an account gets another name.

The names of its tickets are part of their indexed text, and indexing thousands of tickets takes seconds. So a rename
is noted in the transaction that makes it, and from then on a search reads the current name of whatever is noted, not
the indexed one. The tickets are indexed again later, some at a time, each time in a transaction of its own; after the
last, the note is removed.

Locks are taken in one order, so that no two writers wait for each other: the note, tickets, the numbers of the tenant.
"""

from types import MappingProxyType
from typing import Final, Literal

from sqlalchemy import or_

from ticket_api.store import numbers
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search.index import NAMED, index_tickets
from ticket_api.store.tables import renamed, tickets

AT_ONCE: Final = 100
"""How many tickets are indexed in one transaction, while which other writers of the tenant wait."""
_COLUMNS: Final = MappingProxyType({table.name: columns for table, columns in NAMED})
Kind = Literal["accounts", "users"]


def note_rename(db: TenantConnection, kind: Kind, id_: str) -> None:
    """Note, in the transaction that changes the name, that the tickets of this account or person must be indexed.

    Waits for the other writers of the tenant, whose tickets may still have the old name.
    """
    this = (renamed.c.kind == kind, renamed.c.id == id_)
    if not db.add_if_new(renamed, kind=kind, id=id_, done_to=0):
        db.execute(db.update(renamed).where(*this).values(done_to=0))
    numbers.hold(db)


def index_renamed(db: TenantConnection) -> bool:
    """Index the next tickets whose account or person has another name; return whether there may be more."""
    note = db.execute(db.select(renamed).order_by(renamed.c.kind, renamed.c.id).limit(1).with_for_update()).first()
    if note is None:
        return False
    this = (renamed.c.kind == note.kind, renamed.c.id == note.id)
    rest = (or_(*(column == note.id for column in _COLUMNS[note.kind])), tickets.c.number > note.done_to)
    next_ = db.select(tickets, tickets.c.number).where(*rest).order_by(tickets.c.number).limit(AT_ONCE)
    found = db.scalars(next_.with_for_update()).all()
    numbers.hold(db)
    if found:
        index_tickets(db, found)
        db.execute(db.update(renamed).where(*this).values(done_to=found[-1]))
    else:
        db.execute(db.delete(renamed).where(*this))
    return True
