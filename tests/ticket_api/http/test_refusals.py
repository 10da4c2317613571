"""Invalid input: each is refused with a fitting status, as JSON, in a sentence that names the field."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.kills import kills
from tests.ticket_api.conftest import KEY, Clock, client_of, new_ticket, running
from ticket_api import create_app
from ticket_api.http.api_key_middleware import LARGEST_BODY

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(("field", "value", "says"), [
    ("summary", None, "summary is required"),
    ("summary", "", "must not be blank"),
    ("summary", " \n ", "must not be blank"),
    ("summary", "x" * 201, "at most 200 characters"),
    ("summary", 5, "must be a string"),
    ("summary", "nul \x00", "cannot be stored"),
    ("description", "lone \ud800 surrogate", "not valid Unicode"),
    ("description", "x" * 50_001, "at most 50000 characters"),
    ("requestorId", "x" * 51, "at most 50 characters"),
    ("requestorId", "", "must not be empty"),
    ("externalTicketId", "x" * 51, "at most 50 characters"),
    ("scheduledCompletionDate", "2026-02-30", "must be a valid date, written YYYY-MM-DD"),
    ("scheduledCompletionDate", "2026-12-01T00:00:00", "written YYYY-MM-DD"),
    ("completionDate", 20261201, "written YYYY-MM-DD"),
    ("completionDate", "２０２６-12-01", "written YYYY-MM-DD"),
    ("receptionDateTime", "tomorrow", "written YYYY-MM-DD HH:MM"),
    ("receptionDateTime", "2026-11-20", "written YYYY-MM-DD HH:MM"),
    ("receptionDateTime", "2026-11-20 25:00", "written YYYY-MM-DD HH:MM"),
    ("receptionDateTime", "0001-01-01 00:00+14:00", "written YYYY-MM-DD HH:MM"),
    ("receptionDateTime", 5, "written YYYY-MM-DD HH:MM"),
    ("actualEffortHours", 3.55, "one decimal"),
    ("actualEffortHours", -1, "from 0"),
    ("actualEffortHours", 10_000, "to 9999.9"),
    ("actualEffortHours", "many", "must be hours"),
    ("actualEffortHours", "NaN", "must be hours"),
    ("actualEffortHours", True, "must be hours"),
    ("actualEffortHours", "1e999999999", "must be hours"),
    ("hasDefect", "yes", "must be true or false"),
    ("hasDefect", 1, "must be true or false"),
    ("attachments", [{"fileName": "a", "fileUrl": "https://e.example/a"}] * 21, "at most 20 entries"),
    ("attachments", "a.png", "must be a list"),
])  # fmt: skip
async def test_a_bad_value_is_refused_by_the_name_of_its_field(
    sqlite_api: AsyncClient, field: str, value: Any, says: str
) -> None:
    body = json.dumps({name: given for name, given in new_ticket(**{field: value}).items() if given is not None})

    response = await sqlite_api.post("/tickets", content=body.encode(), headers=JSON)

    assert response.status_code == 400
    assert response.json()["field"] == field
    assert response.json()["error"].startswith(f"{field} ")
    assert says in response.json()["error"]


@pytest.mark.parametrize("url", [
    "ftp://e.example/a", "javascript:alert(1)", "https://", "https:///a", "https://e.example/a b", "file:///etc/passwd",
    "https://e.example/\n",
])  # fmt: skip
async def test_an_attachment_lies_on_the_web(sqlite_api: AsyncClient, url: str) -> None:
    body = new_ticket(attachments=[{"fileName": "a.png", "fileUrl": url}])

    response = await sqlite_api.post("/tickets", json=body)

    assert (response.status_code, response.json()["field"]) == (400, "attachments.0.fileUrl")


@pytest.mark.parametrize(("value", "hours"), [
    (0, "0.0"), (3.5, "3.5"), ("3.5", "3.5"), (9999.9, "9999.9"), (0.1 + 0.2, "0.3"), (1e2, "100.0"),
])  # fmt: skip
async def test_hours_are_exact(sqlite_api: AsyncClient, value: Any, hours: str) -> None:
    created = await sqlite_api.post("/tickets", json=new_ticket(actualEffortHours=value))

    ticket = (await sqlite_api.get(f"/tickets/{created.json()['id']}")).json()
    assert ticket["actualEffortHours"] == hours


async def test_an_unknown_field_is_refused_with_the_known_ones(sqlite_api: AsyncClient) -> None:
    response = await sqlite_api.post("/tickets", json=new_ticket(sumary="Typo"))

    assert (response.status_code, response.json()["field"]) == (400, "sumary")
    assert "summary" in response.json()["allowed"]


@pytest.mark.parametrize(
    "path", ["/tickets", "/tickets/TCK-0001", "/tickets/master/users", "/tickets/TCK-0001/history"]
)
async def test_an_unknown_parameter_is_refused_with_the_known_ones(sqlite_api: AsyncClient, path: str) -> None:
    response = await sqlite_api.get(path, params={"state": "open"})

    assert (response.status_code, response.json()["field"]) == (400, "state")
    assert ("statusId" in response.json()["allowed"]) is (path == "/tickets")


async def test_a_parameter_given_twice_is_refused(sqlite_api: AsyncClient) -> None:
    response = await sqlite_api.get("/tickets?accountId=acc1&accountId=acc2")

    assert (response.status_code, response.json()["field"]) == (400, "accountId")


async def test_more_statuses_than_a_list_takes_are_refused(sqlite_api: AsyncClient) -> None:
    several = [await sqlite_api.get("/tickets?" + "statusId=stat1&" * times) for times in (20, 21)]

    assert [response.status_code for response in several] == [200, 400]
    assert several[1].json() == {"error": "statusId is given more than 20 times", "field": "statusId"}


@pytest.mark.parametrize(("query", "allowed"), [
    ("sortBy=summary", ["receptionDateTime", "scheduledCompletionDate", "completionDate"]),
    ("sortOrder=up", ["asc", "desc"]),
])  # fmt: skip
async def test_a_choice_names_what_there_is(sqlite_api: AsyncClient, query: str, allowed: list[str]) -> None:
    response = await sqlite_api.get(f"/tickets?{query}")

    assert (response.status_code, response.json()["allowed"]) == (400, allowed)


@pytest.mark.parametrize("query", [
    "showCompleted=1", "scheduledCompletionDateFrom=soon", "searchQuery=%00", "statusId=", f"searchQuery={'x' * 201}",
    "statusId=&statusId=stat1", "receptionDateTimeFrom=2026-11-31", "receptionDateTimeTo=2026-11-20T09:00Z",
    "completionDateTo=2026-11-20 09:00", "updatedAtFrom=2026-11-20", "updatedAtTo=2026-11-20T09:00:00", "envelope=1",
    "cursor=", "cursor=ra:2026-11-20T03:04/TCK-0001", "cursor=sd:2026-11-20/TCK-0001", "cursor=rd:/TCK-0001",
    "cursor=rd:2026-11-20T03:04/", "cursor=rd:2026-11-20T03:04/TCK-9999", "cursor=rd:2026-11-20T03:04/TCK%000001",
    "cursor=rd:2026-11-20T03:04Z/TCK-0001", "cursor=rd:2026-11-20T03:04%2B09:00/TCK-0001",
    "offset=20&cursor=rd:2026-11-20T03:04/TCK-0001",
])  # fmt: skip
async def test_a_bad_filter_is_refused_by_name(sqlite_api: AsyncClient, query: str) -> None:
    response = await sqlite_api.get(f"/tickets?{query}")

    assert (response.status_code, response.json()["field"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize(("body", "error"), [
    (b"{", "The body is not valid JSON."),
    (b"\xff\xfe{", "The body could not be read."),
    (b"[" * 100_000, "The body could not be read."),
    (b"[]", "The body must be a JSON object."),
    (b"null", "The body must be a JSON object."),
    (b'"text"', "The body must be a JSON object."),
])  # fmt: skip
async def test_a_body_that_is_no_json_object_is_refused(sqlite_api: AsyncClient, body: bytes, error: str) -> None:
    response = await sqlite_api.post("/tickets", content=body, headers=JSON)

    assert (response.status_code, response.json()) == (400, {"error": error})


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/ld+json", ""])
async def test_a_body_that_is_not_declared_as_json_is_refused(sqlite_api: AsyncClient, content_type: str) -> None:
    body = json.dumps(new_ticket()).encode()

    response = await sqlite_api.post("/tickets", content=body, headers={"content-type": content_type})

    assert response.status_code == 415
    assert "application/json" in response.json()["error"]


async def test_json_may_name_its_charset(sqlite_api: AsyncClient) -> None:
    body = json.dumps(new_ticket()).encode()

    response = await sqlite_api.post(
        "/tickets", content=body, headers={"content-type": "Application/JSON; charset=utf-8"}
    )

    assert response.status_code == 201


@pytest.mark.parametrize(("method", "path", "allow"), [
    ("DELETE", "/tickets", "GET, POST"),
    ("POST", "/tickets/TCK-0001", "GET, PUT"),
    ("PUT", "/tickets/TCK-0001/history", "GET, POST"),
    ("PATCH", "/tickets/master/users", "GET, POST"),
])  # fmt: skip
async def test_a_wrong_method_is_told_the_right_ones(
    sqlite_api: AsyncClient, method: str, path: str, allow: str
) -> None:
    response = await sqlite_api.request(method, path)

    assert (response.status_code, response.headers["allow"]) == (405, allow)
    assert response.json()["error"]


@pytest.mark.parametrize("path", ["/", "/nonsense", "/tickets/", "/tickets/master/nonsense", "/docs", "/tickets/a/b/c"])
async def test_an_unknown_path_is_json(sqlite_api: AsyncClient, path: str) -> None:
    response = await sqlite_api.get(path)

    assert (response.status_code, response.json()) == (404, {"error": "There is nothing at this path."})


@pytest.fixture
async def guarded(sqlite_url: str, clock: Clock) -> AsyncIterator[AsyncClient]:
    async with running(sqlite_url, clock, KEY) as client:
        yield client


@kills("ticket_api/keys.py", "hmac.compare_digest(digest, own)", "digest")
@pytest.mark.parametrize("path", ["/tickets", "/nonsense", "/openapi.json", "/health/", "/tickets/master/users"])
async def test_without_the_key_nothing_is_given_away(guarded: AsyncClient, path: str) -> None:
    for key in ("", "wrong", KEY[:-1], f"{KEY}x", "schlüssel"):
        response = await guarded.get(path, headers={b"x-api-key": key.encode()})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "ApiKey"


async def test_the_key_may_be_followed_by_spaces(guarded: AsyncClient) -> None:
    """The fast parser of uvicorn leaves them in the value."""
    assert (await guarded.get("/tickets", headers={"x-api-key": f"{KEY}  "})).status_code == 200


@kills("ticket_api/http/api_key_middleware.py", "if len(body) > LARGEST_BODY:", "if False:")
async def test_a_body_over_the_limit_is_refused(sqlite_api: AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 1024 + 1):
            yield b" " * 1024

    announced = await sqlite_api.post("/tickets", content=b" " * (LARGEST_BODY + 1), headers=JSON)
    streamed = await sqlite_api.post("/tickets", content=pieces(), headers=JSON)
    largest = await sqlite_api.post(
        "/tickets", content=json.dumps(new_ticket()).encode().ljust(LARGEST_BODY), headers=JSON
    )

    assert (announced.status_code, streamed.status_code, largest.status_code) == (413, 413, 201)
    assert "1048576" in announced.json()["error"]


async def test_a_fault_of_our_own_is_a_500_that_says_nothing(
    sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Any:
        raise RuntimeError("secret detail")

    app = create_app(database_url=sqlite_url, clock=broken)
    async with app.router.lifespan_context(app), client_of(app) as client:
        response = await client.get("/tickets")

    message = "Internal error of the ticket API; its log has the details."
    assert (response.status_code, response.json()) == (500, {"error": message})
    assert "request_failed" in capsys.readouterr().err
