"""The route that imports tickets, by the same rules as the command line."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from ticket_api.errors import BadInputError
from ticket_api.http.administrators import Administrator, record
from ticket_api.http.idempotent_writes import Key, write_once
from ticket_api.http.models.imports import ImportedRow, RowProblem, TicketImport, TicketsImported
from ticket_api.http.openapi import failures
from ticket_api.http.routing import NoQuery, each, read_in_tenant, writing
from ticket_api.importing.checking import Checked, RawRow, check
from ticket_api.importing.directory import Directory
from ticket_api.importing.problems import Problem, faulty_rows
from ticket_api.importing.storing import Outcome, store
from ticket_api.store.connection import TenantConnection

import_routes: Final = APIRouter(tags=["tickets"], dependencies=each)


class FaultyRowsError(BadInputError):
    """Rows are faulty, so none was stored; the response has every problem."""

    def __init__(self, checked: Checked) -> None:
        faulty = len(faulty_rows(checked.problems))
        super().__init__(
            f"{faulty:,} of {faulty + len(checked.rows):,} rows are faulty. Nothing was stored: correct them, or send "
            "skipFaulty: true to store the others.",
            kind="faulty_rows",
            field="rows",
        )
        self.problems = _shown(checked.problems)

    def body(self) -> dict[str, object]:
        """Return the JSON object of the response, with the problems."""
        return {**super().body(), "problems": [problem.model_dump() for problem in self.problems]}


@import_routes.post(
    "/tickets/import",
    operation_id="importTickets",
    response_model=TicketsImported,
    responses=failures(400, 401, 403, 409, 413, 415, 503, 507),
    **writing,
)
async def import_tickets(
    request: Request, _: Administrator, body: TicketImport, __: NoQuery, key: Key = None
) -> Response:
    """Store tickets of another system, each once by its `externalTicketId`. Needs a key that may administer.

    If a row is faulty, nothing is stored, unless `skipFaulty` is set; the response has every problem of every row.
    """
    rows = [RawRow(number, row) for number, row in enumerate(body.rows, 1)]
    directory = await read_in_tenant(request, Directory.load)
    checked = await asyncio.to_thread(check, rows, directory, request.app.state.clock())
    created = 0

    def work(db: TenantConnection, now: datetime) -> BaseModel:
        nonlocal created
        if checked.problems and not (body.skip_faulty or body.dry_run):
            raise FaultyRowsError(checked)
        outcomes = store(db, checked.rows, now, dry_run=body.dry_run)
        created = sum(one.result == "created" for one in outcomes)
        return _report(outcomes, checked.problems)

    response = await write_once(request, key, body, 200, work)
    if created and not body.dry_run:
        await record(request, "tickets", action="tickets_imported")
    return response


def _report(outcomes: Sequence[Outcome], problems: Sequence[Problem]) -> TicketsImported:
    created = sum(one.result == "created" for one in outcomes)
    return TicketsImported(
        created=created,
        already_there=len(outcomes) - created,
        faulty=len(faulty_rows(problems)),
        rows=[
            ImportedRow(row=row, external_ticket_id=external_id, id=ticket_id or None, result=result)
            for row, external_id, ticket_id, result in outcomes
        ],
        problems=_shown(problems),
    )


def _shown(problems: Sequence[Problem]) -> list[RowProblem]:
    return [RowProblem(row=row, field=field, value=value, reason=reason) for row, field, value, reason in problems]
