"""The columns of a file of tickets, and how their cells are written by people and spreadsheets.

The result of `read_cells` is what the API itself accepts for a new ticket, except that ids may still be names.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, Final, Literal

from shared.tickets.dates.written_days import written_days
from ticket_api.importing.csv_reader import Column, CsvRow, CsvTable
from ticket_api.importing.problems import Problem
from ticket_api.store.search.folding import fold

DateOrder = Literal["dmy", "mdy"]


def _required(field: str, *headings: str) -> Column:
    return Column(field, headings, is_required=True)


COLUMNS: Final = (
    _required("externalTicketId", "External id", "External ticket", "外部チケットID", "外部ID", "管理番号"),
    Column("receptionDateTime", ("Received", "Reception", "Reception date", "受付日時", "受付日")),
    _required("requestorId", "Requestor", "Requestor name", "Requester", "依頼者", "依頼者ID", "依頼者名"),
    _required("accountId", "Account", "Account name", "Customer", "取引先", "取引先ID", "取引先名", "顧客", "顧客名"),
    _required("categoryId", "Category", "Category name", "カテゴリ", "カテゴリー", "カテゴリID", "分類"),
    _required(
        *("categoryDetailId", "Category detail", "Category detail name"),
        *("カテゴリ詳細", "カテゴリー詳細", "カテゴリ詳細ID", "分類詳細"),
    ),
    _required(
        *("requestChannelId", "Request channel", "Request channel name", "Channel"),
        *("受付チャネル", "受付チャネルID", "受付経路", "チャネル"),
    ),
    _required("summary", "Subject", "Title", "件名", "概要", "要約"),
    _required("description", "Details", "説明", "内容", "詳細"),
    _required(
        *("personInChargeId", "Person in charge", "In charge", "Person in charge name", "Assignee"),
        *("担当者", "担当者ID", "担当者名"),
    ),
    _required("statusId", "Status", "Status name", "ステータス", "ステータスID", "状態"),
    Column("scheduledCompletionDate", ("Due", "Due date", "期日", "期限", "完了予定日")),
    Column("completionDate", ("Completed", "Completed on", "完了日")),
    Column("actualEffortHours", ("Hours", "Effort", "Actual effort", "実績工数", "工数", "対応工数")),
    Column(
        "responseCategoryId",
        ("Response category", "Response category name", "対応カテゴリ", "対応カテゴリID", "対応カテゴリー", "対応区分"),
    ),
    Column("responseDetails", ("Response", "対応内容", "対応詳細")),
    Column("hasDefect", ("Defect", "不具合", "不具合あり", "不具合有無")),
    Column("remarks", ("Notes", "備考")),
)
_TRUTHS: Final = MappingProxyType(
    {
        **dict.fromkeys(("true", "yes", "y", "1", "x", "はい", "有", "あり", "○", "◯"), True),
        **dict.fromkeys(("false", "no", "n", "0", "-", "いいえ", "無", "なし", "×", "✕"), False),
    }
)  # fmt: skip
_WITH_TIME: Final = re.compile(
    r"(?P<day>.*?)[ T](?P<hour>\d{1,2}):(?P<minute>\d\d)(?::\d\d(?:\.\d{1,9})?)?(?: ?(?P<zone>Z|[+-]\d\d:?\d\d))?",
    re.ASCII,
)
_FIRST_NUMBER: Final = re.compile(r"\d{1,2}(?=\D)", re.ASCII)
_DAY_FORM: Final = "write YYYY-MM-DD, for example 2026-12-01"
_MINUTE_FORM: Final = "write YYYY-MM-DD HH:MM, for example 2026-11-22 09:30"


@dataclass(frozen=True, slots=True)
class Form:
    """How the file at hand writes dates and numbers, and the day on which it is read."""

    today: date
    date_order: DateOrder | None = None
    decimal_comma: bool = False


def read_cells(table: CsvTable, row: CsvRow, form: Form) -> tuple[dict[str, Any], list[Problem]]:
    """Return a row's values as the API accepts them, and the problems of cells that cannot be read."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for field, cell in row.cells.items():
        read = _READERS.get(field)
        try:
            values[field] = cell if read is None else read(cell, form)
        except ValueError as error:
            problems.append(table.problem(row, field, str(error)))
    return values, problems


def _day(cell: str, form: Form) -> str:
    return _day_of(cell, form, _DAY_FORM).isoformat()


def _minute(cell: str, form: Form) -> str:
    found = _WITH_TIME.fullmatch(cell)
    if found is None:
        raise ValueError(f"is not a date and a time; {_MINUTE_FORM}")
    day = _day_of(found["day"].strip(), form, _MINUTE_FORM)
    return f"{day} {int(found['hour']):02}:{found['minute']}{_offset(found['zone'])}"


def _offset(zone: str | None) -> str:
    if zone is None or zone == "Z" or ":" in zone:
        return zone or ""
    return f"{zone[:3]}:{zone[3:]}"


def _day_of(text: str, form: Form, expected: str) -> date:
    readings = written_days(fold(text), form.today, past=True)
    years = {day.year for day in readings}
    if len(readings) > 1 and form.date_order is not None and (first := _FIRST_NUMBER.match(text)):
        readings = tuple(
            day for day in readings if int(first[0]) == (day.day if form.date_order == "dmy" else day.month)
        )
    if not readings:
        raise ValueError(f"is not a date; {expected}")
    if len(readings) > 1:
        either = "" if len(years) > 1 else ", or import with --date-order dmy or mdy"
        raise ValueError(f"may be {' or '.join(map(str, readings))}; {expected}{either}")
    return readings[0]


def _hours(cell: str, form: Form) -> str:
    return cell.replace(",", ".") if form.decimal_comma else cell


def _truth(cell: str, _: Form) -> bool:
    if (known := _TRUTHS.get(fold(cell))) is None:
        raise ValueError("must be yes or no; true, false, 1, 0, はい and いいえ are understood too")
    return known


_READERS: Final[Mapping[str, Callable[[str, Form], Any]]] = MappingProxyType({
    "receptionDateTime": _minute,
    "scheduledCompletionDate": _day,
    "completionDate": _day,
    "actualEffortHours": _hours,
    "hasDefect": _truth,
})  # fmt: skip
