"""PostgreSQL's roles: what the serving role may do, and which roles must not serve.

Source: PostgreSQL 18, "Row Security Policies": policies do not apply to superusers, to roles with BYPASSRLS and, unless
forced, to the owners of tables; an owner may switch them off.
"""

from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, bindparam, text

from ticket_api.store.search import postgres
from ticket_api.store.tables import metadata

MASTER_TABLES: Final = (
    *("users", "accounts", "categories", "category_details", "statuses", "request_channels", "response_categories"),
)
MORE_RIGHTS: Final = MappingProxyType({
    "api_keys": "UPDATE",
    **dict.fromkeys(MASTER_TABLES, "UPDATE, DELETE"),
    "tickets": "UPDATE",
    "ticket_numbers": "UPDATE",
    "idempotency_keys": "UPDATE, DELETE",
    "renamed": "UPDATE, DELETE",
})  # fmt: skip
"""What serving needs besides SELECT and INSERT; the history, for example, is append-only."""

PIECES: Final = postgres.ticket_pieces.name
"""The one table whose owner is not restricted: see `ticket_api.store.search.postgres`."""
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


_SERVING: Final = text(
    """
    SELECT DISTINCT a.grantee::regrole::text
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relname = 'tickets' AND pg_table_is_visible(c.oid) AND a.privilege_type = 'INSERT'
        AND a.grantee <> 0 AND a.grantee <> c.relowner AND pg_has_role(c.relowner, 'USAGE')
    ORDER BY 1
    """
)

_OPEN: Final = text(
    """
    SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
    FROM pg_class c
    WHERE c.relkind = 'r' AND c.relname IN :tables AND pg_table_is_visible(c.oid)
        AND NOT (c.relrowsecurity AND (c.relforcerowsecurity OR c.relname = :of_pieces))
    """
).bindparams(bindparam("tables", expanding=True))


def exists(connection: Connection, role: str) -> bool:
    """Return whether the database server has the role."""
    found = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
    return found is not None


def lock_grants(connection: Connection, lock: int) -> None:
    """Wait for other programs that grant: PostgreSQL lets only one at a time change the rights on a table."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


def grant_to_those_that_serve(connection: Connection) -> None:
    """Grant every role that may insert tickets what serving needs now: a new version may need more than before."""
    for role in connection.scalars(_SERVING):
        _grant(connection, role)


def grant(connection: Connection, role: str) -> None:
    """Grant `role` what serving needs: to read and write rows, not to change tables."""
    _grant(connection, connection.dialect.identifier_preparer.quote_identifier(role))


def _grant(connection: Connection, to: str) -> None:
    connection.execute(text(f"GRANT SELECT ON alembic_version TO {to}"))
    for table in metadata.tables:
        rights = ", ".join(filter(None, ("SELECT, INSERT", MORE_RIGHTS.get(table))))
        connection.execute(text(f"GRANT {rights} ON {table} TO {to}"))
    postgres.grant(connection, to)


def above_the_policies(connection: Connection) -> str | None:
    """Return the roles this connection has, or can assume, that policies do not restrict."""
    found: str | None = connection.scalar(_ABOVE, {"tables": [*metadata.tables, PIECES]})
    return found


def without_policies(connection: Connection) -> str | None:
    """Return the tables with tenants' rows for which row-level security is off."""
    of_tenants = [name for name, table in metadata.tables.items() if "tenant_id" in table.c]
    found: str | None = connection.scalar(_OPEN, {"tables": [*of_tenants, PIECES], "of_pieces": PIECES})
    return found
