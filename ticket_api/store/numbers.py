"""The numbers of tickets, attachments and history entries: 1, 2, 3 for each tenant, independent of other tenants."""

from typing import Literal

from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import ticket_numbers

Kind = Literal["last", "last_attachment", "last_history"]


def begin(db: TenantConnection) -> None:
    """Create the counters of a new tenant."""
    db.execute(db.insert(ticket_numbers).values(last=0, last_attachment=0, last_history=0))


def hold(db: TenantConnection) -> None:
    """Wait for the tenant's writers of tickets; others wait until this transaction ends."""
    take(db, "last", 0)


def take(db: TenantConnection, kind: Kind, count: int = 1) -> range:
    """Take the next `count` numbers; other writers of the tenant wait until this transaction ends."""
    column = ticket_numbers.c[kind]
    last = db.scalar(db.update(ticket_numbers).values({column: column + count}).returning(column))
    return range(last - count + 1, last + 1)
