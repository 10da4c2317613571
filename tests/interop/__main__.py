"""Drive every client and write the results into docs/interop.md: `python -m tests.interop`.

`python -m tests.interop set-up` only makes the environments. It runs on the Python of the tests (CONTRIBUTING.md).
"""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from tests.interop import environments
from tests.interop.drive import judge
from tests.interop.rows import ROWS, Row
from tests.interop.table import passed, table, write
from tests.processes import RestartableDoor

AT_ONCE: Final = 2


def outcome(row: Row, servers: SimpleQueue[RestartableDoor]) -> str:
    """Drive a client against a free server; return its cell of the table, and print what failed."""
    started = time.monotonic()
    server = servers.get()
    with tempfile.TemporaryDirectory(prefix="interop-", ignore_cleanup_errors=True) as home:
        wrong = judge(row, server, Path(home))
    servers.put(server)
    print(f"{time.monotonic() - started:5.1f} s  {row}: {'; '.join(wrong) or 'passed'}", flush=True)
    return "✗" if wrong else passed(row)


def main() -> int:
    """Return 0 if every client passed."""
    environments.make()
    if sys.argv[1:] == ["set-up"]:
        return 0
    servers = SimpleQueue[RestartableDoor]()
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="interop-"))
            servers.put(stack.enter_context(RestartableDoor(Path(folder))))
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        outcomes = dict(zip(ROWS, pool.map(lambda row: outcome(row, servers), ROWS), strict=True))
    write(datetime.now(UTC).date().isoformat(), table(outcomes.__getitem__))
    return int(any(came != passed(row) for row, came in outcomes.items()))


if __name__ == "__main__":
    sys.exit(main())
