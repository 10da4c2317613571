"""`backup`, `restore` and `check` on SQLite files, as a person types them, and what they refuse."""

import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Final

import pytest

from recovery.__main__ import main
from tests.databases import copy_sqlite, run_aside
from tests.processes import ROOT, environment, http_door
from tests.recovery.desk import SECRET, UPSTREAM_KEY, fill_identity, fill_tickets, what_works

OTHER_SECRET: Final = "a-secret-that-nothing-was-made-with"


class Machine:
    """One machine with both databases, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.tickets = folder / "data" / "tickets.sqlite3"
        self.identity = folder / "data" / "tickets-identity.sqlite3"
        self.identity_url = f"sqlite:///{self.identity.as_posix()}"
        self.key = ""
        self.settings = {"MCP_DATABASE_URL": f"sqlite:///{self.tickets.as_posix()}", "MCP_IDENTITY_KEYS": SECRET}

    def run(self, *words: str, **settings: str) -> tuple[int, str]:
        """Run a command; return its exit code and all it said."""
        said = TextIOWrapper(BytesIO(), write_through=True)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
            patch.setattr(sys, "argv", ["recovery", *words])
            for name, value in {**self.settings, **settings}.items():
                patch.setenv(name, value)
            code = main()
        said.seek(0)
        return code, said.read()

    def run_with_small_files(self, *words: str) -> tuple[int, str]:
        """Likewise, in a process that can write no file of more than 50,000 bytes."""
        done = subprocess.run(
            [sys.executable, "-m", "recovery", *words],
            cwd=ROOT, env=environment(**self.settings), capture_output=True, text=True, timeout=60, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def back_up(self) -> Path:
        """Make a backup; return its folder."""
        code, said = self.run("backup")
        assert code == 0, said
        return next((self.tickets.parent / "backups").iterdir())

    def lose(self) -> None:
        """Lose the databases."""
        for file in self.tickets.parent.glob("*.sqlite3*"):
            file.unlink()


def contents(file: Path) -> str:
    """Return every row of a database."""
    with closing(sqlite3.connect(file)) as connection:
        return "\n".join(connection.iterdump())


@pytest.fixture(scope="session")
def filled_machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = Machine(tmp_path_factory.mktemp("recovery"))
    run_aside(fill_tickets(machine.settings["MCP_DATABASE_URL"]))
    machine.key = run_aside(fill_identity(machine.identity_url))
    return machine


@pytest.fixture
def machine(filled_machine: Machine, tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.key = filled_machine.key
    machine.tickets.parent.mkdir()
    copy_sqlite(filled_machine.tickets, machine.tickets)
    copy_sqlite(filled_machine.identity, machine.identity)
    return machine


def test_what_was_lost_comes_back_as_it_was_backed_up(machine: Machine) -> None:
    before = [contents(file) for file in (machine.tickets, machine.identity)]
    backup = machine.back_up()
    machine.lose()

    code, said = machine.run("restore", str(backup))
    checked = machine.run("check")

    assert code == 0, said
    assert [contents(file) for file in (machine.tickets, machine.identity)] == before
    assert checked[0] == 0
    assert "default: 50 tickets" in checked[1]
    with closing(sqlite3.connect(machine.tickets)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for file in (machine.tickets, machine.identity, *backup.iterdir()):
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_backup_is_of_one_moment_while_a_server_writes(machine: Machine) -> None:
    """Its write-ahead log is part of the moment, and an open transaction is not."""
    with closing(sqlite3.connect(machine.tickets, isolation_level=None)) as writer:
        writer.execute("UPDATE tickets SET remarks = 'committed, in the log only' WHERE number = 1")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE tickets SET remarks = 'not committed' WHERE number = 2")
        copy = machine.back_up() / "tickets.sqlite3"
        writer.rollback()

    with closing(sqlite3.connect(copy)) as connection:
        rows = connection.execute("SELECT remarks FROM tickets WHERE number < 3 ORDER BY number").fetchall()
    assert rows[0] == ("committed, in the log only",)
    assert rows[1] != ("not committed",)


def test_a_restore_replaces_nothing_that_is_there_or_in_use(machine: Machine) -> None:
    backup = machine.back_up()
    before = contents(machine.tickets)

    unasked = machine.run("restore", str(backup))
    with closing(sqlite3.connect(machine.tickets)) as server:
        server.execute("SELECT 1 FROM tickets").fetchone()
        in_use = machine.run("restore", str(backup), "--replace")
        assert contents(machine.tickets) == before
    replaced = machine.run("restore", str(backup), "--replace")

    assert (unasked[0], in_use[0], replaced[0]) == (2, 2, 0)
    assert "There is a database already" in unasked[1]
    assert "is in use: stop the server first" in in_use[1]
    assert not list(machine.tickets.parent.glob("*.restoring*"))


def test_a_running_server_is_backed_up_and_its_databases_are_not_replaced(machine: Machine, tmp_path: Path) -> None:
    with http_door(tmp_path, **machine.settings):
        backup = machine.back_up()
        in_use = machine.run("restore", str(backup), "--replace")
    replaced = machine.run("restore", str(backup), "--replace")

    assert (in_use[0], replaced[0]) == (2, 0), in_use
    assert "is in use: stop the server first" in in_use[1]


def test_a_damaged_database_is_replaced_with_its_log(machine: Machine) -> None:
    before, backup = contents(machine.tickets), machine.back_up()
    machine.tickets.write_bytes(b"not a database" * 1000)
    Path(f"{machine.tickets}-wal").write_bytes(b"of the damaged one")

    code, said = machine.run("restore", str(backup), "--replace")

    assert code == 0, said
    assert contents(machine.tickets) == before


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    file.write_bytes(content)


def forget_a_file(file: Path) -> None:
    file.unlink()


def repaired_sum(file: Path) -> None:
    """Damage the database and make what is said about it true again, so that only SQLite can tell."""
    from recovery.files import digest_of

    flip(file)
    about = json.loads((file.parent / "backup.json").read_text())
    for one in about["files"]:
        if one["name"] == file.name:
            one["sha256"] = digest_of(file)
    (file.parent / "backup.json").write_text(json.dumps(about))


@pytest.mark.parametrize(("damage", "sentence"), [
    (flip, "is not as it was backed up"), (repaired_sum, ""), (forget_a_file, "No such file"),
])  # fmt: skip
def test_a_damaged_backup_is_found_before_anything_is_replaced(
    machine: Machine, damage: Callable[[Path], None], sentence: str
) -> None:
    backup, before = machine.back_up(), contents(machine.tickets)
    damage(backup / "tickets.sqlite3")

    code, said = machine.run("restore", str(backup), "--replace")

    assert code == 2
    assert sentence in said
    assert "Nothing was replaced" in said
    assert "Traceback" not in said
    assert contents(machine.tickets) == before


def test_a_backup_of_a_newer_version_is_refused(machine: Machine) -> None:
    with closing(sqlite3.connect(machine.tickets)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    backup, before = machine.back_up(), contents(machine.tickets)

    code, said = machine.run("restore", str(backup), "--replace")

    assert code == 2
    assert "newer version of this program" in said
    assert contents(machine.tickets) == before


def test_a_damaged_database_is_not_taken_for_a_backup(machine: Machine) -> None:
    flip(machine.tickets)

    code, said = machine.run("backup")

    assert code == 2, said
    assert "Traceback" not in said
    assert not list((machine.tickets.parent / "backups").glob("*"))


@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit of POSIX")
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_full_disk_leaves_everything_as_it_was(machine: Machine, command: str) -> None:
    backup, before = machine.back_up(), contents(machine.tickets)
    words = [command] if command == "backup" else [command, str(backup), "--replace"]

    code, said = machine.run_with_small_files(*words)

    assert code == 2, said
    assert "Traceback" not in said
    assert contents(machine.tickets) == before
    assert [one.name for one in backup.parent.iterdir()] == [backup.name]
    assert not list(machine.tickets.parent.glob("*.restoring*"))


def test_the_secrets_are_not_in_a_backup_and_wrong_ones_are_noticed(machine: Machine) -> None:
    backup = machine.back_up()
    content = b"".join(file.read_bytes() for file in backup.iterdir())

    code, said = machine.run("backup", MCP_IDENTITY_KEYS=OTHER_SECRET)
    rotated = machine.run("check", MCP_IDENTITY_KEYS=f"{OTHER_SECRET},{SECRET}")

    assert SECRET.encode() not in content
    assert "MCP_IDENTITY_KEYS is not in the backup" in said
    assert code == 1
    assert "1 valid API keys were made with the secret" in said
    assert "upstream key of tenant 'acme'" in said
    assert rotated[0] == 0


def test_keys_made_before_authenticate_after_a_restore(machine: Machine) -> None:
    backup = machine.back_up()
    before = run_aside(what_works(machine.identity_url, machine.key))
    machine.lose()
    machine.run("restore", str(backup))

    assert run_aside(what_works(machine.identity_url, machine.key)) == before
    assert before[1] == UPSTREAM_KEY


def test_a_postgresql_database_is_left_to_its_own_backups(machine: Machine) -> None:
    url = "postgresql://u:hidden-password@h/d"
    for words in (["backup"], ["restore", str(machine.back_up())]):
        code, said = machine.run(*words, MCP_DATABASE_URL=url)
        assert code == 2
        assert "PostgreSQL" in said
        assert "hidden-password" not in said
