"""The rules for writes to tickets and their consequences, over the statements in `store`.

Every function runs inside the caller's transaction and raises before it has written anything.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from pydantic.alias_generators import to_camel
from sqlalchemy import RowMapping

from ticket_api.errors import ApiNotFoundError, BadInputError, ChangedMeanwhileError
from ticket_api.http.fields import MOST_TENTHS
from ticket_api.http.models.requests import NewComment, NewTicket, TicketChange
from ticket_api.http.serializers import show_hours
from ticket_api.store import history, master, tickets
from ticket_api.store.connection import TenantConnection
from ticket_api.store.history import HistoryChange
from ticket_api.store.master import REFERENCES, Meaning
from ticket_api.store.search import index_tickets
from ticket_api.times import wall_clock

COLUMN_OF: Final = {"actual_effort_hours": "actual_effort_tenths"}
NOT_COLUMNS: Final = {
    *("updated_by_id", "comment", "visibility", "attachments", "clear", "expected_history_id", "add_effort_hours"),
}


def ticket_not_found() -> ApiNotFoundError:
    """Return the refusal of every path with the id of an unknown ticket."""
    return ApiNotFoundError("Ticket not found")


def create(db: TenantConnection, body: NewTicket, now: datetime) -> str:
    """Store a ticket and return its id. Raises: BadInputError."""
    values = columns(body)
    meaning = _check_ids(db, _ids(values))
    _check_pair(db, values["category_id"], values["category_detail_id"], meaning)
    values = completed(values, is_completed=meaning["status_id"].completed, now=now)
    (number,) = tickets.insert_tickets(db, [values], now)
    ticket_id = tickets.ticket_id(number)
    tickets.insert_attachments(db, ticket_id, body.attachments or [], now)
    return ticket_id


def completed(values: Mapping[str, Any], *, is_completed: bool, now: datetime) -> dict[str, Any]:
    """Return the values of a new ticket with those that were not sent; times are on the clock of the office."""
    today = wall_clock(now)
    received = values.get("reception_date_time", today)
    given = {
        **values,
        "reception_date_time": wall_clock(received.astimezone(now.tzinfo)) if received.tzinfo else received,
    }
    return {"has_defect": False, **({"completion_date": today.date()} if is_completed else {}), **given}


def change(db: TenantConnection, ticket_id: str, body: TicketChange, now: datetime) -> None:
    """Change a ticket and record what changed. Raises: NotFoundError, BadInputError, ChangedMeanwhileError."""
    before = tickets.lock(db, ticket_id)
    if before is None:
        raise ticket_not_found()
    if body.expected_history_id is not None:
        newest = history.newest(db, ticket_id)
        if newest != body.expected_history_id:
            raise ChangedMeanwhileError(newest)
    sent = columns(body) | {COLUMN_OF.get(name, name): None for name in body.clear or ()}
    if body.add_effort_hours is not None:
        sent["actual_effort_tenths"] = _sum_of_effort(before["actual_effort_tenths"] or 0, body.add_effort_hours)
    ids = _ids(sent) | {"updated_by_id": body.updated_by_id}
    meaning = _check_ids(db, ids)
    if "category_id" in sent or "category_detail_id" in sent:
        pair = {**before, **sent}
        _check_pair(db, pair["category_id"], pair["category_detail_id"], meaning)
    if "status_id" in sent and "completion_date" not in sent:
        old = (master.meanings(db, {"status_id": before["status_id"]}))["status_id"]
        sent |= _completion(
            old.completed, meaning["status_id"].completed, before["completion_date"], wall_clock(now).date()
        )
    new = {column: value for column, value in sent.items() if value != before[column]}
    if not new and body.comment is None:
        raise BadInputError(
            "Nothing to change: no field was sent, or the ticket already has the values sent. "
            "Send a different value, name a non-empty field in clear, or send a comment."
        )
    changes = _describe(db, before, new, meaning)
    is_public = body.visibility == "public"
    author = body.updated_by_id
    history.add(db, ticket_id, user_id=author, at=now, comment=body.comment, is_public=is_public, changes=changes)
    if new:  # after the number of the entry was taken: a removal of what it refers to holds that lock, too
        tickets.update_ticket(db, ticket_id, new)
    index_tickets(db, [before["number"]])


def comment(db: TenantConnection, ticket_id: str, body: NewComment, now: datetime) -> int:
    """Add a comment to a ticket's history and return the entry's id. Raises: NotFoundError, BadInputError."""
    ticket = tickets.lock(db, ticket_id)
    if ticket is None:
        raise ticket_not_found()
    if not master.meanings(db, {"user_id": body.user_id}):
        raise BadInputError("User not found", field="userId", allowed=master.allowed_ids(db, "user_id"))
    is_public = body.visibility == "public"
    entry = history.add(db, ticket_id, user_id=body.user_id, at=now, comment=body.comment, is_public=is_public)
    index_tickets(db, [ticket["number"]])
    return entry


def _sum_of_effort(before: int, more: int) -> int:
    """Return the sum of two efforts in tenths of an hour. Raises: BadInputError."""
    if before + more > MOST_TENTHS:
        raise BadInputError(
            f"addEffortHours: {show_hours(before)} and {show_hours(more)} hours are more than "
            f"{show_hours(MOST_TENTHS)}, the most that a ticket can have",
            field="addEffortHours",
        )
    return before + more


def columns(body: NewTicket | TicketChange) -> dict[str, Any]:
    """Return the values that were sent, by column; null counts as not sent."""
    sent = body.model_dump(exclude_none=True, exclude=NOT_COLUMNS, by_alias=False)
    return {COLUMN_OF.get(name, name): value for name, value in sent.items()}


def _ids(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name in REFERENCES and value is not None}


def _check_ids(db: TenantConnection, ids: Mapping[str, str]) -> dict[str, Meaning]:
    meaning = master.meanings(db, ids)
    for name, value in ids.items():
        if name not in meaning:
            raise BadInputError(
                f"{to_camel(name)}: there is no {value!r}",
                field=to_camel(name),
                allowed=master.allowed_ids(db, name),
            )
    return meaning


def _check_pair(db: TenantConnection, category_id: str, detail_id: str, known: Mapping[str, Meaning]) -> None:
    """Refuse a category detail of another category."""
    detail = known.get("category_detail_id")
    if detail is None:
        detail = (master.meanings(db, {"category_detail_id": detail_id}))["category_detail_id"]
    if detail.category_id != category_id:
        raise BadInputError(
            f"categoryDetailId: {detail_id!r} does not belong to the category {category_id!r}",
            field="categoryDetailId",
            allowed=master.allowed_ids(db, "category_detail_id", category_id=category_id),
        )


def _completion(was: bool, becomes: bool, date_before: date | None, today: date) -> dict[str, date | None]:
    """Return the effect of a change of status on the completion date if the request does not set it."""
    if becomes and not was and date_before is None:
        return {"completion_date": today}
    if was and not becomes:
        return {"completion_date": None}
    return {}


def _describe(
    db: TenantConnection, before: RowMapping, new: Mapping[str, Any], meaning: Mapping[str, Meaning]
) -> list[HistoryChange]:
    """Return the changes as shown to users: names instead of ids, hours, ISO dates."""
    old_ids = _ids({name: before[name] for name in new})
    old_meaning = master.meanings(db, old_ids) if old_ids else {}
    field_of = {column: field for field, column in COLUMN_OF.items()}

    def show(column: str, value: Any, names: Mapping[str, Meaning]) -> str | None:
        return names[column].name if column in names else _show_value(column, value)

    return [
        HistoryChange(
            to_camel(field_of.get(column, column)),
            show(column, before[column], old_meaning),
            show(column, value, meaning),
        )
        for column, value in new.items()
    ]


def _show_value(column: str, value: Any) -> str | None:
    if value is None:
        return None
    if column == "actual_effort_tenths":
        return show_hours(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
