"""Files with secrets and databases are their owner's alone, also those that were made before."""

import os
import stat
from pathlib import Path

import pytest

from auth.store.migrate import prepare as prepare_identities
from shared.config import Settings, notes
from shared.private_files import create_private, made_private
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from tests.captured_logs import capture_logs
from tests.kills import kills
from ticket_api.migrate import prepare as prepare_tickets

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the system has no modes")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def prepare(kind: str, path: Path) -> dict[str, int]:
    """Open the database, keep it open, and return the modes of its files."""
    async with open_engine(resolve_url(f"sqlite:///{path.as_posix()}")) as engine:
        if kind == "tickets":
            await prepare_tickets(engine, fill=None, clock=utc_now)
        else:
            await prepare_identities(engine)
        return {file.name.removeprefix(path.name): mode(file) for file in path.parent.glob(f"{path.name}*")}


@kills("shared/private_files.py", "os.O_WRONLY, PRIVATE", "os.O_WRONLY, 0o644")
@pytest.mark.parametrize("kind", ["tickets", "identities"])
async def test_a_new_database_is_its_owners_alone(tmp_path: Path, kind: str) -> None:
    with capture_logs() as logs:
        modes = await prepare(kind, tmp_path / "new" / "data.sqlite3")

    assert modes == {"": 0o600, "-wal": 0o600, "-shm": 0o600}
    assert [line for line in logs if line["message"] == "file_exposed"] == []


@pytest.mark.parametrize("kind", ["tickets", "identities"])
async def test_a_database_of_an_earlier_version_becomes_its_owners_alone_and_that_is_said(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "data.sqlite3"
    await prepare(kind, path)
    path.chmod(0o644)
    path.with_name("data.sqlite3-wal").touch(0o644)
    with capture_logs() as logs:
        modes = await prepare(kind, path)

    assert set(modes.values()) == {0o600}
    assert logs[0]["hint"] == f"Other users of this machine could use {path}; its mode is now 0600."


@pytest.mark.parametrize("before", [0o644, 0o640, 0o660, 0o604, 0o777])
def test_a_settings_file_that_others_can_use_becomes_private_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    file = tmp_path / ".env"
    file.write_text("MCP_API_KEY=secret\n", "utf-8")
    file.chmod(before)
    monkeypatch.setattr(Settings, "dotenv_path", file)

    assert next(notes(Settings())) == f"Other users of this machine could use {file}; its mode is now 0600."
    assert mode(file) == 0o600
    assert made_private(file) is None


def test_a_file_of_another_owner_is_reported_only_if_everybody_can_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.touch()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    file.chmod(0o640)
    assert made_private(file) is None
    file.chmod(0o644)

    assert made_private(file) == (
        f"Every user of this machine can use {file}, and its owner must change that: chmod o= '{file}'"
    )
    assert mode(file) == 0o644


def test_a_mode_that_cannot_be_changed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.touch(0o644)

    def refused(*_: object) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(Path, "chmod", refused)
    assert str(made_private(file)).endswith("its mode cannot be changed: Read-only file system.")


def test_what_is_missing_or_a_folder_is_left_alone(tmp_path: Path) -> None:
    assert made_private(tmp_path / "none") is None
    assert made_private(tmp_path) is None
    create_private(tmp_path / "no" / "folder")
    assert list(tmp_path.iterdir()) == []
