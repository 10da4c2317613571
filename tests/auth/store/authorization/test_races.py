"""Two instances at once: a code is redeemed once, refreshes get one successor, a replay is revoked once."""

import asyncio

import pytest

from auth.store.authorization.grants import IssuedGrant, RefreshFault
from tests.auth.store.authorization.conftest import CLAUDE, Mika


async def test_a_code_is_redeemed_once(mika: Mika) -> None:
    code = await mika.code()

    begun = await asyncio.gather(*(one.grants.begin(code) for one in (mika.store, mika.other) * 4))

    assert len([each for each in begun if each is not None]) == 1
    assert len(await mika.audited("grant_added")) == 1


async def test_refreshes_at_once_get_the_same_successor(mika: Mika) -> None:
    token = (await mika.sign_in()).refresh_token
    for generation in range(2, 4):
        asked = (one.grants.refresh(token, client_id=CLAUDE) for one in (mika.store, mika.other) * 4)
        answers = await asyncio.gather(*asked)

        assert all(isinstance(each, IssuedGrant) and each.grant.is_on for each in answers)
        [token] = {each.refresh_token for each in answers if isinstance(each, IssuedGrant)}
        assert f"_{generation}_" in token

    assert await mika.audited("grant_revoked") == []


async def test_a_replay_is_revoked_and_audited_once_for_many_at_once(mika: Mika) -> None:
    first = (await mika.sign_in()).refresh_token
    newest = (await mika.refresh((await mika.refresh(first)).refresh_token)).refresh_token

    asked = (one.grants.refresh(first, client_id=CLAUDE) for one in (mika.store, mika.other) * 4)
    answers = await asyncio.gather(*asked)

    assert sorted(str(each) for each in answers) == ["ended"] * 7 + ["replayed"]
    assert await mika.store.grants.refresh(newest, client_id=CLAUDE) is RefreshFault.ENDED
    assert len(await mika.audited("grant_revoked")) == 1


@pytest.mark.parametrize("identity_url", ["postgresql"], indirect=True)
async def test_the_limit_holds_for_many_sign_ins_at_once(mika: Mika, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auth.store.authorization.grants.MOST_OF_CLIENT", 3)
    codes = [await mika.code() for _ in range(10)]
    each = zip((mika.store, mika.other) * 5, codes, strict=True)

    begun = await asyncio.gather(*(one.grants.begin(code) for one, code in each))

    assert None not in begun
    assert await mika.count("grants") == 3


@pytest.mark.long
async def test_sign_ins_refreshes_and_revocations_at_once_do_not_block_each_other(mika: Mika) -> None:
    """Each locks rows of grants, users and clients, in one order."""
    await mika.store.oauth_clients.put(CLAUDE, {})
    going_on = [await mika.sign_in() for _ in range(8)]
    codes = [await mika.code() for _ in range(8)]
    one, two = mika.store.grants, mika.other.grants

    await asyncio.gather(
        *(one.begin(code) for code in codes),
        *(two.refresh(each.refresh_token, client_id=CLAUDE) for each in going_on),
        *(one.revoke_all(client_id=CLAUDE, because="operator") for _ in range(2)),
        mika.other.oauth_clients.remove(CLAUDE),
        *(mika.other.oauth_clients.put(CLAUDE, {}) for _ in range(2)),
    )

    assert len({id_ for _, _, id_, _ in await mika.audited("grant_revoked")}) == len(
        await mika.audited("grant_revoked")
    )
