"""The index of pieces in PostgreSQL: a table of hashed pieces with a GIN index, behind a function of its owner.

Row-level security keeps PostgreSQL from using an index for any condition on text or arrays: their functions are not
leakproof. So the policy of this one table does not bind its owner, the function `ticket_candidates` runs as the owner
and adds the tenant itself, and the role that serves may not read the pieces.
Source: PostgreSQL 18, "Row Security Policies" and CREATE FUNCTION, "Writing SECURITY DEFINER Functions Safely".
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

from sqlalchemy import ARRAY, Column, Connection, Integer, MetaData, String, Table, bindparam, text

from ticket_api.store.connection import TenantConnection
from ticket_api.store.search.pieces import set_of_text, set_of_words

ticket_pieces: Final = Table(
    "ticket_pieces",
    MetaData(),
    Column("tenant_id", String(50), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("pieces", ARRAY(Integer), nullable=False),
)
_MINE: Final = "tenant_id = current_setting('app.tenant_id', true)"
_CREATE: Final = (
    """
    CREATE TABLE ticket_pieces (tenant_id varchar(50), number integer, pieces integer[] NOT NULL,
        PRIMARY KEY (tenant_id, number))
    """,
    "ALTER TABLE ticket_pieces ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY of_one_tenant ON ticket_pieces USING ({_MINE}) WITH CHECK ({_MINE})",
    """
    CREATE FUNCTION ticket_candidates(wanted integer[], most integer) RETURNS integer[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_bitmapscan = on SET enable_seqscan = off  -- whatever the transaction has set for its lists
    AS $$ DECLARE numbers integer[]; BEGIN
        EXECUTE 'SELECT ARRAY(SELECT number FROM {schema}.ticket_pieces
            WHERE tenant_id = current_setting(''app.tenant_id'', true) AND pieces @> $1 LIMIT $2)'
        INTO numbers USING wanted, most;
        RETURN numbers;
    END $$
    """,
    "REVOKE ALL ON FUNCTION ticket_candidates FROM PUBLIC",
)
_FIND: Final = text("SELECT ticket_candidates(:wanted, :most)").bindparams(bindparam("wanted", type_=ARRAY(Integer)))


class PostgresPieces:
    """The pieces of tickets, in PostgreSQL."""

    def replace(self, db: TenantConnection, texts: Sequence[tuple[int, str, str]]) -> None:
        """Index each ticket (its number, the text that is indexed or "", the text to index)."""
        before = [number for number, old, _ in texts if old]
        if before:
            db.execute(db.delete(ticket_pieces).where(ticket_pieces.c.number.in_(before)))
        rows = [{"number": number, "pieces": hashed(db.tenant, set_of_text(new))} for number, _, new in texts]
        db.execute(db.insert(ticket_pieces), rows)

    def remove(self, db: TenantConnection, texts: Sequence[tuple[int, str]]) -> None:
        """Forget each ticket (its number, the text that is indexed)."""
        numbers = [number for number, _ in texts]
        db.execute(db.delete(ticket_pieces).where(ticket_pieces.c.number.in_(numbers)))

    def remove_tenant(self, db: TenantConnection) -> None:
        """Forget the tenant: of one without tickets there is nothing."""

    def merge(self, db: TenantConnection) -> bool:  # noqa: ARG002 - as of the other index
        """Return that there is nothing to do: PostgreSQL vacuums by itself."""
        return False

    def candidates(self, db: TenantConnection, words: tuple[str, ...], most: int) -> tuple[int, ...]:
        """Return the numbers of at most `most` tickets, of which those that have all `words` are a part."""
        pieces = hashed(db.tenant, set_of_words(words))
        return tuple(db.connection.execute(_FIND, {"wanted": pieces, "most": most}).scalar_one())


def hashed(tenant: str, pieces: set[str]) -> list[int]:
    """Return the hash of each piece of the tenant, as a signed integer of 32 bits."""
    of_tenant = crc32(f"{tenant}|".encode())
    return [crc32(piece.encode(), of_tenant) - 2**31 for piece in pieces]


def create_table(connection: Connection) -> None:
    """Create the table, still without its index, and its function, as their owner."""
    quote = connection.dialect.identifier_preparer.quote
    schema = quote(connection.scalar(text("SELECT current_schema()")))
    for statement in _CREATE:
        connection.exec_driver_sql(statement.format(schema=schema))


def create_index(connection: Connection) -> None:
    """Create the index, once the table is filled, which may take minutes."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = '1h'")  # a large database takes minutes
    connection.exec_driver_sql(
        "CREATE INDEX pieces_of_tickets ON ticket_pieces USING gin (pieces) WITH (gin_pending_list_limit = 512)"
    )  # in kB: what is pending is read by each search, and moved to the index by one of the writers


def grant(connection: Connection, role: str) -> None:
    """Grant the role, quoted, what serving needs of the table and its function, and no more: not to read the pieces."""
    for statement in (
        f"REVOKE ALL ON ticket_pieces FROM {role}",  # default privileges may have granted everything
        f"GRANT INSERT, DELETE, SELECT (tenant_id, number) ON ticket_pieces TO {role}",
        f"GRANT EXECUTE ON FUNCTION ticket_candidates TO {role}",
    ):
        connection.exec_driver_sql(statement)
