"""The work of one request is bounded: by the parameters of its query, by the fields and items of its body."""

import json
import time
from typing import Any, Final

import pytest
from httpx2 import AsyncClient

from tests.ticket_api.conftest import new_ticket
from ticket_api.http.api_key_middleware import LARGEST_BODY
from ticket_api.http.routing import MAX_PARAMETERS

QUICK_S: Final = 1.5
"""Reading a body of 1 MiB takes a tenth of this; 10,000 parameters took six times as long."""
JSON: Final = {"content-type": "application/json"}


@pytest.mark.parametrize("path", ["/tickets", "/tickets/TCK-0001", "/tickets/master/users", "/health"])
async def test_a_query_has_few_parameters(sqlite_api: AsyncClient, path: str) -> None:
    began = time.process_time()
    response = await sqlite_api.get(f"{path}?{'&'.join(f'p{number}' for number in range(10_000))}")

    assert time.process_time() - began < QUICK_S
    assert response.status_code == 400
    assert response.json() == {"error": f"A query has at most {MAX_PARAMETERS} parameters, not 10,000."}


async def test_a_query_with_as_many_parameters_as_allowed_is_judged_by_their_names(sqlite_api: AsyncClient) -> None:
    response = await sqlite_api.get(f"/tickets?{'&'.join(f'p{number}=1' for number in range(MAX_PARAMETERS))}")

    assert response.status_code == 400
    assert response.json()["field"] == "p0"


@pytest.mark.parametrize(
    "more",
    [
        {f"k{number}": 0 for number in range(60_000)},
        {"attachments": [0] * 300_000},
        {"attachments": [{}] * 200_000},
        {"attachments": [{f"k{number}": 0 for number in range(60_000)}]},
        {"summary": [0] * 300_000},
        {"actualEffortHours": "9" * 900_000},
    ],
    ids=["60,000 fields", "300,000 items", "200,000 objects", "60,000 keys", "a list for a text", "900,000 digits"],
)
async def test_a_body_with_too_much_in_it_is_refused_by_a_short_sentence(
    sqlite_api: AsyncClient, more: dict[str, Any]
) -> None:
    body = json.dumps(new_ticket() | more).encode()
    assert len(body) < LARGEST_BODY

    began = time.process_time()
    response = await sqlite_api.post("/tickets", content=body, headers=JSON)

    assert time.process_time() - began < QUICK_S
    assert response.status_code == 400
    assert len(response.content) < 2_000
