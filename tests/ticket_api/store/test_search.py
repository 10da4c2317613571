"""Words find what a plain scan of the tables finds, on both databases, and each write shows in the next search."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Connection, event, func

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.databases import Postgres, copy_sqlite, run_aside
from tests.ticket_api.conftest import NOW, new_ticket
from ticket_api import writes
from ticket_api.http.models.requests import NewComment, NewTicket, TicketChange
from ticket_api.store import numbers, tables
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import find, fold, index_tickets
from ticket_api.store.search.index import MOST_COMMENTED
from ticket_api.store.tables import accounts, ticket_history, tickets, users
from ticket_api.tenancy import DEFAULT, make_tenant

FRAGMENTS: Final = (
    *("printer", "Printing", "PRINT", "error", "ERR-42", "e-mail", "straße", "STRASSE", "naïve", "nai\u0308ve", "ﬁle"),
    *("印刷", "不具合", "券", "ログイン", "ろぐいん", "ﾛｸﾞｲﾝ", "プリンター", "東京", "京都", "ヴァイオリン", "ヷ", "わ\u3099"),
    *("100%", "under_score", r"back\slash", 'quo"ted', "it's", "a|b", "{x}", "(", ")", "*", "+", "^", "-", "NEAR", "AND"),
    *("😀", "👩‍👩‍👧", "🇯🇵", "ＡＢＣ", "１２３", "㌔", "①", "\u0301", "o\u0301", "\u200b", "\x01", "\x7f", "1|券", "%_%", "''"),
)  # fmt: skip
SEPARATORS: Final = (" ", "", "", "\n", "\u3000", "\t", "、", "\u00a0", "\u2028")
TICKETS: Final = 150
QUERIES: Final = 200
THEIRS: Final = "quetzal"
Work = Callable[[TenantConnection], Any]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with random texts; a test that writes undoes it."""
    if request.param == "sqlite":
        url = copy_sqlite(request.getfixturevalue("sqlite_template"), tmp_path_factory.mktemp("search") / "t.sqlite3")
        run_aside(run(url, write_random_texts))
        yield url
        return
    server: Postgres = request.getfixturevalue("postgres")
    made = run_aside(server.create(template=request.getfixturevalue("postgres_template").name))
    run_aside(run(made.application_url, write_random_texts))
    yield made.application_url
    run_aside(server.drop(made))


class UndoError(Exception):
    """Ends a transaction without a trace."""


async def run(url: str, work: Work, tenant: str = DEFAULT, *, undo: bool = False) -> Any:
    """Return the result of `work` in a transaction of the tenant, which is created if there is none."""
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
    chance = random.Random(15)
    sample = db.execute(db.select(tickets).limit(1)).mappings().one()
    ids = numbers.take(db, "last", TICKETS)
    rows = [
        {
            **sample,
            "id": f"TCK-{number:04}",
            "number": number,
            "summary": (summary := some_text(chance, 6)[:200]),
            "summary_folded": fold(summary),
            "description": some_text(chance, 20),
            "external_ticket_id": chance.choice((None, "Ext-１", "%\\_")),
            "account_id": f"acc{chance.randint(1, 8)}",
            "person_in_charge_id": f"user{chance.randint(1, 8)}",
            **dict.fromkeys(("text_folded", "names_folded"), ""),
        }
        for number in ids
    ]
    db.execute(db.insert(tickets), rows)
    entry = {"user_id": "user1", "timestamp": NOW, "is_public": False}
    entries = numbers.take(db, "last_history", TICKETS)
    comments = [
        {**entry, "id": id_, "ticket_id": f"TCK-{chance.choice(ids):04}", "comment": some_text(chance, 9)}
        for id_ in entries
    ]
    db.execute(db.insert(ticket_history), comments)
    index_tickets(db, ids)


def texts_of(db: TenantConnection) -> dict[int, list[str]]:
    """Return what is searched of each ticket, folded, by number: read from the tables as they are shown."""
    names = {
        table.name: {id_: name for id_, name in db.execute(db.select(table, table.c.id, table.c.name))}
        for table in (accounts, users)
    }
    comments: defaultdict[str, list[str]] = defaultdict(list)
    for ticket_id, comment in db.execute(db.select(ticket_history, ticket_history.c.ticket_id, ticket_history.c.comment)):
        comments[ticket_id].append(comment or "")
    return {
        row["number"]: list(map(fold, (
            *(row["id"], row["external_ticket_id"] or "", row["summary"], row["description"], *comments[row["id"]]),
            *(names["accounts"][row["account_id"]], names["users"][row["requestor_id"]]),
            names["users"][row["person_in_charge_id"]],
        )))
        for row in db.execute(db.select(tickets)).mappings()
    }  # fmt: skip


def scanned(texts: dict[int, list[str]], words: str) -> set[int]:
    """Return the tickets that have all words, each within one of their texts."""
    wanted = fold(words).split()[:10]
    return {n for n, fields in texts.items() if all(any(word in text for text in fields) for word in wanted)}


def found(db: TenantConnection, words: str = "", *, phrase: str = "") -> set[int]:
    """Return what is found, after checking that no candidate is missing."""
    match = find(db, words, phrase=phrase)
    numbers = set(db.scalars(db.select(tickets, tickets.c.number).where(*match.conditions)))
    assert match.numbers is None or numbers <= set(match.numbers)
    return numbers


def some_words(chance: random.Random, texts: list[list[str]]) -> str:
    """Return up to three parts of the texts of one or two tickets, spelled in another way."""
    parts = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        text = chance.choice(chance.choice(texts))
        begin = chance.randrange(max(len(text), 1))
        part = text[begin : begin + chance.choice((1, 1, 2, 2, 3, 5, 9, 60))]
        parts.append(chance.choice((str, str.upper, str.title, katakana, wide))(part))
    return chance.choice((" ", "\u3000", "\n")).join(parts)


def katakana(text: str) -> str:
    return "".join(chr(ord(c) + 0x60) if "ぁ" <= c <= "ゖ" else c for c in text)


def wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


async def test_words_find_what_a_plain_scan_finds(url: str) -> None:
    def differences(db: TenantConnection) -> list[str]:
        chance = random.Random(2026)
        texts = texts_of(db)
        asked = [some_words(chance, list(texts.values())) for _ in range(QUERIES)]
        asked += [*FRAGMENTS, *"%_\\'\"|*a1券ぷ😀", "xyzzyq", "麒麟", "%%", "__", "\\\\", '""', "a AND b", "NOT a", "a*"]
        answers = [(words, found(db, words), scanned(texts, words)) for words in asked]
        assert sum(bool(expected) for *_, expected in answers) > QUERIES // 2
        return [f"{words!r}: {got ^ expected}" for words, got, expected in answers if got != expected]

    assert await run(url, differences, undo=True) == []


async def test_a_word_is_not_found_across_two_fields_or_two_comments(url: str) -> None:
    def across(db: TenantConnection) -> list[set[int]]:
        ticket_id = writes.create(db, new(summary="ends in zeb", description="raffe begins zeb", externalTicketId="raq"), NOW)
        for comment in ("wom", "bat"):
            writes.comment(db, ticket_id, NewComment(userId="user1", comment=comment), NOW)
        return [found(db, word) for word in ("zebraffe", "zebraq", "wombat", "zebtck", "tck-0001zeb", "raqraffe")]

    assert await run(url, across, undo=True) == [set()] * 6


def new(**more: Any) -> NewTicket:
    return NewTicket.model_validate(new_ticket(**more))


async def test_every_write_shows_in_the_next_search(url: str) -> None:
    def write(db: TenantConnection) -> list[list[bool]]:
        id_ = writes.create(db, new(summary="Okapi"), NOW)
        number = db.scalar(db.select(tickets, tickets.c.number).where(tickets.c.id == id_))
        seen = []

        def see() -> None:
            words = ("okapi", "tapir", "yak", "ibex", "n-7", id_.lower(), "tessaly", "meridian")
            seen.append([number in found(db, word) for word in words])

        see()
        writes.change(db, id_, TicketChange(updatedById="user1", summary="Tapir", comment="Yak"), NOW)
        see()
        writes.change(db, id_, TicketChange(updatedById="user1", accountId="acc2", externalTicketId="N-7"), NOW)
        writes.comment(db, id_, NewComment(userId="user1", comment="Ibex"), NOW)
        see()
        names = db.scalars(db.select(accounts, accounts.c.name).order_by(accounts.c.order_no).limit(2)).all()
        seen.append(names)
        return seen

    print(await run(url, write, undo=True))
