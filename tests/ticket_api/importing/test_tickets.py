"""Imports of tickets: what is stored, what is refused by row and reason, and that nothing is stored twice."""

import asyncio
import csv
from datetime import date, datetime
from typing import Any

import pytest

from tests.captured_logs import capture_logs
from tests.ticket_api.importing.conftest import Importer
from tests.ticket_api.importing.files import ROW, file_of, row
from ticket_api.importing import storing
from ticket_api.importing.command import FAULTY
from ticket_api.importing.csv_reader import CsvError
from ticket_api.importing.directory import Directory
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import users
from ticket_api.tenancy import DEFAULT


async def test_rows_become_tickets_with_ids_or_names_in_any_case(importer: Importer) -> None:
    rows = [
        row(1),
        row(2, requestorId="user6", personInChargeId="TOMAS OKORO", accountId="acc2", hasDefect="yes"),
        row(3, scheduledCompletionDate="2026/12/1", actualEffortHours="3.5", remarks="two\nlines"),
    ]
    assert await importer.run(file_of(rows)) == 0
    first, second, third = await importer.imported()
    assert first["id"] == "TCK-0051"
    assert first["reception_date_time"] == datetime.fromisoformat("2026-11-02 09:30")
    assert first["has_defect"] is False
    assert (second["person_in_charge_id"], second["account_id"], second["has_defect"]) == ("user3", "acc2", True)
    assert third["scheduled_completion_date"] == date(2026, 12, 1)
    assert (third["actual_effort_tenths"], third["remarks"]) == (35, "two\nlines")
    assert importer.said == ["Tickets created: 3. Already there, left alone: 0."]


async def test_every_problem_of_every_row_is_named_and_nothing_is_stored(importer: Importer) -> None:
    rows = [
        row(1),
        row(2, statusId="Nwe", summary="x" * 201),
        row(3, scheduledCompletionDate="soon"),
        row(1, accountId="acc1"),
        row(5, categoryDetailId="catd9", description=" "),
        row(6, externalTicketId="", actualEffortHours="many"),
    ]
    assert await importer.run(file_of(rows)) == FAULTY
    assert importer.said == [
        f"Row 3, summary '{'x' * 59}…': must have at most 200 characters",
        "Row 3, statusId 'Nwe': there is no status with this id or name; there are: New, In progress, "
        "Waiting for customer, Completed",
        "Row 4, scheduledCompletionDate 'soon': is not a date; write YYYY-MM-DD, for example 2026-12-01",
        "Row 5, externalTicketId 'OLD-1': is already in row 2; each ticket has an id of its own",
        "Row 6, description: is required",
        "Row 6, categoryDetailId 'catd9': belongs to the category Integration and data, not to this one",
        "Row 7, externalTicketId: is required: it makes an import repeatable",
        "Row 7, actualEffortHours 'many': must be hours from 0 to 9999.9 with at most one decimal",
        "Faulty rows: 5 of 6.",
        "Nothing was stored. Correct the file, or store the other rows with --skip-faulty.",
    ]
    assert await importer.imported() == []


async def test_the_other_rows_are_stored_when_that_is_asked_for(importer: Importer) -> None:
    data = file_of([row(1), row(2, statusId="Nwe"), row(3)])
    assert await importer.run(data, "--skip-faulty") == 0
    assert await importer.external_ids() == ["OLD-1", "OLD-3"]


async def test_a_dry_run_says_what_would_happen_and_stores_nothing(importer: Importer) -> None:
    await importer.run(file_of([row(1)]))
    rows = [row(1), {**row(2, statusId="Completed"), "receptionDateTime": ""}]
    assert await importer.run(file_of(rows), "--dry-run") == 0
    assert importer.said == [
        "Tickets to create: 1. Already there, left alone: 1.",
        "Without a reception date, for which now is used: 1.",
        "Completed without a completion date, for which today is used: 1.",
        "Nothing was stored: this was a dry run.",
    ]
    assert await importer.external_ids() == ["OLD-1"]


async def test_a_repeated_import_leaves_alone_what_is_there_and_says_what_differs(importer: Importer) -> None:
    await importer.run(file_of([row(1), row(2)]))
    before = await importer.imported()
    assert await importer.run(file_of([row(1, summary="Something else"), row(2), row(3)])) == 0
    after = await importer.imported()
    assert after[:2] == before
    assert [ticket["id"] for ticket in after] == ["TCK-0051", "TCK-0052", "TCK-0053"]
    assert importer.said == [
        "Tickets created: 1. Already there, left alone: 2.",
        "Already there, but not as in the file; an import changes no ticket: 1.",
    ]


async def test_two_imports_at_once_store_nothing_twice(importer: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_AT_ONCE", 7)
    data = file_of(row(number) for number in range(1, 41))
    await asyncio.gather(importer.run(data), importer.run(data), importer.run(data))
    assert sorted(await importer.external_ids()) == sorted(f"OLD-{number}" for number in range(1, 41))


async def test_an_external_id_of_another_tenant_is_another_ticket(importer: Importer) -> None:
    await importer.run(file_of([row(1)]))
    assert await importer.run(file_of([row(1)]), tenant="acme") == FAULTY
    assert "the list is empty, so add it first" in importer.said[0]
    assert await importer.imported("acme") == []


async def test_a_completed_ticket_keeps_its_completion_date(importer: Importer) -> None:
    await importer.run(file_of([row(1, statusId="Completed", completionDate="2026-11-05"), row(2, statusId="stat4")]))
    assert [ticket["completion_date"] for ticket in await importer.imported()] == [
        date(2026, 11, 5),
        date(2026, 11, 20),
    ]


@pytest.mark.parametrize(
    ("cell", "minute"),
    [
        pytest.param("2026/11/2 9:05", "2026-11-02 09:05", id="excel-japan"),
        pytest.param("2026年11月2日 9:05:59", "2026-11-02 09:05", id="japanese"),
        pytest.param("2026-11-02T09:05:00+09:00", "2026-11-02 00:05", id="offset"),
        pytest.param("2026-11-02T09:05:00.123Z", "2026-11-02 09:05", id="utc"),
        pytest.param("22.11.2026 09:05", "2026-11-22 09:05", id="clear"),
    ],
)
async def test_moments_are_read_as_spreadsheets_write_them(sqlite_importer: Importer, cell: str, minute: str) -> None:
    assert await sqlite_importer.run(file_of([row(1, receptionDateTime=cell)])) == 0
    (ticket,) = await sqlite_importer.imported()
    assert ticket["reception_date_time"] == datetime.fromisoformat(minute)


@pytest.mark.parametrize(
    ("order", "day"), [(None, None), ("dmy", date(2026, 4, 3)), ("mdy", date(2026, 3, 4))], ids=["asked", "dmy", "mdy"]
)
async def test_an_ambiguous_date_is_never_guessed(
    sqlite_importer: Importer, order: str | None, day: date | None
) -> None:
    data = file_of([row(1, scheduledCompletionDate="03/04/2026")])
    given = () if order is None else ("--date-order", order)
    assert await sqlite_importer.run(data, *given) == (0 if day else FAULTY)
    if day is None:
        assert "may be 2026-03-04 or 2026-04-03" in sqlite_importer.said[0]
    else:
        assert (await sqlite_importer.imported())[0]["scheduled_completion_date"] == day


async def test_a_missing_year_is_asked_for_without_an_option_that_does_not_help(sqlite_importer: Importer) -> None:
    await sqlite_importer.run(file_of([row(1, scheduledCompletionDate="12月4日")]))
    (problem,) = (said for said in sqlite_importer.said if said.startswith("Row 2"))
    assert problem.endswith("write YYYY-MM-DD, for example 2026-12-01")


@pytest.mark.parametrize("added", [" 様", "さん", " (former)"], ids=["sama", "san", "note"])
def test_among_many_names_the_one_that_a_cell_begins_with_is_named(added: str) -> None:
    people: Any = {f"u{n}": {"id": f"u{n}", "name": f"港 美緒 {n}", "email": f"mio{n}@example.com"} for n in range(20)}
    directory = Directory({"users": people})
    for written, meant in (("港 美緒 11", "港 美緒 11"), ("mio7@example.com", "mio7@example.com")):
        with pytest.raises(ValueError, match=f"no person with this id or name; is it {meant}\\?"):
            directory.find("requestorId", written + added)
    with pytest.raises(ValueError, match="there are 20 others"):
        directory.find("requestorId", "Nobody")


async def test_a_decimal_comma_is_read_in_a_file_with_semicolons(sqlite_importer: Importer) -> None:
    await sqlite_importer.run(file_of([row(1, actualEffortHours="3,5")], separator=";"))
    assert (await sqlite_importer.imported())[0]["actual_effort_tenths"] == 35


async def test_japanese_headings_and_windows_31j_are_read(sqlite_importer: Importer) -> None:
    headings = [
        *("管理番号", "受付日時", "依頼者", "取引先", "カテゴリ", "カテゴリ詳細", "受付チャネル"),
        *("件名", "説明", "担当者", "ステータス"),
    ]
    rows = [dict(zip(headings, {**ROW, "summary": "サインインできない"}.values(), strict=True))]
    assert await sqlite_importer.run(file_of(rows, encoding="cp932")) == 0
    assert (await sqlite_importer.imported())[0]["summary"] == "サインインできない"


async def test_the_report_has_every_problem_and_every_result(sqlite_importer: Importer) -> None:
    path = sqlite_importer.folder / "report.csv"
    await sqlite_importer.run(
        file_of([row(1), row(2, summary="=1+1", statusId="=x")]), "--skip-faulty", "--report", str(path)
    )
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["row", "result", "id", "storedAs", "column", "value", "reason"]
    assert lines[1] == ["2", "created", "OLD-1", "TCK-0051", "", "", ""]
    assert lines[2][:2] == ["3", "faulty"]
    assert lines[2][4:6] == ["statusId", "'=x"]  # no formula


async def test_two_people_with_one_name_are_told_apart_by_what_to_write(sqlite_importer: Importer) -> None:
    def double(db: TenantConnection) -> None:
        db.execute(db.update(users).where(users.c.id == "user6").values(name="Tomas Okoro"))

    await sqlite_importer.tenants.write(DEFAULT, double)
    assert await sqlite_importer.run(file_of([row(1, personInChargeId="Tomas Okoro")])) == FAULTY
    assert "is the name of 2: user6 (lucia.brandvold@example.com), user3 (" in sqlite_importer.said[0]


async def test_an_import_leaves_one_line_in_the_audit_trail(sqlite_importer: Importer) -> None:
    with capture_logs() as logs:
        for _ in range(2):  # the second one creates nothing
            await sqlite_importer.run(file_of([row(1), row(2)]))
        await sqlite_importer.run(file_of([row(3)]), "--dry-run")
    (line,) = [log for log in logs if log["message"] == "audit"]
    assert line["actor"].startswith("cli:")
    assert (line["action"], line["tenant"], line["object"], line["detail"]) == (
        *("tickets_imported", DEFAULT, "tickets", "2 created"),
    )


@pytest.mark.parametrize(
    ("report", "why"),
    [("no/such/folder.csv", "cannot be written"), ("tickets-0.csv", "would overwrite")],
    ids=["folder", "same"],
)
async def test_a_report_that_cannot_be_written_is_refused_before_anything_is_stored(
    sqlite_importer: Importer, report: str, why: str
) -> None:
    with pytest.raises(CsvError, match=why):
        await sqlite_importer.run(file_of([row(1)]), "--report", str(sqlite_importer.folder / report))
    assert await sqlite_importer.count() == 0
