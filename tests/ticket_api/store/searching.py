"""Random texts in many spellings and scripts, and a plain scan of them to compare a search with."""

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.ticket_api.conftest import NOW
from ticket_api.store import numbers
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import find, fold, index_tickets
from ticket_api.store.tables import accounts, ticket_history, tickets, users
from ticket_api.tenancy import DEFAULT, make_tenant

FRAGMENTS: Final = (
    *("printer", "Printing", "PRINT", "error", "ERR-42", "e-mail", "straße", "STRASSE", "naïve", "nai\u0308ve", "ﬁle"),
    *("印刷", "不具合", "券", "ログイン", "ろぐいん", "ﾛｸﾞｲﾝ", "プリンター", "東京", "京都", "ヴァイオリン", "ヷ", "わ゙"),
    *("100%", "under_score", r"back\slash", 'quo"ted', "it's", "a|b", "{x}", "(", ")", "*", "+", "^", "-", "NEAR"),
    *("😀", "👩‍👩‍👧", "🇯🇵", "ＡＢＣ", "１２３", "㌔", "①", "\u0301", "o\u0301", "\u200b", "\x01", "\x7f", "%_%"),
    "don´t",
)  # fmt: skip
SEPARATORS: Final = (" ", "", "", "\n", "\u3000", "\t", "、", "\u00a0", "\u2028")
TICKETS: Final = 150
Work = Callable[[TenantConnection], Any]


class UndoError(Exception):
    """Ends a transaction without a trace."""


async def run(url: str, work: Work, tenant: str = DEFAULT, *, undo: bool = False) -> Any:
    """Return the result of `work` in a transaction of the tenant, which is created if it does not exist."""
    result: Any = None

    def in_transaction(connection: Connection) -> None:
        nonlocal result
        make_tenant(connection, tenant, fill=None, now=NOW)
        result = work(TenantConnection.open(connection, tenant))
        if undo:
            raise UndoError

    async with open_transactions(resolve_url(url)) as transactions:
        if undo:
            with pytest.raises(UndoError):
                await transactions.write(in_transaction)
        else:
            await transactions.write(in_transaction)
    return result


def some_text(chance: random.Random, most: int) -> str:
    parts = (chance.choice(FRAGMENTS) + chance.choice(SEPARATORS) for _ in range(chance.randint(1, most)))
    return chance.choice("aあ") + "".join(parts)


def write_random_texts(db: TenantConnection) -> None:
    """Add tickets with random texts to the sample data, each written and indexed twice."""
    chance = random.Random(15)  # noqa: S311 - for tests
    sample = db.execute(db.select(tickets).limit(1)).mappings().one()
    ids = numbers.take(db, "last", TICKETS)
    indexed = dict.fromkeys(("text_folded", "names_folded"), "")
    db.execute(
        db.insert(tickets),
        [
            {
                **sample,
                **some_values(chance),
                **indexed,
                "id": f"TCK-{number:04}",
                "number": number,
                "external_ticket_id": chance.choice((None, "Ext-１", "%\\_")),
            }
            for number in ids
        ],
    )
    index_tickets(db, ids)
    entry = {"user_id": "user1", "timestamp": NOW, "is_public": False}
    comments = [
        {**entry, "id": id_, "ticket_id": f"TCK-{chance.choice(ids):04}", "comment": some_text(chance, 9)}
        for id_ in numbers.take(db, "last_history", TICKETS)
    ]
    db.execute(db.insert(ticket_history), comments)
    for number in ids[::3]:
        db.execute(db.update(tickets).where(tickets.c.number == number).values(**some_values(chance)))
    index_tickets(db, ids)


def some_values(chance: random.Random) -> dict[str, str]:
    summary = some_text(chance, 6)
    return {
        "summary": summary,
        "summary_folded": fold(summary),
        "description": some_text(chance, 20),
        "account_id": f"acc{chance.randint(1, 8)}",
        "person_in_charge_id": f"user{chance.randint(1, 8)}",
    }


def texts_of(db: TenantConnection) -> dict[int, list[str]]:
    """Return what is searched of each ticket, folded, by number: read from the tables as they are shown."""
    names = {
        table.name: {row.id: row.name for row in db.execute(db.select(table, table.c.id, table.c.name))}
        for table in (accounts, users)
    }
    comments: defaultdict[str, list[str]] = defaultdict(list)
    for entry in db.execute(db.select(ticket_history)):
        comments[entry.ticket_id].append(entry.comment or "")
    return {
        row.number: list(map(fold, (
            *(row.id, row.external_ticket_id or "", row.summary, row.description, *comments[row.id]),
            *(names["accounts"][row.account_id], names["users"][row.requestor_id]),
            names["users"][row.person_in_charge_id],
        )))
        for row in db.execute(db.select(tickets))
    }  # fmt: skip


def scanned(texts: dict[int, list[str]], words: str) -> set[int]:
    """Return the tickets that have all words, each within one of their texts."""
    wanted = [fold(word) for word in words.split()[:10]]
    return {n for n, fields in texts.items() if all(any(word in text for text in fields) for word in wanted)}


def found(db: TenantConnection, words: str = "", *, phrase: str = "") -> set[int]:
    """Return the numbers of the tickets that are found, after checking that no candidate is missing."""
    match = find(db, words, phrase=phrase)
    matching = set(db.scalars(db.select(tickets, tickets.c.number).where(*match.conditions)))
    assert match.numbers is None or matching <= set(match.numbers)
    return matching


def some_words(chance: random.Random, texts: list[list[str]]) -> str:
    """Return up to three parts of texts, spelled in another way."""
    parts = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        text = chance.choice(chance.choice(texts))
        begin = chance.randrange(max(len(text), 1))
        part = text[begin : begin + chance.choice((1, 1, 2, 2, 3, 5, 9, 60))]
        parts.append(chance.choice((str, str.upper, str.title, katakana, wide))(part))
    return str(chance.choice((" ", "\u3000", "\n"))).join(parts)


def katakana(text: str) -> str:
    return "".join(chr(ord(c) + 0x60) if "ぁ" <= c <= "ゖ" else c for c in text)


def wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
