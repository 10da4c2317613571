"""docs/interop.md matches the rows."""

import re

from tests.interop.rows import ROWS
from tests.interop.sign_in import rows as sign_in
from tests.interop.table import DOCUMENT, passed, table, written


def test_the_committed_table_is_the_one_of_the_rows() -> None:
    date, rows = written()

    assert rows == table(passed), "drive the clients again: python -m tests.interop, see CONTRIBUTING.md"
    assert re.fullmatch(r"Driven on 20[0-9]{2}-[0-9]{2}-[0-9]{2}\.", date)


def test_a_row_that_failed_is_seen_in_the_table() -> None:
    failed = table(lambda row: "✗" if row == ROWS[3] else passed(row))

    assert failed.count("✗") == 1
    assert failed.splitlines()[3].endswith(f"| {ROWS[2].revision} ✓ | {ROWS[3].revision} ✗ |")


def test_the_committed_table_of_sign_in_is_the_one_of_its_rows() -> None:
    _, _, rest = DOCUMENT.read_text("utf-8").partition("<!-- sign-in: python -m tests.interop.sign_in.rows -->\n")

    assert rest.partition("<!-- /sign-in -->")[0] == sign_in.table(), "paste what the command prints"
