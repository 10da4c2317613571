"""What reading routes return, and refuse, is what FastAPI and the models of the responses would."""

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import pytest
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.routing import APIRoute
from httpx2 import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import to_json

from tests.ticket_api.conftest import client_of
from ticket_api.app import ROUTERS
from ticket_api.http import refusals
from ticket_api.http.models.queries import TicketQuery
from ticket_api.http.models.responses import TicketRow
from ticket_api.http.routing import ReadingRoute, TicketId, each
from ticket_api.http.serializers import shape_row

DAYS: Final = st.none() | st.dates()
TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
STORED: Final = {
    "reception_date_time": st.datetimes(),
    "scheduled_completion_date": DAYS,
    "remaining_days": DAYS,
    "completion_date": DAYS,
    "updated_at": st.datetimes(timezones=st.just(UTC)),
    "completed": st.booleans(),
    "external_ticket_id": st.none() | TEXTS,
}
"""The columns of a row of a list that are no texts."""
NAMES: Final = st.sampled_from(
    ["limit", "offset", "statusId", "sortBy", "envelope", "cursor", "accountId", "Limit", ""]
)
VALUES: Final = st.sampled_from(["1", "20", "201", "-1", "x", "true", "asc", "receptionDateTime", "", "\x00"]) | TEXTS


@given(st.fixed_dictionaries({name: STORED.get(name, TEXTS) for name in TicketRow.model_fields}), st.dates())
def test_a_row_of_a_list_is_written_as_its_model_would_be(row: dict[str, Any], today: date) -> None:
    row["remaining_days"] = row["scheduled_completion_date"]

    shown = shape_row([*(row[name] for name in TicketRow.model_fields), 7], today)

    assert to_json(shown) == TicketRow.model_validate(shown).model_dump_json().encode()
    assert TypeAdapter(TicketRow).validate_python(shown, strict=True)
    assert (shown["remainingDays"] is None) == (row["scheduled_completion_date"] is None or row["completed"])


async def test_each_reading_route_returns_what_its_response_model_writes(api: AsyncClient) -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, ReadingRoute)]
    reading = [route for route in routes if route.methods == {"GET"}]
    assert len(reading) == 12
    for route in reading:
        for query in ("", "?envelope=true"):
            path = route.path.replace("{id}", "TCK-0001") + query
            response = await api.get(path)
            if response.status_code == 400 and query:
                assert "envelope" in response.text, path  # the route has none
                continue
            model = TypeAdapter[Any](route.response_model)
            assert response.content == model.dump_json(model.validate_json(response.content)), path
            assert response.headers["content-type"] == "application/json"


def echoing(route_class: type[APIRoute]) -> FastAPI:
    """Return an app that returns the parameters that it has read."""
    router = APIRouter(dependencies=each, route_class=route_class)

    @router.get("/tickets/{id}")
    async def echo(_: Request, ticket_id: TicketId, query: Annotated[TicketQuery, Query()]) -> Response:
        return Response(to_json([ticket_id, query.model_dump()]))

    app = FastAPI(routes=[*router.routes], telemetry={"tracing": False, "metrics": False, "logs": False})
    refusals.install(app)
    return app


@pytest.fixture(scope="module")
def both() -> tuple[FastAPI, FastAPI]:
    return echoing(ReadingRoute), echoing(APIRoute)


@given(st.sampled_from(["TCK-0001", "stats", "%00", "x" * 51]), st.lists(st.tuples(NAMES | TEXTS, VALUES), max_size=4))
def test_parameters_are_read_and_refused_as_fastapi_does(
    both: tuple[FastAPI, FastAPI], ticket: str, sent: list[tuple[str, str]]
) -> None:
    async def ask(app: FastAPI) -> tuple[int, bytes]:
        async with client_of(app) as client:
            response = await client.get(f"/tickets/{ticket}?{urlencode(sent)}")
            return response.status_code, response.content

    ours, fastapis = (asyncio.run(ask(app)) for app in both)

    assert ours == fastapis


def test_moments_of_a_row_are_in_utc() -> None:
    columns: dict[str, Any] = dict.fromkeys(TicketRow.model_fields, "")
    columns |= {"reception_date_time": datetime(2026, 11, 20, 9, 30), "completed": False}  # noqa: DTZ001 - wall-clock
    columns |= {"updated_at": datetime(2026, 11, 20, 3, 4, 5, 678000, tzinfo=UTC), "completion_date": None}
    columns |= dict.fromkeys(("scheduled_completion_date", "remaining_days"), date(2026, 11, 22))

    shown = shape_row([*columns.values()], date(2026, 11, 20))

    assert (shown["updatedAt"], shown["remainingDays"]) == ("2026-11-20T03:04:05.678Z", 2)
    assert (shown["receptionDateTime"], shown["scheduledCompletionDate"]) == ("2026-11-20 09:30", "2026-11-22")
