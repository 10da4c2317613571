"""The command line: options, output, exit codes, and confirmation before something is lost."""

import errno
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from auth.__main__ import cli, main
from auth.cli.table import table
from auth.store.key_format import parse
from shared.config import Settings
from shared.errors import TicketServerError
from tests.captured_logs import capture_logs
from tests.databases import Postgres, PostgresDatabase
from tests.kills import kills
from tests.processes import IDENTITY_KEY, ROOT, environment

MAIL: Final = "mary@acme.example"


class Terminal:
    """Runs commands one after the other on one store, as an operator does."""

    def run(self, *arguments: str, answer: str = "") -> Result:
        return CliRunner().invoke(cli, arguments, input=answer)

    def json(self, *arguments: str, answer: str = "") -> Any:
        result = self.run(*arguments, "--json", answer=answer)
        assert result.exception is None, result.exception
        return json.loads(result.stdout)

    def error(self, *arguments: str, answer: str = "") -> BaseException:
        result = self.run(*arguments, answer=answer)
        assert result.exception is not None
        return result.exception


@pytest.fixture
def url(sqlite_identity_template: Path, tmp_path: Path) -> str:
    """A migrated identity store for one test, as a setting."""
    (tmp_path / "tickets-identity.sqlite3").write_bytes(sqlite_identity_template.read_bytes())
    return f"sqlite:///{(tmp_path / 'tickets.sqlite3').as_posix()}"


@pytest.fixture
def terminal(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Terminal]:
    monkeypatch.setenv("MCP_DATABASE_URL", url)
    monkeypatch.setenv("MCP_IDENTITY_KEYS", IDENTITY_KEY)
    monkeypatch.setattr(Settings, "dotenv_path", tmp_path / ".env")
    with capture_logs():  # otherwise they go to stdout: nothing has configured logging
        yield Terminal()


@pytest.fixture
def mary(terminal: Terminal) -> Terminal:
    """Add Mary, an agent of the tenant acme."""
    terminal.json("tenant", "add", "acme", "--name", "Acme Ltd")
    terminal.json("user", "add", MAIL, "--name", "Mary Major")
    terminal.json("membership", "set", MAIL, "--tenant", "acme", "--role", "agent", "--ticket-user", "user3")
    return terminal


def test_the_first_key_of_a_new_deployment_is_one_command(terminal: Terminal) -> None:
    result = terminal.run("first-key", MAIL)

    text = result.stdout.splitlines()[-1]
    assert parse(text) is not None
    assert "The key (shown only once):" in result.stdout
    [key] = terminal.json("key", "list")
    assert (key["tenant"], key["owner_name"], key["state"]) == ("default", MAIL, "active")
    [member] = terminal.json("membership", "list")
    assert (member["tenant"], member["role"]) == ("default", "admin")


def test_a_second_first_key_is_refused_unless_another_administrator_is_meant(terminal: Terminal) -> None:
    terminal.run("first-key", MAIL)

    refused = terminal.error("first-key", "else@example.com")
    assert f"python -m auth key add --tenant default --user {MAIL}" in str(refused)
    assert len(terminal.json("key", "list")) == 1
    terminal.run("key", "add", "--tenant", "default", "--user", MAIL)  # as the message says
    terminal.run("first-key", "else@example.com", "--another")
    assert [key["owner_name"] for key in terminal.json("key", "list")].count("else@example.com") == 1


def test_a_key_is_shown_when_it_is_made_and_never_again(mary: Terminal) -> None:
    made = mary.json("key", "add", "--user", MAIL, "--tenant", "acme", "--scope", "tickets:read", "--expires-in", "7")

    listed = mary.run("key", "list").stdout + mary.run("audit", "export").stdout
    assert parse(made["key"]) is not None
    assert made["scopes"] == ["tickets:read"]
    assert made["key"].split("_")[3] not in listed
    assert made["public_id"] in listed


def test_a_rotated_key_has_a_successor_and_an_end(mary: Terminal) -> None:
    old = mary.json("key", "add", "--user", MAIL, "--tenant", "acme", "--name", "laptop")
    new = mary.json("key", "rotate", old["public_id"], "--overlap", "0")

    states = {key["public_id"]: (key["state"], key["name"]) for key in mary.json("key", "list", "--user", MAIL)}
    assert states == {old["public_id"]: ("expired", "laptop"), new["public_id"]: ("active", "laptop")}


def test_programs_have_keys_too(mary: Terminal) -> None:
    mary.json("service", "add", "nightly", "--tenant", "acme", "--role", "viewer", "--ticket-user", "user9")
    key = mary.json("key", "add", "--service", "nightly", "--tenant", "acme")
    changed = mary.json("service", "set", "nightly", "--tenant", "acme", "--role", "agent")

    mary.json("service", "disable", "nightly", "--tenant", "acme", "--yes")
    disabled = mary.json("service", "list", "--tenant", "acme")
    enabled = mary.json("service", "enable", "nightly", "--tenant", "acme")

    assert key["owner_name"] == "nightly"
    assert (changed["role"], changed["ticket_user"]) == ("agent", "user9")
    assert [service["disabled_at"] is None for service in (*disabled, enabled)] == [False, True]


@pytest.mark.parametrize("who", [("membership", "set", MAIL), ("service", "set", "nightly")], ids=["person", "program"])
def test_as_whom_they_write_stays_until_it_is_changed(mary: Terminal, who: tuple[str, ...]) -> None:
    mary.json("service", "add", "nightly", "--tenant", "acme", "--role", "agent", "--ticket-user", "user3")

    def change(*more: str) -> Any:
        return mary.json(*who, "--tenant", "acme", "--role", "viewer", *more)["ticket_user"]

    assert [change(), change("--ticket-user", "user4"), change("--ticket-user", "")] == ["user3", "user4", None]


LOSSES: Final = {
    "tenant": ("tenant", "disable", "acme"),
    "its API": ("tenant", "api", "acme", "--shared"),
    "user": ("user", "disable", MAIL),
    "membership": ("membership", "remove", MAIL, "--tenant", "acme"),
    "audit": ("audit", "prune", "--before", "2026-01-01"),
}


@kills("auth/cli/context.py", "if not yes:", "if False:")
@pytest.mark.parametrize("command", LOSSES.values(), ids=LOSSES)
def test_what_takes_something_away_asks_first(mary: Terminal, command: tuple[str, ...]) -> None:
    before = mary.run("audit", "export").stdout

    refused, silent = mary.run(*command, answer="n\n"), mary.run(*command)
    unchanged = mary.run("audit", "export").stdout
    done = mary.run(*command, "--yes")

    assert "Continue? [y/N]" in refused.stderr
    assert (refused.exit_code, silent.exit_code, done.exit_code) == (1, 1, 0)
    assert unchanged == before


def test_a_revoked_key_says_so(mary: Terminal) -> None:
    key = mary.json("key", "add", "--user", MAIL, "--tenant", "acme")

    asked = mary.run("key", "revoke", key["public_id"], answer="n\n")
    revoked = mary.json("key", "revoke", key["public_id"], "--yes")

    assert asked.exit_code == 1
    assert f"Key {key['public_id']} (key) of {MAIL} will be refused." in asked.stderr
    assert revoked["state"] == "revoked"
    assert datetime.fromisoformat(revoked["revoked_at"]).tzinfo is UTC
    assert mary.json("user", "enable", MAIL)["disabled_at"] is None


def test_whoever_finds_a_key_in_the_open_ends_it_as_it_is(mary: Terminal) -> None:
    key = mary.json("key", "add", "--user", MAIL, "--tenant", "acme")
    text = key["key"]

    misread = mary.run("key", "revoke", text[:-1], "--yes")
    revoked = mary.run("key", "revoke", text, "--yes")

    assert (misread.exit_code, revoked.exit_code) == (2, 0)
    assert "looks like a key but is not valid" in misread.stderr
    assert text[20:-1] not in misread.output + revoked.output
    assert [listed["state"] for listed in mary.json("key", "list")] == ["revoked"]


@pytest.mark.parametrize("days", ["nan", "1e300", "inf", "soon"])
def test_a_time_that_is_none_is_a_sentence(mary: Terminal, days: str) -> None:
    refused = mary.run("key", "add", "--user", MAIL, "--tenant", "acme", "--expires-in", days)

    assert refused.exit_code == 2
    assert f"'{days}' is not a number of days." in refused.stderr


def test_what_an_operator_reads_fits_a_terminal(mary: Terminal) -> None:
    mary.json("key", "add", "--user", MAIL, "--tenant", "acme", "--name", "laptop")

    for command in (("key", "list"), ("audit", "list"), ("user", "list"), ("membership", "list"), ("tenant", "list")):
        shown = mary.run(*command).stdout.splitlines()
        assert len(shown) > 1
        assert max(map(len, shown)) <= 100, command


def test_the_key_of_a_ticket_api_is_read_from_stdin_and_shown_nowhere(mary: Terminal) -> None:
    command = ("tenant", "api", "acme", "--address", "https://api.acme.example", "--key-from", "stdin")
    record = mary.json(*command, answer="their-own-key\n")

    shown = mary.run("tenant", "list").stdout + mary.run("audit", "export").stdout
    assert (record["upstream_address"], record["upstream_key"]) == ("https://api.acme.example", "sealed")
    assert "their-own-key" not in shown + json.dumps(record)
    assert mary.run("tenant", "reseal").stdout == "0 keys were resealed.\n"


def test_a_key_for_the_shared_ticket_api_needs_no_address(mary: Terminal) -> None:
    record = mary.json("tenant", "api", "acme", "--key-from", "env:ACME_KEY")

    assert (record["upstream_address"], record["upstream_key_ref"]) == (None, "env:ACME_KEY")


@pytest.mark.parametrize(
    "options",
    [(), ("--shared", "--address", "https://x.example"), ("--address", "http://10.0.0.1"), ("--key-from", "x")],
)
def test_where_tickets_are_cannot_be_said_in_contradictions(mary: Terminal, options: tuple[str, ...]) -> None:
    assert isinstance(mary.error("tenant", "api", "acme", *options, "--yes"), TicketServerError)


def test_the_audit_is_exported_as_lines_of_json_by_time_and_tenant(mary: Terminal) -> None:
    everything = [json.loads(line) for line in mary.run("audit", "export").stdout.splitlines()]
    of_acme = [json.loads(line) for line in mary.run("audit", "export", "--tenant", "acme").stdout.splitlines()]
    later = mary.run("audit", "export", "--since", "2100-01-01T00:00:00+02:00").stdout
    newest = mary.json("audit", "list", "--limit", "1")

    assert [event["action"] for event in everything] == ["tenant_added", "user_added", "membership_set"]
    assert [event["action"] for event in of_acme] == ["tenant_added", "membership_set"]
    assert later == ""
    assert newest[0]["action"] == "membership_set"
    assert newest[0]["actor"].startswith("cli")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a process with a store of its own."""
    folder = tmp_path_factory.mktemp("program")
    return {"MCP_DATABASE_URL": f"sqlite:///{folder}/new/tickets.sqlite3", "MCP_IDENTITY_KEYS": IDENTITY_KEY}


def start(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "auth", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, check=False, timeout=60
    )


def test_as_a_program_it_makes_its_store_and_ends_with_a_code(program: dict[str, str]) -> None:
    first = start("first-key", MAIL, "--json", **program)

    assert (first.returncode, parse(json.loads(first.stdout)["key"]) is not None) == (0, True)
    assert json.loads(first.stdout)["key"].split("_")[3] not in first.stderr
    assert '"audit":"true"' in first.stderr, "the log of a job has the audit"


def leave_logging_alone(*, level: str) -> None:
    """Replace the function that configures logging for the whole process, which other tests rely on."""


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "sentence"),
    [
        (("key", "list", "--tenant", "nope", "--json"), {}, 1, '{"error": {"kind": "unknown_tenant"'),
        (("key", "list"), {"MCP_IDENTITY_KEYS": ""}, 2, "Error: set MCP_IDENTITY_KEYS"),
        (("key", "lost"), {}, 2, "No such command 'lost'"),
        (
            ("key", "list"),
            {"MCP_DATABASE_URL": "mysql://root:their-password@host/x"},
            2,
            "Error: MCP_DATABASE_URL: The database URL must begin with",
        ),
    ],
)
def test_what_cannot_be_done_is_said_on_stderr_with_a_code(
    *,
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    settings: dict[str, str],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["auth", *arguments])
    monkeypatch.setattr("auth.__main__.configure_logging", leave_logging_alone)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    assert main() == code
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert "their-password" not in said.err


class CtrlC(io.StringIO):
    """A keyboard that sends Ctrl-C, and then y if that is ignored."""

    def readline(self, _: int = -1, /) -> str:  # type: ignore[override] # the stubs have one for bytes and one for text
        signal.raise_signal(signal.SIGINT)
        return "y\n"


def test_ctrl_c_is_an_answer_to_a_question(mary: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "argv", ["auth", "user", "disable", MAIL])
    monkeypatch.setattr("auth.__main__.configure_logging", leave_logging_alone)
    monkeypatch.setattr(sys, "stdin", CtrlC())
    monkeypatch.setattr(sys, "stderr", said)

    assert main() == 1
    assert "Nothing was done." in said.getvalue()
    assert mary.json("user", "list")[0]["disabled_at"] is None


class Unwritable(io.StringIO):
    """A terminal or a disk that fails on every write."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self._failure = failure

    def write(self, _: str) -> int:
        raise self._failure


@pytest.mark.parametrize(
    ("failure", "code"),
    [(KeyboardInterrupt(), 130), (OSError(errno.ENOSPC, "No space left on device"), 1)],
    ids=["Ctrl-C", "full disk"],
)
def test_an_answer_that_cannot_be_given_is_no_traceback(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "argv", ["auth", "tenant", "list"])
    monkeypatch.setattr("auth.__main__.configure_logging", leave_logging_alone)
    monkeypatch.setattr(sys, "stdout", Unwritable(failure))
    monkeypatch.setattr(sys, "stderr", said)

    assert main() == code
    assert ("(No space left on device), but the command was carried out." in said.getvalue()) == (code == 1)


@pytest.mark.long
async def test_the_owner_migrates_and_a_plain_role_works(
    postgres: Postgres, empty_postgres: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"MCP_IDENTITY_KEYS": IDENTITY_KEY}
    as_owner = keys | {"MCP_DATABASE_URL": empty_postgres.owner_url}
    as_application = keys | {"MCP_DATABASE_URL": empty_postgres.application_url}

    too_early = start("first-key", MAIL, **as_application)
    no_principal = start("migrate", "--grant-to", "no-such-role", **as_owner)
    migrated = start("migrate", "--grant-to", postgres.application, **as_owner)
    first = start("first-key", MAIL, "--json", **as_application)

    assert (too_early.returncode, no_principal.returncode, migrated.returncode, first.returncode) == (1, 1, 0, 0)
    assert "python -m auth migrate --grant-to ROLE" in too_early.stderr
    assert "no role 'no-such-role'" in no_principal.stderr


def test_a_table_is_aligned_whatever_is_in_it() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "アクメ", "nothing": None, "id": "a"},
        {"name": "x", "nothing": "", "id": "b"},
    ]

    assert table(rows) == "name    id\nアクメ  a\nx       b"
    assert table([]) == "None."
