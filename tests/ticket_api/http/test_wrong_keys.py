"""Keys at a standalone ticket API: one per request, and wrong ones are throttled by address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from shared.failed_attempts import AT_ONCE
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.ticket_api.conftest import KEY, Clock
from ticket_api import create_app
from ticket_api.keys import new_key
from ticket_api.store import tenants

OFFICE, ELSEWHERE = "203.0.113.7", "198.51.100.1"


def client_from(app: FastAPI, address: str) -> AsyncClient:
    """Return a client that sends from `address`."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 1))
    return AsyncClient(transport=transport, base_url="http://tickets.test")


@asynccontextmanager
async def serving(url: str, **settings: Any) -> AsyncIterator[FastAPI]:
    app = create_app(database_url=url, clock=Clock(), **settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def app(sqlite_url: str) -> AsyncIterator[FastAPI]:
    async with serving(sqlite_url, api_keys=[KEY]) as app:
        yield app


@pytest.fixture
async def office(app: FastAPI) -> AsyncIterator[AsyncClient]:
    async with client_from(app, OFFICE) as client:
        yield client


async def ask(api: AsyncClient, *headers: tuple[str, str], path: str = "/tickets?limit=1") -> Response:
    return await api.get(path, headers=[(name.encode(), value.encode("latin-1")) for name, value in headers])


async def statuses(api: AsyncClient, keys: list[str]) -> list[int]:
    return [(await ask(api, ("x-api-key", key))).status_code for key in keys]


@pytest.mark.parametrize("headers", [
    [("x-api-key", KEY), ("x-api-key", "another")],
    [("x-api-key", "another"), ("x-api-key", KEY)],
    [("x-api-key", KEY), ("x-api-key", KEY)],
    [("x-api-key", ""), ("x-api-key", KEY)],
    [("x-api-key", KEY), ("x-api-key", " ")],
    [("X-API-Key", KEY), ("x-api-key", KEY), ("x-api-key", KEY)],
])  # fmt: skip
async def test_two_keys_at_once_are_refused(office: AsyncClient, headers: list[tuple[str, str]]) -> None:
    responses = [await ask(office, *headers, path=path) for path in ("/tickets", "/nonsense")]

    for response in responses:
        assert (response.status_code, response.json()["field"]) == (400, "x-api-key")
        assert response.json()["error"] == "Send one key: the header x-api-key was sent more than once."
        assert KEY not in response.text


@pytest.mark.parametrize(("headers", "status"), [
    ([("x-api-key", f" \t{KEY} \t ")], 200),
    ([("x-api-key", f"\xa0{KEY}")], 401),
    ([("x-api-key", f"{KEY}, {KEY}")], 401),
    ([("x-api-key", "")], 401),
    ([("x-api-key", "  ")], 401),
    ([("authorization", f"Bearer {KEY}")], 401),
    ([("x-api-key", KEY), ("authorization", "Bearer another")], 200),
    ([("x-api-key", "another"), ("authorization", f"Bearer {KEY}")], 401),
    ([], 401),
])  # fmt: skip
async def test_one_credential_counts_without_the_blanks_around_it(
    office: AsyncClient, headers: list[tuple[str, str]], status: int
) -> None:
    assert (await ask(office, *headers)).status_code == status


async def test_health_is_open_whatever_is_presented(office: AsyncClient) -> None:
    for _ in range(AT_ONCE + 5):
        response = await ask(office, ("x-api-key", "x"), ("x-api-key", "y"), path="/health")
        assert response.status_code == 200


@kills("ticket_api/app.py", "None if not api_keys else FailedAttempts(_is_wrong_key, trail=trail)", "None")
async def test_ten_wrong_keys_at_once_and_the_database_is_asked_no_more(
    office: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    of_digest = tenants.of_digest

    def counted(*arguments: Any) -> Any:
        looks.append(1)
        return of_digest(*arguments)

    monkeypatch.setattr(tenants, "of_digest", counted)

    found = await asyncio.gather(*(ask(office, ("x-api-key", new_key())) for _ in range(40)))

    assert sorted(response.status_code for response in found) == [401] * AT_ONCE + [429] * 30
    assert len(looks) == AT_ONCE
    refused = next(response for response in found if response.status_code == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 6
    assert refused.json()["kind"] == "too_many_wrong_keys"
    assert "Check the key, and try again in" in refused.json()["error"]


@pytest.mark.parametrize("wrong", ["x", "tapi_", KEY[:-1], "schl\xfcssel"])
async def test_wrong_keys_of_every_form_count(office: AsyncClient, wrong: str) -> None:
    assert await statuses(office, [wrong] * (AT_ONCE + 1)) == [401] * AT_ONCE + [429]


async def test_no_key_and_two_keys_are_no_wrong_key(office: AsyncClient) -> None:
    for _ in range(AT_ONCE + 5):
        assert (await ask(office)).status_code == 401
        assert (await ask(office, ("x-api-key", "x"), ("x-api-key", "y"))).status_code == 400

    assert await statuses(office, [KEY]) == [200]


async def test_keys_that_were_right_lately_pass_and_other_addresses_are_not_concerned(sqlite_url: str) -> None:
    async with serving(sqlite_url, api_keys=[KEY]) as app, client_from(app, OFFICE) as office:
        await statuses(office, ["x"] * AT_ONCE)
        assert await statuses(office, ["x", KEY]) == [429, 429]

        async with client_from(app, ELSEWHERE) as elsewhere:
            assert await statuses(elsewhere, [KEY, "x"]) == [200, 401]
        assert await statuses(office, ["x", KEY]) == [429, 200]


async def test_behind_a_proxy_the_address_that_it_saw_counts(sqlite_url: str) -> None:
    async with serving(sqlite_url, api_keys=[KEY], trusted_proxies=1) as app, client_from(app, "10.0.0.1") as proxy:

        async def wrong(forged: str, seen: str) -> int:
            response = await ask(proxy, ("x-api-key", "x"), ("x-forwarded-for", f"{forged}, {seen}"))
            return response.status_code

        assert [await wrong(f"192.0.2.{n}", OFFICE) for n in range(11)] == [401] * AT_ONCE + [429]
        assert await wrong("192.0.2.1", ELSEWHERE) == 401


async def test_refusals_are_a_log_line_once_a_minute_for_each_address_and_never_show_a_key(sqlite_url: str) -> None:
    keys = [new_key() for _ in range(AT_ONCE + 5)]
    with capture_logs() as logged:
        async with serving(sqlite_url, api_keys=[KEY]) as app:
            for address in (OFFICE, ELSEWHERE):
                async with client_from(app, address) as client:
                    await statuses(client, keys)
            at_once = [line["detail"] for line in logged if line["message"] == "audit"]
        at_the_end = [line["detail"] for line in logged if line["message"] == "audit"][len(at_once) :]

    assert at_once == [
        f"{what} from {address}" for address in (OFFICE, ELSEWHERE) for what in ("wrong key", "too many wrong keys")
    ]
    assert at_the_end == [
        f"{what} from {address}, {times} times"
        for address in (OFFICE, ELSEWHERE) for what, times in (("wrong key", 9), ("too many wrong keys", 4))
    ]  # fmt: skip
    assert not any(key in str(logged) for key in keys)


async def test_inside_another_program_nothing_is_throttled(sqlite_url: str) -> None:
    async with serving(sqlite_url, tenant_of={"k": "default"}.get) as app, client_from(app, OFFICE) as inside:
        assert await statuses(inside, ["x"] * (AT_ONCE + 5)) == [401] * (AT_ONCE + 5)
        assert await statuses(inside, ["k"]) == [200]
