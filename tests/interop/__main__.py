"""Drive every client and write the results into docs/interop.md: `python -m tests.interop`.

`python -m tests.interop set-up` only makes the environments. It runs on the Python of the tests (CONTRIBUTING.md).
"""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests import processes
from tests.interop import environments
from tests.interop.drive import complaints, complaints_when_refused, drive
from tests.interop.rows import ROWS, Row
from tests.interop.table import passed, table, write

AT_ONCE: Final = 2


def outcome(row: Row, door: str) -> str:
    """Drive a client with the right key and with a wrong one; return its cell of the table, and print what failed."""
    started = time.monotonic()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="interop-", ignore_cleanup_errors=True) as home:
        try:
            wrong += complaints(row, drive(row, door, processes.KEY, Path(home)))
            with processes.http_door(Path(home)) as (fresh, _):  # else throttled for wrong keys
                wrong += complaints_when_refused(row, drive(row, fresh, "wrong", Path(home)))
        except AssertionError as error:
            wrong.append(str(error))
    print(f"{time.monotonic() - started:5.1f} s  {row}: {'; '.join(wrong) or 'passed'}", flush=True)
    return "✗" if wrong else passed(row)


def main() -> int:
    """Return 0 if every client passed."""
    environments.make()
    if sys.argv[1:] == ["set-up"]:
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="interop-") as folder,
        processes.http_door(Path(folder)) as (door, _),
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        outcomes = dict(zip(ROWS, pool.map(lambda row: outcome(row, door), ROWS), strict=True))
    write(datetime.now(UTC).date().isoformat(), table(outcomes.__getitem__))
    return int(any(came != passed(row) for row, came in outcomes.items()))


if __name__ == "__main__":
    sys.exit(main())
