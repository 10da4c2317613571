"""Every step of docs/your-data.md, in both languages, as a newcomer takes it: from no database to imported tickets."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from ticket_api.__main__ import main
from ticket_api.importing.ticket_columns import COLUMNS

DOCS: Final = Path(__file__).resolve().parents[3] / "docs"
PAGES: Final = pytest.mark.parametrize("page", ["your-data.md", "your-data.ja.md"], ids=["english", "japanese"])
BLOCK: Final = re.compile(r"^```(csv|sh|text)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
Run = Callable[[str], tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command of the page in a folder without a database; return the exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MCP_DATABASE_URL", f"sqlite:///{(tmp_path / 'tickets.sqlite3').as_posix()}")
    monkeypatch.setattr("ticket_api.__main__.configure_logging", lambda **_: None)  # it would use this test's streams

    def run(line: str) -> tuple[int, str]:
        command = shlex.split(line.removeprefix("python3 run.py").removeprefix(" ticket-api"))
        monkeypatch.setattr(sys, "argv", ["ticket_api", *command])
        code = main()
        out, err = capsys.readouterr()
        return code, err + out

    return run


@PAGES
def test_every_step_works_as_it_is_written(page: str, run: Run, tmp_path: Path) -> None:
    said = ""
    for kind, name, content in BLOCK.findall((DOCS / page).read_text("utf-8")):
        if kind == "csv":
            (tmp_path / name).write_text(content, "utf-8")
        elif kind == "text" and content.startswith("Row"):
            status = re.findall(r"'(.+?)'", content)[0]
            text = (tmp_path / "tickets.csv").read_text("utf-8")
            (tmp_path / "faulty.csv").write_text(re.sub(r",[^,]+,\n$", f",{status},\n", text), "utf-8")
            assert run("tickets import faulty.csv") == (2, content)
        elif kind == "text":
            assert content in said
        else:
            for line in content.splitlines():
                if line != "python3 run.py":  # the server itself
                    code, said = run(line)
                    assert code == 0, (line, said)


@PAGES
def test_its_tables_name_every_column_and_headings_that_are_known(page: str) -> None:
    rows = re.findall(r"^\| \**`(\w+)`\** \| ([^|]+) \|", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    assert [field for field, _ in rows] == [column.field for column in COLUMNS]
    required = re.findall(r"^\| \*\*`(\w+)`", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    assert required == [column.field for column in COLUMNS if column.is_required]
    for (_, named), column in zip(rows, COLUMNS, strict=True):
        known = {heading.casefold() for heading in column.headings}
        assert {heading.casefold() for heading in re.split(", |、", named)} <= known
