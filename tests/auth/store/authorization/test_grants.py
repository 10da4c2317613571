"""Grants: one for each code, prolonged by each refresh, ended by a replay, an operator or the end of its user."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import pytest

from auth.store import open_store
from auth.store.authorization.grants import RefreshFault
from auth.store.authorization.records import LiveGrant
from auth.store.authorization.tables import grants
from auth.store.errors import UnknownGrantError, UnknownTenantError, UnknownUserError
from auth.store.peppers import Secrets
from auth.store.transactions import AuditedTransactions
from shared.errors import InvalidInputError
from shared.identity import Role
from tests.auth.conftest import NEWER_SECRET, NOW, SECRET, Clock
from tests.auth.store.authorization.conftest import CALLBACK, CLAUDE, ISSUER, MIKA, Mika
from tests.kills import kills

LIFE: Final = timedelta(days=60)


async def test_a_code_becomes_a_grant(mika: Mika) -> None:
    code = await mika.code()
    of_code = await mika.store.codes.get(code)

    begun = await mika.store.grants.begin(code)

    assert begun is not None
    assert of_code is not None
    assert begun.grant == LiveGrant(
        id=of_code.grant_id,
        authorization=mika.authorization,
        issuer=ISSUER,
        email=MIKA,
        role=Role.AGENT,
        ticket_user="user1",
        is_on=True,
    )
    assert await mika.other.grants.live(begun.grant.id) == begun.grant
    [listed] = await mika.other.grants.all()
    assert await mika.other.grants.find(begun.refresh_token) == listed == await mika.store.grants.one(begun.grant.id)
    assert (listed.authorization, listed.email, listed.generation) == (mika.authorization, MIKA, 1)
    assert (listed.created_at, listed.last_used_at, listed.expires_at) == (NOW, NOW, NOW + LIFE)
    assert (listed.revoked_at, listed.revoked_because) == (None, None)
    assert await mika.audited("grant_added") == [("acme", mika.authorization.user, begun.grant.id, CLAUDE)]
    used = await mika.store.codes.get(code)
    assert used is not None
    assert used.used_at == NOW
    assert begun.refresh_token not in repr(begun)


async def test_a_refresh_is_answered_with_the_next_token_and_prolongs_the_grant(mika: Mika, clock: Clock) -> None:
    begun = await mika.sign_in()
    clock.go_on(days=59)
    await mika.store.memberships.set(MIKA, "acme", role="viewer")

    refreshed = await mika.refresh(begun.refresh_token)

    assert refreshed.grant.role is Role.VIEWER, "as it is now"
    assert refreshed.refresh_token != begun.refresh_token
    [listed] = await mika.store.grants.all(user=MIKA)
    assert (listed.generation, listed.last_used_at, listed.expires_at) == (2, clock.now, clock.now + LIFE)
    clock.go_on(days=59)
    await mika.refresh(refreshed.refresh_token)
    clock.go_on(days=60)
    assert await mika.store.grants.refresh(refreshed.refresh_token, client_id=CLAUDE) is RefreshFault.ENDED
    live = await mika.store.grants.live(begun.grant.id)
    assert live is not None
    assert not live.is_on
    assert await mika.store.grants.all() == []
    assert not await mika.store.grants.revoke(begun.grant.id, because="client"), "it had ended"


async def test_a_lost_answer_is_repeated_until_its_token_is_used(sqlite_mika: Mika) -> None:
    first = (await sqlite_mika.sign_in()).refresh_token

    second, again = [(await sqlite_mika.refresh(first)).refresh_token for _ in range(2)]
    third = (await sqlite_mika.refresh(second)).refresh_token
    late = (await sqlite_mika.refresh(second)).refresh_token

    assert again == second
    assert late == third
    assert (await sqlite_mika.refresh(third)).grant.is_on


@kills("auth/store/authorization/grants.py", 'await end(change, mine, because="replay")', "pass")
async def test_a_replay_revokes_the_grant_once(mika: Mika) -> None:
    first = (await mika.sign_in()).refresh_token
    bystander = await mika.sign_in()
    second = (await mika.refresh(first)).refresh_token
    third = (await mika.refresh(second)).refresh_token

    said = [await mika.store.grants.refresh(token, client_id=CLAUDE) for token in (first, first, second, third)]

    assert said == [RefreshFault.REPLAYED, *[RefreshFault.ENDED] * 3]
    ended = await mika.store.grants.find(first)
    assert ended is not None
    assert (ended.revoked_at, ended.revoked_because) == (NOW, "replay")
    assert await mika.audited("grant_revoked") == [("acme", "cli", ended.id, f"replay; {CLAUDE}")]
    assert (await mika.refresh(bystander.refresh_token)).grant.is_on


FORGED: Final[dict[str, Callable[[str], str]]] = {
    "another generation": lambda token: token.replace("_1_", "_2_", 1),
    "another grant": lambda token: f"rft_{'0' * 16}{token[20:]}",
    "another MAC": lambda token: token[:-43] + "A" * 43,
    "another last character": lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
    "another spelling of the generation": lambda token: token.replace("_1_", "_01_", 1),
    "more": lambda token: f"{token}=",
    "a line": lambda token: f"{token}\n",
    "full width": lambda token: token.replace("_1_", "_１_", 1),
    "nothing": lambda _: "",
    "a NUL": lambda token: f"{token[:-1]}\0",
}


@kills("auth/store/authorization/grants.py", 'or not parsed.is_genuine(row["seed"], self._secrets)', "")
async def test_a_forged_token_is_unknown_and_does_not_write(sqlite_mika: Mika, monkeypatch: pytest.MonkeyPatch) -> None:
    token, of = (await sqlite_mika.sign_in()).refresh_token, sqlite_mika.store.grants
    with monkeypatch.context() as patch:
        patch.setattr(AuditedTransactions, "changing", None)
        for name, forge in FORGED.items():
            assert await of.refresh(forge(token), client_id=CLAUDE) is RefreshFault.UNKNOWN, name
            assert await of.find(forge(token)) is None, name
        assert await of.refresh(token, client_id="cli_1") is RefreshFault.UNKNOWN

    assert (await sqlite_mika.refresh(token)).grant.is_on


async def test_a_token_needs_the_seed_and_the_secret(sqlite_mika: Mika, sqlite_identity_url: str, clock: Clock) -> None:
    """A reader of the database has everything but the secret."""
    begun = await sqlite_mika.sign_in()

    async with open_store(sqlite_identity_url, Secrets([NEWER_SECRET]), clock=clock) as without:
        assert await without.grants.find(begun.refresh_token) is None
    async with open_store(sqlite_identity_url, Secrets([NEWER_SECRET, SECRET]), clock=clock) as rotated:
        next_one = await rotated.grants.refresh(begun.refresh_token, client_id=CLAUDE)
        assert not isinstance(next_one, RefreshFault)
    async with open_store(sqlite_identity_url, Secrets([SECRET, NEWER_SECRET]), clock=clock) as rolled_back:
        assert await rolled_back.grants.find(next_one.refresh_token) is not None
        async with rolled_back._transactions.changing() as change:
            await change.connection.execute(grants.update().values(seed="another"))
        assert await rolled_back.grants.find(next_one.refresh_token) is None


async def test_a_database_that_lost_its_last_changes_signs_nobody_out(sqlite_mika: Mika) -> None:
    """SQLite may lose the last transactions in a power cut, and a failover those that were not replicated."""
    begun = await sqlite_mika.sign_in()
    second = (await sqlite_mika.refresh(begun.refresh_token)).refresh_token
    async with sqlite_mika.store._transactions.changing() as change:
        await change.connection.execute(grants.update().values(generation=1))

    third = (await sqlite_mika.refresh(second)).refresh_token

    assert (await sqlite_mika.refresh(third)).grant.is_on
    replayed = await sqlite_mika.store.grants.refresh(begun.refresh_token, client_id=CLAUDE)
    assert replayed is RefreshFault.REPLAYED


async def test_a_user_who_loses_access_loses_refresh_at_once(mika: Mika) -> None:
    other = mika.other
    endings: dict[str, Callable[[], Awaitable[object]]] = {
        "membership": lambda: other.memberships.remove(MIKA, "acme"),
        "user": lambda: other.users.disable(MIKA),
        "tenant": lambda: other.tenants.disable("acme"),
        "identity": lambda: other.identities.remove(mika.authorization.identity),
    }
    for name, ending in endings.items():
        await other.memberships.set(MIKA, "acme", role="agent")
        await other.users.enable(MIKA)
        await other.tenants.enable("acme")
        begun, code = await mika.sign_in(), await mika.code()
        token = (await mika.refresh(begun.refresh_token)).refresh_token

        await ending()

        assert await mika.store.grants.refresh(token, client_id=CLAUDE) is RefreshFault.ENDED, name
        live = await mika.store.grants.live(begun.grant.id)
        assert live is not None
        assert (live.is_on, live.role is None) == (False, name == "membership")
        assert await mika.store.grants.begin(code) is None, name
    assert await mika.count("grants") == len(endings)


async def test_a_removed_identity_that_is_added_again_takes_its_grants_along(sqlite_mika: Mika) -> None:
    begun, _ = await sqlite_mika.sign_in(), await sqlite_mika.code()
    await sqlite_mika.store.identities.remove(sqlite_mika.authorization.identity)

    added = await sqlite_mika.store.identities.add(issuer=ISSUER, subject="1", user=MIKA)

    assert await sqlite_mika.store.grants.live(begun.grant.id) is None
    assert await sqlite_mika.count("authorization_codes") == 0
    assert (await sqlite_mika.sign_in(identity=added.id)).grant.is_on


async def test_grants_are_listed_and_revoked_by_what_they_are_for(sqlite_mika: Mika) -> None:
    await sqlite_mika.store.tenants.add("globex")
    await sqlite_mika.store.memberships.set(MIKA, "globex", role="viewer")
    desk = "http://127.0.0.1:33418/"
    one = await sqlite_mika.sign_in()
    two = await sqlite_mika.sign_in(redirect_uri=desk)
    three = await sqlite_mika.sign_in(tenant="globex", client_id="cli_1")
    of = sqlite_mika.store.grants

    assert {each.id for each in await of.all(tenant="globex")} == {three.grant.id}
    assert {each.id for each in await of.all(client_id=CLAUDE)} == {one.grant.id, two.grant.id}
    assert [await of.revoke(one.grant.id, because="client") for _ in range(2)] == [True, False]
    assert not await of.revoke("grt_unknown", because="client")
    assert await of.revoke_all(user=MIKA, client_id=CLAUDE, redirect_uri=CALLBACK, because="operator") == 0
    assert await of.revoke_all(redirect_uri=desk, because="operator") == 1
    assert await of.revoke_all(user=sqlite_mika.authorization.user, tenant="globex", because="operator") == 1
    revoked = {each.id: each.revoked_because for each in await of.all()}
    assert revoked == {one.grant.id: "client", two.grant.id: "operator", three.grant.id: "operator"}
    assert [tenant for tenant, *_ in await sqlite_mika.audited("grant_revoked")] == ["acme", "acme", "globex"]
    with pytest.raises(InvalidInputError, match="whose grants"):
        await of.revoke_all(because="operator")
    with pytest.raises(UnknownUserError):
        await of.all(user="ken@example.com")
    with pytest.raises(UnknownTenantError):
        await of.revoke_all(tenant="unknown", because="operator")
    with pytest.raises(UnknownGrantError, match="grt_"):
        await of.one("grt_unknown")
    assert await of.live("grt_unknown") is None


async def test_a_user_who_connects_again_and_again_keeps_the_grants_that_are_used(
    sqlite_mika: Mika, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.store.authorization.grants.MOST_OF_CLIENT", 3)
    monkeypatch.setattr("auth.store.authorization.grants.MOST_OF_USER", 5)
    used = await sqlite_mika.sign_in()
    others = []
    for number in range(3):
        clock.go_on(minutes=1)
        others.append(await sqlite_mika.sign_in(client_id=f"cli_{number}"))
    clock.go_on(minutes=1)
    used = await sqlite_mika.refresh(used.refresh_token)
    clock.go_on(minutes=1)
    ended = await sqlite_mika.sign_in()
    await sqlite_mika.store.grants.revoke(ended.grant.id, because="client")

    latest = []
    for _ in range(2):
        clock.go_on(minutes=1)
        latest.append(await sqlite_mika.sign_in())

    kept = {each.id for each in await sqlite_mika.store.grants.all()}
    assert kept == {each.grant.id for each in (used, *others[1:], *latest)}, "the ended one went first, then the oldest"
    clock.go_on(minutes=1)
    newest = await sqlite_mika.sign_in()
    kept = {each.id for each in await sqlite_mika.store.grants.all(client_id=CLAUDE)}
    assert kept == {each.grant.id for each in (*latest, newest)}
    displaced = {detail for *_, detail in await sqlite_mika.audited("grant_revoked")}
    assert displaced == {f"client; {CLAUDE}", "displaced; cli_0", f"displaced; {CLAUDE}"}
    assert await sqlite_mika.store.grants.refresh(used.refresh_token, client_id=CLAUDE) is RefreshFault.UNKNOWN


async def test_expired_grants_are_deleted_by_the_next_one(sqlite_mika: Mika, clock: Clock) -> None:
    await sqlite_mika.sign_in()
    await sqlite_mika.store.users.add("ken@example.com")
    clock.go_on(days=60)

    ken = await sqlite_mika.store.users.add("k@example.com")
    await sqlite_mika.store.memberships.set(ken.id, "acme", role="viewer")
    identity = await sqlite_mika.store.identities.add(issuer=ISSUER, subject="2", user=ken.id)
    await sqlite_mika.sign_in(user=ken.id, identity=identity.id)

    assert await sqlite_mika.count("grants") == 1


async def test_who_becomes_a_member_again_signs_in_again(mika: Mika) -> None:
    """A refresh token that was lost with a device must not come back with its owner."""
    issued, code = await mika.sign_in(), await mika.code()
    await mika.other.memberships.remove(MIKA, "acme")
    await mika.other.memberships.set(MIKA, "acme", role="agent")

    assert await mika.store.grants.refresh(issued.refresh_token, client_id=CLAUDE) is RefreshFault.ENDED
    assert await mika.store.grants.begin(code) is None
    assert (await mika.store.grants.one(issued.grant.id)).revoked_because == "membership removed"
    assert (await mika.sign_in()).grant.role is Role.AGENT


async def test_codes_are_revoked_with_the_grants(sqlite_mika: Mika) -> None:
    mine, other = await sqlite_mika.code(), await sqlite_mika.code(client_id="cli_1")

    assert await sqlite_mika.store.grants.revoke_all(user=MIKA, client_id=CLAUDE, because="operator") == 0

    assert await sqlite_mika.store.grants.begin(mine) is None
    assert await sqlite_mika.store.grants.begin(other) is not None
