"""The OpenAPI document: complete, stable, and without responses that never occur."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.ticket_api.conftest import KEY
from ticket_api import __all__ as public
from ticket_api import create_app

OPERATIONS = {
    "health", "ready", "listTickets", "getTicket", "createTicket", "updateTicket", "getHistory", "addHistory",
    "listChanges", "countTickets",
    "listUsers", "listAccounts", "listCategories", "listStatuses", "listRequestChannels", "listCategoryDetails",
    "listResponseCategories", "importTickets",
    *(
        f"{verb}{kind}"
        for verb in ("add", "put", "remove")
        for kind in ("User", "Account", "Category", "CategoryDetail", "Status", "RequestChannel", "ResponseCategory")
    ),
}  # fmt: skip


@pytest.fixture
def document() -> dict[str, Any]:
    """The document of an API with a key; creating it opens nothing."""
    return create_app(database_url="sqlite:///never-opened.sqlite3", api_keys=[KEY]).openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_every_operation_is_named_described_and_tagged(document: dict[str, Any]) -> None:
    assert {operation["operationId"] for operation in operations(document)} == OPERATIONS
    assert all(operation["description"] and operation["tags"] for operation in operations(document))
    assert document["info"].keys() >= {"title", "version", "description"}


def test_every_failure_has_the_one_shape_and_an_example(document: dict[str, Any]) -> None:
    for operation in operations(document):
        assert {"400", "500"} <= operation["responses"].keys()
        for status, response in operation["responses"].items():
            content = response["content"]["application/json"]
            if int(status) >= 400:
                assert content["schema"] == {"$ref": "#/components/schemas/Failure"}
                assert "error" in content["example"]


def test_what_is_never_answered_is_not_in_it(document: dict[str, Any]) -> None:
    assert "422" not in {status for operation in operations(document) for status in operation["responses"]}
    assert not {"HTTPValidationError", "ValidationError"} & document["components"]["schemas"].keys()


def test_bounds_are_part_of_it(document: dict[str, Any]) -> None:
    parameters = {one["name"]: one["schema"] for one in document["paths"]["/tickets"]["get"]["parameters"]}

    assert (parameters["limit"]["minimum"], parameters["limit"]["maximum"], parameters["limit"]["default"]) == (
        1,
        200,
        20,
    )
    assert parameters["offset"]["minimum"] == 0
    assert parameters["sortOrder"]["enum"] == ["asc", "desc"]


def test_the_key_is_declared_where_it_is_needed(document: dict[str, Any]) -> None:
    anonymous = create_app(database_url="sqlite:///never-opened.sqlite3").openapi()

    assert document["security"] == [{"apiKey": []}]
    assert [document["paths"][path]["get"]["security"] for path in ("/health", "/ready")] == [[], []]
    assert "security" not in anonymous


async def test_it_is_served_and_the_pages_that_load_foreign_scripts_are_not(sqlite_api: AsyncClient) -> None:
    served = (await sqlite_api.get("/openapi.json")).json()

    assert {operation["operationId"] for operation in operations(served)} == OPERATIONS
    assert [(await sqlite_api.get(path)).status_code for path in ("/docs", "/redoc")] == [404, 404]


def test_the_public_surface_is_one_function() -> None:
    assert public == ("create_app",)
