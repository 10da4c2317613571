"""The check for leaked keys finds them."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.hidden import secrets_in
from tests.processes import API_KEY, IDENTITY_KEY, KEY, OPERATOR_KEY, ROOT

MADE: Final = f"tkt_live_{'a' * 8}_{'B' * 49}"
OURS: Final = [KEY, OPERATOR_KEY, API_KEY, IDENTITY_KEY, MADE, f"tapi_{'c-D_' * 10}xyz"]


@pytest.mark.parametrize("key", OURS, ids=lambda key: key[:8])
def test_a_key_is_found_and_not_shown_again(key: str) -> None:
    found = secrets_in(f'{{"event":"x","key":"{key}"}}')

    assert len(found) == 1
    assert key not in found[0]


@pytest.mark.parametrize("text", ["tkt_live_abcdefgh", "x-api-key", "tapi_", "credential=abcdefgh", ""])
def test_the_public_part_of_a_key_is_no_secret(text: str) -> None:
    assert secrets_in(text) == []


SHOWING: Final = """
import logging
from tests.processes import KEY, Process

def test_print():
    print(KEY)

def test_log():
    logging.warning(KEY)

def test_program():
    with Process(("-c", f"print({KEY!r})")) as process:
        process.wait()

def test_nothing():
    pass
"""


def test_a_test_that_shows_a_key_fails_whatever_it_asserts(tmp_path: Path) -> None:
    file = tmp_path / "test_shows.py"
    file.write_text(SHOWING, "utf-8")
    options = ("-q", "-rN", "--no-cov", "-p", "tests.hidden", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *options, str(file)]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert "3 failed, 1 passed" in ran.stdout
    assert ran.stdout.count("Keys were written to output or logs") == 3
    assert KEY not in ran.stdout
