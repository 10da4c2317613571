"""`python -m ticket_api` as a process of its own: start, stop, and failures in one sentence."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2
import pytest

from tests.databases import PostgresDatabase
from tests.ticket_api.conftest import KEY
from ticket_api.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


def environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with these settings and none of our others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MCP_") and name != "PORT"}
    return clean | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **settings}


def in_this_process(monkeypatch: pytest.MonkeyPatch, **settings: str) -> int:
    """Run the command here, with settings that it must refuse, and return its exit code."""
    monkeypatch.setattr(os, "environ", environment(**settings))
    monkeypatch.setattr(sys, "argv", ["ticket_api"])
    return main()


def run(*arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ticket_api", *arguments],
        cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start the service on a free port; yield it with its address, once its log names it."""
    with subprocess.Popen(
        [sys.executable, "-m", "ticket_api"],
        cwd=folder, env=environment(PORT="0", **settings), stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            yield process, address(process.stderr)
        finally:
            process.kill()


def address(log: IO[str]) -> str:
    """Read the log until it names the address; the time limit of the test bounds the wait."""
    read: list[str] = []
    for line in log:
        read.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError("".join(read))


def test_it_serves_with_its_key_until_sigterm_and_ends_with_0(tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 't.sqlite3').as_posix()}"
    with serving(tmp_path, MCP_DATABASE_URL=url, MCP_API_KEY=KEY, MCP_SAMPLE_DATA="ja") as (process, base):
        with httpx2.Client(base_url=base, timeout=30) as client:
            assert client.get("/health").json()["status"] == "OK"
            assert client.get("/tickets").status_code == 401
            assert client.get("/tickets", headers={"x-api-key": KEY}).status_code == 200
            users = client.get("/tickets/master/users", headers={"x-api-key": KEY}).json()
            assert "青柳 美沙" in {user["name"] for user in users}

        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("settings", [
    {},
    {"MCP_ALLOW_ANONYMOUS": "true", "MCP_HOST": "0.0.0.0"},  # noqa: S104 - must be refused
])  # fmt: skip
def test_without_a_key_it_serves_loopback_only_and_on_request_only(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "t.sqlite3"

    code = in_this_process(monkeypatch, **settings, MCP_DATABASE_URL=f"sqlite:///{file.as_posix()}")

    said = capsys.readouterr().err
    assert (code, file.exists()) == (2, False)
    assert "MCP_API_KEY" in said
    assert "Traceback" not in said


def test_a_wrong_url_is_one_sentence(tmp_path: Path) -> None:
    refused = run(folder=tmp_path, MCP_DATABASE_URL="mysql://root:secret@h/d", MCP_API_KEY=KEY)

    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "secret" not in refused.stderr


def test_the_owner_migrates_and_the_application_serves(tmp_path: Path, empty_postgres: PostgresDatabase) -> None:
    settings = {"MCP_DATABASE_URL": empty_postgres.application_url, "MCP_API_KEY": KEY}

    too_early = run(folder=tmp_path, PORT="0", **settings)
    grant = ("--grant-to", empty_postgres.application)
    migrated = run("migrate", *grant, folder=tmp_path, MCP_DATABASE_URL=empty_postgres.owner_url)

    assert (too_early.returncode, migrated.returncode) == (2, 0)
    assert "python -m ticket_api migrate" in too_early.stderr
    with serving(tmp_path, **settings) as (_, base):
        tickets = httpx2.get(f"{base}/tickets", headers={"x-api-key": KEY}, timeout=30)
        assert len(tickets.json()) == 20
