"""Authentication by stored keys: one comparison and one refusal on every path, and no lookup older than 30 s."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from auth.cache import CACHE_S, MOST_ANSWERS
from auth.store import IdentityStore
from auth.store.key_format import new_key
from auth.store.records import NewKey
from auth.stored_keys import StoredKeyAuthProvider
from shared.identity import AuthenticationError, Principal, Role, Scope, Tenant
from shared.storage.database import DatabaseBusyError, open_engine, resolve_url
from tests.auth.conftest import SECRETS, Clock
from tests.auth.test_providers import refusal_of, request
from tests.captured_logs import capture_logs
from tests.kills import kills

Break = Callable[[IdentityStore, NewKey, Clock], Awaitable[object]]


class Queries:
    """Counts lookups in the store, and can make them fail."""

    def __init__(self, store: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.is_away = False
        ask = store.credentials.key

        async def counting(public_id: str) -> object:
            self.asked.append(public_id)
            if self.is_away:
                raise DatabaseBusyError
            return await ask(public_id)

        monkeypatch.setattr(store.credentials, "key", counting)


@pytest.fixture
def store(sqlite_store: IdentityStore) -> IdentityStore:
    """One database is enough here: tests/auth/store/test_credentials.py runs the same lookups over both."""
    return sqlite_store


@pytest.fixture
def queries(store: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> Queries:
    return Queries(store, monkeypatch)


@pytest.fixture
async def provider(queries: Queries, store: IdentityStore, clock: Clock) -> AsyncIterator[StoredKeyAuthProvider]:
    provider = StoredKeyAuthProvider(store, SECRETS, seconds=clock.seconds)
    async with provider.run():
        yield provider


async def enter(provider: StoredKeyAuthProvider, key: str) -> Principal:
    return await provider.authenticate(request(("x-api-key", key)))


async def is_let_in(provider: StoredKeyAuthProvider, key: str) -> bool:
    try:
        await enter(provider, key)
    except AuthenticationError as error:
        if error.status != 401:
            raise
        return False
    return True


async def test_a_key_stands_for_its_member(provider: StoredKeyAuthProvider, key: NewKey) -> None:
    principal = await provider.authenticate(request(("authorization", f"Bearer {key.text}")))

    assert principal == Principal(
        id=key.record.owner,
        tenant=Tenant("acme"),
        scopes=frozenset({Scope.TICKETS_READ, Scope.TICKETS_WRITE}),
        proof="api_key",
        credential=key.record.public_id,
        role=Role.AGENT,
        email="mika@example.com",
        ticket_user="user1",
    )
    assert principal.id.startswith("usr_")


@kills("auth/stored_keys.py", "scopes=of_role if stored.scopes is None else of_role & stored.scopes", "scopes=of_role")
async def test_a_key_of_a_program_has_no_more_than_its_scopes(
    provider: StoredKeyAuthProvider, store: IdentityStore, clock: Clock
) -> None:
    await store.service_accounts.add("default", "importer", role="admin", ticket_user="user2")
    scopes = ["tickets:read", "tickets:admin"]
    key = await store.keys.create("default", service_account="importer", name="cron", scopes=scopes)

    principal = await enter(provider, key.text)

    assert principal.id.startswith("svc_")
    assert principal.scopes == {Scope.TICKETS_READ, Scope.TICKETS_ADMIN}
    assert (principal.email, principal.ticket_user) == (None, "user2")


def wrong_secret(key: NewKey) -> str:
    other = new_key()
    return type(other)(public_id=key.record.public_id, secret=other.secret).text


async def nothing(*_: object) -> None:
    pass


async def expire(_: IdentityStore, __: NewKey, clock: Clock) -> None:
    clock.go_on(days=90)


# What is wrong: how it is brought about, and the key that is then presented.
PATHS: dict[str, tuple[Break, Callable[[NewKey], str]]] = {
    "unknown": (nothing, lambda _: new_key().text),
    "wrong secret": (nothing, wrong_secret),
    "typo": (nothing, lambda key: key.text[:-1] + ("0" if key.text[-1] != "0" else "1")),
    "no form": (nothing, lambda _: "tkt_live_x"),
    "empty": (nothing, lambda _: ""),
    "long": (nothing, lambda _: "x" * 5_000),
    "revoked": (lambda store, key, _: store.keys.revoke(key.record.public_id), lambda key: key.text),
    "expired": (expire, lambda key: key.text),
    "disabled user": (lambda store, key, _: store.users.disable(key.record.owner), lambda key: key.text),
    "disabled tenant": (lambda store, _, __: store.tenants.disable("acme"), lambda key: key.text),
    "no member": (lambda store, key, _: store.memberships.remove(key.record.owner, "acme"), lambda key: key.text),
}  # fmt: skip


@kills("auth/store/peppers.py", "hmac.compare_digest(found", "digest is not None and hmac.compare_digest(found")
@pytest.mark.parametrize("path", [*PATHS, "right"])
async def test_there_is_one_comparison_and_one_answer_on_every_path(
    path: str, compared: list[tuple[int, int]], store: IdentityStore, key: NewKey, clock: Clock
) -> None:
    """From the store and from the cache; the spy sees what is compared."""
    provider = StoredKeyAuthProvider(store, SECRETS, seconds=clock.seconds)
    make_so, presented = PATHS.get(path, (nothing, lambda key: key.text))
    await make_so(store, key, clock)

    for _ in range(2):  # from the store, then from the cache
        if path == "right":
            await enter(provider, key.text)
        else:
            refusal = await refusal_of(provider, ("x-api-key", presented(key)))
            assert (refusal.status, str(refusal), refusal.retry_after_s) == (401, "This API key is not valid.", None)

    assert compared == [(64, 64)] * 2


async def test_a_disabled_service_account_is_not_let_in(provider: StoredKeyAuthProvider, store: IdentityStore) -> None:
    await store.service_accounts.add("default", "importer", role="viewer")
    key = await store.keys.create("default", service_account="importer", name="cron")
    await store.service_accounts.disable("default", "importer")

    assert not await is_let_in(provider, key.text)


async def test_a_typo_is_not_looked_up(provider: StoredKeyAuthProvider, queries: Queries, key: NewKey) -> None:
    typo = key.text[:20] + ("a" if key.text[20] != "a" else "b") + key.text[21:]

    assert not await is_let_in(provider, typo)
    assert queries.asked == []


async def test_no_key_is_told_where_to_put_one(provider: StoredKeyAuthProvider) -> None:
    refusal = await refusal_of(provider)

    assert (refusal.status, str(refusal)) == (401, "Send the server's API key in the header x-api-key.")


def test_what_is_known_of_a_key_is_at_most_thirty_seconds_old() -> None:
    assert CACHE_S == 30.0


@kills("auth/stored_keys.py", "if not stored.is_on or stored.role", "if stored.role")
@kills("auth/cache.py", " - known.asked_at < self._life_s", " >= 0")
@pytest.mark.parametrize(
    "change",
    [
        lambda store, key: store.keys.revoke(key.record.public_id),
        lambda store, key: store.memberships.remove(key.record.owner, "acme"),
        lambda store, _: store.tenants.disable("acme"),
    ],
    ids=["revoked", "no member", "disabled"],
)
async def test_what_an_operator_ends_has_ended_after_thirty_seconds(
    change: Callable[[IdentityStore, NewKey], Awaitable[object]],
    provider: StoredKeyAuthProvider,
    store: IdentityStore,
    key: NewKey,
    clock: Clock,
) -> None:
    principal = await enter(provider, key.text)
    await change(store, key)

    clock.go_on(seconds=29.9)
    assert await is_let_in(provider, key.text)
    assert await provider.is_still_valid(principal)
    clock.go_on(seconds=0.1)

    assert not await provider.is_still_valid(principal)
    assert not await is_let_in(provider, key.text)


@kills("auth/stored_keys.py", "== principal", "is not None")
async def test_a_changed_role_ends_the_stream_that_was_opened_with_the_old_one(
    provider: StoredKeyAuthProvider, store: IdentityStore, key: NewKey, clock: Clock
) -> None:
    principal = await enter(provider, key.text)
    await store.memberships.set(key.record.owner, "acme", role="viewer", ticket_user="user1")
    clock.go_on(seconds=30)

    assert not await provider.is_still_valid(principal)
    assert (await enter(provider, key.text)).scopes == {Scope.TICKETS_READ}


async def test_a_key_that_expires_while_it_is_remembered_ends_at_once(
    provider: StoredKeyAuthProvider, store: IdentityStore, key: NewKey, clock: Clock
) -> None:
    clock.go_on(days=90, seconds=-1)
    principal = await enter(provider, key.text)
    clock.go_on(seconds=1)

    assert not await is_let_in(provider, key.text)
    assert not await provider.is_still_valid(principal)


@kills("auth/stored_keys.py", " or stored.role is None or stored.expires_at <= now:", " or stored.role is None:")
async def test_a_rotated_key_works_in_the_overlap_and_not_after_it(
    provider: StoredKeyAuthProvider, store: IdentityStore, key: NewKey, clock: Clock
) -> None:
    new = await store.keys.rotate(key.record.public_id, overlap=timedelta(hours=1))

    clock.go_on(minutes=59)
    assert await is_let_in(provider, key.text)
    assert await is_let_in(provider, new.text)
    clock.go_on(minutes=1)
    assert not await is_let_in(provider, key.text)
    assert await is_let_in(provider, new.text)


async def test_fifty_requests_at_once_are_one_question(
    provider: StoredKeyAuthProvider, queries: Queries, key: NewKey
) -> None:
    principals = await asyncio.gather(*(enter(provider, key.text) for _ in range(50)))

    assert len(set(principals)) == 1
    assert queries.asked == [key.record.public_id]


async def test_one_who_gives_up_takes_no_one_with_them(
    provider: StoredKeyAuthProvider, queries: Queries, key: NewKey
) -> None:
    first = asyncio.create_task(enter(provider, key.text))
    second = asyncio.create_task(enter(provider, key.text))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second).credential == key.record.public_id
    assert len(queries.asked) == 1


async def test_an_unknown_key_is_asked_for_once(
    provider: StoredKeyAuthProvider, queries: Queries, clock: Clock
) -> None:
    unknown = new_key().text
    for _ in range(3):
        assert not await is_let_in(provider, unknown)
    assert len(queries.asked) == 1

    clock.go_on(seconds=30)
    assert not await is_let_in(provider, unknown)
    assert len(queries.asked) == 2


@kills("auth/cache.py", "task.result() if task.done() else None", "(task.done() and task.result()) or known")
async def test_without_the_store_known_keys_go_on_for_thirty_seconds(
    provider: StoredKeyAuthProvider, queries: Queries, key: NewKey, clock: Clock
) -> None:
    await enter(provider, key.text)
    queries.is_away = True
    clock.go_on(seconds=29.9)
    assert await is_let_in(provider, key.text)
    clock.go_on(seconds=0.1)

    for presented in (key.text, new_key().text):
        refusal = await refusal_of(provider, ("x-api-key", presented))
        assert (refusal.status, refusal.retry_after_s) == (503, 1)
        assert str(refusal) == "The identity store is not answering. Nothing was changed; try again in a moment."


async def test_a_database_that_is_not_there_lets_no_one_in(clock: Clock) -> None:
    no_one_listens = resolve_url("postgresql://user:secret@127.0.0.1:9/none")
    async with open_engine(no_one_listens) as engine:
        provider = StoredKeyAuthProvider(IdentityStore(engine, SECRETS), SECRETS, seconds=clock.seconds)

        assert (await refusal_of(provider, ("x-api-key", new_key().text))).status == 503


async def test_no_part_of_a_key_is_logged(provider: StoredKeyAuthProvider, key: NewKey, queries: Queries) -> None:
    presented = [key.text, wrong_secret(key), key.text[:-1] + "-"]
    with capture_logs() as logged:
        for text in presented:
            await is_let_in(provider, text)
        queries.is_away = True
        assert (await refusal_of(provider, ("x-api-key", new_key().text))).status == 503

    said = str(logged)
    assert "identity_store_unavailable" in said
    assert not [text for text in presented if text[18:30] in said]


async def test_an_open_stream_outlives_an_outage_of_five_minutes(
    provider: StoredKeyAuthProvider, queries: Queries, key: NewKey, clock: Clock
) -> None:
    principal = await enter(provider, key.text)
    queries.is_away = True

    clock.go_on(seconds=299)
    assert await provider.is_still_valid(principal)
    clock.go_on(seconds=1)
    assert not await provider.is_still_valid(principal)


async def test_a_store_that_hangs_is_given_up(
    provider: StoredKeyAuthProvider, store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = asyncio.Event()
    monkeypatch.setattr("auth.cache.ASK_S", 0.01)
    monkeypatch.setattr(provider._keys, "_ask", lambda _: answers.wait())

    async with asyncio.timeout(5):
        assert (await refusal_of(provider, ("x-api-key", new_key().text))).status == 503
    answers.set()


async def test_a_question_under_way_ends_before_the_store_is_closed(
    store: IdentityStore, queries: Queries, key: NewKey
) -> None:
    provider = StoredKeyAuthProvider(store, SECRETS)
    async with provider.run():
        asking = asyncio.create_task(enter(provider, key.text))
        await asyncio.sleep(0)
        asking.cancel()

    assert provider._keys._asking == {}


async def test_more_questions_than_the_store_can_bear_are_refused(
    provider: StoredKeyAuthProvider, key: NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.cache.MOST_QUESTIONS", 0)

    assert (await refusal_of(provider, ("x-api-key", key.text))).status == 503


async def test_what_is_remembered_has_a_bound(provider: StoredKeyAuthProvider) -> None:
    answers = provider._keys._values
    assert answers.max_entries == MOST_ANSWERS
    answers.max_entries = 3
    for _ in range(5):
        await is_let_in(provider, new_key().text)

    assert len(answers) == 3


async def test_use_is_noted_at_the_end_and_has_a_bound(
    store: IdentityStore, key: NewKey, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.stored_keys.MOST_USES", 1)
    other = await store.keys.create("acme", user="mika@example.com", name="phone")
    provider = StoredKeyAuthProvider(store, SECRETS)

    async with provider.run():
        for text in (key.text, other.text, key.text):
            await enter(provider, text)

    assert [record.last_used_at for record in await store.keys.all()].count(clock.now) == 1


async def test_a_store_that_takes_no_notes_harms_no_one(
    provider: StoredKeyAuthProvider, store: IdentityStore, key: NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: object) -> None:
        raise DatabaseBusyError

    await enter(provider, key.text)
    monkeypatch.setattr(store.credentials, "note_uses", fails)
    await provider.note_uses()

    assert await is_let_in(provider, key.text)
