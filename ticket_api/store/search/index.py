"""Indexes the text of tickets and finds tickets by words.

A ticket is searched in `text_folded` (summary, ids, description and comments) and `names_folded` (account, requestor
and person in charge), one field a line, so that no word is found across two fields. The index of pieces gives
candidates; conditions on these columns decide.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, func, not_, or_, select

from ticket_api.store.connection import TenantConnection, among
from ticket_api.store.search.folding import fold, words_of
from ticket_api.store.search.postgres import PostgresPieces
from ticket_api.store.search.sqlite import SqlitePieces
from ticket_api.store.tables import accounts, renamed, ticket_history, tickets, users

MOST_CANDIDATES: Final = 1_000
"""With more candidates than these, it is faster to read tickets in the order of the list until a page is full."""
MOST_TESTED: Final = 4_000
"""Up to as many candidates, their numbers are tested first, which both databases do in the index of a list's order.

With more of them, the next ticket with the words is near, wherever one begins to read.
"""
MOST_COMMENTED: Final = 20_000
"""Characters of comments of one ticket that are searched: of its newest comments."""
NAMED: Final = (
    (accounts, (tickets.c.account_id,)),
    (users, (tickets.c.requestor_id, tickets.c.person_in_charge_id)),
)
"""The tables with names that are searched, and the columns of a ticket that refer to them."""
_BATCH: Final = 500
_NAMES: Final = tuple((table.alias(f"of_{column.name}"), column) for table, columns in NAMED for column in columns)


class Pieces(Protocol):
    """The index of one kind of database."""

    def replace(self, db: TenantConnection, texts: Sequence[tuple[int, str, str]]) -> None:
        """Index each ticket (its number, the text that is indexed or "", the text to index)."""

    def remove(self, db: TenantConnection, texts: Sequence[tuple[int, str]]) -> None:
        """Forget each ticket (its number, the text that is indexed)."""

    def remove_tenant(self, db: TenantConnection) -> None:
        """Forget the tenant, none of whose tickets is indexed any more."""

    def merge(self, db: TenantConnection) -> bool:
        """Do a part of overwriting what was removed; return whether there is more to do."""

    def candidates(self, db: TenantConnection, words: tuple[str, ...], most: int) -> tuple[int, ...]:
        """Return the numbers of at most `most` tickets, of which those that have all `words` are a part."""


@dataclass(frozen=True, slots=True)
class TextMatch:
    """Which tickets have what is searched."""

    numbers: tuple[int, ...] | None
    """The numbers of at most `MOST_CANDIDATES` tickets; no others match. None: many may."""
    conditions: list[ColumnElement[bool]]
    """What a ticket must fulfil to match, candidate or not; the first costs least."""


def index_tickets(db: TenantConnection, numbers: Iterable[int]) -> None:
    """Rewrite the searched text of these tickets, and its index, from what the tables hold.

    To be called in the transaction that wrote the tickets or their comments, after the number of the ticket or of the
    history entry was taken: that lock keeps names from changing.
    """
    every = sorted(set(numbers))
    for first in range(0, len(every), _BATCH):
        _index(db, every[first : first + _BATCH])


def forget_tickets(db: TenantConnection, rows: Sequence[tuple[int, str, str]]) -> None:
    """Remove tickets (number, `text_folded`, `names_folded`) that are about to be deleted from the index."""
    indexed = [(number, indexed_text(text, names)) for number, text, names in rows if text]
    if indexed:
        _pieces_of(db).remove(db, indexed)


def forget_tenant(db: TenantConnection) -> None:
    """Remove a tenant without tickets from the index."""
    _pieces_of(db).remove_tenant(db)


def merge_index(db: TenantConnection) -> bool:
    """Do a part of overwriting what was removed from the index; return whether there is more to do."""
    return _pieces_of(db).merge(db)


def indexed_text(text: str, names: str) -> str:
    """Return what is indexed of a ticket."""
    return f"{text}\n{names}"


def find(db: TenantConnection, words: str = "", *, phrase: str = "") -> TextMatch:
    """Return which tickets have all `words`, in any order, and the `phrase` in summary, account or requestor."""
    searched, piece = words_of(words), fold(phrase)
    asked = tuple(dict.fromkeys(part for word in (*searched, piece) for part in word.split()))
    stale = _stale(db) if asked else None
    conditions = [_holds(db, word, stale) for word in searched]
    if piece:
        conditions.append(_mentions(db, piece))
    if not asked:
        return TextMatch(None, conditions)
    numbers = _pieces_of(db).candidates(db, asked, MOST_TESTED + 1)
    if stale is not None and len(numbers) <= MOST_TESTED:
        more = db.select(tickets, tickets.c.number).where(stale).limit(MOST_TESTED + 1)
        numbers = tuple({*numbers, *db.scalars(more)})
    if len(numbers) <= MOST_CANDIDATES:
        return TextMatch(numbers, conditions)
    if len(numbers) <= MOST_TESTED:
        conditions.insert(0, among(db.dialect, tickets.c.number, numbers))
    return TextMatch(None, conditions)


def _pieces_of(db: TenantConnection) -> Pieces:
    return PostgresPieces() if db.dialect == "postgresql" else SqlitePieces()


def has_renames(db: TenantConnection) -> bool:
    """Return whether tickets may be indexed with a name of before a rename."""
    return db.scalar(_RENAMED) is not None


def _stale(db: TenantConnection) -> ColumnElement[bool] | None:
    """Return the condition that a ticket may be indexed with a name of before a rename; None: no ticket is."""
    if not has_renames(db):
        return None
    return or_(*(column.in_(_renamed(db, table)) for table, columns in NAMED for column in columns))


def _renamed(db: TenantConnection, table: Table) -> Select[tuple[str]]:
    return db.select(renamed, renamed.c.id).where(renamed.c.kind == table.name)


def _holds(db: TenantConnection, word: str, stale: ColumnElement[bool] | None) -> ColumnElement[bool]:
    """Return the condition that a ticket has the word in its text or, by `stale`, in its indexed or current names."""
    in_text = _contains(db, tickets.c.text_folded, word)
    in_names = _contains(db, tickets.c.names_folded, word)
    if stale is None:
        return or_(in_text, in_names)
    current = (column.in_(_named(db, table, word)) for table, columns in NAMED for column in columns)
    return or_(in_text, and_(not_(stale), in_names), and_(stale, or_(*current)))


def _mentions(db: TenantConnection, piece: str) -> ColumnElement[bool]:
    """Return the condition that a ticket's summary, account or requestor contains `piece`.

    Names are searched once per query, not per ticket.
    """
    return or_(
        _contains(db, tickets.c.summary_folded, piece),
        tickets.c.account_id.in_(_named(db, accounts, piece)),
        tickets.c.requestor_id.in_(_named(db, users, piece)),
    )


def _named(db: TenantConnection, table: Table, piece: str) -> Select[tuple[str]]:
    return db.select(table, table.c.id).where(_contains(db, table.c.name_folded, piece))


def _contains(db: TenantConnection, text: ColumnElement[str], piece: str) -> ColumnElement[bool]:
    """Not by LIKE: with many near matches it takes time proportional to the product of both lengths."""
    position = func.strpos if db.dialect == "postgresql" else func.instr
    return position(text, piece) > 0


def _index(db: TenantConnection, numbers: Sequence[int]) -> None:
    found = db.execute(_TICKETS, {"numbers": numbers}).mappings().all()
    comments = _comments(db, [row["id"] for row in found])
    changed = []
    texts = []
    for row in found:
        fields = (row["summary"], row["id"], row["external_ticket_id"] or "", row["description"], *comments[row["id"]])
        text = "\n".join(map(fold, fields))
        names = "\n".join(row[f"name_{n}"] for n in range(len(_NAMES)))
        if (text, names) != (row["text_folded"], row["names_folded"]):
            changed.append({"of": row["number"], "text": text, "names": names})
            before = indexed_text(row["text_folded"], row["names_folded"]) if row["text_folded"] else ""
            texts.append((row["number"], before, indexed_text(text, names)))
    if changed:
        db.execute(_REWRITE, changed)
        _pieces_of(db).replace(db, texts)


def _with_names() -> Select[Any]:
    own = (tickets.c[name] for name in ("id", "number", "summary", "external_ticket_id", "description"))
    labels = (table.c.name_folded.label(f"name_{n}") for n, (table, _) in enumerate(_NAMES))
    query = TenantConnection.select(tickets, *own, tickets.c.text_folded, tickets.c.names_folded, *labels)
    for table, column in _NAMES:
        query = query.outerjoin(table, and_(table.c.tenant_id == tickets.c.tenant_id, table.c.id == column))
    return query.where(tickets.c.number.in_(bindparam("numbers", expanding=True)))


def _newest_comments() -> Select[Any]:
    """Return the statement that reads comments, newest first, until there are enough characters, and what is newer."""
    entry = ticket_history.c
    newest_first = (entry.timestamp.desc(), entry.id.desc())
    length = func.sum(func.length(entry.comment)).over(partition_by=entry.ticket_id, order_by=newest_first)
    with_comment = (entry.ticket_id.in_(bindparam("ids", expanding=True)), entry.comment.is_not(None))
    own = (entry.ticket_id, entry.timestamp, entry.id, entry.comment)
    each = TenantConnection.select(ticket_history, *own, length.label("length")).where(*with_comment).subquery().c
    before = each.length - func.length(each.comment)
    newest = select(each.ticket_id, each.comment, before).where(before < MOST_COMMENTED)
    return newest.order_by(each.timestamp.desc(), each.id.desc())


def _comments(db: TenantConnection, ids: Sequence[str]) -> defaultdict[str, list[str]]:
    """Return the newest `MOST_COMMENTED` characters of each ticket's comments, newest comment first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for ticket_id, comment, newer in db.execute(_NEWEST_COMMENTS, {"ids": ids}):
        found[ticket_id].append(comment[: MOST_COMMENTED - newer])
    return found


_RENAMED: Final = TenantConnection.select(renamed, renamed.c.id).limit(1)
_TICKETS: Final = _with_names()
_NEWEST_COMMENTS: Final = _newest_comments()
_REWRITE: Final = (
    TenantConnection.update(tickets)
    .where(tickets.c.number == bindparam("of"))
    .values(text_folded=bindparam("text"), names_folded=bindparam("names"))
)
