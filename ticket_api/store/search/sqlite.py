"""The index of pieces in SQLite: an FTS5 table without content, in which a word is a phrase of its pairs.

The number of the tenant is in front of each piece, and in the upper half of each row id, so that a search reads pieces
of one tenant alone. Without content, FTS5 must be given what it indexed to delete it: the folded texts that the ticket
had before.
Source: SQLite, "FTS5 Extension", 3.1 (ascii tokenizer), 4.4.1 (contentless tables), 6.2 (the delete command).
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from sqlalchemy import Column, Integer, MetaData, String, Table, text

from ticket_api.store.connection import TenantConnection
from ticket_api.store.search.pieces import characters, pairs_of_text, wanted

PUNCTUATION: Final = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""ASCII characters that are no separators in the index, besides letters and digits; all others never are."""
_NOT_INDEXED: Final = MappingProxyType(dict.fromkeys((*range(0x20), 0x7F), "\ufffd"))
"""Control characters would be separators."""
_NUMBER_BITS: Final = 32

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
_FIND: Final = text(
    "SELECT rowid FROM ticket_pieces WHERE ticket_pieces MATCH :phrases ORDER BY rowid DESC LIMIT :most"
)


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

    def candidates(self, db: TenantConnection, words: tuple[str, ...], most: int) -> tuple[int, ...]:
        """Return the numbers of at most `most` tickets, of which those that have all `words` are a part."""
        tenant = self._number(db)
        if tenant is None:
            return ()
        phrases = (_tokens(tenant, pieces).replace('"', '""') for pieces in wanted(words))
        query = " AND ".join(f'"{phrase}"' for phrase in phrases)
        rows = db.connection.execute(_FIND, {"phrases": query, "most": most}).scalars()
        return tuple(row & (1 << _NUMBER_BITS) - 1 for row in rows)

    def _number(self, db: TenantConnection) -> int | None:
        number: int | None = db.scalar(db.select(piece_tenants, piece_tenants.c.number))
        return number


def _row(tenant: int | None, number: int, folded: str) -> dict[str, int | str]:
    pieces = _tokens(tenant, (*pairs_of_text(folded), *characters(folded)))
    return {"row": ((tenant or 0) << _NUMBER_BITS) + number, "pieces": pieces}


def _tokens(tenant: int | None, pieces: Sequence[str]) -> str:
    return " ".join(f"{tenant}|{piece}" for piece in pieces).translate({**_NOT_INDEXED, 0x20: " "})
