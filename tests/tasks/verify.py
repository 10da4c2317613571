"""Compares what is stored after a task with what was stored before it and what it promises, and what was said."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.shared.given import NOW, rows_of
from tests.standin.model import COMPLETED, Row
from tests.tasks.rows import FIELDS, Rows
from tests.tasks.task import ME

TODAY: Final = NOW.date().isoformat()
_TICKET: Final = re.compile(r"TCK-\d+")


def fits(ticket: Row, history: Sequence[Row], where: Mapping[str, Any]) -> bool:
    """Return whether a ticket is among those that `where` describes.

    Names in it are `open`, `overdue`, days such as `receivedFrom`, `changedFrom` (received, or changed by a history
    entry, with `changedBy` only of that user), and fields, which must be equal.
    """
    is_open, due = ticket["statusId"] != COMPLETED, ticket["scheduledCompletionDate"]
    known = {"open": is_open, "overdue": is_open and due is not None and due < TODAY}
    by = where.get("changedBy")
    changes = [entry["timestamp"] for entry in history if by in {None, entry["userId"]}]
    days = {
        "received": [ticket["receptionDateTime"]],
        "completed": [ticket["completionDate"]],
        "due": [due],
        "changed": [*changes, *([] if by else [ticket["receptionDateTime"]])],
    }

    def holds(name: str, value: Any) -> bool:
        kind, first, _ = name.partition("From")
        kind, last, _ = kind.partition("To")
        if first or last:
            found = [day[:10] for day in days[kind] if day]
            return any(day >= value if first else day <= value for day in found)
        return name == "changedBy" or {**ticket, **known}[name] == value

    return all(holds(name, value) for name, value in where.items())


def among(rows: Rows, given: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Return ids as they are, or those of the tickets that fit."""
    if not isinstance(given, Mapping):
        return list(given)
    return [key for key, row in rows.tickets.items() if fits(row, rows.history.get(key, ()), given)]


def problems(
    promised: Mapping[str, Any], before: Rows, after: Rows, texts: Sequence[str], results: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return what is not as promised. `texts` and `results` are what the calls returned."""
    shows = promised["shows"]
    counted = _not_counted(shows["report"], after, texts[-1], results[-1]) if "report" in shows else ()
    return [*_not_said(shows, after, texts), *counted, *_not_stored(promised, before, after)]


def _not_said(shows: Mapping[str, Any], stored: Rows, texts: Sequence[str]) -> Iterator[str]:
    said = "\n".join(texts)
    yield from (f"“{text}” is not said in: {said}" for text in shows.get("says", ()) if text not in said)
    if "tickets" in shows:
        due, named = set(among(stored, shows["tickets"])), set(_TICKET.findall(said))
        if due != named:
            yield f"not named: {sorted(due - named)}; named for nothing: {sorted(named - due)}, in: {said}"


def _not_counted(report: Mapping[str, Any], stored: Rows, text: str, result: Mapping[str, Any]) -> Iterator[str]:
    """Yield numbers of a report that are not those of a scan, or that its text does not have."""
    rows = [stored.tickets[key] for key in among(stored, report.get("where", {}))]
    numbers = {"count": {}, "open": {"open": True}, "overdue": {"overdue": True}}
    if "from" in report:
        numbers["received"] = {"receivedFrom": report["from"], "receivedTo": report["to"]}
        numbers["completed"] = {"open": False, "completedFrom": report["from"], "completedTo": report["to"]}
    for name, where in numbers.items():
        due, found = sum(fits(row, (), where) for row in rows), result["totals"].get(name)
        if found != due or str(due) not in text:
            yield f"{name} is {found}, not {due}, in: {text}"
    names = {one["id"]: one["name"] for table in stored.master.values() for one in table}
    groups = Counter(names[row[report["by"]]] for row in rows)
    shown = {next(iter(row.values())): row["count"] for row in rows_of(dict(result))}
    if any(groups[name] != count for name, count in shown.items()) or len(shown) != len(groups):
        yield f"groups are {shown}, not {dict(groups)}"


def _not_stored(promised: Mapping[str, Any], before: Rows, after: Rows) -> Iterator[str]:
    due: dict[str, Row] = {key: dict(row) for key, row in before.tickets.items()}
    comments: dict[str, list[tuple[str, str, str]]] = {}
    for change in promised["changes"]:
        for key in among(before, change["tickets"]):
            due[key] |= {**change.get("set", {}), **dict.fromkeys(change.get("cleared", ()))}
            if "comment" in change:
                said = (change["comment"], ME, change.get("visibility", "internal"))
                comments.setdefault(key, []).append(said)
    for key, row in due.items():
        found = after.tickets.get(key, {})
        yield from (
            f"{key}: {name} is {found.get(name)!r}, not {row[name]!r}"
            for name in FIELDS
            if found.get(name) != row[name]
        )
        known = len(before.history.get(key, ()))
        new = after.history.get(key, ())[known:]
        added = [(entry["comment"], entry["userId"], entry["visibility"]) for entry in new if entry["comment"]]
        if added != comments.get(key, []):
            yield f"{key}: comments {added} were added, not {comments.get(key, [])}"
    created = [row for key, row in after.tickets.items() if key not in before.tickets]
    if len(created) != len(promised["creates"]):
        yield f"{len(created)} tickets were created, not {len(promised['creates'])}"
    for row, fields in zip(created, promised["creates"], strict=False):
        yield from (
            f"new: {name} is {row[name]!r}, not {value!r}" for name, value in fields.items() if row[name] != value
        )
