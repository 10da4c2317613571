"""The numbers of tickets, attachments and history entries: 1, 2, 3 for each tenant, independent of other tenants."""

from types import MappingProxyType
from typing import Final, Literal, get_args

from sqlalchemy import Integer, bindparam

from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import ticket_numbers

Kind = Literal["last", "last_attachment", "last_history"]
_LAST: Final = TenantConnection.select(ticket_numbers, ticket_numbers.c.last, ticket_numbers.c.last_history)
_TAKE: Final = MappingProxyType({
    kind: TenantConnection.update(ticket_numbers)
    .values({column: column + bindparam("count", type_=Integer)})
    .returning(column)
    for kind, column in ((kind, ticket_numbers.c[kind]) for kind in get_args(Kind))
})  # fmt: skip


def begin(db: TenantConnection) -> None:
    """Create the counters of a new tenant."""
    db.execute(db.insert(ticket_numbers).values(last=0, last_attachment=0, last_history=0))


def last(db: TenantConnection) -> tuple[int, int]:
    """Return the last numbers of tickets and of history entries.

    Every transaction that writes a ticket takes one of them, so as long as both are the same, so is every ticket.
    """
    tickets, entries = db.execute(_LAST).one()
    return int(tickets), int(entries)


def hold(db: TenantConnection) -> None:
    """Wait for the tenant's writers of tickets; others wait until this transaction ends."""
    take(db, "last", 0)


def take(db: TenantConnection, kind: Kind, count: int = 1) -> range:
    """Take the next `count` numbers; other writers of the tenant wait until this transaction ends."""
    last = db.scalar(_TAKE[kind], {"count": count})
    return range(last - count + 1, last + 1)
