"""Measure other ticket servers beside this one, and write the table into docs/tools.md: `python -m tests.peers`."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.peers.measure import measure
from tests.peers.table import DOCUMENT, table, written


def main() -> int:
    """Return 0."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        made = table(asyncio.run(measure(Path(folder))))
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8"), made), "utf-8")
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
