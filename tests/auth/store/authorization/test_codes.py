"""Authorization codes: for one minute, found by their digests, limited for each user."""

import pytest
from sqlalchemy import select

from auth.store.authorization.records import CodeRecord
from auth.store.authorization.tables import authorization_codes
from shared.errors import InvalidInputError
from tests.auth.conftest import NOW, Clock
from tests.auth.store.authorization.conftest import Mika


async def test_a_code_says_what_was_allowed_for_a_minute(mika: Mika, clock: Clock) -> None:
    code = await mika.code()

    found = await mika.other.codes.get(code)

    assert found is not None
    assert found.grant_id.startswith("grt_")
    assert found == CodeRecord(
        grant_id=found.grant_id,
        authorization=mika.authorization,
        code_challenge="c" * 43,
        expires_at=clock.now.replace(minute=NOW.minute + 1),
        used_at=None,
    )
    assert await mika.store.codes.get(code + "x") is None
    clock.go_on(seconds=60)
    assert await mika.store.grants.begin(code) is None
    assert await mika.count("grants") == 0


async def test_a_code_is_stored_as_its_digest(sqlite_mika: Mika) -> None:
    code = await sqlite_mika.code()

    async with sqlite_mika.store._transactions.reading() as connection:
        row = (await connection.execute(select(authorization_codes))).one()

    assert len(code) >= 43, "256 bits"
    assert code not in f"{row}"


async def test_what_only_one_database_stores_is_refused_by_both(mika: Mika) -> None:
    for wrong in ({"client_id": f"https://a.example/{'x' * 500}"}, {"redirect_uri": "x" * 2001}, {"resource": "a\0"}):
        with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))} is too long, or contains"):
            await mika.code(**wrong)


async def test_codes_do_not_pile_up(sqlite_mika: Mika, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auth.store.authorization.codes.MOST_OF_USER", 3)
    codes = []
    for _ in range(4):
        codes.append(await sqlite_mika.code())
        clock.go_on(seconds=1)

    assert [await sqlite_mika.store.codes.get(code) is not None for code in codes] == [False, True, True, True]
    clock.go_on(minutes=2)
    await sqlite_mika.code()
    assert await sqlite_mika.store.codes.get(codes[-1]) is not None, "so that a replay is recognised"
    clock.go_on(hours=1, minutes=1)
    await sqlite_mika.code()
    assert await sqlite_mika.count("authorization_codes") == 1
