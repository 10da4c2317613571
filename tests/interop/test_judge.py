"""The judge of the interop tests detects every failure."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.mcp_tools.catalog import TOOLS
from tests.interop import drive as module
from tests.interop.drive import Seen, complaints, complaints_when_refused, drive, ticket
from tests.interop.rows import CLIENTS, ROWS, Row

ROW = Row(CLIENTS[0], "sse")
REFUSED = Seen(refused={"text": "HTTPStatusError: 401 Unauthorized"})


def result(text: str, *, is_error: bool = False) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


GOOD = Seen(
    revision=ROW.revision,
    tools=[spec.name for spec in TOOLS],
    results=[
        result("| stat1 | New |"),
        result("Created ticket TCK-0051."),
        result("# Ticket TCK-0051\n" + "\n".join(ticket(ROW).values())),
        result("There is no ticket TCK-none", is_error=True),
    ],
)


def test_no_row_repeats_what_another_one_creates() -> None:
    assert len({ticket(row)["summary"] for row in ROWS}) == len(ROWS)


def test_a_good_talk_is_good_and_a_clear_refusal_is_clear() -> None:
    assert list(complaints(ROW, GOOD)) == []
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
        (replace(GOOD, results=[*GOOD.results[:2], result("# Ticket"), GOOD.results[3]]), "was not read back"),
        (replace(GOOD, results=[*GOOD.results[:3], result("?", is_error=True)]), "its mistake was answered with '?'"),
    ],
)
def test_a_bad_talk_is_found(seen: Seen, complaint: str) -> None:
    assert complaint in next(complaints(ROW, seen))


@pytest.mark.parametrize(
    ("seen", "complaint"), [(GOOD, "it was let in"), (Seen(refused={"text": "closed"}), "it does not say '401'")]
)
def test_a_bad_refusal_is_found(seen: Seen, complaint: str) -> None:
    assert complaint in next(complaints_when_refused(ROW, seen))


@pytest.mark.parametrize(
    ("program", "complaint"), [("import time; time.sleep(60)", "hung for"), ("print('hello')", "ended with 0: hello")]
)
def test_a_driver_that_hangs_or_babbles_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, complaint: str
) -> None:
    monkeypatch.setattr(module, "TALK_S", 1.0)
    monkeypatch.setattr(module, "command", lambda *_: [sys.executable, "-S", "-c", program])

    with pytest.raises(AssertionError, match=complaint):
        drive(ROW, "http://127.0.0.1:1", "wrong", tmp_path)
