"""Master data at the command line: on SQLite, and on PostgreSQL as the serving role and as the owner."""

import getpass
import json
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.captured_logs import capture_logs
from tests.databases import PostgresDatabase
from ticket_api.__main__ import main

Run = Callable[..., tuple[int, list[str], str]]
PEOPLE: Final = "氏名,メールアドレス,役割\n田中 愛子,aiko@example.com,support\nBob Ross,bob@example.com,\n"


@pytest.fixture(params=["sqlite", "serving role", "owner"])
def url(request: pytest.FixtureRequest) -> str:
    """A filled database, as each role that may administer it opens it."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    database: PostgresDatabase = request.getfixturevalue("filled_postgres")
    return database.application_url if request.param == "serving role" else database.owner_url


@pytest.fixture
def audited() -> list[MutableMapping[str, Any]]:
    """The audit lines of all commands of a test."""
    return []


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], audited: list[MutableMapping[str, Any]]
) -> Run:
    """Run a command line in this process; return its exit code, the lines of its result, and what else it said."""
    monkeypatch.setattr("ticket_api.__main__.configure_logging", lambda **_: None)  # it would use this test's streams

    def command(database_url: str, *arguments: str) -> tuple[int, list[str], str]:
        monkeypatch.setenv("MCP_DATABASE_URL", database_url)
        monkeypatch.setattr(sys, "argv", ["ticket_api", *arguments])
        with capture_logs() as logs:
            code = main()
        audited.extend(line for line in logs if line["message"] == "audit")
        received = capfd.readouterr()
        return code, received.out.splitlines(), received.err

    return command


def test_people_are_added_changed_listed_and_removed(
    run: Run, url: str, audited: list[MutableMapping[str, Any]]
) -> None:
    assert run(url, "users", "add", "大久保 悠", "--email", "okubo@example.com", "--role", "support")[:2] == (
        0,
        ["user user9 added"],
    )
    assert run(url, "users", "change", "user9", "--role", "sales")[:2] == (0, ["user user9 changed"])
    assert run(url, "users", "change", "user9", "--role", "sales")[:2] == (0, ["user user9 unchanged"])
    listed = [line.split() for line in run(url, "users", "list")[1]]
    assert ["user9", "大久保", "悠", "okubo@example.com", "sales"] in listed
    assert run(url, "users", "remove", "user9")[:2] == (0, ["user user9 removed"])

    assert [(line["action"], line["object"], line["tenant"]) for line in audited] == [
        (f"master_data_{done}", "users/user9", "default") for done in ("added", "changed", "removed")
    ]
    assert {line["actor"] for line in audited} == {f"cli:{getpass.getuser()}"}


def test_a_dry_run_and_a_refusal_change_nothing(run: Run, url: str) -> None:
    before = run(url, "users", "list")

    code, said, beside = run(url, "users", "add", "Bob", "--dry-run")
    assert (code, said, beside) == (0, ["user user9 would be added"], "Dry run: nothing was changed.\n")
    for arguments, why in (
        (("add", "Bob", "--email", "AVERY.lindqvist@example.com"), "The user 'user1' already has this e-mail address"),
        (("add", "Bob", "--email", "bob"), "email must be an e-mail address"),
        (("add", " "), "name must have 1 to 200 characters"),
        (("change", "user1"), "Nothing to change"),
        (("change", "user99", "--name", "x"), "There is no user 'user99'"),
        (("remove", "user1"), "it is in use: tickets as person in charge"),
        (("add", "Bob", "--tenant", "acme"), "There is no tenant 'acme' in this database"),
    ):
        code, said, beside = run(url, "users", *arguments)
        assert (code, said, len(beside.splitlines())) == (2, [], 1)
        assert why in beside

    assert run(url, "users", "list") == before


def test_a_new_organisation_gets_usual_choices_and_its_own(run: Run, sqlite_url: str) -> None:
    run(sqlite_url, "tenant", "add", "acme")

    def acme(*arguments: str) -> list[str]:
        code, said, _ = run(sqlite_url, *arguments, "--tenant", "acme")
        assert code == 0
        return said

    assert acme("statuses", "list") == []
    assert acme("statuses", "add", "Fertig", "--completed") == ["status stat1 added"]
    added = acme("usual-choices", "--language", "ja")
    assert ("category cat1 added" in added, any("status" in line for line in added)) == (True, False)
    assert acme("usual-choices", "--language", "en") == []
    assert acme("statuses", "list") == ["stat1  Fertig  completed"]
    assert acme("categories", "add", "Hardware", "--detail", "Printer", "--detail", "Laptop") == [
        "category cat6 added",
        "category detail catd13 added",
        "category detail catd14 added",
    ]
    assert acme("category-details", "list")[-1] == "catd14  Laptop                    cat6  Hardware"
    assert acme("response-categories", "add", "Replaced", "--group", "Repair") == ["response category resp7 added"]
    assert len(run(sqlite_url, "categories", "list")[1]) == 5
    code, _, beside = run(sqlite_url, "categories", "add", "x", "--detail", "Mouse", "--detail", "mouse")
    assert (code, beside) == (2, "--detail gives the same name more than once.\n")


def test_a_file_of_people_may_be_imported_again(
    run: Run, url: str, tmp_path: Path, audited: list[MutableMapping[str, Any]]
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE, "utf-8")

    said = [run(url, "users", "import", str(file), *more)[1] for more in (("--dry-run",), (), ())]

    assert said == [
        ["users: 2 to add, 0 to change, 0 unchanged"],
        ["users: 2 added, 0 changed, 0 unchanged"],
        ["users: 0 added, 0 changed, 2 unchanged"],
    ]
    lines = [(line["action"], line["object"], line["detail"]) for line in audited]
    assert lines == [("master_data_imported", "users", "2 added, 0 changed, 0 unchanged")]
    file.write_text(PEOPLE.replace("田中 愛子", "佐藤 愛子"), "utf-8")
    assert run(url, "users", "import", str(file))[1] == ["users: 0 added, 1 changed, 1 unchanged"]
    assert any("佐藤 愛子" in line and "support" in line for line in run(url, "users", "list")[1])


def test_every_faulty_row_of_a_file_is_named_and_nothing_is_stored(run: Run, sqlite_url: str, tmp_path: Path) -> None:
    file, report = tmp_path / "accounts.csv", tmp_path / "report.csv"
    file.write_text(
        "id,name,order\nA-1,Acme,1\nA/2,Beta,2\n,Tessaly Foods,\nA-1,Acme again,\n,,3\nA-5,Gamma,last\nA-6,Delta,"
        + "9" * 5_000,
        "utf-8",
    )
    before = run(sqlite_url, "accounts", "list")[1]

    code, said, beside = run(sqlite_url, "accounts", "import", str(file))

    assert (code, said, run(sqlite_url, "accounts", "list")[1]) == (2, [], before)
    lines = beside.splitlines()
    where = ["Row 3, id 'A/2'", "Row 5, id 'A-1'", "Row 6, name", "Row 7, order 'last'", f"Row 8, order '{'9' * 59}…'"]
    assert [line.partition(":")[0] for line in lines[:5]] == where
    assert lines[5:] == [
        "Faulty rows: 5.",
        "Nothing was stored. Correct the file, or store the other rows with --skip-faulty.",
    ]

    code, said, _ = run(sqlite_url, "accounts", "import", str(file), "--skip-faulty", "--report", str(report))

    assert (code, said) == (0, ["accounts: 1 added, 0 changed, 1 unchanged"])
    results = [line.split(",")[:2] for line in report.read_text("utf-8-sig").splitlines()[1:]]
    assert results == [
        ["2", "added"],
        ["3", "faulty"],
        ["4", "unchanged"],
        ["5", "faulty"],
        ["6", "faulty"],
        ["7", "faulty"],
        ["8", "faulty"],
    ]


def test_a_row_that_could_be_several_is_not_guessed(run: Run, sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name,role\nHana,sales\nhana,sales\n", "utf-8")
    for id_ in ("h1", "h2"):
        assert run(sqlite_url, "users", "add", "Hana", "--id", id_)[0] == 0

    code, _, beside = run(sqlite_url, "users", "import", str(file))

    assert code == 2
    assert "Row 2, name 'Hana': is that of several: h1, h2; give the id" in beside
    assert "Row 3, name 'hana': is that of row 2 too" in beside


def test_a_database_that_a_command_makes_begins_empty_unless_samples_are_set(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"sqlite:///{(tmp_path / 'own.sqlite3').as_posix()}"
    code, said, beside = run(own, "users", "add", "Aiko")
    assert (code, said) == (0, ["user user1 added"])
    assert beside.startswith("Note: This made the database, and it begins empty.")
    assert run(own, "users", "list") == (0, ["user1  Aiko"], "")

    monkeypatch.setenv("MCP_SAMPLE_DATA", "ja")
    assert len(run(f"sqlite:///{(tmp_path / 'samples.sqlite3').as_posix()}", "users", "list")[1]) == 8


@pytest.mark.parametrize(
    "words", [("usual-choices", "--language", "en", "--dry-run"), ("users", "list")], ids=["dry", "list"]
)
def test_a_command_that_only_reads_makes_no_database(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "none.sqlite3"
    code, said, beside = run(f"sqlite:///{file.as_posix()}", *words)
    assert (code, len(said) > 30) == (0, words[0] == "usual-choices")
    assert beside.startswith("Note: There is no database yet; a command that changes something makes one")
    assert list(tmp_path.iterdir()) == []


def test_another_ticket_api_is_named_without_its_secrets(
    run: Run, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_API_BASE_URL", "https://me:hidden@tickets.example.com/api")

    code, said, beside = run(sqlite_url, "accounts", "list")

    assert (code, len(said)) == (0, 8)
    assert "MCP_API_BASE_URL names another ticket API (tickets.example.com)" in beside
    assert "hidden" not in beside
    assert json.dumps(sqlite_url)[1:-1].removeprefix("sqlite:///") in beside
