"""10,000 rows, 100 of them faulty, by real processes: killed in the middle, repeated, and two at once.

On PostgreSQL 3,000 rows, which take seconds as well. A running API over the same database stores tickets meanwhile.
"""

import asyncio
import csv
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.ticket_api.conftest import Clock, new_ticket, running
from tests.ticket_api.importing.conftest import Importer
from tests.ticket_api.importing.files import file_of, row
from tests.ticket_api.test_process import environment

pytestmark = pytest.mark.long

ROWS: Final = 10_000
ROWS_OF_POSTGRESQL: Final = 3_000
FAULTS: Final = (  # the cell that is wrong, and a part of the reason
    ("summary", "x" * 201, "at most 200 characters"),
    ("description", "  ", "is required"),
    ("statusId", "Nwe", "there is no status"),
    ("personInChargeId", "Tomas", "there is no person"),
    ("accountId", "acc999", "there is no account"),
    ("categoryDetailId", "catd12", "belongs to the category"),
    ("receptionDateTime", "2026-02-30 09:00", "a day that does not exist"),
    ("scheduledCompletionDate", "03/04/2026", "may be 2026-03-04 or 2026-04-03"),
    ("actualEffortHours", "3.55", "at most one decimal"),
    ("externalTicketId", "OLD-1", "is already in row 2"),
)


def _file(count: int) -> tuple[bytes, dict[int, tuple[str, str]]]:
    """Return the file, and for each faulty row the column at fault and a part of the reason."""
    rows = [row(number, summary=f"Ticket {number} 印刷", remarks="両面" * 50) for number in range(1, count + 1)]
    faults = {}
    for number in range(100):
        place = 50 + number * (count // 101)
        column, cell, reason = FAULTS[number % len(FAULTS)]
        rows[place] = {**rows[place], column: cell}
        faults[place + 2] = (column, reason)
    return file_of(rows), faults


def _start(folder: Path, url: str, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "ticket_api", "tickets", "import", "tickets.csv", *options]
    env = environment(MCP_DATABASE_URL=url, MCP_SAMPLE_DATA="en")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it, and so their children
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    try:
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out


async def test_every_fault_is_named_and_nothing_is_stored_twice_however_it_is_stopped(
    importer: Importer, database_url: str, clock: Clock
) -> None:
    folder = importer.folder
    count = ROWS if database_url.startswith("sqlite") else ROWS_OF_POSTGRESQL
    data, faults = _file(count)
    (folder / "tickets.csv").write_bytes(data)

    code, _ = _end(_start(folder, database_url, "--report", "report.csv"))
    with (folder / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        named = {int(line["row"]): (line["column"], line["reason"]) for line in csv.DictReader(file)}
    assert (code, named.keys()) == (2, faults.keys())
    assert all(named[at][0] == column and reason in named[at][1] for at, (column, reason) in faults.items())
    assert await importer.imported() == []

    for how in (signal.SIGINT, signal.SIGKILL):
        before = await importer.count()
        stopped = _start(folder, database_url, "--skip-faulty")
        while await importer.count() == before and stopped.poll() is None:
            pass
        stopped.send_signal(how)
        _, said = stopped.communicate(timeout=30)
        if how == signal.SIGINT:
            assert (stopped.returncode, "Traceback" in said, "Stopped after" in said) == (130, False, True)
        assert before < await importer.count() < count - len(faults)

    async with running(database_url, clock) as api:
        both = [_start(folder, database_url, "--skip-faulty") for _ in range(2)]
        before = await importer.count()
        while await importer.count() == before and both[0].poll() is None:
            pass
        answers = {(await api.post("/tickets", json=new_ticket())).status_code for _ in range(50)}
        ended = [await asyncio.to_thread(_end, process) for process in both]
        found = (await api.get("/tickets", params={"searchWords": f"OLD-{count} 印刷"})).json()
    assert [code for code, _ in ended] == [0, 0], ended
    assert answers == {201}
    assert [ticket["externalTicketId"] for ticket in found] == [f"OLD-{count}"]
    there = await importer.external_ids()
    assert len(there) == len(set(there)) == count - len(faults)
