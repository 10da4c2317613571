"""Checks rows of tickets before any of them is stored, against the same rules as `POST /tickets`.

Pure, given the master data: a row is a mapping from the API's field names to values, in which an id may be a name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from ticket_api.http.models.requests import NewAttachment, NewTicket
from ticket_api.http.refusals import describe
from ticket_api.importing.directory import FIELDS, Directory
from ticket_api.importing.problems import Problem, shortened
from ticket_api.writes import columns, completed

EXTERNAL_ID: Final = "externalTicketId"


class RawRow(NamedTuple):
    """A row as it was sent: its number, and its values by field."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A ticket that can be stored: its row, its id in the other system, and its values by column.

    `given` are the columns that the row itself had; the others are filled in as for a new ticket.
    """

    number: int
    external_id: str
    values: Mapping[str, Any]
    given: frozenset[str]
    attachments: Sequence[NewAttachment] = ()


class Checked(NamedTuple):
    """The rows without problems, and every problem of the others."""

    rows: list[CheckedRow]
    problems: list[Problem]


def check(rows: Sequence[RawRow], directory: Directory, now: datetime) -> Checked:
    """Check every row. Each needs an external id, which no other row has: it makes an import repeatable."""
    checked: list[CheckedRow] = []
    problems: list[Problem] = []
    row_of: dict[str, int] = {}
    for row in rows:
        external_id = row.values.get(EXTERNAL_ID)
        wrong: list[Problem] = []
        if isinstance(external_id, str) and (first := row_of.setdefault(external_id, row.number)) != row.number:
            wrong.append(_problem(row, EXTERNAL_ID, f"is already in row {first}; each ticket has an id of its own"))
        found, unknown = _with_ids(row, directory)
        wrong += unknown
        body, invalid = _validated(row, found, besides={problem.column for problem in wrong})
        wrong += invalid
        if wrong or body is None:
            problems += _in_order(wrong, row)
        else:
            checked.append(_checked(row.number, body, directory, now))
    return Checked(checked, problems)


def _with_ids(row: RawRow, directory: Directory) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values with ids in place of names, and the problems of those that refer to nothing."""
    values = dict(row.values)
    problems: list[Problem] = []
    for field in FIELDS:
        text = values.get(field)
        if not isinstance(text, str) or not text:
            continue
        category = values.get("categoryId") if field == "categoryDetailId" else None
        try:
            values[field] = directory.find(field, text, category_id=category)
        except ValueError as error:
            problems.append(_problem(row, field, str(error)))
            if field == "categoryId":
                values.pop(field)  # its detail is looked up among all
    detail, category = values.get("categoryDetailId"), values.get("categoryId")
    if not problems and isinstance(detail, str) and isinstance(category, str):
        belongs = directory.row("categoryDetailId", detail)["category_id"]
        if belongs != category:
            name = directory.row("categoryId", belongs)["name"]
            problems.append(_problem(row, "categoryDetailId", f"belongs to the category {name}, not to this one"))
    return values, problems


def _validated(row: RawRow, values: Mapping[str, Any], *, besides: set[str]) -> tuple[NewTicket | None, list[Problem]]:
    """Return the row as a new ticket, or every problem of its fields that has not been found before."""
    problems = []
    external_id = values.get(EXTERNAL_ID)
    if external_id is None or (isinstance(external_id, str) and not external_id.strip()):
        problems.append(_problem(row, EXTERNAL_ID, "is required: it makes an import repeatable"))
    try:
        return NewTicket.model_validate(values), problems
    except ValidationError as error:
        for refusal in (describe({**one, "loc": ("row", *one["loc"])}) for one in error.errors()):
            field = (refusal.field or "").partition(".")[0]
            if field not in besides:
                problems.append(_problem(row, field, str(refusal).removeprefix(refusal.field or "").strip(": ")))
    return None, problems


def _checked(number: int, body: NewTicket, directory: Directory, now: datetime) -> CheckedRow:
    sent = columns(body)
    status = directory.row("statusId", body.status_id)
    values = completed(sent, is_completed=status["completed"], now=now)
    return CheckedRow(number, sent["external_ticket_id"], values, frozenset(sent), body.attachments or ())


def _problem(row: RawRow, field: str, reason: str) -> Problem:
    value = row.values.get(field, "")
    return Problem(row.number, field[:100], shortened(value if isinstance(value, str) else repr(value)), reason)


def _in_order(problems: Sequence[Problem], row: RawRow) -> list[Problem]:
    """Return the problems of a row: those of values that it lacks, then those of its values in their order."""
    places = {field: place for place, field in enumerate(row.values)}
    return sorted(problems, key=lambda problem: places.get(problem.column, -1))
