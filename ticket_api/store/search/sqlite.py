"""The index of pieces in SQLite: an FTS5 table without content, in which a word is a phrase of its pairs.

The number of the tenant is in front of each piece, and in the upper half of each row id, so that a search reads pieces
of one tenant alone. Without content, FTS5 must be given what it indexed to delete it: the folded texts that the ticket
had before.
Source: SQLite, "FTS5 Extension", 3.1 (ascii tokenizer), 4.4.1 (contentless tables), 6.2 (the delete command), 6.6
(the merge command: a negative number merges all levels, and less than two changes mean that nothing is left).
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from types import MappingProxyType
from typing import Final

from sqlalchemy import Column, Integer, MetaData, String, Table, text

from ticket_api.store.connection import TenantConnection
from ticket_api.store.search.pieces import characters, pairs_of_text, phrases_of

PUNCTUATION: Final = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""ASCII characters that are no separators in the index, besides letters and digits; all others never are."""
_REPLACED: Final = MappingProxyType({code: "\ufffd" for code in (*range(0x20), 0x7F) if not chr(code).isspace()})
"""Control characters, which would be separators in the index."""
_NUMBER_BITS: Final = 32
_FUNCTION_OF_FTS5: Final = "fts5_source_id"

piece_tenants: Final = Table(
    "piece_tenants",
    MetaData(),
    Column("number", Integer, primary_key=True),
    Column("tenant_id", String(50), nullable=False, unique=True),
)
_QUOTED: Final = PUNCTUATION.replace("'", "''").replace('"', '""')
CREATE: Final = (
    f"CREATE VIRTUAL TABLE ticket_pieces USING fts5(pieces, content='', tokenize=\"ascii tokenchars '{_QUOTED}'\")"
)
_DELETE: Final = text("INSERT INTO ticket_pieces (ticket_pieces, rowid, pieces) VALUES ('delete', :row, :pieces)")
_INSERT: Final = text("INSERT INTO ticket_pieces (rowid, pieces) VALUES (:row, :pieces)")
_MERGE: Final = "INSERT INTO ticket_pieces (ticket_pieces, rank) VALUES ('merge', -200)"
_CHANGES: Final = "SELECT total_changes()"
_TENANT: Final = TenantConnection.select(piece_tenants, piece_tenants.c.number)
_FIND: Final = text(
    f"SELECT json_group_array(rowid & {(1 << _NUMBER_BITS) - 1}) FROM "  # noqa: S608 - a constant
    "(SELECT rowid FROM ticket_pieces WHERE ticket_pieces MATCH :query LIMIT :most)"
)


def lacks_fts5() -> bool:
    """Return whether the SQLite of this Python was built without FTS5."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(f"SELECT {_FUNCTION_OF_FTS5}()")
        except sqlite3.OperationalError:
            return True
    return False


class SqlitePieces:
    """The pieces of tickets, in SQLite."""

    def replace(self, db: TenantConnection, texts: Sequence[tuple[int, str, str]]) -> None:
        """Index each ticket (its number, the text that is indexed or "", the text to index)."""
        db.add_if_new(piece_tenants)
        tenant = self._number(db)
        before = [_row(tenant, number, old) for number, old, _ in texts if old]
        if before:
            db.execute(_DELETE, before)
        db.execute(_INSERT, [_row(tenant, number, new) for number, _, new in texts])

    def remove(self, db: TenantConnection, texts: Sequence[tuple[int, str]]) -> None:
        """Forget each ticket (its number, the text that is indexed)."""
        tenant = self._number(db)
        db.execute(_DELETE, [_row(tenant, number, old) for number, old in texts])

    def remove_tenant(self, db: TenantConnection) -> None:
        """Forget the tenant, none of whose tickets is indexed any more."""
        db.execute(db.delete(piece_tenants))

    def merge(self, db: TenantConnection) -> bool:
        """Do a part of overwriting what was removed; return whether there is more to do."""
        before = db.connection.exec_driver_sql(_CHANGES).scalar_one()
        db.connection.exec_driver_sql(_MERGE)
        return bool(db.connection.exec_driver_sql(_CHANGES).scalar_one() - before >= 2)

    def candidates(self, db: TenantConnection, words: tuple[str, ...], most: int) -> tuple[int, ...]:
        """Return the numbers of at most `most` tickets, of which those that have all `words` are a part."""
        tenant = self._number(db)
        indexed = tuple(word.translate(_REPLACED) for word in words)
        phrases = (_tokens(tenant, pieces).replace('"', '""') for pieces in phrases_of(indexed))
        query = " AND ".join(f'"{phrase}"' for phrase in phrases)
        return tuple(json.loads(db.connection.execute(_FIND, {"query": query, "most": most}).scalar_one()))

    def _number(self, db: TenantConnection) -> int:
        """Return the number of the tenant; 0 before its first ticket."""
        return db.scalar(_TENANT) or 0


def _row(tenant: int, number: int, folded: str) -> dict[str, int | str]:
    indexed = folded.translate(_REPLACED)
    pieces = _tokens(tenant, (*pairs_of_text(indexed), *characters(indexed)))
    return {"row": (tenant << _NUMBER_BITS) + number, "pieces": pieces}


def _tokens(tenant: int, pieces: Sequence[str]) -> str:
    return f"{tenant}|" + f" {tenant}|".join(pieces)
