"""Master data over REST: what is added, changed and removed, on both databases, and who did it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from httpx2 import AsyncClient, Response

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.captured_logs import capture_logs
from tests.ticket_api.conftest import KEY, NOW, Clock, client_of, new_ticket
from ticket_api import commands, create_app
from ticket_api.administration.kinds import KINDS

MASTER: Final = "/tickets/master"
NEW: Final[dict[str, dict[str, Any]]] = {
    "users": {"name": "田中 愛子", "email": "aiko@example.com", "role": "support"},
    "accounts": {"name": "Fennhaven Ltd", "orderNo": 3},
    "categories": {"name": "Hardware"},
    "category-details": {"name": "Printers", "categoryId": "cat2"},
    "statuses": {"name": "Rejected", "completed": True},
    "request-channels": {"name": "Letter"},
    "response-categories": {"name": "Replaced", "parentCategory": "Repair"},
}
NEXT: Final = {
    "users": "user9", "accounts": "acc9", "categories": "cat6", "category-details": "catd13", "statuses": "stat5",
    "request-channels": "ch6", "response-categories": "resp7",
}  # fmt: skip


async def listed(api: AsyncClient, kind: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in (await api.get(f"{MASTER}/{kind}")).json()}


def refusal(response: Response) -> tuple[int, str | None, str | None]:
    body = response.json()
    return response.status_code, body.get("kind"), body.get("field")


async def test_a_row_is_added_with_the_next_id_changed_in_part_and_removed(api: AsyncClient) -> None:
    for kind, body in NEW.items():
        path, id_ = f"{MASTER}/{kind}", NEXT[kind]
        added = await api.post(path, json=body)
        assert (added.status_code, added.json()["id"]) == (201, id_)
        row = (await listed(api, kind))[id_]
        assert {name: value for name, value in body.items() if name in row}.items() <= row.items()
        assert kind == "users" or row["orderNo"] == body.get("orderNo", len(await listed(api, kind)))

        assert (await api.put(f"{path}/{id_}", json={"name": "Another name"})).status_code == 200
        assert (await listed(api, kind))[id_] == row | {"name": "Another name"}

        assert (await api.delete(f"{path}/{id_}")).status_code == 200
        assert id_ not in await listed(api, kind)
        assert refusal(await api.delete(f"{path}/{id_}")) == (404, None, None)


async def test_what_was_added_is_used_and_a_completed_status_completes(api: AsyncClient) -> None:
    for kind, body in NEW.items():
        assert (await api.post(f"{MASTER}/{kind}", json=body)).status_code == 201
    ticket = new_ticket(
        requestorId="user9", personInChargeId="user9", accountId="acc9", categoryId="cat2", categoryDetailId="catd13",
        requestChannelId="ch6", statusId="stat5", responseCategoryId="resp7",
    )  # fmt: skip
    made = (await api.post("/tickets", json=ticket)).json()["id"]

    shown = (await api.get(f"/tickets/{made}")).json()

    assert (shown["requestorName"], shown["completionDate"]) == ("田中 愛子", "2026-11-20")
    assert made in {row["ticketId"] for row in (await api.get("/tickets?showCompleted=true&searchQuery=田中")).json()}


async def test_put_adds_by_an_id_of_the_caller_and_may_be_repeated(api: AsyncClient) -> None:
    path = f"{MASTER}/accounts/得意先-01"
    said = [(await api.put(path, json={"name": "Acme"})).json()["message"] for _ in range(2)]

    assert said == ["Account added successfully", "Account has these values already"]
    assert (await listed(api, "accounts"))["得意先-01"]["orderNo"] == 9
    assert refusal(await api.put(f"{MASTER}/users/new", json={"email": "a@b"})) == (400, None, "name")
    assert refusal(await api.put(f"{MASTER}/users/a%20b", json={"name": "x"})) == (400, None, "id")
    assert refusal(await api.post(f"{MASTER}/accounts", json={"id": "acc1", "name": "Acme"})) == (409, "exists", "id")


async def test_without_an_id_a_second_one_of_the_same_name_is_refused(sqlite_api: AsyncClient) -> None:
    for kind, body, field in (
        ("users", {"name": "Somebody else", "email": "AVERY.lindqvist@example.com"}, "email"),
        ("accounts", {"name": "ＴＥＳＳＡＬＹ foods"}, "name"),
        ("category-details", {"name": "invoices", "categoryId": "cat2"}, "name"),
    ):
        path = f"{MASTER}/{kind}"
        assert refusal(await sqlite_api.post(path, json=body)) == (409, "exists", field)
        assert (await sqlite_api.post(path, json={**body, "id": "branch"})).status_code == 201


async def test_the_next_id_is_free_whatever_ids_callers_have_given(sqlite_api: AsyncClient) -> None:
    path = f"{MASTER}/users"
    for id_ in ("user999999999", "user007", "user1000000001"):
        await sqlite_api.put(f"{path}/{id_}", json={"name": f"Person {id_}"})

    added = [(await sqlite_api.post(path, json={"name": f"Next {n}"})).json()["id"] for n in range(2)]

    assert added == ["user1000000000", "user1000000002"]


async def test_people_of_one_name_and_details_of_other_categories_are_no_second_ones(sqlite_api: AsyncClient) -> None:
    namesake = {"name": "Avery Lindqvist", "email": "other@example.com"}

    assert (await sqlite_api.post(f"{MASTER}/users", json=namesake)).status_code == 201
    detail = {"name": "Invoices", "categoryId": "cat1"}
    assert (await sqlite_api.post(f"{MASTER}/category-details", json=detail)).status_code == 201


async def test_what_is_in_use_is_not_removed(api: AsyncClient) -> None:
    for path, where in (
        ("users/user6", "tickets as requestor ("),
        ("users/user5", "history entries ("),
        ("accounts/acc1", "tickets ("),
        ("categories/cat1", "category details (3)"),
        ("category-details/catd1", "tickets ("),
        ("statuses/stat4", "tickets ("),
        ("request-channels/ch1", "tickets ("),
        ("response-categories/resp1", "tickets ("),
    ):
        kind, id_ = path.split("/")
        response = await api.delete(f"{MASTER}/{path}")
        assert refusal(response) == (409, "in_use", None)
        assert where in response.json()["error"]
        assert id_ in await listed(api, kind)


async def test_a_detail_with_tickets_stays_in_its_category(api: AsyncClient) -> None:
    moved = await api.put(f"{MASTER}/category-details/catd1", json={"categoryId": "cat2"})
    nowhere = await api.put(f"{MASTER}/category-details/catd1", json={"categoryId": "cat99"})

    assert refusal(moved) == (409, "in_use", None)
    assert refusal(nowhere) == (400, None, "categoryId")
    assert (await listed(api, "category-details"))["catd1"]["categoryId"] == "cat1"


REFUSED: Final[tuple[tuple[str, dict[str, Any], str], ...]] = (
    ("users", {}, "name"),
    ("users", {"name": "\u200b \u3000"}, "name"),
    ("users", {"name": "two\nlines"}, "name"),
    ("users", {"name": "x" * 201}, "name"),
    ("users", {"name": "x", "email": "not an address"}, "email"),
    ("users", {"name": "x", "id": "a/b"}, "id"),
    ("users", {"name": "x", "id": "x" * 51}, "id"),
    ("users", {"name": "x", "orderNo": 1}, "orderNo"),
    ("accounts", {"name": "x", "orderNo": -1}, "orderNo"),
    ("accounts", {"name": "x", "orderNo": "1"}, "orderNo"),
    ("statuses", {"name": "x", "completed": "yes"}, "completed"),
    ("category-details", {"name": "x"}, "categoryId"),
    ("category-details", {"name": "x", "categoryId": "cat99"}, "categoryId"),
)


async def test_what_cannot_be_stored_is_refused_by_field(sqlite_api: AsyncClient) -> None:
    before = {kind: await listed(sqlite_api, kind) for kind in KINDS}

    for kind, body, field in REFUSED:
        assert refusal(await sqlite_api.post(f"{MASTER}/{kind}", json=body)) == (400, None, field), body

    assert {kind: await listed(sqlite_api, kind) for kind in KINDS} == before


async def test_ten_at_once_get_ten_ids_and_a_repeated_key_adds_nothing(api: AsyncClient) -> None:
    path = f"{MASTER}/users"
    added = await asyncio.gather(*(api.post(path, json={"name": f"Person {n}"}) for n in range(10)))
    assert sorted(one.json()["id"] for one in added) == sorted(f"user{n}" for n in range(9, 19))

    with capture_logs() as logs:
        once = [await api.post(path, json={"name": "Once"}, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert once[0].content == once[1].content
    assert [line["object"] for line in logs if line["message"] == "audit"] == ["users/user19"]


@pytest.fixture
async def keys(database_url: str) -> AsyncIterator[tuple[AsyncClient, dict[str, str]]]:
    """The API with keys: its own, one of a program, and one that may administer, of `default` and of `acme`."""
    async with open_transactions(resolve_url(database_url)) as opened:
        acme = await commands.add_tenant(opened, "acme", name=None, fill=None, now=NOW, may_administer=True)
        plain = await commands.add_key(opened, "default", now=NOW)
        admin = await commands.add_key(opened, "default", now=NOW, may_administer=True)
    app = create_app(database_url=database_url, api_keys=[KEY], clock=Clock())
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client, {"own": KEY, "plain": plain.key, "admin": admin.key, "acme": acme.key, "id": admin.id}


async def test_only_a_key_that_may_administer_does_and_both_are_audited(
    keys: tuple[AsyncClient, dict[str, str]],
) -> None:
    api, key = keys
    body = {"name": "Aiko"}
    for whose in ("own", "plain"):
        for method, path in (("POST", "users"), ("PUT", "users/user1"), ("DELETE", "users/user8")):
            with capture_logs() as logs:
                refused = await api.request(
                    method, f"{MASTER}/{path}", json=None if method == "DELETE" else body,
                    headers={"x-api-key": key[whose]},
                )  # fmt: skip
            assert refusal(refused) == (403, "needs_admin_key", None)
            assert "tenant new-key default --admin" in refused.json()["error"]
            (line,) = [line for line in logs if line["message"] == "audit"]
            assert (line["outcome"], line["tenant"]) == ("needs_admin_key", "default")

    with capture_logs() as logs:
        added = await api.post(f"{MASTER}/users", json=body, headers={"x-api-key": key["admin"]})
    assert added.json()["id"] == "user9"
    (line,) = [line for line in logs if line["message"] == "audit"]
    assert (line["action"], line["object"], line["credential"]) == ("master_data_added", "users/user9", key["id"])
    assert not any(secret in str(logs) for secret in (key["admin"], KEY, "Aiko"))


async def test_an_admin_key_reaches_its_own_organisation_only(keys: tuple[AsyncClient, dict[str, str]]) -> None:
    api, key = keys
    theirs = {"x-api-key": key["acme"]}
    mine = {"x-api-key": key["admin"]}
    before = {kind: (await api.get(f"{MASTER}/{kind}", headers=mine)).content for kind in KINDS}

    for kind, body in NEW.items():
        if kind != "category-details":
            assert (await api.post(f"{MASTER}/{kind}", json=body, headers=theirs)).json()["id"].endswith("1")
    for path in ("users/user8", "accounts/acc3", "categories/cat5", "statuses/stat2", "request-channels/ch3"):
        assert (await api.delete(f"{MASTER}/{path}", headers=theirs)).status_code == 404
    foreign = {"name": "x", "categoryId": "cat3"}
    assert (await api.post(f"{MASTER}/category-details", json=foreign, headers=theirs)).status_code == 400

    assert {kind: (await api.get(f"{MASTER}/{kind}", headers=mine)).content for kind in KINDS} == before


async def test_a_program_that_embeds_the_api_may_not_administer(sqlite_url: str) -> None:
    app = create_app(database_url=sqlite_url, tenant_of={"k": "default"}.get, clock=Clock())
    async with app.router.lifespan_context(app), client_of(app, **{"x-api-key": "k"}) as api:
        assert refusal(await api.post(f"{MASTER}/users", json={"name": "x"}))[:2] == (403, "needs_admin_key")
