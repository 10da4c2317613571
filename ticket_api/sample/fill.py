"""Writes the sample data of a new tenant in a few statements; the same time gives the same rows."""

import tomllib
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Table

from ticket_api.sample.plan import CATEGORY_OF, COMPLETED, NEW, PLAN, ROLES, WORKING, Planned
from ticket_api.store import numbers, tables
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import fold, index_tickets
from ticket_api.times import wall_clock

FIRST_REACTION: Final = timedelta(minutes=40)
FILES: Final = "https://files.example.com"
Rows = list[dict[str, Any]]


class Entry(NamedTuple):
    """A history entry before it is stored."""

    ticket_id: str
    timestamp: datetime
    user_id: str
    comment: str
    changes: list[tuple[str, str | None, str]]


def filler(
    language: Literal["en", "ja", "none"], clock: Callable[[], datetime]
) -> Callable[[TenantConnection], None] | None:
    """Return a function that fills a new tenant in that language as of `clock()`; None for "none"."""
    if language == "none":
        return None

    def fill(db: TenantConnection) -> None:
        text = _text(language)
        now = clock()
        tickets, files = _tickets(text["tickets"], now)
        numbers.take(db, "last", len(tickets))
        numbers.take(db, "last_attachment", len(files))
        entries = _history(text, now)
        last = {entry.ticket_id: entry.timestamp for entry in entries}
        tickets = [{**ticket, "updated_at": last.get(ticket["id"], ticket["updated_at"])} for ticket in tickets]
        for table, rows in (*_master(text), (tables.tickets, tickets), (tables.attachments, files)):
            db.execute(db.insert(table), rows)
        _write_history(db, entries)
        index_tickets(db, (ticket["number"] for ticket in tickets))

    return fill


def why_unused(language: str, db: TenantConnection) -> str | None:
    """Return why the sample data in `language`, or "none", is not what the tenant has; None if it is."""
    there = set(
        db.scalars(db.select(tables.accounts, tables.accounts.c.name))
    )  # no company of one's own has their names
    has = {"en": "the English samples", "ja": "the Japanese samples"}
    begun = next((one for one in has if there & set(_text(one)["accounts"])), None)
    if language == (begun or "none"):
        return None
    return f"only a new database is filled, and this one has {has[begun] if begun else 'none of the samples'}"


def usual_choices(language: Literal["en", "ja"]) -> list[tuple[Table, Rows]]:
    """Return the statuses, channels and categories of the sample data, which suit most support desks."""
    of_one_company = (tables.users, tables.accounts)
    return [(table, rows) for table, rows in _master(_text(language)) if table not in of_one_company]


def _text(language: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8"))


def _master(text: dict[str, Any]) -> list[tuple[Table, Rows]]:
    def numbered(prefix: str, names: Sequence[str]) -> Rows:
        return [{"id": f"{prefix}{n}", "name": name, "order_no": n} for n, name in enumerate(names, 1)]

    details = numbered("catd", text["category_details"])
    statuses = numbered("stat", text["statuses"])
    responses = numbered("resp", [name for name, _ in text["response_categories"]])
    users = [
        {"id": f"user{n}", "name": name, "name_folded": fold(name), "email": email, "role": role}
        for n, ((name, email), role) in enumerate(zip(text["users"], ROLES, strict=True), 1)
    ]
    return [
        (tables.users, users),
        (tables.accounts, [{**row, "name_folded": fold(row["name"])} for row in numbered("acc", text["accounts"])]),
        (tables.categories, numbered("cat", text["categories"])),
        (tables.category_details, [{**row, "category_id": CATEGORY_OF[row["id"]]} for row in details]),
        (tables.statuses, [{**row, "completed": row["id"] == COMPLETED} for row in statuses]),
        (tables.request_channels, numbered("ch", text["request_channels"])),
        (
            tables.response_categories,
            [{**row, "parent_category": of[1]} for row, of in zip(responses, text["response_categories"], strict=True)],
        ),
    ]


def _tickets(texts: Sequence[dict[str, Any]], now: datetime) -> tuple[Rows, Rows]:
    """Return the tickets and their attachments; both are numbered from 1, as for any new tenant."""
    rows: Rows = []
    files: Rows = []
    for number, (plan, words) in enumerate(zip(PLAN, texts, strict=True), 1):
        rows.append(_ticket(number, plan, words, now))
        files += [
            {
                "id": len(files) + position,
                "ticket_id": f"TCK-{number:04}",
                "file_name": name,
                "file_url": f"{FILES}/{number}/{position}",
                "uploaded_at": _received(plan, now).replace(tzinfo=now.tzinfo),
            }
            for position, name in enumerate(words.get("files", ()), 1)
        ]
    return rows, files


def _ticket(number: int, plan: Planned, words: dict[str, Any], now: datetime) -> dict[str, Any]:
    received = _received(plan, now)
    due_from = received.date() if plan.status == COMPLETED else wall_clock(now).date()
    return {
        "id": f"TCK-{number:04}",
        "number": number,
        "reception_date_time": received,
        "requestor_id": plan.requestor,
        "account_id": plan.account,
        "category_id": CATEGORY_OF[plan.detail],
        "category_detail_id": plan.detail,
        "request_channel_id": plan.channel,
        "summary": words["summary"],
        "summary_folded": fold(words["summary"]),
        "description": words["description"],
        "person_in_charge_id": plan.person,
        "status_id": plan.status,
        "scheduled_completion_date": None if plan.due is None else due_from + timedelta(days=plan.due),
        "completion_date": _completed(plan, now),
        "actual_effort_tenths": plan.effort,
        "response_category_id": plan.response,
        "response_details": words.get("response"),
        "has_defect": plan.defect,
        "external_ticket_id": plan.external,
        "remarks": None,
        "updated_at": received.replace(tzinfo=now.tzinfo),
    }


def _received(plan: Planned, now: datetime) -> datetime:
    day = wall_clock(now).date() - timedelta(days=plan.age)
    return datetime.fromisoformat(f"{day} {plan.time}")


def _completed(plan: Planned, now: datetime) -> date | None:
    return None if plan.done is None else _received(plan, now).date() + timedelta(days=plan.done)


def _history(text: dict[str, Any], now: datetime) -> list[Entry]:
    """Spread each ticket's comments over its life; the first starts work on it, the last sets its final status."""
    names = {f"stat{n}": name for n, name in enumerate(text["statuses"], 1)}
    entries = []
    for number, (plan, words) in enumerate(zip(PLAN, text["tickets"], strict=True), 1):
        comments = words["comments"]
        start = _received(plan, now).replace(tzinfo=now.tzinfo) + FIRST_REACTION
        end = start + (0.6 * (now - start) if plan.done is None else timedelta(days=plan.done, hours=2))
        for position, comment in enumerate(comments):
            first, last = position == 0, position == len(comments) - 1
            changes: list[tuple[str, str | None, str]] = []
            if first and plan.status != NEW and not (last and plan.status != WORKING):
                changes.append(("statusId", names[NEW], names[WORKING]))
            if last and plan.status not in {NEW, WORKING}:
                changes.append(("statusId", names[NEW if first else WORKING], names[plan.status]))
            if last and plan.done is not None:
                changes.append(("completionDate", None, str(_completed(plan, now))))
            at = end if last and not first else start + (end - start) * position / max(len(comments) - 1, 1)
            at = max(start, _in_working_hours(at))
            entries.append(Entry(f"TCK-{number:04}", at, plan.person, comment, changes))
    return sorted(entries, key=lambda entry: entry.timestamp)


def _in_working_hours(at: datetime) -> datetime:
    """Move times outside working hours back to the end of the last working day, so that no entry is made at night."""
    if at.hour < 8:
        at = (at - timedelta(days=1)).replace(hour=17, minute=59)
    return at.replace(hour=17, minute=59) if at.hour >= 18 else at


def _write_history(db: TenantConnection, entries: Sequence[Entry]) -> None:
    """Store entries and their changed fields."""
    columns = ("ticket_id", "timestamp", "user_id", "comment")
    ids = numbers.take(db, "last_history", len(entries))
    rows = [
        {"id": id_, "is_public": False, **{name: getattr(entry, name) for name in columns}}
        for id_, entry in zip(ids, entries, strict=True)
    ]
    changed = [
        {"history_id": id_, "position": n, "field_name": field, "old_value": old, "new_value": new}
        for id_, entry in zip(ids, entries, strict=True)
        for n, (field, old, new) in enumerate(entry.changes)
    ]
    db.execute(db.insert(tables.ticket_history), rows)
    db.execute(db.insert(tables.history_changed_fields), changed)
