"""`tenant export` and `tenant erase`, as an operator types them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, environment


def run(url: str, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ticket_api", "tenant", *words],
        cwd=ROOT, env=environment(MCP_DATABASE_URL=url), capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_an_organisation_leaves_with_its_data(sqlite_url: str, tmp_path: Path) -> None:
    assert run(sqlite_url, "add", "acme", "--sample", "ja")[0] == 0

    exported = run(sqlite_url, "export", "acme", "--to", str(tmp_path / "acme.jsonl"))
    unconfirmed = run(sqlite_url, "erase", "acme", "--yes-erase", "acne")
    erased = run(sqlite_url, "erase", "acme", "--yes-erase", "acme")
    again = run(sqlite_url, "erase", "acme", "--yes-erase", "acme")
    added = run(sqlite_url, "add", "acme")

    assert exported[0] == 0, exported
    assert "tickets 50" in exported[2]
    assert unconfirmed[0] == 2
    assert "Nothing was erased: type the id once more, or pass --yes-erase acme" in unconfirmed[2]
    assert erased[0] == 0, erased
    assert "The organisation acme is erased, with 50 tickets." in erased[2]
    assert '"action":"tenant_erased"' in erased[2]
    assert '"tenant":"acme"' in erased[2]
    assert (again[0], added[0]) == (2, 2)
    assert "There is no tenant 'acme'" in again[2]
    assert "The organisation 'acme' was erased" in added[2]


@pytest.mark.parametrize("words", [["erase", "default"], ["erase", "unknown", "--yes-erase", "unknown"]])
def test_an_erasure_needs_a_terminal_or_the_id_once_more(sqlite_url: str, words: list[str]) -> None:
    code, _, said = run(sqlite_url, *words)

    assert code == 2
    assert "Traceback" not in said
