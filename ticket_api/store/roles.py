"""PostgreSQL's roles: what the one that serves may do, and which ones may not serve.

Source: PostgreSQL 18, "Row Security Policies": superusers, roles with BYPASSRLS and, unless it is forced on them, the
owners of tables are not bound by policies; an owner may switch them off.
"""

from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, bindparam, text

from ticket_api.store.tables import metadata

MORE_RIGHTS: Final = MappingProxyType({
    "api_keys": "UPDATE",
    "tickets": "UPDATE",
    "ticket_numbers": "UPDATE",
    "idempotency_keys": "UPDATE, DELETE",
})  # fmt: skip
"""What serving needs beside SELECT and INSERT; the history, for example, can only be added to."""

_ABOVE: Final = text(
    """
    SELECT string_agg(DISTINCT CASE
        WHEN r.rolsuper THEN format('the superuser %I', r.rolname)
        WHEN r.rolbypassrls THEN format('%I, which may bypass it', r.rolname)
        ELSE format('%I, the owner of tables', r.rolname) END, ' and ')
    FROM pg_roles r
    WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND (r.rolsuper OR r.rolbypassrls OR r.oid IN (
        SELECT c.relowner FROM pg_class c
        WHERE c.relkind = 'r' AND c.relname IN :tables AND pg_table_is_visible(c.oid)))
    """
).bindparams(bindparam("tables", expanding=True))


_OPEN: Final = text(
    """
    SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
    FROM pg_class c
    WHERE c.relkind = 'r' AND c.relname IN :tables AND pg_table_is_visible(c.oid)
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    """
).bindparams(bindparam("tables", expanding=True))


def exists(connection: Connection, role: str) -> bool:
    """Tell whether the server knows `role`."""
    found = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
    return found is not None


def grant(connection: Connection, role: str) -> None:
    """Let `role` serve: read and write rows, and change no table."""
    to = connection.dialect.identifier_preparer.quote_identifier(role)
    connection.execute(text(f"GRANT SELECT ON alembic_version TO {to}"))
    for table in metadata.tables:
        rights = ", ".join(filter(None, ("SELECT, INSERT", MORE_RIGHTS.get(table))))
        connection.execute(text(f"GRANT {rights} ON {table} TO {to}"))


def above_the_policies(connection: Connection) -> str | None:
    """Return which roles this connection has, or may take on, that policies do not bind."""
    found: str | None = connection.scalar(_ABOVE, {"tables": list(metadata.tables)})
    return found


def without_policies(connection: Connection) -> str | None:
    """Return the tables of tenants' rows on which row-level security is switched off."""
    of_tenants = [name for name, table in metadata.tables.items() if "tenant_id" in table.c]
    found: str | None = connection.scalar(_OPEN, {"tables": of_tenants})
    return found
