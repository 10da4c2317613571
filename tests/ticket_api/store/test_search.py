"""Words find what a plain scan of the tables finds, on both databases, and each write shows in the next search."""

import random
from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import text

from shared.storage.database import open_engine, resolve_url
from shared.storage.migrations import DatabaseNotReadyError
from tests.databases import Postgres, copy_sqlite, run_aside
from tests.kills import kills
from tests.ticket_api.conftest import NOW, make, new_ticket
from tests.ticket_api.store.searching import (
    FRAGMENTS,
    found,
    run,
    scanned,
    some_words,
    texts_of,
    write_random_texts,
)
from ticket_api import writes
from ticket_api.http.models.requests import NewComment, NewTicket, TicketChange
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import find, fold
from ticket_api.store.search.index import MOST_CANDIDATES, MOST_COMMENTED
from ticket_api.store.tables import tickets

QUERIES: Final = 80
ADVERSARIAL: Final = (
    *"%_\\'\"|*a1券ぷ😀",
    *("xyzzyq", "麒麟", "%%", "__", "\\\\", '""', "a AND b", "NOT a", "a*", "a" * 500, "あ" * 500, "1|券", "2|券"),
    " ".join("abcdefghijklm"),
)


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


def new(**more: Any) -> NewTicket:
    return NewTicket.model_validate(new_ticket(**more))


@pytest.mark.parametrize(("candidates", "queries"), [(MOST_CANDIDATES, QUERIES), (5, 30)], ids=["listed", "tested"])
async def test_words_find_what_a_plain_scan_finds(
    url: str, candidates: int, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether candidates are listed, or are so many that they are tested one by one."""
    monkeypatch.setattr("ticket_api.store.search.index.MOST_CANDIDATES", candidates)

    def differences(db: TenantConnection) -> list[str]:
        chance = random.Random(2026)  # noqa: S311 - for tests
        texts = texts_of(db)
        asked = [some_words(chance, list(texts.values())) for _ in range(queries)]
        answers = [(words, found(db, words), scanned(texts, words)) for words in (*asked, *FRAGMENTS, *ADVERSARIAL)]
        assert sum(bool(expected) for *_, expected in answers) > queries // 2
        return [f"{words!r}: {got ^ expected}" for words, got, expected in answers if got != expected]

    assert await run(url, differences) == []


@kills("ticket_api/store/search/index.py", "position(text, piece) > 0", "text.contains(piece)")
async def test_a_phrase_is_found_as_it_stands_in_the_summary_or_in_one_of_two_names(url: str) -> None:
    def differences(db: TenantConnection) -> list[str]:
        chance = random.Random(9)  # noqa: S311 - for tests
        texts = {n: [fields[2], *fields[-3:-1]] for n, fields in texts_of(db).items()}
        phrases = []
        for _ in range(30):
            text = chance.choice(chance.choice(list(texts.values())))
            begin = chance.randrange(len(text))
            phrases.append(text[begin : begin + chance.choice((1, 2, 4, 9))] or "x")
        return [
            f"{phrase!r}"
            for phrase in (*phrases, *FRAGMENTS, "%_" * 99)
            if found(db, phrase=phrase) != {n for n, fields in texts.items() if any(fold(phrase) in f for f in fields)}
        ]

    assert await run(url, differences) == []


async def test_no_word_is_found_across_two_fields_or_two_comments(url: str) -> None:
    def across(db: TenantConnection) -> list[set[int]]:
        sent = new(summary="ends in zeb", description="raffe begins zeb", externalTicketId="raq")
        ticket_id = writes.create(db, sent, NOW)
        for comment in ("wom", "bat"):
            writes.comment(db, ticket_id, NewComment(userId="user1", comment=comment), NOW)
        return [found(db, word) for word in ("zebraffe", "zebraq", "wombat", "batwom", "zebtck", "raqraffe")]

    assert await run(url, across, undo=True) == [set()] * 6


async def test_a_word_into_which_folding_puts_a_space_stays_one_word(url: str) -> None:
    def write(db: TenantConnection) -> set[int]:
        made = [writes.create(db, new(summary=summary), NOW) for summary in ("I DON´T okapi", "x´t don okapi")]
        return {int(made[0].removeprefix("TCK-"))} ^ found(db, "don´t okapi")

    assert await run(url, write, undo=True) == set()


async def test_every_write_shows_in_the_next_search(url: str) -> None:
    words = ("zzyzx", "tapir", "yak", "ibex", "n-7", "brindle", "quillh", "avery", "priya")

    def write(db: TenantConnection) -> list[list[str]]:
        ticket_id = writes.create(db, new(summary="Zzyzx"), NOW)
        number = int(ticket_id.removeprefix("TCK-"))
        seen = []

        def see() -> None:
            seen.append([word for word in words if number in found(db, word)])

        see()
        for values in (
            {"summary": "Tapir", "comment": "Yak"},
            {"accountId": "acc2", "personInChargeId": "user2", "externalTicketId": "N-7"},
        ):
            writes.change(db, ticket_id, TicketChange.model_validate({"updatedById": "user1", **values}), NOW)
            see()
        writes.comment(db, ticket_id, NewComment(userId="user1", comment="Ibex"), NOW)
        see()
        writes.change(db, ticket_id, TicketChange(updatedById="user1", clear=["externalTicketId"]), NOW)
        see()
        assert find(db, "zzyzx").numbers == ()  # what is no longer in a ticket leaves the index
        return seen

    assert await run(url, write, undo=True) == [
        ["zzyzx", "brindle", "avery"],
        ["tapir", "yak", "brindle", "avery"],
        ["tapir", "yak", "n-7", "quillh", "priya"],
        ["tapir", "yak", "ibex", "n-7", "quillh", "priya"],
        ["tapir", "yak", "ibex", "quillh", "priya"],
    ]


async def test_the_newest_comments_of_a_ticket_are_searched_up_to_their_limit(url: str) -> None:
    def write(db: TenantConnection) -> list[bool]:
        ticket_id = writes.create(db, new(), NOW)
        for word in ("oldest", "middle", "newest"):
            comment = f" {word}".rjust(MOST_COMMENTED // 3 + 1, ".")
            writes.comment(db, ticket_id, NewComment(userId="user1", comment=comment), NOW)
        return [bool(found(db, f"{word} {ticket_id}")) for word in ("oldest", "middle", "newest")]

    assert await run(url, write, undo=True) == [False, True, True]


async def test_a_comment_longer_than_the_limit_is_searched_up_to_it(url: str) -> None:
    def write(db: TenantConnection) -> list[bool]:
        ticket_id = writes.create(db, new(), NOW)
        comment = f"begins {'.' * MOST_COMMENTED} ends"
        writes.comment(db, ticket_id, NewComment(userId="user1", comment=comment), NOW)
        return [bool(found(db, f"{word} {ticket_id}")) for word in ("begins", "ends")]

    assert await run(url, write, undo=True) == [True, False]


async def test_more_candidates_than_can_be_looked_through_are_not_listed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticket_api.store.search.index.MOST_CANDIDATES", 10)
    assert MOST_CANDIDATES == 1_000

    def see(db: TenantConnection) -> list[bool]:
        return [find(db, words).numbers is None for words in ("tck", "", " ", "supervisor", "tck supervisor")]

    assert await run(url, see) == [True, True, True, False, False]


async def test_a_compacted_sqlite_file_finds_the_same(sqlite_url: str) -> None:
    def leave_gaps(db: TenantConnection) -> None:
        ids = [writes.create(db, new(summary=f"Okapi {n}"), NOW) for n in range(3)]
        db.execute(db.delete(tickets).where(tickets.c.id.in_(ids[:2])))

    await run(sqlite_url, leave_gaps)
    before = await run(sqlite_url, lambda db: (found(db, "okapi"), found(db, "a")))
    async with open_engine(resolve_url(sqlite_url)) as engine, engine.connect() as connection:
        await connection.execution_options(sqlite_begin=None)
        await connection.execute(text("VACUUM"))

    assert await run(sqlite_url, lambda db: (found(db, "okapi"), found(db, "a"))) == before
    assert all(before)


async def test_a_python_without_fts5_is_told_what_it_needs(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticket_api.store.search.sqlite._FUNCTION_OF_FTS5", "no_such_function")

    with pytest.raises(DatabaseNotReadyError, match=r"needs FTS5, .* Use another Python, .*, or PostgreSQL"):
        await make(sqlite_url)
