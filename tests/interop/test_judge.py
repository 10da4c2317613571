"""The judge of the interop tests detects every failure."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.mcp_tools.catalog import TOOLS
from tests.interop import drive as module
from tests.interop.commands import ticket
from tests.interop.drive import NAMES, Seen, complaints, complaints_after_restart, complaints_when_refused, drive
from tests.interop.rows import CLIENTS, ROWS, Row
from tests.processes import RestartableDoor

ROW = Row(CLIENTS[0], "sse")
RECOVERS = next(row for row in ROWS if row.recovers)
REFUSED = Seen(refused={"text": "HTTPStatusError: 401 Unauthorized"})


def result(text: str, *, is_error: bool = False) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


GOOD = Seen(
    revision=ROW.revision,
    tools=[spec.name for spec in TOOLS],
    results=[
        result("| stat1 | New |"),
        result("Created ticket TCK-0051."),
        result("**TCK-0051**\n" + "\n".join(NAMES.get(value, value) for value in ticket(ROW).values())),
        result("There is no ticket TCK-none", is_error=True),
    ],
    after=result("MCPError: Connection closed", is_error=True),
    again=result("| stat1 | New |"),
)


def test_no_row_repeats_what_another_one_creates() -> None:
    assert len({ticket(row)["summary"] for row in ROWS}) == len(ROWS)


def test_a_good_talk_is_good_and_a_clear_refusal_is_clear() -> None:
    assert list(complaints(ROW, GOOD)) == []
    assert list(complaints_after_restart(ROW, GOOD)) == []
    assert list(complaints_when_refused(ROW, REFUSED)) == []


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        (REFUSED, "it was refused"),
        (replace(GOOD, revision="2024-11-05"), "it negotiated 2024-11-05"),
        (replace(GOOD, tools=["get_statuses"]), "it saw the tools"),
        (replace(GOOD, results=[]), "it got 0 results"),
        (replace(GOOD, results=[*GOOD.results[:3], result("There is no ticket TCK-none")]), "of its calls were errors"),
        (replace(GOOD, results=[result(""), *GOOD.results[1:]]), "the statuses are"),
        (replace(GOOD, results=[*GOOD.results[:2], result("**TCK-0051**"), GOOD.results[3]]), "was not read back"),
        (replace(GOOD, results=[*GOOD.results[:3], result("?", is_error=True)]), "its mistake was answered with '?'"),
    ],
)
def test_a_bad_talk_is_found(seen: Seen, complaint: str) -> None:
    assert complaint in next(complaints(ROW, seen))


@pytest.mark.parametrize(
    ("row", "seen", "complaint"),
    [
        (RECOVERS, GOOD, "after the restart it does not say 'stat1'"),
        (ROW, replace(GOOD, after=GOOD.again), "after the restart it does not say 'Connection closed"),
        (ROW, replace(GOOD, after={}), "after the restart it does not say"),
        (ROW, replace(GOOD, again=GOOD.after), "on a new connection it says 'MCPError"),
        (ROW, replace(GOOD, again={}), "on a new connection it says 'nothing'"),
    ],
)
def test_a_restart_that_goes_otherwise_is_found(row: Row, seen: Seen, complaint: str) -> None:
    assert complaint in next(complaints_after_restart(row, seen))


@pytest.mark.parametrize(
    ("seen", "complaint"), [(GOOD, "it was let in"), (Seen(refused={"text": "closed"}), "it does not say '401'")]
)
def test_a_bad_refusal_is_found(seen: Seen, complaint: str) -> None:
    assert complaint in next(complaints_when_refused(ROW, seen))


REPORT = "print('{\"results\": []}', flush=True); "


@pytest.mark.parametrize(
    "program", ["import time; time.sleep(60)", f"{REPORT}import time; time.sleep(60)"], ids=["at once", "later"]
)
def test_a_driver_that_hangs_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    monkeypatch.setattr(module, "TALK_S", 1.0)

    with pytest.raises(AssertionError, match="hung for 1 s"):
        driven(monkeypatch, tmp_path, program)


@pytest.mark.parametrize("before", ["", f"{REPORT}import sys; sys.stdin.read(); "], ids=["at once", "later"])
def test_a_driver_that_babbles_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: str) -> None:
    with pytest.raises(AssertionError, match="ended with 0: hello"):
        driven(monkeypatch, tmp_path, f"{before}print('hello')")


def test_a_driver_that_ends_before_the_restart_is_judged_by_its_first_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert driven(monkeypatch, tmp_path, f"import sys; sys.stdin.close(); {REPORT}").after == {}


def driven(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> Seen:
    """Run a program as the driver of a row, without a server."""
    monkeypatch.setattr(module, "command", lambda *_: [sys.executable, "-S", "-c", program])
    server = RestartableDoor(tmp_path)
    monkeypatch.setattr(server, "restart", lambda: "")
    return drive(ROW, server, "wrong", tmp_path)
